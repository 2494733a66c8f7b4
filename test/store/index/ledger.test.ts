import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, intervals } from '../../../src/core/intervals.ts';
import { GAPS_TOLD } from '../../../src/store/gaps.ts';
import { mergeEntries, sumEntries } from '../../../src/store/index/ledger.ts';
import type { LedgerEntry, LossCause, Store, StoreStatus } from '../../../src/store/store.ts';
import { batchOf, eventOf, recordOf } from '../../contract/store.ts';
import { localStore, temporaryFolder } from '../stores.ts';

/** Entries as the store makes them: no number is entered twice for the same stream, cause and uplink. */
const entries = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 2 }),
      count: fc.integer({ min: 1, max: 5 }),
      stream: fc.constantFrom('readings' as const, 'events' as const),
      cause: fc.constantFrom<LossCause>('evicted', 'quarantined'),
    }),
  )
  .map((list) => {
    let at = 1;
    return list.map(({ gap, count, stream, cause }, index): LedgerEntry => {
      const from = at + gap;
      at = from + count;
      const times = { firstWallMs: from, lastWallMs: at, enteredWallMs: index };
      return {
        id: index + 1,
        stream,
        from,
        to: at,
        count,
        cause,
        ...(cause === 'quarantined' && { uplink: 'mes' }),
        ...times,
      };
    });
  });

describe('merging ledger entries', () => {
  it('keeps every number, every count and the last id, and leaves none that touch', () => {
    fc.assert(
      fc.property(entries, (before) => {
        const after = mergeEntries(before);
        for (const stream of ['readings', 'events'] as const)
          for (const cause of ['evicted', 'quarantined'] as const) {
            const of = (list: readonly LedgerEntry[]) =>
              list.filter((entry) => entry.stream === stream && entry.cause === cause);
            expect(intervals(of(after))).toEqual(intervals(of(before)));
            expect(of(after)).toHaveLength(intervals(of(before)).length);
            for (const { from, to, count, firstWallMs } of of(after))
              expect({ count, firstWallMs }).toEqual({ count: to - from, firstWallMs: from });
          }
        expect(new Set(sumEntries(after))).toEqual(new Set(sumEntries(before)));
        expect(after.at(-1)?.id).toBe(before.at(-1)?.id);
        expect(after.map(({ id }) => id)).toEqual(after.map(({ id }) => id).sort((a, b) => a - b));
      }),
    );
  });

  it('is done by the store for what was told of, and outlives it; status has the sums', async () => {
    const { store, path } = await localStore(temporaryFolder());
    await store.commit(batchOf(Array.from({ length: 300 }, (_, second) => recordOf(second))));
    const refuse = (from: number) =>
      store.quarantine({ stream: 'readings', from, to: from + 1, count: 1, uplink: 'plant', detail: 'too large' });
    for (let seq = 1; seq <= 100; seq++) await refuse(seq);
    await store.commit(batchOf([], { states: new Map([[GAPS_TOLD, '90']]) }));
    const ledger = await store.ledger();
    expect(ledger[0]).toMatchObject({ id: 90, from: 1, to: 91, count: 90, cause: 'quarantined', uplink: 'plant' });
    expect(ledger.map(({ id }) => id)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
    expect((await store.ledger(95)).map(({ id }) => id)).toEqual([96, 97, 98, 99, 100]);
    const { losses } = await store.status();
    expect(losses).toEqual([{ stream: 'readings', cause: 'quarantined', uplink: 'plant', count: 100 }]);
    await store.close();
    const again = await localStore(path);
    expect(await again.store.ledger()).toEqual(ledger);
    await again.store.close();
  });

  it('shows the newest twenty entries in the status, and gives all of them in pages', async () => {
    const { store } = await localStore(temporaryFolder());
    await store.commit(batchOf(Array.from({ length: 2500 }, (_, second) => recordOf(second))));
    for (let seq = 1; seq <= 2500; seq += 2)
      await store.quarantine({ stream: 'readings', from: seq, to: seq + 1, count: 1, uplink: 'plant' });
    expect((await store.status()).ledger.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, i) => 1231 + i));
    const first = await store.ledger();
    const second = await store.ledger(first.at(-1)!.id);
    expect([first.length, second.length]).toEqual([1000, 250]);
    await store.close();
  });
});

/** Commits what does not shrink until much was let go. */
async function overfill(store: Store): Promise<void> {
  for (let commit = 0; commit < 300; commit++) {
    const noise = Array.from({ length: 200 }, () => Math.random().toString(36)).join('');
    const records = [recordOf(commit, [{ name: 'noise', quality: 'good', value: noise }])];
    await store.commit(batchOf(records, { events: [eventOf('e')] }));
  }
}

