/** How a counter that rolls over, is reset or shows nonsense for once is counted: one pure function for tags and rules. */

/** What is known of a counter beforehand. */
export interface CounterLimits {
  /** Where it starts again from 0 (`wrap`, or 2¹⁶ for a uint16); undefined: it never rolls over. */
  readonly modulus?: number | undefined;
  /** The fastest it can count, a second; undefined: the fastest it was seen to count tells. */
  readonly maxPerSecond?: number | undefined;
}

/** What is remembered of a counter from one reading to the next. JSON-serialisable. */
export interface CounterState {
  /** The last value that was believed, and when it was read (monotonic ms). */
  readonly value: number;
  readonly atMs: number;
  /** The fastest it was seen to count, a second, and how many times it was seen to count at all. */
  readonly fastest: number;
  readonly counted: number;
  /** A value that was rejected; the next one shows whether it was a spike. */
  readonly rejected?: { readonly value: number; readonly atMs: number } | undefined;
}

/**
 * What one reading adds. `baseline`: nothing; it is the first, or the counter was set to another value. `counted`: so
 * many more, at least so many when `isLowerBound`, because it may have gone round more than once. `reset`: it began
 * again from 0 and has come to `by`. `spike`: a value that cannot be; the state stays where it was.
 */
type CounterStep =
  | { readonly kind: 'baseline' }
  | { readonly kind: 'counted'; readonly by: number; readonly isLowerBound: boolean }
  | { readonly kind: 'reset'; readonly by: number }
  | { readonly kind: 'spike' };

/** Beyond what was due at the greatest rate, a fifth and one: reading times are not exact. */
const TOLERANCE = 1.2;

/** Without a greatest rate: this many times the fastest that was seen, and this many pieces, are still believed … */
const SEEN_FACTOR = 10;
const SEEN_PIECES = 100;
/** … once it was seen to count so often. */
const SEEN_ENOUGH = 8;

/** Before that, a step forward is believed up to a half of the modulus, one through 0 up to a sixteenth. */
const HALF = 1 / 2;
const NEAR_THE_END = 1 / 16;

/**
 * Judges the next reading of a counter: d = (value − before) mod modulus is counted when that much can have come in the
 * time since; otherwise a lower value is a reset and a higher one a spike. A spike falls back: where the next reading
 * goes on from it instead, the counter was set, and counts from there.
 *
 * @param state what the reading before gave; undefined at the first
 * @param value 0 or above
 * @param nowMs monotonic
 */
export function countOn(
  state: CounterState | undefined,
  value: number,
  nowMs: number,
  limits: CounterLimits,
): { readonly state: CounterState; readonly step: CounterStep } {
  if (!state) return { state: { value, atMs: nowMs, fastest: 0, counted: 0 }, step: { kind: 'baseline' } };
  const by = stepFrom(state.value, value, limits.modulus);
  const seconds = Math.max(0, nowMs - state.atMs) / 1000;
  if (by !== undefined && by <= mostIn(seconds, value < state.value, state, limits)) {
    const rate = seconds > 0 ? by / seconds : 0;
    const fastest = Math.max(state.fastest, rate);
    const counted = Math.min(state.counted + (by > 0 ? 1 : 0), SEEN_ENOUGH);
    const due = seconds * (limits.maxPerSecond ?? 0);
    const isLowerBound = limits.modulus !== undefined && due >= limits.modulus;
    return { state: { value, atMs: nowMs, fastest, counted }, step: { kind: 'counted', by, isLowerBound } };
  }
  const { fastest, counted } = state;
  if (value < state.value)
    return { state: { value, atMs: nowMs, fastest, counted }, step: { kind: 'reset', by: value } };
  if (state.rejected && goesOn(state, state.rejected, value, nowMs, limits))
    return { state: { value, atMs: nowMs, fastest, counted }, step: { kind: 'baseline' } };
  return { state: { ...state, rejected: { value, atMs: nowMs } }, step: { kind: 'spike' } };
}

/** How far a counter went from one value to another; undefined when it would have gone back. */
function stepFrom(before: number, value: number, modulus: number | undefined): number | undefined {
  if (value >= before) return value - before;
  // A value beyond the modulus shows that the modulus is not the counter's.
  return modulus === undefined || before >= modulus ? undefined : value - before + modulus;
}

/** The most that is believed to be counted in a time. */
function mostIn(seconds: number, isThroughZero: boolean, state: CounterState, limits: CounterLimits): number {
  const { modulus = Number.POSITIVE_INFINITY, maxPerSecond } = limits;
  if (maxPerSecond !== undefined) return maxPerSecond * seconds * TOLERANCE + 1;
  if (state.counted >= SEEN_ENOUGH) return Math.max(SEEN_FACTOR * state.fastest * seconds, SEEN_PIECES);
  return modulus * (isThroughZero ? NEAR_THE_END : HALF);
}

function goesOn(
  state: CounterState,
  rejected: NonNullable<CounterState['rejected']>,
  value: number,
  nowMs: number,
  limits: CounterLimits,
): boolean {
  const by = stepFrom(rejected.value, value, limits.modulus);
  if (by === undefined) return false;
  const seconds = Math.max(0, nowMs - rejected.atMs) / 1000;
  // Twice as far in the same time is still the same pace.
  const jump = rejected.value - state.value;
  return by <= Math.max(mostIn(seconds, value < rejected.value, state, limits), 2 * jump);
}
