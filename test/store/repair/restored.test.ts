import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineOf, RESTORED_JUMP } from '../../../src/store/repair/restored.ts';
import type { Store } from '../../../src/store/store.ts';
import { openLocalStore } from '../../../src/store/thread/open.ts';
import { batchOf, recordOf } from '../../contract/store.ts';
import { storeOptions, temporaryFolder } from '../stores.ts';

const here = 'machine-a';
const open = (path: string, machine = here) => openLocalStore(storeOptions(path, { machine }));
const commit = async (store: Store, records: number) =>
  (await store.commit(batchOf(Array.from({ length: records }, (_, index) => recordOf(index))))).readings;

/** A store with five records, a copy of it, and ten more records that the copy knows nothing of. */
async function copied(): Promise<{ path: string; backup: string }> {
  const path = join(temporaryFolder(), 'store');
  const backup = join(temporaryFolder(), 'backup');
  let store = await open(path);
  await commit(store, 5);
  await store.close();
  cpSync(path, backup, { recursive: true });
  store = await open(path);
  expect(await commit(store, 10)).toEqual({ from: 6, to: 16 });
  await store.close();
  rmSync(path, { recursive: true });
  cpSync(backup, path, { recursive: true });
  return { path, backup };
}

describe('a store that was put back from a backup', () => {
  it('gives no number again when it is told so, and says in the ledger which it passed over', async () => {
    const { path } = await copied();
    writeFileSync(join(path, 'restored'), '');
    const store = await open(path);
    const first = 6 + RESTORED_JUMP;
    expect(await commit(store, 1)).toEqual({ from: first, to: first + 1 });
    const [entry] = (await store.ledger()).filter(({ stream }) => stream === 'readings');
    expect(entry).toMatchObject({ from: 6, to: first, count: RESTORED_JUMP, cause: 'skipped' });
    expect(entry?.detail).toMatch(/^a backup was put back/);
    const { accounts } = await store.status();
    expect(accounts.flatMap(({ unexplained }) => unexplained)).toEqual([]);
    expect((await store.peek(1, 100)).records).toHaveLength(5);
    await store.close();
  });

  it('jumps once, not at each start', async () => {
    const { path } = await copied();
    writeFileSync(join(path, 'restored'), '');
    await (await open(path)).close();
    expect(existsSync(join(path, 'restored'))).toBe(false);
    const store = await open(path);
    expect((await store.status()).next.readings).toBe(6 + RESTORED_JUMP);
    await store.close();
  });

  it('is noticed on another machine without being told', async () => {
    const { path } = await copied();
    const elsewhere = await open(path, 'machine-b');
    expect((await commit(elsewhere, 1)).from).toBe(6 + RESTORED_JUMP);
    await elsewhere.close();
    const again = await open(path, 'machine-b');
    expect((await commit(again, 1)).from).toBe(7 + RESTORED_JUMP);
    await again.close();
  });

  it('is taken for what it is where it was: the machine’s own', async () => {
    const { path } = await copied();
    const store = await open(path);
    expect((await store.status()).next.readings).toBe(6);
    await store.close();
  });
});

describe('the name of a machine', () => {
  it('is that of machine-id, hashed; none where there is none that lasts', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'machine-id');
    expect(machineOf(file)).toBeUndefined();
    writeFileSync(file, 'uninitialized\n');
    expect(machineOf(file)).toBeUndefined();
    writeFileSync(file, '0123456789abcdef0123456789abcdef\n');
    expect(machineOf(file)).toMatch(/^[0-9a-f]{64}$/);
    // Laid over from another file system, it is made anew at each start.
    mkdirSync(join(folder, 'sub'));
    expect(machineOf('/proc/sys/kernel/random/boot_id')).toBeUndefined();
  });
});
