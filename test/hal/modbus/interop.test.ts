import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import ModbusSerial from 'modbus-serial';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isWritable } from '../../../hal/driver.ts';
import { isIdentifying } from '../../../hal/modbus/abilities.ts';
import type { ModbusChannel } from '../../../hal/modbus/channel.ts';
import { askDevice, type DeviceState, newDevice } from '../../../hal/modbus/device.ts';
import type { ModbusRequest } from '../../../hal/modbus/line/frame.ts';
import { tcpTransport } from '../../../hal/modbus/line/tcp.ts';
import { lineOn, modbusRtu, modbusTcp } from '../../../hal/modbus/type.ts';
import { SerialTransport } from '../../../hal/serial/port.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Value } from '../../../src/core/reading.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';
import { Bench, freePort, listens, until } from '../../double/processes.ts';

/**
 * Slaves of three stacks that we did not write, over both lines, read and written with the same calls. Each has unit 1
 * with 100 items of each table; holding register 10 is 0x1234, input register 5 is 0x0102, discrete input 7 is on.
 */
const { signal } = new AbortController();
const BAUD = 115_200;

let bench: Bench;
let closeServer = async (): Promise<void> => {};

beforeEach(() => {
  bench = new Bench();
});

afterEach(async () => {
  await closeServer();
  closeServer = async () => {};
  await bench.dispose();
});

const tcp = (port: number): ModbusChannel => modbusChannel(modbusTcp, { host: '127.0.0.1', port });
const rtu = (port: string): ModbusChannel =>
  modbusChannel(modbusRtu, { port, baud: BAUD, parity: 'none', stopBits: 2, timeout: 500 });

function driverOf(channel: ModbusChannel) {
  return modbusTcp.create(channel, { clock: systemClock, log: silentLogger, random: seededRandom(1) });
}

/** What a technician's file would do: read each table, write a switch, a setpoint and a float, each read back. */
async function readAndWriteTags(channel: ModbusChannel): Promise<void> {
  const driver = driverOf(channel);
  const tag = (address: string, more = {}) => modbusTag(1, { address, ...more }, channel);
  const write = (target: ReturnType<typeof tag>, value: Value) =>
    isWritable(driver) ? driver.write(target, value, signal) : undefined;
  await driver.connect(signal);
  try {
    const tags = [tag('holding:10'), tag('input:5'), tag('discrete:7'), tag('discrete:8'), tag('coil:3')];
    const values = (await driver.read(tags, signal)).map((result) => (result.ok ? result.value : result.why));
    expect(values).toEqual([0x1234, 0x0102, true, false, false]);
    expect(await write(tag('coil:3'), true), 'FC 5').toEqual({ ok: true, readBack: true });
    expect(await write(tag('holding:11', { type: 'int16' }), -2), 'FC 6').toEqual({ ok: true, readBack: -2 });
    expect(await write(tag('holding:20', { type: 'float32' }), 2.5), 'FC 16').toEqual({ ok: true, readBack: 2.5 });
    expect(await write(tag('holding:11.0'), true), 'FC 22, or 6 where it is not known').toEqual({
      ok: true,
      readBack: true,
    });
    expect(await driver.read([tag('holding:500')], signal)).toMatchObject([{ ok: false, why: 'illegal-address' }]);
  } finally {
    await driver.close();
  }
}

/** Each function by itself, as the line puts it. */
async function askEachFunction(channel: ModbusChannel): Promise<void> {
  const transport =
    channel.kind === 'serial'
      ? new SerialTransport(channel.serial)
      : tcpTransport({ ...channel, connectTimeoutMs: 2000 }, systemClock);
  const line = lineOn(transport, channel, systemClock);
  const asking = { line, clock: systemClock, retries: 1, fallen: new Set<DeviceState>(), neighbours: new Map() };
  const device = newDevice(500);
  const ask = async (request: ModbusRequest): Promise<number[] | string> => {
    const outcome = await askDevice(asking, device, request, signal);
    return outcome.kind === 'answer' ? [...outcome.data] : outcome.kind;
  };
  await line.open(signal);
  try {
    const unit = 1;
    expect(await ask({ kind: 'write-coil', unit, start: 30, on: true }), 'FC 5').toEqual([]);
    expect(await ask({ kind: 'write-coils', unit, start: 31, coils: [true, false, true] }), 'FC 15').toEqual([]);
    expect(await ask({ kind: 'read', unit, table: 'coil', start: 30, count: 4 }), 'FC 1').toEqual([0b1011]);
    expect(await ask({ kind: 'write-register', unit, start: 40, register: 0xbeef }), 'FC 6').toEqual([]);
    const registers = Uint16Array.of(1, 0xffff, 3);
    expect(await ask({ kind: 'write-registers', unit, start: 41, registers }), 'FC 16').toEqual([]);
    const held = [0xbe, 0xef, 0, 1, 0xff, 0xff, 0, 3];
    expect(await ask({ kind: 'read', unit, table: 'holding', start: 40, count: 4 }), 'FC 3').toEqual(held);
    expect(await ask({ kind: 'read', unit, table: 'discrete', start: 0, count: 8 }), 'FC 2').toEqual([0x80]);
    expect(await ask({ kind: 'read', unit, table: 'input', start: 5, count: 1 }), 'FC 4').toEqual([1, 2]);
  } finally {
    await line.close();
  }
}

