import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStoreForReading } from '../../src/store/inspect.ts';
import type { Store } from '../../src/store/store.ts';
import { batchOf, countRecords, eventOf, recordOf } from '../contract/store.ts';
import { localStore, storeOptions, temporaryFolder } from './stores.ts';

function reader(path: string) {
  return openStoreForReading({ ...storeOptions(path), uplinks: ['plant'] });
}

/** The files of a process that was killed, its logs included. */
function crashedCopy(path: string): string {
  const crashed = temporaryFolder();
  for (const file of readdirSync(path))
    if (statSync(join(path, file)).isFile() && !/shm$|^lock|^holder/.test(file))
      writeFileSync(join(crashed, file), readFileSync(join(path, file)));
  return crashed;
}

async function filled() {
  const { store, path } = await localStore(temporaryFolder());
  await store.pending('plant', 'readings');
  for (let second = 0; second < 30; second++)
    await store.commit(batchOf([recordOf(second)], { events: [eventOf(`event ${second}`)] }));
  await store.settle('plant', 'readings', [{ from: 21, to: Number.POSITIVE_INFINITY }]);
  return { store, path };
}

describe('a store that is read while its gateway is stopped', () => {
  it('says the same as the gateway did, after a clean stop and after a crash', async () => {
    const { store, path } = await filled();
    const { accounts, stored, next, epoch } = await store.status();
    const crashed = crashedCopy(path);
    await store.close();
    const stopped = reader(path);
    expect(await stopped.status()).toMatchObject({ accounts, stored, next, epoch });
    expect((await stopped.peek(1, 5)).records).toEqual([0, 1, 2, 3, 4].map((second) => recordOf(second)));
    await stopped.close();
    const afterCrash = reader(crashed);
    expect(await afterCrash.status()).toMatchObject({ stored, next, epoch });
    expect((await afterCrash.status()).accounts[0]).toMatchObject({ produced: 30, waiting: 30, unexplained: [] });
    await afterCrash.close();
  });

  it('changes nothing: what a crash left is still there for the gateway to repair', async () => {
    const { store, path } = await filled();
    const crashed = crashedCopy(path);
    await store.close();
    const bytes = () =>
      new Map(
        readdirSync(crashed).flatMap((file) => (/shm$/.test(file) ? [] : [[file, readFileSync(join(crashed, file))]])),
      );
    const before = bytes();
    const stopped = reader(crashed);
    await stopped.status();
    await stopped.close();
    expect(bytes()).toEqual(before);
    const { store: again } = await localStore(crashed);
    expect(await countRecords(again)).toBe(30);
    expect(await again.ledger()).toEqual([]);
    await again.close();
  });

  it('is refused while a gateway holds it, and says which', async () => {
    const { store, path } = await filled();
    expect(() => reader(path)).toThrow(`in use by process ${process.pid}`);
    await store.close();
  });

  it('says what to do where there is none', () => {
    const empty = temporaryFolder();
    expect(() => reader(join(empty, 'nothing'))).toThrow('it is not there. Check store.path');
    expect(() => reader(empty)).toThrow('there is no store in it. Check store.path');
  });

  it('shows numbers of a damaged segment as unexplained, since only the gateway enters them', async () => {
    const { store, path } = await filled();
    await store.close();
    const file = join(path, 'readings-00000001.db');
    // What is not as the index has it is looked through at the start; other damage shows when it is read.
    writeFileSync(file, readFileSync(file).fill(0, 0, 512).subarray(0, -512));
    const stopped = reader(path);
    const { accounts } = await stopped.status();
    expect(accounts.find(({ stream }) => stream === 'readings')!.unexplained).toEqual([{ from: 1, to: 31 }]);
    await stopped.close();
    const { store: again } = await localStore(path);
    await again.keepUplinks(['plant']);
    expect((await again.status()).accounts).toMatchObject([{ lost: 30, unexplained: [] }, {}]);
    await again.close();
  });

  it('cannot be written to', async () => {
    const { store, path } = await filled();
    await store.close();
    const stopped = reader(path);
    const commit = (stopped as Partial<Store>).commit!(batchOf([recordOf(0)]));
    await expect(commit).rejects.toThrow('open for reading only');
    await stopped.close();
  });
});
