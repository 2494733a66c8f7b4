/** Loads a configuration in a thread of its own, so that checking it holds nothing up. */
import { Worker } from 'node:worker_threads';
import { DRIVERS } from '../../hal/registry.ts';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/errors.ts';
import type { FileSource, LoadedFiles, SeenFiles } from './apply/config-files.ts';
import type { ChannelConfig, Config, LoadResult } from './config.ts';
import type { Look } from './file/looks.ts';

/** What the thread is asked to load. */
export interface LoadTask {
  readonly file: string;
  readonly cwd: string;
  readonly hostname: string;
  readonly source: FileSource;
}

/** A configuration as it goes from thread to thread: drivers, which are code, by their names. */
type PackedResult =
  | (Omit<Extract<LoadResult, { ok: true }>, 'config'> & { readonly config: PackedConfig })
  | Extract<LoadResult, { ok: false }>;

type PackedConfig = Omit<Config, 'channels'> & {
  readonly channels: readonly (Omit<ChannelConfig, 'driver'> & { readonly driver: string })[];
};

/** What the thread answers. */
export interface SeenPackedFiles extends PackedFiles {
  readonly looks: readonly Look[];
}

/** A configuration as it goes from thread to thread, and to the disk. */
export interface PackedFiles extends Omit<LoadedFiles, 'result'> {
  readonly result: PackedResult;
}

/** A large file on a slow board. */
const DEADLINE_MS = 60_000;

/** Checking is done with little; a bound keeps a hostile file from eating the machine. */
const HEAP = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96 };

/**
 * Loads a configuration in a thread of its own: checking a thousand tags takes half a second, in which nothing would be
 * polled, and leaves a heap behind that is twice as large as the gateway's.
 */
export function loadInThread(task: LoadTask, clock: Clock): Promise<SeenFiles> {
  const worker = new Worker(compiledWorker(), { workerData: task, resourceLimits: HEAP });
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      reject(
        new Fault(`${task.file}: could not be checked: ${why}`, 'Try again; see millgate check.', undefined, { cause }),
      );
    };
    const cancel = clock.after(DEADLINE_MS, () => {
      fail(`it took longer than ${DEADLINE_MS / 1000} s`);
      void worker.terminate();
    });
    worker.once('message', ({ looks, ...files }: SeenPackedFiles) => resolve({ ...unpacked(files), looks }));
    worker.once('error', (error) => fail(error instanceof Error ? error.message : String(error), error));
    worker.once('exit', () => {
      cancel();
      fail('its thread ended');
    });
  });
}

/** A configuration that can go from thread to thread. */
export function packed({ result, files }: LoadedFiles): PackedFiles {
  if (!result.ok) return { result, files };
  const { config, ...rest } = result;
  const channels = config.channels.map((channel) => ({ ...channel, driver: channel.driver.type }));
  return { result: { ...rest, config: { ...config, channels } }, files };
}

/** The reverse of {@link packed}. */
export function unpacked({ result, files }: PackedFiles): LoadedFiles {
  if (!result.ok) return { result, files };
  const { config, ...rest } = result;
  const channels = config.channels.map((channel) => ({
    ...channel,
    driver: DRIVERS.find(({ type }) => type === channel.driver)!,
  }));
  return { result: { ...rest, config: { ...config, channels } }, files };
}

/** The worker beside this file; threads cannot run the sources, so from there it is the one that was compiled. */
function compiledWorker(): URL {
  const url = import.meta.url;
  if (url.endsWith('.ts')) return new URL('../../dist/src/config/load-worker.js', url);
  return new URL(url.endsWith('.cjs') ? './load-worker.cjs' : './load-worker.js', url);
}
