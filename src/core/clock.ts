/**
 * Time as the gateway sees it. Schedules, deadlines and rule timers use `monoMs`; `wallMs` only stamps.
 * Everything that waits takes a `Clock`, so that the whole gateway also runs on a simulated one.
 */
export interface Clock {
  /** UTC milliseconds since 1970. May jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, with fractions. Never goes back, never jumps. */
  monoMs(): number;
  /** True once the wall clock is known to be right. */
  known(): boolean;
  /** Calls back once after `ms` (≥ 0); the returned function cancels and may be called again without harm. */
  after(ms: number, callback: () => void): () => void;
  /**
   * Stands still for about `ms` (a fraction of a millisecond too long, at times) without using the processor; nothing
   * else of this thread runs meanwhile. For the last millisecond before an instant that a timer cannot meet. Absent
   * where nothing real is waited for.
   */
  readonly nap?: (ms: number) => void;
  /** Resolves after `ms`, or rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Both clocks read together. */
export function instantOf(clock: Clock): { wallMs: number; monoMs: number } {
  return { wallMs: clock.wallMs(), monoMs: clock.monoMs() };
}

/** `sleep` for a clock that has `after`; removes its abort listener when done. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Before this instant (2025-01-01 UTC) no gateway can run: a clock that shows less has not been set. */
const EARLIEST_PLAUSIBLE_MS = Date.UTC(2025, 0, 1);

/** The longest delay Node's timers take; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Nobody ever wakes who waits on this: the time runs out. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  known: () => Date.now() >= EARLIEST_PLAUSIBLE_MS,
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  nap(ms) {
    Atomics.wait(NEVER, 0, 0, ms);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};
