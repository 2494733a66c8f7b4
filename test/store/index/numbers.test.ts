import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SeqRange } from '../../../src/core/intervals.ts';
import { emptyInfo } from '../../../src/store/index/catalog.ts';
import type { Reserved } from '../../../src/store/index/meta.ts';
import { goOnFrom } from '../../../src/store/index/numbers.ts';
import { lostCommitsIn, type Scanned } from '../../../src/store/repair/scan.ts';
import { batchOf, eventOf, recordOf } from '../../contract/store.ts';
import { localStore, temporaryFolder } from '../stores.ts';

const both = (readings: number) => ({ readings, events: 1 });

function goOn(reserved: Reserved | undefined, storedTo: number, lostCommits: number | undefined, indexedTo = 1) {
  const meta = { reserved: () => reserved, forgotten: () => [], ledger: () => [] };
  return goOnFrom(meta, 'readings', [{ from: 1, to: storedTo }], lostCommits, [{ from: 1, to: indexedTo }]);
}

/** A segment with readings, and events where it has some, that may have lost its last commits. */
function segmentOf(id: number, lostCommits: number | undefined, events: SeqRange[] = []): Scanned {
  const info = emptyInfo('readings', id, id);
  info.stored = { readings: [{ from: id, to: id + 1 }], events };
  return { info, notes: undefined, lostCommits };
}

describe('the number to go on with', () => {
  const reserved = { ceilings: both(700), since: both(100), perCommit: both(10) };

  it('is the next one when nothing is lost, whatever was reserved', () => {
    expect(goOn(reserved, 151, 0)).toEqual({ next: 151, lost: [], skipped: [] });
  });

  it('is past what the lost commits can have had, and no further', () => {
    expect(goOn(reserved, 151, 2)).toEqual({ next: 171, lost: [{ from: 151, to: 171 }], skipped: [] });
  });

  it('counts from where numbers were reserved when more than that is lost: commits before may have been larger', () => {
    expect(goOn(reserved, 40, 3).next).toBe(130);
  });

  it('is never past the ceiling, which is where it goes when nobody knows how many commits are lost', () => {
    expect(goOn(reserved, 151, 1000).next).toBe(700);
    expect(goOn(reserved, 151, undefined).next).toBe(700);
    expect(goOn({ ...reserved, perCommit: undefined }, 151, 1).next).toBe(700);
  });

  it('is past what the index says of a segment that cannot be read any more', () => {
    expect(goOn(reserved, 151, 0, 161)).toEqual({ next: 161, lost: [{ from: 151, to: 161 }], skipped: [] });
    expect(goOn(reserved, 151, 2, 161).next).toBe(181);
  });

  it('is far off when the reservation is lost as well; what is passed over is not called lost', () => {
    expect(goOn(undefined, 151, 1)).toEqual({ next: 1_000_151, lost: [], skipped: [{ from: 151, to: 1_000_151 }] });
  });
});

describe('how many commits of a stream may be lost', () => {
  it('is what its last segment lost, and those before it that nothing of the stream came after', () => {
    const scans = [segmentOf(1, 9, [{ from: 1, to: 2 }]), segmentOf(2, 4, [{ from: 2, to: 3 }]), segmentOf(3, 2)];
    expect(lostCommitsIn(scans, 'readings')).toBe(2);
    expect(lostCommitsIn(scans, 'events')).toBe(6);
  });

  it('is not known as soon as one of these does not say', () => {
    const scans = [segmentOf(1, undefined), segmentOf(2, 0)];
    expect(lostCommitsIn(scans, 'readings')).toBe(0);
    expect(lostCommitsIn(scans, 'events')).toBeUndefined();
  });

  it('is not known of events when an archive of them is lost, which says nothing of readings', () => {
    const archive: Scanned = { info: emptyInfo('events', 1, 1), notes: undefined, lostCommits: undefined };
    expect(lostCommitsIn([archive, segmentOf(1, 1)], 'readings')).toBe(1);
    expect(lostCommitsIn([archive, segmentOf(1, 1)], 'events')).toBeUndefined();
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
  it('enters at most a few records too many when its log is torn', async () => {
    const folder = await crashed();
    const wal = join(folder, 'readings-00000001.db-wal');
    const bytes = readFileSync(wal);
    bytes[bytes.length - 2000]! ^= 1;
    writeFileSync(wal, bytes);
    const { store } = await localStore(folder);
    const { next, losses, oldest } = await store.status();
    const { next: readTo } = await store.peek(1, 10_000);
    expect(oldest.readings).toBe(1);
    const lostCommits = (COMMITS * 10 + 1 - readTo) / 10;
    expect(lostCommits).toBeGreaterThanOrEqual(1);
    expect(next.readings).toBeGreaterThan(COMMITS * 10);
    const phantoms = next.readings - 1 - COMMITS * 10;
    expect(phantoms).toBeLessThanOrEqual((lostCommits + 1) * 16 - lostCommits * 10);
    expect(losses).toContainEqual({ stream: 'readings', cause: 'corrupt', count: next.readings - readTo });
    await store.close();
  });

  it('goes on past its reservation when the newest file is gone: a minute of commits, not more', async () => {
    const folder = await crashed();
    for (const part of ['', '-wal']) rmSync(join(folder, `readings-00000001.db${part}`));
    const { store } = await localStore(folder);
    const { next } = await store.status();
    expect(next.readings).toBeGreaterThan(COMMITS * 10);
    expect(next.readings).toBeLessThanOrEqual(COMMITS * 10 + 1 + 60 * 16);
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
