import { describe, expect, it } from 'vitest';
import { byteRegisters, fakeTmp102, wordRegisters } from '../../double/i2c-bus.ts';
import { fakeAds1115, fakeAdxl345, fakeBosch, fakeMcp23017, fakeSht3x, fakeVl6180x } from '../../double/i2c-chips.ts';
import { i2cBench, i2cTag, said, settled } from '../../double/i2c-driver.ts';

describe('chips on the wire', () => {
  it('a BME280 measures once a read, and gives all three values of that measurement', async () => {
    const { read, bus } = await i2cBench(() => ({ 118: fakeBosch(0x60) }));
    const tags = ['temperature', 'pressure', 'humidity'].map((name) =>
      i2cTag('hall', { unit: 0x76, chip: 'bme280' }, name),
    );
    const [temperature, pressure, humidity] = (await read(tags)).map(said) as number[];
    expect(temperature).toBeCloseTo(25.08, 2);
    expect(pressure).toBeCloseTo(1006.53, 2);
    expect(humidity).toBeGreaterThan(20);
    expect(humidity).toBeLessThan(80);
    expect(bus.written.filter(({ bytes }) => bytes[0] === 0xf4 && bytes.length > 1)).toHaveLength(1);
  });

  it.each([
    ['all of its data zero, as after a loss of supply', [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2]],
    ['only the temperature zero', [0x65, 0x5a, 0xc0, 0, 0, 0, 0x75, 0x30], [0, 1, 2]],
    ['a temperature it cannot have', [0x65, 0x5a, 0xc0, 0x10, 0, 0, 0x75, 0x30], [1, 2]],
  ])('a BME280 with %s has no pressure and no humidity: both are compensated by it', async (_what, data, failed) => {
    const { read } = await i2cBench(() => ({ 118: fakeBosch(0x60, data) }));
    const tags = ['temperature', 'pressure', 'humidity'].map((name) =>
      i2cTag('hall', { unit: 0x76, chip: 'bme280' }, name),
    );
    const results = await read(tags);
    for (const index of failed) expect(said(results[index])).toBe('sensor-failure');
  });

  it('a register is written once, though its acknowledgement was lost: it may be a command', async () => {
    const { driver, signal, clock, bus } = await i2cBench(() => ({ 96: byteRegisters({ 16: 0 }) }));
    bus.trouble.set(96, { kind: 'error', code: 'EIO', left: 1 });
    const command = i2cTag('motor', { unit: 0x60, chip: 'registers' }, 'step', { address: '0x10', type: 'uint8' });
    expect(await settled(clock, driver.write(command, 5, signal))).toMatchObject({ ok: false, kind: 'failed' });
    expect(bus.written).toEqual([]);
  });

  it('a BMP280 where a BME280 is configured is refused, with its identity', async () => {
    const { read } = await i2cBench(() => ({ 118: fakeBosch(0x58) }));
    const [result] = await read([i2cTag('hall', { unit: 0x76, chip: 'bme280' }, 'temperature')]);
    expect(result).toMatchObject({
      ok: false,
      why: 'sensor-failure',
      detail: '0x76 is no bme280: its identity is 0x58',
    });
  });

  it('an SHT3x with a wrong checksum gives a bad reading, and a good one when the noise is over', async () => {
    const sensor = fakeSht3x();
    const { read } = await i2cBench(() => ({ 68: sensor }));
    const tags = ['temperature', 'humidity'].map((name) => i2cTag('dryer', { unit: 0x44, chip: 'sht3x' }, name));
    expect((await read(tags)).map(said)).toEqual([expect.closeTo(25, 2), expect.closeTo(50, 2)]);
    sensor.damage = 0x01;
    expect((await read(tags)).map(said)).toEqual(['sensor-failure', 'sensor-failure']);
    sensor.damage = 0;
    expect(said((await read(tags))[0])).toBeCloseTo(25, 2);
  });

  it('a TMP102 that was shut down is not believed', async () => {
    const { read } = await i2cBench(() => ({ 72: wordRegisters({ 0: 0x1900, 1: 0x61a0 }) }));
    expect(said((await read([i2cTag('oil', { unit: 0x48, chip: 'tmp102' }, 'temperature')]))[0])).toBe(
      'sensor-failure',
    );
  });

  it('an MCP9808 is known by its identity', async () => {
    const { read } = await i2cBench(() => ({
      24: wordRegisters({ 1: 0, 5: 0xc194, 6: 0x0054, 7: 0x0400 }),
      25: wordRegisters({ 1: 0, 5: 0xc194, 6: 0x0055, 7: 0x0400 }),
    }));
    const at = (unit: number) => i2cTag(`t${unit}`, { unit, chip: 'mcp9808' }, 'temperature');
    expect((await read([at(0x18), at(0x19)])).map(said)).toEqual([25.25, 'sensor-failure']);
  });

  it('an ADS1115 converts each input by itself, and says when one is beyond its range', async () => {
    const { read } = await i2cBench(() => ({ 72: fakeAds1115([0x4000, 0x7fff, 0xc000, 0]) }));
    const tags = ['a0', 'a1', 'a2', 'a3'].map((name) => i2cTag('adc', { unit: 0x48, chip: 'ads1115' }, name));
    const results = await read(tags);
    expect(results.map(said)).toEqual([1.024, 'sensor-failure', -1.024, 0]);
    expect(results[1]).toMatchObject({ detail: 'a1 is beyond ±2.048 V: choose a larger fullScale' });
  });

  it('an INA226 gives volts, amperes and watts of its shunt', async () => {
    const { read } = await i2cBench(() => ({ 64: wordRegisters({ 1: 0x1f40, 2: 0x2570, 255: 0x2260 }) }));
    const device = { unit: 0x40, chip: 'ina226', shunt: 0.002 };
    const results = await read(['voltage', 'current', 'power'].map((name) => i2cTag('supply', device, name)));
    expect(results.map(said)).toEqual([expect.closeTo(11.98), expect.closeTo(10), expect.closeTo(119.8)]);
  });

  it('an ADXL345 collects a window through its FIFO, and finds the swing in its band', async () => {
    const { read } = await i2cBench((clock) => ({ 83: fakeAdxl345(clock) }));
    const names = [
      'rms-z',
      'peak-z',
      'crest-z',
      'kurtosis-z',
      'mean-z',
      'band-80-120-z',
      'band-200-400-z',
      'kurtosis-y',
    ];
    const results = (await read(names.map((name) => i2cTag('motor', { unit: 0x53, chip: 'adxl345' }, name)))).map(said);
    expect(results.slice(0, 6)).toEqual(
      [0.5 / Math.SQRT2, 0.5, Math.SQRT2, 1.5, 1, 0.5 / Math.SQRT2].map((value) => expect.closeTo(value, 1)),
    );
    expect(results[6]).toBeLessThan(0.01);
    expect(results[7]).toBe('sensor-failure');
  });

  it('an ADXL345 on a bus that is too slow for its rate gives no value made of a torn window', async () => {
    const { read, bus } = await i2cBench((clock) => ({ 83: fakeAdxl345(clock) }));
    bus.trouble.set(0x53, { kind: 'slow', ms: 2 });
    const [result] = await read([i2cTag('motor', { unit: 0x53, chip: 'adxl345' }, 'rms-z')]);
    expect(result).toMatchObject({ ok: false, why: 'device-busy' });
  });

  it('a VL6180X is set up after its reset and measures', async () => {
    const { read } = await i2cBench(() => ({ 41: fakeVl6180x(83) }));
    expect(said((await read([i2cTag('bin', { unit: 0x29, chip: 'vl6180x' }, 'distance')]))[0])).toBe(83);
  });

  it('an MCP23017 reads inputs, sets pull-ups, writes outputs, and is set up again after it lost its power', async () => {
    const chip = fakeMcp23017(0x0102);
    const { read, driver, signal, clock } = await i2cBench(() => ({ 32: chip }));
    const device = { unit: 0x20, chip: 'mcp23017' };
    const door = i2cTag('io', device, 'door', { address: 'A1', bias: 'pull-up' });
    const light = i2cTag('io', device, 'light', { address: 'B0', activeLow: true });
    const lamp = i2cTag('io', device, 'lamp', { address: 'B7', direction: 'output' });
    expect((await read([door, light, lamp])).map(said)).toEqual([true, false, false]);
    expect(await settled(clock, driver.write(lamp, true, signal))).toEqual({ ok: true, readBack: true });
    expect((await read([door, light, lamp])).map(said)).toEqual([true, false, true]);
    chip.registers.set([0xff, 0xff], 0);
    chip.registers.set([0, 0], 0x14);
    expect((await read([door, light, lamp])).map(said)).toEqual([true, false, false]);
    expect([chip.registers[0x00], chip.registers[0x01], chip.registers[0x0c]]).toEqual([0xff, 0x7f, 0x02]);
  });

  it('any other chip is read by its registers', async () => {
    const { read, driver, signal, clock } = await i2cBench(() => ({ 96: byteRegisters({ 16: [0xff, 0x38, 0x05] }) }));
    const device = { unit: 0x60, chip: 'registers' };
    const level = i2cTag('dac', device, 'level', { address: '0x10', type: 'int16' });
    const flag = i2cTag('dac', device, 'flag', { address: '0x12.2' });
    expect((await read([level, flag])).map(said)).toEqual([-200, true]);
    expect(await settled(clock, driver.write(level, 513, signal))).toEqual({ ok: true, readBack: 513 });
    expect(await settled(clock, driver.write(level, 70_000, signal))).toMatchObject({ ok: false, kind: 'refused' });
  });

  it('reads a chip anew that was taken for dead', async () => {
    const sensor = fakeTmp102(21.5);
    const { read, bus } = await i2cBench(() => ({ 72: sensor }));
    const tag = i2cTag('oil', { unit: 0x48, chip: 'tmp102' }, 'temperature');
    bus.trouble.set(0x48, { kind: 'nack' });
    expect((await read([tag]))[0]).toMatchObject({ why: 'timeout', detail: expect.stringContaining('no acknowledge') });
    bus.trouble.clear();
    sensor.show(-12.0625);
    expect(said((await read([tag]))[0])).toBe(-12.0625);
  });
});
