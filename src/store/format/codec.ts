/** Encodes the records of a commit as columns, and decodes them. */
import type { GatewayEvent } from '../../core/event.ts';
import type { Doubt, Failure } from '../../core/quality.ts';
import {
  type DeviceRecord,
  type Fields,
  FieldsMaker,
  type Instant,
  type Outcome,
  type Value,
} from '../../core/reading.ts';
import { ByteReader, ByteWriter, CodecError } from './bytes.ts';
import { modeOf, readColumn, readNumbers, writeColumn } from './column.ts';
import { type KnownShape, KnownShapes, type Shape, WrittenShapes } from './record-shapes.ts';

/**
 * The records of one commit, by columns. Layout, version 1:
 *
 *     version, shapes (device, flags, field names), boot id, reasons, number of records, the shape of each record,
 *     wall times, monotonic times, then for each shape a block: outcomes that are not good, modes, columns.
 *
 * A shape is a device with an ordered list of fields; its records lie side by side, so that each field is one column.
 * The shapes come first and always the same way, so that a preset dictionary shrinks them to a few bytes.
 */
const VERSION = 1;
const CLOCK_KNOWN = 1;
const SIMULATED = 2;
const UNCERTAIN = 1;
const BAD = 2;

/** The monotonic time is kept to the microsecond: it orders and measures, and finer digits are noise that costs wear. */
const MONO_PER_MS = 1000;

interface Header {
  readonly bootId: string;
  readonly shapes: readonly KnownShape[];
  readonly reasons: readonly string[];
  /** Index of the shape of each record. */
  readonly order: readonly number[];
  readonly wallMs: readonly number[];
  readonly monoMs: readonly number[];
}

/** The records of one shape. */
interface Group {
  readonly shape: Shape;
  readonly records: DeviceRecord[];
  readonly index: number;
}

/** A reading of one tag within a commit: the place of its record, its time, what it says. */
type TagPoint = { readonly index: number; readonly clockKnown: boolean; readonly simulated: boolean } & Instant &
  Outcome;

/** Encodes the records of one commit after the other, in memory that is used again. */
export class RecordEncoder {
  private readonly out = new ByteWriter();
  private readonly blocks = new ByteWriter();
  private readonly block = new ByteWriter();
  /** One column at a time. */
  private readonly values: Value[] = [];
  private readonly shapes = new WrittenShapes();

  /**
   * Encodes records. Everything comes back exactly from {@link decodeRecords}, `monoMs` to the microsecond.
   *
   * @param bootId names the run whose monotonic clock the records were stamped with
   */
  encode(records: readonly DeviceRecord[], bootId: string): Uint8Array<ArrayBuffer> {
    const { groups, order } = groupsOf(records);
    const { out, blocks } = this;
    out.reset();
    blocks.reset();
    out.byte(VERSION);
    out.varint(groups.length);
    for (const { shape } of groups) out.append(this.shapes.bytesOf(shape));
    out.text(bootId);
    const reasons = new Map<string, number>();
    for (const group of groups) {
      this.encodeBlock(group, reasons);
      blocks.block(this.block);
    }
    out.varint(reasons.size);
    for (const reason of reasons.keys()) out.text(reason);
    out.varint(order.length);
    for (const index of order) out.varint(index);
    writeTimes(
      out,
      records.map(({ at }) => at.wallMs),
    );
    writeTimes(
      out,
      records.map(({ at }) => Math.round(at.monoMs * MONO_PER_MS)),
    );
    out.append(blocks.written());
    return out.finish();
  }

  /** By column: what one tag says lies together. */
  private encodeBlock({ shape, records }: Group, reasons: Map<string, number>): void {
    const { block } = this;
    const width = shape.names.length;
    block.reset();
    writeRemarks(block, records, width, reasons);
    const modes: number[] = new Array(width);
    for (let column = 0; column < width; column++) {
      modes[column] = modeOf(this.column(records, column));
      block.byte(modes[column]!);
    }
    for (let column = 0; column < width; column++) writeColumn(block, modes[column]!, this.column(records, column));
  }

  /** What one tag says in the records, without what is bad; the list holds until the next one. */
  private column(records: readonly DeviceRecord[], column: number): readonly Value[] {
    const { values } = this;
    let count = 0;
    for (let row = 0; row < records.length; row++) {
      const value = records[row]!.fields.values[column];
      if (value !== undefined) values[count++] = value;
    }
    // To set a length is dear, and nearly always it is the same.
    if (values.length !== count) values.length = count;
    return values;
  }
}

