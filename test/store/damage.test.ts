import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { NOTHING } from '../../src/store/commit.ts';
import { openEngine, UnderRepair } from '../../src/store/engine.ts';
import { DamagedSegment } from '../../src/store/read/read.ts';
import { machineOf } from '../../src/store/repair/restored.ts';
import type { Store } from '../../src/store/store.ts';
import { batchOf, eventOf, recordOf } from '../contract/store.ts';
import { localStore, temporaryFolder } from './stores.ts';

const RECORDS = 300;

/** A record that carries its own number, and enough besides to fill several segments. */
function numbered(seq: number) {
  return recordOf(seq, [
    { name: 'number', quality: 'good', value: seq },
    { name: 'noise', quality: 'good', value: seededRandomText(seq) },
  ]);
}

function seededRandomText(seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: 150 }, () => random().toString(36)).join('');
}

/** A closed store with some segments. */
async function filledFolder(): Promise<string> {
  const { store, path } = await localStore(temporaryFolder(), { maxBytes: 3_200_000 });
  await store.pending('plant', 'readings');
  for (let seq = 1; seq <= RECORDS; seq++) {
    const events = seq % 10 === 0 ? [eventOf(`event ${seq}`)] : [];
    await store.commit(batchOf([numbered(seq)], { events, states: new Map([['last', String(seq)]]) }));
  }
  await store.close();
  return path;
}

/** Reads all, checks that no value is wrong, and that every number is either there or in the ledger. */
async function checkAccounts(store: Store): Promise<{ read: number; lost: number }> {
  const missing = new Set(Array.from({ length: (await store.status()).next.readings - 1 }, (_, index) => index + 1));
  let read = 0;
  for (let at = 1; ; ) {
    const { from, records, next } = await store.peek(at, 50);
    if (records.length === 0) break;
    for (const [index, record] of records.entries()) {
      expect(record).toEqual(numbered(from + index));
      expect(missing.delete(from + index)).toBe(true);
      read++;
    }
    at = next;
  }
  for (const { stream, from, to, count } of await store.ledger()) {
    expect(count).toBe(to - from);
    if (stream === 'readings') for (let seq = from; seq < to; seq++) expect(missing.delete(seq)).toBe(true);
  }
  expect([...missing]).toEqual([]);
  return { read, lost: (await store.status()).next.readings - 1 - read };
}

function storeFiles(folder: string): string[] {
  return readdirSync(folder).filter((file) => /^(readings|events|meta).*\.db$/.test(file));
}

