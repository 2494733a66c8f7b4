import { inflateSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { OutgoingBatch } from '../../src/uplink/uplink.ts';
import { batchOf, describeUplinkContract } from '../contract/uplink.ts';
import { type Published, startAedes, startMosquitto } from '../double/mqtt-peers.ts';
import { until, uplinkTo, watch } from './mqtt-fixture.ts';

const NEVER = new AbortController().signal;

function seqsOf(messages: readonly Published[]): number[] {
  return messages.filter(({ topic }) => topic.endsWith('/readings')).map(({ payload }) => JSON.parse(`${payload}`).seq);
}

describeUplinkContract('MQTT 3.1.1 on aedes', async () => {
  const peer = await startAedes();
  return { ...peer, uplink: uplinkTo(peer.port), received: async () => seqsOf(peer.published) };
});

for (const protocolVersion of [4, 5] as const) {
  describeUplinkContract(`MQTT ${protocolVersion === 4 ? '3.1.1' : '5'} on mosquitto`, async () => {
    const peer = await startMosquitto((port) => [`listener ${port} 127.0.0.1`, 'allow_anonymous true']);
    const watched = await watch(peer.port);
    return {
      ...peer,
      uplink: uplinkTo(peer.port, { protocolVersion }),
      async received(count) {
        await until(() => seqsOf(watched.messages).length >= count, 'mosquitto passes the batches on');
        return seqsOf(watched.messages);
      },
      async close() {
        await watched.stop();
        await peer.close();
      },
    };
  });
}

describe('the MQTT uplink', () => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of cleanUp.splice(0).reverse()) await close();
  });
  const aedes = async (user?: { name: string; password: string }) => {
    const peer = await startAedes(user);
    cleanUp.push(peer.close);
    return peer;
  };

  it('is online, retained, while connected and offline after a goodbye', async () => {
    const peer = await aedes();
    const session = await uplinkTo(peer.port).connect(NEVER);
    await session.close();
    const status = peer.published.filter(({ topic }) => topic === 'millgate/press-shop-1/status');
    expect(status.map(({ payload, retain }) => [JSON.parse(`${payload}`).state, retain])).toEqual([
      ['online', true],
      ['offline', true],
    ]);
    expect(JSON.parse(`${status[0]!.payload}`)).toEqual({
      state: 'online',
      version: '0.1.0',
      config: '9b1e',
      epoch: 'epoch',
      since: expect.any(Number),
    });
  });

  it('leaves a will that says offline when the line is cut', async () => {
    const peer = await aedes();
    const watched = await watch(peer.port);
    cleanUp.push(watched.stop);
    const session = await uplinkTo(peer.port).connect(NEVER);
    await peer.dropClients();
    await session.ended;
    await until(() => watched.messages.some(({ payload }) => `${payload}`.includes('"offline"')), 'the will');
  });

  it('sends events to a topic of their own', async () => {
    const peer = await aedes();
    const session = await uplinkTo(peer.port).connect(NEVER);
    const event = { wallMs: 5, monoMs: 5, clockKnown: true, body: { kind: 'audit', what: 'w', message: 'm' } } as const;
    expect(await session.send({ kind: 'event', epoch: 'epoch', seq: 4, event }, NEVER)).toEqual({ ok: true });
    const sent = peer.published.find(({ topic }) => topic === 'millgate/press-shop-1/events');
    expect(JSON.parse(`${sent!.payload}`)).toMatchObject({ seq: 4, kind: 'audit' });
    await session.send(batchOf(5), NEVER);
    // Without `topics: per-tag` no tag has a topic of its own.
    expect(peer.published.map(({ topic }) => topic.split('/').at(-1))).toEqual(['status', 'events', 'readings']);
    await session.close();
  });

  it('deflates readings when told to', async () => {
    const peer = await aedes();
    const session = await uplinkTo(peer.port, { compression: 'deflate' }).connect(NEVER);
    await session.send(batchOf(3), NEVER);
    const sent = peer.published.find(({ topic }) => topic.endsWith('/readings'))!;
    expect(JSON.parse(`${inflateSync(sent.payload)}`).seq).toBe(3);
    await session.close();
  });

  it('sends columns when told to', async () => {
    const peer = await aedes();
    const uplink = uplinkTo(peer.port, { layout: 'columns' });
    const session = await uplink.connect(NEVER);
    await session.send(batchOf(3), NEVER);
    const sent = peer.published.find(({ topic }) => topic.endsWith('/readings'))!;
    expect(JSON.parse(`${sent.payload}`)).toMatchObject({ schema: 'millgate/columns/1', seq: 3, blocks: [{ i: [0] }] });
    // The backlog comes as records, too: the store's thread writes rows.
    expect(uplink.takesTexts).toBe(false);
    await session.close();
  });

  it('keeps a retained topic a tag, which never goes back to an older value', async () => {
    const peer = await aedes();
    const session = await uplinkTo(peer.port, { topics: 'per-tag' }).connect(NEVER);
    await session.send(batchOf(9), NEVER);
    await session.send({ ...batchOf(2), lane: 'backfill' } as OutgoingBatch, NEVER);
    await session.send(batchOf(10), NEVER);
    const values = () => peer.published.filter(({ topic }) => topic === 'millgate/press-shop-1/oven/temp');
    await until(() => values().length === 2, 'two values');
    expect(values().map(({ payload, retain }) => [JSON.parse(`${payload}`), retain])).toEqual([
      [{ t: 1763899200009, v: 9 }, true],
      [{ t: 1763899200010, v: 10 }, true],
    ]);
    await session.close();
  });

  it('says which user was refused, and never the password', async () => {
    const peer = await aedes({ name: 'press-shop-1', password: 'right' });
    const password = { env: 'MQTT_PASSWORD' };
    const config = { username: 'press-shop-1', password };
    const wrong = uplinkTo(peer.port, config, { secrets: () => 'hunter2' });
    const refused = await wrong.connect(NEVER).catch((error: Error) => error.message);
    expect(refused).toMatch(
      /refused the user "press-shop-1" or its password|does not authorise the user "press-shop-1"/,
    );
    expect(refused).not.toContain('hunter2');
    const session = await uplinkTo(peer.port, config, { secrets: () => 'right' }).connect(NEVER);
    await session.close();
  });

  it('notices on MQTT 3.1.1 that another client with its id keeps pushing it out', async () => {
    const peer = await aedes();
    const uplink = uplinkTo(peer.port);
    const ends: boolean[] = [];
    for (let round = 0; round < 3; round++) {
      const session = await uplink.connect(NEVER);
      // Once these are confirmed, what stands on the status topic has come, too.
      for (const seq of [1, 2]) await session.send(batchOf(seq), NEVER);
      const rival = await uplinkTo(peer.port).connect(NEVER);
      const { takenOver, reason } = await session.ended;
      ends.push(takenOver);
      if (takenOver) expect(reason).toContain('"press-shop-1"');
      await rival.close();
    }
    // From the second time on there is evidence: what stands on the own status topic is not ours.
    expect(ends).toEqual([false, true, true]);
  });
});
