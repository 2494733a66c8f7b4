import { describe, expect, it } from 'vitest';
import { Bus } from '../../../hal/i2c/bus.ts';
import { scanI2c } from '../../../hal/i2c/scan.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { byteRegisters, fakeBus, fakeTmp102, wordRegisters } from '../../double/i2c-bus.ts';
import { fakeAdxl345, fakeBosch, fakeSht3x } from '../../double/i2c-chips.ts';
import { settled } from '../../double/i2c-driver.ts';

async function scanned() {
  const clock = new SimulatedClock();
  const fake = fakeBus(clock, {
    24: wordRegisters({ 6: 0x0054, 7: 0x0400 }),
    64: wordRegisters({ 254: 0x5449, 255: 0x2260 }),
    68: fakeSht3x(),
    72: fakeTmp102(20),
    83: fakeAdxl345(clock),
    87: byteRegisters({}),
    118: fakeBosch(0x60),
    119: fakeBosch(0x58),
    74: fakeTmp102(20),
  });
  fake.trouble.set(0x4a, { kind: 'error', code: 'EBUSY', left: 9 });
  // Nobody is there, and the host was too busy to say so in time.
  fake.trouble.set(0x4d, { kind: 'error', code: 'ETIMEDOUT', left: 1 });
  const bus = new Bus({ name: '/dev/i2c-1', timeoutMs: 100, retries: 0 }, fake.open, clock);
  const { signal } = new AbortController();
  await bus.connect(signal);
  const asked: number[] = [];
  const found = await settled(
    clock,
    scanI2c(bus, signal, (address) => asked.push(address)),
  );
  return { fake, found, asked };
}

describe('scanning an I²C bus', () => {
  it('recognises chips by their identity registers, and names candidates where there is none', async () => {
    const { found } = await scanned();
    expect(found.map(({ address, chip, candidates }) => [address, chip ?? candidates])).toEqual([
      [0x18, 'mcp9808'],
      [0x40, 'ina226'],
      [0x44, ['sht3x', 'ina219']],
      [0x48, ['tmp102', 'lm75', 'ads1115', 'ina219']],
      [0x4a, ['tmp102', 'lm75', 'ads1115', 'ina219']],
      [0x53, 'adxl345'],
      [0x57, []],
      [0x76, 'bme280'],
      [0x77, 'bmp280'],
    ]);
  });

  it('tells what stands in the way of an address', async () => {
    const { found } = await scanned();
    expect(found.find(({ address }) => address === 0x4a)?.trouble).toContain('a kernel driver uses this address');
  });

  it('asks every address that is not reserved, and writes nothing but pointers of one byte', async () => {
    const { fake, asked } = await scanned();
    expect(asked).toEqual(Array.from({ length: 0x70 }, (_, index) => 0x08 + index));
    expect(fake.written.filter(({ bytes }) => bytes.length !== 1)).toEqual([]);
  });
});
