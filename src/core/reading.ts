/** Readings, tags and records: what all wings of the program speak of; also judges a value by its min and max, and selects tags. */
import type { Doubt, Failure } from './quality.ts';

/**
 * What a tag can hold. 64-bit integers stay `bigint` from the wire to the payload, so that none passes through a
 * double. Numbers are always finite: NaN and infinities are bad readings, never values.
 */
export type Value = number | bigint | boolean | string;

/** What kind of values a tag holds; integers of any width are numbers. */
export type ValueForm = 'number' | 'bool' | 'text';

/** Full name of a tag, `device/tag`. */
export type TagId = string;

/** One instant on both clocks. Readings taken by one request share one `Instant` object. */
export interface Instant {
  /** UTC milliseconds; stamps only, never used to order or to measure. */
  readonly wallMs: number;
  /** Milliseconds of the monotonic clock; orders and measures. */
  readonly monoMs: number;
}

/** What a reading says, whatever the tag: a value that can be used, one to be doubted, or a reason why there is none. */
export type Outcome =
  | { readonly quality: 'good'; readonly value: Value }
  | { readonly quality: 'uncertain'; readonly value: Value; readonly why: Doubt }
  /** `detail`: what came in place of a value, for whoever asks just now; it is neither stored nor published. */
  | { readonly quality: 'bad'; readonly why: Failure; readonly detail?: string };

/** The engineering range of a tag; without a bound nothing is outside on that side. */
interface Range {
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Whether a value lies outside the range of its tag; texts and truth values never do. */
export function isOutside(value: Value, { min, max }: Range): boolean {
  if (typeof value !== 'number' && typeof value !== 'bigint') return false;
  return (min !== undefined && value < min) || (max !== undefined && value > max);
}

/** A value judged by its range: outside it is kept, since it is still what the sensor said, and doubted. */
export function judgedByRange(value: Value, range: Range, doubt?: Doubt): Outcome {
  const why = isOutside(value, range) ? 'out-of-range' : doubt;
  return why === undefined ? { quality: 'good', value } : { quality: 'uncertain', value, why };
}

/** One tag's value at an instant. A bad reading has no value to misuse. */
export type Reading = { readonly tag: TagId } & Instant & Outcome;

/** One field of a record: the tag's name within its device, and what was read. */
export type Field = { readonly name: string } & Outcome;

/** What is said of a value that is not good; see {@link Outcome}. */
type Remark =
  | { readonly quality: 'uncertain'; readonly why: Doubt }
  | { readonly quality: 'bad'; readonly why: Failure; readonly detail?: string };

/**
 * The fields of a record, by columns: a list of names that all records of the same request share, a list of values, and
 * the few remarks on what is not good. A {@link Field} is made only where somebody asks for one: a gateway of a thousand
 * tags would else make and drop some thousand objects a second.
 */
export class Fields implements Iterable<Field> {
  readonly names: readonly string[];
  /** By place; undefined where the reading is bad. */
  readonly values: readonly (Value | undefined)[];
  /** By place, in rising order, of what is not good; undefined where everything is. */
  readonly remarks: ReadonlyMap<number, Remark> | undefined;

  constructor(
    names: readonly string[],
    values: readonly (Value | undefined)[],
    remarks: ReadonlyMap<number, Remark> | undefined,
  ) {
    this.names = names;
    this.values = values;
    this.remarks = remarks;
  }

  /** Fields out of single ones. */
  static of(fields: Iterable<Field>): Fields {
    const maker = new FieldsMaker();
    const names: string[] = [];
    for (const { name, ...outcome } of fields) {
      names.push(name);
      maker.add(outcome);
    }
    return maker.made(names);
  }

  get length(): number {
    return this.names.length;
  }

  /** The field at a place that there is. */
  at(place: number): Field {
    const name = this.names[place]!;
    const value = this.values[place];
    const remark = this.remarks?.get(place);
    if (remark === undefined) return { name, quality: 'good', value: value! };
    return remark.quality === 'bad' ? { name, ...remark } : { name, ...remark, value: value! };
  }

  *[Symbol.iterator](): IterableIterator<Field> {
    for (let place = 0; place < this.names.length; place++) yield this.at(place);
  }

  /** Whether one of them has a value, good or uncertain. */
  hasValue(): boolean {
    return this.names.length > 0 && (this.remarks === undefined || this.values.some((value) => value !== undefined));
  }

