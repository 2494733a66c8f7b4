import { readFile } from 'node:fs/promises';
import { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { noAlarms } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createMqttUplink } from '../../src/uplink/mqtt.ts';
import { type FaultBroker, startFaultBroker } from '../double/broker-fault.ts';
import { createStoreDouble } from '../double/forwarding.ts';

/** A GPRS line: 2,000 bytes a second upwards; what is written waits in a buffer that the gateway cannot see into. */
const BYTES_PER_SECOND = 2000;
const BACKLOG = 1500;
const SECONDS = 180;

let broker: FaultBroker;
afterEach(() => broker?.close());

function slowLine(clock: SimulatedClock, carried: (bytes: number) => void): Duplex {
  let freeAtMs = 0;
  const far = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      line.push(chunk);
      done();
    },
  });
  const line = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      done();
      carried(chunk.length);
      freeAtMs = Math.max(freeAtMs, clock.monoMs()) + (chunk.length * 1000) / BYTES_PER_SECOND;
      clock.after(freeAtMs - clock.monoMs(), () => far.push(chunk));
    },
    destroy(error, done) {
      far.destroy();
      done(error);
    },
  });
  broker.accept(far);
  return line;
}

it('over a line of 2,000 B/s each record goes about once, and live ones are seconds late at most', async () => {
  const arrived = new Map<number, number>();
  const lateMs: number[] = [];
  const clock = new SimulatedClock();
  const committedMs = new Map<number, number>();
  broker = await startFaultBroker({
    version: 5,
    onMessage(topic, payload) {
      if (!topic.endsWith('/readings')) return;
      const { seq, lane, records } = JSON.parse(payload) as { seq: number; lane: string; records: unknown[] };
      for (const index of records.keys()) arrived.set(seq + index, (arrived.get(seq + index) ?? 0) + 1);
      if (lane === 'live') lateMs.push(clock.monoMs() - committedMs.get(seq)!);
    },
  });
  let bytes = 0;
  const uplink = createMqttUplink(
    {
      ...{ type: 'mqtt', name: 'plant', format: 'json', url: 'mqtt://gprs:1883', protocolVersion: 5 },
      ...{ clientId: 'g', topic: 'millgate/g', topics: 'batch', compression: 'none' },
      ...{ username: undefined, password: undefined, tls: undefined },
      ...{
        only: undefined,
        except: [],
        events: true,
        backfillRate: 5000,
        keepaliveMs: 3_600_000,
        ackTimeoutMs: 15_000,
      },
    },
    {
      ...{ clock, log: silentLogger, gateway: 'g', version: '0', configHash: '0', epoch: 'epoch' },
      ...{ secrets: () => '', readFile: (path) => readFile(path) },
      ...{ tags: () => [], topics: { known: [], save() {} }, alarms: noAlarms },
      dial: async () =>
        slowLine(clock, (count) => {
          bytes += count;
        }),
    },
  );
  const store = createStoreDouble(clock);
  store.commit(BACKLOG, 0);
  const forwarder = new Forwarder({
    ...{ uplink, store, clock, alarms: noAlarms, log: silentLogger, random: () => 0.5, backfillRate: 5000 },
  });
  const stop = new AbortController();
  const running = forwarder.run(stop.signal);
  for (let tries = 0; tries < 200 && forwarder.status().state !== 'connected'; tries++) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(20);
  }
  for (let second = 0; second < SECONDS; second++) {
    const { receipt, batch } = store.commit(3, 0);
    committedMs.set(receipt.readings.from, clock.monoMs());
    forwarder.committed(receipt, batch);
    for (let step = 0; step < 10; step++) await clock.advance(100);
  }
  expect(forwarder.status().sessions).toBe(1);
  expect(arrived.size).toBeGreaterThan(BACKLOG);
  expect([...arrived.values()].filter((times) => times > 1).length).toBeLessThan(arrived.size / 50);
  expect(Math.max(...lateMs)).toBeLessThan(8000);
  expect(bytes).toBeLessThan(BYTES_PER_SECOND * (SECONDS + 10));
  stop.abort();
  await clock.advance(10_000);
  await running;
});
