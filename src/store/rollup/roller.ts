/** Rolls committed readings up by the minute, in small steps. */
import { countOf, type IntervalSet, intersect, type SeqRange, subtract, union } from '../../core/intervals.ts';
import { cameLate, newestOf, splitTagId } from '../../core/reading.ts';
import { ColumnReader, type TagColumn } from '../format/codec.ts';
import { isRefusal } from '../format/disk.ts';
import type { KnownShape } from '../format/record-shapes.ts';
import { decodeTrueRecords } from '../format/restamp.ts';
import type { Calls, Now, Piece, RollupSlice } from '../protocol.ts';
import { peek } from '../read/read.ts';
import { type House, storedIn } from '../write/rotate.ts';
import { type Cell, encodeRollups, Merging, type Rollups, rollUp, rollUpColumn, spanOf } from './rollup.ts';
import type { Chunk, RollupFiles } from './rollup-files.ts';

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

/** What is in memory: minutes, how many there are, and the numbers of the records in them. */
interface Growing {
  rollups: Rollups;
  cells: number;
  ranges: IntervalSet;
  /** The minute that each tag of a shape was in last, by its place: nearly always the one of its next reading. */
  readonly last: Map<KnownShape, (Cell | undefined)[]>;
}

function nothing(): Growing {
  return { rollups: new Map(), cells: 0, ranges: [], last: new Map() };
}

/**
 * Makes roll-ups, and answers from them. What is committed is rolled up once, from the batch in hand; only what an earlier
 * run left, and records whose time became known later, are read from the disk.
 */
export class Roller {
  private readonly house: House;
  private readonly files: RollupFiles;
  private readonly now: Now;
  private growing: Growing = nothing();
  private readonly columns = new ColumnReader();
  /** Committed since the last step, and still in hand. */
  private readonly fresh: Piece[] = [];
  /** To be read from the disk, because it is not in hand any more. */
  private todo: IntervalSet;
  /** Records whose time is not known. */
  private timeless: IntervalSet = [];
  /** Time of the newest record of each device, and the number from which records come in their order. */
  private readonly newestMs = new Map<string, number>();
  private nextInOrder = 0;
  /** Which records of the shape that is looked at came late. */
  private isLate: ((row: number) => boolean) | undefined;
  private isWaitOver = false;
  private flushedMonoMs: number;
  private retryMonoMs = Number.NEGATIVE_INFINITY;

  constructor(house: House, files: RollupFiles, now: Now) {
    this.house = house;
    this.files = files;
    this.now = now;
    this.todo = subtract(storedIn(this.house, 'readings'), this.files.covered());
    this.flushedMonoMs = this.now.monoMs;
  }

  /** Takes what is on the disk now, to be rolled up with a step. */
  committed(piece: Piece): void {
    const heldBytes = this.fresh.reduce((sum, { body }) => sum + body.length, 0);
    if (heldBytes + piece.body.length <= MOST_FRESH_BYTES) this.fresh.push(piece);
    else this.todo = union(this.todo, [rangeOf(piece)]);
  }

  /** A commit is rolled up, or a few milliseconds of what is on the disk; true when there is more to do. */
  step(at: Now): boolean {
    if (at.monoMs < this.retryMonoMs) return false;
    if (!this.isWaitOver && at.monoMs - this.now.monoMs >= WAIT_FOR_TIME_MS) {
      this.isWaitOver = true;
      this.todo = union(this.todo, this.timeless);
      this.timeless = [];
    }
    const piece = this.fresh.shift();
    if (piece) this.absorb(piece, [rangeOf(piece)]);
    if (this.fresh.length === 0 && this.todo[0]) this.catchUp(this.todo[0]);
    if (at.monoMs - this.flushedMonoMs >= FLUSH_EVERY_MS || this.growing.cells >= MOST_CELLS) this.flush(at);
    return this.fresh.length > 0 || this.todo.length > 0 || this.pack(at);
  }

  /** Says that records whose time was not known can be rolled up now. */
  restamped(range: SeqRange): void {
    this.todo = union(this.todo, intersect(this.timeless, [range]));
    this.timeless = subtract(this.timeless, [range]);
  }

