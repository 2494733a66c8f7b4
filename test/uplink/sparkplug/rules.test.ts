/** The rules of Sparkplug 3.0 for an edge node, each by the ids that the standard has for it, on what was really published. */
import type { IConnectPacket, IDisconnectPacket, ISubscribePacket } from 'mqtt-packet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DRIVERS } from '../../../hal/registry.ts';
import { diskFilesFrom } from '../../../src/config/file/disk-files.ts';
import { withText } from '../../../src/config/file/files.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type DeviceRecord, Fields } from '../../../src/core/reading.ts';
import { CommittedValues } from '../../../src/uplink/sparkplug/committed-values.ts';
import { decodePayload, PayloadEncoder, TYPE } from '../../../src/uplink/sparkplug/payload.ts';
import type { OutgoingBatch, UplinkSession } from '../../../src/uplink/uplink.ts';
import { readOracle } from '../../double/oracle.ts';
import { metricOf, type Said, SparkplugBroker } from '../../double/sparkplug-broker.ts';
import { until } from '../mqtt-fixture.ts';
import { committing, edgeNode, memory, NEVER, recordOf, T0, tagOf } from './edge-fixture.ts';

const { rules } = readOracle('sparkplug/rules.json') as { rules: Record<string, string[]> };
const TAGS = [
  tagOf('oven/temp', { unit: '°C', min: -20, max: 250, description: 'Upper zone' }),
  tagOf('oven/on', { form: 'bool', labels: { 0: 'off', 1: 'on' } }),
  tagOf('oven/order', { form: 'text' }),
  tagOf('oven/setpoint', { writable: { min: 0, max: 200, perMinute: undefined } }),
  tagOf('pump/total'),
];
const WRITABLE = new Set(['oven/setpoint']);

/** A test that has the number and every id of a rule in its name. */
function rule(number: number, check: () => void | Promise<void>): void {
  it(`${number}: ${rules[String(number)]!.join(' ')}`, check);
}

/** Commands are JSON in no way: a host's bytes. */
function command(name: string, value: boolean | number): Buffer {
  const wire = typeof value === 'boolean' ? ({ as: 'boolean', value } as const) : ({ as: 'double', value } as const);
  return new PayloadEncoder().encode({
    timestampMs: Date.now(),
    metrics: [{ name, timestampMs: Date.now(), value: wire }],
  });
}

function eventBatch(seq: number): OutgoingBatch {
  const event = {
    wallMs: T0 + seq,
    monoMs: seq,
    clockKnown: true,
    body: { kind: 'audit', what: 'w', message: 'm' },
  } as const;
  return { kind: 'event', epoch: 'epoch', seq, event };
}

const isData = ({ type }: Said) => type === 'NDATA' || type === 'DDATA';
const isBirth = ({ type }: Said) => type === 'NBIRTH' || type === 'DBIRTH';

