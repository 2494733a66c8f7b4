import { setMaxListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { MqttConfig } from '../../src/config/config.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { CONNECT_TIMEOUT_MS } from '../../src/uplink/mqtt-dial.ts';
import type { UplinkSession } from '../../src/uplink/uplink.ts';
import { batchOf } from '../contract/uplink.ts';
import { type Answer, type FaultBroker, type FaultBrokerScript, startFaultBroker } from '../double/broker-fault.ts';
import { freePort } from '../double/mqtt-peers.ts';
import { until, uplinkTo } from './mqtt-fixture.ts';

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

describe('an MQTT uplink against a broker that misbehaves', () => {
  let broker: FaultBroker;
  let session: UplinkSession | undefined;
  afterEach(async () => {
    await session?.close();
    session = undefined;
    await broker?.close();
  });
  const start = async (script: FaultBrokerScript) => {
    broker = await startFaultBroker(script);
    return (config: Partial<MqttConfig> = {}) => uplinkTo(broker.port, { protocolVersion: script.version, ...config });
  };
  const open = async (script: FaultBrokerScript, config: Partial<MqttConfig> = {}) => {
    session = await (await start(script))(config).connect(NEVER);
    return session;
  };

  it.each([
    { what: 'closes', onConnect: 'close', says: /closed the connection before it accepted it/ },
    { what: 'breaks off within the CONNACK', onConnect: 'half', says: /closed the connection before it accepted it/ },
    { what: 'answers garbage', onConnect: 'garbage', says: /127\.0\.0\.1:\d+ does not speak MQTT\. Check the address/ },
    { what: 'sends an oversized packet', onConnect: 'oversized', says: /oversized packet/ },
    { what: 'refuses the password', onConnect: 134, says: /refused the user .* Check username/ },
    { what: 'does not authorise', onConnect: 135, says: /does not authorise .* access list/ },
    { what: 'is busy', onConnect: 137, says: /unavailable/ },
  ] as const)('to CONNECT, one that $what is named', async ({ onConnect, says }) => {
    const uplink = await start({ version: 5, onConnect });
    await expect(uplink().connect(NEVER)).rejects.toThrow(says);
  });

  it.each([
    {
      what: 'says nothing at all',
      script: { version: 4, onConnect: 'nothing' },
      says: /did not answer as a broker within 15s\. Check/,
    },
    {
      what: 'accepts and then says nothing',
      script: { version: 4, onStatus: 'nothing' },
      says: /confirmed nothing within 15s\. Look at/,
    },
  ] as const)('one that $what is given up by the deadline', async ({ script, says }) => {
    broker = await startFaultBroker(script);
    const clock = new SimulatedClock();
    const uplink = uplinkTo(broker.port, { ackTimeoutMs: 60_000 }, { clock });
    const outcome = uplink.connect(NEVER).catch((error: Error) => error.message);
    if (script.version === 4 && 'onStatus' in script) await until(() => broker.topics.length === 1, 'the status');
    else await until(() => clock.waiting > 0, 'the deadline');
    await clock.advance(CONNECT_TIMEOUT_MS);
    await clock.advance(2000);
    expect(await outcome).toMatch(says);
  });

  it('says that nobody listens on the port', async () => {
    const port = await freePort();
    await expect(uplinkTo(port).connect(NEVER)).rejects.toThrow(/refuses connections\. Is the broker running/);
  });

  it('stops connecting when told to', async () => {
    const uplink = await start({ version: 4, onConnect: 'nothing' });
    const stop = new AbortController();
    const outcome = uplink().connect(stop.signal);
    stop.abort(new Error('the gateway stops'));
    await expect(outcome).rejects.toThrow('the gateway stops');
  });

  it('never confirmed: the message is rejected at its deadline, and the dead session ended', async () => {
    const dead = await open({ version: 4, onPublish: 'nothing' }, { ackTimeoutMs: 60 });
    await expect(dead.send(batchOf(1), NEVER)).rejects.toThrow(/not confirmed within/);
    expect((await dead.ended).reason).toMatch(/confirmed nothing for/);
  });

  it('confirms some and not others: those are rejected, the session goes on', async () => {
    let count = 0;
    const onPublish = (): Answer => (count++ === 0 ? 'nothing' : 'properly');
    const session = await open({ version: 4, onPublish }, { ackTimeoutMs: 500 });
    const first = expect(session.send(batchOf(1), NEVER)).rejects.toThrow(/not confirmed/);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await session.send(batchOf(2), NEVER)).toEqual({ ok: true });
    await first;
    expect(await session.send(batchOf(3), NEVER)).toEqual({ ok: true });
  });

  it.each([
    { code: 135, why: /not authorised to publish to millgate\/press-shop-1\/readings; give this user/ },
    { code: 144, why: /topic name not accepted/ },
    { code: 153, why: /payload format not accepted/ },
  ])('a PUBACK with reason $code is a refusal', async ({ code, why }) => {
    const result = await (await open({ version: 5, onPublish: code })).send(batchOf(1), NEVER);
    expect(result).toEqual({ ok: false, why: expect.stringMatching(why) });
  });

  it('a PUBACK that says "quota exceeded" is no refusal: the message is to be sent again', async () => {
    await expect((await open({ version: 5, onPublish: 151 })).send(batchOf(1), NEVER)).rejects.toThrow(
      /puts messages off/,
    );
  });

  it('16 "no subscribers" is a confirmation', async () => {
    expect(await (await open({ version: 5, onPublish: 16 })).send(batchOf(1), NEVER)).toEqual({ ok: true });
  });

  it('a batch above the Maximum Packet Size is refused without being sent', async () => {
    const session = await open({ version: 5, maximumPacketSize: 250 });
    const result = await session.send(batchOf(1), NEVER);
    expect(result).toEqual({
      ok: false,
      why: expect.stringContaining('the broker takes no packet above 250'),
      tooLarge: true,
    });
    expect(broker.topics).toEqual(['millgate/press-shop-1/status']);
  });

  it('no more are under way than the Receive Maximum', async () => {
    const session = await open({ version: 5, receiveMaximum: 3 });
    expect(session.window).toBe(3);
    const many = Array.from({ length: 12 }, (_, index) => session.send(batchOf(index + 1), NEVER));
    expect((await Promise.all(many)).every(({ ok }) => ok)).toBe(true);
    expect(broker.mostUnderWay()).toBeLessThanOrEqual(3);
  });

  it.each(['close', 'half', 'garbage', 'oversized'] as const)(
    '%s in the middle of a session ends it',
    async (onPublish) => {
      const session = await open({ version: 5, onPublish });
      await expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
      expect((await session.ended).reason).not.toBe('');
    },
  );

  it('a DISCONNECT with reason 142 is a takeover', async () => {
    const session = await open({ version: 5 });
    broker.disconnect(142);
    expect(await session.ended).toEqual({ reason: expect.stringContaining('"press-shop-1"'), takenOver: true });
  });

  it('a DISCONNECT with another reason is told in words', async () => {
    const session = await open({ version: 5 });
    broker.disconnect(139);
    expect(await session.ended).toEqual({
      reason: 'the broker ended the session: broker shutting down.',
      takenOver: false,
    });
  });
});
