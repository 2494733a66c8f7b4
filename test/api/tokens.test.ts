import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { ROUTES } from '../../src/api/routes.ts';
import { Tokens } from '../../src/api/tokens/tokens.ts';
import type { NewToken } from '../../src/api/tokens/tokens-view.ts';
import type { EventBody } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { ask, post } from '../double/ask.ts';
import { millgate as run, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

const listen = { host: '127.0.0.1', port: 0 };

/** A gateway on the socket and on TCP, with a way to make tokens and to ask with one. */
async function gateway(over: Parameters<typeof serve>[1] = {}) {
  const events: EventBody[] = [];
  const view = fakeGateway();
  const tokensFile = join(temporaryFolder(), 'tokens.json');
  const { api, socketPath } = await serve(view, { listen, tokensFile, event: (body) => events.push(body), ...over });
  const port = api.port()!;
  const make = async (role: string, name = role) =>
    (await post({ socketPath }, '/api/v1/tokens', JSON.stringify({ role, name, by: 'ann' }))).body as NewToken;
  const asks = (token: string, path: string, body?: object) =>
    ask({ port }, path, {
      method: body ? 'POST' : 'GET',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  return { events, view, tokensFile, socketPath, port, make, asks };
}

const ACK = { occurrence: 3, by: 'somebody else' };

describe('a change over TCP', () => {
  it('needs a token of a sufficient role, whose name goes into the journal in place of what the body says', async () => {
    const { view, make, asks, port } = await gateway();
    const without = await post({ port }, '/api/v1/alarms/oil-hot/ack', JSON.stringify(ACK));
    expect([without.status, without.headers['www-authenticate']]).toEqual([401, 'Bearer realm="millgate"']);
    const { token: viewer } = await make('viewer');
    expect(await asks(viewer, '/api/v1/alarms/oil-hot/ack', ACK)).toMatchObject({
      status: 403,
      body: { title: 'Forbidden', remedy: expect.stringContaining('--role technician') },
    });
    expect(view.orders).toEqual([]);
    const { token } = await make('technician', 'Ann, early shift');
    expect((await asks(token, '/api/v1/alarms/oil-hot/ack', ACK)).status).toBe(200);
    expect(view.orders).toEqual([
      { id: 'oil-hot', order: { do: 'ack', occurrence: 3 }, orderer: { by: 'Ann, early shift' } },
    ]);
  });

  it('is refused without a token on every route that changes something, and with one of a lower role', async () => {
    const { make, asks, port } = await gateway();
    const [viewer, technician] = [(await make('viewer')).token, (await make('technician')).token];
    for (const { method, path, changes, role } of ROUTES) {
      if (!changes && role === undefined) continue;
      const where = path.replaceAll(/\{\w+\}/g, 'nothing');
      const bare = await ask({ port }, where, { method: method.toUpperCase() });
      expect([path, bare.status]).toEqual([path, 401]);
      const body = method === 'post' ? {} : undefined;
      expect([path, (await asks(viewer, where, body)).status]).toEqual([path, 403]);
      if (role === 'admin') expect([path, (await asks(technician, where, body)).status]).toEqual([path, 403]);
    }
  });

  it('ends with the revocation of its token, and both are audited', async () => {
    const { make, asks, events, socketPath } = await gateway();
    const { token, id } = await make('technician');
    await post({ socketPath }, `/api/v1/tokens/${id}/revoke`, '{"by":"ann"}');
    expect((await asks(token, '/api/v1/status')).status).toBe(401);
    expect(events).toMatchObject([
      { kind: 'audit', what: 'token-created', id, role: 'technician', by: 'ann' },
      { kind: 'audit', what: 'token-revoked', id, by: 'ann' },
    ]);
  });
});

describe('a token', () => {
  it.each(['', 'x', `mg_00000000_${'A'.repeat(43)}`, 'Bearer', '☃'.repeat(20), 'A'.repeat(5000)])(
    'that is not valid is refused also where none is needed: %s',
    async (token) => {
      const { asks } = await gateway();
      // Beyond ASCII nothing can be sent in a header at all.
      const answer = await asks(Buffer.from(token).toString('latin1'), '/api/v1/status');
      expect(answer).toMatchObject({ status: 401, body: { status: 401, detail: 'the token is not valid' } });
    },
  );

  it('is not in the file, which is for its owner only; it outlives a restart, and its last use is kept', async () => {
    const { make, asks, tokensFile, socketPath } = await gateway();
    const { token, id } = await make('technician');
    const clock = new SimulatedClock(SIX);
    const made = readFileSync(tokensFile, 'utf8');
    expect(made).not.toContain(token.split('_')[2]);
    await asks(token, '/api/v1/status');
    // A request writes nothing that a revocation could be lost by.
    const lastUse = () => new Tokens({ file: tokensFile, clock, log: silentLogger }).list()[0]!.lastUsedMs;
    await vi.waitFor(() => expect(lastUse()).toBeGreaterThan(0));
    expect(readFileSync(tokensFile, 'utf8')).toBe(made);
    expect(statSync(tokensFile).mode & 0o777).toBe(0o600);
    const again = new Tokens({ file: tokensFile, clock, log: silentLogger });
    expect(again.holder(`Bearer ${token}`, '::1')).toMatchObject({ id, name: 'technician' });
    const listed = await ask({ socketPath }, '/api/v1/tokens');
    expect(listed.body).toMatchObject({ tokens: [{ id, lastUsedMs: expect.any(Number) }] });
    expect(JSON.stringify(listed.body)).not.toContain('hash');
  });

  it('is slowed down by sender and token when it is wrong again and again, and others are not', async () => {
    const clock = new SimulatedClock(SIX);
    const tokens = new Tokens({ file: undefined, clock, log: silentLogger });
    const good = `Bearer ${tokens.create('ann', 'admin').token}`;
    const other = `Bearer ${tokens.create('bob', 'admin').token}`;
    const wrong = good.slice(0, -43) + 'A'.repeat(43);
    const statusOf = (header: string, sender = '10.0.0.7') => {
      try {
        tokens.holder(header, sender);
        return 200;
      } catch (error) {
        return (error as { status: number }).status;
      }
    };
    expect(Array.from({ length: 6 }, () => statusOf(wrong))).toEqual([401, 401, 401, 401, 401, 429]);
    expect([statusOf(good), statusOf(other), statusOf(good, '10.0.0.8')]).toEqual([429, 200, 200]);
    await clock.advance(1000);
    expect(statusOf(wrong)).toBe(401);
    await clock.advance(1999);
    expect(statusOf(good)).toBe(429);
    await clock.advance(1);
    expect([statusOf(good), statusOf(wrong)]).toEqual([200, 401]);
  });

  it('of a file that cannot be read is not valid, and the gateway runs', () => {
    const file = join(temporaryFolder(), 'tokens.json');
    writeFileSync(file, '{ half');
    const errors: string[] = [];
    const log = { ...silentLogger, error: (text: string) => void errors.push(text) };
    expect(new Tokens({ file, clock: new SimulatedClock(SIX), log }).list()).toEqual([]);
    expect(errors).toHaveLength(1);
  });
});

describe('millgate token', () => {
  it('makes, lists and revokes over the socket', async () => {
    const { socketPath, asks } = await gateway();
    const env = { MILLGATE_SOCKET: socketPath, USER: 'ann' };
    const made = run(['token', 'create', '--role', 'technician'], { env });
    expect(await made.exitCode).toBe(0);
    const token = made.out().trim();
    expect((await asks(token, '/api/v1/status')).status).toBe(200);
    const again = run(['token', 'create', '--role', 'technician', '--json'], { env });
    await again.exitCode;
    expect(JSON.parse(again.out())).toMatchObject({ name: 'technician-2' });
    const list = run(['token', 'list'], { env });
    await list.exitCode;
    expect(list.out()).toContain('technician-2');
    expect(list.out()).not.toContain(token);
    expect(await run(['token', 'revoke', 'technician'], { env }).exitCode).toBe(0);
    expect((await asks(token, '/api/v1/status')).status).toBe(401);
    expect(await run(['token', 'create'], { env }).exitCode).toBe(2);
  });
});
