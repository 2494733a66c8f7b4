import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { placeDemo } from '../../src/cli/demo/demo.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, until } from '../double/command-line.ts';
import { Terminal } from '../double/terminal.ts';

const PLACES = { plantPort: 40123, brokerPort: 1884, pagePort: 8421, storePath: '/tmp/demo/store' };

const FILE = `# A press line.
channels:
  line: {driver: modbus-tcp, host: 127.0.0.1, port: 15020}   # the presses
  sim: {driver: mock}
store: {path: /var/lib/millgate}
api: {listen: "127.0.0.1:8420"}
uplinks:
  plant: {type: mqtt, url: "mqtt://127.0.0.1:1883"}
`;

/** The first line of a demo with --json. */
function places(out: string): { mqtt: string; socket: string } {
  return (JSON.parse(out.split('\n')[0]!) as { demo: { mqtt: string; socket: string } }).demo;
}

/** Whether anybody listens on a port of this machine. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

describe('the file of the demo', () => {
  it('gets the ports of this run and keeps every line where it is', () => {
    expect(placeDemo(FILE, PLACES)).toBe(`# A press line.
channels:
  line: {driver: modbus-tcp, host: "127.0.0.1", port: 40123}   # the presses
  sim: {driver: mock}
store: {path: "/tmp/demo/store"}
api: {listen: "127.0.0.1:8421"}
uplinks:
  plant: {type: mqtt, url: "mqtt://127.0.0.1:1884"}
`);
  });

  it('gets a store, a page and a port where none is written', () => {
    const text = placeDemo('channels:\n  line: {driver: modbus-tcp, host: 127.0.0.1}\n', PLACES);
    expect(parse(text)).toEqual({
      channels: { line: { driver: 'modbus-tcp', host: '127.0.0.1', port: 40123 } },
      store: { path: '/tmp/demo/store' },
      api: { listen: '127.0.0.1:8421' },
    });
  });
});

describe('demo', () => {
  it('makes readings, answers status, and leaves nothing behind', async () => {
    const demo = millgate(['demo', '--json']);
    // The first demo of a test run also loads all of the program from its sources.
    await until(() => demo.out().split('\n').length > 3, 40_000);
    const { mqtt, socket } = places(demo.out());
    const port = Number(new URL(mqtt).port);
    expect(await answers(port)).toBe(true);
    const status = millgate(['status', '--json'], { env: { MILLGATE_SOCKET: socket } });
    expect(await status.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(status.out())).toMatchObject({ state: 'running', config: { onDisk: 'same' } });

    const pressedMs = performance.now();
    demo.interrupt();
    expect(await demo.exitCode).toBe(EXIT.ok);
    expect(performance.now() - pressedMs).toBeLessThan(1000);
    expect(existsSync(dirname(socket))).toBe(false);
    expect(await answers(port)).toBe(false);
    for (const line of demo.out().trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  }, 60_000);

  it('takes the next port when 1883 is in use', async () => {
    const first = millgate(['demo', '--json']);
    const second = millgate(['demo', '--json']);
    await until(() => first.out() !== '' && second.out() !== '');
    expect(places(first.out()).mqtt).not.toBe(places(second.out()).mqtt);
    first.interrupt();
    second.interrupt();
    expect([await first.exitCode, await second.exitCode]).toEqual([EXIT.ok, EXIT.ok]);
  });

  it('says in a terminal what to look at and what to try, and gives the terminal back', async () => {
    const terminal = new Terminal(100, 40);
    const demo = millgate(['demo'], { terminal });
    await until(() => terminal.lines.includes('Ctrl-C ends'));
    const screen = terminal.lines.join('\n');
    expect(screen).toMatch(/^Millgate demo: a simulated press line, \d+ tags/);
    expect(screen).toMatch(/mosquitto_sub -p \d+ -t '#' -v/);
    expect(screen).toMatch(/export MILLGATE_SOCKET=\S+\n {2}millgate status\n/);
    demo.interrupt();
    expect(await demo.exitCode).toBe(EXIT.ok);
    expect(terminal).toMatchObject({ isCursorShown: true, isOnAlternatePage: false });
    expect(terminal.lines.at(-1)).toBe('The demo has ended and removed what it made.');
  });

  it('ends by itself after the time given', async () => {
    const demo = millgate(['demo', '--json', '--for', '10ms']);
    expect(await demo.exitCode).toBe(EXIT.ok);
    expect(existsSync(dirname(places(demo.out()).socket))).toBe(false);
  });

  it('refuses a time that is none, exit 2', async () => {
    const demo = millgate(['demo', '--for', 'ever']);
    expect(await demo.exitCode).toBe(EXIT.usage);
    expect(demo.err()).toBe('millgate: --for ever: not a duration. Write 10s or 5m.\n');
  });
});
