import { afterEach, describe, expect, it } from 'vitest';
import type { MqttConfig } from '../../../src/config/config.ts';
import { type DeviceRecord, type Field, Fields } from '../../../src/core/reading.ts';
import { startAedes } from '../../double/mqtt-peers.ts';
import { uplinkTo } from '../mqtt-fixture.ts';
import { fileWith } from './preset-fixture.ts';

/** Topics and payloads that the file lays out, from the file to the broker. */

const NEVER = new AbortController().signal;
const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

const RECORD: DeviceRecord = {
  device: 'press-1',
  at: { wallMs: 1_763_899_200_123, monoMs: 0 },
  clockKnown: true,
  simulated: false,
  fields: Fields.of([
    { name: 'oil-temp', quality: 'good', value: 45.2 },
    { name: 'order', quality: 'uncertain', value: 'A"1\n', why: 'last-usable' },
    { name: 'flow', quality: 'bad', why: 'timeout' },
  ]),
};

/** What a broker gets of one record with this template. */
async function published(template: string, fields?: Field[]): Promise<[string, string][]> {
  const config = fileWith(`{type: mqtt, url: "mqtt://x", format: template, template: ${template}}`)
    .uplinks[0] as MqttConfig;
  const broker = await startAedes();
  cleanUp.push(broker.close);
  const session = await uplinkTo(broker.port, { ...config, url: `mqtt://127.0.0.1:${broker.port}` }).connect(NEVER);
  const batch = {
    kind: 'readings',
    epoch: 'e',
    seq: 7,
    lane: 'live',
    records: [fields ? { ...RECORD, fields: Fields.of(fields) } : RECORD],
  } as const;
  expect(await session.send(batch, NEVER)).toEqual({ ok: true });
  await session.close();
  return broker.published
    .filter(({ topic }) => !topic.endsWith('/status'))
    .map(({ topic, payload }) => [topic, `${payload}`]);
}

describe('a template', () => {
  it('makes a message of each value, typed as it is, and leaves bad ones out', async () => {
    const template =
      '{topic: "plant/{device}/{tag}", payload: {v: "{value}", ts: "{t}", name: "{device}.{tag}", no: 1}}';
    const all = await published(template);
    expect(all.map(([topic]) => topic)).toEqual(['plant/press-1/oil-temp', 'plant/press-1/order']);
    expect(all.map(([, payload]) => JSON.parse(payload))).toEqual([
      { v: 45.2, ts: 1_763_899_200_123, name: 'press-1.oil-temp', no: 1 },
      { v: 'A"1\n', ts: 1_763_899_200_123, name: 'press-1.order', no: 1 },
    ]);
  });

  it('takes what a value holds for one level of the topic, whatever was scanned', async () => {
    const all = await published('{topic: "scan/{value}/{unit}/{tag}", payload: "{value}"}', [
      { name: 'code', quality: 'good', value: '+A99/#1\n' },
    ]);
    expect(all).toEqual([['scan/_A99__1_//code', '+A99/#1\n']]);
  });

  it('tells of bad values where it names their quality', async () => {
    const all = await published('{topic: "q/{tag}", payload: ["{value}", "{quality}", "{why}", "{unit}"]}');
    expect(all.map(([, payload]) => JSON.parse(payload))).toEqual([
      [45.2, 'good', null, null],
      ['A"1\n', 'uncertain', 'last-usable', null],
      [null, 'bad', 'timeout', null],
    ]);
  });

  it('makes a message of each record where it names its values', async () => {
    const all = await published(
      '{topic: "r/{id}/{device}", payload: {"{device}": "{values}", bad: "{bad}", n: "{seq}"}}',
    );
    expect(all.map(([topic, payload]) => [topic, JSON.parse(payload)])).toEqual([
      ['r/press-shop-1/press-1', { 'press-1': { 'oil-temp': 45.2, order: 'A"1\n' }, bad: { flow: 'timeout' }, n: 7 }],
    ]);
  });

  it('may be a text', async () => {
    expect(await published('{topic: "t/{tag}", payload: "{device};{time};{value}"}')).toEqual([
      ['t/oil-temp', 'press-1;2025-11-23T12:00:00.123Z;45.2'],
      ['t/order', 'press-1;2025-11-23T12:00:00.123Z;A"1\n'],
    ]);
  });
});
