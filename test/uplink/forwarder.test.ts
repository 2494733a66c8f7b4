import { afterEach, describe, expect, it } from 'vitest';
import { type Alarms, createAlarms, noAlarms } from '../../src/core/event.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import type { OutgoingBatch } from '../../src/uplink/uplink.ts';
import {
  createStoreDouble,
  createUplinkDouble,
  numbersOf,
  type StoreDouble,
  type UplinkBehaviour,
  type UplinkDouble,
} from '../double/forwarding.ts';

interface Plant {
  clock: SimulatedClock;
  store: StoreDouble;
  uplink: UplinkDouble;
  forwarder: Forwarder;
  lines: string[];
  commit(records: number, events?: number): void;
  stop(): Promise<void>;
}

const plants: Plant[] = [];
afterEach(async () => {
  for (const plant of plants.splice(0)) await plant.stop();
});

/** A running forwarder; `before` records are committed before it starts. */
function plantWith(
  behaviour: Partial<UplinkBehaviour> = {},
  before = 0,
  backfillRate = 5000,
  alarms: Alarms = noAlarms,
): Plant {
  const clock = new SimulatedClock();
  const store = createStoreDouble(clock);
  const uplink = createUplinkDouble(clock, seededRandom(1), behaviour);
  const lines: string[] = [];
  const log: Logger = { ...silentLogger, warn: (line) => lines.push(line), scoped: () => log };
  const forwarder = new Forwarder({ uplink, store, clock, alarms, log, random: () => 0.5, backfillRate });
  if (before > 0) store.commit(before, 0);
  const stop = new AbortController();
  const done = forwarder.run(stop.signal);
  const plant: Plant = {
    ...{ clock, store, uplink, forwarder, lines },
    commit(records, events = 0) {
      const { receipt, batch } = store.commit(records, events);
      forwarder.committed(receipt, batch);
    },
    async stop() {
      stop.abort();
      await clock.advance(10_000);
      await done;
    },
  };
  plants.push(plant);
  return plant;
}

function deliveredReadings(uplink: UplinkDouble): Set<number> {
  const readings = uplink.arrivals.filter(({ batch }) => batch.kind === 'readings');
  return new Set(readings.flatMap(({ batch }) => numbersOf(batch)));
}

