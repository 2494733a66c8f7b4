/** Minimum, mean, maximum and counts of the readings of one minute. */
import { type DeviceRecord, MARK } from '../../core/reading.ts';
import { ByteReader, ByteWriter, CodecError } from '../format/bytes.ts';
import type { TagColumn } from '../format/codec.ts';
import { modeOf, readColumn, writeColumn } from '../format/column.ts';

/** Length of what is rolled up, ms. */
export const MINUTE_MS = 60_000;

/**
 * The readings of one tag within one minute. Switches count as 0 and 1; texts have no extremes and are not counted; 64-bit
 * integers are rounded to what a double holds.
 */
export interface MinuteRollup {
  /** Minutes since 1970, UTC. */
  readonly minute: number;
  /** Values, good and uncertain; with none of them the extremes and the sum say nothing. */
  readonly count: number;
  readonly bad: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  /** What is to be said of some of the readings: bits of {@link MARK}. */
  readonly marks: number;
}

/** Minutes brought to cells of a whole number of minutes, and how many readings each minute has: so it crosses to another thread. */
export interface MergedMinutes {
  /** Of each cell its first minute, count, bad, min, max, sum and marks; then the next cell. See {@link cellAt}. */
  readonly cells: Float64Array<ArrayBuffer>;
  /** Minutes that are alike, side by side: the first of them, how many they are, values, bad readings; see {@link RUN_WIDTH}. */
  readonly counted: Uint32Array<ArrayBuffer>;
}

/** Numbers of a run of alike minutes: a minute may be in two runs, and then counts together. */
export const RUN_WIDTH = 4;

const CELL_WIDTH = 7;

/** How many cells there are. */
export function cellsIn({ cells }: MergedMinutes): number {
  return cells.length / CELL_WIDTH;
}

/** The cell at a place. */
export function cellAt({ cells }: MergedMinutes, place: number): MinuteRollup {
  const at = place * CELL_WIDTH;
  return {
    minute: cells[at]!,
    count: cells[at + 1]!,
    bad: cells[at + 2]!,
    min: cells[at + 3]!,
    max: cells[at + 4]!,
    sum: cells[at + 5]!,
    marks: cells[at + 6]!,
  };
}

/** Runs of alike minutes, as they are gathered. */
export class CountedRuns {
  readonly numbers: number[] = [];

  /** Adds some minutes with so many readings each; they are one run with what was added before, where they are like it. */
  add(minute: number, minutes: number, count: number, bad: number): void {
    const { numbers } = this;
    const last = numbers.length - RUN_WIDTH;
    const isLike = last >= 0 && numbers[last + 2] === count && numbers[last + 3] === bad;
    if (isLike && numbers[last]! + numbers[last + 1]! === minute) numbers[last + 1]! += minutes;
    else numbers.push(minute, minutes, count, bad);
  }
}

/** Gathers the minutes of a span into cells, out of minutes or out of smaller cells. */
export class Merging {
  private readonly first: number;
  private readonly last: number;
  /** Minutes a cell; cells begin at multiples of it since 1970. */
  readonly every: number;
  private readonly cells = new Map<number, Cell>();
  private readonly runs = new CountedRuns();

  constructor(span: { readonly first: number; readonly last: number }, every: number) {
    this.first = span.first;
    this.last = span.last;
    this.every = every;
  }

  /** Adds minutes; those outside of the span are left out. */
  minutes(minutes: Iterable<MinuteRollup>): void {
    for (const one of minutes) {
      if (one.minute < this.first || one.minute > this.last) continue;
      this.runs.add(one.minute, 1, one.count, one.bad);
      this.merge(one);
    }
  }

  /** Adds cells that lie as a whole within one of these, and within the span or outside of it. */
  smaller(cells: readonly MinuteRollup[], runs: readonly number[]): void {
    for (const cell of cells) if (cell.minute >= this.first && cell.minute <= this.last) this.merge(cell);
    for (let at = 0; at < runs.length; at += RUN_WIDTH) {
      const from = Math.max(runs[at]!, this.first);
      const minutes = Math.min(runs[at]! + runs[at + 1]!, this.last + 1) - from;
      if (minutes > 0) this.runs.add(from, minutes, runs[at + 2]!, runs[at + 3]!);
    }
  }

  merged(): MergedMinutes {
    const cells = new Float64Array(this.cells.size * CELL_WIDTH);
    let at = 0;
    for (const { minute, count, bad, min, max, sum, marks } of this.cells.values()) {
      cells.set([minute, count, bad, min, max, sum, marks], at);
      at += CELL_WIDTH;
    }
    return { cells, counted: Uint32Array.from(this.runs.numbers) };
  }

