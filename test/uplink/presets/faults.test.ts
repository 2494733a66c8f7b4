/** An hour of faults for each product, simulated: nothing is lost, and whatever comes twice is recognisable. */
import { afterEach, describe, expect, it } from 'vitest';
import { noAlarms } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { Forwarder } from '../../../src/uplink/forwarder.ts';
import type { Uplink } from '../../../src/uplink/uplink.ts';
import { type CloudBroker, DEVICE_KEY, startCloudBroker } from '../../double/cloud-brokers.ts';
import { createStoreDouble, type StoreDouble } from '../../double/forwarding.ts';
import { type HttpTargetDouble, type Posted, type Reply, startHttpTarget } from '../../double/http-target.ts';
import { httpUplink } from '../http/http-fixture.ts';
import { uplinkTo } from '../mqtt-fixture.ts';
import { presetOn, turns } from './preset-fixture.ts';

/** Steps of the hour; MILLGATE_FAULT_STEPS takes more of them. */
const STEPS = Number(process.env.MILLGATE_FAULT_STEPS ?? 60);
const STEP_MS = 3_600_000 / STEPS;
const RECORDS = 10;

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

/** An hour with a commit every step; then, without faults, until all is delivered. */
async function anHour(clock: SimulatedClock, uplink: Uplink, calm: () => void): Promise<StoreDouble> {
  const store = createStoreDouble(clock);
  const common = { clock, store, uplink, alarms: noAlarms, log: silentLogger, random: seededRandom(3) };
  const forwarder = new Forwarder({ ...common, backfillRate: 5000 });
  const stop = new AbortController();
  const done = forwarder.run(stop.signal);
  const step = async (): Promise<void> => {
    for (let part = 0; part < 6; part++) {
      await clock.advance(STEP_MS / 6);
      await turns(15);
    }
  };
  await turns(20);
  for (let count = 0; count < STEPS; count++) {
    const { receipt, batch } = store.commit(RECORDS, count % 10 === 0 ? 1 : 0);
    forwarder.committed(receipt, batch);
    await step();
  }
  calm();
  for (let tries = 0; tries < 60 && forwarder.status().pendingRecords > 0; tries++) await step();
  expect(forwarder.status()).toMatchObject({ pendingRecords: 0, pendingEvents: 0, quarantinedRecords: 0 });
  stop.abort();
  await step();
  await done;
  return store;
}

/** Every key once, and under each key one content only. */
function expectAll(rows: readonly (readonly [key: number, content: string])[]): void {
  const byKey = new Map<number, string>();
  for (const [key, content] of rows) {
    if (byKey.has(key)) expect(content).toBe(byKey.get(key));
    byKey.set(key, content);
  }
  expect([...byKey.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: STEPS * RECORDS }, (_, i) => i + 1));
}

function wireRows(text: string): [number, string][] {
  const { seq, records } = JSON.parse(text) as { seq: number; records?: unknown[] };
  return (records ?? []).map((record, index) => [seq + index, JSON.stringify(record)]);
}

const cuts =
  (random: Random): Parameters<CloudBroker['fault']>[0] =>
  () => {
    const fate = random();
    if (fate < 0.03) return 'cut-before';
    return fate < 0.06 ? 'cut-after' : 'none';
  };

describe('an hour of a broker that hangs up now and then', () => {
  it.each([
    ['aws-iot', '{preset: aws-iot, endpoint: a.example, tls: {cert: /c, key: /k}}'],
    ['azure-iot-hub', '{preset: azure-iot-hub, hub: acme.azure-devices.net, key: {env: K}}'],
    ['thingsboard', '{preset: thingsboard, url: "mqtt://tb.example", token: {env: T}}'],
  ] as const)('%s', async (product, text) => {
    const clock = new SimulatedClock();
    const broker = await startCloudBroker(product, clock);
    cleanUp.push(() => broker.close());
    const { config, tagConfigs } = presetOn(broker.port, text);
    const secrets = () => (product === 'azure-iot-hub' ? DEVICE_KEY : 'secret');
    const uplink = uplinkTo(broker.port, { ...config, ackTimeoutMs: 3_000_000 }, { clock, tagConfigs, secrets });
    broker.fault(cuts(seededRandom(5)));
    await anHour(clock, uplink, () => broker.fault(() => 'none'));
    expect(broker.broken).toEqual([]);
    expect(broker.connects()).toBeGreaterThan(3);
    if (product === 'thingsboard') {
      const telemetry = broker.published.filter(({ topic }) => topic === 'v1/gateway/telemetry');
      const rows = telemetry.flatMap(({ payload }) => JSON.parse(`${payload}`).oven as { ts: number }[]);
      expectAll(rows.map((row) => [row.ts, JSON.stringify(row)]));
    } else {
      const readings = broker.published.filter(({ topic }) => /readings$/.test(topic));
      expectAll(readings.flatMap(({ payload }) => wireRows(`${payload}`)));
    }
  });
});

