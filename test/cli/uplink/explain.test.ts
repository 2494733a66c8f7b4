import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../../double/command-line.ts';

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
    expect(said.example.bytes).toBeLessThan(130);
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
});