/** The reverse of {@link RecordEncoder}. Throws {@link CodecError} for anything that it did not write. */
export function decodeRecords(
  bytes: Uint8Array,
  known = new KnownShapes(),
): { bootId: string; records: DeviceRecord[] } {
  const input = new ByteReader(bytes);
  const header = readHeader(input, known);
  const places = placesOf(header);
  const records: DeviceRecord[] = new Array(header.order.length);
  for (const [shapeIndex, shape] of header.shapes.entries()) {
    input.varint();
    const own = places[shapeIndex]!;
    const rows = rowsOf(readBlock(input, shape.names.length, own.length, header.reasons), shape.names, own.length);
    for (const [row, index] of own.entries()) {
      records[index] = {
        device: shape.device,
        at: { wallMs: header.wallMs[index]!, monoMs: header.monoMs[index]! },
        clockKnown: (shape.flags & CLOCK_KNOWN) !== 0,
        simulated: (shape.flags & SIMULATED) !== 0,
        fields: rows[row]!,
      };
    }
  }
  return { bootId: header.bootId, records };
}

/** What one tag says in the records of one shape, in their order. It is reused with its lists: it holds until the next column. */
export interface TagColumn {
  readonly shape: KnownShape;
  /** Its place among the tags of the shape. */
  readonly place: number;
  /** How many records there are; the lists may be longer. */
  readonly rows: number;
  readonly wallMs: Float64Array;
  /** As numbers; see {@link readNumbers}. What a bad reading says is nothing. */
  readonly values: Float64Array;
  /** 1 where the reading is bad; undefined where none is. */
  readonly bad: Uint8Array | undefined;
  /** Undefined where none can be. */
  readonly isUncertain: ((row: number) => boolean) | undefined;
  readonly simulated: boolean;
}

/** Reads encoded commits column by column, without making records of them. */
export class ColumnReader {
  private readonly known = new KnownShapes();
  private wallMs = new Float64Array(64);
  private values = new Float64Array(64);
  private bad = new Uint8Array(64);

  /**
   * Visits each column of a commit.
   *
   * @returns false, and no column was visited, when some of it was taken before the clock was known, so that its times
   *   have to be looked at first
   */
  each(bytes: Uint8Array, visit: (column: TagColumn) => void): boolean {
    const input = new ByteReader(bytes);
    const header = readHeader(input, this.known);
    if (header.shapes.some(({ flags }) => (flags & CLOCK_KNOWN) === 0)) return false;
    const places = placesOf(header);
    for (const [shapeIndex, shape] of header.shapes.entries()) {
      input.varint();
      const own = places[shapeIndex]!;
      this.makeRoom(own.length);
      for (let row = 0; row < own.length; row++) this.wallMs[row] = header.wallMs[own[row]!]!;
      this.eachOf(shape, input, own.length, header.reasons, visit);
    }
    return true;
  }

  private eachOf(
    shape: KnownShape,
    input: ByteReader,
    rows: number,
    reasons: readonly string[],
    visit: (column: TagColumn) => void,
  ): void {
    const width = shape.tags.length;
    const { doubtful, missing, modes } = readRemarks(input, width, rows, reasons);
    const { wallMs, values } = this;
    const isOf = (kind: number) => (row: number) => doubtful.get(row * width + column.place)?.kind === kind;
    const isBad = isOf(BAD);
    const column: { -readonly [Key in keyof TagColumn]: TagColumn[Key] } = {
      shape,
      place: 0,
      rows,
      wallMs,
      values,
      bad: undefined,
      isUncertain: doubtful.size > 0 ? isOf(UNCERTAIN) : undefined,
      simulated: (shape.flags & SIMULATED) !== 0,
    };
    for (let place = 0; place < width; place++) {
      const good = missing ? rows - missing[place]! : rows;
      readNumbers(input, modes[place]!, good, values);
      column.place = place;
      column.bad = good < rows ? this.spread(rows, good, isBad) : undefined;
      visit(column);
    }
  }

  /** Puts the values that were read, which lie side by side, to their rows. */
  private spread(rows: number, good: number, isBad: (row: number) => boolean): Uint8Array {
    const { values, bad } = this;
    let taken = good;
    for (let row = rows - 1; row >= 0; row--) {
      bad[row] = isBad(row) ? 1 : 0;
      if (bad[row] === 0) values[row] = values[--taken]!;
    }
    return bad;
  }

