import { createServer } from 'node:net';
import ModbusSerial from 'modbus-serial';
import { afterEach, expect, it } from 'vitest';
import { isWritable } from '../../../hal/driver.ts';
import { modbusTcp } from '../../../hal/modbus/types.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';

const { signal } = new AbortController();
let close = async (): Promise<void> => {};

afterEach(() => close());

it('reads and writes the server of modbus-serial', async () => {
  const registers = new Map<number, number>([[10, 0x1234]]);
  const coils = new Map<number, boolean>();
  const port = await freePort();
  const vector = {
    getHoldingRegister: (address: number) => registers.get(address) ?? 0,
    getCoil: (address: number) => coils.get(address) ?? false,
    setRegister: (address: number, value: number) => void registers.set(address, value),
    setCoil: (address: number, value: boolean) => void coils.set(address, value),
  };
  const server = new ModbusSerial.ServerTCP(vector, { host: '127.0.0.1', port, unitID: 1 });
  await new Promise<void>((resolve) => server.once('initialized', () => resolve()));
  const channel = modbusChannel(modbusTcp, { host: '127.0.0.1', port });
  const driver = modbusTcp.create(channel, { clock: systemClock, log: silentLogger, random: seededRandom(1) });
  close = async () => {
    await driver.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const tag = (address: string, more = {}) => modbusTag(1, { address, ...more }, channel);
  const write = (target: ReturnType<typeof tag>, value: number | boolean) =>
    isWritable(driver) ? driver.write(target, value, signal) : undefined;

  await driver.connect(signal);
  expect(await driver.read([tag('holding:10')], signal)).toMatchObject([{ ok: true, value: 0x1234 }]);
  expect(await write(tag('holding:11', { type: 'int16' }), -2)).toEqual({ ok: true, readBack: -2 });
  expect(await write(tag('holding:20', { type: 'float32' }), 2.5)).toEqual({ ok: true, readBack: 2.5 });
  expect(await write(tag('holding:11.0', { type: 'bool' }), true)).toEqual({ ok: true, readBack: true });
  expect(await write(tag('coil:3'), true)).toEqual({ ok: true, readBack: true });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
