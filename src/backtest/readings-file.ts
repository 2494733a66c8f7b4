/** Readings out of a file: CSV as spreadsheets and `export` write it, or JSON lines. */
import type { Doubt, Failure } from '../core/quality.ts';
import { DOUBTS, FAILURES } from '../core/quality.ts';
import type { Field, Outcome, TagId, Value, ValueForm } from '../core/reading.ts';
import { judgedByRange, splitTagId } from '../core/reading.ts';
import { BrokenFile, quotedRows, separatorOf, textOfCell } from './csv.ts';

/** What reading a file needs to know of a tag. */
export interface FileTag {
  readonly form: ValueForm | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** A tag by its parts; one object a tag. */
export interface TagParts {
  readonly device: string;
  readonly name: string;
}

/** Readings in the order of the file. In columns: as an object each, millions of them would keep the collector busy. */
export class ReadingColumns {
  private readonly times: number[] = [];
  private readonly parts: TagParts[] = [];
  /** Good numbers; not a number where `others` has the outcome. */
  private readonly numbers: number[] = [];
  private readonly others = new Map<number, Outcome>();

  get length(): number {
    return this.times.length;
  }

  push(t: number, tag: TagParts, outcome: Outcome): void {
    const isNumber = outcome.quality === 'good' && typeof outcome.value === 'number';
    if (!isNumber) this.others.set(this.times.length, outcome);
    this.numbers.push(isNumber ? (outcome.value as number) : Number.NaN);
    this.times.push(t);
    this.parts.push(tag);
  }

  /** UTC ms of a reading. */
  timeAt(index: number): number {
    return this.times[index]!;
  }

  tagAt(index: number): TagParts {
    return this.parts[index]!;
  }

