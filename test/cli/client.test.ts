import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve, temporaryFolder, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

let server: Server | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
});

/** Something that listens on a Unix socket and does with a connection what the test says. */
async function listener(serveConnection: (socket: Socket) => void): Promise<string> {
  const path = join(temporaryFolder(), 'api.sock');
  server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    serveConnection(socket);
  });
  await new Promise<void>((resolve) => server!.listen(path, resolve));
  return path;
}

describe('finding the gateway', () => {
  it('looks beside the store of the configuration that is named', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'store'));
    const config = join(folder, 'millgate.yaml');
    writeFileSync(
      config,
      `channels:
  sim: {driver: mock}
devices:
  oven: {channel: sim, tags: {temp: {address: 201.25}}}
store: {path: ${join(folder, 'store')}}
`,
    );
    const stopped = millgate(['watch', '--config', config], { env: { MILLGATE_SOCKET: '' } });
    expect(await stopped.exitCode).toBe(EXIT.unavailable);
    expect(stopped.err()).toContain(`no gateway answers on ${join(folder, 'store', 'api.sock')}. Start it:`);

    await serve(fakeGateway(), { socketPath: join(folder, 'store', 'api.sock') });
    const running = millgate(['status', '--json', '--config', config], { env: { MILLGATE_SOCKET: '' } });
    expect(await running.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(running.out())).toMatchObject({ state: 'running', gateway: 'press-shop-1' });
  });
});

/** Runs as a user who is not root, whoever runs the tests: root may enter every folder. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

describe('a folder that is closed to this user', () => {
  it.each(['status', 'watch', 'read oven/temp', 'events', 'export', 'confirm', 'diff'])(
    'is not taken for a gateway that is stopped: %s ends with exit 77, and asks no device',
    async (command) => {
      const folder = temporaryFolder();
      chmodSync(folder, 0o755);
      mkdirSync(join(folder, 'store'));
      const config = join(folder, 'millgate.yaml');
      writeFileSync(
        config,
        `channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: 201.25}}}}
store: {path: ${join(folder, 'store')}}
`,
      );
      await serve(fakeGateway(), { socketPath: join(folder, 'store', 'api.sock') });
      chmodSync(join(folder, 'store'), 0);
      await asNobody(async () => {
        const run = millgate([...command.split(' '), '--config', config], { env: { MILLGATE_SOCKET: '' } });
        expect(await run.exitCode).toBe(EXIT.permission);
        expect(run.err()).toContain('api.sock: this user may not use it. Join its group');
        expect(run.out()).toBe('');
      });
      chmodSync(join(folder, 'store'), 0o700);
    },
  );
});

describe('a gateway that is not well', () => {
  it('that accepts and never answers is given up at the deadline, exit 69', async () => {
    let connections = 0;
    const path = await listener(() => connections++);
    const clock = new SimulatedClock();
    const run = millgate(['watch'], { env: { MILLGATE_SOCKET: path }, clock });
    await until(() => connections > 0);
    await clock.advance(60_000);
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toBe(
      `millgate: ${path}: the gateway does not answer in time. See its log: journalctl -u millgate.\n`,
    );
  });

  it('that never answers does not hold up Ctrl-C', async () => {
    let connections = 0;
    const path = await listener(() => connections++);
    const run = millgate(['watch'], { env: { MILLGATE_SOCKET: path } });
    await until(() => connections > 0);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toBe('');
  });

  it.each([
    ['hangs up', (socket: Socket) => socket.destroy(), 'no gateway answers on'],
    ['speaks no HTTP', (socket: Socket) => socket.end('220 mail ready\r\n'), 'talking to the gateway failed'],
    [
      'is another program',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html'),
      'what answers there is no gateway',
    ],
  ])('that %s is said in plain words, exit 69', async (_what, serveConnection, words) => {
    const path = await listener(serveConnection);
    const run = millgate(['watch'], { env: { MILLGATE_SOCKET: path } });
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toContain(words);
    expect(run.err()).not.toContain('bug');
  });
});
