/** The thread that loads a configuration; see `load-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { DRIVERS } from '../../hal/registry.ts';
import { loadWithFiles } from './apply/config-files.ts';
import { diskFilesFrom } from './file/disk-files.ts';
import { type Look, watched } from './file/looks.ts';
import { type LoadTask, packed, type SeenPackedFiles } from './load-thread.ts';

/** The thread that checks a configuration while the gateway starts, or goes on. */
const { file, cwd, hostname, source } = workerData as LoadTask;
const looks: Look[] = [];
const files = watched(diskFilesFrom(cwd), looks);
const loaded = loadWithFiles({ file, cwd, drivers: DRIVERS, hostname, files }, source);
parentPort?.postMessage({ ...packed(loaded), looks } satisfies SeenPackedFiles);
