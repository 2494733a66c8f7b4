import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { estimate } from '../../../src/cli/uplink/estimate.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { noAlarms } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { cutTo, type DeviceRecord, Fields } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { Forwarder } from '../../../src/uplink/forwarder.ts';
import { startCloudBroker } from '../../double/cloud-brokers.ts';
import { millgate, temporaryFolder } from '../../double/command-line.ts';
import { createStoreDouble } from '../../double/forwarding.ts';
import { uplinkTo } from '../../uplink/mqtt-fixture.ts';
import { fileWith, turns } from '../../uplink/presets/preset-fixture.ts';

const FILE = `
gateway: {id: press-shop-1}
channels: {sim: {driver: mock}}
devices:
  oven: {channel: sim, every: 500ms, tags: {temp: {address: 1}, power: {address: 2}}}
  press: {channel: sim, every: 1s, tags: {oil: {address: 3}}}
store: {commitEvery: 2s}
`;
const AWS = '{preset: aws-iot, endpoint: a.iot.eu-west-1.amazonaws.com, only: [oven/*], tls: {cert: /c, key: /k}}';

async function explain(args: readonly string[], uplinks: string) {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'millgate.yaml'), `${FILE}\nuplinks:\n${uplinks}\n`);
  const run = millgate(['uplink', ...args], { cwd, env: { MILLGATE_CONFIG: 'millgate.yaml' } });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('uplink explain', () => {
  it('says what is sent, what it costs, what the limits are, and what to paste', async () => {
    const { exitCode, out } = await explain(['explain', 'cloud', '--json'], `  cloud: ${AWS}`);
    expect(exitCode).toBe(EXIT.ok);
    const said = JSON.parse(out);
    expect(said.places).toEqual(['millgate/press-shop-1/readings']);
    expect(JSON.parse(said.example.payload)).toMatchObject({ schema: 'millgate/readings/1', gateway: 'press-shop-1' });
    expect(said.billed).toMatchObject({ unit: 'messages of 5 KB', perMonth: said.messagesPerMonth });
    expect(said.limits).toContainEqual({ what: 'messages a second', limit: 100, here: expect.any(Number) });
    expect(said.paste[0].text).toContain('iot:RetainPublish');
  });

  it('gives the table for Postgres, with what tells records apart as its key', async () => {
    const { out } = await explain(['explain'], '  plant: {type: mqtt, url: "mqtt://broker"}');
    expect(out).toContain('PRIMARY KEY (gateway, epoch, seq, time)');
    expect(out).toContain('ON CONFLICT DO NOTHING');
  });

  it('shows an edge node of Sparkplug with a message decoded, and what the broker has to allow', async () => {
    const uplink = '  spb: {type: mqtt, url: "mqtt://broker", format: sparkplug, group: leeds, primaryHost: scada}';
    const { out } = await explain(['explain', '--json'], uplink);
    const said = JSON.parse(out);
    expect(said.places).toEqual(['spBv1.0/leeds/DDATA/press-shop-1/oven', 'spBv1.0/leeds/DDATA/press-shop-1/press']);
    expect(JSON.parse(said.example.payload).metrics).toMatchObject([{ value: { as: 'double' } }, {}]);
    expect(said.example.bytes).toBeLessThan(100);
    expect(said.messagesPerMonth).toBe(3 * 86_400 * 30);
    expect(said.paste[0].text).toContain('spBv1.0/STATE/scada');
  });

  it('shows what a template of the file makes', async () => {
    const template = '{topic: "plant/{device}/{tag}", payload: {v: "{value}"}}';
    const { out } = await explain(
      ['explain', '--json'],
      `  t: {type: mqtt, url: "mqtt://b", format: template, template: ${template}}`,
    );
    const said = JSON.parse(out);
    expect(said.places).toEqual(['plant/oven/temp', 'plant/oven/power', 'plant/press/oil']);
    expect(JSON.parse(said.example.payload)).toEqual({ v: expect.any(Number) });
    expect(said.messagesPerMonth).toBe(5 * 86_400 * 30);
  });

  it('asks which uplink is meant', async () => {
    const uplinks = '  plant: {type: mqtt, url: "mqtt://broker"}\n  other: {type: http, url: "http://mes"}';
    const { exitCode, err } = await explain(['explain', 'plat'], uplinks);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toContain('Did you mean plant?');
  });

  it('counts within five in a hundred of what an emulated AWS IoT Core is sent', async () => {
    const file = fileWith(AWS, FILE);
    const [uplink] = file.uplinks;
    if (uplink?.type !== 'mqtt') throw new Error('not an MQTT uplink');
    const clock = new SimulatedClock();
    const broker = await startCloudBroker('aws-iot', clock);
    const config = { ...uplink, url: `mqtt://127.0.0.1:${broker.port}`, tls: undefined, ackTimeoutMs: 3_000_000 };
    const store = { ...createStoreDouble(clock), epoch: '0f6c2d1e-5f0a-4a53-9d7e-3f1f0c2b8a10' };
    const common = { clock, store, alarms: noAlarms, log: silentLogger, random: () => 0.5, backfillRate: 5000 };
    const forwarder = new Forwarder({
      ...common,
      uplink: uplinkTo(broker.port, config, { clock, configHash: file.hash }),
      wanted: { record: cutTo(uplink), events: true },
    });
    const stop = new AbortController();
    const done = forwarder.run(stop.signal);
    await turns(40);
    // The first commits find out how large a message may be.
    for (let commit = 0; commit < 35; commit++) {
      const atMs = commit * 2000;
      const of = (device: string, ms: number, names: readonly string[]): DeviceRecord => ({
        ...{ device, clockKnown: true, simulated: false, at: { wallMs: clock.wallMs() + ms, monoMs: atMs + ms } },
        fields: Fields.of(names.map((name) => ({ name, quality: 'good', value: 231.4 }))),
      });
      const oven = (ms: number) => of('oven', ms, ['temp', 'power']);
      const press = (ms: number) => of('press', ms, ['oil']);
      const records = [oven(0), press(0), oven(500), oven(1000), press(1000), oven(1500)];
      const { receipt, batch } = store.commit(records.length, 0);
      forwarder.committed(receipt, { ...batch, records });
      await clock.advance(2000);
      await turns(30);
    }
    const sent = broker.published.filter(({ topic }) => topic.endsWith('/readings')).slice(5 * 3, 35 * 3);
    const said = estimate(file, uplink, clock);
    const bytes = sent.reduce((sum, { payload }) => sum + payload.length, 0);
    const saidBytes = said.payloadBytes.reduce((sum, one) => sum + one, 0);
    expect(sent.length / said.payloadBytes.length).toBeCloseTo(1, 1);
    expect(Math.abs(bytes / saidBytes - 1)).toBeLessThan(0.05);
    stop.abort();
    await clock.advance(10_000);
    await done;
    await broker.close();
  });
});
