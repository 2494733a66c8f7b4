/** The only source of time: both clocks, whether the wall clock can be trusted, and waiting with an end to it. */
import { existsSync } from 'node:fs';

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

/** An instant of the monotonic clock (ms) on both clocks. */
export function instantAt(clock: Clock, monoMs: number): { wallMs: number; monoMs: number } {
  return { monoMs, wallMs: Math.round(clock.wallMs() - (clock.monoMs() - monoMs)) };
}

/** Beyond a deadline, for bytes that are here but not read yet, ms. */
const HOST_GRACE_MS = 5;

/**
 * Calls back when a deadline of `ms` is over. A busy host runs a late timer before it looks at bytes that came in time:
 * they are given a little more, and as long again as the timer was late, for the host was as late for them. At most the
 * deadline is doubled. The returned function cancels.
 */
export function afterDeadline(clock: Pick<Clock, 'after' | 'monoMs'>, ms: number, callback: () => void): () => void {
  const dueMs = clock.monoMs() + ms;
  let cancel = clock.after(ms, () => {
    const lateMs = Math.min(ms, Math.max(0, clock.monoMs() - dueMs));
    cancel = clock.after(lateMs + HOST_GRACE_MS, callback);
  });
  return () => cancel();
}

/** Calls back every `ms` from now on; the returned function ends it, from within a call as well. */
export function every(clock: Pick<Clock, 'after'>, ms: number, callback: () => void): () => void {
  let isOver = false;
  let cancel = () => {};
  const wait = (): void => {
    cancel = clock.after(ms, () => {
      callback();
      if (!isOver) wait();
    });
  };
  wait();
  return () => {
    isOver = true;
    cancel();
  };
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

/** Resolves when the clock is known, or after `ms`, or when the signal is aborted. */
export async function untilKnown(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const endMs = clock.monoMs() + ms;
  while (!clock.known() && clock.monoMs() < endMs && !signal.aborted)
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
}

/** Before this instant (2025-01-01 UTC) no gateway can run: a clock that shows less has not been set. */
const EARLIEST_PLAUSIBLE_MS = Date.UTC(2025, 0, 1);

/** How often a clock that is not known is looked at again. */
const LOOK_EVERY_MS = 1000;

/** The longest delay Node's timers take; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Nobody ever wakes who waits on this: the time runs out. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/** What a machine shows of how far its clock can be trusted. */
interface ClockEvidence {
  wallMs(): number;
  /** Whether something that compares clocks says that it has set this one. */
  isSynchronized(): boolean;
  /** Whether the machine is a guest that has no clock of its own to set: its host keeps the time. */
  hasHost(): boolean;
}

/**
 * Says when the wall clock counts as known; once known it stays so, as long as it is plausible. The rule:
 *
 * 1. before 2025 it is never known;
 * 2. it is known once something that compares clocks has set it: timesyncd, or whoever told the kernel so, which are
 *    chrony, ntpd and PTP;
 * 3. a container has its host's clock, and nothing in it could set it.
 *
 * Neither a clock chip nor a long run is evidence: the chip of many boards has no battery, and shows after a weekend without
 * power what it showed before it. Where nothing ever sets the clock, readings stay marked as unsynced.
 */
export function clockTrust(evidence: ClockEvidence): () => boolean {
  let isTrusted = false;
  return () => {
    if (evidence.wallMs() < EARLIEST_PLAUSIBLE_MS) return false;
    isTrusted ||= evidence.hasHost() || evidence.isSynchronized();
    return isTrusted;
  };
}

/** The time service is asked so often in the first minutes, when most clocks are set, and then more rarely, ms. */
const ASK_EVERY_MS = 5000;
const ASK_RARELY_MS = 60_000;
const MANY_ASKS = 24;

/** An answer that takes longer is none, ms. */
const ASK_DEADLINE_MS = 4000;

/**
 * Whether the kernel says that its clock is synchronised, with an error below 16 s: adjtimex(2), through timedatectl(1), as
 * the service itself may not use what also sets clocks. Asked in the background; the answer is that of the last time.
 */
function createKernelEvidence(): () => boolean {
  let isSynchronized = false;
  let asks = 0;
  let nextMs = 0;
  return () => {
    const nowMs = performance.now();
    if (isSynchronized || nowMs < nextMs) return isSynchronized;
    nextMs = nowMs + (++asks <= MANY_ASKS ? ASK_EVERY_MS : ASK_RARELY_MS);
    const options = { timeout: ASK_DEADLINE_MS };
    // Loaded when it is asked: the store's thread has this file, too, and starts no programs.
    void import('node:child_process').then(({ execFile }) =>
      execFile('timedatectl', ['show', '--property=NTPSynchronized', '--value'], options, (error, answer) => {
        isSynchronized ||= !error && answer.trim() === 'yes';
      }),
    );
    return false;
  };
}

const kernelSaysSo = createKernelEvidence();

/** The file of systemd-timesyncd(8), the word of the kernel, and sd_booted(3): a container is not booted by systemd. */
const machine: ClockEvidence = {
  wallMs: () => Date.now(),
  isSynchronized: () => existsSync('/run/systemd/timesync/synchronized') || kernelSaysSo(),
  hasHost: () => !existsSync('/run/systemd/system'),
};

const isKnown = clockTrust(machine);

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  known: isKnown,
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  nap(ms) {
    Atomics.wait(NEVER, 0, 0, ms);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** The result, or the signal's reason as soon as it is aborted. The work itself goes on; what it gives then is dropped. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Bounds of a retry delay. */
export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Full-jitter exponential backoff: the n-th delay (n from 0) is uniform in [minMs, min(maxMs, minMs·2ⁿ⁺¹)], so that many
 * clients that lost the same server do not come back together.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, { minMs, maxMs }: BackoffBounds, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt + 1, 30));
  return minMs + random * (ceiling - minMs);
}

/** A failure that may come at any time, and once: who waits for it sees it, and nobody needs to. */
export function failure(): { readonly failed: Promise<never>; readonly fail: (cause: unknown) => void } {
  let fail: (cause: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  return { failed, fail };
}

/**
 * Does work under a signal that either of two aborts, and lets go of both when it is over. `AbortSignal.any` leaves something
 * behind with the signal that lives longer, for ever (Node 20): 90 bytes a scan are 80 MB a day.
 */
export async function underBoth<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const both = new AbortController();
  const onOne = (): void => both.abort(one.reason);
  const onOther = (): void => both.abort(other.reason);
  if (one.aborted) onOne();
  else if (other.aborted) onOther();
  one.addEventListener('abort', onOne, { once: true });
  other.addEventListener('abort', onOther, { once: true });
  try {
    return await work(both.signal);
  } finally {
    one.removeEventListener('abort', onOne);
    other.removeEventListener('abort', onOther);
  }
}

/**
 * Does some work within a deadline. The signal that the work is given is aborted at the deadline and with `outer`.
 *
 * @param ms how long it may take
 * @param late what is given in place of the work's result at the deadline; may throw
 * @param outer ends the wait, too: the promise rejects with its reason
 */
export async function within<T, L = T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => L,
  outer?: AbortSignal,
): Promise<T | L> {
  const deadline = new AbortController();
  const cancel = clock.after(ms, () => deadline.abort());
  const timed = (signal: AbortSignal): Promise<T> => unlessAborted(work(signal), signal);
  try {
    return await (outer ? underBoth(deadline.signal, outer, timed) : timed(deadline.signal));
  } catch (error) {
    if (deadline.signal.aborted && !outer?.aborted) return late();
    throw error;
  } finally {
    cancel();
  }
}
