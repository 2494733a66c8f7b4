import 'mqtt';
import { afterEach, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { type Answer, type FaultBroker, startFaultBroker } from '../double/broker-fault.ts';
import { createStoreDouble } from '../double/forwarding.ts';
import { forwarderTo, pass } from '../double/mqtt-line.ts';

const BACKLOG = 400;

let broker: FaultBroker;
afterEach(() => broker?.close());

/**
 * Ways of a broker to refuse a packet above its limit: mosquitto with `message_size_limit` answers MQTT 5 with a code that
 * the standard does not list for a PUBACK; before MQTT 5 a broker hangs up.
 */
const WAYS: readonly { what: string; version: 4 | 5; limit: number; answer: Answer }[] = [
  { what: 'PUBACK 149', version: 5, limit: 4096, answer: 149 },
  { what: 'hanging up on MQTT 5', version: 5, limit: 4096, answer: 'close' },
  { what: 'hanging up on MQTT 3.1.1', version: 4, limit: 8192, answer: 'close' },
  { what: 'hanging up above a few records', version: 4, limit: 1000, answer: 'close' },
];

it.each(WAYS)('a broker that refuses large packets by $what: live is back in seconds', async (way) => {
  const { version, limit, answer } = way;
  const clock = new SimulatedClock();
  const arrived = new Set<number>();
  let liveAtMs: number | undefined;
  broker = await startFaultBroker({
    version,
    onPublish(topic, bytes) {
      if (!topic.endsWith('/readings')) return 'properly';
      return bytes > limit ? answer : 'properly';
    },
    onMessage(topic, payload) {
      // MQTT 5 has properties besides, of less than 100 bytes.
      const bytes = 4 + topic.length + payload.length + (version === 5 ? 100 : 0);
      if (!topic.endsWith('/readings') || bytes > limit) return;
      const { seq, lane, records } = JSON.parse(payload) as { seq: number; lane: string; records: unknown[] };
      for (const index of records.keys()) arrived.add(seq + index);
      if (lane === 'live') liveAtMs ??= clock.monoMs();
    },
  });
  const store = createStoreDouble(clock);
  store.commit(BACKLOG, 0);
  const forwarder = forwarderTo(broker, store, clock, { protocolVersion: version });
  const stop = new AbortController();
  const running = forwarder.run(stop.signal);
  let committed = BACKLOG;
  for (let second = 0; second < 20; second++) {
    const { receipt, batch } = store.commit(6, 0);
    committed += 6;
    forwarder.committed(receipt, batch);
    await pass(clock, 1000);
  }
  expect(liveAtMs).toBeLessThan(5000);
  expect(forwarder.status()).toMatchObject({ state: 'connected', reason: undefined, quarantinedRecords: 0 });
  expect(forwarder.status().sessions).toBeLessThan(6);
  expect(arrived.size).toBe(committed);
  expect(forwarder.status().pendingRecords).toBe(0);
  stop.abort();
  await pass(clock, 3000);
  await running;
});
