import { afterEach, describe, expect, it } from 'vitest';
import { tagsOf } from '../../../src/config/config.ts';
import { Fields } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { discoveryOf } from '../../../src/uplink/presets/home-assistant.ts';
import type { OutgoingBatch } from '../../../src/uplink/uplink.ts';
import { batchOf } from '../../contract/uplink.ts';
import { DEVICE_KEY, startCloudBroker } from '../../double/cloud-brokers.ts';
import { Hour, mqttPeer } from '../../double/preset-peers.ts';
import { until, uplinkTo } from '../mqtt-fixture.ts';
import { fileWith, presetOn, turns } from './preset-fixture.ts';

const NEVER = new AbortController().signal;
const HUB = '{preset: azure-iot-hub, hub: acme.azure-devices.net, key: {env: K}}';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

async function connectTo(product: Parameters<typeof startCloudBroker>[0], text: string, clock = new SimulatedClock()) {
  const broker = await startCloudBroker(product, clock);
  cleanUp.push(() => broker.close());
  const { config, tagConfigs } = presetOn(broker.port, text);
  const secrets = () => (product === 'azure-iot-hub' ? DEVICE_KEY : 'secret');
  const memory: { known: string[] } = { known: [] };
  const topics = { known: memory.known, save: (list: readonly string[]) => void memory.known.push(...list) };
  const tags = () => tagConfigs().map(({ tag }) => tag.id);
  const uplink = uplinkTo(
    broker.port,
    { ...config, ackTimeoutMs: 3_000_000 },
    { clock, tagConfigs, tags, topics, secrets },
  );
  return { broker, clock, uplink, config };
}

describe('AWS IoT Core', () => {
  it('is asked for a connection no more than once a second, however soon the last one ended', async () => {
    const clock = new SimulatedClock();
    const peer = mqttPeer('aws-iot', clock, new Hour(clock, 3_600_000, () => 0, [[0, 1, 'refusing']]));
    const { config } = presetOn(
      8883,
      '{preset: aws-iot, endpoint: a.iot.eu-west-1.amazonaws.com, tls: {cert: c, key: k}}',
    );
    const uplink = uplinkTo(8883, config, { clock, dial: peer.dial });
    let refused = 0;
    const tries = async () => {
      for (let attempt = 0; attempt < 5; attempt++)
        await uplink.connect(NEVER).catch(() => {
          refused++;
        });
    };
    void tries();
    for (let step = 0; step < 600 && refused < 5; step++) {
      await clock.advance(10);
      await turns(4);
    }
    expect([refused, peer.broken]).toEqual([5, []]);
  });
});

describe('Azure IoT Hub', () => {
  it('is sent messages under the topic of the device, with what they are in its property bag', async () => {
    const { broker, uplink } = await connectTo('azure-iot-hub', HUB);
    const session = await uplink.connect(NEVER);
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    expect(broker.published[0]!.topic).toBe(
      'devices/press-shop-1/messages/events/$.ct=application%2Fjson&$.ce=utf-8&kind=readings',
    );
    expect(broker.broken).toEqual([]);
    await session.close();
  });

  it('makes the session anew before its password ends', async () => {
    const { broker, clock, uplink } = await connectTo('azure-iot-hub', HUB);
    const session = await uplink.connect(NEVER);
    let end: unknown;
    void session.ended.then((reason) => {
      end = reason;
    });
    for (let minute = 0; minute < 50 && !end; minute++) {
      await clock.advance(60_000);
      await turns(20);
    }
    expect(end).toMatchObject({ isPlanned: true });
    expect(clock.monoMs()).toBeGreaterThan(2_400_000);
    expect(broker.broken).toEqual([]);
  });

  it('names a wrong clock as what may be the cause of a refusal', async () => {
    const { clock, uplink, broker } = await connectTo('azure-iot-hub', HUB);
    const late = new SimulatedClock(clock.wallMs() - 86_400_000);
    const { config } = presetOn(broker.port, HUB);
    const wrong = uplinkTo(broker.port, config, { clock: late, secrets: () => DEVICE_KEY });
    const refused = wrong.connect(NEVER);
    await expect(refused).rejects.toThrow(/shows 2025-11-23T06:00.* a wrong clock is refused like a wrong key/);
    await (await uplink.connect(NEVER)).close();
  });
});

describe('ThingsBoard', () => {
  it('is told of each device, and sent the telemetry of all in one message', async () => {
    const { broker, uplink } = await connectTo(
      'thingsboard',
      '{preset: thingsboard, url: "mqtt://tb", token: {env: T}}',
    );
    const session = await uplink.connect(NEVER);
    await session.send(batchOf(1), NEVER);
    await until(() => broker.published.length === 2, 'both are there');
    expect(broker.published.map(({ topic, payload }) => [topic, JSON.parse(`${payload}`)])).toEqual([
      ['v1/gateway/connect', { device: 'oven' }],
      ['v1/gateway/telemetry', { oven: [{ ts: 1763899200001, values: { temp: 1 } }] }],
    ]);
    await session.close();
    const last = broker.published.at(-1)!;
    expect([last.topic, JSON.parse(`${last.payload}`)]).toEqual(['v1/gateway/disconnect', { device: 'oven' }]);
  });
});

describe('Home Assistant', () => {
  const HOME = '{preset: home-assistant, url: "mqtt://ha.local"}';
  const reading = (): OutgoingBatch => {
    const batch = batchOf(1) as Extract<OutgoingBatch, { kind: 'readings' }>;
    return {
      ...batch,
      records: [{ ...batch.records[0]!, fields: Fields.of([{ name: 'f0', quality: 'good', value: 21 }]) }],
    };
  };

  it('finds the tags by one retained message a device, again when it says that it is there again', async () => {
    const { broker, uplink } = await connectTo('home-assistant', HOME);
    const session = await uplink.connect(NEVER);
    await session.send(reading(), NEVER);
    const discovery = () => broker.published.filter(({ topic }) => topic.startsWith('homeassistant/device/'));
    await until(() => discovery().length === 1, 'the device is told of');
    expect(discovery()[0]).toMatchObject({ topic: 'homeassistant/device/press-shop-1_oven/config', retain: true });
    const { cmps, avty } = JSON.parse(`${discovery()[0]!.payload}`);
    expect(cmps.f0).toMatchObject({
      p: 'sensor',
      unit_of_measurement: '°C',
      state_class: 'measurement',
      expire_after: 60,
    });
    expect(cmps.parts).toMatchObject({ state_class: 'total_increasing', expire_after: 300 });
    expect(cmps.f0.state_topic).toBe('millgate/press-shop-1/oven/f0');
    expect(avty[0].t).toBe('millgate/press-shop-1/status');
    const values = () => broker.published.filter(({ topic }) => topic === cmps.f0.state_topic);
    await until(() => values().length === 1, 'the value is there');
    expect(values()[0]).toMatchObject({ retain: true });
    await turns(20);
    await broker.say('homeassistant/status', 'online');
    await until(() => discovery().length === 2 && values().length === 2, 'all is said again');
    await session.close();
  });

  it('takes away the entity of a tag that is no more', () => {
    const tags = tagsOf(fileWith(HOME));
    const about = { gateway: 'gw', root: 'root', discovery: 'ha' };
    const [message] = discoveryOf(tags, new Set(['root/oven/old', 'root/oven/f0', 'root/other/x']), about);
    const { cmps } = JSON.parse(message!.payload);
    expect(Object.keys(cmps)).toEqual(['f0', 'parts', 'old']);
    expect(cmps.old).toEqual({ p: 'sensor' });
  });
});
