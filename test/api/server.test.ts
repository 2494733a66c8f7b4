import { existsSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { ask } from '../double/ask.ts';
import { leaveStaleSocket, serve, temporaryFolder, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';
import { refusingAccepts } from '../double/refused-accept.ts';
import { selfSigned } from '../double/self-signed.ts';

describe('the socket', () => {
  it('is for its owner and group only, and is gone after close', async () => {
    const { api, socketPath } = await serve(fakeGateway());
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    await api.close();
    expect(existsSync(socketPath)).toBe(false);
  });

  it('replaces one that a killed gateway left behind', async () => {
    const socketPath = join(temporaryFolder(), 'api.sock');
    await leaveStaleSocket(socketPath);
    await serve(fakeGateway(), { socketPath });
    expect((await ask({ socketPath }, '/healthz')).status).toBe(200);
  });

  it('leaves a gateway that answers alone', async () => {
    const { socketPath } = await serve(fakeGateway());
    await expect(serve(fakeGateway(), { socketPath })).rejects.toMatchObject({
      code: EXIT.unavailable,
      message: expect.stringContaining('another gateway answers there'),
    });
    expect((await ask({ socketPath }, '/healthz')).status).toBe(200);
  });

  it('never removes a file that is no socket', async () => {
    const socketPath = join(temporaryFolder(), 'api.sock');
    writeFileSync(socketPath, 'precious');
    await expect(serve(fakeGateway(), { socketPath })).rejects.toThrow('Move that file away');
    expect(existsSync(socketPath)).toBe(true);
  });
});

describe('loopback TCP', () => {
  const listen = { host: '127.0.0.1', port: 0 };

  it.each(['localhost', '127.0.0.1', '[::1]'])('answers to the name %s', async (name) => {
    const { api } = await serve(fakeGateway(), { listen });
    const port = api.port()!;
    const answer = await ask({ port }, '/healthz', { headers: { Host: `${name}:${port}` } });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each(['evil.example', '127.0.0.1.evil.example', 'localhost@evil.example', 'a b'])(
    'refuses the host "%s", as DNS rebinding would send it',
    async (name) => {
      const { api } = await serve(fakeGateway(), { listen });
      const answer = await ask({ port: api.port()! }, '/api/v1/status', { headers: { Host: name } });
      expect(answer.status).toBe(421);
      expect(answer.body).toMatchObject({ remedy: expect.stringContaining('http://localhost') });
    },
  );

  it.each([
    ['Origin', 'https://evil.example'],
    ['Origin', 'null'],
    ['Origin', 'http://localhost:1'],
    ['Sec-Fetch-Site', 'cross-site'],
  ])('refuses a page of another site: %s %s', async (name, value) => {
    const { api } = await serve(fakeGateway(), { listen });
    const answer = await ask({ port: api.port()! }, '/api/v1/status', { headers: { [name]: value } });
    expect(answer.status).toBe(403);
    expect(answer.body).toMatchObject({ detail: expect.stringContaining('may not use this gateway') });
  });

  it('serves a page of its own', async () => {
    const { api } = await serve(fakeGateway(), { listen });
    const port = api.port()!;
    const answer = await ask({ port }, '/healthz', { headers: { Origin: `http://127.0.0.1:${port}` } });
    expect(answer.status).toBe(200);
  });

  it('answers beyond loopback by address and by the names of machine and gateway, and to no other', async () => {
    const machineNames = ['press-shop-1'];
    const { api } = await serve(fakeGateway(), { listen: { host: '0.0.0.0', port: 0 }, hosts: ['mon'], machineNames });
    const port = api.port()!;
    const statusOf = async (host: string) => (await ask({ port }, '/metrics', { headers: { Host: host } })).status;
    for (const host of [
      'press-shop-1:8420',
      'press-shop-1.plant.lan',
      '10.9.0.1:8420',
      '[fd00::1]',
      'mon',
      'localhost',
    ])
      expect([host, await statusOf(host)]).toEqual([host, 200]);
    for (const host of ['evil.example', 'press-shop-1evil.example', 'mon.example'])
      expect([host, await statusOf(host)]).toEqual([host, 421]);
  });

  it('answers over TLS with a certificate of its own, and says which file is missing', async () => {
    const own = await selfSigned();
    const tls = { cert: own.certPath, key: own.certPath.replace('cert.pem', 'key.pem') };
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 }, tls });
    const options = { host: '127.0.0.1', port: api.port()!, path: '/healthz', ca: own.cert };
    const status = await new Promise((resolve, reject) => {
      get(options, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
    expect(status).toBe(200);
    await expect(ask({ port: api.port()! }, '/healthz')).rejects.toThrow();
    // What cannot be served does not end what is.
    const missing = { listen: { host: '127.0.0.1', port: 0 }, tls: { ...tls, key: '/nowhere/api.key' } };
    await expect(api.relisten(missing)).rejects.toThrow('api.tls.key: /nowhere/api.key cannot be read');
    expect(api.port()).toBeDefined();
    await expect(api.relisten({ ...missing, tls: { ...tls, key: tls.cert } })).rejects.toThrow('are not a certificate');
    await own.remove();
  });

  it('answers on loopback to a name of api.hosts, as a proxy passes it on', async () => {
    const { api } = await serve(fakeGateway(), { listen, hosts: ['press-shop-1'], machineNames: ['other'] });
    const headers = { Host: 'press-shop-1' };
    expect((await ask({ port: api.port()! }, '/metrics', { headers })).status).toBe(200);
    const asOther = { headers: { Host: 'other' } };
    expect((await ask({ port: api.port()! }, '/metrics', asOther)).status).toBe(421);
  });

  it('keeps the socket while its port is taken, and takes the port when it is free', async () => {
    const first = await serve(fakeGateway(), { listen });
    const port = first.api.port()!;
    const clock = new SimulatedClock();
    const second = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port }, clock });
    expect([(await ask(second, '/healthz')).status, second.api.port()]).toEqual([200, undefined]);
    const told = async () => (await ask(second, '/api/v1/status')).body as { api: object };
    expect((await told()).api).toMatchObject({
      address: `http://127.0.0.1:${port}`,
      trouble: expect.stringContaining('in use'),
    });
    await first.api.close();
    await clock.advance(10_000);
    await until(() => second.api.port() === port);
    expect((await told()).api).not.toHaveProperty('trouble');
    expect((await ask({ port }, '/healthz')).status).toBe(200);
  });

  it('goes on when the kernel has no file left for a connection, and says so once', async () => {
    const refuse = refusingAccepts();
    const warn = vi.fn();
    const { api } = await serve(fakeGateway(), { listen, log: { ...silentLogger, warn } });
    for (let times = 0; times < 3; times++) refuse();
    const servers = ['the socket', 'TCP'];
    expect(warn.mock.calls).toHaveLength(servers.length);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('a connection could not be taken: accept EMFILE'));
    expect((await ask({ port: api.port()! }, '/healthz')).status).toBe(200);
  });

  it('survives bytes that are no HTTP', async () => {
    const { api } = await serve(fakeGateway(), { listen });
    const socket = connect(api.port()!, '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.resume().write('\u0000\u0001\u0002 garbage\r\n\r\n');
    await closed;
    expect((await ask({ port: api.port()! }, '/healthz')).status).toBe(200);
  });
});
