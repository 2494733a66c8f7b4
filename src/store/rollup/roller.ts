/** Rolls committed readings up by the minute, in small steps. */
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intersect, subtract, union } from '../../core/intervals.ts';
import { splitTagId } from '../../core/reading.ts';
import { decodeRecords } from '../format/codec.ts';
import { isRefusal } from '../format/disk.ts';
import { offsetOf, recordAgain } from '../format/restamp.ts';
import type { Now, RollupSlice } from '../protocol.ts';
import { peek } from '../read/read.ts';
import { type House, storedIn } from '../write/rotate.ts';
import { encodeRollups, type Rollups, rollUp, spanOf } from './rollup.ts';
import type { Chunk, RollupCursor, RollupFiles } from './rollup-files.ts';

/** Records that are rolled up at once: some milliseconds of work. */
const STEP_RECORDS = 200;

/** Minutes wait in memory for so long; after a crash they are made again from raw data. */
const FLUSH_EVERY_MS = 600_000;

/** Minutes of tags in memory at most, about 10 MB. */
const MOST_CELLS = 100_000;

/** After the disk refused. */
const RETRY_MS = 60_000;

/** Makes roll-ups of what is committed, in small steps, and answers from them. */
export interface Roller {
  /** Rolls up what was committed since, a little at a time; true when there is more to do at once. */
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
  let deferred: IntervalSet = [];
  let restamps: IntervalSet = [];
  let flushedMonoMs = now.monoMs;
  let retryMonoMs = Number.NEGATIVE_INFINITY;
  /** Everything below was looked at, but for what is in `todo`. */
  let head = storedIn(house, 'readings').at(-1)?.to ?? 1;
  let todo: IntervalSet = subtract(storedIn(house, 'readings'), files.covered());

  const nextRange = (): SeqRange | undefined => {
    const end = storedIn(house, 'readings').at(-1)?.to ?? 1;
    if (end > head) todo = union(todo, [{ from: head, to: end }]);
    head = Math.max(head, end);
    if (restamps.length > 0) todo = union(todo, restamps);
    restamps = [];
    return todo[0];
  };

  const absorb = (range: SeqRange): void => {
    const { from, pieces, next } = peek(house, 'readings', range.from, Math.min(STEP_RECORDS, range.to - range.from));
    const offsets = house.meta.offsets();
    const done = { from: range.from, to: pieces.length > 0 ? Math.min(next, range.to) : range.to };
    for (const { first, body } of pieces) {
      for (const [index, record] of decodeRecords(body).records.entries()) {
        const seq = first + index;
        if (seq < Math.max(from, range.from) || seq >= done.to) continue;
        const offsetMs = record.clockKnown ? undefined : offsetOf(offsets, 'readings', seq);
        if (!record.clockKnown && offsetMs === undefined) deferred = union(deferred, [{ from: seq, to: seq + 1 }]);
        else growing.cells += rollUp(growing.rollups, offsetMs === undefined ? record : recordAgain(record, offsetMs));
      }
    }
    growing.ranges = union(growing.ranges, subtract([done], deferred));
    todo = subtract(todo, [done]);
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
    step(at) {
      if (at.monoMs < retryMonoMs) return false;
      const range = nextRange();
      if (range) absorb(range);
      if (at.monoMs - flushedMonoMs >= FLUSH_EVERY_MS || growing.cells >= MOST_CELLS) flush(at);
      return todo.length > 0;
    },
    restamped(range) {
      restamps = union(restamps, intersect(deferred, [range]));
      deferred = subtract(deferred, [range]);
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
