import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { connected, createDialer } from '../../src/uplink/mqtt-dial.ts';
import { freePort } from '../double/mqtt-peers.ts';
import { until } from './mqtt-fixture.ts';

const NEVER = new AbortController().signal;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step();
});

/** A listener that takes connections at once. */
async function listener(address: string, port = 0): Promise<number> {
  const server: Server = createServer((socket) => socket.on('error', () => {})).listen(port, address);
  await once(server, 'listening');
  cleanUp.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as { port: number }).port;
}

/**
 * A listener whose queue is full, so that the kernel answers no further handshake; room is made after `freeAfterS`, and the
 * kernel's own repetition finds it: a handshake of about a second.
 */
async function slowListener(freeAfterS: number): Promise<number> {
  const program = `
import socket, sys, time
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(0)
port = server.getsockname()[1]
held = []
for _ in range(3):
    one = socket.socket(); one.setblocking(False); one.connect_ex(("127.0.0.1", port)); held.append(one)
time.sleep(0.1)
print(port, flush=True)
time.sleep(${freeAfterS})
while True: held.append(server.accept())
`;
  const child = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp.push(() => child.kill('SIGKILL'));
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return Number(`${text}`);
}

const named = (...addresses: string[]) =>
  (async () => addresses.map((address) => ({ address, family: 4 }))) as unknown as Parameters<typeof createDialer>[1];

const dialer = (...addresses: string[]) => createDialer(systemClock, named(...addresses));

describe('a broker is dialed', () => {
  it('at its second address when the first refuses', async () => {
    const port = await listener('127.0.0.2');
    const stream = await dialer('127.0.0.3', '127.0.0.2')({ host: 'broker', port, tls: undefined }, NEVER);
    stream.destroy();
  });

  it('at its second address when the first does not answer', async () => {
    const port = await slowListener(60);
    await listener('127.0.0.2', port);
    const startedMs = performance.now();
    const stream = await dialer('127.0.0.1', '127.0.0.2')({ host: 'broker', port, tls: undefined }, NEVER);
    stream.destroy();
    // Beside the first, not after its end.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('over a link whose handshake takes longer than the runtime gives one address of two', async () => {
    const port = await slowListener(0.5);
    const startedMs = performance.now();
    const stream = await dialer('127.0.0.1', '127.0.0.1')({ host: 'broker', port, tls: undefined }, NEVER);
    stream.destroy();
    expect(performance.now() - startedMs).toBeGreaterThan(400);
  });

  it('in vain when every address refuses: the first error is told', async () => {
    const port = await freePort();
    const dial = dialer('127.0.0.2', '127.0.0.3')({ host: 'broker', port, tls: undefined }, NEVER);
    await expect(dial).rejects.toMatchObject({ code: 'ECONNREFUSED', address: '127.0.0.2' });
  });

  it('until the signal says otherwise, and no socket is left', async () => {
    const port = await slowListener(60);
    const abort = new AbortController();
    const dial = dialer('127.0.0.1')({ host: 'broker', port, tls: undefined }, abort.signal);
    setImmediate(() => abort.abort(new Error('no longer wanted')));
    await expect(dial).rejects.toThrow('no longer wanted');
    await until(() => !process.getActiveResourcesInfo().includes('TCPSocketWrap'), 'the socket is gone');
  });

  it('with one question for its name, however many attempts wait for the answer', async () => {
    let questions = 0;
    const silent = (() => {
      questions++;
      return new Promise(() => {});
    }) as unknown as Parameters<typeof createDialer>[1];
    const dial = createDialer(systemClock, silent);
    const abort = new AbortController();
    const attempts = [1, 2, 3].map(() => dial({ host: 'broker', port: 1, tls: undefined }, abort.signal));
    abort.abort(new Error('too late'));
    expect(await Promise.allSettled(attempts)).toEqual(
      attempts.map(() => expect.objectContaining({ status: 'rejected' })),
    );
    expect(questions).toBe(1);
  });
});

it('a client whose stream breaks after the broker let it in, when nobody listens yet, ends no process', async () => {
  const port = await listener('127.0.0.1');
  const stream = await dialer('127.0.0.1')({ host: 'broker', port, tls: undefined }, NEVER);
  const client = new MqttClient(() => stream, { reconnectPeriod: 0 });
  const context = { address: 'broker:1883', secure: false, clientId: 'c', username: undefined };
  const accepted = connected(client, { ...context, ca: undefined, cert: undefined }, NEVER);
  client.emit('connect', { cmd: 'connack', returnCode: 0, sessionPresent: false } as never);
  await accepted;
  stream.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  await new Promise((resolve) => client.once('close', () => setImmediate(resolve)));
  client.end(true);
});
