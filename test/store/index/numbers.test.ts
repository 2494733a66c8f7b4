import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SeqRange } from '../../../src/core/intervals.ts';
import { emptyInfo } from '../../../src/store/index/catalog.ts';
import { goOnFrom } from '../../../src/store/index/numbers.ts';
import { isEndKnownIn, type Scanned } from '../../../src/store/repair/scan.ts';
import { batchOf, eventOf, recordOf } from '../../contract/store.ts';
import { localStore, temporaryFolder } from '../stores.ts';

const stopped = {
  newest: undefined,
  next: { readings: 700, events: 1 },
  memory: { states: [], cursors: [] },
};

function goOn(
  ceiling: number | undefined,
  storedTo: number,
  isEndKnown: boolean,
  indexedTo = 1,
  last?: typeof stopped,
) {
  const ceilings = ceiling === undefined ? undefined : { readings: ceiling, events: 1 };
  const meta = { ceilings: () => ceilings, stopped: () => last, forgotten: () => [], ledger: () => [] };
  return goOnFrom(meta, 'readings', [{ from: 1, to: storedTo }], isEndKnown, [{ from: 1, to: indexedTo }]);
}

/** A segment with readings, and events where it has some, that may have lost its last commits. */
function segmentOf(id: number, isEndKnown: boolean, events: SeqRange[] = []): Scanned {
  const info = emptyInfo('readings', id, id);
  info.stored = { readings: [{ from: id, to: id + 1 }], events };
  return { info, notes: undefined, isEndKnown };
}

describe('the number to go on with', () => {
  it('is the next one when all can be read, whatever was reserved', () => {
    expect(goOn(700, 151, true)).toEqual({ next: 151, lost: [], skipped: [] });
  });

  it('is the ceiling when the end cannot be read; what is passed over is not called lost', () => {
    expect(goOn(700, 151, false)).toEqual({ next: 700, lost: [], skipped: [{ from: 151, to: 700 }] });
    expect(goOn(100, 151, false)).toEqual({ next: 151, lost: [], skipped: [] });
  });

  it('is exact after a stop in order, so that what cannot be read is lost', () => {
    expect(goOn(700, 151, false, 1, stopped)).toEqual({ next: 700, lost: [{ from: 151, to: 700 }], skipped: [] });
  });

  it('is past what the index says of a segment that cannot be read any more', () => {
    expect(goOn(700, 151, true, 161)).toEqual({ next: 161, lost: [{ from: 151, to: 161 }], skipped: [] });
  });

  it('is far off when the ceiling is lost as well', () => {
    expect(goOn(undefined, 151, false)).toEqual({ next: 1_000_151, lost: [], skipped: [{ from: 151, to: 1_000_151 }] });
  });
});

describe('whether the end of a stream can be read', () => {
  it('is what its last segment says, and those after it that have nothing of the stream', () => {
    const scans = [segmentOf(1, false, [{ from: 1, to: 2 }]), segmentOf(2, true, [{ from: 2, to: 3 }])];
    expect(isEndKnownIn(scans, 'readings')).toBe(true);
    expect(isEndKnownIn(scans, 'events')).toBe(true);
    expect(isEndKnownIn([...scans, segmentOf(3, false)], 'events')).toBe(false);
  });

  it('is not so of events when some of those that were kept apart are lost, which says nothing of readings', () => {
    const archive: Scanned = { info: emptyInfo('events', 1, 1), notes: undefined, isEndKnown: false };
    expect(isEndKnownIn([archive, segmentOf(1, true)], 'readings')).toBe(true);
    expect(isEndKnownIn([archive, segmentOf(1, true)], 'events')).toBe(false);
  });
});

const COMMITS = 40;

/** A copy of a store as a crash leaves it: ten records a commit, its log not folded in. */
async function crashed(): Promise<string> {
  const { store, path } = await localStore(temporaryFolder(), { maxBytes: 1e9 });
  for (let commit = 0; commit < COMMITS; commit++)
    await store.commit(
      batchOf(
        Array.from({ length: 10 }, (_, index) => recordOf(commit * 10 + index)),
        { events: commit % 10 === 0 ? [eventOf('e')] : [] },
      ),
    );
  const copy = temporaryFolder();
  for (const file of readdirSync(path).filter((name) => /\.db(-wal)?$/.test(name) && !name.startsWith('lock')))
    copyFileSync(join(path, file), join(copy, file));
  await store.close();
  return copy;
}

describe('a store that lost its last commits', () => {
  it('goes on at its ceiling when its log is torn, and says which numbers it passed over', async () => {
    const folder = await crashed();
    const wal = join(folder, 'readings-00000001.db-wal');
    const bytes = readFileSync(wal);
    bytes[bytes.length - 2000]! ^= 1;
    writeFileSync(wal, bytes);
    const { store } = await localStore(folder);
    const { next, losses, oldest } = await store.status();
    let readTo = 1;
    for (let slice = await store.peek(1, 10_000); slice.records.length > 0; slice = await store.peek(readTo, 10_000))
      readTo = slice.next;
    expect(oldest.readings).toBe(1);
    expect(readTo).toBeLessThan(COMMITS * 10 + 1);
    expect(next.readings).toBeGreaterThan(COMMITS * 10);
    expect(next.readings).toBeLessThanOrEqual(COMMITS * 10 + 1 + 60 * 10);
    expect(losses).toContainEqual({ stream: 'readings', cause: 'skipped', count: next.readings - readTo });
    await store.close();
  });

  it('goes on past its reservation when the newest file is gone: a minute of commits, not more', async () => {
    const folder = await crashed();
    for (const part of ['', '-wal']) rmSync(join(folder, `readings-00000001.db${part}`));
    const { store } = await localStore(folder);
    const { next } = await store.status();
    expect(next.readings).toBeGreaterThan(COMMITS * 10);
    expect(next.readings).toBeLessThanOrEqual(COMMITS * 10 + 1 + 60 * 10);
    await store.close();
  });

  it('knows exactly how far it went when it was stopped in order before its newest file was lost', async () => {
    const folder = await crashed();
    const first = await localStore(folder);
    await first.store.close();
    rmSync(join(folder, 'readings-00000001.db'));
    const { store } = await localStore(folder);
    expect((await store.status()).next.readings).toBe(COMMITS * 10 + 1);
    await store.close();
  });

  it('gives no number twice when meta.db is lost with them, and calls what it passes over skipped', async () => {
    const folder = await crashed();
    const wal = join(folder, 'readings-00000001.db-wal');
    const bytes = readFileSync(wal);
    bytes[bytes.length - 2000]! ^= 1;
    writeFileSync(wal, bytes);
    for (const part of ['', '-wal']) rmSync(join(folder, `meta.db${part}`));
    const { store } = await localStore(folder);
    const { next, losses } = await store.status();
    expect(next.readings).toBeGreaterThan(1_000_000);
    expect(losses.map(({ cause, count }) => [cause, count])).toEqual([
      ['skipped', 1_000_000],
      ['skipped', 1_000_000],
    ]);
    await store.close();
  });
});
