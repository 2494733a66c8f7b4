import { setMaxListeners } from 'node:events';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import mqtt from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import type { MqttConfig } from '../../src/config/config.ts';
import { Suspicion } from '../../src/uplink/mqtt-hangup.ts';
import type { OutgoingBatch } from '../../src/uplink/uplink.ts';
import { batchOf } from '../contract/uplink.ts';
import { type FaultBroker, type FaultBrokerScript, startFaultBroker } from '../double/broker-fault.ts';
import { freePort, startAedes, startMosquitto } from '../double/mqtt-peers.ts';
import { until, uplinkTo, watch } from './mqtt-fixture.ts';

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

describe('a broker with manners of its own', () => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of cleanUp.splice(0).reverse()) await close();
  });
  const start = async (script: FaultBrokerScript): Promise<FaultBroker> => {
    const broker = await startFaultBroker(script);
    cleanUp.push(broker.close);
    return broker;
  };
  const open: Partial<MqttConfig> = { protocolVersion: undefined };

  it.each([{ version: undefined }, { version: 4 as const }])(
    'that refuses a retained will is given one that is not (version $version)',
    async ({ version }) => {
      const peer = await startMosquitto((port) => [
        ...[`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'retain_available false'],
      ]);
      cleanUp.push(peer.close);
      const uplink = uplinkTo(peer.port, { protocolVersion: version });
      const session =
        version === undefined
          ? await uplink.connect(NEVER)
          : await uplink.connect(NEVER).catch(() => uplink.connect(NEVER));
      expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
      await session.close();
    },
  );

  it('is asked to keep what is too large for a gateway, and goes on', async () => {
    const peer = await startMosquitto((port) => [`listener ${port} 127.0.0.1`, 'allow_anonymous true']);
    cleanUp.push(peer.close);
    const large = await mqtt.connectAsync(`mqtt://127.0.0.1:${peer.port}`, { protocolVersion: 5 });
    const topic = 'millgate/press-shop-1/status';
    await large.publishAsync(topic, Buffer.alloc(2_000_000, 'x'), { qos: 1, retain: true });
    const session = await uplinkTo(peer.port, open).connect(NEVER);
    let isOver = false;
    session.ended.then(() => {
      isOver = true;
    });
    for (let seq = 1; seq <= 5; seq++) expect(await session.send(batchOf(seq), NEVER)).toEqual({ ok: true });
    // What is retained was offered by now: the answer to another subscription comes behind it.
    await large.subscribeAsync(topic, { qos: 1 });
    expect(isOver).toBe(false);
    await session.close();
    await large.endAsync();
  });

  it('behind a proxy that hangs up while it is away is asked for MQTT 5 again', async () => {
    const broker = await start({ version: 5, onPublish: 135 });
    let isAway = true;
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      if (isAway) return void socket.end();
      const inner = connectSocket(broker.port, '127.0.0.1');
      inner.on('error', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      socket.pipe(inner).pipe(socket);
    });
    const port = await listening(proxy);
    cleanUp.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });
    const uplink = uplinkTo(port, open);
    for (let attempt = 0; attempt < 3; attempt++) await expect(uplink.connect(NEVER)).rejects.toThrow(/closed/);
    isAway = false;
    const session = await uplink.connect(NEVER);
    // Only MQTT 5 has a code for a refusal.
    expect(await session.send(batchOf(1), NEVER)).toMatchObject({ ok: false });
    await session.close();
  });

  it('that hangs up on readings is found out at the second time, and no second client is named', async () => {
    const broker = await start({
      version: 4,
      onPublish: (topic) => (topic.endsWith('/readings') ? 'close' : 'properly'),
    });
    const uplink = uplinkTo(broker.port);
    const ends = [];
    for (let round = 0; round < 2; round++) {
      const session = await uplink.connect(NEVER);
      const lost = session.send(batchOf(1), NEVER).catch(() => {});
      ends.push(await session.ended);
      await lost;
    }
    expect(ends.map(({ takenOver }) => takenOver)).toEqual([false, false]);
    expect(ends.map(({ hungUpOn }) => hungUpOn?.seq)).toEqual([undefined, 1]);
    expect(ends[1]!.reason).toMatch(/permission to write there, or the message is too large/);
  });

  it('that publishes a late will is set right: the status says online again', async () => {
    const peer = await startAedes();
    cleanUp.push(peer.close);
    const session = await uplinkTo(peer.port).connect(NEVER);
    const other = await watch(peer.port);
    cleanUp.push(other.stop);
    const states = () => peer.published.filter(({ topic }) => topic.endsWith('/status'));
    const rival = uplinkTo(peer.port, { clientId: 'late' });
    await (await rival.connect(NEVER)).close();
    await until(() => /"online"/.test(`${states().at(-1)!.payload}`) && states().length >= 4, 'online is said again');
    await session.close();
  });

  it.each(['', '{"state":"offline"}', 'offline'])(
    'whose status topic somebody fills with "%s" has it set right',
    async (text) => {
      const peer = await startAedes();
      cleanUp.push(peer.close);
      const session = await uplinkTo(peer.port).connect(NEVER);
      const other = await mqtt.connectAsync({ host: '127.0.0.1', port: peer.port });
      cleanUp.push(() => other.endAsync(true));
      const { topic } = peer.published.find((message) => message.topic.endsWith('/status'))!;
      await other.publishAsync(topic, text, { qos: 1, retain: true });
      await until(() => /"online"/.test(`${peer.published.at(-1)!.payload}`), 'online is said again');
      expect(peer.published.filter((message) => message.topic === topic)).toHaveLength(3);
      await session.close();
    },
  );

  it('that forgot retained values is given all of them again, and those of tags that are no more are cleared', async () => {
    const peer = await startAedes();
    cleanUp.push(peer.close);
    const root = 'millgate/press-shop-1';
    const saved: (readonly string[])[] = [];
    const topics = { known: [`${root}/old/weight`], save: (list: readonly string[]) => void saved.push(list) };
    let tags = ['oven/temp'];
    const uplink = uplinkTo(peer.port, { topics: 'per-tag' }, { topics, tags: () => tags });
    const payloads = (topic: string) =>
      peer.published.filter((message) => message.topic === `${root}/${topic}`).map(({ payload }) => `${payload}`);
    const first = await uplink.connect(NEVER);
    await first.send(batchOf(7), NEVER);
    await until(() => payloads('oven/temp').length === 1 && payloads('old/weight').length === 1, 'value and clearing');
    expect(payloads('old/weight')).toEqual(['']);
    await first.close();
    const second = await uplink.connect(NEVER);
    await until(() => payloads('oven/temp').length === 2, 'the value again');
    tags = [];
    await second.announce!(NEVER);
    await until(() => payloads('oven/temp').at(-1) === '', 'the topic is cleared');
    await second.close();
  });
});