describe('a store whose files were damaged', () => {
  it('serves everything but the damaged commit, and says which numbers are gone', async () => {
    const folder = await filledFolder();
    const file = join(folder, 'readings-00000002.db');
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
    writeFileSync(file, bytes);
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    const { lost } = await checkAccounts(store);
    expect(lost).toBeGreaterThanOrEqual(1);
    expect(lost).toBeLessThanOrEqual(3);
    const ledger = await store.ledger();
    expect(ledger[0]).toMatchObject({ cause: 'corrupt', detail: expect.stringContaining('readings-00000002.db') });
    expect(existsSync(join(folder, 'quarantine', 'readings-00000002.db'))).toBe(true);
    await store.close();
  });

  it('goes on committing while a damaged segment is saved', async () => {
    const folder = await filledFolder();
    const file = join(folder, 'readings-00000002.db');
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
    writeFileSync(file, bytes);
    const now = { wallMs: 1, monoMs: 1 };
    const options = { path: folder, maxBytes: 3_200_000, cursorEveryMs: 5000, replayMs: 1000, machine: machineOf() };
    const engine = openEngine(options, now, { pid: process.pid });
    const readAll = () => {
      for (let at = 1; ; ) {
        const { pieces, next } = engine.call('peek', { stream: 'readings', from: at, limit: 1000 }, now);
        if (pieces.length === 0) return at;
        at = next;
      }
    };
    expect(readAll).toThrow(UnderRepair);
    let commits = 0;
    while (engine.isSaving()) {
      const { readings } = engine.call('commit', { ...NOTHING, states: [['last', String(commits)]] }, now);
      expect(readings.from).toBe(RECORDS + 1);
      commits++;
      engine.idle(now);
    }
    expect(commits).toBeGreaterThan(1);
    expect(readAll()).toBe(RECORDS + 1);
    expect(engine.call('ledger', 0, now)).toMatchObject([{ cause: 'corrupt' }]);
    engine.call('close', undefined, now);
  });

  it('gives up saving a segment that is damaged again each time, and says so to whoever reads', async () => {
    const folder = await filledFolder();
    const file = join(folder, 'readings-00000002.db');
    const now = { wallMs: 1, monoMs: 1 };
    const options = { path: folder, maxBytes: 3_200_000, cursorEveryMs: 5000, replayMs: 1000, machine: machineOf() };
    const spoil = () => {
      const bytes = readFileSync(file);
      for (const part of [0.3, 0.4, 0.5, 0.6])
        for (let at = 0; at < 64; at++) bytes[Math.floor(bytes.length * part) + at]! ^= 0x10;
      writeFileSync(file, bytes);
    };
    spoil();
    const engine = openEngine(options, now, { pid: process.pid });
    const readAll = () => {
      for (let at = 1; ; ) {
        const { pieces, next } = engine.call('peek', { stream: 'readings', from: at, limit: 1000 }, now);
        if (pieces.length === 0) return;
        at = next;
      }
    };
    for (let round = 1; round <= 3; round++) {
      expect(readAll).toThrow(UnderRepair);
      while (engine.isSaving()) engine.idle(now);
      spoil();
    }
    expect(readAll).toThrow(DamagedSegment);
    expect(engine.isSaving()).toBe(false);
    engine.call('close', undefined, now);
  });

  it('leaves a damaged segment as it is when it is closed in the middle of a salvage', async () => {
    const folder = await filledFolder();
    const file = join(folder, 'readings-00000002.db');
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
    writeFileSync(file, bytes);
    const now = { wallMs: 1, monoMs: 1 };
    const options = { path: folder, maxBytes: 3_200_000, cursorEveryMs: 5000, replayMs: 1000, machine: machineOf() };
    const engine = openEngine(options, now, { pid: process.pid });
    const readAll = () => {
      for (let at = 1; at <= RECORDS; )
        at = engine.call('peek', { stream: 'readings', from: at, limit: 1000 }, now).next;
    };
    expect(readAll).toThrow(UnderRepair);
    engine.idle(now);
    expect(existsSync(join(folder, 'salvaged-readings-00000002.db'))).toBe(true);
    engine.call('close', undefined, now);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(existsSync(join(folder, 'salvaged-readings-00000002.db'))).toBe(false);
  });

  it('never gives a wrong value, whichever bytes are flipped, and accounts for every number', {
    timeout: 60_000,
  }, async () => {
    const random = seededRandom(7);
    for (let round = 0; round < 12; round++) {
      const folder = await filledFolder();
      for (let flips = 0; flips < 4; flips++) {
        const files = storeFiles(folder);
        const file = join(folder, files[Math.floor(random() * files.length)]!);
        const bytes = readFileSync(file);
        bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
        writeFileSync(file, bytes);
      }
      const { store } = await localStore(folder, { maxBytes: 3_200_000 });
      await checkAccounts(store);
      const { readings } = await store.commit(batchOf([recordOf(0)]));
      expect(readings.from).toBeGreaterThan(RECORDS);
      await store.close();
    }
  });

  it('never gives a number twice when its newest segment is gone', async () => {
    const folder = await filledFolder();
    const newest = storeFiles(folder)
      .filter((file) => file.startsWith('readings'))
      .sort()
      .at(-1)!;
    rmSync(join(folder, newest));
    rmSync(join(folder, `${newest}-wal`), { force: true });
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    const { readings } = await store.commit(batchOf([]));
    expect(readings.from).toBeGreaterThan(RECORDS);
    await checkAccounts(store);
    const lost = (await store.ledger()).filter(({ stream }) => stream === 'readings');
    expect(lost.at(-1)).toMatchObject({ cause: 'corrupt', to: readings.from });
    await store.close();
  });

  it('never gives the number of an event twice when only its archive had it, and that is damaged', async () => {
    const folder = temporaryFolder();
    const { store: before } = await localStore(folder, { maxBytes: 3_200_000 });
    await before.pending('plant', 'events');
    for (let event = 1; event <= 5; event++) await before.commit(batchOf([], { events: [eventOf('early')] }));
    for (let seq = 1; (await before.status()).oldest.readings < RECORDS; seq++)
      await before.commit(batchOf([numbered(seq)]));
    expect(await before.ledger()).not.toEqual([]);
    await before.close();
    for (const file of storeFiles(folder).filter((name) => name.startsWith('events')))
      writeFileSync(join(folder, file), Buffer.alloc(4096, 7));
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    expect((await store.commit(batchOf([], { events: [eventOf('late')] }))).events.from).toBe(6);
    expect((await store.ledger()).filter(({ stream }) => stream === 'events')).toMatchObject([
      { from: 1, to: 6, count: 5, cause: 'corrupt' },
    ]);
    await store.close();
  });

  it('keeps events apart in another archive when theirs is damaged, and accounts for every one', async () => {
    const folder = temporaryFolder();
    const { store } = await localStore(folder, { maxBytes: 1_000_000 });
    await store.pending('plant', 'events');
    let isDamaged = false;
    for (let seq = 1; seq <= 4 * RECORDS; seq++) {
      await store.commit(batchOf([numbered(seq)], { events: seq % 10 === 0 ? [eventOf(`event ${seq}`)] : [] }));
      if (isDamaged || !existsSync(join(folder, 'events-00000001.db'))) continue;
      writeFileSync(join(folder, 'events-00000001.db'), Buffer.alloc(4096, 7));
      isDamaged = true;
    }
    expect((await store.status()).oldest.readings).toBeGreaterThan(RECORDS);
    const missing = new Set(Array.from({ length: (4 * RECORDS) / 10 }, (_, index) => index + 1));
    for (let at = 1; ; ) {
      const { from, events, next } = await store.peekEvents(at, 50);
      if (events.length === 0) break;
      for (const [index, event] of events.entries()) {
        expect(event).toEqual(eventOf(`event ${(from + index) * 10}`));
        missing.delete(from + index);
      }
      at = next;
    }
    const entered = (await store.ledger()).filter(({ stream }) => stream === 'events');
    expect(isDamaged && entered.length > 0).toBe(true);
    for (const { from, to } of entered) for (let seq = from; seq < to; seq++) expect(missing.delete(seq)).toBe(true);
    expect([...missing]).toEqual([]);
    await store.close();
  });

  it('makes meta.db again from the segments, with its epoch', async () => {
    const folder = await filledFolder();
    const { store: before } = await localStore(folder, { maxBytes: 3_200_000 });
    const { epoch } = before;
    await before.close();
    writeFileSync(join(folder, 'meta.db'), Buffer.alloc(8192, 7));
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    expect(store.epoch).toBe(epoch);
    expect(await checkAccounts(store)).toEqual({ read: RECORDS, lost: 0 });
    expect((await store.states()).get('last')).toBe(String(RECORDS));
    expect(existsSync(join(folder, 'quarantine', 'meta.db'))).toBe(true);
    await store.close();
  });

  it('still knows what was delivered, refused and given up when meta.db is lost: no false loss, no hidden one', async () => {
    const { store: before, path } = await localStore(temporaryFolder(), { maxBytes: 400_000 });
    await before.keepUplinks(['plant']);
    for (const stream of ['readings', 'events'] as const) await before.pending('plant', stream);
    for (let seq = 1; seq <= RECORDS; seq++) {
      await before.commit(batchOf([numbered(seq)]));
      if (seq === 100) await before.settle('plant', 'readings', [{ from: 101, to: Number.POSITIVE_INFINITY }]);
    }
    const refused = RECORDS - 5;
    await before.quarantine({ stream: 'readings', from: refused, to: refused + 1, count: 1, uplink: 'plant' });
    await before.commit(batchOf([numbered(RECORDS + 1)]));
    const { accounts, ledger } = await before.status();
    expect(accounts[0]).toMatchObject({ delivered: 100, quarantined: 1, unexplained: [] });
    expect(accounts[0]!.evicted).toBeGreaterThan(0);
    const crashed = temporaryFolder();
    for (const file of readdirSync(path).filter((name) => /^(readings|events).*(db|wal)$/.test(name)))
      writeFileSync(join(crashed, file), readFileSync(join(path, file)));
    await before.close();
    const { store } = await localStore(crashed, { maxBytes: 400_000 });
    await store.keepUplinks(['plant']);
    const after = await store.status();
    expect(after.accounts).toEqual(accounts);
    expect(after.ledger).toEqual(ledger);
    await store.close();
  });

  it('passes over numbers when meta.db and the newest segment are lost together', async () => {
    const folder = await filledFolder();
    const newest = storeFiles(folder).filter((file) => file.startsWith('readings'));
    rmSync(join(folder, newest.sort().at(-1)!));
    rmSync(join(folder, 'meta.db'));
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    const { readings } = await store.commit(batchOf([]));
    expect(readings.from).toBeGreaterThan(RECORDS);
    const entered = (await store.ledger()).filter(({ stream }) => stream === 'readings');
    expect(entered.map(({ cause }) => cause)).toEqual(['skipped']);
    await store.close();
  });

  it('refuses a segment or roll-ups of a newer format, and leaves them where they are', async () => {
    const folder = await filledFolder();
    const file = storeFiles(folder).find((name) => name === 'readings-00000002.db')!;
    const database = new Database(join(folder, file));
    database.pragma('user_version = 2');
    database.close();
    // As a newer program leaves it: not as the index of this one has it.
    writeFileSync(join(folder, file), Buffer.concat([readFileSync(join(folder, file)), Buffer.alloc(1024)]));
    await expect(localStore(folder, { maxBytes: 3_200_000 })).rejects.toMatchObject({ name: 'Fault', code: 69 });
    expect(existsSync(join(folder, file))).toBe(true);
    expect(existsSync(join(folder, 'quarantine'))).toBe(false);
  });

  it('finishes a salvage that a crash interrupted between the two renames', async () => {
    const folder = await filledFolder();
    renameSync(join(folder, 'readings-00000002.db'), join(folder, 'salvaged-readings-00000002.db'));
    const { store } = await localStore(folder, { maxBytes: 3_200_000 });
    expect(await checkAccounts(store)).toEqual({ read: RECORDS, lost: 0 });
    await store.close();
  });

  it('does not call lost what every uplink has', async () => {
    const { store: before, path } = await localStore(temporaryFolder(), { maxBytes: 3_200_000 });
    await before.keepUplinks(['plant', 'mes']);
    for (const uplink of ['plant', 'mes']) await before.pending(uplink, 'readings');
    for (let seq = 1; seq <= RECORDS; seq++) await before.commit(batchOf([numbered(seq)]));
    for (const uplink of ['plant', 'mes'])
      await before.settle(uplink, 'readings', [{ from: RECORDS + 1, to: Number.POSITIVE_INFINITY }]);
    await before.close();
    rmSync(join(path, 'readings-00000001.db'));
    const { store } = await localStore(path, { maxBytes: 3_200_000 });
    await store.keepUplinks(['plant', 'mes']);
    const { losses, accounts } = await store.status();
    expect(losses).toEqual([]);
    expect(accounts[0]).toMatchObject({ produced: RECORDS, delivered: RECORDS, unexplained: [] });
    await store.close();
  });

  it('finds commits that were lost in the log of a crashed process, and skips their numbers', async () => {
    const { store, path } = await localStore(temporaryFolder(), { maxBytes: 1e9 });
    for (let seq = 1; seq <= 20; seq++) await store.commit(batchOf([numbered(seq)]));
    const crashed = temporaryFolder();
    for (const file of readdirSync(path))
      if (statSync(join(path, file)).isFile()) writeFileSync(join(crashed, file), readFileSync(join(path, file)));
    await store.close();
    const wal = join(crashed, 'readings-00000001.db-wal');
    const bytes = readFileSync(wal);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(wal, bytes);
    const { store: again } = await localStore(crashed);
    const { readings } = await again.commit(batchOf([]));
    expect(readings.from).toBeGreaterThan(20);
    const { read } = await checkAccounts(again);
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(20);
    await again.close();
  });

  it('refuses a store that a newer program wrote, and says what to do', async () => {
    const folder = await filledFolder();
    const meta = new Database(join(folder, 'meta.db'));
    meta.pragma('user_version = 99');
    meta.close();
    await expect(localStore(folder)).rejects.toMatchObject({
      code: 69,
      message: expect.stringContaining('written by a newer millgate (format 99'),
    });
  });
});