describe('an edge node keeps rule', () => {
  const broker = new SparkplugBroker();
  const births = memory();
  const written: [string, unknown][] = [];
  /** Every message of the first connection, and those of a second over MQTT 5. */
  let first: Said[];
  let second: Said[];
  let early: Said[];
  let beforeRebirth = 0;
  let seenWhileOlder: Said[];

  const live = async (session: UplinkSession, commit: ReturnType<typeof committing>, ...records: DeviceRecord[]) => {
    expect(await session.send(commit(records), NEVER)).toEqual({ ok: true });
  };

  beforeAll(async () => {
    const port = await broker.listen();
    const committed = new CommittedValues();
    const commit = committing(committed);
    const commands = {
      writable: () => WRITABLE,
      write: async (tag: string, value: unknown) => void written.push([tag, value]),
      event() {},
    };
    const deps = { committed, births, commands, tagConfigs: () => TAGS };
    const uplink = edgeNode(port, { primaryHost: 'scada-1' }, deps, { ackTimeoutMs: 15_000 });
    const old = commit(
      [
        recordOf('oven', { temp: 180, on: true, order: 'A100', setpoint: 5 }, 1000),
        recordOf('pump', { total: 2n ** 60n }, 1000),
      ],
      'backfill',
    );

    const connecting = uplink.connect(NEVER);
    await until(() => broker.packets('subscribe').length > 1, 'it listens for the host');
    broker.state('another', true, 1000);
    broker.state('scada-1', false, 1000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    early = broker.of(1);
    broker.state('scada-1', true, 2000);
    const session = await connecting;
    await session.send(old, NEVER);
    await live(session, commit, recordOf('oven', { temp: 181 }, 2000), recordOf('oven', { temp: 182 }, 3000));
    // Two records that the clock was set back between.
    await live(session, commit, recordOf('oven', { temp: 183 }, 5000), {
      ...recordOf('oven', { temp: 184 }, 6000),
      at: { wallMs: T0 + 10, monoMs: 6000 },
    });
    const doubtful = { name: 'temp', quality: 'uncertain', value: 260, why: 'out-of-range' } as const;
    const bad = { name: 'on', quality: 'bad', why: 'timeout' } as const;
    await live(session, commit, { ...recordOf('oven', {}, 7000), fields: Fields.of([doubtful, bad]) });
    await live(session, commit, recordOf('oven', { temp: 185, on: false }, 8000));
    await live(session, commit, recordOf('pump', { total: undefined }, 9000));
    await session.send(eventBatch(1), NEVER);
    await live(session, commit, recordOf('pump', { total: 2n ** 60n + 1n }, 10_000));
    await live(session, commit, recordOf('pump', { total: 2n ** 60n + 2n }, 11_000));
    for (let n = 0; n < 260; n++)
      session.send(commit([recordOf('oven', { temp: n }, 12_000 + n)]), NEVER).catch(() => {});
    await live(session, commit, recordOf('oven', { temp: 190 }, 13_000));
    broker.publish('spBv1.0/leeds/DCMD/press-shop-1/oven', command('setpoint', 42));
    beforeRebirth = broker.of(1).length;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    broker.publish('spBv1.0/leeds/NCMD/press-shop-1', command('Node Control/Rebirth', true));
    await until(() => broker.of(1).filter(({ type }) => type === 'NBIRTH').length === 2, 'it is born again');
    await live(session, commit, recordOf('oven', { temp: 191 }, 14_000));
    broker.state('scada-1', false, 1999);
    await live(session, commit, recordOf('oven', { temp: 192 }, 15_000));
    seenWhileOlder = broker.of(1);
    broker.state('scada-1', false, 2000);
    expect(await session.ended).toMatchObject({ isPlanned: true });
    first = broker.of(1);

    const again = await edgeNode(port, {}, deps, { protocolVersion: 5, ackTimeoutMs: 15_000 }).connect(NEVER);
    await live(again, commit, recordOf('oven', { temp: 200 }, 16_000));
    await again.close();
    second = broker.of(2);
  });
  afterAll(() => broker.close());

  const connects = () => broker.packets('connect') as IConnectPacket[];
  const only = (said: Said[], type: string) => said.filter((one) => one.type === type);
  const willOf = (connect: IConnectPacket) => decodePayload(Buffer.from(connect.will!.payload));
  const bdSeqOf = (said: Pick<Said, 'metrics'>) => metricOf(said, 'bdSeq')?.value?.value;

  rule(1, () => {
    expect(connects().map(({ protocolVersion, clean }) => [protocolVersion, clean])).toEqual([
      [4, true],
      [5, true],
    ]);
    expect(connects()[1]!.properties?.sessionExpiryInterval).toBe(0);
  });

  rule(2, () => {
    for (const { will } of connects())
      expect(will).toMatchObject({ topic: 'spBv1.0/leeds/NDEATH/press-shop-1', qos: 1, retain: false });
  });

  rule(3, () => {
    for (const death of [...connects().map(willOf), ...only(first, 'NDEATH'), ...only(second, 'NDEATH')]) {
      expect(death.metrics).toHaveLength(1);
      expect(death.metrics[0]).toMatchObject({ name: 'bdSeq', datatype: 4, value: { as: 'long' } });
      expect(death.seq).toBeUndefined();
    }
  });

  rule(4, async () => {
    const counted = new SparkplugBroker();
    const port = await counted.listen();
    // All 258 of them take seconds: in CI, those at the beginning and about the end of the numbers.
    const from = process.env.MILLGATE_SPARKPLUG_RUNS === undefined ? 252 : 3;
    let memoryOfIt = memory();
    const expected = [0, 1, 2, ...Array.from({ length: 258 - from }, (_, index) => (from + index) % 256)];
    for (const number of expected) {
      if (number === from) memoryOfIt = memory(from - 1);
      // A new process each time: all that it knows is what was kept.
      const session = await edgeNode(port, {}, { births: memoryOfIt }).connect(NEVER);
      await session.close();
    }
    const numbers = (counted.packets('connect') as IConnectPacket[]).map((connect) => Number(bdSeqOf(willOf(connect))));
    expect(numbers).toEqual(expected);
    await counted.close();
  });

  rule(5, () => {
    const wills = connects().map((connect) => bdSeqOf(willOf(connect)));
    expect(only(first, 'NBIRTH').map(bdSeqOf)).toEqual([wills[0], wills[0]]);
    expect(only(second, 'NBIRTH').map(bdSeqOf)).toEqual([wills[1]]);
    expect(only(first, 'NDEATH').map(bdSeqOf)).toEqual([wills[0]]);
  });

  rule(6, () => {
    const asked = (broker.packets('subscribe', 1) as ISubscribePacket[]).flatMap(({ subscriptions }) => subscriptions);
    expect(asked.map(({ topic, qos }) => [topic, qos])).toEqual([
      ['spBv1.0/leeds/NCMD/press-shop-1', 1],
      ['spBv1.0/leeds/DCMD/press-shop-1/oven', 1],
      ['spBv1.0/STATE/scada-1', 1],
    ]);
  });

  rule(7, () => {
    expect([first[0]!.type, second[0]!.type]).toEqual(['NBIRTH', 'NBIRTH']);
  });

  const problemsWith = (keys: string): string[] => {
    const text = `gateway: {id: gate}\nchannels: {sim: {driver: mock}}\ndevices: {oven: {channel: sim, tags: {temp: {address: "constant(value=1)"}}}}\nuplinks:\n${keys}\n`;
    const files = withText(diskFilesFrom('/'), 'millgate.yaml', text);
    const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate', timezone: 'UTC', files });
    return loaded.ok ? [] : loaded.problems.map(({ path }) => path);
  };
  const uplinkWith = (name: string, more: string) =>
    `  ${name}: {type: mqtt, url: "mqtt://${name}", format: sparkplug, ${more}}`;

  rule(8, () => {
    for (const id of ['a/b', 'a+', '#'])
      expect(problemsWith(uplinkWith('spb', `group: "${id}", node: "${id}"`))).toEqual([
        'uplinks.spb.group',
        'uplinks.spb.node',
      ]);
    expect(problemsWith(uplinkWith('spb', 'group: Wörth, node: Presse 1'))).toEqual([]);
  });

  rule(9, () => {
    expect(problemsWith(`${uplinkWith('a', 'group: leeds')}\n${uplinkWith('b', 'group: leeds')}`)).toEqual([
      'uplinks.b.group',
    ]);
    expect(
      problemsWith(`${uplinkWith('a', 'group: leeds')}\n${uplinkWith('b', 'group: leeds, node: gate-2')}`),
    ).toEqual([]);
  });

  rule(10, () => {
    // Names of devices and tags have small letters only; two nodes that differ by capitals are refused.
    expect(problemsWith(`${uplinkWith('a', 'group: leeds')}\n${uplinkWith('b', 'group: Leeds, node: Gate')}`)).toEqual([
      'uplinks.b.node',
    ]);
  });

  rule(11, () => {
    for (const { type, device, topic } of [...first, ...second])
      expect(topic).toBe(`spBv1.0/leeds/${type}/press-shop-1${type.startsWith('D') ? `/${device}` : ''}`);
    expect(new Set(first.map(({ device }) => device))).toEqual(new Set([undefined, 'oven', 'pump']));
  });

  rule(12, () => {
    for (const { packet, timestampMs } of only(first, 'NBIRTH')) {
      expect(packet).toMatchObject({ qos: 0, retain: false });
      expect(Math.abs(timestampMs! - Date.now())).toBeLessThan(60_000);
    }
  });

  rule(13, () => {
    expect([...only(first, 'NBIRTH'), ...only(second, 'NBIRTH')].map(({ seq }) => seq)).toEqual([0, 0, 0]);
  });

  rule(14, () => {
    const [birth] = only(first, 'NBIRTH');
    const born = new Set(birth!.metrics.map(({ alias }) => alias));
    for (const { metrics } of only(first, 'NDATA')) for (const { alias } of metrics) expect(born).toContain(alias);
    for (const { name, datatype, isNull, value } of birth!.metrics) {
      expect(name).toBeDefined();
      expect(datatype).toBeDefined();
      expect(isNull === true).toBe(value === undefined);
    }
  });

  rule(15, () => {
    for (const birth of only(first, 'NBIRTH')) {
      const rebirth = metricOf(birth, 'Node Control/Rebirth');
      expect(rebirth).toMatchObject({ datatype: 11, value: { as: 'boolean', value: false } });
      expect(rebirth).not.toHaveProperty('alias');
    }
  });

  rule(16, () => {
    const types = first.map(({ type, device }) => `${type} ${device ?? ''}`.trim());
    expect(types.slice(0, 4)).toEqual(['NBIRTH', 'DBIRTH oven', 'DBIRTH pump', 'DDATA oven']);
    for (const { packet, timestampMs, metrics } of only(first, 'DBIRTH')) {
      expect(packet).toMatchObject({ qos: 0, retain: false });
      expect(timestampMs).toBeDefined();
      for (const { name, datatype, isNull, value } of metrics) {
        expect([name, datatype]).not.toContain(undefined);
        expect(isNull === true).toBe(value === undefined);
      }
    }
    expect(
      only(first, 'DBIRTH')
        .find(({ device }) => device === 'oven')!
        .metrics.map(({ name }) => name),
    ).toEqual(['temp', 'on', 'order', 'setpoint']);
  });

  rule(17, () => {
    for (const said of [first, second]) {
      const births = said.findLastIndex((one, index) => isBirth(one) && index < 4);
      expect(said.findIndex(isData)).toBeGreaterThan(births);
    }
  });

  rule(18, () => {
    let expected = 0;
    let wraps = 0;
    for (const { type, seq } of first) {
      if (type === 'NDEATH') continue;
      if (type === 'NBIRTH') expected = 0;
      expect(seq).toBe(expected);
      if (expected === 255) wraps++;
      expected = (expected + 1) % 256;
    }
    expect(wraps).toBe(1);
  });

  rule(19, () => {
    const data = first.filter(isData);
    expect(data.length).toBeGreaterThan(260);
    for (const { packet, timestampMs } of data) {
      expect(packet).toMatchObject({ qos: 0, retain: false });
      expect(Math.abs(timestampMs! - Date.now())).toBeLessThan(60_000);
    }
  });

  rule(20, () => {
    // Only what was read is sent, and nothing while nothing comes.
    const temps = first.filter((said) => said.type === 'DDATA' && said.metrics.length === 1);
    expect(temps.length).toBeGreaterThan(200);
    expect(first.slice(beforeRebirth).filter(isData)).toHaveLength(2);
  });

  rule(21, () => {
    for (const { metrics } of [...first, ...second].filter(isData)) {
      const times = metrics.filter(({ isHistorical }) => !isHistorical).map(({ timestampMs }) => timestampMs!);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  rule(22, () => {
    for (const { metrics } of [...first, ...second].filter((one) => isBirth(one) || isData(one)))
      for (const { timestampMs } of metrics) expect(timestampMs).toBeGreaterThan(T0 - 1);
    expect(only(first, 'DDATA').map(({ metrics }) => metrics[0]!.timestampMs)).toContain(T0 + 2000);
  });

  rule(23, () => {
    const known = new Set<number>(Object.values(TYPE));
    for (const { metrics } of first.filter(isBirth))
      for (const { datatype } of metrics) expect(known).toContain(datatype);
    for (const { metrics } of first.filter(isData))
      for (const metric of metrics) expect(metric).not.toHaveProperty('datatype');
    const types = only(first, 'DBIRTH').flatMap(({ metrics }) => metrics.map(({ name, datatype }) => [name, datatype]));
    expect(Object.fromEntries(types)).toEqual({ temp: 10, on: 11, order: 12, setpoint: 10, total: 4 });
  });

  rule(24, () => {
    const names = new Map<number, string>();
    for (const { device, metrics } of first.filter(isBirth))
      for (const { name, alias } of metrics) {
        if (name === 'Node Control/Rebirth') continue;
        const full = `${device ?? ''}/${name}`;
        expect(names.get(alias!) ?? full).toBe(full);
        names.set(alias!, full);
      }
    for (const { metrics } of first.filter(isData))
      for (const metric of metrics) {
        expect(metric).not.toHaveProperty('name');
        expect(names.has(metric.alias!)).toBe(true);
      }
  });

  rule(25, () => {
    const all = first.filter((one) => isBirth(one) || isData(one)).flatMap(({ metrics }) => metrics);
    const qualities = all.flatMap(({ properties = [] }) => properties.filter(({ key }) => key === 'Quality'));
    expect(qualities.every(({ type }) => type === 3)).toBe(true);
    expect(new Set(qualities.map(({ value }) => value?.value))).toEqual(new Set([0, 192, 500]));
    for (const { properties = [] } of all) for (const { type } of properties) expect(type).toBeGreaterThan(0);
    const doubted = all.find(({ value }) => value?.value === 260)!;
    expect(doubted.properties!.map(({ key, value }) => [key, value?.value])).toEqual([
      ['Quality', 500],
      ['why', 'out-of-range'],
    ]);
    const good = all.find(({ value }) => value?.value === 185)!;
    expect(good.properties!.map(({ key, value }) => [key, value?.value])).toEqual([['Quality', 192]]);
    const temp = only(first, 'DBIRTH')[0]!.metrics[0]!.properties!.map(({ key, value }) => [key, value?.value]);
    expect(Object.fromEntries(temp)).toEqual({
      Quality: 192,
      engUnit: '°C',
      engLow: -20,
      engHigh: 250,
      documentation: 'Upper zone',
      readOnly: true,
    });
  });

  rule(26, () => {
    const death = first.findIndex(({ type }) => type === 'DDEATH');
    expect(first[death]!).toMatchObject({ device: 'pump', metrics: [], packet: { qos: 0, retain: false } });
    expect(first[death]!.timestampMs).toBeDefined();
    const after = first.slice(death + 1).filter(({ device }) => device === 'pump');
    expect(after.slice(0, 2).map(({ type }) => type)).toEqual(['DBIRTH', 'DDATA']);
  });

  rule(27, () => {
    expect([first.at(-1)!.type, second.at(-1)!.isWill ?? false]).toEqual(['NDEATH', true]);
    expect(second.at(-2)).toMatchObject({ type: 'NDEATH' });
    const [old, young] = broker.packets('disconnect') as IDisconnectPacket[];
    expect(old).toMatchObject({ cmd: 'disconnect' });
    expect(young!.reasonCode).toBe(0x04);
    const order = broker.heard.filter(({ connection }) => connection === 1).map(({ packet }) => packet.cmd);
    expect(order.slice(-2)).toEqual(['publish', 'disconnect']);
  });

  rule(28, () => {
    const reborn = first.slice(beforeRebirth);
    expect(reborn.slice(0, 4).map(({ type, device }) => [type, device])).toEqual([
      ['NBIRTH', undefined],
      ['DBIRTH', 'oven'],
      ['DBIRTH', 'pump'],
      ['DDATA', 'oven'],
    ]);
    expect(metricOf(reborn[1]!, 'temp')!.value!.value).toBe(190);
  });

  rule(29, () => {
    expect(early).toEqual([]);
  });

  rule(30, () => {
    expect(seenWhileOlder.at(-1)).toMatchObject({ type: 'DDATA' });
    expect(first.at(-1)).toMatchObject({ type: 'NDEATH' });
    expect(broker.packets('disconnect', 1)).toHaveLength(1);
  });

  rule(31, () => {
    expect(broker.mostAtOnce).toBe(1);
  });

  for (const number of [32, 33])
    rule(number, () => {
      // Data sets (16) and templates (19) are not used: nothing of the kind is ever published.
      for (const { metrics } of [...first, ...second])
        for (const { datatype, value, isNull } of metrics) {
          expect([16, 19]).not.toContain(datatype);
          expect(value !== undefined || isNull === true).toBe(true);
        }
    });

  it('writes what a host commands to a tag that may be written', () => {
    expect(written).toEqual([['oven/setpoint', 42]]);
  });
});
