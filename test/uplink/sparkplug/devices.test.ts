/** What a host sees of devices and commands that are not as they should be. */
import type { ISubscribePacket } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TagConfig } from '../../../src/config/config.ts';
import type { EventBody } from '../../../src/core/event.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { CommittedValues } from '../../../src/uplink/sparkplug/committed-values.ts';
import type { EdgeNodeDeps } from '../../../src/uplink/sparkplug/edge-node.ts';
import { type Metric, PayloadEncoder, TYPE } from '../../../src/uplink/sparkplug/payload.ts';
import { PrimaryHost } from '../../../src/uplink/sparkplug/primary-host.ts';
import type { UplinkSession } from '../../../src/uplink/uplink.ts';
import { metricOf, type Said, SparkplugBroker } from '../../double/sparkplug-broker.ts';
import { until } from '../mqtt-fixture.ts';
import { committing, edgeNode, NEVER, recordOf, tagOf } from './edge-fixture.ts';

describe('an edge node', () => {
  let broker: SparkplugBroker;
  let committed: CommittedValues;
  let commit: ReturnType<typeof committing>;
  let port: number;
  const sessions: UplinkSession[] = [];
  const written: [string, unknown][] = [];
  const events: EventBody[] = [];
  const writable = new Set<string>();

  beforeEach(async () => {
    broker = new SparkplugBroker();
    port = await broker.listen();
    committed = new CommittedValues();
    commit = committing(committed);
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close();
    await broker.close();
    for (const list of [written, events]) list.splice(0);
    writable.clear();
  });

  const connect = async (tags: readonly TagConfig[], deps: Partial<EdgeNodeDeps> = {}): Promise<UplinkSession> => {
    const commands = {
      writable: () => writable,
      write: async (tag: string, value: unknown) => void written.push([tag, value]),
      event: (body: EventBody) => void events.push(body),
    };
    const all = { committed, commands, tagConfigs: () => tags, ...deps };
    const session = await edgeNode(port, {}, all, { ackTimeoutMs: 15_000 }).connect(NEVER);
    sessions.push(session);
    return session;
  };
  const kinds = (said: readonly Said[] = broker.said) =>
    said.map(({ type, device }) => (device ? `${type} ${device}` : type));
  const valuesOf = (said: Said) => said.metrics.map(({ value, isHistorical }) => [value?.value, isHistorical === true]);

  it('tells of what an outage held back as history, after the births, then goes on', async () => {
    const held = commit(
      [1, 2, 3].map((n) => recordOf('oven', { temp: n }, n * 1000)),
      'backfill',
    );
    const session = await connect([tagOf('oven/temp')]);
    await session.send(held, NEVER);
    await session.send(commit([recordOf('oven', { temp: 4 }, 4000)]), NEVER);
    expect(kinds()).toEqual(['NBIRTH', 'DBIRTH oven', 'DDATA oven', 'DDATA oven']);
    expect(valuesOf(broker.said[1]!)).toEqual([[3, false]]);
    expect(valuesOf(broker.said[2]!)).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
    expect(valuesOf(broker.said[3]!)).toEqual([[4, false]]);
    expect(broker.said.map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
  });

  it('shows the newest reading as the present one though it comes from the backlog', async () => {
    commit([recordOf('oven', { temp: 1 }, 1000)]);
    const session = await connect([tagOf('oven/temp')]);
    // They waited too long in memory, so that they are sent from the store.
    await session.send(
      commit([recordOf('oven', { temp: 2 }, 2000), recordOf('oven', { temp: 3 }, 3000)], 'backfill'),
      NEVER,
    );
    expect(valuesOf(broker.said.at(-1)!)).toEqual([
      [2, true],
      [3, false],
    ]);
  });

  it('sends again only as history', async () => {
    commit([recordOf('oven', { temp: 1 }, 1000)]);
    const session = await connect([tagOf('oven/temp')]);
    const batch = commit([recordOf('oven', { temp: 2 }, 2000)]);
    await session.send(batch, NEVER);
    await session.send(batch, NEVER);
    expect(broker.said.slice(2).map(valuesOf)).toEqual([[[2, false]], [[2, true]]]);
  });

  it('lets a device that is dead by now be born for its backlog, and says nothing of it otherwise', async () => {
    const held = commit([recordOf('pump', { flow: 5 }, 1000), recordOf('pump', { flow: undefined }, 2000)], 'backfill');
    const clock = new SimulatedClock();
    const session = await connect([tagOf('pump/flow'), tagOf('oven/temp')], { clock });
    expect(kinds()).toEqual(['NBIRTH']);
    session.send(commit([recordOf('pump', { flow: undefined }, 3000)]), NEVER).catch(() => {});
    session.send(held, NEVER).catch(() => {});
    await until(() => kinds().length === 3, 'the backlog came');
    expect(kinds()).toEqual(['NBIRTH', 'DBIRTH pump', 'DDATA pump']);
    const dies = async () => {
      for (let tries = 0; tries < 20 && kinds().at(-1) !== 'DDEATH pump'; tries++) await clock.advance(500);
    };
    await dies();
    expect(kinds()).toEqual(['NBIRTH', 'DBIRTH pump', 'DDATA pump', 'DDEATH pump']);
    expect(clock.monoMs()).toBeGreaterThanOrEqual(5000);
    expect(broker.said[2]!.metrics.map(({ isNull, isHistorical }) => [isNull === true, isHistorical])).toEqual([
      [false, true],
      [true, true],
    ]);
  });

  it('gives tags that only the backlog knows a metric, and widens a type that does not hold a value', async () => {
    commit([recordOf('oven', { temp: 1 }, 1000)]);
    const session = await connect([tagOf('oven/temp'), tagOf('oven/total')]);
    expect(metricOf(broker.said[1]!, 'total')).toMatchObject({ isNull: true, datatype: TYPE.double });
    await session.send(commit([recordOf('oven', { total: 2n ** 60n, gone: 'text' }, 2000)]), NEVER);
    await session.send(commit([recordOf('oven', { total: 2n ** 63n }, 3000)]), NEVER);
    await session.send(commit([recordOf('oven', { total: 0.5 }, 4000)]), NEVER);
    const births = broker.said.filter(({ type }) => type === 'DBIRTH');
    expect(births.map((birth) => metricOf(birth, 'total')!.datatype)).toEqual([
      TYPE.double,
      TYPE.int64,
      TYPE.uint64,
      TYPE.double,
    ]);
    expect(births.map((birth) => metricOf(birth, 'gone')?.value?.value)).toEqual([undefined, 'text', 'text', 'text']);
    const aliases = new Set(births.map((birth) => metricOf(birth, 'total')!.alias));
    expect(aliases.size).toBe(1);
  });

  it('marks what is simulated, and what was read before the clock was known', async () => {
    commit([recordOf('oven', { temp: 1 }, 1000)]);
    const session = await connect([tagOf('oven/temp')]);
    await session.send(commit([{ ...recordOf('oven', { temp: 2 }, 2000), simulated: true, clockKnown: false }]), NEVER);
    const properties = broker.said.at(-1)!.metrics[0]!.properties!.map(({ key, value }) => [key, value?.value]);
    expect(properties).toEqual([
      ['simulated', true],
      ['clock', 'unsynced'],
    ]);
  });

  it('tells of another configuration by births', async () => {
    const tags = [tagOf('oven/temp')];
    commit([recordOf('oven', { temp: 1 }, 1000)]);
    const session = await connect(tags);
    tags.push(tagOf('oven/on', { form: 'bool' }));
    await session.announce!(NEVER);
    expect(kinds()).toEqual(['NBIRTH', 'DBIRTH oven', 'NBIRTH', 'DBIRTH oven']);
    expect(broker.said[3]!.metrics.map(({ name }) => name)).toEqual(['temp', 'on']);
  });

  it('bears 10,000 tags again at once', async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `t${index}`);
    const tags = names.map((name, index) => tagOf(`d${index % 50}/${name}`, { unit: '°C', min: 0, max: 100 }));
    for (let device = 0; device < 50; device++)
      commit([
        recordOf(
          `d${device}`,
          Object.fromEntries(names.filter((_, index) => index % 50 === device).map((name) => [name, 1.5])),
        ),
      ]);
    const session = await connect(tags);
    const startedMs = performance.now();
    await session.announce!(NEVER);
    const tookMs = performance.now() - startedMs;
    const reborn = broker.said.slice(51);
    expect(reborn.reduce((sum, { metrics }) => sum + metrics.length, 0)).toBeGreaterThan(10_000);
    const bytes = reborn.reduce((sum, { packet }) => sum + packet.payload.length, 0);
    process.stdout.write(
      `10,000 tags reborn in ${tookMs.toFixed(0)} ms, ${bytes} bytes, the double's decoding included\n`,
    );
  });

  describe('is commanded, and', () => {
    const command = (metrics: Metric[], timestampMs = Date.now(), retain = false) =>
      broker.publish(
        'spBv1.0/leeds/DCMD/press-shop-1/oven',
        new PayloadEncoder().encode({ timestampMs, metrics }),
        retain,
      );
    const double = (value: number) => ({ as: 'double', value }) as const;
    const refusals = () => events.map((body) => ('why' in body ? String(body.why) : ''));

    beforeEach(async () => {
      writable.add('oven/setpoint').add('oven/count');
      commit([recordOf('oven', { temp: 1, setpoint: 2, count: 3n }, 1000)]);
      await connect([tagOf('oven/temp'), tagOf('oven/setpoint'), tagOf('oven/count')]);
    });

    it('writes by name or alias, one after the other, in the type of the tag', async () => {
      const alias = metricOf(broker.said[1]!, 'count')!.alias!;
      command([
        { name: 'setpoint', value: double(42) },
        { alias, value: { as: 'long', value: 2n ** 64n - 5n } },
      ]);
      command([{ name: 'setpoint', datatype: TYPE.int16, value: { as: 'int', value: 0xffff } }]);
      await until(() => written.length === 3, 'three writes');
      expect(written).toEqual([
        ['oven/setpoint', 42],
        ['oven/count', -5],
        ['oven/setpoint', -1],
      ]);
      expect(events).toEqual([]);
    });

    it('refuses, with an audit, what is late, unknown, not writable or without a value', async () => {
      command([{ name: 'setpoint', value: double(1) }], Date.now() - 61_000);
      command([{ name: 'temp', value: double(1) }]);
      command([{ name: 'nothing', value: double(1) }]);
      command([{ alias: 999, value: double(1) }]);
      command([{ name: 'setpoint', isNull: true }]);
      command([{ name: 'setpoint', value: double(Number.NaN) }]);
      command(Array.from({ length: 101 }, () => ({ name: 'setpoint', value: double(1) })));
      await until(() => events.length === 7, 'seven refusals');
      expect(refusals().map((why) => /61 s ago|writable|no tag|no value|101 metrics/.exec(why)?.[0])).toEqual([
        '61 s ago',
        'writable',
        'writable',
        'no tag',
        'no value',
        'no value',
        '101 metrics',
      ]);
      expect(written).toEqual([]);
    });

    it('hears of the commands of a device that an applied file made writable', async () => {
      const tags = [tagOf('oven/temp'), tagOf('pump/speed')];
      const session = await connect(tags);
      writable.add('pump/speed');
      await session.announce!(NEVER);
      const asked = broker.packets('subscribe') as ISubscribePacket[];
      const topics = asked.flatMap(({ subscriptions }) => subscriptions.map(({ topic }) => topic));
      expect(topics.filter((topic) => topic.endsWith('/pump'))).toEqual(['spBv1.0/leeds/DCMD/press-shop-1/pump']);
    });

    it('passes over what the broker kept, and what is no payload', async () => {
      broker.publish('spBv1.0/leeds/DCMD/press-shop-1/oven', Buffer.from('ff', 'hex'));
      const again = broker.packets('subscribe').length;
      command([{ name: 'setpoint', value: double(1) }], Date.now(), true);
      await until(() => written.length === 1, 'it was for whoever was there');
      written.splice(0);
      await connect([tagOf('oven/setpoint')]);
      await until(() => broker.packets('subscribe').length > again, 'it subscribed again');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(written).toEqual([]);
    });

    it('is born again no more than once a second', async () => {
      const rebirth = new PayloadEncoder().encode({
        metrics: [{ name: 'Node Control/Rebirth', value: { as: 'boolean', value: true } }],
      });
      for (let time = 0; time < 20; time++) broker.publish('spBv1.0/leeds/NCMD/press-shop-1', rebirth);
      await until(() => broker.said.filter(({ type }) => type === 'NBIRTH').length === 2, 'it is born again');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(broker.said.filter(({ type }) => type === 'NBIRTH')).toHaveLength(2);
    });
  });

  it('says that it may not hear what the broker does not let it read', async () => {
    broker.refuses = (topic) => topic.includes('/NCMD/');
    expect((await connect([])).trouble!()).toContain('spBv1.0/leeds/NCMD/press-shop-1');
    broker.refuses = (topic) => topic.includes('/STATE/');
    const withHost = edgeNode(port, { primaryHost: 'scada-1' });
    await expect(withHost.connect(NEVER)).rejects.toThrow('spBv1.0/STATE/scada-1');
  });

  it('goes to the next broker where one is away or the primary host is not there, one at a time', async () => {
    const other = new SparkplugBroker();
    const servers = [`mqtt://127.0.0.1:${await other.listen()}`];
    const clock = new SimulatedClock();
    const uplink = edgeNode(port, { primaryHost: 'scada-1', servers }, { clock });
    broker.state('scada-1', false, 1000);
    other.state('scada-1', true, 1000);
    const refused = expect(uplink.connect(NEVER)).rejects.toThrow('the next broker is asked');
    for (let tries = 0; tries < 60 && broker.packets('disconnect').length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await clock.advance(500);
    }
    await refused;
    const session = await uplink.connect(NEVER);
    expect(kinds(other.said)).toEqual(['NBIRTH']);
    broker.state('scada-1', true, 2000);
    other.state('scada-1', false, 1000);
    await session.ended;
    await (await uplink.connect(NEVER)).close();
    expect(kinds()).toEqual(['NBIRTH', 'NDEATH']);
    expect([broker.mostAtOnce, other.mostAtOnce]).toEqual([1, 1]);
    await other.close();
  });

  it('accuses the message that the broker hangs up on twice', async () => {
    broker.takes = ({ type }) => type !== 'DDATA';
    const uplink = edgeNode(port, {}, { committed });
    const batch = commit([recordOf('oven', { temp: 1 }, 1000)]);
    for (const expected of [{ endedBehind: batch }, { hungUpOn: batch }]) {
      const session = await uplink.connect(NEVER);
      await expect(session.send(batch, NEVER)).rejects.toThrow();
      expect(await session.ended).toMatchObject(expected);
    }
  });
});

