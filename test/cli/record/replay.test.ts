import { truncateSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { encodeLine, type LineEvent, type RecordedChannel } from '../../../hal/recording/recording.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { millgate, type Run, temporaryFolder, until } from '../../double/command-line.ts';
import { mbapFrame, rtuFrame } from '../../double/modbus-slave.ts';

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const word = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const question = (address: number): Uint8Array => rtuFrame(1, Uint8Array.of(3, 0, address, 0, 1));
const ANSWERS = ['030200aa', '030200bb'].map((pdu) => rtuFrame(1, word(pdu)));

const SERIAL: RecordedChannel = {
  ...{ driver: 'modbus-rtu', framing: 'rtu', characterMs: 0.1 },
  settings: {
    port: '/dev/ttyUSB0',
    baud: 115_200,
    parity: 'even',
    dataBits: 8,
    stopBits: 1,
    timeout: '300ms',
    retries: 1,
    pause: '0ms',
  },
};

const SCALES: RecordedChannel = {
  ...{ driver: 'serial-line', framing: 'text', characterMs: 1 },
  settings: { port: '/dev/ttyACM0', baud: 9600, delimiter: '\r\n', timeout: '1000ms' },
};

/** A recording as a file; events are µs, channel, and what happened. */
function recording(
  channels: Record<string, RecordedChannel>,
  events: [number, string, LineEvent][],
  end = true,
): string {
  const header = {
    ...{ gateway: 'press-shop-1', program: '0.1.0', config: { file: 'millgate.yaml', hash: '9b1e00c0ffee' } },
    ...{ wallMs: Date.UTC(2025, 10, 24, 6), clockKnown: true, channels, notRecorded: { pins: 'gpio' } },
  };
  const lines = [
    encodeLine({ kind: 'header', header }),
    ...events.map(([us, channel, event]) => encodeLine({ kind: 'event', recorded: { us, channel, event } })),
    ...(end ? [encodeLine({ kind: 'end', why: 'ended by hand' })] : []),
  ];
  const file = join(temporaryFolder(), 'fault.jsonl');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** A unit that answers twice, the second time in two pieces, and then not at all. */
const TWICE: [number, string, LineEvent][] = [
  [0, 'line-a', { what: 'open' }],
  [1000, 'line-a', { what: 'out', bytes: question(0) }],
  [6000, 'line-a', { what: 'in', bytes: ANSWERS[0]! }],
  [20_000, 'line-a', { what: 'out', bytes: question(0) }],
  [25_000, 'line-a', { what: 'in', bytes: ANSWERS[1]!.slice(0, 3) }],
  [45_000, 'line-a', { what: 'in', bytes: ANSWERS[1]!.slice(3) }],
  [60_000, 'line-a', { what: 'out', bytes: question(9) }],
];

/** Starts a replay; gives the run and the channels it prints. */
async function replaying(
  file: string,
  args: string[] = [],
  clock: Clock = systemClock,
): Promise<{ run: Run; channels: Record<string, Record<string, unknown>> }> {
  const run = millgate(['replay', file, ...args], { clock });
  undo.push(async () => {
    run.interrupt();
    await run.exitCode;
  });
  await until(() => run.err().includes('Ctrl-C ends') || run.err().includes('millgate:'));
  return { run, channels: (parse(run.out()) as { channels: never }).channels };
}

/** A master's connection that keeps what comes. */
async function master(
  port: unknown,
): Promise<{ socket: Socket; came: () => string; chunks: string[]; isClosed: () => boolean }> {
  const socket = connect(Number(port), '127.0.0.1');
  const chunks: string[] = [];
  let closed = false;
  socket.on('data', (bytes) => chunks.push(bytes.toString('hex')));
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  undo.push(() => void socket.destroy());
  await until(() => socket.readyState === 'open' || closed);
  return { socket, chunks, came: () => chunks.join(''), isClosed: () => closed };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('replay', () => {
  it('answers each question as it was answered, in order and in its pieces', async () => {
    const { run, channels } = await replaying(recording({ 'line-a': SERIAL }, TWICE));
    expect(channels['line-a']).toMatchObject({ driver: 'modbus-tcp', framing: 'rtu', timeout: '300ms', retries: 1 });
    const { socket, came, chunks } = await master(channels['line-a']!.port);
    socket.write(question(0));
    await until(() => came() === hex(ANSWERS[0]!));
    socket.write(question(0));
    await until(() => came() === hex(ANSWERS[0]!) + hex(ANSWERS[1]!));
    expect(chunks.slice(1)).toEqual([hex(ANSWERS[1]!.slice(0, 3)), hex(ANSWERS[1]!.slice(3))]);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.err()).toContain('line-a: 2 questions, 2 in the recording, 0 not; 2 of 3 recorded exchanges played.');
    expect(run.err()).toContain('Not in the recording: pins; gpio carries no bytes.');
    expect(run.err()).toContain('played to its end; what is asked again is answered from its beginning');
  });

  it('names questions that are not in the recording, and answers them with exception 0B', async () => {
    const { run, channels } = await replaying(recording({ 'line-a': SERIAL }, TWICE));
    const { socket, came } = await master(channels['line-a']!.port);
    socket.write(rtuFrame(1, word('0400640002')));
    await until(() => came() === hex(rtuFrame(1, word('840b'))));
    expect(run.err()).toContain('line-a: not in the recording: unit 1 input:100 ×2');
  });

  it('is silent where the serial line has no such unit', async () => {
    const { run, channels } = await replaying(recording({ 'line-a': SERIAL }, TWICE));
    const { socket, came } = await master(channels['line-a']!.port);
    socket.write(rtuFrame(8, word('0300000001')));
    socket.write(question(0));
    await until(() => came() === hex(ANSWERS[0]!));
    expect(run.err()).toContain('unit 8 holding:0 ×1');
  });

  it('gives answers of Modbus TCP the transaction they are asked under', async () => {
    const plc: RecordedChannel = {
      driver: 'modbus-tcp',
      framing: 'tcp',
      characterMs: 0,
      settings: { host: 'plc', port: 502, timeout: '1000ms' },
    };
    const file = recording({ plc }, [
      [0, 'plc', { what: 'open' }],
      [1000, 'plc', { what: 'out', bytes: mbapFrame(7, 1, word('0300000001')) }],
      [2000, 'plc', { what: 'in', bytes: mbapFrame(7, 1, word('0302002a')) }],
    ]);
    const { channels } = await replaying(file);
    expect(channels.plc).toMatchObject({ framing: 'tcp', host: '127.0.0.1' });
    const { socket, came } = await master(channels.plc!.port);
    socket.write(mbapFrame(0xbeef, 1, word('0300000001')));
    await until(() => came() === hex(mbapFrame(0xbeef, 1, word('0302002a'))));
  });

  it('goes away where the connection was lost, and comes back as it did', async () => {
    const file = recording({ 'line-a': SERIAL }, [
      ...TWICE.slice(0, 2),
      [5000, 'line-a', { what: 'lost', why: 'the port is gone' }],
      [6000, 'line-a', { what: 'connecting' }],
      [7000, 'line-a', { what: 'failed', why: 'no such port' }],
      [20_007_000, 'line-a', { what: 'connecting' }],
      [20_007_000, 'line-a', { what: 'open' }],
    ]);
    const clock = new SimulatedClock();
    const { run, channels } = await replaying(file, [], clock);
    const { socket, isClosed } = await master(channels['line-a']!.port);
    socket.write(question(0));
    while (!isClosed()) await clock.advance(1);
    const away = await master(channels['line-a']!.port);
    await until(away.isClosed);
    await clock.advance(11_000);
    const back = await master(channels['line-a']!.port);
    back.socket.write(question(1));
    await until(() => back.came() === hex(rtuFrame(1, word('830b'))));
    expect(run.err()).toContain('unit 1 holding:1 ×1');
  });

  it('with --strict ends at the first question that is not in it', async () => {
    const { run, channels } = await replaying(recording({ 'line-a': SERIAL }, TWICE), ['--strict']);
    const { socket } = await master(channels['line-a']!.port);
    socket.write(question(77));
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toContain('not in the recording: unit 1 holding:77 ×1. Use the configuration that was recorded.');
  });

  it('prints timeouts that fit its speed', async () => {
    const { channels } = await replaying(recording({ 'line-a': SERIAL }, TWICE), ['--speed', '10']);
    expect(channels['line-a']).toMatchObject({ timeout: '30ms', pause: '0ms' });
  });

  it('serves lines of text on a pseudo terminal only', async () => {
    const file = recording({ scales: SCALES }, [
      [0, 'scales', { what: 'open' }],
      [1000, 'scales', { what: 'in', bytes: Buffer.from('ST,GS, 1.20 kg\r\n') }],
    ]);
    const overTcp = millgate(['replay', file]);
    expect(await overTcp.exitCode).toBe(EXIT.failed);
    expect(overTcp.err()).toContain('lines of text come from a serial port. Add --pty.');
    const { channels } = await replaying(file, ['--pty']);
    expect(channels.scales).toMatchObject({ driver: 'serial-line', delimiter: '\r\n', baud: 9600 });
    expect(channels.scales!.port).toMatch(/^\/dev\/pts\/\d+$/);
  });
});

describe('a recording that is not whole', () => {
  it('is served as far as it can be read, and says so', async () => {
    const file = recording({ 'line-a': SERIAL }, TWICE, false);
    writeFileSync(file, '\0\0\0\n{"us":70000,"chan', { flag: 'a' });
    const { run } = await replaying(file);
    expect(run.err()).toContain('It has no end: it was cut off while recording.');
    expect(run.err()).toContain('2 of its lines cannot be read and are left out, the first is 9.');
  });

  it('or none at all, is refused in words', async () => {
    const folder = temporaryFolder();
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const huge = write('huge', 'x');
    truncateSync(huge, 1_000_000_000);
    const attempts: [string[], number, RegExp][] = [
      [[write('empty', '')], EXIT.failed, /is empty/],
      [[write('other', '{"schema":"millgate/recording/9"}\n')], EXIT.failed, /version 9; this program reads version 1/],
      [[write('none', 'gateway: {id: x}\n')], EXIT.failed, /is no recording of bus traffic/],
      [[huge], EXIT.failed, /1 GB are more than can be replayed \(100 MB\)/],
      [[join(folder, 'missing')], EXIT.usage, /no such file/],
      [[folder], EXIT.usage, /is a folder/],
      [
        [recording({ 'line-a': SERIAL }, TWICE), '--channel', 'plc'],
        EXIT.usage,
        /not in the recording. The recording has: line-a/,
      ],
      [[recording({ 'line-a': SERIAL }, TWICE), '--listen', 'here'], EXIT.usage, /not an address with a port/],
      [[recording({ 'line-a': SERIAL }, TWICE), '--speed', '0'], EXIT.usage, /--speed 0/],
      [
        [recording({ 'line-a': SERIAL }, [[0, 'line-a', { what: 'failed', why: 'no such port.' }]])],
        EXIT.failed,
        /it was never connected: no such port/,
      ],
    ];
    for (const [args, exitCode, words] of attempts) {
      const run = millgate(['replay', ...args]);
      expect(await run.exitCode, args.join(' ')).toBe(exitCode);
      expect(run.err()).toMatch(words);
      expect(run.out()).toBe('');
    }
  });

  it('is not served where somebody else listens', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    undo.push(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const run = millgate(['replay', recording({ 'line-a': SERIAL }, TWICE), '--listen', `127.0.0.1:${port}`]);
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toContain('another program listens there');
  });
});