  private makeRoom(rows: number): void {
    if (rows <= this.values.length) return;
    this.wallMs = new Float64Array(2 * rows);
    this.values = new Float64Array(2 * rows);
    this.bad = new Uint8Array(2 * rows);
  }
}

/** Only the readings of one tag, in the order of the records; the blocks of other devices are skipped. */
export function decodeTag(bytes: Uint8Array, device: string, name: string): TagPoint[] {
  const input = new ByteReader(bytes);
  const header = readHeader(input, new KnownShapes());
  if (!header.shapes.some((shape) => shape.device === device && shape.names.includes(name))) return [];
  const places = placesOf(header);
  const points: TagPoint[] = [];
  for (const [shapeIndex, shape] of header.shapes.entries()) {
    const size = input.varint();
    const column = shape.device === device ? shape.names.indexOf(name) : -1;
    if (column === -1) {
      input.skip(size);
      continue;
    }
    const own = places[shapeIndex]!;
    const rows = rowsOf(readBlock(input, shape.names.length, own.length, header.reasons), shape.names, own.length);
    for (const [row, index] of own.entries()) {
      const { name: _, ...outcome } = rows[row]!.at(column);
      const [clockKnown, simulated] = [(shape.flags & CLOCK_KNOWN) !== 0, (shape.flags & SIMULATED) !== 0];
      const [wallMs, monoMs] = [header.wallMs[index]!, header.monoMs[index]!];
      points.push({ index, clockKnown, simulated, wallMs, monoMs, ...outcome });
    }
  }
  return points.sort((a, b) => a.index - b.index);
}

/** The shapes of an encoded commit. */
export function shapesIn(bytes: Uint8Array, known: KnownShapes): KnownShape[] {
  const input = new ByteReader(bytes);
  checkVersion(input);
  return Array.from({ length: input.count() }, () => known.next(input));
}

/** Events as JSON; integers that JSON cannot hold are kept apart from texts. */
export function encodeEvents(events: readonly GatewayEvent[]): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? { $integer: String(value) } : value));
  const out = new Uint8Array(Buffer.byteLength(text));
  out.set(Buffer.from(text));
  return out;
}

/** The reverse of {@link encodeEvents}. */
export function decodeEvents(bytes: Uint8Array): GatewayEvent[] {
  return JSON.parse(Buffer.from(bytes).toString('utf8'), (_, value) => {
    const digits = value !== null && typeof value === 'object' ? value.$integer : undefined;
    return typeof digits === 'string' ? BigInt(digits) : value;
  });
}

/** The records by their shapes, and for each record which shape it has. */
function groupsOf(records: readonly DeviceRecord[]): { groups: Group[]; order: number[] } {
  const groups: Group[] = [];
  // By device and first name, which leaves hardly more than one to compare with, and makes no text for each record.
  const known = new Map<string, Map<string, Group[]>>();
  const order: number[] = new Array(records.length);
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    const first = record.fields.names[0] ?? '';
    const ofDevice = known.get(record.device) ?? new Map<string, Group[]>();
    const alike = ofDevice.get(first) ?? [];
    const flags = flagsOf(record);
    let group = alike.find(({ shape }) => shape.flags === flags && hasNames(record, shape.names));
    if (!group) {
      const shape = { device: record.device, flags, names: record.fields.names };
      group = { shape, records: [], index: groups.length };
      groups.push(group);
      known.set(record.device, ofDevice.set(first, [...alike, group]));
    }
    group.records.push(record);
    order[index] = group.index;
  }
  return { groups, order };
}

function flagsOf({ clockKnown, simulated }: DeviceRecord): number {
  return (clockKnown ? CLOCK_KNOWN : 0) | (simulated ? SIMULATED : 0);
}

function hasNames({ fields }: DeviceRecord, names: readonly string[]): boolean {
  const own = fields.names;
  if (own === names) return true;
  if (own.length !== names.length) return false;
  for (let index = 0; index < names.length; index++) if (own[index] !== names[index]) return false;
  return true;
}

function checkVersion(input: ByteReader): void {
  const version = input.byte();
  if (version !== VERSION) throw new CodecError(`version ${version} of the record format is not known`);
}

