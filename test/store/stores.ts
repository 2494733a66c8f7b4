import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { StoreOptions } from '../../src/store/thread/client.ts';
import { openLocalStore, openStore } from '../../src/store/thread/open.ts';
import type { OpenForContract } from '../contract/store.ts';

/** The compiled worker: threads do not run sources. */
export const WORKER_URL = pathToFileURL(resolve(import.meta.dirname, '../../dist/src/store/thread/worker.js'));

/** In memory where the system has it: thousands of commits on a shared disk would make the suite slow. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(PLACE, 'millgate-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Options of a store for tests. */
export function storeOptions(path: string, more: Partial<StoreOptions> = {}): StoreOptions {
  return { path, maxBytes: 20_000_000, clock: systemClock, log: silentLogger, ...more };
}

/** A store with a worker thread. */
export const threadedStore: OpenForContract = async (path = temporaryFolder(), more = {}) => ({
  store: await openStore({ ...storeOptions(path, more), workerUrl: WORKER_URL }),
  path,
});

/** A store in this thread. */
export const localStore: OpenForContract = async (path = temporaryFolder(), more = {}) => ({
  store: await openLocalStore(storeOptions(path, more)),
  path,
});
