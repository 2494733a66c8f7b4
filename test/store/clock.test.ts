import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/log.ts';
import { type DeviceRecord, Fields } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Committer } from '../../src/store/committer.ts';
import type { CommitBatch, Store } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, eventOf } from '../contract/store.ts';
import { storeOptions, temporaryFolder } from './stores.ts';

/** What a board without a clock of its own shows after power on. */
const BOOT_1970_MS = 45_000;
const NOW_MS = Date.UTC(2026, 10, 23, 14);

/** A gateway's store and its clock, which is not set yet. */
async function boot(path = temporaryFolder()): Promise<{ store: Store; clock: SimulatedClock; path: string }> {
  const clock = new SimulatedClock(BOOT_1970_MS);
  clock.setKnown(false);
  const store = await openLocalStore({ ...storeOptions(path), clock });
  return { store, clock, path };
}

function taken(clock: SimulatedClock, value: number): DeviceRecord {
  const at = { wallMs: clock.wallMs(), monoMs: clock.monoMs() };
  return {
    device: 'oven',
    at,
    clockKnown: clock.known(),
    simulated: false,
    fields: Fields.of([{ name: 'temp', quality: 'good', value }]),
  };
}

async function commitSeconds(store: Store, clock: SimulatedClock, first: number, count: number): Promise<void> {
  for (let value = first; value < first + count; value++) {
    await clock.advance(1000);
    const event = {
      ...eventOf(`event ${value}`),
      wallMs: clock.wallMs(),
      monoMs: clock.monoMs(),
      clockKnown: clock.known(),
    };
    await store.commit(batchOf([taken(clock, value)], { events: [event] }));
  }
}

/** The time server answers: the wall clock jumps to where it belongs. */
function synchronize(clock: SimulatedClock): void {
  clock.stepWall(NOW_MS - clock.wallMs());
  clock.setKnown(true);
}

async function stamps(store: Store): Promise<[number, boolean][]> {
  const { records } = await store.peek(1, 1000);
  const { texts } = await store.peekTexts(1, 1000);
  const sent = texts.map(({ page, start, end }) => JSON.parse(Buffer.from(page).toString('utf8', start, end)));
  expect(sent.map(({ t, clock }) => [t, clock])).toEqual(
    records.map(({ at, clockKnown }) => [at.wallMs, clockKnown ? undefined : 'unsynced']),
  );
  return records.map(({ at, clockKnown }) => [at.wallMs, clockKnown]);
}

describe('records taken before the clock was known', () => {
  it('are read as they were stamped, and marked, while it is not known', async () => {
    const { store, clock } = await boot();
    await commitSeconds(store, clock, 0, 2);
    expect(await stamps(store)).toEqual([
      [46_000, false],
      [47_000, false],
    ]);
    await store.close();
  });

  it('are read with their right time as soon as it is known, before anything more is committed', async () => {
    const { store, clock } = await boot();
    await commitSeconds(store, clock, 0, 3);
    await clock.advance(10_000);
    synchronize(clock);
    expect(await stamps(store)).toEqual([
      [NOW_MS - 12_000, true],
      [NOW_MS - 11_000, true],
      [NOW_MS - 10_000, true],
    ]);
    const { events } = await store.peekEvents(1, 10);
    expect(events.map(({ wallMs, clockKnown }) => [wallMs, clockKnown])).toEqual(await stamps(store));
    await store.close();
  });

  it('keep it in later runs; those of a run that never knew the time stay marked', async () => {
    const { store, clock, path } = await boot();
    await commitSeconds(store, clock, 0, 2);
    await store.close();
    const second = await boot(path);
    await commitSeconds(second.store, second.clock, 2, 2);
    synchronize(second.clock);
    await commitSeconds(second.store, second.clock, 4, 1);
    await second.store.close();
    const third = await boot(path);
    expect(await stamps(third.store)).toEqual([
      [46_000, false],
      [47_000, false],
      [NOW_MS - 1000, true],
      [NOW_MS, true],
      [NOW_MS + 1000, true],
    ]);
    await third.store.close();
  });

  it('are found in the history by the time they were taken at', async () => {
    const { store, clock } = await boot();
    await commitSeconds(store, clock, 0, 300);
    await clock.advance(100_000);
    synchronize(clock);
    await commitSeconds(store, clock, 300, 100);
    const startMs = NOW_MS - 100_000 - 299_000;
    const ask = (fromMs: number, toMs: number) => store.history({ tag: 'oven/temp', fromMs, toMs, limit: 1000 });
    const early = await ask(startMs + 100_000, startMs + 103_000);
    expect(early.points.map(({ wallMs, value }) => [wallMs, value])).toEqual([
      [startMs + 100_000, 100],
      [startMs + 101_000, 101],
      [startMs + 102_000, 102],
    ]);
    expect((await ask(startMs, NOW_MS + 1e9)).points.map(({ value }) => value)).toEqual(
      Array.from({ length: 400 }, (_, value) => value),
    );
    expect((await ask(NOW_MS, NOW_MS + 1e9)).points).toHaveLength(100);
    expect((await ask(0, 1e9)).points).toEqual([]);
    await store.close();
  });

  it('are stamped again while they wait for their commit, so that what is sent live is right too', async () => {
    const clock = new SimulatedClock(BOOT_1970_MS);
    clock.setKnown(false);
    const committed: CommitBatch[] = [];
    const committer = new Committer({
      store: { commit: async () => ({ readings: { from: 1, to: 2 }, events: { from: 1, to: 1 } }) },
      ...{ clock, log: silentLogger, random: () => 0.5, commitEveryMs: 5000 },
      onCommitted: (_, batch) => committed.push(batch),
      onFailed: (error) => {
        throw error;
      },
    });
    committer.accept(taken(clock, 1));
    await clock.advance(1000);
    committer.accept(taken(clock, 2));
    await clock.advance(2000);
    synchronize(clock);
    await clock.advance(3000);
    const known = { wallMs: NOW_MS - 2000, monoMs: 1000 };
    expect(committed[1]!.records).toEqual([{ ...taken(clock, 2), at: known, clockKnown: true }]);
    await committer.close();
  });
});
