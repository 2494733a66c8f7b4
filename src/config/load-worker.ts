/** The thread that loads a configuration; see `load-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { DRIVERS } from '../../hal/registry.ts';
import { loadSeen } from './apply/config-files.ts';
import { type LoadTask, packed, type SeenPackedFiles } from './load-thread.ts';

/** The thread that checks a configuration while the gateway starts, or goes on. */
const { source, ...options } = workerData as LoadTask;
const { looks, ...loaded } = loadSeen({ ...options, drivers: DRIVERS }, source);
parentPort?.postMessage({ ...packed(loaded), looks } satisfies SeenPackedFiles);
