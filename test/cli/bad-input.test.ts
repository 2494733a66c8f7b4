import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/terminal/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, serve, temporaryFolder, until, type World } from '../double/command-line.ts';
import { fakeGateway, STATUS } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

/** Commands that need a gateway. */
const ASKING: readonly string[][] = [
  ['watch'],
  ['watch', '--json'],
  ['alarms'],
  ['alarms', 'ack', 'oil-hot'],
  ['spc', 'shaft'],
];

/** Commands that can do without one when the file says what to do. */
const ASKING_OR_NOT: readonly string[][] = [
  ['read', 'oven/temp'],
  ['write', 'oven/temp', '1'],
  ['export'],
  ['history', 'oven/temp'],
  ['events'],
  ['status', '--ledger'],
];

/** Commands that need a configuration, and none that runs. */
const READING: readonly string[][] = [['check'], ['run'], ['backtest']];

/** What no message may have in it, whatever happened: a bug, a stack, a colour off a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const UNSEEMLY = /bug|\n {4}at |undefined|\[object|\u001b/;

/** Runs to the end; the message must be in plain words and nothing must have been printed as data. */
async function failing(args: readonly string[], world: World) {
  const run = millgate(args, world);
  const exitCode = await run.exitCode;
  expect(run.err()).not.toMatch(UNSEEMLY);
  expect(run.out()).toBe('');
  return { exitCode, err: run.err() };
}

/** Something that listens where a gateway should. */
async function listener(answer: (socket: Socket) => void) {
  const path = join(temporaryFolder(), 'api.sock');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const named = (lines: readonly string[][]) => lines.map((args) => ({ line: args.join(' '), args }));

describe('no gateway', () => {
  it.each(named(ASKING))('$line: says so with the remedy, exit 69', async ({ args }) => {
    const { exitCode, err } = await failing(args, {});
    expect(exitCode).toBe(EXIT.unavailable);
    expect(err).toBe(
      'millgate: no gateway answers on /nonexistent/api.sock. Start it: systemctl start millgate, or millgate run.\n',
    );
  });
});

describe('a configuration that vanished', () => {
  const env = { MILLGATE_SOCKET: '', MILLGATE_CONFIG: '/nonexistent/millgate.yaml' };

  it.each(named([...ASKING, ...ASKING_OR_NOT, ...READING]))('$line: names the file, exit 78', async ({ args }) => {
    const { exitCode, err } = await failing(args, { env });
    expect(exitCode).toBe(EXIT.configInvalid);
    expect(err).toContain('/nonexistent/millgate.yaml');
  });

  it('is told with its problems, or where they are listed, when it is broken instead', async () => {
    const file = join(temporaryFolder(), 'millgate.yaml');
    writeFileSync(file, 'channels: {sim: {driver: mok}}\n');
    for (const args of [...ASKING_OR_NOT, ...READING]) {
      const { exitCode, err } = await failing(args, { env: { ...env, MILLGATE_CONFIG: file } });
      expect(exitCode, args.join(' ')).toBe(EXIT.configInvalid);
      expect(err, args.join(' ')).toMatch(/millgate\.yaml:1:|millgate check .*millgate\.yaml/);
    }
  });
});

describe('something else where the gateway should be', () => {
  it.each([
    ['hangs up', (socket: Socket) => socket.destroy()],
    ['speaks no HTTP', (socket: Socket) => socket.end('220 mail ready\r\n')],
    ['is another program', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html')],
    ['fails', (socket: Socket) => socket.end('HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops')],
    ['ends in the middle', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[')],
  ])('that %s is told in plain words by every command', async (_what, answer) => {
    const other = await listener(answer);
    for (const args of ASKING) {
      const { exitCode, err } = await failing(args, { env: { MILLGATE_SOCKET: other.path } });
      expect([EXIT.failed, EXIT.unavailable], args.join(' ')).toContain(exitCode);
      expect(err).toMatch(/^millgate: .+\. .+\n$/);
    }
    other.close();
  });
});

describe('Ctrl-C', () => {
  it.each(named([...ASKING, ...ASKING_OR_NOT, ['status']]))(
    '$line: ends it at once and quietly while it waits, which is no success',
    async ({ args }) => {
      let connections = 0;
      const silent = await listener(() => connections++);
      const terminal = new Terminal();
      const run = millgate(args, { terminal, env: { MILLGATE_SOCKET: silent.path } });
      await until(() => connections > 0);
      const pressedMs = performance.now();
      run.interrupt();
      expect(await run.exitCode).toBe(EXIT.failed);
      expect(performance.now() - pressedMs).toBeLessThan(1000);
      expect(run.err()).toBe('');
      expect(terminal).toMatchObject({ isOnAlternatePage: false, isCursorShown: true, doesWrap: true });
      silent.close();
    },
  );
});

describe('a gateway of another version', () => {
  it.each(named([...ASKING.filter(([name]) => name !== 'watch'), ['status']]))(
    '$line: is warned of once, on standard error, and used',
    async ({ args }) => {
      const status = async () => ({ ...STATUS, version: '0.0.9' });
      const { socketPath } = await serve(fakeGateway({ status }), { version: '0.0.9' });
      const run = millgate(args, { env: { MILLGATE_SOCKET: socketPath } });
      expect(await run.exitCode).toBe(EXIT.ok);
      expect(run.err().match(/warning: the gateway is version 0\.0\.9, this command \d/g)).toHaveLength(1);
      expect(run.out()).not.toBe('');
    },
  );
});

describe('a terminal', () => {
  const SHOWING = [['status'], ['status', '--all'], ['alarms', '--all'], ['profiles'], ['read', 'press-1/*']];

  it.each(named(SHOWING))('$line: of 40 columns is kept to, but for a word that is wider', async ({ args }) => {
    const { socketPath } = await serve(fakeGateway());
    const terminal = new Terminal(40);
    const run = millgate(args, { terminal, env: { MILLGATE_SOCKET: socketPath } });
    await run.exitCode;
    for (const line of terminal.lines)
      if (line.trim().includes(' ')) expect(displayWidth(line), line).toBeLessThanOrEqual(40);
  });

  it.each(named(SHOWING))('$line: gets no colours with NO_COLOR, nor does a pipe', async ({ args }) => {
    const { socketPath } = await serve(fakeGateway());
    const env = { MILLGATE_SOCKET: socketPath };
    const plain = millgate(args, { terminal: new Terminal(), env: { ...env, NO_COLOR: '1' } });
    const pipe = millgate(args, { env });
    await Promise.all([plain.exitCode, pipe.exitCode]);
    expect(plain.out() + pipe.out()).not.toContain('\u001b');
    expect(pipe.out()).not.toBe('');
  });
});
