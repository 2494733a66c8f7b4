/** Minimum, mean, maximum and counts of the readings of one minute. */
import type { DeviceRecord } from '../../core/reading.ts';
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
}

/** Minutes brought to cells of a whole number of minutes, and how many readings each minute has: so it crosses to another thread. */
export interface MergedMinutes {
  /** `minute` is the first of the cell. */
  readonly cells: readonly MinuteRollup[];
  readonly counted: CountedMinutes;
}

/** Counts by minute, side by side; a minute may come twice, and then counts together. */
interface CountedMinutes {
  readonly minute: Float64Array<ArrayBuffer>;
  readonly count: Float64Array<ArrayBuffer>;
  readonly bad: Float64Array<ArrayBuffer>;
}

/** @param every minutes a cell; cells begin at multiples of it since 1970 */
export function mergeMinutes(minutes: readonly MinuteRollup[], every: number): MergedMinutes {
  const counted = {
    minute: new Float64Array(minutes.length),
    count: new Float64Array(minutes.length),
    bad: new Float64Array(minutes.length),
  };
  const cells = new Map<number, Cell>();
  for (let index = 0; index < minutes.length; index++) {
    const one = minutes[index]!;
    counted.minute[index] = one.minute;
    counted.count[index] = one.count;
    counted.bad[index] = one.bad;
    mergeInto(cells, Math.floor(one.minute / every) * every, one);
  }
  return { cells: [...cells.values()], counted };
}

/** Adds a cell to the one that begins at a minute. */
export function mergeInto(cells: Map<number, Cell>, minute: number, more: MinuteRollup): void {
  let cell = cells.get(minute);
  if (!cell) {
    cell = { minute, count: 0, bad: 0, min: 0, max: 0, sum: 0 };
    cells.set(minute, cell);
  }
  merge(cell, more);
}

/** Minutes that grow. */
export type Cell = { -readonly [Key in keyof MinuteRollup]: MinuteRollup[Key] };

/** Format of an encoded chunk; see {@link encodeRollups}. */
const VERSION = 1;

/** Minutes by tag, as they grow. */
export type Rollups = Map<string, Map<number, Cell>>;

/** Adds a record; returns how many minutes of a tag it began. */
export function rollUp(rollups: Rollups, { device, at, fields }: DeviceRecord): number {
  const minute = Math.floor(at.wallMs / MINUTE_MS);
  let begun = 0;
  for (let place = 0; place < fields.length; place++) {
    const value = fields.values[place];
    if (typeof value === 'string') continue;
    const cell = cellIn(rollups, `${device}/${fields.names[place]}`, minute, () => begun++);
    add(cell, value === undefined, Number(value));
  }
  return begun;
}

/**
 * Adds what one tag says in several records.
 *
 * @param last the minute that the column before it of the same tag ended in
 * @param onBegun called for each minute of the tag that it begins
 * @returns the minute that it ends in
 */
export function rollUpColumn(
  rollups: Rollups,
  { shape, place, rows, wallMs, values, bad }: TagColumn,
  last: Cell | undefined,
  onBegun: () => void,
): Cell | undefined {
  let cell = last;
  for (let row = 0; row < rows; row++) {
    const isBad = bad !== undefined && bad[row] === 1;
    const value = values[row]!;
    // A text, which counts as nothing.
    if (!isBad && Number.isNaN(value)) continue;
    const minute = Math.floor(wallMs[row]! / MINUTE_MS);
    if (cell?.minute !== minute) cell = cellIn(rollups, shape.tags[place]!, minute, onBegun);
    add(cell, isBad, value);
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
    cell = { minute, count: 0, bad: 0, min: 0, max: 0, sum: 0 };
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
 * without the others: minutes, counts, bad counts, then minimum, maximum and sum of those with a count.
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
    const valued = cells.filter(({ count }) => count > 0);
    for (const column of ['min', 'max', 'sum'] as const) {
      const values = valued.map((cell) => cell[column]);
      const mode = modeOf(values);
      block.byte(mode);
      writeColumn(block, mode, values);
    }
    out.block(block);
  }
  return out.finish();
}

/** The roll-ups of one tag out of encoded ones, in order of time. Throws `CodecError` for what was never written. */
export function decodeRollups(bytes: Uint8Array, tag: string): MinuteRollup[] {
  const input = new ByteReader(bytes);
  const version = input.byte();
  if (version !== VERSION) throw new CodecError(`version ${version} of the roll-up format is not known`);
  for (let left = input.count(); left > 0; left--) {
    const isWanted = input.text() === tag;
    const size = input.varint();
    if (isWanted) return readBlock(input);
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

/** By index throughout: of a long history there are tens of thousands. */
function readBlock(input: ByteReader): MinuteRollup[] {
  const cells: Cell[] = [];
  const valued: Cell[] = [];
  let minute = 0;
  for (let left = input.count(); left > 0; left--) {
    minute += input.zigzag();
    const cell = { minute, count: input.varint(), bad: input.varint(), min: 0, max: 0, sum: 0 };
    cells.push(cell);
    if (cell.count > 0) valued.push(cell);
  }
  for (const column of ['min', 'max', 'sum'] as const) {
    const values = readColumn(input, input.byte(), valued.length);
    for (let index = 0; index < valued.length; index++) valued[index]![column] = Number(values[index]);
  }
  return cells;
}