describe('a primary host', () => {
  const state = (online: boolean, timestamp: number) => Buffer.from(JSON.stringify({ online, timestamp }));
  const topic = 'spBv1.0/STATE/H1';

  it('counts by its own messages and by their times', () => {
    const host = new PrimaryHost('H1');
    expect(host.hear('spBv1.0/STATE/H2', state(true, 1000))).toBeUndefined();
    expect(host.hear(topic, state(false, 1000))).toBe('offline');
    expect(host.hear(topic, state(true, 2000))).toBe('online');
    expect(host.hear(topic, state(false, 1999))).toBeUndefined();
    expect(host.isOnline).toBe(true);
    expect(host.hear(topic, state(false, 2000))).toBe('lost');
    expect(host.hear(topic, state(true, 3000))).toBe('online');
    expect(host.hear(topic, state(false, 3001))).toBe('offline');
  });

  it('is waited for with the reason', () => {
    const host = new PrimaryHost('H1');
    expect(host.waitText()).toContain(topic);
    host.hear(topic, Buffer.from('ONLINE'));
    expect(host.waitText()).toContain('is not a STATE of Sparkplug 3.0');
    host.hear(topic, state(false, 5000));
    expect(host.waitText()).toContain('it says that it is offline');
    host.hear(topic, state(true, 4000));
    expect(host.waitText()).toContain('older than one seen before');
    host.begin();
    expect(host.waitText()).toContain('there is no message');
  });
});
