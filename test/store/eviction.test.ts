/** What goes first when the store is at its size, and whose account it goes on. */
import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { emptyInfo, type SegmentInfo } from '../../src/store/index/catalog.ts';
import type { Store, StreamAccount } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { evictionOrder } from '../../src/store/write/evict.ts';
import { batchOf, countRecords, eventOf, recordOf } from '../contract/store.ts';
import { storeOptions, temporaryFolder } from './stores.ts';

const OPEN = Number.POSITIVE_INFINITY;
const MAX_BYTES = 600_000;

async function opened() {
  const clock = new SimulatedClock(recordOf(0).at.wallMs, 'promises');
  const options = { maxBytes: MAX_BYTES, clock, replayMs: 60_000 };
  return { clock, store: await openLocalStore(storeOptions(temporaryFolder(), options)) };
}

/** A commit of about 2 kB that does not pack well, with events. */
async function commit(store: Store, second: number, events = 1): Promise<void> {
  const text = (words: number) => Array.from({ length: words }, () => Math.random().toString(36)).join('');
  const noise = text(150);
  const record = recordOf(second, [{ name: 'noise', quality: 'good', value: noise }]);
  await store.commit(batchOf([record], { events: Array.from({ length: events }, () => eventOf(text(30))) }));
}

async function accountOf(store: Store, uplink: string, stream: string): Promise<StreamAccount> {
  return (await store.status()).accounts.find((account) => account.uplink === uplink && account.stream === stream)!;
}

describe('a store at its size', () => {
  it('lets delivered events go, whose replay window passed, before readings that nobody has', async () => {
    const { store, clock } = await opened();
    await store.keepUplinks(['plant']);
    for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
    // Hours of a toggling alarm, all of it delivered.
    for (let second = 0; second < 300; second++) {
      await commit(store, second, 4);
      await store.settle('plant', 'readings', [{ from: second + 2, to: OPEN }]);
      await store.settle('plant', 'events', [{ from: (second + 1) * 4 + 1, to: OPEN }]);
      await clock.advance(1000);
    }
    await clock.advance(120_000);
    // The outage: about two thirds of the store.
    const outage = 150;
    for (let second = 300; second < 300 + outage; second++) await commit(store, second, 0);
    expect(await store.ledger()).toEqual([]);
    expect(await accountOf(store, 'plant', 'readings')).toMatchObject({ waiting: outage, evicted: 0, unexplained: [] });
    await store.close();
  });

  it('keeps events that an uplink lacks when their segment goes, and lets them go once it has them', async () => {
    const { store } = await opened();
    await store.keepUplinks(['plant']);
    for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
    for (let second = 0; second < 400; second++) await commit(store, second);
    const { oldest } = await store.status();
    expect(oldest.events).toBe(1);
    expect(oldest.readings).toBeGreaterThan(100);
    expect(await accountOf(store, 'plant', 'events')).toMatchObject({ waiting: 400, evicted: 0, unexplained: [] });
    await store.settle('plant', 'events', [{ from: 401, to: OPEN }]);
    for (let second = 400; second < 500; second++) await commit(store, second, 0);
    expect((await store.status()).oldest.events).toBeGreaterThan(1);
    expect((await store.ledger()).filter(({ stream }) => stream === 'events')).toEqual([]);
    await store.close();
  });

  it('lets undelivered events go last, and enters them', async () => {
    const { store } = await opened();
    await store.keepUplinks(['plant']);
    for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
    for (let second = 0; second < 150; second++) await commit(store, second, 20);
    const account = await accountOf(store, 'plant', 'events');
    expect(account.evicted).toBeGreaterThan(0);
    expect(account).toMatchObject({ produced: 3000, unexplained: [] });
    expect((await store.status()).bytes).toBeLessThanOrEqual(MAX_BYTES);
    await store.close();
  });

  it('puts what goes on the account of the uplink that lacks it, and of no other', async () => {
    const { store } = await opened();
    await store.keepUplinks(['plant', 'mes']);
    for (const uplink of ['plant', 'mes'])
      for (const stream of ['readings', 'events'] as const) await store.pending(uplink, stream);
    for (let second = 0; second < 400; second++) {
      await commit(store, second, 0);
      await store.settle('plant', 'readings', [{ from: second + 2, to: OPEN }]);
    }
    const stored = await countRecords(store);
    expect(await accountOf(store, 'plant', 'readings')).toMatchObject({ delivered: 400, evicted: 0, unexplained: [] });
    expect(await accountOf(store, 'mes', 'readings')).toMatchObject({
      ...{ produced: 400, delivered: 0, waiting: stored, evicted: 400 - stored, unexplained: [] },
    });
    for (const entry of await store.ledger()) expect(entry).toMatchObject({ cause: 'evicted', uplink: 'mes' });
    await store.close();
  });
});

describe('the order in which segments go', () => {
  const segment = (kind: 'readings' | 'events', id: number, maxWallMs: number): SegmentInfo => {
    const info = { ...emptyInfo(kind, id, id), lastCommit: id, maxWallMs };
    info.stored = {
      readings: kind === 'readings' ? [{ from: id, to: id + 1 }] : [],
      events: [{ from: id, to: id + 1 }],
    };
    return info;
  };

  it('is: delivered and past its window, delivered, undelivered readings, undelivered events; the oldest first', () => {
    const infos = [
      segment('readings', 5, 500),
      segment('events', 1, 100),
      segment('readings', 4, 400),
      segment('readings', 3, 300),
      segment('events', 2, 200),
      segment('readings', 6, 600),
    ];
    const pending = { readings: [{ from: 5, to: OPEN }], events: [{ from: 2, to: OPEN }] };
    const order = evictionOrder(infos, pending, 350).map(({ kind, id }) => `${kind} ${id}`);
    expect(order).toEqual(['events 1', 'readings 3', 'readings 4', 'readings 5', 'readings 6', 'events 2']);
  });
});
