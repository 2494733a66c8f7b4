/** How a wait is bounded: by a deadline, by a signal, or by both. */
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
