/** Turns what a driver read into engineering units with a quality, and back for writes. */
import type { ReadResult, WriteResult } from '../../hal/driver.ts';
import type { LinearConfig, TagConfig } from '../config/config.ts';
import { type CounterState, countOn } from '../core/counter.ts';
import { type Failure, SILENCES } from '../core/quality.ts';
import {
  type DeviceRecord,
  type Fields,
  FieldsMaker,
  type Instant,
  isOutside,
  judgedByRange,
  type Outcome,
  type Shown,
  shownAs,
  type TagId,
  type Value,
} from '../core/reading.ts';
import type { JobEnd } from './schedule.ts';

/** What turns a raw value into engineering units and judges its range; a slice of `TagConfig`. */
interface Conversion {
  readonly scale: number;
  readonly offset: number;
  /** Two points, in place of scale and offset. */
  readonly linear?: LinearConfig | undefined;
  /** Decimals that the value is rounded to. */
  readonly decimals?: number | undefined;
  /** Words for values, for a person. */
  readonly labels?: Shown['labels'];
  readonly unit?: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/**
 * The outcome of one result of a driver, in engineering units: scaled, checked to be finite, and doubted when it lies
 * outside min…max (kept, since a value out of its engineering range is still what the sensor said).
 */
export function outcomeOf(conversion: Conversion, result: ReadResult): Outcome {
  if (!result.ok) return failedBy(result);
  const raw: Value = result.value;
  const value = typeof raw === 'boolean' || typeof raw === 'string' ? raw : inUnits(raw, conversion);
  if (typeof value === 'number' && !Number.isFinite(value)) return { quality: 'bad', why: 'overflow' };
  return judgedByRange(value, conversion, result.doubt);
}

function failedBy({ why, detail }: Trouble): Outcome {
  return detail === undefined ? { quality: 'bad', why } : { quality: 'bad', why, detail };
}

/**
 * What a driver is asked to write for a value in engineering units, the reverse of {@link outcomeOf}. Text and bits
 * are not scaled; a 64-bit integer passes unchanged where the tag is not scaled.
 *
 * @returns undefined when the value is no finite number after the conversion
 */
export function rawOf(conversion: Conversion, value: Value): Value | undefined {
  const { scale, offset, linear } = conversion;
  if (typeof value === 'boolean' || typeof value === 'string' || isPlain(conversion)) return value;
  const raw = linear
    ? linear.raw[0] +
      ((Number(value) - linear.value[0]) * (linear.raw[1] - linear.raw[0])) / (linear.value[1] - linear.value[0])
    : (Number(value) - offset) / scale;
  return Number.isFinite(raw) ? raw : undefined;
}

/**
 * The result of a write in engineering units, as its driver gave it in raw ones.
 *
 * @param asked the value that was to be written
 */
export function writtenIn(conversion: Conversion, result: WriteResult, asked: Value): WriteResult {
  const shown = (raw: Value): Value =>
    typeof raw === 'boolean' || typeof raw === 'string' ? raw : inUnits(raw, conversion);
  const withUnit = (value: Value): string => {
    const text = shownAs(value, conversion) ?? `${value}`;
    return conversion.unit === undefined ? text : `${text} ${conversion.unit}`;
  };
  if (result.ok) return { ok: true, readBack: result.readBack === undefined ? undefined : shown(result.readBack) };
  const { kind, range } = result;
  if (range) {
    const ends = range.map((end) => inUnits(end, conversion)).sort((a, b) => (a < b ? -1 : 1));
    return {
      ok: false,
      kind,
      why: `the register holds ${ends[0]} to ${withUnit(ends[1]!)}, and not ${withUnit(asked)}`,
    };
  }
  if (result.holds === undefined) return result;
  const holds = shown(result.holds);
  const instead = kind === 'unknown' ? `${result.why}; it last held` : `${result.why}:`;
  return { ok: false, kind, why: `${instead} ${withUnit(holds)}`, holds };
}

function inUnits(raw: number | bigint, conversion: Conversion): number | bigint {
  const value = isPlain(conversion) ? raw : scaled(Number(raw), conversion);
  const { decimals } = conversion;
  if (decimals === undefined || typeof value === 'bigint') return value;
  // Without the addition a small negative value would become −0.
  return Number(value.toFixed(decimals)) + 0;
}

function isPlain({ scale, offset, linear }: Conversion): boolean {
  return scale === 1 && offset === 0 && linear === undefined;
}

/** A conversion as one exact fraction of whole numbers, value = (raw · factor + addend) / divisor. */
interface Fraction {
  readonly factor: number;
  readonly addend: number;
  readonly divisor: number;
}

/** Worked out once for each tag; undefined: its numbers have too many digits for that. */
const fractions = new WeakMap<Conversion, { readonly fraction: Fraction | undefined }>();

/** Digits of a decimal that a double certainly keeps. */
const SAFE_DIGITS = 15;

/**
 * The nearest double of the decimal number that the conversion means: 23773 · 0.01 is 237.73, and not a binary fraction
 * beside it. Whole raw values by one division of whole numbers; others, which have few digits, are rounded to 15.
 */
function scaled(raw: number, conversion: Conversion): number {
  let known = fractions.get(conversion);
  if (!known) {
    known = { fraction: fractionOf(conversion) };
    fractions.set(conversion, known);
  }
  if (known.fraction) {
    const { factor, addend, divisor } = known.fraction;
    const numerator = raw * factor + addend;
    if (Number.isSafeInteger(raw) && Number.isSafeInteger(numerator)) return numerator / divisor;
  }
  const { scale, offset, linear } = conversion;
  const value = linear
    ? linear.value[0] + ((raw - linear.raw[0]) * (linear.value[1] - linear.value[0])) / (linear.raw[1] - linear.raw[0])
    : raw * scale + offset;
  return String(raw).length <= SAFE_DIGITS - 4 ? Number(value.toPrecision(SAFE_DIGITS)) : value;
}

function fractionOf({ scale, offset, linear }: Conversion): Fraction | undefined {
  const numbers = linear ? [...linear.raw, ...linear.value] : [scale, offset];
  const places = Math.max(...numbers.map(decimalsOf));
  const power = 10 ** places;
  const whole = numbers.map((number) => Math.round(number * power));
  // value = (offset · power + raw · scale · power) / power, or the line through both points times power².
  const [first, second, low, high] = whole as [number, number, number, number];
  const fraction = linear
    ? {
        factor: power * (high - low),
        addend: low * (second - first) - first * (high - low),
        divisor: power * (second - first),
      }
    : { factor: first, addend: second, divisor: power };
  const isExact = whole.every(Number.isSafeInteger) && Object.values(fraction).every(Number.isSafeInteger);
  return isExact && places <= SAFE_DIGITS ? fraction : undefined;
}

/** Digits after the point that a number is written with. */
function decimalsOf(number: number): number {
  const [, digits = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([-+]\d+))?$/.exec(String(number)) ?? [];
  return Math.max(0, digits.length - Number(exponent));
}

/** What the counters among the tags of a channel did, so that a reset or a spike is told from counting. */
export class Counters {
  private readonly states = new Map<TagId, CounterState>();

