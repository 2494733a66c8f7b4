import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/core/event.ts';
import { type Connection, openForWriting } from '../../../src/store/format/disk.ts';
import type { CommitBatch } from '../../../src/store/store.ts';
import { openLocalStore } from '../../../src/store/thread/open.ts';
import { batchOf, countRecords, eventOf, recordOf } from '../../contract/store.ts';
import { SimulatedDisk } from '../../simulation/disk.ts';
import { storeOptions, temporaryFolder } from '../stores.ts';

/** A disk that fails when it is told to: each writing statement then throws what SQLite throws on a real one. */
class FailingDisk {
  code: string | undefined;
  times = Number.POSITIVE_INFINITY;

  /** Fails the next `times` writes. */
  fail(code: string | undefined, times = Number.POSITIVE_INFINITY): void {
    this.code = code;
    this.times = times;
  }

  readonly open = (file: string): Connection => {
    if (this.code === 'SQLITE_READONLY') this.check();
    const database = openForWriting(file);
    const check = (): void => this.check();
    const prepare = database.prepare.bind(database);
    const guarded = (sql: string) => {
      const statement = prepare(sql);
      const run = statement.run.bind(statement);
      if (!/^(INSERT|UPDATE|DELETE)/.test(sql)) return statement;
      return Object.assign(statement, {
        run: (...given: unknown[]) => {
          check();
          return run(...given);
        },
      });
    };
    return Object.assign(database, { prepare: guarded });
  };

  private check(): void {
    if (this.code === undefined || this.times-- <= 0) return;
    throw Object.assign(new Error('the disk refused'), { code: this.code });
  }
}

/** A commit of about 2 kB that does not pack well. */
function noisyBatch(commit: number): CommitBatch {
  const noise = Array.from({ length: 150 }, () => Math.random().toString(36)).join('');
  return batchOf([recordOf(commit, [{ name: 'noise', quality: 'good', value: noise }])], { events: [eventOf('e')] });
}

async function storeOn(disk: FailingDisk, maxBytes = 3_200_000) {
  const path = temporaryFolder();
  return { path, store: await openLocalStore({ ...storeOptions(path, { maxBytes }), open: disk.open }) };
}

describe('a store on a disk that fails', () => {
  it('goes on in a new segment after an I/O error, and numbers nothing twice', async () => {
    const disk = new FailingDisk();
    const { store, path } = await storeOn(disk);
    await store.commit(batchOf([recordOf(0)], { states: new Map([['key', '1']]) }));
    disk.fail('SQLITE_IOERR_FSYNC', 1);
    expect(await store.commit(batchOf([recordOf(1)]))).toMatchObject({ readings: { from: 2, to: 3 } });
    expect(readdirSync(path).filter((file) => /^readings-\d+\.db$/.test(file))).toHaveLength(2);
    expect((await store.peek(1, 10)).records).toEqual([recordOf(0)]);
    expect((await store.peek(2, 10)).records).toEqual([recordOf(1)]);
    expect(await store.states()).toEqual(new Map([['key', '1']]));
    await store.close();
  });

  it('says so while the disk refuses everything, numbers nothing, and recovers', async () => {
    const disk = new FailingDisk();
    const { store } = await storeOn(disk);
    await store.commit(batchOf([recordOf(0)]));
    disk.fail('SQLITE_READONLY');
    await expect(store.commit(batchOf([recordOf(1)]))).rejects.toMatchObject({
      name: 'StoreTrouble',
      message: expect.stringContaining('read-only'),
    });
    expect((await store.status()).trouble).toContain('read-only');
    expect((await store.peek(1, 10)).records).toEqual([recordOf(0)]);
    disk.fail(undefined);
    expect(await store.commit(batchOf([recordOf(1)]))).toMatchObject({ readings: { from: 2, to: 3 } });
    expect((await store.status()).trouble).toBeUndefined();
    await store.close();
  });

  it('gives up its oldest segment when the disk is full, alarms last, and enters it in the ledger', async () => {
    const disk = new FailingDisk();
    const { store } = await storeOn(disk);
    for (let commit = 0; commit < 150; commit++) await store.commit(noisyBatch(commit));
    expect(await store.ledger()).toEqual([]);
    disk.fail('SQLITE_FULL', 1);
    const { readings } = await store.commit(batchOf([recordOf(150)]));
    expect(readings).toEqual({ from: 151, to: 152 });
    const ledger = await store.ledger();
    expect(ledger).toMatchObject([{ stream: 'readings', from: 1, cause: 'evicted' }]);
    expect(await countRecords(store)).toBe(151 - ledger[0]!.count);
    expect((await store.peekEvents(1, 1)).from).toBe(1);
    await store.close();
  });

  it('lets nothing go that the ledger cannot record, and goes on when it can', async () => {
    const disk = new FailingDisk();
    const { store, path } = await storeOn(disk);
    await store.keepUplinks(['plant']);
    for (let commit = 0; commit < 150; commit++) await store.commit(noisyBatch(commit));
    const files = () => readdirSync(path).filter((file) => /^readings-\d+\.db$/.test(file)).length;
    const before = files();
    disk.fail('SQLITE_FULL');
    for (let tries = 0; tries < 5; tries++)
      await expect(store.commit(noisyBatch(150))).rejects.toMatchObject({ name: 'StoreTrouble' });
    expect(files()).toBe(before);
    expect(await store.ledger()).toEqual([]);
    disk.fail(undefined);
    expect((await store.commit(noisyBatch(150))).readings).toEqual({ from: 151, to: 152 });
    const { accounts } = await store.status();
    expect(accounts.map(({ unexplained }) => unexplained)).toEqual([[], []]);
    expect(await countRecords(store)).toBe(151);
    await store.close();
  });

  it('says that the disk is full when there is nothing left to give up', async () => {
    const disk = new FailingDisk();
    const { store } = await storeOn(disk);
    disk.fail('SQLITE_FULL');
    await expect(store.commit(batchOf([recordOf(0)]))).rejects.toThrow('free space');
    disk.fail(undefined);
    expect(await store.commit(batchOf([recordOf(0)]))).toMatchObject({ readings: { from: 1, to: 2 } });
    await store.close();
  });
});

