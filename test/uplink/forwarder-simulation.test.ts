import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/log.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { noAlarms } from '../../src/core/system-alarm.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createStoreDouble, createUplinkDouble, numbersOf, type UplinkDouble } from '../double/forwarding.ts';

const PERIOD_MS = 1000;
const TROUBLED_PERIODS = 120;

interface Run {
  readonly uplink: UplinkDouble;
  readonly store: ReturnType<typeof createStoreDouble>;
  readonly forwarder: Forwarder;
  /** When each reading was committed; index 0 is number 1. */
  readonly committedMs: number[];
  readonly events: number;
  readonly poison: ReadonlySet<number>;
  readonly evicted: ReadonlySet<number>;
}

/** Two minutes of commits under every trouble there is, then quiet until all is delivered; from a seed. */
async function simulate(seed: number): Promise<Run> {
  const random = seededRandom(seed);
  const clock = new SimulatedClock();
  const store = createStoreDouble(clock, seed % 3 === 0 ? 0 : 5);
  const poison = new Set(Array.from({ length: 3 }, () => 1 + Math.floor(random() * 2000)));
  const uplink = createUplinkDouble(clock, random, {
    ...{ window: 1 + Math.floor(random() * 12), latencyMs: 5, jitterMs: random() * 60 },
    ...{ rejectShare: random() * 0.1, dropShare: random() * 0.01 },
    refuses: (batch) =>
      batch.kind === 'readings' && numbersOf(batch).some((seq) => poison.has(seq)) ? 'malformed' : undefined,
  });
  const options = { uplink, store, clock, alarms: noAlarms, log: silentLogger, random, backfillRate: 2000 };
  let forwarder = new Forwarder(options);
  let stop = new AbortController();
  let running = forwarder.run(stop.signal);
  const committedMs: number[] = [];
  const evicted = new Set<number>();
  let events = 0;

  for (let period = 0; period < TROUBLED_PERIODS; period++) {
    trouble(random, uplink, store);
    if (random() < 0.01) {
      // Killed: nothing more is noted, and the next one starts from what the store was last told.
      store.break(true);
      stop.abort();
      await clock.advance(6000);
      await running;
      store.break(false);
      stop = new AbortController();
      forwarder = new Forwarder(options);
      running = forwarder.run(stop.signal);
    }
    const records = Math.floor(random() * 60);
    const eventCount = random() < 0.2 ? 1 + Math.floor(random() * 3) : 0;
    const { receipt, batch } = store.commit(records, eventCount);
    for (let index = 0; index < records; index++) committedMs.push(clock.monoMs());
    events += eventCount;
    forwarder.committed(receipt, batch);
    if (random() < 0.02) evict(random, store, committedMs.length, evicted);
    await clock.advance(PERIOD_MS);
  }
  Object.assign(uplink.behaviour, { down: false, rejectShare: 0, dropShare: 0 });
  store.break(false);
  await clock.advance(400_000);
  stop.abort();
  await clock.advance(10_000);
  await running;
  return { uplink, store, forwarder, committedMs, events, poison, evicted };
}

function trouble(random: Random, uplink: UplinkDouble, store: ReturnType<typeof createStoreDouble>): void {
  const dice = random();
  if (dice < 0.03) uplink.behaviour.down = true;
  else if (dice < 0.1) uplink.behaviour.down = false;
  else if (dice < 0.13) uplink.drop();
  else if (dice < 0.15) store.break(true);
  else if (dice < 0.25) store.break(false);
}

function evict(random: Random, store: ReturnType<typeof createStoreDouble>, head: number, evicted: Set<number>): void {
  const from = 1 + Math.floor(random() * head);
  const to = Math.min(from + Math.floor(random() * 40), head + 1);
  store.evict({ from, to });
  for (let seq = from; seq < to; seq++) evicted.add(seq);
}

/** First-time numbers of one lane in one session must ascend: only what was not confirmed may come again. */
function firstSends(uplink: UplinkDouble, lane: string, session: number): number[] {
  const seen = new Set<number>();
  return uplink.sends
    .filter((sent) => sent.session === session && sent.batch.kind === 'readings' && sent.batch.lane === lane)
    .flatMap(({ batch }) => numbersOf(batch))
    .filter((seq) => !seen.has(seq) && seen.add(seq));
}

describe('whatever happens, from any seed', () => {
  const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

  it.each(seeds)('seed %i: every number is delivered, set aside, or not in the store any more', async (seed) => {
    const run = await simulate(seed);
    const delivered = new Set(
      run.uplink.arrivals.filter(({ batch }) => batch.kind === 'readings').flatMap(({ batch }) => numbersOf(batch)),
    );
    const setAside = new Set(run.store.refusals.map(({ from }) => from));
    const missing = run.committedMs
      .map((_, index) => index + 1)
      .filter((seq) => !delivered.has(seq) && !setAside.has(seq) && !run.evicted.has(seq));
    expect(missing).toEqual([]);
    expect([...setAside].filter((seq) => !run.poison.has(seq))).toEqual([]);

    const events = run.uplink.arrivals.filter(({ batch }) => batch.kind === 'event').map(({ batch }) => batch.seq);
    expect(new Set(events).size).toBe(run.events);
    expect(run.forwarder.status()).toMatchObject({ pendingRecords: 0, pendingEvents: 0, state: 'stopped' });
    expect(run.uplink.mostUnderWay()).toBeLessThanOrEqual(run.uplink.behaviour.window);
    expect(run.store.settled.get('readings')).toEqual([
      { from: run.committedMs.length + 1, to: Number.POSITIVE_INFINITY },
    ]);
  });

  it.each(seeds.slice(0, 10))('seed %i: within a session and a lane, new numbers only ascend', async (seed) => {
    const { uplink } = await simulate(seed);
    const sessions = new Set(uplink.sends.map(({ session }) => session));
    for (const session of sessions) {
      const live = firstSends(uplink, 'live', session);
      expect(live).toEqual([...live].sort((a, b) => a - b));
    }
  });
});

it('live readings are at most a second late while a large backlog drains', async () => {
  const clock = new SimulatedClock();
  const store = createStoreDouble(clock, 2);
  const uplink = createUplinkDouble(clock, seededRandom(3), { window: 8, latencyMs: 40, jitterMs: 20 });
  const forwarder = new Forwarder({
    ...{ uplink, store, clock, alarms: noAlarms, log: silentLogger, random: seededRandom(4), backfillRate: 5000 },
  });
  store.commit(100_000, 50);
  const stop = new AbortController();
  const running = forwarder.run(stop.signal);
  const committed = new Map<number, number>();
  for (let tenth = 0; tenth < 300; tenth++) {
    const { receipt, batch } = store.commit(10, tenth % 10 === 0 ? 1 : 0);
    committed.set(receipt.readings.from, clock.monoMs());
    forwarder.committed(receipt, batch);
    await clock.advance(100);
  }
  const live = uplink.arrivals.filter(({ batch }) => batch.kind === 'readings' && batch.lane === 'live');
  const lateMs = live.map(({ batch, atMs }) => atMs - committed.get(batch.seq)!);
  expect(live.length).toBeGreaterThan(290);
  expect(Math.max(...lateMs)).toBeLessThan(1000);
  expect(forwarder.status().pendingRecords).toBeLessThan(20);
  stop.abort();
  await clock.advance(10_000);
  await running;
});
