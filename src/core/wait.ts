/** Waiting: how it ends early, how long it is before the next try, and failures that may come at any time. */
import type { Clock } from './clock.ts';

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
  const signal = outer ? AbortSignal.any([deadline.signal, outer]) : deadline.signal;
  try {
    return await unlessAborted(work(signal), signal);
  } catch (error) {
    if (deadline.signal.aborted && !outer?.aborted) return late();
    throw error;
  } finally {
    cancel();
  }
}