describe('a store on a disk that writes and says that it failed', () => {
  it('keeps every event once, however often keeping them apart went wrong at the end', async () => {
    let copies = 0;
    const open = (file: string): Connection => {
      const database = openForWriting(file);
      const { transaction } = database;
      if (!basename(file).startsWith('events')) return database;
      const failing = (work: () => void) => () => {
        transaction.call(database, work)();
        if (++copies % 2 === 0) throw Object.assign(new Error('the disk refused'), { code: 'SQLITE_IOERR_FSYNC' });
      };
      return Object.assign(database, { transaction: failing }) as Connection;
    };
    const path = temporaryFolder();
    const store = await openLocalStore({ ...storeOptions(path, { maxBytes: 500_000 }), open });
    for (let commit = 0; commit < 200; commit++) {
      const noise = Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
      const record = recordOf(commit, [{ name: 'noise', quality: 'good', value: noise }]);
      await store.commit(batchOf([record], { events: [eventOf(String(commit))] }));
    }
    const events: GatewayEvent[] = [];
    while (events.length < 200) events.push(...(await store.peekEvents(events.length + 1, 200)).events);
    expect(copies).toBeGreaterThan(3);
    expect(events).toEqual(Array.from({ length: 200 }, (_, commit) => eventOf(String(commit))));
    await store.close();
  });
});

describe('a store after a commit that failed and was written all the same', () => {
  it('counts neither its records nor what it said was dropped, when the number went to another commit', async () => {
    const path = temporaryFolder();
    const disk = new SimulatedDisk(path, openForWriting, () => 0.9);
    const before = await openLocalStore({ ...storeOptions(path), open: disk.open });
    await before.commit(batchOf([recordOf(0)]));
    disk.fault = { code: 'SQLITE_IOERR_FSYNC', isDone: true, times: Number.POSITIVE_INFINITY };
    await expect(before.commit(batchOf([recordOf(1), recordOf(2)]))).rejects.toMatchObject({ name: 'StoreTrouble' });
    disk.fault = undefined;
    const dropped = { count: 2, firstWallMs: 1, lastWallMs: 2 };
    const { readings } = await before.commit({ ...batchOf([recordOf(3)]), dropped });
    expect(readings).toEqual({ from: 4, to: 5 });
    await before.close();
    const after = await openLocalStore(storeOptions(path));
    expect((await after.peek(2, 10)).records).toEqual([recordOf(3)]);
    expect(await after.ledger()).toMatchObject([{ from: 2, to: 4, count: 2, cause: 'memory-full' }]);
    await after.close();
  });
});
