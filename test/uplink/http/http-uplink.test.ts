import { afterEach, describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import type { SendResult, UplinkSession } from '../../../src/uplink/uplink.ts';
import { batchOf, describeUplinkContract } from '../../contract/uplink.ts';
import { eventOf } from '../../double/forwarding.ts';
import { type HttpTargetDouble, startHttpTarget } from '../../double/http-target.ts';
import { selfSigned } from '../../double/self-signed.ts';
import { until } from '../mqtt-fixture.ts';
import { httpUplink } from './http-fixture.ts';

const NEVER = new AbortController().signal;

describeUplinkContract('HTTP', async () => {
  const target = await startHttpTarget();
  let isFrozen = false;
  target.answer(() => (isFrozen ? 'hang' : { status: 204 }));
  const setFrozen = (now: boolean) => () => {
    isFrozen = now;
  };
  return {
    uplink: httpUplink(target.port),
    received: async () => target.posted.map(({ body }) => JSON.parse(body).seq),
    freeze: setFrozen(true),
    thaw: setFrozen(false),
    dropClients: async () => target.cut(),
    close: () => target.close(),
  };
});

describe('the HTTP uplink', () => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of cleanUp.splice(0).reverse()) await close();
  });
  const start = async (...args: Parameters<typeof startHttpTarget>): Promise<HttpTargetDouble> => {
    const target = await startHttpTarget(...args);
    cleanUp.push(() => target.close());
    return target;
  };
  const opened = async (
    target: HttpTargetDouble,
    ...rest: Parameters<typeof httpUplink> extends [unknown, ...infer R] ? R : never
  ): Promise<UplinkSession> => {
    const session = await httpUplink(target.port, ...rest).connect(NEVER);
    cleanUp.push(() => session.close());
    return session;
  };

  it('posts the batches of the wire, with a key that is the same for the same records', async () => {
    const target = await start();
    const session = await opened(target, { compression: 'gzip' });
    await session.send(batchOf(7), NEVER);
    await session.send(batchOf(7), NEVER);
    await session.send({ kind: 'event', epoch: 'epoch', seq: 7, event: eventOf(1) }, NEVER);
    const [first, again, event] = target.posted;
    expect(first).toMatchObject({ method: 'POST', path: '/api/readings' });
    expect(JSON.parse(first!.body)).toMatchObject({ schema: 'millgate/readings/1', seq: 7 });
    expect(JSON.parse(event!.body)).toMatchObject({ schema: 'millgate/event/1', seq: 7 });
    const keys = [first, again, event].map((one) => one!.headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
    expect(new Set(keys).size).toBe(2);
    expect(first!.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/json' });
    expect(target.connections()).toBe(1);
  });

  it.each([
    ['a token', { token: { env: 'T' } }, 'Bearer secret'],
    ['a password', { username: 'gw', password: { env: 'P' } }, `Basic ${Buffer.from('gw:secret').toString('base64')}`],
  ])('shows %s', async (_what, change, expected) => {
    const target = await start();
    await (await opened(target, change)).send(batchOf(1), NEVER);
    expect(target.posted[0]!.headers.authorization).toBe(expected);
  });

  it('reads the token again for each session', async () => {
    const target = await start();
    let token = 'old';
    const uplink = httpUplink(target.port, { token: { env: 'T' } }, { secrets: () => token });
    for (const next of ['old', 'new']) {
      token = next;
      const session = await uplink.connect(NEVER);
      await session.send(batchOf(1), NEVER);
      await session.close();
    }
    expect(target.posted.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it.each<[number, SendResult | 'over' | 'wait']>([
    [200, { ok: true }],
    [202, { ok: true }],
    [400, { ok: false, why: '', tooLarge: false }],
    [409, { ok: false, why: '', tooLarge: false }],
    [413, { ok: false, why: '', tooLarge: true }],
    [422, { ok: false, why: '', tooLarge: false }],
    ...[301, 307, 401, 403, 404, 405, 407, 408, 410, 500, 502, 504].map((status): [number, 'over'] => [status, 'over']),
    [429, 'wait'],
    [503, 'wait'],
  ])('takes status %i for what it is', async (status, expected) => {
    const target = await start();
    target.answer(() => ({ status, body: 'said so', headers: { location: 'https://other.lan/in?key=1' } }));
    const session = await opened(target);
    const outcome = await session
      .send(batchOf(1), NEVER)
      .catch(() => (session.trouble?.() === undefined ? 'over' : 'wait'));
    expect(typeof outcome === 'object' && !outcome.ok ? { ...outcome, why: '' } : outcome).toEqual(expected);
    if (expected === 'over') expect((await session.ended).reason).toContain(`${status}`);
  });

  it('explains a redirect and does not follow it', async () => {
    const target = await start();
    target.answer(() => ({ status: 308, headers: { location: 'https://other.lan/in?key=1' } }));
    const session = await opened(target, { token: { env: 'T' } });
    await expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
    expect((await session.ended).reason).toMatch(/points to https:\/\/other.lan\/in\. .*url/);
    expect(target.posted).toHaveLength(1);
  });

  it.each([
    ['seconds', { 'retry-after': '120' }],
    [
      'a date of its own clock',
      { 'retry-after': 'Sun, 06 Nov 2044 08:51:37 GMT', date: 'Sun, 06 Nov 2044 08:49:37 GMT' },
    ],
  ])('waits as long as Retry-After says in %s, and says so', async (_form, headers) => {
    const target = await start();
    const clock = new SimulatedClock();
    target.answer(() => ({ status: 429, headers }));
    const session = await opened(target, { ackTimeoutMs: 3_600_000 }, { clock });
    await expect(session.send(batchOf(1), NEVER)).rejects.toThrow('429');
    expect(session.trouble?.()).toContain('429');
    target.answer(() => ({ status: 204 }));
    const sent = session.send(batchOf(1), NEVER);
    await clock.advance(118_000);
    expect(target.posted).toHaveLength(1);
    await clock.advance(3000);
    expect(await sent).toEqual({ ok: true });
    expect(session.trouble?.()).toBeUndefined();
  });

  it.each([
    ['does not say how long', {}],
    ['says at once', { 'retry-after': '0' }],
    ['names a time that is over', { 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT' }],
  ])('grows its pauses where the server %s', async (_what, headers) => {
    const target = await start();
    const clock = new SimulatedClock();
    target.answer(() => ({ status: 503, headers }));
    const session = await opened(target, { ackTimeoutMs: 3_600_000 }, { clock });
    const times: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      const sent = session.send(batchOf(1), NEVER).catch(() => {});
      await clock.advance(60_000);
      await sent;
      times.push(clock.monoMs());
    }
    expect(target.posted).toHaveLength(8);
    expect(session.trouble?.()).toMatch(/next attempt in 1m/);
  });

  it('goes on where the server closed an idle connection', async () => {
    const target = await start();
    const clock = new SimulatedClock();
    const session = await opened(target, { ackTimeoutMs: 3_600_000 }, { clock });
    await session.send(batchOf(1), NEVER);
    await clock.advance(5000);
    target.cut();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await session.send(batchOf(2), NEVER)).toEqual({ ok: true });
    expect(target.connections()).toBe(2);
  });

  it('ends where the server hangs up in place of an answer', async () => {
    const target = await start();
    target.answer(() => 'cut');
    const session = await opened(target);
    await expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
    expect((await session.ended).reason).toContain(`127.0.0.1:${target.port}`);
    expect(target.posted).toHaveLength(1);
  });

  it('hangs up on an answer without end', async () => {
    const target = await start();
    target.answer(() => ({ status: 200, body: 'x'.repeat(2_000_000) }));
    const session = await opened(target);
    await expect(session.send(batchOf(1), NEVER)).rejects.toThrow('1 MB');
    await session.ended;
  });

  it('speaks TLS, shows its certificate, and names a server that it does not know', async () => {
    const own = await selfSigned();
    cleanUp.push(() => own.remove());
    const target = await start({
      key: own.key,
      cert: own.cert,
      ca: own.cert,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const url = `https://127.0.0.1:${target.port}/in`;
    await expect(httpUplink(target.port, { url }).connect(NEVER)).rejects.toThrow('unknown authority');
    const files = { ca: own.certPath, cert: own.certPath, key: own.certPath.replace('cert.pem', 'key.pem') };
    const tls = { ...files, pfx: undefined, passphrase: undefined, serverName: undefined };
    const session = await opened(target, { url, tls });
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    await until(() => target.posted.length === 1, 'the batch is there');
  });

  it('says what it does not reach', async () => {
    const target = await start();
    await target.close();
    await expect(httpUplink(target.port).connect(NEVER)).rejects.toThrow(/refuses connections. Is the server running/);
  });
});