  fieldAt(index: number): Field {
    const { name } = this.parts[index]!;
    const value = this.numbers[index]!;
    return Number.isNaN(value) ? { name, ...this.others.get(index)! } : { name, quality: 'good', value };
  }
}

/** What a file holds. */
export interface FileReadings {
  readonly readings: ReadingColumns;
  /** Tags that are not in the configuration, with how many readings each has; they are left out. */
  readonly unknown: ReadonlyMap<TagId, number>;
  /** Tags that are. */
  readonly known: ReadonlySet<TagId>;
}

interface KnownTag extends FileTag, TagParts {}

/** Columns by their names, in the order there are without a header. */
const COLUMNS = ['t', 'tag', 'value', 'quality'] as const;
type ColumnName = (typeof COLUMNS)[number];
type Cells = Record<ColumnName, string>;

/**
 * Reads `t,tag,value,quality` as CSV, with or without a header and comments (`#`), separated by commas, semicolons or
 * tabs, with decimal commas in the last two; or one JSON object a line as `history --json` and
 * `watch --json` give them. `t` is UTC ms or ISO 8601, UTC where it names no zone; `quality` may be missing, `good`,
 * `uncertain`, `bad` or one of the reasons of the closed list; an empty value is bad. Without a quality, a value outside
 * its tag's min…max is uncertain, as it is live.
 *
 * @throws BrokenFile for the first line that cannot be understood
 */
export function parseReadings(text: string, tags: ReadonlyMap<TagId, FileTag>): FileReadings {
  const known = new Map<TagId, KnownTag>();
  for (const [id, tag] of tags) known.set(id, { ...tag, ...splitTagId(id)! });
  const reader = new Reader(known);
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (/^\s*\{/.test(plain.slice(0, 200))) readJsonLines(plain, reader);
  else readCsv(plain, reader);
  return reader;
}

const DECIMAL_COMMA = /^[-+]?\d+,\d+(?:[eE][-+]?\d+)?$/;

/** Makes readings out of cells. */
class Reader implements FileReadings {
  readonly readings = new ReadingColumns();
  readonly unknown = new Map<TagId, number>();
  readonly known = new Set<TagId>();
  /** Whether numbers are written 80,5, as where columns are not separated by commas. */
  hasDecimalComma = false;
  private readonly tags: ReadonlyMap<TagId, KnownTag>;
  private lastText = '';
  private lastT = 0;

  constructor(tags: ReadonlyMap<TagId, KnownTag>) {
    this.tags = tags;
  }

  take(line: number, t: string, tag: string, value: string, quality: string): void {
    const known = this.tags.get(tag);
    if (!known) {
      if (!splitTagId(tag)) throw new BrokenFile(line, `${shown(tag)} is no full tag name: write DEVICE/TAG`);
      this.unknown.set(tag, (this.unknown.get(tag) ?? 0) + 1);
      return;
    }
    this.known.add(tag);
    if (t !== this.lastText) {
      this.lastT = timeOf(line, t);
      this.lastText = t;
    }
    const outcome = outcomeOf(line, this.plain(value, known), quality, known);
    this.readings.push(this.lastT, known, outcome);
  }

  /** A value as this program writes it. */
  private plain(value: string, { form }: KnownTag): string {
    const text = value.charCodeAt(0) === 39 ? textOfCell(value) : value;
    return this.hasDecimalComma && form !== 'text' && DECIMAL_COMMA.test(text) ? text.replace(',', '.') : text;
  }
}

function readCsv(text: string, reader: Reader): void {
  const separator = separatorOf(text);
  reader.hasDecimalComma = separator !== ',';
  let order: readonly ColumnName[] | undefined;
  const take = (line: number, cells: readonly string[]): void => {
    if (order === undefined) {
      if (/^sep=/i.test(cells[0]!)) return;
      const header = headerOf(line, cells);
      order = header ?? COLUMNS;
      if (header) return;
    }
    if (order === COLUMNS) {
      takeInOrder(line, cells, reader);
      return;
    }
    const named = cellsOf(cells, order);
    reader.take(line, named.t, named.tag, named.value, named.quality);
  };
  if (text.includes('"')) {
    for (const row of quotedRows(text, separator)) take(row.line, row.cells);
    return;
  }
  let line = 0;
  for (let from = 0, end = 0; from < text.length; from = end + 1) {
    end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    const stop = text.charCodeAt(end - 1) === 13 ? end - 1 : end;
    line++;
    if (stop <= from || text.charCodeAt(from) === 35) continue;
    if (order === COLUMNS && separator === ',' && takePlain(line, text, from, stop, reader)) continue;
    const cells = text.slice(from, stop).split(separator);
    if (cells.some((cell) => cell.trim() !== ''))
      take(
        line,
        cells.map((cell) => cell.trim()),
      );
  }
}

/** A line of the usual form, without making a list of its cells; false when it has another form. */
function takePlain(line: number, text: string, from: number, stop: number, reader: Reader): boolean {
  const first = text.indexOf(',', from);
  const second = text.indexOf(',', first + 1);
  if (first < 0 || second < 0 || second >= stop) return false;
  const third = text.indexOf(',', second + 1);
  const isLast = third < 0 || third >= stop;
  if (!isLast && text.lastIndexOf(',', stop - 1) !== third) return false;
  const value = text.slice(second + 1, isLast ? stop : third).trim();
  const quality = isLast ? '' : text.slice(third + 1, stop).trim();
  reader.take(line, text.slice(from, first).trim(), text.slice(first + 1, second).trim(), value, quality);
  return true;
}

function takeInOrder(line: number, cells: readonly string[], reader: Reader): void {
  if (cells.length < 3 || cells.length > 4)
    throw new BrokenFile(
      line,
      `has ${cells.length} columns: t,tag,value and maybe quality are expected, separated by commas, semicolons or tabs`,
    );
  reader.take(line, cells[0]!, cells[1]!, cells[2]!, cells[3] ?? '');
}

/** The order of the columns, when the first row names them. */
function headerOf(line: number, cells: readonly string[]): readonly ColumnName[] | undefined {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  if (!names.includes('tag') || !names.includes('t')) return undefined;
  if (names.length >= 3 && names.every((name, index) => name === COLUMNS[index])) return COLUMNS;
  const missing = (['t', 'tag', 'value'] as const).filter((name) => !names.includes(name));
  if (missing.length > 0) throw new BrokenFile(line, `the column ${missing.join(', ')} is missing`);
  return names as ColumnName[];
}

function cellsOf(cells: readonly string[], order: readonly ColumnName[]): Cells {
  const found: Cells = { t: '', tag: '', value: '', quality: '' };
  for (const [index, name] of order.entries()) if (name in found) found[name] = cells[index] ?? '';
  return found;
}

function readJsonLines(text: string, reader: Reader): void {
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let object: { t?: unknown; tag?: unknown; value?: unknown; quality?: unknown; why?: unknown };
    try {
      object = JSON.parse(line) as typeof object;
    } catch {
      throw new BrokenFile(index + 1, 'is not JSON');
    }
    const { t, tag, value, quality, why } = object;
    if (tag === undefined || t === undefined) throw new BrokenFile(index + 1, 'has no "t" or no "tag"');
    const word = typeof why === 'string' ? why : (quality ?? '');
    reader.take(index + 1, String(t), String(tag), value === undefined ? '' : String(value), String(word));
  }
}

/** Numbers in this range are seconds since 1970 of 2001 to 2286; as ms they would all be in the spring of 1970. */
const SECONDS = { from: 1e9, to: 1e10 };

/** Later than the year 5000, in ms: microseconds or nanoseconds since 1970. */
const TOO_FINE = 1e14;

/** A day, or an instant of ISO 8601: seconds may have decimals behind a point or a comma, the offset may have no minutes. */
const ISO_8601 =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?: ?(Z)| ?([+-]\d{2})(?::?(\d{2}))?)?)?$/i;

