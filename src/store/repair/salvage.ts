/** Saves what can be read of a damaged segment, and enters what is lost. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { countOf, type IntervalSet, intervals, subtract } from '../../core/intervals.ts';
import { type OpenDatabase, sizeOf, unlinkDatabase } from '../format/disk.ts';
import { createSegment, isDamage, openSegment, type Row, type Segment } from '../format/segment.ts';
import { countRow, emptyInfo, moveToQuarantine, parseSegmentFile, type SegmentInfo } from '../index/catalog.ts';
import type { Stream } from '../store.ts';
import { cutPending } from '../write/evict.ts';
import { archiveEvents, type House } from '../write/rotate.ts';

/** Where the number of the last commit is not known, looking for more ends after this many that are not there. */
const MISSES = 2000;

/** Writing what was saved; renamed when it is complete. */
const TEMPORARY = 'salvaged.db';

/** Rows of a damaged segment that can be read one by one, and what is wrong. */
interface Saved {
  readonly info: SegmentInfo;
  readonly movedTo: string;
}

/**
 * Puts a damaged segment into quarantine, and in its place a new one with every commit that can still be read and
 * matches its checksum. What is gone goes into the ledger.
 */
export function salvage(house: House, damaged: SegmentInfo, nowWallMs: number, cause: unknown): void {
  house.catalog.release(damaged.file);
  const { info, movedTo } = rebuild(house.folder, house.open, house.meta.epoch, damaged);
  const { infos } = house.catalog;
  const kept = info.lastCommit >= info.firstCommit ? [info] : [];
  const others = infos.filter(({ file }) => file !== damaged.file);
  infos.splice(0, infos.length, ...others, ...kept);
  const lost = (stream: Stream): IntervalSet =>
    subtract(damaged.stored[stream], intervals([...others, ...kept].flatMap(({ stored }) => stored[stream])));
  const entries = (['readings', 'events'] as const).flatMap((stream) =>
    lost(stream).map((range) => ({
      stream,
      ...range,
      count: range.to - range.from,
      cause: 'corrupt' as const,
      ...(stream === 'readings' && { firstWallMs: damaged.minWallMs, lastWallMs: damaged.maxWallMs }),
      enteredWallMs: nowWallMs,
      detail: `${damaged.file}: ${messageOf(cause)}; kept as ${movedTo}`,
    })),
  );
  house.meta.enter({
    ledger: entries,
    segments: new Map([[info.file, kept.length > 0 ? JSON.stringify(info) : null]]),
  });
  cutPending(house, 'readings', lost('readings'));
  cutPending(house, 'events', lost('events'));
  if (info.kind === 'readings') archiveEvents(house);
  house.notice(
    `store: ${damaged.file} is damaged (${messageOf(cause)}); it was moved to ${movedTo}. ` +
      `${countOf(lost('readings'))} records and ${countOf(lost('events'))} events are lost, the rest is served. Check the disk.`,
  );
}

/**
 * Moves a segment to quarantine and rebuilds it from its readable rows.
 *
 * @param known its first and last commit; without a last one, as many as are found
 */
export function rebuild(
  folder: string,
  open: OpenDatabase,
  epoch: string,
  known: { readonly file: string; readonly firstCommit: number; readonly lastCommit: number | undefined },
): Saved {
  const name = parseSegmentFile(known.file)!;
  const info = emptyInfo(name.kind, name.id, known.firstCommit);
  const source = join(folder, known.file);
  const target = join(folder, TEMPORARY);
  unlinkDatabase(target);
  const damaged = openAnyway(source);
  const segment = createSegment(target, open(target), { epoch, id: name.id });
  try {
    segment.together(() => copyReadable(damaged, segment, info, known));
    segment.finish();
  } catch (error) {
    segment.close();
    damaged?.close();
    unlinkDatabase(target);
    throw error;
  }
  damaged?.close();
  const movedTo = moveToQuarantine(folder, known.file);
  if (info.lastCommit < info.firstCommit) unlinkDatabase(target);
  else renameSync(target, source);
  info.bytes = existsSync(source) ? sizeOf(source) : 0;
  return { info, movedTo };
}

function openAnyway(file: string): Segment | undefined {
  try {
    return openSegment(file);
  } catch {
    return undefined;
  }
}

function copyReadable(
  source: Segment | undefined,
  target: Segment,
  info: SegmentInfo,
  known: { readonly firstCommit: number; readonly lastCommit: number | undefined },
): void {
  if (!source) return;
  const written = new Set<number>();
  let misses = 0;
  const last = known.lastCommit ?? Number.POSITIVE_INFINITY;
  for (let number = known.firstCommit; number <= last && (known.lastCommit || misses < MISSES); number++) {
    const row = readable(source, number);
    if (!row) {
      misses++;
      continue;
    }
    misses = 0;
    const id = row.readings ? row.dictionary : 0;
    const isNew = id !== 0 && !written.has(id);
    target.append(row, isNew ? { id, body: source.dictionary(id) } : undefined);
    written.add(id);
    countRow(info, row);
  }
}

/** The row, if it and all its bodies can be read. */
function readable(source: Segment, number: number): Row | undefined {
  try {
    const row = source.row(number);
    if (row?.readings) source.inflate(row.readings, row.dictionary);
    if (row?.events) source.inflate(row.events, 0);
    return row;
  } catch (error) {
    if (isDamage(error) || String((error as { code?: unknown }).code).startsWith('SQLITE_IOERR')) return undefined;
    throw error;
  }
}
