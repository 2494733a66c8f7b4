/** Decides whether the condition of an alarm holds for a reading. */
import type { AlarmCondition } from '../../core/alarm.ts';
import type { Reading, Value } from '../../core/reading.ts';

/** A value that was read, for rates. */
export interface Sample {
  readonly monoMs: number;
  readonly value: number | bigint;
}

/** What a condition may look at beside the reading. */
interface ConditionMemory {
  /** Whether the alarm is active: then the deadband counts. */
  readonly active: boolean;
  /** Earlier samples, oldest first; kept by {@link remember}. */
  readonly samples: readonly Sample[];
  /** The value before, as {@link valueKey} gives it. */
  readonly last: string | undefined;
}

/** Looks at a reading: whether the condition holds; undefined when the reading does not tell. */
export type Judge = (reading: Reading, memory: ConditionMemory) => boolean | undefined;

/** Samples a rate is measured with: the window is thinned to this many. */
const RATE_SAMPLES = 60;

/** The judge of a condition. `deadband` is ≥ 0 and widens the way back. */
export function judgeOf(condition: AlarmCondition, deadband: number): Judge {
  switch (condition.kind) {
    case 'above': {
      const clear = exact(condition.limit - deadband);
      return numeric((value, active) => isAbove(value, condition.limit, clear, deadband, active));
    }
    case 'below': {
      const clear = exact(condition.limit + deadband);
      return numeric((value, active) => isBelow(value, condition.limit, clear, deadband, active));
    }
    case 'outside': {
      const { low, high } = condition;
      const [clearLow, clearHigh] = [exact(low + deadband), exact(high - deadband)];
      return numeric(
        (value, active) =>
          isAbove(value, high, clearHigh, deadband, active) || isBelow(value, low, clearLow, deadband, active),
      );
    }
    case 'equals':
      return (reading) => (reading.quality === 'bad' ? undefined : isSame(reading.value, condition.value));
    case 'rateAbove':
      return rateJudge(condition, deadband);
    case 'changed':
      return (reading, { last }) =>
        reading.quality === 'bad' ? undefined : last !== undefined && valueKey(reading.value) !== last;
    case 'stale':
      return (reading) => (isFresh(reading) ? false : undefined);
    case 'instrument':
      return instrumentFailed;
  }
}

/** Whether a reading shows that the tag is alive: a value that the device only repeats does not. */
export function isFresh(reading: Reading): boolean {
  return reading.quality === 'good' || (reading.quality === 'uncertain' && reading.why !== 'last-usable');
}

/** A value as a text that is equal for equal values, whatever their JSON. */
export function valueKey(value: Value): string {
  if (typeof value === 'string') return `text ${value}`;
  return typeof value === 'boolean' ? `bool ${value}` : `number ${value}`;
}

/** Whether two values are the same; integers compare exactly, whether `number` or `bigint`. */
export function isSame(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return !(a < b) && !(a > b);
  return a === b;
}

/**
 * The samples with this reading added. They reach back to one that is `perMs` old, where there is one, and are at least
 * `perMs` / 60 apart, so that their number is bounded whatever the period of the readings.
 */
export function remember(samples: readonly Sample[], reading: Reading, perMs: number): readonly Sample[] {
  if (reading.quality === 'bad' || !isNumber(reading.value)) return samples;
  const newest = samples.at(-1);
  if (newest && reading.monoMs - newest.monoMs < perMs / RATE_SAMPLES) return samples;
  return [
    ...samples.slice(referenceIndex(samples, reading.monoMs - perMs)),
    { monoMs: reading.monoMs, value: reading.value },
  ];
}

/** The newest sample at or before `monoMs`, else the oldest there is. */
function referenceIndex(samples: readonly Sample[], monoMs: number): number {
  return Math.max(
    0,
    samples.findLastIndex((sample) => sample.monoMs <= monoMs),
  );
}

function numeric(holds: (value: number | bigint, active: boolean) => boolean): Judge {
  return (reading, { active }) =>
    reading.quality === 'bad' || !isNumber(reading.value) ? undefined : holds(reading.value, active);
}

/** Active alarms go at v < limit − deadband, without a deadband at v ≤ limit. */
function isAbove(value: number | bigint, limit: number, clear: number, deadband: number, active: boolean): boolean {
  return value > limit || (active && deadband > 0 && value >= clear);
}

function isBelow(value: number | bigint, limit: number, clear: number, deadband: number, active: boolean): boolean {
  return value < limit || (active && deadband > 0 && value <= clear);
}

/**
 * The change over `perMs`: against the newest sample that is at least that old, scaled down to `perMs`; before there is
 * one, the change so far, which is a lower bound of it. A lower bound can raise the alarm but never end it.
 */
function rateJudge({ limit, perMs }: { limit: number; perMs: number }, deadband: number): Judge {
  const clear = exact(limit - deadband);
  return (reading, { active, samples }) => {
    if (reading.quality === 'bad' || !isNumber(reading.value)) return undefined;
    const reference = samples[referenceIndex(samples, reading.monoMs - perMs)];
    const spanMs = reference ? reading.monoMs - reference.monoMs : 0;
    const change = reference ? (distance(reading.value, reference.value) * perMs) / Math.max(spanMs, perMs) : 0;
    if (isAbove(exact(change), limit, clear, deadband, active)) return true;
    return active && spanMs < perMs ? undefined : false;
  };
}

/** Before the first read, and by hand out of service, an instrument has not failed. */
function instrumentFailed(reading: Reading): boolean | undefined {
  if (reading.quality !== 'bad') return false;
  return reading.why === 'waiting' || reading.why === 'out-of-service' ? undefined : true;
}

function distance(a: number | bigint, b: number | bigint): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return Number(a > b ? a - b : b - a);
  return Math.abs(Number(a) - Number(b));
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Doubles carry rounding: 0.7 + 0.1 is 0.8 here. */
function exact(value: number): number {
  return Number(value.toPrecision(15));
}
