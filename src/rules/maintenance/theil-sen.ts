/** The Theil–Sen line through points in time, with the 95 % interval of its slope by Sen's method. */

/** A mean with its time, UTC ms. */
export type Point = readonly [wallMs: number, value: number];

/** A line through (median time, median value). Slopes are in units a day. */
export interface Line {
  readonly slopePerDay: number;
  readonly low: number;
  readonly high: number;
  readonly medianMs: number;
  readonly medianValue: number;
}

/** Fewest points of a line: below, Kendall's S is far from normal (Gilbert 1987, section 16.4.2). */
export const FEWEST_POINTS = 10;

const DAY_MS = 86_400_000;

/** 97.5 % point of the normal distribution: both sides together 95 %. */
const Z95 = 1.959963984540054;

/**
 * The median of the slopes of all pairs (Theil 1950, Sen 1968). The interval is that of Sen: the slopes of the ranks
 * (N ∓ z·σ(S)) / 2, with the variance of Kendall's S for tied values: σ² = (n(n−1)(2n+5) − Σ t(t−1)(2t+5)) / 18.
 *
 * @param points in order, at different times
 * @returns undefined for less than {@link FEWEST_POINTS}
 */
export function theilSen(points: readonly Point[]): Line | undefined {
  const count = points.length;
  if (count < FEWEST_POINTS) return undefined;
  const days = Float64Array.from(points, ([ms]) => ms / DAY_MS);
  const values = Float64Array.from(points, ([, value]) => value);
  const slopes = new Float64Array((count * (count - 1)) / 2);
  let next = 0;
  for (let i = 0; i < count; i++) {
    const day = days[i]!;
    const from = values[i]!;
    for (let j = i + 1; j < count; j++) slopes[next++] = (values[j]! - from) / (days[j]! - day);
  }
  const ranks = ranksOf(values);
  // The median parts the slopes in two: each end of the interval is in its half.
  const slopePerDay = medianOf(slopes);
  const middle = slopes.length >> 1;
  return {
    slopePerDay,
    low: select(slopes, ranks.low, 0, middle),
    high: select(slopes, ranks.high, middle, slopes.length - 1),
    medianMs: medianOf(Float64Array.from(points, ([ms]) => ms)),
    medianValue: medianOf(values),
  };
}

/** Whether the interval of the slope excludes 0, and on which side: what {@link theilSen} says of it, without the slopes. */
export function directionOf(points: readonly Point[]): -1 | 0 | 1 {
  if (points.length < FEWEST_POINTS) return 0;
  const values = Float64Array.from(points, ([, value]) => value);
  let rising = 0;
  let falling = 0;
  for (let i = 0; i < values.length; i++) {
    const from = values[i]!;
    for (let j = i + 1; j < values.length; j++) {
      if (values[j]! > from) rising++;
      else if (values[j]! < from) falling++;
    }
  }
  const pairs = (values.length * (values.length - 1)) / 2;
  const { low, high } = ranksOf(values);
  if (pairs - rising <= low) return 1;
  return pairs - falling <= pairs - 1 - high ? -1 : 0;
}

/** The places of both ends of the interval among the slopes in order, from 0. */
function ranksOf(values: Float64Array): { low: number; high: number } {
  const count = values.length;
  const pairs = (count * (count - 1)) / 2;
  const ties = new Map<number, number>();
  for (const value of values) ties.set(value, (ties.get(value) ?? 0) + 1);
  let variance = count * (count - 1) * (2 * count + 5);
  for (const tied of ties.values()) variance -= tied * (tied - 1) * (2 * tied + 5);
  const reach = Z95 * Math.sqrt(variance / 18);
  const low = Math.max(Math.round((pairs - reach) / 2) - 1, 0);
  const high = Math.min(Math.round((pairs + reach) / 2), pairs - 1);
  return { low, high };
}

/** The median of values, which are put into another order. */
export function medianOf(values: Float64Array): number {
  const middle = values.length >> 1;
  const upper = select(values, middle, 0, values.length - 1);
  if (values.length % 2 === 1) return upper;
  let lower = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < middle; index++) if (values[index]! > lower) lower = values[index]!;
  return (lower + upper) / 2;
}

/**
 * The value at place `rank` (from 0) in order, which is known to be between the places `first` and `last`; smaller ones are
 * before it then (Hoare's selection).
 */
function select(values: Float64Array, rank: number, first: number, last: number): number {
  let left = first;
  let right = last;
  while (left < right) {
    const pivot = values[(left + right) >> 1]!;
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const moved = values[i]!;
      values[i++] = values[j]!;
      values[j--] = moved;
    }
    if (rank <= j) right = j;
    else if (rank >= i) left = i;
    else break;
  }
  return values[rank]!;
}
