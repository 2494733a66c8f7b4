/** Lets writes and one-shot reads go before the polling of a channel. */
import { EXIT, Fault } from '../core/errors.ts';

/** What goes before anything scheduled: a read or a write that a person waits for. */
interface UrgentJob {
  /** Does it on the line; throws what the driver throws, after having told the one who waits. */
  perform(signal: AbortSignal): Promise<void>;
  /** Tells the one who waits that it will not be done. */
  refuse(reason: Error): void;
}

/** How many may wait for the line. */
const MAX_WAITING = 64;

/** The urgent lane of one channel: first come, first served, bounded. */
export class UrgentLane {
  private waiting: UrgentJob[] = [];

  /** The next job, or undefined. */
  shift(): UrgentJob | undefined {
    return this.waiting.shift();
  }

  /** Refuses all that wait. */
  refuseAll(reason: Error): void {
    const refused = this.waiting;
    this.waiting = [];
    for (const job of refused) job.refuse(reason);
  }

  /**
   * Queues work and resolves with what it gives.
   *
   * @throws Fault when too many wait, or what the work throws; the signal's reason when it is aborted before its turn
   */
  add<T>(channel: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.waiting.length >= MAX_WAITING)
      return Promise.reject(
        new Fault(
          `${channel}: ${MAX_WAITING} requests are waiting already`,
          'Ask less often, or name all tags in one request: what is polled is at GET /api/v1/tags.',
          EXIT.unavailable,
        ),
      );
    return new Promise((resolve, reject) => {
      const job: UrgentJob = {
        perform: async (stop) => {
          signal.removeEventListener('abort', onAbort);
          try {
            resolve(await work(stop));
          } catch (error) {
            reject(error);
            throw error;
          }
        },
        refuse: (reason) => {
          signal.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      const onAbort = () => {
        this.waiting = this.waiting.filter((other) => other !== job);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(job);
    });
  }
}
