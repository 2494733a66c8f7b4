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

/** How much a step of a salvage copies: a few milliseconds of work and one sync of the disk. */
const STEP_BYTES = 128 * 1024;

/** What reading a row costs beside its bytes. */
const STEP_ROW_BYTES = 1024;

/** Before the name of a segment: what is saved of it, until it takes its place. */
const SAVED = 'salvaged-';

/** The first and the last commit of a segment; the last is undefined where nothing tells it. */
interface Known {
  readonly firstCommit: number;
  readonly lastCommit: number | undefined;
}

/** What was saved of a damaged segment, and where the rest was put. */
interface Saved {
  readonly info: SegmentInfo;
  readonly movedTo: string;
}

/** A salvage under way, in steps between which others may read and commit. */
export interface Salvage {
  readonly info: SegmentInfo;
  /** Copies some rows; true when all is done. */
  step(): boolean;
  /** Ends it in the middle: nothing has changed. */
  abandon(): void;
}

/**
 * Puts a damaged segment into quarantine, and in its place a new one with every commit that can still be read and
 * matches its checksum. What is gone goes into the ledger. Until the last step the damaged segment stays in its place.
 */
export function beginSalvage(house: House, damaged: SegmentInfo, nowWallMs: number, cause: unknown): Salvage {
  const steps = rebuilding(house.folder, house.open, house.meta.epoch, damaged);
  const abandon = (): void => {
    steps.return(undefined);
  };
  return {
    info: damaged,
    abandon,
    step() {
      // Whoever read from it since the last step has it open.
      house.catalog.release(damaged.file);
      if (!house.catalog.infos.includes(damaged)) {
        // It was let go to make room, or written to.
        abandon();
        return true;
      }
      const { done, value } = steps.next();
      if (value) account(house, damaged, value, nowWallMs, cause);
      return done === true;
    },
  };
}

/** Enters what is gone of a damaged segment, and puts what was saved in its place. */
function account(house: House, damaged: SegmentInfo, saved: Saved, nowWallMs: number, cause: unknown): void {
  const { info, movedTo } = saved;
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
export function rebuild(folder: string, open: OpenDatabase, epoch: string, known: Known & { file: string }): Saved {
  for (const steps = rebuilding(folder, open, epoch, known); ; ) {
    const { value } = steps.next();
    if (value) return value;
  }
}

function* rebuilding(
  folder: string,
  open: OpenDatabase,
  epoch: string,
  known: Known & { readonly file: string },
): Generator<undefined, Saved | undefined> {
  const name = parseSegmentFile(known.file)!;
  const info = emptyInfo(name.kind, name.id, known.firstCommit);
  const source = join(folder, known.file);
  const target = join(folder, `${SAVED}${known.file}`);
  const damaged = openAnyway(source);
  try {
    yield* copying(damaged, target, open, epoch, info, known, STEP_BYTES);
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
 * Makes a segment in `target` of the rows of another that can be read, and counts them in `info`; all in one transaction.
 */
export function rebuildFrom(...[source, target, open, epoch, info, known]: Parameters<typeof copying>): void {
  const steps = copying(source, target, open, epoch, info, known, Number.POSITIVE_INFINITY);
  while (!steps.next().done);
}

/**
 * Makes a segment in `target` of the rows of another that can be read, step by step, and counts them in `info`.
 *
 * @param source undefined where nothing of it can be read
 */
function* copying(
  source: Segment | undefined,
  target: string,
  open: OpenDatabase,
  epoch: string,
  info: SegmentInfo,
  known: Known,
  stepBytes = STEP_BYTES,
): Generator<undefined, void> {
  unlinkDatabase(target);
  const segment = createSegment(target, open(target), { epoch, id: info.id });
  const dictionaries = new Set([0]);
  let isWhole = false;
  try {
    for (let rows = source && readableRows(source, known), isOver = !rows; rows && !isOver; ) {
      segment.together(() => {
        isOver = copySome(rows!, source!, segment, info, dictionaries, stepBytes);
      });
      yield;
    }
    segment.finish();
    isWhole = true;
  } finally {
    if (!isWhole) {
      segment.close();
      unlinkDatabase(target);
    }
  }
}

function openAnyway(file: string): Segment | undefined {
  try {
    return openSegment(file);
  } catch {
    return undefined;
  }
}

/** Copies rows up to about `bytes`; true when there are no more. */
function copySome(
  rows: Iterator<Row | undefined>,
  source: Segment,
  target: Segment,
  info: SegmentInfo,
  dictionaries: Set<number>,
  bytes: number,
): boolean {
  for (let copied = 0; copied < bytes; copied += STEP_ROW_BYTES) {
    const { done, value: row } = rows.next();
    if (done) return true;
    if (!row) continue;
    const id = row.readings ? row.dictionary : 0;
    target.append(row, dictionaries.has(id) ? undefined : { id, body: source.dictionary(id) });
    dictionaries.add(id);
    countRow(info, row);
    copied += (row.readings?.length ?? 0) + (row.events?.length ?? 0) + (row.notes?.length ?? 0);
  }
  return false;
}

/** Every row that is looked for, in order; undefined for one that cannot be read. */
function* readableRows(source: Segment, { firstCommit, lastCommit }: Known): Generator<Row | undefined, void> {
  let misses = 0;
  const last = lastCommit ?? Number.POSITIVE_INFINITY;
  for (let number = firstCommit; number <= last && (lastCommit || misses < MISSES); number++) {
    const row = readable(source, number);
    misses = row ? 0 : misses + 1;
    yield row;
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
