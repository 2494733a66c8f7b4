/** Reads a CSV file of readings into columns, and names the line of whatever is wrong in it. */
import type { Doubt, Failure } from '../core/quality.ts';
import { DOUBTS, FAILURES } from '../core/quality.ts';
import type { Field, Outcome, TagId, Value, ValueForm } from '../core/reading.ts';
import { splitTagId } from '../core/reading.ts';

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

/** A file that cannot be understood: which line, and what is wrong with it. */
export class BrokenFile extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'BrokenFile';
  }
}

interface KnownTag extends FileTag, TagParts {}

/** Columns by their names, in the order there are without a header. */
const COLUMNS = ['t', 'tag', 'value', 'quality'] as const;
type ColumnName = (typeof COLUMNS)[number];
type Cells = Record<ColumnName, string>;

/**
 * Reads `t,tag,value,quality` as CSV, with or without a header, or one JSON object a line as `history --json` and
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
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  if (/^\s*\{/.test(text.slice(start, start + 200))) readJsonLines(text.slice(start), reader);
  else readCsv(text, start, reader);
  return reader;
}

/** Makes readings out of cells. */
class Reader implements FileReadings {
  readonly readings = new ReadingColumns();
  readonly unknown = new Map<TagId, number>();
  readonly known = new Set<TagId>();
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
    const outcome = outcomeOf(line, value, quality, known);
    this.readings.push(this.lastT, known, outcome);
  }
}

function readCsv(text: string, start: number, reader: Reader): void {
  const isQuoted = text.includes('"');
  let order: readonly ColumnName[] = COLUMNS;
  let line = 0;
  for (let from = start; from < text.length; ) {
    let end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    const stop = text.charCodeAt(end - 1) === 13 ? end - 1 : end;
    line++;
    if (stop > from && text.charCodeAt(from) !== 35) {
      if (line > 1 && !isQuoted && order === COLUMNS && takePlain(line, text, from, stop, reader)) {
        from = end + 1;
        continue;
      }
      const cells = isQuoted ? quotedCells(line, text.slice(from, stop)) : text.slice(from, stop).split(',');
      const header = line === 1 ? headerOf(cells) : undefined;
      if (header) order = header;
      else if (order === COLUMNS) takeInOrder(line, cells, reader);
      else {
        const named = cellsOf(cells, order);
        reader.take(line, named.t, named.tag, named.value, named.quality);
      }
    }
    from = end + 1;
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
    throw new BrokenFile(line, `has ${cells.length} columns: t,tag,value and maybe quality are expected`);
  reader.take(line, cells[0]!.trim(), cells[1]!.trim(), cells[2]!.trim(), cells[3]?.trim() ?? '');
}

/** The order of the columns, when the first line names them. */
function headerOf(cells: readonly string[]): readonly ColumnName[] | undefined {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  if (!names.includes('tag') || !names.includes('t')) return undefined;
  if (names.length >= 3 && names.every((name, index) => name === COLUMNS[index])) return COLUMNS;
  const missing = (['t', 'tag', 'value'] as const).filter((name) => !names.includes(name));
  if (missing.length > 0) throw new BrokenFile(1, `names no column ${missing.join(', ')}`);
  return names as ColumnName[];
}

function cellsOf(cells: readonly string[], order: readonly ColumnName[]): Cells {
  const found: Cells = { t: '', tag: '', value: '', quality: '' };
  for (const [index, name] of order.entries()) if (name in found) found[name] = cells[index]?.trim() ?? '';
  return found;
}

/** RFC 4180 quoting within one line. */
function quotedCells(line: number, text: string): string[] {
  const cells: string[] = [];
  const pattern = /(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*|([^,"]*))(?=,|$)/y;
  while (pattern.lastIndex < text.length || cells.length === 0) {
    const match = pattern.exec(text);
    if (!match) throw new BrokenFile(line, 'has a quotation mark that is not closed, or in the middle of a cell');
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
  }
  return cells;
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

function timeOf(line: number, text: string): number {
  if (/^\d{1,16}(\.\d+)?$/.test(text)) return Number(text);
  const hasTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text);
  const isZoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text);
  const t = hasTime ? Date.parse(isZoned ? text : `${text.replace(' ', 'T')}Z`) : Date.parse(text);
  if (Number.isFinite(t) && /^\d{4}-/.test(text)) return t;
  throw new BrokenFile(line, `${shown(text)} is no time: write ISO 8601 (2025-11-24T06:00:00.000Z) or ms since 1970`);
}

function outcomeOf(line: number, text: string, quality: string, tag: KnownTag): Outcome {
  const isPlain = quality === 'good' || quality === '';
  if (!isPlain && (quality === 'bad' || isFailure(quality)))
    return { quality: 'bad', why: isFailure(quality) ? quality : 'sensor-failure' };
  if (text === '') return { quality: 'bad', why: 'sensor-failure' };
  const value = parsedValue(line, text, tag);
  if (value === undefined) return { quality: 'bad', why: 'sensor-failure' };
  if (quality === 'good') return { quality: 'good', value };
  if (quality === 'uncertain' || isDoubt(quality))
    return { quality: 'uncertain', value, why: isDoubt(quality) ? quality : 'out-of-range' };
  if (quality !== '') {
    const words = ['good', 'uncertain', 'bad', ...Object.keys(DOUBTS), ...Object.keys(FAILURES)].join(', ');
    throw new BrokenFile(line, `${shown(quality)} is no quality: write one of ${words}`);
  }
  const { min, max } = tag;
  if (typeof value === 'number' && ((min !== undefined && value < min) || (max !== undefined && value > max)))
    return { quality: 'uncertain', value, why: 'out-of-range' };
  return { quality: 'good', value };
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
