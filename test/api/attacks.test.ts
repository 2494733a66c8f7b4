import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_STREAM_CLIENTS } from '../../src/api/stream/stream.ts';
import { ask, post } from '../double/ask.ts';
import { serve, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

const sockets: Socket[] = [];
const listen = { host: '127.0.0.1', port: 0 };

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection that sends these bytes and keeps what comes back. */
function send(port: number, bytes: string): { text: () => string; isClosed: () => boolean } {
  let text = '';
  let closed = false;
  const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes));
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('close', () => (closed = true));
  socket.on('error', () => {});
  sockets.push(socket);
  return { text: () => text, isClosed: () => closed };
}

describe('attacks over TCP', () => {
  it('a number beyond all numbers is no value to write', async () => {
    const view = fakeGateway();
    const { status, body } = await post(await serve(view), '/api/v1/write', '{"tag":"a/b","value":1e999,"by":"ann"}');
    expect([status, body]).toEqual([400, expect.objectContaining({ detail: expect.stringContaining('"value"') })]);
  });

  it('a thousand streams: some are served, the rest refused or closed, and the command line is answered all the while', async () => {
    const { api, socketPath } = await serve(fakeGateway(), { listen });
    const request = 'GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const clients = Array.from({ length: 1000 }, () => send(api.port()!, request));
    await until(() => clients.every((client) => client.isClosed() || client.text().includes('\r\n\r\n')));
    const served = clients.filter((client) => client.text().startsWith('HTTP/1.1 200'));
    expect(served).toHaveLength(MAX_STREAM_CLIENTS);
    expect((await ask({ socketPath }, '/healthz')).status).toBe(200);
  });

  it.each([
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['a length and chunks (smuggling)', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a header of 100 KB', `X-Large: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['a line end in a header', 'X-A: b\r\n c\x00\r\n\r\n'],
    ['no host', ''],
    ['a second host', 'Host: evil.example\r\nContent-Length: 0\r\n\r\n'],
  ])('%s is refused, and the connection ends', async (what, rest) => {
    const { api } = await serve(fakeGateway(), { listen });
    const host = what === 'no host' ? '' : 'Host: localhost\r\n';
    const client = send(api.port()!, `POST /api/v1/read HTTP/1.1\r\n${host}${rest || '\r\n'}`);
    await until(() => client.text() !== '');
    expect(client.text()).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  it('who sends requests without end and takes no answer has one made at a time, and is ended', async () => {
    const view = fakeGateway();
    const { api } = await serve(view, { listen });
    const one = 'GET /api/v1/tags/press-1/oil-temp/history HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const few = send(api.port()!, one.repeat(5));
    await until(() => few.text().split('HTTP/1.1 200').length === 6);
    expect(view.asked.history).toHaveLength(5);
    const many = send(api.port()!, `GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n${one.repeat(100)}`);
    await until(() => many.isClosed());
    expect(view.asked.history).toHaveLength(5);
  });

  it('a request that a page of another site could send does nothing, with or without a token in its body', async () => {
    const view = fakeGateway();
    const { api, socketPath } = await serve(view, { listen });
    const made = await post({ socketPath }, '/api/v1/tokens', '{"name":"ann","role":"admin","by":"ann"}');
    const { token } = made.body as { token: string };
    const path = '/api/v1/alarms/oil-hot/ack';
    const body = JSON.stringify({ occurrence: 3, by: 'ann', token, Authorization: `Bearer ${token}` });
    const foreign: Record<string, string>[] = [
      { Origin: 'https://evil.example', Authorization: `Bearer ${token}` },
      { 'Sec-Fetch-Site': 'cross-site', Authorization: `Bearer ${token}` },
      { Cookie: `token=${token}` },
      { Authorization: `Basic ${Buffer.from(`ann:${token}`).toString('base64')}` },
    ];
    for (const headers of foreign) {
      const all = { 'Content-Type': 'application/json', ...headers };
      const { status } = await ask({ port: api.port()! }, path, { method: 'POST', headers: all, body });
      expect([headers, [401, 403].includes(status)]).toEqual([headers, true]);
    }
    const inAddress = await ask({ port: api.port()! }, `${path}?token=${token}`, { method: 'POST', body });
    expect(inAddress.status).toBe(401);
    expect(view.orders).toEqual([]);
  });

  it('markup in a value is sent as data that no browser runs', async () => {
    const view = fakeGateway();
    const { api } = await serve(view, { listen });
    const client = send(api.port()!, 'GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => client.text().includes('snapshot'));
    const evil = '<script>alert(1)</script>\n\nevent: status\ndata: {}';
    view.make([{ tag: 'oven/temp', wallMs: 1, monoMs: 1, quality: 'good', value: evil }]);
    await until(() => client.text().includes('event: readings'));
    expect(client.text()).toContain('Content-Type: text/event-stream');
    expect(client.text()).toContain('X-Content-Type-Options: nosniff');
    // Line ends of the value are escaped: it cannot begin an event of its own.
    expect(client.text()).not.toContain('\nevent: status');
  });
});
