import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { millgate, serve, temporaryFolder, type World } from '../../double/command-line.ts';
import { fakeGateway } from '../../double/fake-gateway.ts';
import { serveMeter } from '../../double/meter.ts';
import type { FaultServer } from '../../double/modbus-fault-server.ts';
import { type Pty, ptyTo } from '../../double/pty.ts';
import { Terminal } from '../../double/terminal.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function metered(...how: Parameters<typeof serveMeter>): Promise<FaultServer> {
  const server = await serveMeter(...how);
  open.push(server);
  return server;
}

/** A clock on which the time between two looks is over at once. */
function hurried(): Clock {
  let aheadMs = 0;
  return {
    ...systemClock,
    monoMs: () => systemClock.monoMs() + aheadMs,
    sleep: async (ms) => {
      aheadMs += ms;
    },
  };
}

async function probe(args: readonly string[], world: World = {}) {
  const run = millgate(['probe', ...args], { clock: hurried(), ...world });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('probe shows registers', () => {
  it('with what may begin at each; what is empty or missing takes one line', async () => {
    const { port } = await metered();
    const { exitCode, out, err } = await probe([`127.0.0.1:${port}`, '3', 'input:112+16']);
    expect(exitCode).toBe(EXIT.ok);
    const lines = out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '));
    expect(lines[0]).toBe('address | modicon | hex | uint16 | int16 | plausible');
    expect(lines.find((line) => line.startsWith('input:116'))).toMatch(/\| float32 CDAB 12345\.[6-9]\d?$/);
    expect(lines).toContain('input:118…119 | 30119 | – | – | no such register');
    expect(lines).toContain('input:120…121 | 30121 | 0000 | 0');
    expect(lines.find((line) => line.startsWith('input:122'))).toBe(
      'input:122 | 30123 | 5344 | 21316 | string of 3 "SDM630"',
    );
    expect(err).toMatch(/^Read \d times in \d s; \* moved\.\n$/);
  });

  it('fits a terminal of 40 columns', async () => {
    const { port } = await metered();
    const terminal = new Terminal(40, 24);
    const { exitCode } = await probe([`127.0.0.1:${port}`, '3', 'input:100-115', '--for', '1s'], { terminal });
    expect(exitCode).toBe(EXIT.ok);
    expect(terminal.lines.filter((line) => line.length > 40)).toEqual([]);
    expect(terminal.lines.find((line) => line.startsWith('input:100'))).toContain('float32 CDAB 231.');
  });

  it('as JSON, and with --all also what is not plausible', async () => {
    const { port } = await metered();
    const { out } = await probe([`127.0.0.1:${port}`, '3', 'input:122+2', '--json', '--all', '--for', '0s']);
    const { looks, registers } = JSON.parse(out);
    expect(looks).toBe(1);
    expect(registers[0]).toMatchObject({ address: 'input:122', modicon: '30123', word: 0x5344, moved: false });
    expect(registers[0].readings).toContainEqual(
      expect.objectContaining({ type: 'uint32', order: 'ABCD', registers: 2, value: 0x53444d36 }),
    );
  });

  it('and bits', async () => {
    const { port } = await metered();
    const { out } = await probe([`127.0.0.1:${port}`, '3', 'coil:0-1', '--for', '0s']);
    expect(out).toBe('address  modicon  value\ncoil:0   00001    true\ncoil:1   00002    false\n');
  });
});

describe('probe --expect', () => {
  it('finds the value whatever the manual counts from, and says what to paste', async () => {
    const { port } = await metered();
    const { exitCode, out, err } = await probe([`127.0.0.1:${port}`, '3', 'holding:101', '--expect', '231.4']);
    expect(exitCode).toBe(EXIT.ok);
    expect(err).toBe('');
    expect(out).toContain('\n  value: {address: "input:100", type: float32, order: CDAB}\n');
    expect(out).toContain('# input:100 = 30101, FC 4, float32 CDAB; now 231.');
  });

  it('says when the value was not seen, however sure the register is', async () => {
    const { port } = await metered();
    const near = await probe([`127.0.0.1:${port}`, '3', 'input:100-101', '--expect', '232.00']);
    expect(near.out.replaceAll('\n', ' ')).toMatch(/232\.00 itself was not seen there, 231\.\d+ was/);
    const seen = await probe([`127.0.0.1:${port}`, '3', 'input:100-101', '--expect', '231.4']);
    expect(seen.out).not.toContain('was not seen');
  });

  it('ranks several values together', async () => {
    const { port } = await metered();
    const args = [`127.0.0.1:${port}`, '3', '100-130', '--expect', '231.37,229.8', '--expect', '1.267', '--json'];
    const { values } = JSON.parse((await probe(args)).out);
    const firsts = values.map(({ candidates }: { candidates: { address: string; order: string }[] }) => candidates[0]);
    expect(firsts.map(({ address }: { address: string }) => address)).toEqual(['input:100', 'input:102', 'input:106']);
    expect(firsts[0]).toMatchObject({ modicon: '30101', type: 'float32', order: 'CDAB', scale: 1 });
    expect(firsts[2].tag).toBe('value-3: {address: "input:106", type: float32, order: CDAB}');
  });

  it('says that it is not certain, and what would help', async () => {
    const { port } = await metered((address) => (address < 6 ? 50 : undefined));
    const { exitCode, err } = await probe([`127.0.0.1:${port}`, '3', 'input:0-5', '--expect', '50']);
    expect(exitCode).toBe(EXIT.ok);
    expect(err).toContain('50 is not certain. Expect a second value of the device too');
  });

  it('exits 1 when nothing fits', async () => {
    const { port } = await metered();
    const { exitCode, out, err } = await probe([`127.0.0.1:${port}`, '3', 'input:120-121', '--expect', '231.4']);
    expect(exitCode).toBe(EXIT.failed);
    expect(out).toBe('231.4: nothing in this range shows it\n');
    expect(err).toContain('Read the display again, widen the range, or allow more: --within 2%.');
  });
});

describe('the line that probe uses', () => {
  let pty: Pty | undefined;
  afterEach(async () => {
    await pty?.stop();
    pty = undefined;
  });

  it('is a serial port with its settings', async () => {
    const server = await metered(undefined, 3, 'rtu');
    pty = await ptyTo(server.port);
    const args = [pty.path, '3', 'input:100-101', '--baud', '115200', '--parity', 'none', '--for', '0s'];
    // The hurried clock would not wait for the silence between two frames.
    const { exitCode, out, err } = await probe(args, { clock: systemClock });
    expect(err).toBe('Read once.\n');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toContain('float32 CDAB 231.');
  });

  it('is a channel of the file when no gateway runs', async () => {
    const { port } = await metered();
    const config = join(temporaryFolder(), 'millgate.yaml');
    writeFileSync(
      config,
      `channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${port}}, sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: 1}}}}
store: {path: ${temporaryFolder()}}
`,
    );
    const { exitCode, err } = await probe(['plc', '3', 'input:100-101', '--config', config, '--for', '0s']);
    expect({ exitCode, err }).toEqual({ exitCode: EXIT.ok, err: 'Read once.\n' });
    const other = await probe(['sim', '3', 'input:100-101', '--config', config]);
    expect(other.err).toBe('millgate: sim is no Modbus line but mock. Name a Modbus channel.\n');
    const missing = await probe(['line-z', '3', '1', '--config', config]);
    expect(missing.err).toContain(`no channel "line-z" in ${config}. There is: plc, sim.`);
    expect([other.exitCode, missing.exitCode]).toEqual([EXIT.usage, EXIT.usage]);
  });

  it('is the gateway when it runs: the port is never opened twice', async () => {
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const world = { env: { MILLGATE_SOCKET: socketPath } };
    const { exitCode, out } = await probe(['line-a', '3', 'holding:200+2', '--for', '0s'], world);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toContain('holding:200  40201    00C8       200');
    expect(view.asked.probe[0]).toEqual(['line-a', { unit: 3, table: 'holding', start: 200, count: 2 }]);
    expect((await probe(['line-a', '4', 'holding:200+2'], world)).exitCode).toBe(EXIT.unavailable);
  });
});

describe('what can go wrong', () => {
  it.each([
    ['no unit', ['plc:502', '256', '1'], 'unit 256: unit ids go from 0 to 255.'],
    ['no serial unit', ['/dev/ttyNO', '0', '1'], 'unit 0: a serial line has units 1 to 247.'],
    ['no line', ['a b', '1', '1'], '"a b" names no line.'],
    ['too many registers', ['plc:502', '1', '0-1000'], '0-1000 is 1001 addresses; at most 1000 at once.'],
    ['no number', ['plc:502', '1', '1', '--expect', 'warm'], '--expect: "warm" is no number'],
    ['a value in bits', ['plc:502', '1', 'coil:0-3', '--expect', '1'], '--expect is for registers.'],
    ['no share', ['plc:502', '1', '1', '--within', 'much'], '--within much: this is not a tolerance of at most 50%'],
    ['no duration', ['plc:502', '1', '1', '--for', '5'], '--for 5: not a duration.'],
    ['baud of a host', ['plc:502', '1', '1', '--baud', '9600'], '--baud belongs to a serial port'],
    ['framing of a port', ['/dev/ttyNO', '1', '1', '--framing', 'rtu'], '--framing belongs to a host'],
    [
      'a parity there is not',
      ['/dev/ttyNO', '1', '1', '--parity', 'e'],
      '--parity: expected none, even or odd; got "e": write even.',
    ],
  ])('%s: exit 2 before anything is opened', async (_, args, message) => {
    const { exitCode, out, err } = await probe(args);
    expect(err).toContain(`millgate: ${message}`);
    expect({ exitCode, out }).toEqual({ exitCode: EXIT.usage, out: '' });
  });

  it('a unit that is silent: exit 69, with what to check', async () => {
    const { port } = await metered();
    const { exitCode, err } = await probe([`127.0.0.1:${port}`, '9', '0-9', '--timeout', '20ms']);
    expect(exitCode).toBe(EXIT.unavailable);
    expect(err).toContain(`unit 9 on 127.0.0.1:${port} does not answer. Check its power and wiring, its unit id`);
  });

  it('a unit that has nothing there: exit 1, for the line is well', async () => {
    const { port } = await metered();
    const { exitCode, err } = await probe([`127.0.0.1:${port}`, '3', '1000-1009']);
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toContain('answers, but has nothing at 1000-1009. It has no holding table. Try another range or table');
  });

  it('a port or a host that is not there: exit 69, named once', async () => {
    const server = await serveMeter();
    await server.close();
    const host = await probe([`127.0.0.1:${server.port}`, '3', '1']);
    expect(host.err).toMatch(/^millgate: 127\.0\.0\.1:\d+: connection refused\. /);
    const port = await probe(['/dev/ttyNO', '3', '1']);
    expect(port.err).toMatch(/^millgate: \/dev\/ttyNO: no such port\. /);
    expect([host.exitCode, port.exitCode]).toEqual([EXIT.unavailable, EXIT.unavailable]);
  });

  it('Ctrl-C while it watches: what was seen until then is shown', async () => {
    const { port } = await metered();
    const waiting: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        run.interrupt();
        return systemClock.sleep(ms, signal);
      },
    };
    const run = millgate(['probe', `127.0.0.1:${port}`, '3', 'input:100-101', '--for', '10m'], { clock: waiting });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toContain('float32 CDAB 231.');
    expect(run.err()).toBe('Read once.\n');
  });
});