describe('what a broker hangs up on', () => {
  const readings = (seq: number) => ({ kind: 'batch', batch: batchOf(seq) }) as const;
  const event = (seq: number) =>
    ({ kind: 'batch', batch: { kind: 'event', epoch: 'e', seq } as unknown as OutgoingBatch }) as const;

  it('is certain when two sessions in a row end behind the same message, and is sought with care', () => {
    const suspicion = new Suspicion();
    expect(suspicion.ended(readings(5))).toBeUndefined();
    expect([suspicion.isCareful, suspicion.mayWatch]).toEqual([true, false]);
    expect(suspicion.ended(readings(5))).toEqual(readings(5));
    // From then on every message of the stream is, until one is taken.
    expect(suspicion.ended(readings(9))).toEqual(readings(9));
    suspicion.confirmed(readings(10));
    expect(suspicion.isCareful).toBe(false);
    expect(suspicion.ended(readings(11))).toBeUndefined();
  });

  it('is nothing when the sessions end behind different ones, or none', () => {
    const suspicion = new Suspicion();
    expect([readings(5), event(5), undefined, readings(5)].map((one) => suspicion.ended(one))).toEqual([
      ...[undefined, undefined, undefined, undefined],
    ]);
  });
});

async function listening(server: Server): Promise<number> {
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}