  /** Those at the places that are wanted; the same object where all are. */
  filter(isWanted: (place: number) => boolean): Fields {
    const maker = new FieldsMaker();
    const names: string[] = [];
    for (let place = 0; place < this.names.length; place++) {
      if (!isWanted(place)) continue;
      names.push(this.names[place]!);
      maker.addOf(this, place);
    }
    return names.length === this.names.length ? this : maker.made(names);
  }
}

/** Gathers the columns of {@link Fields}, one field after the other. */
export class FieldsMaker {
  private readonly values: (Value | undefined)[];
  private remarks: Map<number, Remark> | undefined;
  private count = 0;

  /** @param size how many fields there will be, where that is known: a list that grows is made several times over */
  constructor(size = 0) {
    this.values = new Array(size);
  }

  add(outcome: Outcome): void {
    if (outcome.quality === 'good') this.values[this.count++] = outcome.value;
    else if (outcome.quality === 'uncertain') this.remark(outcome.value, { quality: 'uncertain', why: outcome.why });
    else {
      const { why, detail } = outcome;
      this.remark(undefined, detail === undefined ? { quality: 'bad', why } : { quality: 'bad', why, detail });
    }
  }

  /** A value that is good. */
  addGood(value: Value): void {
    this.values[this.count++] = value;
  }

  /** The next field is that at a place of other fields. */
  addOf({ values, remarks }: Fields, place: number): void {
    const remark = remarks?.get(place);
    if (remark) this.remark(values[place], remark);
    else this.values[this.count++] = values[place];
  }

  /** The fields, under names in the order they were added. The maker is not used again. */
  made(names: readonly string[]): Fields {
    return new Fields(names, this.values, this.remarks);
  }