function readHeader(input: ByteReader, known: KnownShapes): Header {
  checkVersion(input);
  const shapes = Array.from({ length: input.count() }, () => known.next(input));
  const bootId = input.text();
  const reasons = Array.from({ length: input.count() }, () => input.text());
  const size = input.count();
  const order: number[] = [];
  while (order.length < size) order.push(input.varint());
  const wallMs = readTimes(input, size);
  const monoMs = readTimes(input, size).map((time) => time / MONO_PER_MS);
  return { bootId, shapes, reasons, order, wallMs, monoMs };
}

/** For each shape, which records have it. */
function placesOf(header: Header): number[][] {
  const places: number[][] = header.shapes.map(() => []);
  for (const [index, shape] of header.order.entries()) {
    const own = places[shape];
    if (!own) throw new CodecError(`shape ${shape} is not there`);
    own.push(index);
  }
  return places;
}

/** What is not good of the records of a block, by its place, row by row. */
function writeRemarks(
  out: ByteWriter,
  records: readonly DeviceRecord[],
  width: number,
  reasons: Map<string, number>,
): void {
  out.varint(records.reduce((sum, { fields }) => sum + (fields.remarks?.size ?? 0), 0));
  let previous = 0;
  for (const [row, { fields }] of records.entries())
    for (const [column, { quality, why }] of fields.remarks ?? []) {
      if (!reasons.has(why)) reasons.set(why, reasons.size);
      const place = row * width + column;
      out.varint(place - previous);
      out.byte(quality === 'bad' ? BAD : UNCERTAIN);
      out.varint(reasons.get(why)!);
      previous = place;
    }
}

/** A block as it lies: values by column, without those of bad readings, and what is not good by its place. */
interface ReadBlock {
  readonly columns: readonly (readonly Value[])[];
  readonly doubtful: ReadonlyMap<number, { readonly kind: number; readonly why: string }>;
}

/** What stands before the columns of a block. */
interface BlockHead extends Pick<ReadBlock, 'doubtful'> {
  /** How many values each column lacks, since they are bad; undefined where none lacks any. */
  readonly missing: readonly number[] | undefined;
  readonly modes: readonly number[];
}

function readRemarks(input: ByteReader, width: number, rows: number, reasons: readonly string[]): BlockHead {
  const doubtful = new Map<number, { kind: number; why: string }>();
  let missing: number[] | undefined;
  let place = 0;
  for (let left = input.count(); left > 0; left--) {
    place += input.varint();
    const kind = input.byte();
    const why = reasons[input.varint()];
    if (why === undefined || (kind !== BAD && kind !== UNCERTAIN) || place >= rows * width)
      throw new CodecError('an outcome is not of the known form');
    doubtful.set(place, { kind, why });
    if (kind !== BAD) continue;
    missing ??= new Array<number>(width).fill(0);
    missing[place % width]!++;
  }
  const modes: number[] = new Array(width);
  for (let column = 0; column < width; column++) modes[column] = input.byte();
  return { doubtful, missing, modes };
}

function readBlock(input: ByteReader, width: number, rows: number, reasons: readonly string[]): ReadBlock {
  const { doubtful, missing, modes } = readRemarks(input, width, rows, reasons);
  return { columns: modes.map((mode, column) => readColumn(input, mode, rows - (missing?.[column] ?? 0))), doubtful };
}

/** The fields of each row of a block. */
function rowsOf({ columns, doubtful }: ReadBlock, names: readonly string[], rows: number): Fields[] {
  const taken = new Uint32Array(names.length);
  const all: Fields[] = [];
  for (let row = 0; row < rows; row++) {
    const maker = new FieldsMaker(names.length);
    for (let column = 0; column < names.length; column++) {
      const doubt = doubtful.size === 0 ? undefined : doubtful.get(row * names.length + column);
      // The words are those that were valid when they were written; readers show them as they are.
      if (doubt?.kind === BAD) {
        maker.add({ quality: 'bad', why: doubt.why as Failure });
        continue;
      }
      const value = columns[column]![taken[column]!++]!;
      if (doubt) maker.add({ quality: 'uncertain', value, why: doubt.why as Doubt });
      else maker.addGood(value);
    }
    all.push(maker.made(names));
  }
  return all;
}

function writeTimes(out: ByteWriter, times: readonly number[]): void {
  const mode = modeOf(times);
  out.byte(mode);
  writeColumn(out, mode, times);
}

function readTimes(input: ByteReader, count: number): number[] {
  const times = readColumn(input, input.byte(), count);
  if (times.some((time) => typeof time !== 'number')) throw new CodecError('a time is not a number');
  return times as number[];
}