describe('uplinks that come and go', () => {
  it('leave no cursor behind, so that nothing is kept or counted for them', async () => {
    const { store, path } = await localStore(temporaryFolder());
    await store.commit(batchOf([recordOf(0), recordOf(1)], { events: [eventOf('one')] }));
    for (const uplink of ['plant', 'mes']) {
      await store.pending(uplink, 'readings');
      await store.pending(uplink, 'events');
    }
    await store.settle('mes', 'readings', [{ from: 2, to: Number.POSITIVE_INFINITY }]);
    expect(await store.keepUplinks(['plant', 'new'])).toEqual([{ uplink: 'mes', records: 1, events: 1 }]);
    await store.close();
    const again = await localStore(path);
    expect(Object.keys((await again.store.status()).pending)).toEqual(['plant', 'new']);
    expect(await again.store.keepUplinks(['plant', 'new'])).toEqual([]);
    await again.store.close();
  });

  it('without any, what goes by age is no loss, and every number is still accounted for', async () => {
    const { store } = await localStore(temporaryFolder(), { maxBytes: 600_000 });
    await store.keepUplinks([]);
    await overfill(store);
    const { accounts, oldest, losses } = await store.status();
    expect(oldest.readings).toBeGreaterThan(1);
    expect(losses).toEqual([]);
    expect(accounts[0]).toMatchObject({
      ...{ stream: 'readings', uplink: undefined, produced: 300, evicted: 0, lost: 0, unexplained: [] },
      ...{ delivered: oldest.readings - 1, waiting: 301 - oldest.readings },
    });
    await store.close();
  });

  it('one that is added later is told of nothing that was let go before it was there', async () => {
    const { store, path } = await localStore(temporaryFolder(), { maxBytes: 600_000 });
    await store.keepUplinks(['plant']);
    await store.pending('plant', 'readings');
    await overfill(store);
    const { oldest, next } = await store.status();
    await store.keepUplinks(['plant', 'new']);
    const stored = next.readings - oldest.readings;
    const accountOf = (status: StoreStatus, uplink: string) =>
      status.accounts.find((account) => account.stream === 'readings' && account.uplink === uplink);
    const added = { produced: stored, delivered: 0, waiting: stored, evicted: 0, unexplained: [] };
    expect(accountOf(await store.status(), 'new')).toMatchObject(added);
    expect(accountOf(await store.status(), 'plant')).toMatchObject({ produced: 300, evicted: oldest.readings - 1 });
    await store.pending('new', 'readings');
    await store.close();
    const again = await localStore(path, { maxBytes: 600_000 });
    expect(accountOf(await again.store.status(), 'new')).toMatchObject(added);
    await again.store.close();
  });

  it('one that has not asked yet is waited for', async () => {
    const { store } = await localStore(temporaryFolder(), { maxBytes: 600_000 });
    await store.keepUplinks(['plant']);
    await overfill(store);
    const { losses, oldest } = await store.status();
    expect(losses).toEqual([{ stream: 'readings', cause: 'evicted', count: oldest.readings - 1 }]);
    await store.close();
  });
});

describe('the accounts in the status', () => {
  it('add up for each uplink and stream, whatever was delivered, refused, dropped and let go', async () => {
    const { store } = await localStore(temporaryFolder(), { maxBytes: 600_000 });
    await store.keepUplinks(['plant', 'mes']);
    for (const uplink of ['plant', 'mes']) await store.pending(uplink, 'readings');
    await overfill(store);
    const { oldest } = await store.status();
    const seq = oldest.readings + 5;
    await store.quarantine({ stream: 'readings', from: seq, to: seq + 1, count: 1, uplink: 'mes' });
    await store.settle('plant', 'readings', [{ from: seq + 10, to: Number.POSITIVE_INFINITY }]);
    await store.commit(batchOf([recordOf(0)], { dropped: { count: 7, firstWallMs: 1, lastWallMs: 2 } }));
    const { accounts, next } = await store.status();
    expect(accounts).toHaveLength(4);
    for (const account of accounts) {
      const { stream, produced, delivered, waiting, evicted, quarantined, lost, skipped, unexplained } = account;
      expect(produced).toBe(next[stream] - 1);
      expect(delivered + waiting + evicted + quarantined + lost + skipped).toBe(produced);
      expect(countOf(unexplained)).toBe(0);
    }
    const readings = accounts.filter(({ stream }) => stream === 'readings');
    expect(readings.map(({ lost }) => lost)).toEqual([7, 7]);
    expect(readings.map(({ quarantined }) => quarantined)).toEqual([0, 1]);
    await store.close();
  });
});
