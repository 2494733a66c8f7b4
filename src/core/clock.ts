/** The only source of time: both clocks, sleeping, and whether the wall clock can be trusted. */
import { existsSync, readdirSync } from 'node:fs';
import { uptime } from 'node:os';

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
  /** Tells of an instant that is certainly past, UTC ms: a clock that shows an earlier one has not been set. */
  notBefore?(wallMs: number): void;
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

/** A machine that is up for so long has asked its time server, if it has one: nothing better will come. */
const SETTLED_AFTER_MS = 600_000;

/** How often a clock that is not known is looked at again. */
const LOOK_EVERY_MS = 1000;

/** The longest delay Node's timers take; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Nobody ever wakes who waits on this: the time runs out. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/** What a machine shows of how far its clock can be trusted. */
interface ClockEvidence {
  wallMs(): number;
  /** Whether the time service says that it has set the clock. */
  isSynchronized(): boolean;
  /** Whether the machine keeps time while it is off, or leaves timekeeping to a host. */
  keepsTime(): boolean;
  /** How long the machine is up, ms. */
  uptimeMs(): number;
}

/**
 * Says when the wall clock counts as known; once known it stays so, as long as it is plausible. The rule:
 *
 * 1. before 2025 it is never known;
 * 2. it is known once the time service says that it has set it;
 * 3. or when the machine has a clock of its own (or is a guest of one that has), and it is later than everything stored;
 * 4. or when the machine is up for ten minutes: where there is no time service, the clock is taken as it is.
 */
export function clockTrust(evidence: ClockEvidence): { known(): boolean; notBefore(wallMs: number): void } {
  let isTrusted = false;
  let earliestMs = EARLIEST_PLAUSIBLE_MS;
  return {
    known() {
      if (evidence.wallMs() < EARLIEST_PLAUSIBLE_MS) return false;
      isTrusted ||=
        evidence.isSynchronized() ||
        (evidence.keepsTime() && evidence.wallMs() >= earliestMs) ||
        evidence.uptimeMs() >= SETTLED_AFTER_MS;
      return isTrusted;
    },
    notBefore(wallMs) {
      earliestMs = Math.max(earliestMs, wallMs);
    },
  };
}

/** Files of systemd-timesyncd(8), of the kernel's clocks, and of sd_booted(3): a container is not booted by systemd. */
const machine: ClockEvidence = {
  wallMs: () => Date.now(),
  isSynchronized: () => existsSync('/run/systemd/timesync/synchronized'),
  keepsTime: () => hasRealTimeClock() || !existsSync('/run/systemd/system'),
  uptimeMs: () => uptime() * 1000,
};

function hasRealTimeClock(): boolean {
  try {
    return readdirSync('/sys/class/rtc').length > 0;
  } catch {
    return false;
  }
}

const trust = clockTrust(machine);

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  known: trust.known,
  notBefore: trust.notBefore,
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  nap(ms) {
    Atomics.wait(NEVER, 0, 0, ms);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};
