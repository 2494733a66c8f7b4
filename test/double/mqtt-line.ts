import { readFile } from 'node:fs/promises';
import { Duplex } from 'node:stream';
import type { MqttConfig } from '../../src/config/config.ts';
import { noAlarms } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createMqttUplink } from '../../src/uplink/mqtt.ts';
import type { FaultBroker } from './broker-fault.ts';
import type { StoreDouble } from './forwarding.ts';

/** A line that carries each piece after a while of the simulated clock, both ways, and tells of the end of either side. */
export function lineTo(broker: Pick<FaultBroker, 'accept'>, clock: SimulatedClock, latencyMs: number): Duplex {
  const side = (other: () => Duplex): Duplex =>
    new Duplex({
      allowHalfOpen: false,
      read() {},
      write(chunk: Buffer, _encoding, done) {
        done();
        clock.after(latencyMs, () => {
          if (!other().destroyed) other().push(chunk);
        });
      },
      final(done) {
        done();
        clock.after(latencyMs, () => {
          if (!other().destroyed) other().push(null);
        });
      },
      destroy(error, done) {
        clock.after(latencyMs, () => {
          if (!other().destroyed) other().push(null);
        });
        done(error);
      },
    });
  const near: Duplex = side(() => far);
  const far: Duplex = side(() => near);
  near.on('error', () => {});
  broker.accept(far);
  return near;
}

/** A forwarder with an MQTT uplink to a broker made of bytes, on a simulated clock. */
export function forwarderTo(
  broker: Pick<FaultBroker, 'accept'>,
  store: StoreDouble,
  clock: SimulatedClock,
  config: Partial<MqttConfig> = {},
): Forwarder {
  const uplink = createMqttUplink(
    {
      ...{ type: 'mqtt', name: 'plant', format: 'json', url: 'mqtt://broker:1883', protocolVersion: 5 },
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
      ...config,
    },
    {
      ...{ clock, log: silentLogger, gateway: 'g', version: '0', configHash: '0', epoch: 'epoch' },
      ...{ secrets: () => '', readFile: (path: string) => readFile(path) },
      ...{ tags: () => [], topics: { known: [], save() {} }, alarms: noAlarms },
      dial: async () => lineTo(broker, clock, 5),
    },
  );
  return new Forwarder({
    ...{ uplink, store, clock, alarms: noAlarms, log: silentLogger, random: () => 0.5, backfillRate: 5000 },
  });
}

/** Lets simulated time pass in small steps, with the work of real promises and streams between them. */
export async function pass(clock: SimulatedClock, ms: number, stepMs = 20): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
