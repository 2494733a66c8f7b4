/** Rolls committed readings up by the minute, in small steps. */
import { countOf, type IntervalSet, intersect, type SeqRange, subtract, union } from '../../core/intervals.ts';
import { splitTagId } from '../../core/reading.ts';
import { isRefusal } from '../format/disk.ts';
import { decodeTrueRecords } from '../format/restamp.ts';
import type { Now, Piece, RollupSlice } from '../protocol.ts';
import { peek } from '../read/read.ts';
import { type House, storedIn } from '../write/rotate.ts';
import { encodeRollups, type Rollups, rollUp, spanOf } from './rollup.ts';
import type { Chunk, RollupCursor, RollupFiles } from './rollup-files.ts';

/** Records that are read from the disk at once, and the rest of the commit that the last of them is in. */
const STEP_RECORDS = 200;

/** What is committed is held for so long as it is not rolled up; what is beyond this is read from the disk again. */
const MOST_FRESH_BYTES = 8 * 1024 * 1024;

/** Minutes wait in memory for so long; after a crash they are made again from raw data. */
const FLUSH_EVERY_MS = 600_000;

/** Minutes of tags in memory at most, about 10 MB. */
const MOST_CELLS = 100_000;

/**
 * A run that has not learned the time for so long may never learn it: its records are rolled up at the time that they are
 * marked with, where that is plausible. Until then they wait for their true one.
 */
const WAIT_FOR_TIME_MS = 3_600_000;
const EARLIEST_PLAUSIBLE_MS = Date.UTC(2025, 0, 1);

/** After the disk refused. */
const RETRY_MS = 60_000;

/**
 * Makes roll-ups, and answers from them. What is committed is rolled up once, from the batch in hand; only what an earlier
 * run left, and records whose time became known later, are read from the disk.
 */
export interface Roller {
  /** Takes what is on the disk now, to be rolled up with a step. */
  committed(piece: Piece): void;
  /** A commit is rolled up, or a few milliseconds of what is on the disk; true when there is more to do. */
  step(now: Now): boolean;
  /** Says that records whose time was not known can be rolled up now. */
  restamped(range: SeqRange): void;
  query(tag: string, span: { first: number; last: number }, after: RollupCursor | undefined): RollupSlice;
  close(): void;
}

/** What is in memory: minutes, how many there are, and the numbers of the records in them. */
interface Growing {
  rollups: Rollups;
  cells: number;
  ranges: IntervalSet;
}

/** A roller on an open store. What is stored and not rolled up yet, of an earlier version or from before a crash, is to do. */
export function createRoller(house: House, files: RollupFiles, now: Now): Roller {
  let growing: Growing = { rollups: new Map(), cells: 0, ranges: [] };
  /** Committed since the last step, and still in hand. */
  const fresh: Piece[] = [];
  /** To be read from the disk, because it is not in hand any more. */
  let todo: IntervalSet = subtract(storedIn(house, 'readings'), files.covered());
  /** Records whose time is not known. */
  let timeless: IntervalSet = [];
  let isWaitOver = false;
  let flushedMonoMs = now.monoMs;
  let retryMonoMs = Number.NEGATIVE_INFINITY;

  const absorb = ({ first, count, body }: Piece, wanted: IntervalSet): void => {
    const isWhole = countOf(wanted) === count;
    const waiting: SeqRange[] = [];
    for (const [index, record] of decodeTrueRecords(body, first, house.meta.offsets()).entries()) {
      const seq = first + index;
      if (!isWhole && !wanted.some(({ from, to }) => seq >= from && seq < to)) continue;
      if (record.clockKnown || (isWaitOver && record.at.wallMs >= EARLIEST_PLAUSIBLE_MS))
        growing.cells += rollUp(growing.rollups, record);
      else if (waiting.at(-1)?.to === seq) waiting[waiting.length - 1] = { from: waiting.at(-1)!.from, to: seq + 1 };
      else waiting.push({ from: seq, to: seq + 1 });
    }
    timeless = union(timeless, waiting);
    growing.ranges = union(growing.ranges, subtract(wanted, waiting));
  };

  /** Goes on with what is only on the disk: whole commits, so that none is read twice. */
  const catchUp = (range: SeqRange): void => {
    const { from, pieces } = peek(house, 'readings', range.from, STEP_RECORDS);
    const last = pieces.at(-1);
    const isGone = !last || from >= range.to;
    if (!isGone) for (const piece of pieces) absorb(piece, intersect(todo, [rangeOf(piece)]));
    todo = subtract(todo, [isGone ? range : { from: range.from, to: last.first + last.count }]);
  };

  const flush = (at: Now): void => {
    flushedMonoMs = at.monoMs;
    const { rollups, ranges } = growing;
    if (ranges.length === 0) return;
    try {
      files.append(chunksOf(rollups), ranges);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The raw data is still there: it is rolled up again when the disk takes more.
      todo = union(todo, ranges);
      retryMonoMs = at.monoMs + RETRY_MS;
    }
    growing = { rollups: new Map(), cells: 0, ranges: [] };
  };

  return {
    committed(piece) {
      const heldBytes = fresh.reduce((sum, { body }) => sum + body.length, 0);
      if (heldBytes + piece.body.length <= MOST_FRESH_BYTES) fresh.push(piece);
      else todo = union(todo, [rangeOf(piece)]);
    },
    step(at) {
      if (at.monoMs < retryMonoMs) return false;
      if (!isWaitOver && at.monoMs - now.monoMs >= WAIT_FOR_TIME_MS) {
        isWaitOver = true;
        todo = union(todo, timeless);
        timeless = [];
      }
      const piece = fresh.shift();
      if (piece) absorb(piece, [rangeOf(piece)]);
      if (fresh.length === 0 && todo[0]) catchUp(todo[0]);
      if (at.monoMs - flushedMonoMs >= FLUSH_EVERY_MS || growing.cells >= MOST_CELLS) flush(at);
      return fresh.length > 0 || todo.length > 0;
    },
    restamped(range) {
      todo = union(todo, intersect(timeless, [range]));
      timeless = subtract(timeless, [range]);
    },
    query(tag, span, after) {
      const slice = files.slice(tag, span, after);
      if (after) return slice;
      const young = [...(growing.rollups.get(tag)?.values() ?? [])].filter(
        ({ minute }) => minute >= span.first && minute <= span.last,
      );
      return { ...slice, minutes: [...slice.minutes, ...young.map((cell) => ({ ...cell }))] };
    },
    close() {
      flush({ wallMs: 0, monoMs: flushedMonoMs });
      files.close();
    },
  };
}

function rangeOf({ first, count }: Piece): SeqRange {
  return { from: first, to: first + count };
}

/** One chunk a device. */
function chunksOf(rollups: Rollups): Chunk[] {
  const devices = new Map<string, Rollups>();
  for (const [tag, minutes] of rollups) {
    const device = splitTagId(tag)?.device ?? tag;
    const own = devices.get(device) ?? new Map();
    devices.set(device, own.set(tag, minutes));
  }
  return [...devices].map(([device, own]) => {
    const { first, last } = spanOf(own) ?? { first: 0, last: 0 };
    return { device, firstMinute: first, lastMinute: last, body: encodeRollups(own) };
  });
}