  private merge(one: MinuteRollup): void {
    mergeInto(this.cells, Math.floor(one.minute / this.every) * this.every, one);
  }
}

/** Adds a cell to the one that begins at a minute. */
export function mergeInto(cells: Map<number, Cell>, minute: number, more: MinuteRollup): void {
  let cell = cells.get(minute);
  if (!cell) {
    cell = emptyCell(minute);
    cells.set(minute, cell);
  }
  merge(cell, more);
}

/** Minutes that grow. */
export type Cell = { -readonly [Key in keyof MinuteRollup]: MinuteRollup[Key] };

/** A cell without readings. */
export function emptyCell(minute: number): Cell {
  return { minute, count: 0, bad: 0, min: 0, max: 0, sum: 0, marks: 0 };
}

/** Format of an encoded chunk; see {@link encodeRollups}. */
const VERSION = 1;

/** Minutes by tag, as they grow. */
export type Rollups = Map<string, Map<number, Cell>>;

/** Adds a record; returns how many minutes of a tag it began. */
export function rollUp(rollups: Rollups, { device, at, fields, simulated, clockKnown }: DeviceRecord): number {
  const minute = Math.floor(at.wallMs / MINUTE_MS);
  const marks = (simulated ? MARK.simulated : 0) | (clockKnown ? 0 : MARK.unsynced);
  let begun = 0;
  for (let place = 0; place < fields.length; place++) {
    const value = fields.values[place];
    if (typeof value === 'string') continue;
    const cell = cellIn(rollups, `${device}/${fields.names[place]}`, minute, () => begun++);
    add(cell, value === undefined, Number(value));
    cell.marks |= marks | (fields.remarks?.get(place)?.quality === 'uncertain' ? MARK.uncertain : 0);
  }
  return begun;
}

/**
 * Adds what one tag says in several records.
 *
 * @param last the minute that the column before it of the same tag ended in
 * @param onBegun called for each minute of the tag that it begins
 * @param isLate whether the record of a row came after newer ones; undefined: none did
 * @returns the minute that it ends in
 */
export function rollUpColumn(
  rollups: Rollups,
  { shape, place, rows, wallMs, values, bad, isUncertain, simulated }: TagColumn,
  last: Cell | undefined,
  onBegun: () => void,
  isLate?: (row: number) => boolean,
): Cell | undefined {
  const isMarked = simulated || isUncertain !== undefined || isLate !== undefined;
  let cell = last;
  for (let row = 0; row < rows; row++) {
    const isBad = bad !== undefined && bad[row] === 1;
    const value = values[row]!;
    // A text, which counts as nothing.
    if (!isBad && Number.isNaN(value)) continue;
    const minute = Math.floor(wallMs[row]! / MINUTE_MS);
    if (cell?.minute !== minute) cell = cellIn(rollups, shape.tags[place]!, minute, onBegun);
    add(cell, isBad, value);
    if (!isMarked) continue;
    if (simulated) cell.marks |= MARK.simulated;
    if (isUncertain?.(row)) cell.marks |= MARK.uncertain;
    if (isLate?.(row)) cell.marks |= MARK.late;
  }
  return cell;
}

function cellIn(rollups: Rollups, tag: string, minute: number, onBegun: () => void): Cell {
  let minutes = rollups.get(tag);
  if (!minutes) {
    minutes = new Map();
    rollups.set(tag, minutes);
  }
  let cell = minutes.get(minute);
  if (!cell) {
    cell = emptyCell(minute);
    minutes.set(minute, cell);
    onBegun();
  }
  return cell;
}

function add(cell: Cell, isBad: boolean, value: number): void {
  if (isBad) cell.bad++;
  else count(cell, value);
}

function count(cell: Cell, value: number): void {
  cell.min = cell.count > 0 ? Math.min(cell.min, value) : value;
  cell.max = cell.count > 0 ? Math.max(cell.max, value) : value;
  cell.sum += value;
  cell.count++;
}

/** Adds `more` to `cell`, as if it had seen all of the readings. */
function merge(cell: Cell, more: MinuteRollup): void {
  if (more.count > 0) {
    cell.min = cell.count > 0 ? Math.min(cell.min, more.min) : more.min;
    cell.max = cell.count > 0 ? Math.max(cell.max, more.max) : more.max;
    cell.sum += more.sum;
  }
  cell.count += more.count;
  cell.bad += more.bad;
  cell.marks |= more.marks;
}

