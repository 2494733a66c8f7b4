import { cpSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { localStore, temporaryFolder } from './stores.ts';

/**
 * A store that version 0.1.0 (schema 1) wrote, as a kill -9 left it: 90 records in three segments, 3 dropped, 1 refused,
 * 9 events, one uplink that has everything up to 53.
 */
const SCHEMA_1 = resolve(import.meta.dirname, 'fixtures/schema-1');

/** Sixty commits of a program of schema 2, as a kill -9 left them. */
const SCHEMA_2 = resolve(import.meta.dirname, 'fixtures/schema-2');

function schemaOf(folder: string): unknown {
  const meta = new Database(join(folder, 'meta.db'), { readonly: true });
  const version = meta.pragma('user_version', { simple: true });
  meta.close();
  return version;
}

function schema1(): string {
  const folder = temporaryFolder();
  cpSync(SCHEMA_1, folder, { recursive: true });
  return folder;
}

async function checkSchema1(folder: string): Promise<void> {
  const { store } = await localStore(folder);
  expect(store.epoch).toBe('85266ad9-a20b-484a-a697-0c2fd910d28f');
  const { next, oldest } = await store.status();
  expect({ next, oldest }).toEqual({ next: { readings: 94, events: 10 }, oldest: { readings: 1, events: 1 } });
  const values: unknown[] = [];
  for (let at = 1; at < 94; ) {
    const found = await store.peek(at, 1000);
    expect(found.records.length).toBeGreaterThan(0);
    values.push(...found.records.map(({ fields: [field] }) => field?.quality === 'good' && field.value));
    at = found.next;
  }
  expect(values).toEqual([1, ...Array.from({ length: 89 }, (_, index) => index + 5)]);
  expect(await store.ledger()).toMatchObject([
    { id: 1, from: 2, to: 5, cause: 'memory-full' },
    { id: 2, from: 60, to: 61, cause: 'quarantined', uplink: 'plant' },
  ]);
  expect((await store.states()).get('last')).toBe('90');
  expect(await store.commit({ records: [], events: [], states: new Map() })).toMatchObject({ readings: { from: 94 } });
  await store.close();
}

describe('a store of an earlier version', () => {
  it('opens with everything in it, and is brought to the present schema', async () => {
    const folder = schema1();
    await checkSchema1(folder);
    expect(schemaOf(folder)).toBe(3);
    await checkSchema1(folder);
  });

  it('takes back a segment that was renamed on a full disk and is whole, and forgets the name of one that is empty', async () => {
    const folder = schema1();
    renameSync(join(folder, 'readings-00000001.db'), join(folder, 'given-up-readings-00000001-r1-33-e1-4-t1-2'));
    writeFileSync(join(folder, 'given-up-readings-00000000-r0-0-e0-0-t0-0'), '');
    await checkSchema1(folder);
    expect(readdirSync(folder).filter((file) => file.startsWith('given-up'))).toEqual([]);
  });

  it('is opened where schema 2 was written by a process that was killed, and goes on', async () => {
    const folder = temporaryFolder();
    cpSync(SCHEMA_2, folder, { recursive: true });
    const { store } = await localStore(folder);
    expect((await store.status()).next.readings).toBe(61);
    expect((await store.states()).get('last')).toBe('59');
    expect(await store.ledger()).toEqual([]);
    await store.close();
  });

  it('is told by its schema from an earlier one, whose program refuses it with a word and changes nothing', async () => {
    const { store, path } = await localStore();
    await store.close();
    // Programs of schema 1 and 2 refuse every meta.db of a higher number.
    expect(schemaOf(path)).toBeGreaterThan(2);
  });

  it('opens in either version when the migration was interrupted: it is one transaction', async () => {
    const folder = schema1();
    const meta = new Database(join(folder, 'meta.db'));
    meta.exec('BEGIN; CREATE TABLE boots (id TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;');
    const interrupted = temporaryFolder();
    cpSync(folder, interrupted, { recursive: true });
    meta.close();
    expect(existsSync(join(interrupted, 'meta.db'))).toBe(true);
    await checkSchema1(interrupted);
    expect(schemaOf(interrupted)).toBe(3);
  });
});
