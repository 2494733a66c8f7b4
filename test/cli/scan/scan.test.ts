import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { noConnection } from '../../../src/cli/direct.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { millgate, serve, temporaryFolder } from '../../double/command-line.ts';
import { fakeGateway, STATUS } from '../../double/fake-gateway.ts';
import { type FaultServer, faultServer } from '../../double/modbus-fault-server.ts';
import { type ModbusSlaves, modbusSlaves } from '../../double/modbus-slave.ts';
import { freePort } from '../../double/processes.ts';
import { Terminal } from '../../double/terminal.ts';

let server: FaultServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Slaves that note every function they are asked for. */
function noting(slaves: ModbusSlaves): ModbusSlaves & { functions: Set<number> } {
  const functions = new Set<number>();
  return {
    ...slaves,
    functions,
    answer(unit, pdu) {
      functions.add(pdu[0]!);
      return slaves.answer(unit, pdu);
    },
  };
}

async function served(slaves: ModbusSlaves, framing: 'mbap' | 'rtu' = 'mbap'): Promise<string> {
  server = await faultServer({ slaves, framing, units: [1] });
  return `127.0.0.1:${server.port}`;
}

async function scan(args: readonly string[], world: Parameters<typeof millgate>[1] = {}) {
  const run = millgate(['scan', ...args], { cwd: temporaryFolder(), ...world });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

/** A device whose registers hold floats, and zeros elsewhere. */
function withFloats(unit: number, floats: Readonly<Record<number, number>>, end = 400): ModbusSlaves {
  const slaves = modbusSlaves({ units: [unit], endOfMap: end, functions: [3, 4] });
  for (let address = 0; address < end; address++) slaves.registers.set(`${unit}/${address}`, 0);
  for (const [address, value] of Object.entries(floats)) {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setFloat32(0, value);
    slaves.registers.set(`${unit}/${Number(address)}`, bytes.getUint16(0));
    slaves.registers.set(`${unit}/${Number(address) + 1}`, bytes.getUint16(2));
  }
  return slaves;
}

const METER = { 0: 231.4, 6: 4.2, 12: 900, 18: 960, 24: 120, 30: 0.93, 70: 50.02, 72: 18_000, 342: 18_003 };

describe('scan of a host', () => {
  it('names the units that answer and reads nothing but registers and identities', async () => {
    const slaves = noting(modbusSlaves({ units: [1, 7], endOfMap: 20 }));
    const { exitCode, out, err } = await scan([await served(slaves), '--units', '1-8', '--timeout', '60ms']);
    expect(out).toMatch(/^host +unit +answers in/);
    expect(out).toMatch(/^127\.0\.0\.1:\d+ +1 .*\n127\.0\.0\.1:\d+ +7 /m);
    expect(err).toMatch(
      /Next\n {2}find its values: {2}millgate probe 127\.0\.0\.1:\d+ 1 holding:\d+-\d+ --expect VALUE/,
    );
    expect(err).toMatch(
      /^Scanning 127\.0\.0\.1:\d+: reads only\. 8 units .*\n127\.0\.0\.1:\d+: unit 1 answers \(\d+ ms\)\n/,
    );
    expect([...slaves.functions].every((code) => [3, 4, 17, 43].includes(code))).toBe(true);
    expect(exitCode).toBe(EXIT.ok);
  });

  it('says one device where every unit id gets an answer', async () => {
    const { out, err } = await scan([await served(modbusSlaves({ units: [0, 1, 255], functions: [3] })), '--json']);
    expect(JSON.parse(out).found).toMatchObject([{ unit: 1, framing: 'tcp' }]);
    expect(err).toContain('answers to every unit id asked: it is one device');
  });

  it('knows a gateway by its exceptions, and asks for every unit behind it', async () => {
    const slaves: ModbusSlaves = {
      ...modbusSlaves({ units: [] }),
      answer: (_unit, pdu) => Uint8Array.of(pdu[0]! | 0x80, 0x0b),
    };
    const { exitCode, err } = await scan([await served(slaves)]);
    expect(err).toMatch(/is a gateway to a serial line, and none of its 246 units answered/);
    expect(exitCode).toBe(EXIT.ok);
  });

  it('finds RTU frames over TCP', async () => {
    const { out, err } = await scan([
      await served(modbusSlaves({ units: [3] }), 'rtu'),
      '--units',
      '3',
      '--timeout',
      '100ms',
      '--json',
    ]);
    expect(JSON.parse(out).found).toMatchObject([{ unit: 3, framing: 'rtu' }]);
    expect(err).toContain('write framing: rtu');
  });

  it('recognises an inverter by the numbers its kind has', async () => {
    const slaves = modbusSlaves({ units: [1], functions: [3] });
    for (const [address, value] of [
      [40_000, 0x5375],
      [40_001, 0x6e53],
      [40_069, 103],
    ] as const)
      slaves.registers.set(`1/${address}`, value);
    const { out, err } = await scan([await served(slaves), '--units', '1', '--json']);
    expect(JSON.parse(out).found[0].profiles).toMatchObject([{ profile: 'sunspec-inverter-103', isSure: true }]);
    expect(err).not.toContain('probe');
  });

  it('is careful with a meter whose values only look right, and with a map of zeros', async () => {
    const { out } = await scan([await served(withFloats(1, METER)), '--units', '1'], {
      terminal: new Terminal(120, 24),
    });
    expect(out).toContain('may be eastron-sdm120');
    await server?.close();
    const zeros = await scan([await served(withFloats(1, { 0: 231.4, 70: 50 })), '--units', '1', '--json']);
    expect(JSON.parse(zeros.out).found[0].profiles).toEqual([]);
  });

  it('finds where an unknown unit has registers', async () => {
    const slaves = withFloats(1, { 100: 45.2 });
    const start = {
      ...slaves,
      answer: (unit: number, pdu: Uint8Array) => (pdu[0] === 4 ? Uint8Array.of(0x84, 1) : slaves.answer(unit, pdu)),
    };
    const { out, err } = await scan([await served(start), '--units', '1']);
    expect(out).toContain('unit 1 has registers at holding:0-399; there may be more');
    expect(err).toMatch(/probe 127\.0\.0\.1:\d+ 1 holding:0-399 --expect VALUE/);
  });

  it('says why nothing listens, exit 69', async () => {
    const { exitCode, out, err } = await scan([`127.0.0.1:${await freePort()}`]);
    expect(err).toMatch(/connection refused\. Is the port right and Modbus TCP enabled/);
    expect(out).toBe('');
    expect(exitCode).toBe(EXIT.unavailable);
  });

  it('takes a channel of the file for what it is', async () => {
    const folder = temporaryFolder();
    const [, port] = (await served(modbusSlaves({ units: [1, 255, 0] }))).split(':');
    writeFileSync(
      join(folder, 'mill.yaml'),
      `channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${port}}, sim: {driver: mock}}\ndevices: {oven: {channel: sim, tags: {temp: {address: "sine(min=1,max=2,period=60s)"}}}}\n`,
    );
    const { exitCode } = await scan(['plc', '--config', 'mill.yaml'], { cwd: folder });
    expect(exitCode).toBe(EXIT.ok);
    const mock = await scan(['sim', '--config', 'mill.yaml'], { cwd: folder });
    expect(mock.err).toContain('channel sim has the driver mock, which cannot be scanned');
    expect(mock.exitCode).toBe(EXIT.usage);
  });
});

describe('scan of a port that cannot be used', () => {
  it('names a port that is not there, exit 69', async () => {
    const { exitCode, err } = await scan(['/nonexistent/tty']);
    expect(err).toMatch(/millgate: \/nonexistent\/tty: no such port\./);
    expect(exitCode).toBe(EXIT.unavailable);
  });

  it('names a file that is no port', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'note.txt'), '');
    const { exitCode, err } = await scan(['./note.txt', '--baud', '9600'], { cwd: folder });
    expect(err).toMatch(/note\.txt: .*Is this a serial port/);
    expect(exitCode).toBe(EXIT.unavailable);
  });

  it('tells a port that this user may not use by exit 77', () => {
    const cause = Object.assign(new Error('Permission denied'), { code: 'EACCES' });
    const fault = noConnection(
      new NotConnected('/dev/ttyUSB0: permission denied. Add the user to the group.', { cause }),
    );
    expect(fault.code).toBe(EXIT.permission);
  });

  it('leaves a port alone that the running gateway uses', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'store'));
    const file = join(folder, 'mill.yaml');
    const port = join(folder, 'tty');
    writeFileSync(port, '');
    writeFileSync(
      file,
      `channels: {line-a: {driver: modbus-rtu, port: ${port}}}\ndevices: {meter: {channel: line-a, unit: 1, tags: {a: {address: "holding:0"}}}}\n`,
    );
    const { socketPath } = await serve({
      ...fakeGateway(),
      status: async () => ({ ...STATUS, config: { file, hash: '1' } }),
    });
    for (const target of [port, 'line-a']) {
      const { exitCode, err } = await scan([target, '--config', file], { env: { MILLGATE_SOCKET: socketPath } });
      expect(err).toContain('the running gateway uses it (channel line-a');
      expect(exitCode).toBe(EXIT.unavailable);
    }
  });

  it('names a bus that is not there', async () => {
    const { exitCode, err } = await scan(['i2c-99']);
    expect(err).toMatch(/\/dev\/i2c-99: (no such bus|I²C needs)/);
    expect(exitCode).toBe(EXIT.unavailable);
  });

  it.each([
    ['x y'],
    ['/dev/ttyS0', '--parity', 'mark'],
    ['/dev/ttyS0', '--units', '0-3'],
    ['/dev/ttyS0', '--timeout', 'soon'],
  ])('refuses %s %s %s, exit 2', async (...args) => {
    expect((await scan(args.filter((arg) => arg !== undefined))).exitCode).toBe(EXIT.usage);
  });
});
