/** Starts the store's thread, which takes a while: it may begin before it is known what to open. */
import { Worker } from 'node:worker_threads';

/** A thread that was started; it is told later what to open. */
export interface StoreThread {
  readonly worker: Worker;
  /** Why it ended before somebody listened. */
  failure: Error | undefined;
}

/** The worker handles bytes: its heap is small, and a bound keeps a fault from eating the machine. */
const WORKER_HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 96 };

/** @param url the compiled worker; by default the one beside this file */
export function startThread(url = compiledWorker()): StoreThread {
  const worker = new Worker(url, { resourceLimits: WORKER_HEAP });
  const thread: StoreThread = { worker, failure: undefined };
  worker.once('error', (error: Error) => {
    thread.failure = error;
  });
  return thread;
}

/** The worker beside this file; threads cannot run the sources, so from there it is the one that was compiled. */
function compiledWorker(): URL {
  const url = import.meta.url;
  if (url.endsWith('.ts')) return new URL('../../../dist/src/store/thread/worker.js', url);
  return new URL(url.endsWith('.cjs') ? './worker.cjs' : './worker.js', url);
}