describe('the forwarder', () => {
  it('cuts messages smaller after a hang-up, and tries larger ones again in the same session', async () => {
    const plant = plantWith();
    const sizes = () => plant.uplink.sends.map(({ batch }) => numbersOf(batch).length);
    await plant.clock.advance(1000);
    plant.uplink.behaviour.latencyMs = 100;
    plant.commit(40);
    await plant.clock.advance(10);
    plant.uplink.drop(plant.uplink.sends.at(-1)!.batch);
    await plant.clock.advance(20_000);
    const commit = async () => {
      const before = sizes().length;
      plant.commit(40);
      await plant.clock.advance(5000);
      return sizes().slice(before);
    };
    expect((await commit()).length).toBeGreaterThan(1);
    await plant.clock.advance(120_000);
    expect(await commit()).toEqual([40]);
    expect(plant.uplink.connects).toHaveLength(2);
  });

  it('sends what is committed at once, from memory, one message a commit', async () => {
    const plant = plantWith();
    await plant.clock.advance(100);
    plant.store.break(true);
    plant.commit(30);
    await plant.clock.advance(20);
    expect(plant.uplink.sends.map(({ batch }) => [batch.seq, numbersOf(batch).length])).toEqual([[1, 30]]);
    expect(plant.uplink.sends[0]!.batch).toMatchObject({ lane: 'live' });
    plant.store.break(false);
  });

  it('sends what was there before as backfill, oldest first and in whole messages', async () => {
    const plant = plantWith({}, 1000);
    await plant.clock.advance(2000);
    const sent = plant.uplink.sends.map(({ batch }) => batch);
    expect(sent.every((batch) => batch.kind === 'readings' && batch.lane === 'backfill')).toBe(true);
    expect(sent.flatMap(numbersOf)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    // The first few are smaller: how much the line carries is found out.
    expect(sent.length).toBeLessThanOrEqual(15);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, deliveredRecords: 1000, state: 'connected' });
  });

  it('holds the backlog to its rate and says when it will be gone', async () => {
    const plant = plantWith({}, 10_000, 500);
    await plant.clock.advance(10_000);
    const delivered = deliveredReadings(plant.uplink).size;
    expect(delivered).toBeGreaterThan(4800);
    expect(delivered).toBeLessThanOrEqual(5200);
    expect(plant.forwarder.status().catchUpSeconds).toBeGreaterThan(8);
    expect(plant.forwarder.status().catchUpSeconds).toBeLessThan(13);
  });

  it('sends events before everything, and live readings without waiting for the backlog', async () => {
    const plant = plantWith({ window: 4, latencyMs: 100 }, 50_000);
    await plant.clock.advance(1000);
    const atMs = plant.clock.monoMs();
    plant.commit(10, 1);
    await plant.clock.advance(1000);
    const arrived = (kind: string, seq: number) =>
      plant.uplink.arrivals.find(({ batch }) => batch.kind === kind && batch.seq === seq)!.atMs - atMs;
    expect(arrived('event', 1)).toBeLessThanOrEqual(110);
    expect(arrived('readings', 50_001)).toBeLessThanOrEqual(210);
    expect(plant.uplink.mostUnderWay()).toBeLessThanOrEqual(4);
  });

  it('cuts messages to the limits of the uplink', async () => {
    const plant = plantWith();
    await plant.clock.advance(10);
    plant.commit(250);
    await plant.clock.advance(100);
    const lengths = plant.uplink.sends.map(({ batch }) => numbersOf(batch).length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(100);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(250);
  });

  it('finds what is refused by halves, sets only that aside, and delivers the rest', async () => {
    const poison = 137;
    const plant = plantWith({ refuses: (batch) => (numbersOf(batch).includes(poison) ? 'malformed' : undefined) }, 300);
    await plant.clock.advance(5000);
    expect(plant.store.refusals).toEqual([
      expect.objectContaining({
        stream: 'readings',
        from: 137,
        to: 138,
        count: 1,
        uplink: 'plant',
        detail: 'malformed',
      }),
    ]);
    expect(deliveredReadings(plant.uplink).size).toBe(299);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, quarantinedRecords: 1, deliveredRecords: 299 });
  });

  it('enters a refusal once, even when the ledger fails first and the session is lost', async () => {
    const plant = plantWith({ refuses: (batch) => (numbersOf(batch).includes(2) ? 'malformed' : undefined) });
    await plant.clock.advance(10);
    plant.commit(3);
    plant.store.break(true);
    await plant.clock.advance(3000);
    plant.uplink.drop();
    await plant.clock.advance(20_000);
    plant.store.break(false);
    // Something after it has to be taken, too, before it is known that the fault is not the stream's.
    expect(plant.store.refusals).toEqual([]);
    plant.commit(1);
    await plant.clock.advance(20_000);
    expect(plant.store.refusals.map(({ from }) => from)).toEqual([2]);
    expect(plant.uplink.sends.filter(({ batch }) => batch.seq === 2)).toHaveLength(1);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, quarantinedRecords: 1 });
  });

  it('sets nothing aside when everything is refused: keeps it, says so, and flows again by itself', async () => {
    const plant = plantWith({ refuses: () => 'not authorised to publish' }, 300);
    await plant.clock.advance(180_000);
    expect(plant.store.refusals).toEqual([]);
    expect(plant.forwarder.status()).toMatchObject({ state: 'connected', pendingRecords: 300 });
    expect(plant.forwarder.status().reason).toMatch(/^readings wait: not authorised to publish/);
    expect(plant.uplink.sends.length).toBeLessThan(40);
    plant.uplink.behaviour.refuses = () => undefined;
    await plant.clock.advance(12_000);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, deliveredRecords: 300, reason: undefined });
  });

  it('gives nothing up while a permission is away, says why, and is on time again after it', async () => {
    const plant = plantWith();
    const alarmed = () => plant.lines.filter((line) => line.includes('readings wait: not authorised')).length;
    for (let second = 0; second < 120; second++) {
      const isAway = second >= 30 && second < 50;
      plant.uplink.behaviour.refuses = () => (isAway ? 'not authorised' : undefined);
      plant.commit(10);
      await plant.clock.advance(1000);
    }
    expect(plant.store.refusals).toEqual([]);
    expect(plant.forwarder.status()).toMatchObject({
      pendingRecords: 0,
      deliveredRecords: 1200,
      quarantinedRecords: 0,
    });
    expect(alarmed()).toBe(1);
    const [last] = plant.uplink.arrivals.filter(({ batch }) => numbersOf(batch).includes(700));
    expect(last!.atMs).toBeLessThan(70_000);
  });

  it('delivers readings on time while only events are refused, and the other way round', async () => {
    for (const kind of ['event', 'readings'] as const) {
      const plant = plantWith({ refuses: (batch) => (batch.kind === kind ? 'not authorised' : undefined) });
      await plant.clock.advance(100);
      for (let second = 0; second < 60; second++) {
        plant.commit(5, 1);
        await plant.clock.advance(1000);
      }
      const { pendingRecords, pendingEvents } = plant.forwarder.status();
      expect([pendingRecords, pendingEvents]).toEqual(kind === 'event' ? [0, 60] : [300, 0]);
      expect(plant.store.refusals).toEqual([]);
      plant.uplink.behaviour.refuses = () => undefined;
      await plant.clock.advance(15_000);
      expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, pendingEvents: 0, sessions: 1 });
    }
  });

  it('keeps the order when the other side hung up on a message by chance', async () => {
    const plant = plantWith({ latencyMs: 500 }, 1000);
    await plant.clock.advance(1200);
    const underWay = plant.uplink.sends.filter(({ atMs }) => atMs > plant.clock.monoMs() - 400);
    plant.uplink.drop(underWay[0]!.batch);
    await plant.clock.advance(20_000);
    const arrived = plant.uplink.arrivals.flatMap(({ batch }) => numbersOf(batch));
    const firstArrivals = [...new Set(arrived)];
    expect(firstArrivals).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
  });

  it('cuts messages to what is taken where a large one is refused for its size', async () => {
    const tooLarge = (batch: OutgoingBatch) => numbersOf(batch).length > 20;
    const plant = plantWith({ refuses: (batch) => (tooLarge(batch) ? 'packet too large' : undefined) }, 2000);
    plant.uplink.behaviour.tooLarge = tooLarge;
    await plant.clock.advance(20_000);
    expect(plant.forwarder.status()).toMatchObject({
      pendingRecords: 0,
      deliveredRecords: 2000,
      quarantinedRecords: 0,
    });
    const refused = plant.uplink.sends.filter(({ batch }) => tooLarge(batch)).length;
    expect(refused).toBeLessThan(20);
  });

  it('leaves live what is young: on a line that carries less than is measured, the newest goes first', async () => {
    const plant = plantWith({ window: 1, latencyMs: 1500 });
    await plant.clock.advance(100);
    for (let second = 0; second < 60; second++) {
      plant.commit(400);
      await plant.clock.advance(1000);
    }
    const live = plant.uplink.arrivals.filter(({ batch }) => batch.kind === 'readings' && batch.lane === 'live');
    const lateMs = live.slice(5).map(({ batch, atMs }) => atMs - 1000 * Math.floor(batch.seq / 400));
    expect(live.length).toBeGreaterThan(20);
    expect(Math.max(...lateMs)).toBeLessThan(9000);
  });

  it('counts what the store has no more as gone, and goes on behind it', async () => {
    const plant = plantWith({ down: true }, 500);
    plant.store.evict({ from: 1, to: 101 });
    plant.store.evict({ from: 200, to: 301 });
    plant.uplink.behaviour.down = false;
    await plant.clock.advance(10_000);
    expect(deliveredReadings(plant.uplink).size).toBe(500 - 100 - 101);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, deliveredRecords: 299 });
    expect(plant.lines.some((line) => line.includes('readings 200 to 300 are not in the store any more'))).toBe(true);
  });

  it('sends a range again on request, as backfill, and what was not delivered yet once', async () => {
    const plant = plantWith({}, 300);
    expect(() => plant.forwarder.replay('readings', { from: 1, to: 10 })).toThrow(/has not begun/);
    await plant.clock.advance(2000);
    plant.uplink.drop();
    plant.uplink.behaviour.down = true;
    plant.commit(100);
    const before = plant.uplink.sends.length;
    expect(plant.forwarder.replay('readings', { from: 250, to: 1000 })).toBe(51);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 151 });
    plant.uplink.behaviour.down = false;
    await plant.clock.advance(120_000);
    const again = plant.uplink.sends.slice(before).map(({ batch }) => batch);
    expect(again.flatMap(numbersOf)).toEqual(Array.from({ length: 151 }, (_, index) => 250 + index));
    expect(again.every((batch) => batch.kind === 'readings' && batch.lane === 'backfill')).toBe(true);
    expect(plant.forwarder.replay('readings', { from: 5, to: 8 })).toBe(3);
    await plant.clock.advance(2000);
    expect(plant.uplink.sends.flatMap(({ batch }) => numbersOf(batch)).slice(-3)).toEqual([5, 6, 7]);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0 });
  });

  it('takes the backlog as text where the uplink sends text, cuts and splits it like records', async () => {
    const refuses: UplinkBehaviour['refuses'] = (batch) => (numbersOf(batch).includes(77) ? 'malformed' : undefined);
    const plant = plantWith({ refuses, takesTexts: true }, 300);
    await plant.clock.advance(5000);
    plant.commit(2);
    await plant.clock.advance(1000);
    const kinds = plant.uplink.sends.map(({ batch }) =>
      batch.kind === 'event' ? 'event' : `${batch.kind} ${batch.lane}`,
    );
    expect(new Set(kinds)).toEqual(new Set(['texts backfill', 'readings live']));
    expect(plant.store.refusals).toMatchObject([{ from: 77, to: 78, firstWallMs: 77, detail: 'malformed' }]);
    const arrived = plant.uplink.arrivals.flatMap(({ batch }) => numbersOf(batch)).sort((a, b) => a - b);
    expect(arrived).toEqual(Array.from({ length: 302 }, (_, index) => index + 1).filter((seq) => seq !== 77));
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, quarantinedRecords: 1 });
  });

  it('notes what was delivered at most once a second, and at the end', async () => {
    const plant = plantWith();
    await plant.clock.advance(10);
    for (let tenth = 0; tenth < 50; tenth++) {
      plant.commit(1);
      await plant.clock.advance(100);
    }
    expect(plant.store.settles()).toBeLessThanOrEqual(6);
    plant.commit(1);
    await plant.clock.advance(20);
    await plant.stop();
    expect(plant.store.settled.get('readings')).toEqual([{ from: 52, to: Number.POSITIVE_INFINITY }]);
  });

  it('says why the sessions before ended while one stands that has delivered nothing', async () => {
    const plant = plantWith({ dropShare: 1, latencyMs: 2000 }, 10);
    await plant.clock.advance(1000);
    expect(plant.forwarder.status()).toMatchObject({ state: 'connected', reason: undefined });
    for (let second = 0; second < 10; second++) await plant.clock.advance(1000);
    while (plant.forwarder.status().state !== 'connected') await plant.clock.advance(100);
    expect(plant.forwarder.status().reason).toContain('the line was cut');
    plant.uplink.behaviour.dropShare = 0;
    await plant.clock.advance(60_000);
    expect(plant.forwarder.status()).toMatchObject({ reason: undefined, pendingRecords: 0 });
  });

  it('does nothing while there is nothing to do', async () => {
    const plant = plantWith();
    await plant.clock.advance(60_000);
    expect(plant.uplink.sends).toEqual([]);
    expect(plant.store.settles()).toBe(0);
    expect(plant.clock.waiting).toBe(1);
  });

  it('goes on with live data while the store cannot be read, and with the backlog afterwards', async () => {
    const plant = plantWith({ down: true }, 200);
    await plant.clock.advance(100);
    plant.store.break(true);
    plant.uplink.behaviour.down = false;
    await plant.clock.advance(5000);
    plant.commit(5);
    await plant.clock.advance(1000);
    expect([...deliveredReadings(plant.uplink)]).toEqual([201, 202, 203, 204, 205]);
    plant.store.break(false);
    await plant.clock.advance(5000);
    expect(plant.forwarder.status().pendingRecords).toBe(0);
  });
});