describe('an hour of a server that answers in every way', () => {
  const taken: Posted[] = [];
  const replyOf =
    (random: Random, good: Reply, odd: Reply) =>
    (posted: Posted): Reply => {
      const fate = random();
      if (fate < 0.04) return { status: 429, headers: { 'retry-after': '20' } };
      if (fate < 0.06) return { status: 503 };
      if (fate < 0.08) return { status: 500, body: '<h1>broken</h1>' };
      if (fate < 0.1) return odd;
      if (fate < 0.12) return 'cut';
      taken.push(posted);
      // Taken, and nobody is told.
      return fate < 0.14 ? 'cut' : good;
    };
  const takes =
    (reply: Reply) =>
    (posted: Posted): Reply => {
      taken.push(posted);
      return reply;
    };
  const start = async (good: Reply, odd: Reply): Promise<HttpTargetDouble> => {
    taken.length = 0;
    const target = await startHttpTarget();
    cleanUp.push(() => target.close());
    target.answer(replyOf(seededRandom(7), good, odd));
    return target;
  };

  it('JSON', async () => {
    const clock = new SimulatedClock();
    const target = await start({ status: 202 }, { status: 504 });
    const uplink = httpUplink(target.port, { ackTimeoutMs: 3_000_000 }, { clock, random: seededRandom(9) });
    await anHour(clock, uplink, () => target.answer(takes({ status: 200 })));
    expectAll(taken.flatMap(({ body }) => wireRows(body)));
  });

  it('InfluxDB', async () => {
    const clock = new SimulatedClock();
    const target = await start({ status: 204 }, { status: 408 });
    const change = {
      url: `http://127.0.0.1:${target.port}`,
      target: { kind: 'influxdb', version: 1, database: 'd' },
    } as const;
    const uplink = httpUplink(target.port, { ...change, ackTimeoutMs: 3_000_000 }, { clock, random: seededRandom(9) });
    await anHour(clock, uplink, () => target.answer(takes({ status: 204 })));
    const lines = taken.filter(({ path }) => path.includes('precision=ms')).flatMap(({ body }) => body.split('\n'));
    expectAll(lines.map((line) => [Number(line.split(' ').at(-1)), line]));
  });

  it('Kafka REST', async () => {
    const clock = new SimulatedClock();
    const ok = { status: 200, body: '{"offsets":[{"partition":0,"offset":1,"error_code":null,"error":null}]}' };
    const target = await start(ok, { status: 200, body: '{"offsets":[{"error_code":2,"error":"not the leader"}]}' });
    const change = { url: `http://127.0.0.1:${target.port}`, target: { kind: 'kafka-rest', topic: 't' } } as const;
    const uplink = httpUplink(target.port, { ...change, ackTimeoutMs: 3_000_000 }, { clock, random: seededRandom(9) });
    await anHour(clock, uplink, () => target.answer(takes(ok)));
    const values = taken.flatMap(
      ({ body }) => JSON.parse(body).records as { value: { seq: number; device?: string } }[],
    );
    expectAll(
      values
        .filter(({ value }) => value.device !== undefined)
        .map(({ value }) => {
          const { lane: _lane, ...content } = value as typeof value & { lane: string };
          return [value.seq, JSON.stringify(content)];
        }),
    );
  });
});
