import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_STREAM_CLIENTS, MAX_WAITING_BYTES } from '../../src/api/stream/stream.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { serve, until } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A client of the stream that keeps what it got; a slow one reads nothing. */
function follow(
  where: string | { port: number },
  query = '',
  slow = false,
  headers = '',
): { text: () => string; socket: Socket } {
  let text = '';
  const socket = typeof where === 'string' ? connect(where) : connect(where);
  sockets.push(socket);
  socket.setEncoding('utf8').on('error', () => {});
  if (slow) socket.pause();
  else
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
  socket.write(`GET /api/v1/stream${query} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
  return { text: () => text, socket };
}

const oven = (value: number | string) =>
  ({ tag: 'oven/temp', wallMs: SIX + 1000, monoMs: 1000, quality: 'good', value }) as const;

describe('the stream of readings', () => {
  it('begins with the last readings and goes on with each as it is made', async () => {
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const client = follow(socketPath, '?tag=oven/temp');
    await until(() => client.text().includes('event: snapshot'));
    expect(client.text()).toContain(
      `data: [{"tag":"oven/temp","t":${SIX},"quality":"uncertain","value":260,"why":"out-of-range"}]\n\n`,
    );
    view.make([oven(200), { ...oven(1), tag: 'press-1/parts' }]);
    await until(() => client.text().includes('event: readings'));
    expect(client.text()).toContain(`data: [{"tag":"oven/temp","t":${SIX + 1000},"quality":"good","value":200}]\n\n`);
    expect(client.text()).toContain('Content-Type: text/event-stream');
  });

  it('refuses a tag that is not there', async () => {
    const { socketPath } = await serve(fakeGateway());
    const client = follow(socketPath, '?tag=oven/tmep');
    await until(() => client.text().includes('Did you mean oven/temp?'));
    expect(client.text()).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('drops a client that does not read, and serves the others on', async () => {
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const slow = follow(socketPath, '', true);
    const quick = follow(socketPath, '?tag=oven/temp');
    await until(() => quick.text().includes('snapshot'));
    let closed = false;
    slow.socket.on('close', () => {
      closed = true;
    });
    const large = { ...oven('x'.repeat(MAX_WAITING_BYTES / 4)), tag: 'press-1/parts' };
    for (let made = 0; made < 12; made++) view.make([large]);
    slow.socket.resume();
    await until(() => closed);
    view.make([oven(201)]);
    await until(() => quick.text().includes('"value":201'));
    expect(view.followers()).toBe(1);
  });

  it('has room for so many clients and says so to the next', async () => {
    const { socketPath } = await serve(fakeGateway());
    const clients = Array.from({ length: MAX_STREAM_CLIENTS }, () => follow(socketPath));
    await until(() => clients.every((client) => client.text().includes('snapshot')));
    const next = follow(socketPath);
    await until(() => next.text().includes('clients follow already'));
    expect(next.text()).toMatch(/^HTTP\/1\.1 503 /);
  });

  it('has its own room for the socket: clients over TCP lock nobody out', async () => {
    const { api, socketPath } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 } });
    const clients = Array.from({ length: MAX_STREAM_CLIENTS + 60 }, () => follow({ port: api.port()! }));
    await until(() => clients.filter((client) => client.text().includes('snapshot')).length === MAX_STREAM_CLIENTS);
    const own = follow(socketPath);
    await until(() => own.text().includes('snapshot'));
    expect(own.text()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('lets the gateway be when the last client has gone', async () => {
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const client = follow(socketPath);
    await until(() => view.followers() === 1);
    client.socket.destroy();
    await until(() => view.followers() === 0);
    expect(view.followers()).toBe(0);
  });

  it('shows every 15 seconds that it is alive', async () => {
    const clock = new SimulatedClock();
    const { socketPath } = await serve(fakeGateway(), { clock });
    const client = follow(socketPath);
    await until(() => client.text().includes('snapshot'));
    await clock.advance(15_000);
    await until(() => client.text().includes(': alive'));
    expect(client.text().match(/: alive/g)).toHaveLength(1);
  });
});

describe('the stream of a page', () => {
  it('tells status, alarms and what the journal has behind the place where the page was', async () => {
    const view = fakeGateway({
      events: async ({ afterSeq = 0 }) => ({
        events: [11]
          .filter((seq) => seq > afterSeq)
          .map((seq) => ({ seq, t: SIX, kind: 'audit', message: `no. ${seq}` })),
        next: undefined,
      }),
    });
    const { socketPath } = await serve(view);
    const client = follow(socketPath, '?page=1&pace=100', false, 'Last-Event-ID: 0f6c.10\r\n');
    await until(() => client.text().includes('event: status'));
    expect(client.text()).toContain('event: alarms\ndata: {"alarms":[{"id":"oil-hot"');
    expect(client.text()).toContain('event: event\nid: 0f6c.11\ndata: {"seq":11');
    // Of readings between two steps only the last is sent.
    view.make([oven(1)]);
    view.make([oven(2)]);
    await until(() => client.text().includes('event: readings'));
    expect(client.text()).not.toContain('"value":1}');
  });
});
