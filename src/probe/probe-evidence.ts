/** How much the behaviour of registers speaks for a value, as logarithms of likelihoods. */
import type { Decoding, NumberType, Series } from './probe-decode.ts';

/*
 * How much the registers themselves speak for a decoding, before anybody says what value is expected. All evidence is a
 * natural logarithm of a likelihood ratio: how well "these registers are one value of this type" explains them, against
 * "they are unrelated 16-bit registers". 0 says nothing either way; 3 is twenty to one.
 */

/** What unrelated registers hold: nothing, small numbers, small negative numbers, a mark for "no value", anything. */
const REGISTER_IS = { zero: 0.25, small: 0.42, negative: 0.05, mark: 0.02, any: 0.26 };
const MARKS = new Set([0x8000, 0xffff, 0x7fff]);
const LN_WORDS = Math.log(65_536);

/** Width of the values that integers are taken to have, natural logarithm: every magnitude up to it is as likely. */
const LN_RANGE: Record<Exclude<NumberType, 'float32' | 'float64'>, number> = {
  uint16: Math.log(65_536),
  int16: Math.log(32_768),
  uint32: Math.log(2 ** 32),
  int32: Math.log(2 ** 31),
  uint64: Math.log(1e13),
  int64: Math.log(1e13),
  bcd16: Math.log(1e4),
  bcd32: Math.log(1e8),
};

/** Larger whole numbers hardly are numbers. */
const LARGEST = 1e13;

/** Magnitudes of measured values: log₁₀ is about normal, from thousandths to millions. */
const TYPICAL_LOG10 = 1.3;
const SPREAD_LOG10 = 2.2;

/** Shares of floats that are zero, that were typed in or rounded by a program, and that came out of a measurement. */
const FLOAT_IS = { zero: 0.1, round: 0.2, widened: 0.15, measured: 0.55 };
/** Digits that makers round to, and the decades and signs that rounded numbers are in. */
const MOST_DIGITS = { float32: 6, float64: 9 };
const ROUND_DECADES = 8 * 2;

/** Evidence of one look: the logarithm of how much likelier the registers are as this value than by themselves. */
export function stillEvidence({ type }: Decoding, words: readonly number[], value: number): number {
  let unrelated = 0;
  for (const word of words) unrelated += Math.log(registerShare(word));
  const share = type === 'float32' || type === 'float64' ? floatShare(type, value) : wholeShare(type, value);
  return Math.log(share) - unrelated;
}

/**
 * Evidence of watching: a value that moves a little, while its registers by themselves would jump, is a value; registers
 * that make a value jump by more than they move themselves are not. 0 when nothing moved.
 */
export function movingEvidence({ decoding, values, words }: Series): number {
  const stepAt = stepsOf(decoding.type, values);
  const steps: number[] = [];
  const finest: number[] = [];
  const wordSteps: number[][] = Array.from({ length: decoding.registers }, () => []);
  for (let look = 1; look < values.length; look++) {
    let moved = false;
    for (let index = 0; index < decoding.registers; index++) {
      const difference = Math.abs(words[look]![index]! - words[look - 1]![index]!);
      if (difference === 0) continue;
      moved = true;
      wordSteps[index]!.push(difference);
    }
    if (!moved) continue;
    steps.push(Math.abs(values[look]! - values[look - 1]!));
    finest.push(stepAt(values[look]!));
  }
  const asRegisters = wordSteps.reduce((sum, moves) => sum + costOfSteps(moves, undefined, LN_WORDS), 0);
  return asRegisters - costOfSteps(steps, finest, LN_WORDS * decoding.registers);
}

/**
 * What it costs to tell steps that are as large as these are on average (entropy of a Laplace distribution), each to the
 * finest that can be there; at most what it costs to tell anything.
 */
function costOfSteps(steps: readonly number[], finest: readonly number[] | undefined, most: number): number {
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  const costOf = (finestStep: number): number =>
    finestStep === 0 ? most : Math.min(most, Math.log(1 + 2 * Math.E * Math.max(1, mean / finestStep)));
  return steps.reduce((sum, _, index) => sum + costOf(finest?.[index] ?? 1), 0);
}

