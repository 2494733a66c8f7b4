/** Somebody clears the store's folder, or puts another one in its place, while the gateway runs. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import type { Store } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, countRecords, eventOf, recordOf } from '../contract/store.ts';
import { localStore, storeOptions, temporaryFolder } from '../store/stores.ts';

const OPEN = Number.POSITIVE_INFINITY;

/** A store with thirty records, of which the uplink has ten, and what it said. */
async function running() {
  const path = join(temporaryFolder(), 'store');
  const said: string[] = [];
  const log: Logger = { ...silentLogger, warn: (text) => void said.push(text) };
  const store = await openLocalStore(storeOptions(path, { log }));
  await store.keepUplinks(['plant']);
  for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
  for (let second = 0; second < 30; second++) await commit(store, second);
  await store.settle('plant', 'readings', [{ from: 11, to: OPEN }]);
  return { path, store, said };
}

async function commit(store: Store, second: number) {
  const states = new Map([['last', String(second)]]);
  return store.commit(batchOf([recordOf(second)], { events: [eventOf(`event ${second}`)], states }));
}

function clear(folder: string): void {
  for (const file of readdirSync(folder)) rmSync(join(folder, file), { recursive: true });
}

/** What a process that is killed now leaves behind. */
async function afterKill(path: string): Promise<Store> {
  const crashed = temporaryFolder();
  cpSync(path, crashed, { recursive: true, filter: (file) => !/(-shm|holder.json|lock.db)$/.test(file) });
  return (await localStore(crashed)).store;
}

describe('a store whose folder is emptied while it is open', () => {
  it('says so with the next commit, stores on, and saves what it still holds open', async () => {
    const { path, store, said } = await running();
    const { epoch } = store;
    clear(path);
    expect((await commit(store, 30)).readings).toEqual({ from: 31, to: 32 });
    expect(said.join()).toContain('deleted or replaced while the gateway runs');
    const again = await afterKill(path);
    await again.keepUplinks(['plant']);
    expect(again.epoch).toBe(epoch);
    expect(await countRecords(again)).toBe(31);
    expect((await again.states()).get('last')).toBe('30');
    for (const account of (await again.status()).accounts)
      expect(account).toMatchObject({ produced: 31, lost: 0, unexplained: [] });
    expect((await again.status()).accounts[0]).toMatchObject({ delivered: 10, waiting: 21 });
    await again.close();
    await store.close();
  });

  it('still keeps a second gateway out', async () => {
    const { path, store } = await running();
    clear(path);
    await commit(store, 30);
    await expect(localStore(path)).rejects.toMatchObject({ code: 69 });
    await store.close();
    const { store: second } = await localStore(path);
    expect(await countRecords(second)).toBe(31);
    await second.close();
  });

  it('ends when another gateway took the folder meanwhile', async () => {
    const { path, store } = await running();
    clear(path);
    const { store: second } = await localStore(path);
    await expect(commit(store, 30)).rejects.toMatchObject({ name: 'Fault', code: 69 });
    await second.close();
  });

  it('accounts for closed segments that are gone: what was delivered is no loss', async () => {
    const { path, store } = await running();
    await store.close();
    const reopened = await openLocalStore(storeOptions(path, { maxBytes: 3_200_000 }));
    await reopened.keepUplinks(['plant']);
    const text = () => Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
    for (let second = 30; second < 60; second++)
      await reopened.commit(batchOf([recordOf(second, [{ name: 'text', quality: 'good', value: text() }])]));
    clear(path);
    await commit(reopened, 60);
    const { accounts } = await reopened.status();
    for (const { unexplained } of accounts) expect(unexplained).toEqual([]);
    expect(accounts[0]).toMatchObject({ produced: 61, delivered: 10 });
    expect(accounts[0]!.waiting + accounts[0]!.lost).toBe(51);
    await reopened.close();
  });
});

describe('a store whose folder is deleted or replaced while it is open', () => {
  it('makes the folder again', async () => {
    const { path, store } = await running();
    rmSync(path, { recursive: true });
    await commit(store, 30);
    expect(existsSync(join(path, 'meta.db'))).toBe(true);
    await store.close();
    const { store: again } = await localStore(path);
    expect(await countRecords(again)).toBe(31);
    await again.close();
  });

  it('puts another store that stands in its place aside, unchanged', async () => {
    const { path, store } = await running();
    const other = await localStore();
    for (let second = 0; second < 5; second++) await commit(other.store, second);
    await other.store.close();
    renameSync(path, `${path}.old`);
    mkdirSync(path);
    cpSync(other.path, path, { recursive: true });
    await commit(store, 30);
    expect(await countRecords(store)).toBe(31);
    await store.close();
    const { store: aside } = await localStore(join(path, 'replaced'));
    expect(aside.epoch).toBe(other.store.epoch);
    expect(await countRecords(aside)).toBe(5);
    await aside.close();
  });
});
