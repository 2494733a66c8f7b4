/** Means of readings by periods of the wall clock, kept for the length of a window. */
import type { Point } from './theil-sen.ts';

/** The period that readings are gathered in now: its number since 1970, the mean of their times and values. */
export interface OpenPeriod {
  readonly index: number;
  readonly count: number;
  readonly wallMs: number;
  readonly value: number;
}

/**
 * A wall clock that is behind by more than this is believed only after it has said so for as long: after a power cut a
 * board without a clock battery begins years ago, and a trend of weeks must not be lost by that.
 */
export const DISTRUST_MS = 86_400_000;

/** One more reading in its period. */
export function addTo(open: OpenPeriod | null, value: number, wallMs: number, perMs: number): OpenPeriod {
  const index = Math.floor(wallMs / perMs);
  const before = open?.index === index ? open : { index, count: 0, wallMs: 0, value: 0 };
  const count = before.count + 1;
  return {
    index,
    count,
    wallMs: before.wallMs + (wallMs - before.wallMs) / count,
    value: before.value + (value - before.value) / count,
  };
}

/** When a period ends, UTC ms. */
export function endOf({ index }: OpenPeriod, perMs: number): number {
  return (index + 1) * perMs;
}

/** The means with that of a period that is over: what is older than the window goes, and what a clock put behind it. */
export function closed(means: readonly Point[], open: OpenPeriod, windowMs: number, perMs: number): readonly Point[] {
  const fromMs = endOf(open, perMs) - windowMs;
  const kept = means.filter(([ms]) => ms >= fromMs && ms < open.index * perMs);
  return [...kept, [Math.round(open.wallMs), open.value]];
}
