import { describe, expect, it } from 'vitest';
import { noAlarms } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { cutTo, type DeviceRecord, Fields, selects } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { Wanted } from '../../src/uplink/delivery.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createStoreDouble, createUplinkDouble, numbersOf, type UplinkBehaviour } from '../double/forwarding.ts';

/** Only every so many-th record is wanted, and no event. */
const everyNth = (nth: number): Wanted => ({
  record: (record) => (record.at.wallMs % nth === 0 ? record : undefined),
  events: false,
});

function plantWith(wanted: Wanted, before = 0, change: Partial<UplinkBehaviour> = {}) {
  const clock = new SimulatedClock();
  const store = createStoreDouble(clock);
  const uplink = createUplinkDouble(clock, seededRandom(1), { takesTexts: true, ...change });
  const common = { clock, store, uplink, wanted, alarms: noAlarms, log: silentLogger, random: () => 0.5 };
  const forwarder = new Forwarder({ ...common, backfillRate: 100_000 });
  if (before > 0) store.commit(before, 3);
  const stop = new AbortController();
  const done = forwarder.run(stop.signal);
  return {
    ...{ clock, store, uplink, forwarder },
    commit(records: number, events = 0) {
      const { receipt, batch } = store.commit(records, events);
      forwarder.committed(receipt, batch);
    },
    async stop() {
      stop.abort();
      await clock.advance(10_000);
      await done;
    },
  };
}

const sentNumbers = (plant: ReturnType<typeof plantWith>) =>
  plant.uplink.arrivals.flatMap(({ batch }) => (batch.kind === 'event' ? [] : numbersOf(batch)));

describe('an uplink that wants a part of what there is', () => {
  it('is sent only that, live and from the backlog, each under its own number', async () => {
    const plant = plantWith(everyNth(3), 100);
    await plant.clock.advance(2000);
    plant.commit(10, 2);
    await plant.clock.advance(2000);
    const wanted = Array.from({ length: 110 }, (_, index) => index + 1).filter((seq) => seq % 3 === 0);
    expect(sentNumbers(plant).sort((a, b) => a - b)).toEqual(wanted);
    expect(plant.uplink.arrivals.some(({ batch }) => batch.kind === 'event')).toBe(false);
    await plant.stop();
  });

  it('has settled every number in the end, so that the store may let them go', async () => {
    const plant = plantWith(everyNth(2), 5000);
    await plant.clock.advance(20_000);
    plant.commit(11, 5);
    await plant.clock.advance(5000);
    expect(plant.forwarder.status()).toMatchObject({ pendingRecords: 0, pendingEvents: 0, deliveredRecords: 2505 });
    expect(plant.store.settled.get('readings')).toEqual([{ from: 5012, to: Number.POSITIVE_INFINITY }]);
    expect(plant.store.settled.get('events')).toEqual([{ from: 9, to: Number.POSITIVE_INFINITY }]);
    expect(plant.store.refusals).toEqual([]);
    await plant.stop();
  });

  it('settles what it does not want while it is not connected', async () => {
    const plant = plantWith(everyNth(1000), 0, { down: true });
    await plant.clock.advance(100);
    for (let second = 0; second < 30; second++) {
      plant.commit(100, 1);
      await plant.clock.advance(1000);
    }
    await plant.clock.advance(1000);
    const pending = plant.store.settled.get('readings')!;
    expect(pending.slice(0, -1)).toEqual([1000, 2000, 3000].map((seq) => ({ from: seq, to: seq + 1 })).slice(0, -1));
    expect(plant.store.settled.get('events')).toEqual([{ from: 31, to: Number.POSITIVE_INFINITY }]);
    plant.uplink.behaviour.down = false;
    await plant.clock.advance(20_000);
    expect(sentNumbers(plant)).toEqual([1000, 2000, 3000]);
    await plant.stop();
  });

  it('loses nothing where sends fail, and passes nothing that it wants', async () => {
    const plant = plantWith(everyNth(2), 600, { rejectShare: 0.2, dropShare: 0.02 });
    for (let second = 0; second < 20; second++) {
      plant.commit(7);
      await plant.clock.advance(1000);
    }
    plant.uplink.behaviour.rejectShare = plant.uplink.behaviour.dropShare = 0;
    await plant.clock.advance(60_000);
    const wanted = Array.from({ length: 740 }, (_, index) => index + 1).filter((seq) => seq % 2 === 0);
    expect([...new Set(sentNumbers(plant))].sort((a, b) => a - b)).toEqual(wanted);
    expect(plant.forwarder.status().pendingRecords).toBe(0);
    await plant.stop();
  });
});

describe('a selection of tags', () => {
  const record: DeviceRecord = {
    device: 'press-1',
    at: { wallMs: 1, monoMs: 1 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of([
      { name: 'oil', quality: 'good', value: 1 },
      { name: 'parts', quality: 'bad', why: 'timeout' },
    ]),
  };

  it('names tags by patterns', () => {
    const isSelected = selects({ only: ['press-1/*', 'a/b'], except: ['*/oil'] });
    expect(['press-1/parts', 'press-1/oil', 'a/b', 'a/bc', 'press-10/x'].map(isSelected)).toEqual([
      ...[true, false, true, false, false],
    ]);
  });

  it('cuts a record to them, and gives a whole one back as it is', () => {
    expect(cutTo({ only: undefined, except: [] })).toBeUndefined();
    expect(cutTo({ only: ['press-1/*'], except: [] })!(record)).toBe(record);
    expect(cutTo({ only: undefined, except: ['*/oil'] })!(record)!.fields.names).toEqual(['parts']);
    expect(cutTo({ only: ['other/*'], except: [] })!(record)).toBeUndefined();
  });
});
