import mqtt from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { COMMAND_KINDS } from '../../../src/core/configuration.ts';
import type { UplinkCommands } from '../../../src/uplink/commands/command-desk.ts';
import type { Asked } from '../../../src/uplink/commands/parsed-command.ts';
import { batchOf } from '../../contract/uplink.ts';
import { startHttpTarget } from '../../double/http-target.ts';
import { startAedes, startMosquitto } from '../../double/mqtt-peers.ts';
import { httpUplink } from '../http/http-fixture.ts';
import { until, uplinkTo } from '../mqtt-fixture.ts';

const NEVER = new AbortController().signal;
const clock = { ...systemClock, known: () => true };
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

/** Orders that are noted here, and done by nobody. */
function noted(): { orders: UplinkCommands; done: Asked[] } {
  const done: Asked[] = [];
  const orders: UplinkCommands = {
    allowed: () => new Set(COMMAND_KINDS),
    event() {},
    memory: { known: new Map(), save: async () => {} },
    async carryOut(asked) {
      done.push(asked);
      return { ok: true, detail: {} };
    },
  };
  return { orders, done };
}

const ack = (id: string) => ({ id, expires: Date.now() + 60_000, ack: { alarm: 'hot', occurrence: 1 } });

describe('commands in the answers of a server', () => {
  it('are carried out, and their replies posted; what answers a reply orders nothing', async () => {
    const server = await startHttpTarget();
    cleanUp.push(server.close);
    server.answer(() => ({ status: 200, body: JSON.stringify({ commands: [ack('a'), { id: 'b' }] }) }));
    const { orders, done } = noted();
    const session = await httpUplink(server.port, {}, { orders, clock }).connect(NEVER);
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    await until(() => server.posted.length === 2, 'the replies');
    expect(JSON.parse(server.posted[1]!.body)).toMatchObject({
      schema: 'millgate/replies/1',
      replies: [
        { id: 'a', ok: true },
        { id: 'b', ok: false },
      ],
    });
    await session.close();
    expect(done.length).toBe(1);
    expect(server.posted.length).toBe(2);
  });

  it('are passed over where the file does not allow them', async () => {
    const server = await startHttpTarget();
    cleanUp.push(server.close);
    server.answer(() => ({ status: 200, body: JSON.stringify({ commands: [ack('a')] }) }));
    const session = await httpUplink(server.port, {}, { clock }).connect(NEVER);
    await session.send(batchOf(1), NEVER);
    await session.send(batchOf(2), NEVER);
    await session.close();
    expect(server.posted.length).toBe(2);
  });
});

describe('commands over MQTT', () => {
  it('that the broker lets nobody read are a line of status, and readings flow all the same', async () => {
    const broker = await startAedes(undefined, (topic) => !topic.endsWith('/command'));
    cleanUp.push(broker.close);
    const session = await uplinkTo(broker.port, {}, { orders: noted().orders, clock }).connect(NEVER);
    cleanUp.push(() => session.close());
    await until(() => session.trouble?.() !== undefined, 'the refusal');
    expect(session.trouble?.()).toContain('read millgate/press-shop-1/command');
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
  });

  it('are answered to whoever asked, and one that the broker kept is not carried out', async () => {
    const broker = await startMosquitto((port) => [`listener ${port} 127.0.0.1`, 'allow_anonymous true']);
    cleanUp.push(broker.close);
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`);
    cleanUp.push(() => client.endAsync(true));
    const replies: Record<string, unknown>[] = [];
    client.on('message', (_topic, payload) => replies.push(JSON.parse(`${payload}`)));
    await client.subscribeAsync('millgate/press-shop-1/reply');
    const send = (id: string, retain: boolean) =>
      client.publishAsync('millgate/press-shop-1/command', JSON.stringify(ack(id)), { qos: 1, retain });
    await send('kept', true);
    const { orders, done } = noted();
    const session = await uplinkTo(broker.port, {}, { orders, clock }).connect(NEVER);
    cleanUp.push(() => session.close());
    await until(() => replies.length === 1, 'the refusal');
    await send('new', false);
    await until(() => replies.length === 2, 'the reply');
    expect(replies).toMatchObject([
      { id: 'kept', ok: false },
      { id: 'new', ok: true },
    ]);
    expect(done.length).toBe(1);
  });
});
