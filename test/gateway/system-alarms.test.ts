/** Trouble of the gateway itself becomes events: raised once, and cleared when it is over. */
import { expect, it } from 'vitest';
import type { Driver, ReadResult, Tag } from '../../hal/driver.ts';
import type { DriverType } from '../../hal/driver-type.ts';
import { LineTap } from '../../hal/transport.ts';
import type { ChannelConfig } from '../../src/config/config.ts';
import { instantOf } from '../../src/core/clock.ts';
import type { EventBody } from '../../src/core/event.ts';
import { createAlarms } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { reasonOf } from '../../src/gateway/channel-status.ts';
import { createLines } from '../../src/gateway/lines.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createStoreDouble, createUplinkDouble, type UplinkBehaviour } from '../double/forwarding.ts';

/** Alarms, and `raised ID` or `cleared ID` for each event they became. */
function journal() {
  const events: EventBody[] = [];
  const told = () => events.map((body) => ('id' in body && 'change' in body ? `${body.change} ${body.id}` : body.kind));
  return { alarms: createAlarms((body) => events.push(body)), told };
}

/** A line whose one tag has the results that the test says. */
function lineWith(clock: SimulatedClock, result: () => Partial<ReadResult>): ChannelConfig {
  const driver: Driver = {
    concurrency: 1,
    connect: async () => {},
    plan: (tags) => [tags],
    read: async (tags) =>
      tags.map((): ReadResult => ({ at: instantOf(clock), ok: true, value: 1, ...result() }) as ReadResult),
    close: async () => {},
  };
  const type = { type: 'double', simulated: false, estimate: () => ({ requests: [] }), create: () => driver };
  const tag: Tag = { id: 'press-1/oil', device: 'press-1', name: 'oil', address: undefined };
  const unset = { unit: undefined, deadband: undefined, heartbeatMs: undefined, min: undefined, max: undefined };
  const config = { tag, everyMs: 1000, scale: 1, offset: 0, counter: false, ...unset };
  return {
    name: 'line-a',
    driver: type as unknown as DriverType,
    options: {},
    devices: [
      { name: 'press-1', profile: undefined, tags: [{ ...config, writable: undefined, description: undefined }] },
    ],
  };
}

it('a device that answers something else is not told of as silent', async () => {
  const clock = new SimulatedClock();
  const told: EventBody[] = [];
  const detail = 'an answer came with transaction 0, where 7 was asked';
  const lines = createLines({
    ...{ clock, log: silentLogger, random: seededRandom(1), simulate: false, alarms: journal().alarms },
    ...{ recorder: { tapOf: () => new LineTap(), knows() {} }, onRecord() {}, onFailed() {} },
    event: (body) => void told.push(body),
  });
  const line = lines.make(
    lineWith(clock, () => ({ ok: false, why: 'garbled', detail })),
    undefined,
  );
  lines.set([line]);
  lines.start(line);
  await clock.advance(10_000);
  expect(told).toMatchObject([{ what: 'offline', message: `press-1: ${detail}; probing it now and then` }]);
  expect(reasonOf(line.poller.trouble('press-1'))).toBe(detail);
  await lines.halt([line]);
});

it('another master on a line is an alarm until none was heard for ten minutes', async () => {
  const clock = new SimulatedClock();
  const { alarms, told } = journal();
  const tap = new LineTap();
  const lines = createLines({
    ...{ clock, log: silentLogger, random: seededRandom(1), simulate: false, alarms },
    ...{ recorder: { tapOf: () => tap, knows() {} }, onRecord() {}, event() {} },
    onFailed: (cause) => {
      throw cause;
    },
  });
  let isShared = false;
  const line = lines.make(
    lineWith(clock, () => (isShared ? { doubt: 'other-master' as const } : {})),
    undefined,
  );
  lines.set([line]);
  lines.start(line);
  await clock.advance(5000);
  expect(told()).toEqual([]);
  isShared = true;
  await clock.advance(60_000);
  expect(told()).toEqual(['raised line/line-a/other-master']);
  isShared = false;
  await clock.advance(590_000);
  expect(told()).toHaveLength(1);
  await clock.advance(15_000);
  expect(told()).toEqual(['raised line/line-a/other-master', 'cleared line/line-a/other-master']);
  const halted = lines.halt([line]);
  await clock.advance(2000);
  await halted;
});

/** A forwarder to an uplink that behaves so. */
function plant(behaviour: Partial<UplinkBehaviour>) {
  const clock = new SimulatedClock();
  const { alarms, told } = journal();
  const store = createStoreDouble(clock);
  const uplink = createUplinkDouble(clock, seededRandom(1), behaviour);
  const forwarder = new Forwarder({
    ...{ uplink, store, clock, alarms, log: silentLogger, random: () => 0.5, backfillRate: 5000 },
  });
  const stop = new AbortController();
  const done = forwarder.run(stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(10_000);
    await done;
  };
  const commit = () => {
    const { receipt, batch } = store.commit(3, 0);
    forwarder.committed(receipt, batch);
  };
  return { clock, uplink, told, end, commit };
}

it('a session taken over is an alarm until one held for ten minutes', async () => {
  const { clock, uplink, told, end } = plant({ takenOver: true });
  await clock.advance(1000);
  for (let times = 0; times < 2; times++) {
    uplink.drop();
    await clock.advance(120_000);
  }
  expect(told()).toEqual(['raised uplink/plant/takeover']);
  uplink.behaviour.takenOver = false;
  await clock.advance(700_000);
  uplink.drop();
  await clock.advance(1000);
  expect(told()).toEqual(['raised uplink/plant/takeover', 'cleared uplink/plant/takeover']);
  await end();
});

it('a stream that is refused is an alarm until it flows again', async () => {
  const { clock, uplink, told, end, commit } = plant({ refuses: () => 'not authorised' });
  for (let second = 0; second < 30; second++) {
    commit();
    await clock.advance(1000);
  }
  expect(told()).toEqual(['raised uplink/plant/refused-readings']);
  uplink.behaviour.refuses = () => undefined;
  await clock.advance(20_000);
  expect(told()).toEqual(['raised uplink/plant/refused-readings', 'cleared uplink/plant/refused-readings']);
  await end();
});
