/** The run rules of Nelson and of Western Electric. */
import type { RunRule } from '../../core/spc.ts';

/**
 * Where a point lies: 0 on the centre; otherwise the sign is the side and the size 1 within 1σ (the line included),
 * 2 beyond 1σ, 3 beyond 2σ, 4 beyond 3σ. Lines are strict: a point on a line is not beyond it.
 */
type Zone = -4 | -3 | -2 | -1 | 0 | 1 | 2 | 3 | 4;

/** Where a run lies: above or below the centre; rules without a side use 1. */
export type Side = 1 | -1;

/** The points a run rule looks back on, the newest last; at most {@link LOOK_BACK}. */
export interface RunState {
  readonly zones: readonly Zone[];
  /** For each of the zones: whether the point rose (1) or fell (−1) from the one before; 0: neither, or none before. */
  readonly steps: readonly (-1 | 0 | 1)[];
}

/** Nothing to look back on: at the start, and after a bad or missing point. */
export const NO_RUN: RunState = { zones: [], steps: [] };

/** The longest window: N7. */
const LOOK_BACK = 15;

/** Whether a rule may look at fewer points than its window at the start of a series. */
export interface ShortWindows {
  readonly twoOfThree: boolean;
  readonly fourOfFive: boolean;
}

/** Full windows, as R's qcc judges: 2 of 3 needs three points since the start or the last break. */
const FULL_WINDOWS: ShortWindows = { twoOfThree: false, fourOfFive: false };

/** The zone of a value. The lines themselves are compared, so that a value equal to a limit is never beyond it by rounding. */
export function zoneOf(value: number, center: number, sigma: number): Zone {
  if (value > center) {
    if (value > center + 3 * sigma) return 4;
    if (value > center + 2 * sigma) return 3;
    return value > center + sigma ? 2 : 1;
  }
  if (value < center) {
    if (value < center - 3 * sigma) return -4;
    if (value < center - 2 * sigma) return -3;
    return value < center - sigma ? -2 : -1;
  }
  return 0;
}

/** The state with one more point. */
export function extend(state: RunState, zone: Zone, step: -1 | 0 | 1): RunState {
  const from = state.zones.length >= LOOK_BACK ? 1 : 0;
  const zones = state.zones.slice(from);
  const steps = state.steps.slice(from);
  zones.push(zone);
  steps.push(step);
  return { zones, steps };
}

/**
 * Whether the newest point completes or continues a run of a rule, and on which side. Western Electric: Statistical
 * Quality Control Handbook, 1956, pages 25–27; Nelson: Journal of Quality Technology 16 (1984). In 2-of-3 and 4-of-5 the
 * newest point is itself beyond the line.
 */
export function runOf(rule: RunRule, state: RunState, short: ShortWindows = FULL_WINDOWS): Side | undefined {
  switch (rule) {
    case 'N1':
    case 'WE1':
      return beyond(state, 4, 1, 1, false);
    case 'N2':
      return oneSided(state, 9);
    case 'WE4':
      return oneSided(state, 8);
    case 'N3':
      return monotone(state, 6);
    case 'N4':
      return isAlternating(state, 14) ? 1 : undefined;
    case 'N5':
    case 'WE2':
      return beyond(state, 3, 2, 3, short.twoOfThree);
    case 'N6':
    case 'WE3':
      return beyond(state, 2, 4, 5, short.fourOfFive);
    case 'N7':
      return lastAll(state.zones, 15, (zone) => Math.abs(zone) <= 1) ? 1 : undefined;
    case 'N8':
      return isMixture(state, 8) ? 1 : undefined;
  }
}

/** `needed` of the last `window` points at least `level` out on the side of the newest, which is one of them. */
function beyond(state: RunState, level: number, needed: number, window: number, short: boolean): Side | undefined {
  const { zones } = state;
  const newest = zones.at(-1) ?? 0;
  if (Math.abs(newest) < level || (zones.length < window && !short)) return undefined;
  const side = newest > 0 ? 1 : -1;
  let count = 0;
  for (let index = Math.max(0, zones.length - window); index < zones.length; index++)
    if (zones[index]! * side >= level) count++;
  return count >= needed ? side : undefined;
}

function oneSided({ zones }: RunState, length: number): Side | undefined {
  const side = (zones.at(-1) ?? 0) > 0 ? 1 : -1;
  return lastAll(zones, length, (zone) => zone * side > 0) ? side : undefined;
}

/** Points that all rise or all fall: one step fewer than points. */
function monotone({ steps }: RunState, points: number): Side | undefined {
  const direction = steps.at(-1);
  if (direction === undefined || direction === 0) return undefined;
  return lastAll(steps, points - 1, (step) => step === direction) ? direction : undefined;
}

/** Points that go up and down in turn. */
function isAlternating({ steps }: RunState, points: number): boolean {
  const first = steps.length - (points - 1);
  if (first < 0 || steps.at(-1) === 0) return false;
  for (let index = first + 1; index < steps.length; index++) if (steps[index]! * steps[index - 1]! !== -1) return false;
  return true;
}

/** Points that avoid the middle, on both sides of it. */
function isMixture({ zones }: RunState, length: number): boolean {
  if (!lastAll(zones, length, (zone) => Math.abs(zone) >= 2)) return false;
  const last = zones.slice(-length);
  return last.some((zone) => zone > 0) && last.some((zone) => zone < 0);
}

function lastAll<T>(all: readonly T[], count: number, holds: (one: T) => boolean): boolean {
  if (all.length < count) return false;
  for (let index = all.length - count; index < all.length; index++) if (!holds(all[index]!)) return false;
  return true;
}