/** The span of minutes there are; undefined when there are none. */
export function spanOf(rollups: Rollups): { first: number; last: number } | undefined {
  let span: { first: number; last: number } | undefined;
  for (const minutes of rollups.values())
    for (const minute of minutes.keys())
      span = { first: Math.min(span?.first ?? minute, minute), last: Math.max(span?.last ?? minute, minute) };
  return span;
}

/**
 * Roll-ups as bytes: version, number of tags, and for each its name and a block of columns, so that one tag is read
 * without the others: minutes, counts, bad counts, then minimum, maximum and sum of those with a count, and marks.
 */
export function encodeRollups(rollups: Rollups): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  out.byte(VERSION);
  out.varint(rollups.size);
  const block = new ByteWriter();
  for (const [tag, minutes] of rollups) {
    out.text(tag);
    const cells = [...minutes.values()].sort((a, b) => a.minute - b.minute);
    block.reset();
    block.varint(cells.length);
    let previous = 0;
    for (const { minute, count, bad } of cells) {
      block.zigzag(minute - previous);
      block.varint(count);
      block.varint(bad);
      previous = minute;
    }
    writeExtremes(block, cells);
    writeMarks(block, cells);
    out.block(block);
  }
  return out.finish();
}

/** Minimum, maximum and sum of the cells that have a value, by columns. */
export function writeExtremes(out: ByteWriter, cells: readonly MinuteRollup[]): void {
  const valued = cells.filter(({ count }) => count > 0);
  for (const column of ['min', 'max', 'sum'] as const) {
    const values = valued.map((cell) => cell[column]);
    const mode = modeOf(values);
    out.byte(mode);
    writeColumn(out, mode, values);
  }
}

/** The reverse of {@link writeExtremes}, into cells whose counts are there. */
export function readExtremes(input: ByteReader, cells: readonly Cell[]): void {
  const valued = cells.filter(({ count }) => count > 0);
  for (const column of ['min', 'max', 'sum'] as const) {
    const values = readColumn(input, input.byte(), valued.length);
    for (let index = 0; index < valued.length; index++) valued[index]![column] = Number(values[index]);
  }
}

/**
 * The marks of cells as runs of equal ones: how many runs, and of each how many cells and their marks. Without any mark
 * nothing is written, so that blocks are as they were before there were marks; programs of that time pass over them.
 */
export function writeMarks(out: ByteWriter, cells: readonly MinuteRollup[]): void {
  if (cells.every(({ marks }) => marks === 0)) return;
  const runs: { cells: number; readonly marks: number }[] = [];
  for (const { marks } of cells) {
    const open = runs.at(-1);
    if (open?.marks === marks) open.cells++;
    else runs.push({ cells: 1, marks });
  }
  out.varint(runs.length);
  for (const run of runs) {
    out.varint(run.cells);
    out.varint(run.marks);
  }
}

/** The reverse of {@link writeMarks}. */
export function readMarks(input: ByteReader, cells: readonly Cell[]): void {
  let place = 0;
  for (let left = input.count(); left > 0; left--) {
    const end = place + input.varint();
    const marks = input.varint();
    if (end > cells.length) throw new CodecError('there are marks of more minutes than there are');
    for (; place < end; place++) cells[place]!.marks = marks;
  }
}

/** The roll-ups of one tag out of encoded ones, in order of time. Throws `CodecError` for what was never written. */
export function decodeRollups(bytes: Uint8Array, tag: string): MinuteRollup[] {
  const input = new ByteReader(bytes);
  const version = input.byte();
  if (version !== VERSION) throw new CodecError(`version ${version} of the roll-up format is not known`);
  for (let left = input.count(); left > 0; left--) {
    const isWanted = input.text() === tag;
    const size = input.varint();
    if (isWanted) return readBlock(input, size);
    input.skip(size);
  }
  return [];
}

/** The names of the tags in encoded roll-ups. */
export function tagsIn(bytes: Uint8Array): string[] {
  const input = new ByteReader(bytes);
  input.byte();
  return Array.from({ length: input.count() }, () => {
    const tag = input.text();
    input.skip(input.varint());
    return tag;
  });
}

function readBlock(input: ByteReader, size: number): MinuteRollup[] {
  const end = input.offset + size;
  const cells: Cell[] = [];
  let minute = 0;
  for (let left = input.count(); left > 0; left--) {
    minute += input.zigzag();
    cells.push({ minute, count: input.varint(), bad: input.varint(), min: 0, max: 0, sum: 0, marks: 0 });
  }
  readExtremes(input, cells);
  if (input.offset < end) readMarks(input, cells);
  return cells;
}
