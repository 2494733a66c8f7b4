/** Readings, tags and records: what all wings of the program speak of. */
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
  | { readonly quality: 'bad'; readonly why: Failure };

/** One tag's value at an instant. A bad reading has no value to misuse. */
export type Reading = { readonly tag: TagId } & Instant & Outcome;

/** One field of a record: the tag's name within its device, and what was read. */
export type Field = { readonly name: string } & Outcome;

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
  readonly fields: readonly Field[];
}

/** The readings of a record, each under its full tag name, for rules and live displays. */
export function readingsOf(record: DeviceRecord): Reading[] {
  const { wallMs, monoMs } = record.at;
  // Written out by quality: this runs for every reading, and a spread takes ten times as long.
  return record.fields.map((field): Reading => {
    const tag = `${record.device}/${field.name}`;
    if (field.quality === 'good') return { tag, wallMs, monoMs, quality: 'good', value: field.value };
    if (field.quality === 'bad') return { tag, wallMs, monoMs, quality: 'bad', why: field.why };
    return { tag, wallMs, monoMs, quality: 'uncertain', value: field.value, why: field.why };
  });
}

/** Splits `device/tag`; undefined when the text has not that form. */
export function splitTagId(id: TagId): { device: string; name: string } | undefined {
  const slash = id.indexOf('/');
  if (slash <= 0 || slash === id.length - 1 || id.indexOf('/', slash + 1) !== -1) return undefined;
  return { device: id.slice(0, slash), name: id.slice(slash + 1) };
}