async function speaksWith(channel: ModbusChannel): Promise<void> {
  await readAndWriteTags(channel);
  await askEachFunction(channel);
}

describe('modbus-serial', () => {
  const memory = () => {
    const registers = new Map<number, number>([[10, 0x1234]]);
    const coils = new Map<number, boolean>();
    const checked = <T>(address: number, value: T): T => {
      if (address >= 100) throw Object.assign(new Error('no such register'), { modbusErrorCode: 2 });
      return value;
    };
    return {
      getInputRegister: (address: number) => checked(address, address === 5 ? 0x0102 : 0),
      getHoldingRegister: (address: number) => checked(address, registers.get(address) ?? 0),
      getDiscreteInput: (address: number) => checked(address, address === 7),
      getCoil: (address: number) => checked(address, coils.get(address) ?? false),
      setRegister: (address: number, value: number) => void registers.set(address, value),
      setCoil: (address: number, value: boolean) => void coils.set(address, value),
    };
  };

  it('over TCP', async () => {
    const port = await freePort();
    const server = new ModbusSerial.ServerTCP(memory(), { host: '127.0.0.1', port, unitID: 1 });
    await new Promise<void>((resolve) => server.once('initialized', () => resolve()));
    closeServer = () => new Promise((resolve) => server.close(() => resolve()));
    await speaksWith(tcp(port));
  });

  it('over a serial line', async () => {
    const { a, b } = await bench.ptyPair();
    const opened = await new Promise<{ close(done: () => void): void }>((resolve, reject) => {
      const server = new ModbusSerial.ServerSerial(memory(), {
        ...{ path: b, baudRate: BAUD, unitID: 1 },
        openCallback: (error: unknown) => (error ? reject(error) : resolve(server)),
      });
    });
    // From Node 26.4 on, what a stock serial port reads is looked at with the next timer only: this is the server's.
    const wake = setInterval(() => {}, 2);
    closeServer = () => {
      clearInterval(wake);
      return new Promise((resolve) => opened.close(() => resolve()));
    };
    await speaksWith(rtu(a));
  });
});

describe('pymodbus', () => {
  const start = async (...args: string[]) => {
    const program = bench.start('/usr/bin/python3', [
      '-u',
      join(import.meta.dirname, '../../double/pymodbus-server.py'),
      ...args,
    ]);
    await until(
      'pymodbus to be ready (python3-pymodbus)',
      () => program.output().includes('ready'),
      20_000,
      program.output,
    );
  };

  it('over TCP, and says who it is', async () => {
    const port = await freePort();
    await start('tcp', `${port}`);
    await until('its port', () => listens(port), 10_000);
    await speaksWith(tcp(port));
    const driver = driverOf(tcp(port));
    await driver.connect(signal);
    const said = isIdentifying(driver) ? await driver.identify(1, signal) : undefined;
    await driver.close();
    expect(said).toMatchObject({
      isThere: true,
      names: { vendor: 'Example Works', productCode: 'EX-7', revision: '3.1', productName: 'Example meter' },
    });
  });

  it('over a serial line', async () => {
    const { a, b } = await bench.ptyPair();
    await start('rtu', b, `${BAUD}`);
    await speaksWith(rtu(a));
  });
});

describe('libmodbus', () => {
  const start = async (...args: string[]) => {
    const program = join(bench.folder, 'libmodbus-server');
    const source = join(import.meta.dirname, '../../double/libmodbus-server.c');
    const { status, stderr, error } = spawnSync('gcc', [source, '-o', program, '-lmodbus'], { encoding: 'utf8' });
    if (status !== 0)
      throw new Error(
        `gcc or libmodbus-dev is missing. Install them: apt-get install gcc libmodbus-dev\n${error ?? stderr}`,
      );
    const running = bench.start(program, args);
    await until('libmodbus to be ready', () => running.output().includes('ready'), 10_000, running.output);
  };

  it('over TCP, and says who it is', async () => {
    const port = await freePort();
    await start('tcp', `${port}`);
    await speaksWith(tcp(port));
    const driver = driverOf(tcp(port));
    await driver.connect(signal);
    const said = isIdentifying(driver) ? await driver.identify(1, signal) : undefined;
    await driver.close();
    expect(said).toMatchObject({ isThere: true, names: {}, serverText: expect.stringContaining('LMB') });
  });

  it('over a serial line', async () => {
    const { a, b } = await bench.ptyPair();
    await start('rtu', b, `${BAUD}`);
    await speaksWith(rtu(a));
  });
});