describe('reconnecting', () => {
  it('tries every second or so while the outage is young, and is back within ten seconds at any age', async () => {
    const { uplink, clock, forwarder, lines } = plantWith({ down: true });
    await clock.advance(3 * 86_400_000);
    const waits = uplink.connects.slice(1).map((atMs, index) => atMs - uplink.connects[index]!);
    expect(Math.max(...waits.slice(0, 500))).toBeLessThanOrEqual(2000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(forwarder.status()).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('refuses connections'),
    });
    expect(lines.length).toBeLessThan(8);
  });

  it('slows down when sessions end at once, and begins anew after one that held for half a minute', async () => {
    const { uplink, clock } = plantWith();
    for (let flap = 0; flap < 8; flap++) {
      const before = uplink.connects.length;
      await clock.advance(1000);
      uplink.drop();
      while (uplink.connects.length === before) await clock.advance(500);
    }
    const flapping = uplink.connects.at(-1)! - uplink.connects.at(-2)!;
    await clock.advance(31_000);
    const droppedMs = clock.monoMs();
    uplink.drop();
    await clock.advance(2000);
    expect(flapping).toBeGreaterThan(9000);
    expect(uplink.connects.at(-1)! - droppedMs).toBeLessThanOrEqual(1500);
  });

  it('comes back slowly after a takeover', async () => {
    const { uplink, clock } = plantWith({ takenOver: true });
    await clock.advance(1000);
    uplink.drop();
    await clock.advance(29_000);
    expect(uplink.connects).toHaveLength(1);
    await clock.advance(60_000);
    expect(uplink.connects).toHaveLength(2);
  });

  it('tells once of a broker that is away for ten seconds, and of its return; a short drop is no news', async () => {
    const told: string[] = [];
    const events = createAlarms((body) => void told.push(`${body.id} ${body.change}`));
    const { uplink, clock } = plantWith({}, 0, 5000, events);
    await clock.advance(5000);
    uplink.drop();
    await clock.advance(5000);
    expect(told).toEqual([]);
    uplink.behaviour.down = true;
    uplink.drop();
    await clock.advance(60_000);
    uplink.behaviour.down = false;
    await clock.advance(30_000);
    const id = `uplink/${uplink.name}/not-connected`;
    expect(told).toEqual([`${id} raised`, `${id} cleared`]);
  });
});
