import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { ask } from '../double/ask.ts';
import { serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

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
    expect(answer.body).toMatchObject({ error: expect.stringContaining('may not use this gateway') });
  });

  it('serves a page of its own', async () => {
    const { api } = await serve(fakeGateway(), { listen });
    const port = api.port()!;
    const answer = await ask({ port }, '/healthz', { headers: { Origin: `http://127.0.0.1:${port}` } });
    expect(answer.status).toBe(200);
  });

  it('does not listen where other machines can reach it', async () => {
    await expect(serve(fakeGateway(), { listen: { host: '0.0.0.0', port: 0 } })).rejects.toMatchObject({
      code: EXIT.configInvalid,
      message: 'api.listen: 0.0.0.0 can be reached from other machines. Use 127.0.0.1 and an ssh tunnel.',
    });
  });

  it('names a port that is in use, and leaves no socket behind', async () => {
    const { api } = await serve(fakeGateway(), { listen });
    const socketPath = join(temporaryFolder(), 'api.sock');
    const second = serve(fakeGateway(), { socketPath, listen: { host: '127.0.0.1', port: api.port()! } });
    await expect(second).rejects.toThrow(`port ${api.port()} is in use`);
    expect(existsSync(socketPath)).toBe(false);
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

/** Leaves a socket file that nobody listens on, as a kill does. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.made`, resolve));
  renameSync(`${path}.made`, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