  /**
   * A result of a counter, judged: its value stays as it was read. A reset is doubted (`counter-reset`); a value that
   * cannot be is bad (`sensor-failure`), unless the next one goes on from it.
   */
  judged({ tag, modulus }: TagConfig, result: ReadResult): ReadResult {
    if (!result.ok || typeof result.value === 'boolean' || typeof result.value === 'string') return result;
    const value = Number(result.value);
    const { state, step } = countOn(this.states.get(tag.id), value, result.at.monoMs, { modulus });
    this.states.set(tag.id, state);
    const { at } = result;
    if (step.kind === 'reset') return { at, ok: true, value: result.value, doubt: 'counter-reset' };
    if (step.kind === 'spike')
      return { at, ok: false, why: 'sensor-failure', detail: 'the counter cannot have come so far' };
    return result;
  }
}

/** A list of tags that is read again and again, with what is needed of them each time. */
export interface TagList {
  readonly configs: readonly TagConfig[];
  /** Names within their devices. */
  readonly names: readonly string[];
  /** All places: 0, 1, 2 … */
  readonly places: readonly number[];
  /** Names of some of them, by their places: records that are alike share one list. */
  readonly parts: Map<string, readonly string[]>;
}

/** Lists of names that are kept of one list of tags: a device that answers in other parts each time makes no more. */
const MOST_PARTS = 64;

/** Tags as a list that is read again and again. */
export function tagList(configs: readonly TagConfig[]): TagList {
  const names = configs.map(({ tag }) => tag.name);
  return { configs, names, places: [...names.keys()], parts: new Map() };
}

/**
 * One record for each (device, instant) among the results, in the order of their first tags. Tags that one request
 * answered need not stand together.
 *
 * @param results of each tag of the list, in their order
 * @param counters judges the counters among the tags
 */
export function recordsOf(
  list: TagList,
  results: readonly ReadResult[],
  make: (device: string, at: Instant, fields: Fields) => DeviceRecord,
  counters?: Counters,
): DeviceRecord[] {
  const { configs } = list;
  const groups = groupsOf(list, results);
  return groups.map((places) => {
    const maker = new FieldsMaker(places.length);
    for (const place of places) {
      const config = configs[place]!;
      const result = results[place]!;
      // Tags that report by themselves are counted by their driver, edge by edge.
      const isCounter = counters !== undefined && config.counter && config.everyMs !== undefined;
      addTo(maker, config, isCounter ? counters.judged(config, result) : result);
    }
    const first = places[0]!;
    return make(configs[first]!.tag.device, results[first]!.at, maker.made(namesAt(list, places)));
  });
}

/** The places of the tags that make one record. */
function groupsOf({ configs, places }: TagList, results: readonly ReadResult[]): (readonly number[])[] {
  const areAlike = (one: number, other: number): boolean =>
    results[one]!.at === results[other]!.at && configs[one]!.tag.device === configs[other]!.tag.device;
  if (places.every((place) => areAlike(0, place))) return places.length > 0 ? [places] : [];
  const groups: number[][] = [];
  let last: number[] | undefined;
  for (const place of places) {
    if (last === undefined || !areAlike(last[0]!, place)) {
      last = groups.find((group) => areAlike(group[0]!, place));
      if (last === undefined) {
        last = [];
        groups.push(last);
      }
    }
    last.push(place);
  }
  return groups;
}

function namesAt({ names, places: all, parts }: TagList, places: readonly number[]): readonly string[] {
  if (places === all) return names;
  const key = places.join();
  let some = parts.get(key);
  if (some === undefined) {
    some = places.map((place) => names[place]!);
    if (parts.size >= MOST_PARTS) parts.clear();
    parts.set(key, some);
  }
  return some;
}

/** Adds {@link outcomeOf}. What is good, which is nearly all, becomes no object on its way. */
function addTo(maker: FieldsMaker, config: TagConfig, result: ReadResult): void {
  if (result.ok && result.doubt === undefined) {
    const raw = result.value;
    const value = typeof raw === 'boolean' || typeof raw === 'string' ? raw : inUnits(raw, config);
    const isValue = typeof value !== 'number' || Number.isFinite(value);
    if (isValue && !isOutside(value, config)) {
      maker.addGood(value);
      return;
    }
  }
  maker.add(outcomeOf(config, result));
}

/** What the results say of the device. One answer is enough; what was not asked says nothing. */
export function endOf(results: readonly ReadResult[]): JobEnd {
  let end: JobEnd = 'not-asked';
  for (const result of results) {
    if (result.ok) return 'answered';
    if (result.asked === false) continue;
    if (!SILENCES.has(result.why)) return 'answered';
    if (result.why === 'gateway-path') end = 'path';
    else if (end === 'not-asked') end = 'silent';
  }
  return end;
}

/** Why a device gave no value: the word of its readings, and what came instead where something did. */
export interface Trouble {
  readonly why: Failure;
  readonly detail?: string | undefined;
}

/** Why the first tag that was asked for has no value. */
export function firstTrouble(results: readonly ReadResult[]): Trouble {
  for (const result of results) if (!result.ok && result.asked !== false) return result;
  return { why: 'timeout' };
}