/**
 * The smallest step that a value like these can make, by where it is: 1 for integers; for floats what their bits allow, or
 * the last decimal that all of them have when their maker rounded them. 0 where a step cannot be told.
 */
function stepsOf(type: NumberType, values: readonly number[]): (value: number) => number {
  if (type !== 'float32' && type !== 'float64') return (value) => (Number.isSafeInteger(value) ? 1 : 0);
  const isSingle = type === 'float32' || values.every((value) => Math.fround(value) === value);
  const bits = isSingle ? 23 : 52;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
  const coarsest = Math.ceil(Math.log10(largest));
  for (
    let exponent = coarsest;
    exponent > coarsest - MOST_DIGITS[type] && 10 ** exponent > largest * 2 ** -bits;
    exponent--
  )
    if (values.every((value) => isWhole(value, exponent))) return () => 10 ** exponent;
  return (value) => Math.max(Math.abs(value) * 2 ** -bits, Number.MIN_VALUE);
}

/** Whether a float is as near as it can be to a multiple of a power of ten. */
function isWhole(value: number, exponent: number): boolean {
  const round = Number(`${Math.round(Number(`${value}e${-exponent}`))}e${exponent}`);
  return round === value || Math.fround(round) === value;
}

/** Evidence of watching that a register holds no number: those stand still, and do not tumble about. */
export function idleEvidence(words: readonly (number | undefined)[]): number {
  const moved = words.some((word) => word !== undefined && word !== words[0]);
  return moved ? LN_TUMBLES : 0;
}

const LN_TUMBLES = Math.log(0.08);

function registerShare(word: number): number {
  const { zero, small, negative, mark, any } = REGISTER_IS;
  if (word === 0) return zero;
  const share = any / 65_536 + small / (word * LN_WORDS) + negative / ((65_536 - word) * LN_WORDS);
  return MARKS.has(word) ? share + mark / MARKS.size : share;
}

function wholeShare(type: Exclude<NumberType, 'float32' | 'float64'>, value: number): number {
  if (value === 0) return 0.15;
  const magnitude = Math.abs(value);
  // Nothing that is counted or measured gets beyond: it takes the bits of something else.
  const beyond = magnitude > LARGEST ? (LARGEST / magnitude) ** 2 : 1;
  const share = (0.85 * beyond) / (magnitude * LN_RANGE[type]);
  if (!type.startsWith('int')) return share;
  return value > 0 ? share * 0.7 : share * 0.3;
}

function floatShare(type: 'float32' | 'float64', value: number): number {
  if (value === 0) return FLOAT_IS.zero;
  const magnitude = Math.abs(value);
  const sign = value > 0 ? 0.8 : 0.2;
  const deviation = (Math.log10(magnitude) - TYPICAL_LOG10) / SPREAD_LOG10;
  // Beyond the typical magnitudes there may still be something: the tail is not allowed to vanish altogether.
  const perLog10 = Math.max(1e-9, Math.exp((-deviation * deviation) / 2) / (SPREAD_LOG10 * Math.sqrt(2 * Math.PI)));
  const perValue = (sign * perLog10) / Math.LN10;
  const fractionBits = type === 'float32' ? 23 : 52;
  let share = FLOAT_IS.measured * perValue * 2 ** -fractionBits;
  if (type === 'float64' && Math.fround(value) === value) share += FLOAT_IS.widened * perValue * 2 ** -23;
  const digits = digitsOf(type, value);
  if (digits !== undefined) share += (FLOAT_IS.round * sign) / MOST_DIGITS[type] / (0.9 * 10 ** digits * ROUND_DECADES);
  return share;
}

/** How few digits say a float as exactly as it can be said; undefined where that takes all it has. */
function digitsOf(type: 'float32' | 'float64', value: number): number | undefined {
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e6) return undefined;
  for (let digits = 1; digits <= MOST_DIGITS[type]; digits++) {
    const round = Number(value.toPrecision(digits));
    if (round === value || Math.fround(round) === value) return digits;
  }
  return undefined;
}
