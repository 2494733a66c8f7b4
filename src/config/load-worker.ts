/** The thread that loads a configuration; see `load-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { DRIVERS } from '../../hal/registry.ts';
import { loadWithFiles } from './apply/config-files.ts';
import { type LoadTask, packed } from './load-thread.ts';

/** The thread that checks a configuration while the gateway goes on. */
const { file, cwd, hostname, source } = workerData as LoadTask;
parentPort?.postMessage(packed(loadWithFiles({ file, cwd, drivers: DRIVERS, hostname }, source)));
