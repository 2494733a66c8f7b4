/** Turns what a driver read into engineering units with a quality, and back for writes. */
import type { ReadResult, Tag, WriteResult } from '../../hal/driver.ts';
import type { LinearConfig, TagConfig } from '../config/config.ts';
import { type CounterState, countOn } from '../core/counter.ts';
import type { Failure } from '../core/quality.ts';
import {
  type DeviceRecord,
  type Field,
  type Instant,
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

interface Open {
  readonly device: string;
  readonly at: Instant;
  readonly fields: Field[];
}

/**
 * One record for each (device, instant) among the results, in the order of their first tags. Tags that one request
 * answered need not stand together.
 *
 * @param configs of each tag, in their order
 * @param counters judges the counters among the tags
 */
export function recordsOf(
  tags: readonly Tag[],
  results: readonly ReadResult[],
  configs: readonly TagConfig[],
  make: (device: string, at: Instant, fields: Field[]) => DeviceRecord,
  counters?: Counters,
): DeviceRecord[] {
  const open: Open[] = [];
  let last: Open | undefined;
  for (let index = 0; index < tags.length; index++) {
    const tag = tags[index]!;
    const result = results[index]!;
    if (last === undefined || last.at !== result.at || last.device !== tag.device) {
      last = open.find(({ device, at }) => at === result.at && device === tag.device);
      if (last === undefined) {
        last = { device: tag.device, at: result.at, fields: [] };
        open.push(last);
      }
    }
    const config = configs[index]!;
    // Tags that report by themselves are counted by their driver, edge by edge.
    const isCounter = counters !== undefined && config.counter && config.everyMs !== undefined;
    last.fields.push(fieldOf(tag.name, config, isCounter ? counters.judged(config, result) : result));
  }
  return open.map(({ device, at, fields }) => make(device, at, fields));
}

/** {@link outcomeOf} under a name. What is good, which is nearly all, is written out: a spread takes ten times as long. */
function fieldOf(name: string, config: TagConfig, result: ReadResult): Field {
  const outcome = outcomeOf(config, result);
  return outcome.quality === 'good' ? { name, quality: 'good', value: outcome.value } : { name, ...outcome };
}

/** Failures that mean that nobody answered; every other word came from the device or about it. */
const SILENCE: ReadonlySet<string> = new Set<Failure>([
  'timeout',
  'garbled',
  'gateway-target',
  'gateway-path',
  'not-connected',
  'offline',
]);

/** What the results say of the device. One answer is enough; what was not asked says nothing. */
export function endOf(results: readonly ReadResult[]): JobEnd {
  let end: JobEnd = 'not-asked';
  for (const result of results) {
    if (result.ok) return 'answered';
    if (result.asked === false) continue;
    if (!SILENCE.has(result.why)) return 'answered';
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