  query({ tag, span, every, after }: Calls['rollups']['ask']): RollupSlice {
    const merging = new Merging(span, every);
    const next = this.files.slice(tag, span, merging, after);
    if (!after) merging.minutes(this.growing.rollups.get(tag)?.values() ?? []);
    return { ...merging.merged(), next };
  }

  close(): void {
    this.flush({ wallMs: 0, monoMs: this.flushedMonoMs });
    this.files.close();
  }

  private readonly begun = (): void => {
    this.growing.cells++;
  };

  private absorb({ first, count, body }: Piece, wanted: IntervalSet): void {
    const isWhole = countOf(wanted) === count;
    const isInOrder = first >= this.nextInOrder;
    if (isWhole && this.columns.each(body, (column) => this.absorbColumn(column, isInOrder))) {
      if (isInOrder) this.nextInOrder = first + count;
      this.growing.ranges = union(this.growing.ranges, wanted);
      return;
    }
    const waiting: SeqRange[] = [];
    for (const [index, record] of decodeTrueRecords(body, first, this.house.meta.offsets()).entries()) {
      const seq = first + index;
      if (!isWhole && !wanted.some(({ from, to }) => seq >= from && seq < to)) continue;
      if (record.clockKnown || (this.isWaitOver && record.at.wallMs >= EARLIEST_PLAUSIBLE_MS))
        this.growing.cells += rollUp(this.growing.rollups, record);
      else if (waiting.at(-1)?.to === seq) waiting[waiting.length - 1] = { from: waiting.at(-1)!.from, to: seq + 1 };
      else waiting.push({ from: seq, to: seq + 1 });
    }
    this.timeless = union(this.timeless, waiting);
    this.growing.ranges = union(this.growing.ranges, subtract(wanted, waiting));
  }

  private absorbColumn(column: TagColumn, isInOrder: boolean): void {
    const { growing } = this;
    if (column.place === 0) this.isLate = isInOrder ? this.lateRows(column) : undefined;
    const last = growing.last.get(column.shape) ?? [];
    if (last.length === 0) growing.last.set(column.shape, last);
    last[column.place] = rollUpColumn(growing.rollups, column, last[column.place], this.begun, this.isLate);
  }

  /** Which records of a device came after newer ones, where they come in the order of their numbers; undefined: none. */
  private lateRows({ shape, rows, wallMs }: TagColumn): ((row: number) => boolean) | undefined {
    let newestMs = this.newestMs.get(shape.device) ?? Number.NEGATIVE_INFINITY;
    let late: Set<number> | undefined;
    for (let row = 0; row < rows; row++) {
      if (cameLate(wallMs[row]!, newestMs)) late = (late ?? new Set()).add(row);
      newestMs = newestOf(wallMs[row]!, newestMs);
    }
    this.newestMs.set(shape.device, newestMs);
    return late && ((row) => late.has(row));
  }

  /** Goes on with what is only on the disk: whole commits, so that none is read twice. */
  private catchUp(range: SeqRange): void {
    const { from, pieces } = peek(this.house, 'readings', range.from, STEP_RECORDS);
    const last = pieces.at(-1);
    const isGone = !last || from >= range.to;
    if (!isGone) for (const piece of pieces) this.absorb(piece, intersect(this.todo, [rangeOf(piece)]));
    this.todo = subtract(this.todo, [isGone ? range : { from: range.from, to: last.first + last.count }]);
  }

  /** A few milliseconds of packing; true when there is more to do. */
  private pack(at: Now): boolean {
    try {
      return this.files.pack();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.retryMonoMs = at.monoMs + RETRY_MS;
      return false;
    }
  }

  private flush(at: Now): void {
    this.flushedMonoMs = at.monoMs;
    const { rollups, ranges } = this.growing;
    if (ranges.length === 0) return;
    try {
      this.files.append(chunksOf(rollups), ranges);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The raw data is still there: it is rolled up again when the disk takes more.
      this.todo = union(this.todo, ranges);
      this.retryMonoMs = at.monoMs + RETRY_MS;
    }
    this.growing = nothing();
  }
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
