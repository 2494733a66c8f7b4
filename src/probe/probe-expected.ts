/** How well a value fits what a technician read from a display. */
import { type Checked, failed, passed } from '../core/checked.ts';

/** A value as it was read from the device's display. */
export interface Expected {
  /** As it was given. */
  readonly text: string;
  readonly value: number;
  /** Half of what its last digit stands for, or the tolerance that was given if that is wider. */
  readonly halfStep: number;
  /** Digits after the point; negative when the last digit is a whole power of ten. */
  readonly decimals: number;
}

/**
 * Reads a value as a display shows it: `231.4` is anything that rounds to it, 231.35 to 231.45.
 *
 * @param within tolerance as a share of the value, 0…1; 0: the digits alone
 */
export function parseExpected(text: string, within = 0): Checked<Expected> {
  const match = /^([-+]?)(\d+)?(?:\.(\d*))?(?:[eE]([-+]?\d{1,2}))?$/.exec(text.trim());
  if (!match || (match[2] === undefined && !match[3]))
    return failed(['expect'], `"${text.slice(0, 40)}" is no number: write it as the display shows it, such as 231.4`);
  const value = Number(text);
  if (!Number.isFinite(value)) return failed(['expect'], `"${text.slice(0, 40)}" is larger than any device can say`);
  const decimals = (match[3]?.length ?? 0) - Number(match[4] ?? 0);
  const halfStep = Math.max(0.5 * 10 ** -decimals, within * Math.abs(value));
  return passed({ text: text.trim(), value, halfStep, decimals });
}

/** A display may have been read before, while the value was another; how far values wander, as a share. */
const WANDERING = 0.005;

/** Shares of how display and register may belong together; the rest is for a display finer than the register. */
const IS_SEEN = 0.84;
const HAS_WANDERED = 0.06;
const IS_FINER = 0.1;

/** A register whose steps are coarser than this share of its value is not what a display shows more finely. */
const COARSEST = 0.1;

/** A whole number that ends in two zeros or more may be rounded to them: how likely, against being exact. */
const IS_ROUNDED = 0.2;

/**
 * How likely the display shows the expected value when the register goes through these values, 0…1.
 *
 * @param values what was seen, scaled
 * @param quantum the scaled step of the register; 0 for a float
 */
export function fitOf(expected: Expected, values: readonly number[], quantum: number): number {
  const exact = fitTo(expected, values, quantum);
  const zeros = /^[-+]?\d*[1-9](00+)$/.exec(expected.text)?.[1]?.length;
  if (zeros === undefined) return exact;
  const rounded = { ...expected, halfStep: Math.max(expected.halfStep, 0.5 * 10 ** zeros), decimals: -zeros };
  return (1 - IS_ROUNDED) * exact + IS_ROUNDED * fitTo(rounded, values, quantum);
}

function fitTo(expected: Expected, values: readonly number[], quantum: number): number {
  const { value, halfStep, decimals } = expected;
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length);
  // A register whose steps are wider than the display's shows one of its steps, and no decimals that it does not have; or
  // else the display is finer than the register.
  const isOnStep =
    quantum <= 2 * halfStep || (decimals <= 0 && Math.abs(Math.round(value / quantum) * quantum - value) <= halfStep);
  const half = Math.max(halfStep, quantum / 2);
  // The borders of the display's rounding are the device's own: a value that is just beyond them may still round so.
  const deviation = 1.3 * spread + 0.02 * half + 1e-9 * Math.abs(value);
  const seen = isOnStep ? shareIn(value - half - mean, value + half - mean, deviation) : 0;
  const window = isOnStep ? half : halfStep;
  const wandering = WANDERING * Math.abs(value) + 3 * spread;
  const distance = Math.max(0, Math.abs(mean - value) - half);
  const wandered = wandering === 0 ? 0 : Math.exp(-distance / wandering) * Math.min(1, window / wandering);
  const isFiner = quantum > 2 * halfStep && quantum <= COARSEST * Math.abs(value);
  // Where in its step the register is, is not known: as a normal distribution, a step has this deviation.
  const within = Math.hypot(deviation, quantum / Math.sqrt(12));
  const finer = isFiner ? shareIn(value - halfStep - mean, value + halfStep - mean, within) : 0;
  return IS_SEEN * seen + HAS_WANDERED * wandered * (isOnStep || isFiner ? 1 : 0) + IS_FINER * finer;
}

/** How far from the expected value a mean may be to be looked at at all. */
export function reachOf({ value, halfStep }: Expected, spread: number, quantum: number): number {
  return halfStep + quantum / 2 + 8 * (WANDERING * Math.abs(value) + 3 * spread);
}

/** Share of a normal distribution around 0 that lies between two values. */
function shareIn(low: number, high: number, deviation: number): number {
  return Math.max(0, normalBelow(high / deviation) - normalBelow(low / deviation));
}

/** Share of a normal distribution below `deviations` (error function after Abramowitz and Stegun 7.1.26, ±1.5·10⁻⁷). */
function normalBelow(deviations: number): number {
  const x = Math.abs(deviations) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const half = (1 - polynomial * Math.exp(-x * x)) / 2;
  return deviations < 0 ? 0.5 - half : 0.5 + half;
}
