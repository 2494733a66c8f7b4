/** What a start reads and writes, after a stop in order. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Connection, openForWriting } from '../../src/store/format/disk.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, countRecords, recordOf } from '../contract/store.ts';
import { localStore, storeOptions, temporaryFolder } from './stores.ts';

/** Opens files, and notes what is asked of them. */
function watched(asked: string[]) {
  return (file: string): Connection => {
    const database = openForWriting(file);
    const { prepare, pragma } = database;
    return Object.assign(database, {
      prepare: (sql: string) => {
        asked.push(sql);
        return prepare.call(database, sql);
      },
      pragma: (source: string, options?: { simple?: boolean }) => {
        asked.push(`${source} ${file}`);
        return pragma.call(database, source, options);
      },
    }) as Connection;
  };
}

describe('a start after a stop in order', () => {
  it('reads no segment and no roll-ups through, and goes on with everything', async () => {
    const { store, path } = await localStore();
    await store.keepUplinks(['plant']);
    await store.pending('plant', 'readings');
    for (let second = 0; second < 200; second++)
      await store.commit(batchOf([recordOf(second)], { states: new Map([['last', String(second)]]) }));
    await store.settle('plant', 'readings', [{ from: 101, to: Number.POSITIVE_INFINITY }]);
    await store.close();
    const asked: string[] = [];
    const again = await openLocalStore({ ...storeOptions(path), open: watched(asked) });
    expect(asked.filter((sql) => /quick_check.*(readings|rollups)-|FROM commits WHERE number >= /.test(sql))).toEqual(
      [],
    );
    expect((await again.states()).get('last')).toBe('199');
    expect(await again.pending('plant', 'readings')).toEqual([{ from: 101, to: Number.POSITIVE_INFINITY }]);
    expect(await countRecords(again)).toBe(200);
    expect((await again.commit(batchOf([recordOf(200)]))).readings).toEqual({ from: 201, to: 202 });
    await again.close();
  });

  it('does not take what an earlier stop noted for what a later run left', async () => {
    const { store, path } = await localStore();
    await store.commit(batchOf([recordOf(0)], { states: new Map([['last', 'old']]) }));
    await store.close();
    const { store: second } = await localStore(path);
    await second.commit(batchOf([], { states: new Map([['last', 'new']]) }));
    const crashed = temporaryFolder();
    const { cpSync } = await import('node:fs');
    cpSync(path, crashed, { recursive: true, filter: (file) => !/(-shm|holder.json|lock.db)$/.test(file) });
    await second.close();
    const { store: third } = await localStore(crashed);
    expect((await third.states()).get('last')).toBe('new');
    await third.close();
  });
});

describe('a start on a disk that others filled', () => {
  it('finds a reserve that the stop before left, though the disk had taken it meanwhile', async () => {
    const { store, path } = await localStore();
    await store.commit(batchOf([recordOf(0)]));
    rmSync(join(path, 'reserve'));
    await store.close();
    expect(statSync(join(path, 'reserve')).size).toBe(64 * 1024);
  });

  it('takes the room for the ledger before anything else, so that files can go', async () => {
    const { store: before, path } = await localStore();
    await before.close();
    expect(existsSync(join(path, 'meta.db-wal'))).toBe(false);
    const { store } = await localStore(path);
    expect(statSync(join(path, 'meta.db-wal')).size).toBeGreaterThan(24 * 1024);
    await store.close();
  });
});

describe('the size of the store', () => {
  it('is what was asked for, however full the disk is at the start: others may make room again', async () => {
    const { store, path } = await localStore(temporaryFolder(), { maxBytes: 3_000_000 });
    await store.commit(batchOf([recordOf(0)]));
    expect((await store.status()).maxBytes).toBe(3_000_000);
    await store.close();
    expect(readdirSync(path).some((file) => statSync(join(path, file)).size > 0)).toBe(true);
  });
});
