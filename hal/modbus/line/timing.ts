/** The timing of RTU: characters and silences, and timers fine enough for them. */
import type { Clock } from '../../../src/core/clock.ts';

/** Bits of a character on an RTU line: start, 8 data, parity or second stop, stop (Serial Line V1.02, 2.5.1). */
const BITS_PER_CHARACTER = 11;

/** Above 19,200 baud the silence between frames is fixed (Serial Line V1.02, 2.5.1.1). */
const FIXED_SILENCE_ABOVE_BAUD = 19_200;
const FIXED_SILENCE_MS = 1.75;

/** The least silence between two RTU frames, t3.5, ms. */
export function silenceMsOf(baud: number): number {
  return baud > FIXED_SILENCE_ABOVE_BAUD ? FIXED_SILENCE_MS : (3.5 * BITS_PER_CHARACTER * 1000) / baud;
}

/** How early a timer is asked for: Node's timers count whole milliseconds and may fire a fraction early or late. */
const TIMER_COARSENESS_MS = 1.2;

/** How late a nap may end: the kernel wakes within this. Watching the clock for all of it would heat the processor. */
const NAP_LATENESS_MS = 0.2;

/** A clock that shows the same instant this often in a row only moves when it is told to. */
const STANDING_STILL = 64;

/** Closer than a nanosecond is there: sums of fractions do not meet exactly. */
const CLOSE_ENOUGH_MS = 1e-6;

/**
 * Calls back at `dueMs` of the monotonic clock, never before it and within some microseconds after: a timer for the
 * most part, a nap for the last millisecond, and the very end by watching the clock. Calls back at once when it is due already.
 * The returned function cancels.
 */
export function atInstant(clock: Clock, dueMs: number, callback: () => void): () => void {
  let cancel = () => {};
  const check = (): void => {
    if (watchUntil(clock, dueMs)) callback();
    else cancel = clock.after(dueMs - clock.monoMs(), check);
  };
  const leftMs = dueMs - clock.monoMs();
  if (leftMs > TIMER_COARSENESS_MS) cancel = clock.after(leftMs - TIMER_COARSENESS_MS, check);
  else check();
  return () => cancel();
}

/** Watches the clock until `dueMs`; false when it is too far away for that, or the clock stands still. */
function watchUntil(clock: Clock, dueMs: number): boolean {
  let nowMs = clock.monoMs();
  let still = 0;
  while (nowMs < dueMs - CLOSE_ENOUGH_MS) {
    if (dueMs - nowMs > TIMER_COARSENESS_MS) return false;
    if (clock.nap && dueMs - nowMs > NAP_LATENESS_MS) clock.nap(dueMs - nowMs - NAP_LATENESS_MS);
    const nextMs = clock.monoMs();
    still = nextMs === nowMs ? still + 1 : 0;
    if (still >= STANDING_STILL) return false;
    nowMs = nextMs;
  }
  return true;
}