  private remark(value: Value | undefined, remark: Remark): void {
    this.remarks ??= new Map();
    this.remarks.set(this.count, remark);
    this.values[this.count++] = value;
  }
}

/**
 * What one device gave at one instant (one request, one edge, one line): the unit that is stored, numbered and
 * delivered.
 */
export interface DeviceRecord {
  readonly device: string;
  readonly at: Instant;
  /** False while the wall clock was not known to be right when the record was taken. */
  readonly clockKnown: boolean;
  /** True for a record from a simulated channel. */
  readonly simulated: boolean;
  readonly fields: Fields;
}

/** What is to be said of readings besides their values, as bits that are put together. */
export const MARK = {
  /** Some are uncertain. */
  uncertain: 1,
  /** Some come from a simulated channel. */
  simulated: 2,
  /** Some have a time that nothing has confirmed: the clock was not known, and did not become known since. */
  unsynced: 4,
  /** Some came after newer ones of the same tag; see {@link cameLate}. */
  late: 8,
} as const;

/** A reading that is older by less than one before it did not come late: clocks are set by so much, ms. */
const LATE_MS = 5000;

/** What is older by more than a week did not come late: the clock was far ahead before. */
const LONGEST_LATE_MS = 7 * 86_400_000;

/** Whether a reading came after newer ones of its tag, the newest of which has the time `newestMs`. */
export function cameLate(wallMs: number, newestMs: number): boolean {
  return wallMs < newestMs - LATE_MS && wallMs >= newestMs - LONGEST_LATE_MS;
}

/** The time of the newest reading so far. */
export function newestOf(wallMs: number, newestMs: number): number {
  return wallMs < newestMs - LONGEST_LATE_MS ? wallMs : Math.max(wallMs, newestMs);
}

/** A field of a record under its full tag name, for rules and live displays. */
export function readingAt({ device, at, fields }: DeviceRecord, place: number): Reading {
  const { wallMs, monoMs } = at;
  const tag = `${device}/${fields.names[place]}`;
  const remark = fields.remarks?.get(place);
  const value = fields.values[place]!;
  // Written out: this runs for every reading that a rule looks at, and a spread takes ten times as long.
  if (remark === undefined) return { tag, wallMs, monoMs, quality: 'good', value };
  return remark.quality === 'bad'
    ? { tag, wallMs, monoMs, ...remark }
    : { tag, wallMs, monoMs, quality: 'uncertain', value, why: remark.why };
}

/** The readings of a record, each under its full tag name. */
export function readingsOf(record: DeviceRecord): Reading[] {
  return record.fields.names.map((_, place) => readingAt(record, place));
}

/** A value as it comes in JSON, where a whole number that no double can hold is text. */
export function valueOfJson(value: number | boolean | string): Value {
  const isLarge = typeof value === 'string' && /^-?\d{16,20}$/.test(value) && !Number.isSafeInteger(Number(value));
  return isLarge ? BigInt(value) : value;
}

/** Splits `device/tag`; undefined when the text has not that form. */
export function splitTagId(id: TagId): { device: string; name: string } | undefined {
  const slash = id.indexOf('/');
  if (slash <= 0 || slash === id.length - 1 || id.indexOf('/', slash + 1) !== -1) return undefined;
  return { device: id.slice(0, slash), name: id.slice(slash + 1) };
}

/** How the values of a tag are written for a person: as words, or with so many decimals. JSON has the numbers. */

/** How a tag's values are shown; a slice of `TagConfig`. */
export interface Shown {
  readonly decimals?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The label of a value, or the number with its decimals; undefined where the file says nothing of it. */
export function shownAs(value: Value | null, { labels, decimals }: Shown): string | undefined {
  // A bit has the labels of 0 and 1.
  const label = labels?.[String(typeof value === 'boolean' ? Number(value) : value)];
  if (label !== undefined) return label;
  return typeof value === 'number' && decimals !== undefined ? value.toFixed(decimals) : undefined;
}

/** Digits that a measured value is shown with; the rest is noise of its type. */
const SIGNIFICANT_DIGITS = 6;

/** What scaled whole numbers have at most: all of it is value, and an energy counter loses none of it. */
const SCALED = /^-?\d{1,12}(?:\.\d{1,3})?$/;

/** A number for a person: whole ones and those with up to three decimals in full, others with six significant digits. */
export function numberText(value: number): string {
  const text = String(value);
  return SCALED.test(text) || (Number.isInteger(value) && Math.abs(value) < 1e15)
    ? text
    : String(Number(value.toPrecision(SIGNIFICANT_DIGITS)));
}

/** What is to be kept of a tag to show its values; nothing where the file says nothing. */
export function shownOf({ labels, decimals }: Shown): {
  readonly decimals?: number;
  readonly labels?: Readonly<Record<string, string>>;
} {
  return { ...(decimals !== undefined && { decimals }), ...(labels !== undefined && { labels }) };
}

/** Which tags are meant: those that a pattern of `only` names, without those that one of `except` names. */
export interface Selection {
  /** Undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly except: readonly string[];
}

/** Whether a tag is named by a pattern: `press-1/oil-temp`, or with `*` for any number of letters, `press-1/*`. */
export function tagPattern(pattern: string): (tag: TagId) => boolean {
  if (!pattern.includes('*')) return (tag) => tag === pattern;
  const expression = new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`);
  return (tag) => expression.test(tag);
}

/** Whether a tag belongs to a selection. */
export function selects({ only, except }: Selection): (tag: TagId) => boolean {
  const wanted = only?.map(tagPattern);
  const unwanted = except.map(tagPattern);
  return (tag) => (wanted?.some((names) => names(tag)) ?? true) && !unwanted.some((names) => names(tag));
}

/** What is remembered of a selection: far above the number of tags of any gateway. */
const MAX_REMEMBERED = 65_536;

/**
 * Cuts a record to the tags of a selection. A record of which every tag is selected is given back as it is; undefined is
 * one of which none is. Undefined in place of the function: everything is selected.
 */
export function cutTo(selection: Selection): ((record: DeviceRecord) => DeviceRecord | undefined) | undefined {
  if (selection.only === undefined && selection.except.length === 0) return undefined;
  const isSelected = selects(selection);
  const known = new Map<TagId, boolean>();
  const isWanted = (device: string, name: string): boolean => {
    const tag = `${device}/${name}`;
    let answer = known.get(tag);
    if (answer === undefined) {
      if (known.size >= MAX_REMEMBERED) known.clear();
      answer = isSelected(tag);
      known.set(tag, answer);
    }
    return answer;
  };
  return (record) => {
    const { names } = record.fields;
    const fields = record.fields.filter((place) => isWanted(record.device, names[place]!));
    if (fields === record.fields && fields.length > 0) return record;
    return fields.length === 0 ? undefined : { ...record, fields };
  };
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
