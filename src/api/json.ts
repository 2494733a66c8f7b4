/** Turns readings, tags and events into the JSON of the API. */
import { MARK, type Reading, readingsOf, type Value } from '../core/reading.ts';
import type { HistoryPage, RecordPage, RollupPage } from '../store/store.ts';
import type { TagView } from './view.ts';

/** A value in JSON: integers beyond ±(2⁵³−1) are decimal strings, as everywhere on the wire. */
export type JsonValue = number | boolean | string;

/** A reading in the API. `t` is UTC ms; a bad reading has no value, a good one no `why`. */
export interface JsonReading {
  readonly tag: string;
  readonly t: number;
  readonly quality: 'good' | 'uncertain' | 'bad';
  readonly value?: JsonValue;
  readonly why?: string;
  /** What came in place of a value, where that is known; of readings of this moment only. */
  readonly detail?: string;
}

/** A tag in the API. */
export interface JsonTag {
  readonly tag: string;
  readonly unit?: string;
  readonly everyMs?: number;
  readonly description?: string;
  /** It is reported at least this often, ms; absent for one that reports only when it changes. */
  readonly reportMs?: number;
  /** What counts as normal. */
  readonly min?: number;
  readonly max?: number;
  /** Present for a tag that may be written, with its limits. */
  readonly writable?: { readonly min?: number; readonly max?: number };
  /** How its values are shown to a person. */
  readonly decimals?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly readings: number;
  readonly last?: JsonReading;
}

/** A stored reading in the API. */
interface JsonPoint extends Omit<JsonReading, 'tag' | 'detail'> {
  readonly seq: number;
  /** Present where the time is that of a clock that was not known. */
  readonly clock?: 'unsynced';
  /** Present where it comes from a simulated channel. */
  readonly simulated?: true;
}

/** A page of history in the API; `next` is the `after` of the next page, absent at the end. */
export interface JsonHistory {
  readonly tag: string;
  readonly points: readonly JsonPoint[];
  readonly next?: number;
}

/** A page of stored readings of all tags; `after` and `until` are to be given with the next question, absent at the end. */
export interface JsonReadings {
  readonly readings: readonly (JsonReading & { readonly seq: number; readonly clock?: 'unsynced' })[];
  readonly after?: number;
  readonly until?: number;
}

/** The readings of stored records, as the API gives them. */
export function jsonReadings({ records, next }: RecordPage): JsonReadings {
  const readings = records.flatMap(({ seq, record }) =>
    readingsOf(record).map((reading) => ({
      ...jsonReading(reading),
      seq,
      ...(!record.clockKnown && { clock: 'unsynced' as const }),
    })),
  );
  return { readings, ...(next && { after: next.seq, until: next.until }) };
}

/** What is to be said of readings besides their values: `late` came after newer ones. */
type JsonMark = keyof typeof MARK;

const MARKS = Object.keys(MARK) as JsonMark[];

/** Roll-ups in the API: of each point its beginning, extremes, mean, and counts of values and of bad readings. */
export interface JsonRollups {
  readonly tag: string;
  readonly everyMs: number;
  readonly points: readonly {
    readonly t: number;
    readonly count: number;
    readonly bad: number;
    readonly min?: number;
    readonly max?: number;
    readonly mean?: number;
    /** What is to be said of some of its readings. */
    readonly marks?: readonly JsonMark[];
  }[];
  /** The `from` of the next page, absent at the end. */
  readonly next?: number;
}

/** A page of roll-ups as the API gives it. */
export function jsonRollups(tag: string, everyMs: number, page: RollupPage): JsonRollups {
  return {
    tag,
    everyMs,
    points: page.points.map(({ wallMs, marks, ...rest }) => ({
      t: wallMs,
      ...rest,
      ...(marks !== undefined && { marks: MARKS.filter((mark) => (marks & MARK[mark]) !== 0) }),
    })),
    ...(page.next !== undefined && { next: page.next }),
  };
}

/** A value as JSON holds it. */
export function jsonValue(value: Value): JsonValue {
  if (typeof value !== 'bigint') return value;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
}

/** A reading as the API gives it. */
export function jsonReading(reading: Reading): JsonReading {
  return { tag: reading.tag, t: reading.wallMs, ...jsonOutcome(reading) };
}

/** A tag as the API gives it. */
export function jsonTag(view: TagView): JsonTag {
  const { tag, unit, everyMs, description, reportMs, min, max, writable, decimals, labels, readings, last } = view;
  return {
    tag,
    ...(unit !== undefined && { unit }),
    ...(everyMs !== undefined && { everyMs }),
    ...(description !== undefined && { description }),
    ...(reportMs !== undefined && { reportMs }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(writable !== undefined && {
      writable: {
        ...(writable.min !== undefined && { min: writable.min }),
        ...(writable.max !== undefined && { max: writable.max }),
      },
    }),
    ...(decimals !== undefined && { decimals }),
    ...(labels !== undefined && { labels }),
    readings,
    ...(last && { last: jsonReading(last) }),
  };
}

/** A page of history as the API gives it. */
export function jsonHistory(tag: string, page: HistoryPage): JsonHistory {
  return {
    tag,
    points: page.points.map(({ seq, wallMs, quality, value, why, marks = 0 }) => ({
      seq,
      t: wallMs,
      quality,
      ...(value !== undefined && { value: jsonValue(value) }),
      ...(why !== undefined && { why }),
      ...((marks & MARK.unsynced) !== 0 && { clock: 'unsynced' as const }),
      ...((marks & MARK.simulated) !== 0 && { simulated: true as const }),
    })),
    ...(page.next !== undefined && { next: page.next }),
  };
}

/** Any answer as JSON text. */
export function toJson(answer: unknown): string {
  return JSON.stringify(answer, (_key, value: unknown) => (typeof value === 'bigint' ? jsonValue(value) : value));
}

function jsonOutcome(reading: Reading): Omit<JsonReading, 'tag' | 't'> {
  if (reading.quality === 'bad') {
    const { why, detail } = reading;
    return { quality: 'bad', why, ...(detail !== undefined && { detail }) };
  }
  const value = jsonValue(reading.value);
  return reading.quality === 'good' ? { quality: 'good', value } : { quality: 'uncertain', value, why: reading.why };
}
