/** Saves what can be read of a damaged segment, and accounts for the rest. */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { countOf, intervals, type SeqRange, subtract } from '../../core/intervals.ts';
import { type OpenDatabase, sizeOf, unlinkDatabase } from '../format/disk.ts';
import { createSegment, isDamage, openSegment, type Row, type Segment } from '../format/segment.ts';
import { countRow, emptyInfo, moveToQuarantine, parseSegmentFile, type SegmentInfo } from '../index/catalog.ts';
import { lossesOf } from '../index/losses.ts';
import type { NewLedgerEntry } from '../index/meta.ts';
import type { Stream } from '../store.ts';
import { cutPending } from '../write/evict.ts';
import type { House } from '../write/rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** Where the number of the last commit is not known, looking for more ends after this many that are not there. */
const MISSES = 2000;

/** Before the name of a segment: what is saved of it, until it takes its place. */
const SAVED = 'salvaged-';

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
  const lossOf = (of: SegmentInfo, stream: Stream, range: SeqRange): NewLedgerEntry => ({
    stream,
    ...range,
    count: range.to - range.from,
    cause: 'corrupt',
    ...(stream === 'readings' && { firstWallMs: of.minWallMs, lastWallMs: of.maxWallMs }),
    enteredWallMs: nowWallMs,
    detail: `${of.file}: ${messageOf(cause)}; kept as ${movedTo}`,
  });
  const gone = STREAMS.map((stream) => {
    const left = intervals([...others, ...kept].flatMap(({ stored }) => stored[stream]));
    const lost = subtract(damaged.stored[stream], left);
    return { stream, ...lossesOf(house, stream, lost, (range) => lossOf(damaged, stream, range)) };
  });
  house.meta.enter({
    ledger: gone.flatMap(({ entries }) => entries),
    forgotten: gone.flatMap(({ stream, delivered }) => delivered.map((range) => ({ stream, ...range }))),
    segments: new Map([[info.file, kept.length > 0 ? JSON.stringify(info) : null]]),
  });
  for (const { stream, entries } of gone) cutPending(house, stream, intervals(entries));
  const [readings, events] = gone.map(({ entries }) => countOf(intervals(entries)));
  house.notice(
    `store: ${damaged.file} is damaged (${messageOf(cause)}); it was moved to ${movedTo}. ` +
      `${readings} records and ${events} events are lost, the rest is served. Check the disk (dmesg, smartctl).`,
  );
}

/** After a crash in the middle of a salvage: what was saved whole takes its place; a part of it is made again. */
export function finishSalvages(folder: string): void {
  for (const name of readdirSync(folder).filter((file) => file.startsWith(SAVED) && file.endsWith('.db'))) {
    const place = join(folder, name.slice(SAVED.length));
    // The damaged segment goes only once all of what was saved is on the disk.
    if (existsSync(place)) unlinkDatabase(join(folder, name));
    else renameSync(join(folder, name), place);
  }
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
  const target = join(folder, `${SAVED}${known.file}`);
  const damaged = openAnyway(source);
  try {
    rebuildFrom(damaged, target, open, epoch, info, known);
  } finally {
    damaged?.close();
  }
  const movedTo = moveToQuarantine(folder, known.file);
  if (info.lastCommit < info.firstCommit) unlinkDatabase(target);
  else renameSync(target, source);
  info.bytes = existsSync(source) ? sizeOf(source) : 0;
  return { info, movedTo };
}

/**
 * Makes a segment in `target` of the rows of another that can be read, and counts them in `info`.
 *
 * @param source undefined where nothing of it can be read
 */
export function rebuildFrom(
  source: Segment | undefined,
  target: string,
  open: OpenDatabase,
  epoch: string,
  info: SegmentInfo,
  known: { readonly firstCommit: number; readonly lastCommit: number | undefined },
): void {
  unlinkDatabase(target);
  const segment = createSegment(target, open(target), { epoch, id: info.id });
  try {
    segment.together(() => copyReadable(source, segment, info, known));
    segment.finish();
  } catch (error) {
    segment.close();
    unlinkDatabase(target);
    throw error;
  }
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