function timeOf(line: number, text: string): number {
  if (/^\d{1,19}([.,]\d+)?$/.test(text)) {
    const number = Number(text.replace(',', '.'));
    const unit = number >= SECONDS.from && number < SECONDS.to ? 'seconds' : 'microseconds or nanoseconds';
    if (unit !== 'seconds' && number < TOO_FINE) return number;
    throw new BrokenFile(line, `the time ${shown(text)} looks like ${unit}: write ms since 1970, or ISO 8601`);
  }
  const [, date, minute = '00:00', second = '00', decimals = '', , hours, minutes = '00'] = ISO_8601.exec(text) ?? [];
  const zone = hours === undefined ? 'Z' : `${hours}:${minutes}`;
  const t = Date.parse(`${date}T${minute}:${second}.${decimals.slice(0, 3).padEnd(3, '0')}${zone}`);
  if (Number.isFinite(t)) return t;
  throw new BrokenFile(line, `${shown(text)} is no time: write ISO 8601 (2025-11-24T06:00:00.000Z) or ms since 1970`);
}

function outcomeOf(line: number, text: string, quality: string, tag: KnownTag): Outcome {
  const isPlain = quality === 'good' || quality === '';
  if (!isPlain && (quality === 'bad' || isFailure(quality)))
    return { quality: 'bad', why: isFailure(quality) ? quality : 'sensor-failure' };
  // An empty text that is said to be good was read as one.
  if (text === '' && (tag.form !== 'text' || quality === '')) return { quality: 'bad', why: 'sensor-failure' };
  const value = parsedValue(line, text, tag);
  if (value === undefined) return { quality: 'bad', why: 'sensor-failure' };
  if (quality === 'good') return { quality: 'good', value };
  if (quality === 'uncertain' || isDoubt(quality))
    return { quality: 'uncertain', value, why: isDoubt(quality) ? quality : 'out-of-range' };
  if (quality !== '') {
    const words = ['good', 'uncertain', 'bad', ...Object.keys(DOUBTS), ...Object.keys(FAILURES)].join(', ');
    throw new BrokenFile(line, `${shown(quality)} is no quality: write one of ${words}`);
  }
  return judgedByRange(value, tag);
}

/** NaN and infinities are no values. */
function parsedValue(line: number, text: string, { form, device, name }: KnownTag): Value | undefined {
  if (form === 'text') return text;
  const truth = form === 'number' ? undefined : truthOf(text, form === 'bool');
  if (truth !== undefined) return truth;
  const number = Number(text);
  if (form !== 'bool') {
    if (/^[-+]?\d{16,20}$/.test(text) && !Number.isSafeInteger(number)) return BigInt(text);
    if (Number.isFinite(number)) return number;
    if (/^[-+]?(?:nan|inf|infinity)$/i.test(text)) return undefined;
    if (form === undefined) return text;
  }
  if (DECIMAL_COMMA.test(text))
    throw new BrokenFile(
      line,
      `${shown(text)} has a decimal comma: write a point, or separate the columns by semicolons`,
    );
  throw new BrokenFile(
    line,
    `${shown(text)} is no value of ${device}/${name}, which is ${form === 'bool' ? 'on or off' : 'a number'}`,
  );
}

function truthOf(text: string, isSure: boolean): boolean | undefined {
  if (/^(?:true|on)$/i.test(text)) return true;
  if (/^(?:false|off)$/i.test(text)) return false;
  if (!isSure) return undefined;
  return text === '1' ? true : text === '0' ? false : undefined;
}

function isFailure(word: string): word is Failure {
  return Object.hasOwn(FAILURES, word);
}

function isDoubt(word: string): word is Doubt {
  return Object.hasOwn(DOUBTS, word);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}
