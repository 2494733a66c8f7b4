import { readFile } from 'node:fs/promises';
import mqtt, { type IClientOptions } from 'mqtt';
import type { MqttConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { noAlarms } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { createMqttUplink, type MqttDeps } from '../../src/uplink/mqtt.ts';
import type { Uplink } from '../../src/uplink/uplink.ts';

/** An uplink for tests, to a broker on the loopback unless `url` says otherwise. */
export function uplinkTo(port: number, config: Partial<MqttConfig> = {}, deps: Partial<MqttDeps> = {}): Uplink {
  return createMqttUplink(
    {
      ...{ type: 'mqtt', name: 'plant', format: 'json', url: `mqtt://127.0.0.1:${port}`, protocolVersion: 4 },
      ...{ clientId: 'press-shop-1', topic: 'millgate/press-shop-1', topics: 'batch', compression: 'none' },
      ...{ username: undefined, password: undefined, tls: undefined },
      ...{ only: undefined, except: [], events: true, backfillRate: 5000, keepaliveMs: 30_000, ackTimeoutMs: 500 },
      ...config,
    },
    {
      ...{ clock: systemClock, log: silentLogger, gateway: 'press-shop-1', version: '0.1.0', configHash: '9b1e' },
      ...{ epoch: 'epoch', secrets: () => 'secret', readFile: (path: string) => readFile(path) },
      ...{ tags: () => [], topics: { known: [], save() {} }, alarms: noAlarms },
      ...deps,
    },
  );
}

/** What a subscriber saw. */
export interface Watched {
  readonly messages: { topic: string; payload: Buffer; retain: boolean }[];
  stop(): Promise<void>;
}

/** Subscribes to everything, as an independent client of the broker. */
export async function watch(port: number, options: IClientOptions = {}): Promise<Watched> {
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 20, ...options });
  const messages: Watched['messages'] = [];
  client.on('message', (topic, payload, { retain }) => messages.push({ topic, payload, retain }));
  await client.subscribeAsync('#', { qos: 1 });
  return { messages, stop: () => client.endAsync(true) };
}

/** Waits until `done` holds, for at most two seconds. */
export async function until(done: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`not within two seconds: ${what}`);
}
