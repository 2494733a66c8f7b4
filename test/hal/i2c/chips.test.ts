import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGISTER_TYPES } from '../../../hal/i2c/chip.ts';
import { configurationOf, voltsOf } from '../../../hal/i2c/chips/ads1115.ts';
import { countsOf } from '../../../hal/i2c/chips/adxl345.ts';
import { compensate, type RawClimate, type Trimming, trimmingOf } from '../../../hal/i2c/chips/bme280.ts';
import { INA219, INA226, voltagesOf } from '../../../hal/i2c/chips/ina2xx.ts';
import { wantedPins } from '../../../hal/i2c/chips/mcp23017.ts';
import { bytesOf, decodeRegister, encodeRegister } from '../../../hal/i2c/chips/registers.ts';
import { crc8, humidityOf, temperatureOf } from '../../../hal/i2c/chips/sht3x.ts';
import { lm75Celsius, mcp9808Celsius, tmp102Celsius } from '../../../hal/i2c/chips/thermometers.ts';
import { distanceOf } from '../../../hal/i2c/chips/vl6180x.ts';

/** The trimming of the worked example in BST-BMP280-DS001, section 3.12. */
const EXAMPLE_TP = {
  t: [27504, 26435, -1000],
  p: [36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000],
} as const;

/** Trimming of humidity as a BME280 has it. */
const H = [75, 362, 0, 313, 50, 30] as const;

const trimming: Trimming = { ...EXAMPLE_TP, h: H };

/**
 * Humidity in whole numbers, BST-BME280-DS002, section 4.2.3: the other form in which Bosch publishes the formula.
 * Every product but one fits 32 bits for the values used here; `Math.imul` and `| 0` keep C's arithmetic.
 */
function humidityInWholeNumbers(raw: number, fine: number, h: Trimming['h'] & object): number {
  let v = (fine - 76800) | 0;
  const left = (((raw << 14) - (h[3] << 20) - Math.imul(h[4], v) + 16384) | 0) >> 15;
  const right =
    (Math.imul(
      ((Math.imul((Math.imul(v, h[5]) | 0) >> 10, ((Math.imul(v, h[2]) | 0) >> 11) + 32768) >> 10) + 2097152) | 0,
      h[1],
    ) +
      8192) >>
    14;
  v = Math.imul(left, right);
  v = (v - ((Math.imul((Math.imul(v >> 15, v >> 15) | 0) >> 7, h[0]) | 0) >> 4)) | 0;
  return Math.min(Math.max(v, 0), 419430400) / 4096 / 1024;
}

describe('BME280 and BMP280', () => {
  it('compensate as the worked example of the data sheet: 25.08 °C, 100653.27 Pa', () => {
    const climate = compensate({ temperature: 519888, pressure: 415148, humidity: 0 }, { ...EXAMPLE_TP, h: undefined });
    expect(climate.temperature).toBeCloseTo(25.08, 2);
    expect(climate.pressure * 100).toBeCloseTo(100653.27, 1);
    expect(climate.humidity).toBeUndefined();
  });

  it('give the humidity that the whole-number form of the data sheet gives, within 0.1 %RH', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20_000, max: 42_000 }),
        fc.integer({ min: 400_000, max: 600_000 }),
        (humidity, t) => {
          const raw: RawClimate = { temperature: t, pressure: 415148, humidity };
          const climate = compensate(raw, trimming);
          const whole = humidityInWholeNumbers(humidity, Math.round(climate.temperature * 5120), H);
          expect(Math.abs(climate.humidity! - whole)).toBeLessThan(0.1);
        },
      ),
    );
  });

  it('read their trimming with the signs and the shared nibbles of the register map', () => {
    const low = new Uint8Array(26);
    const put = (at: number, value: number) => new DataView(low.buffer).setInt16(at, value, true);
    put(0, 27504);
    put(2, 26435);
    put(4, -1000);
    for (const [index, value] of EXAMPLE_TP.p.entries()) put(6 + 2 * index, value);
    low[25] = 75;
    // H2 = 362, H3 = 0, H4 = 313 = 0x139, H5 = 50 = 0x032, H6 = 30.
    expect(trimmingOf(low, Uint8Array.of(0x6a, 0x01, 0x00, 0x13, 0x29, 0x03, 0x1e))).toEqual(trimming);
    const negative = trimmingOf(low, Uint8Array.of(0, 0, 0, 0xff, 0xff, 0xff, 0xff)).h;
    expect(negative?.slice(3)).toEqual([-1, -1, -1]);
  });
});

describe('SHT3x', () => {
  it('has the checksum of the data sheet: 0xBEEF gives 0x92', () => {
    expect(crc8(Uint8Array.of(0xbe, 0xef))).toBe(0x92);
  });

  it('sees every change of one or two bits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.nat(23), fc.nat(23), (word, first, second) => {
        const bytes = Uint8Array.of(word >> 8, word & 0xff, 0);
        bytes[2] = crc8(bytes.subarray(0, 2));
        for (const bit of new Set([first, second])) bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(crc8(bytes.subarray(0, 2))).not.toBe(bytes[2]);
      }),
    );
  });

  it('converts over the whole scale: -45 to 130 °C, 0 to 100 %RH', () => {
    expect([0, 0xffff].map(temperatureOf)).toEqual([-45, 130]);
    expect([0, 0xffff].map(humidityOf)).toEqual([0, 100]);
  });
});

describe('thermometers', () => {
  it.each([
    [0x7ff0, 127.9375],
    [0x6400, 100],
    [0x4b00, 75],
    [0x1900, 25],
    [0x0040, 0.25],
    [0x0000, 0],
    [0xffc0, -0.25],
    [0xe700, -25],
    [0xc900, -55],
  ])('TMP102, 12 bits: 0x%s (SBOS397, table 3)', (raw, celsius) => {
    expect(tmp102Celsius(raw)).toBe(celsius);
  });

  it.each([
    [0x4b01, 150],
    [0x4001, 128],
    [0x0c81, 25],
    [0xff89 | 1, -0.9375],
    [0xe481, -55],
  ])('TMP102, 13 bits of the extended mode: 0x%s (SBOS397, table 4)', (raw, celsius) => {
    expect(tmp102Celsius(raw)).toBe(celsius);
  });

  it.each([
    [0x7d00, 125],
    [0x1900, 25],
    [0x0080, 0.5],
    [0xff80, -0.5],
    [0xe700, -25],
    [0xc900, -55],
  ])('LM75, 9 bits: 0x%s (SNOS808, table 1)', (raw, celsius) => {
    expect(lm75Celsius(raw)).toBe(celsius);
  });

  it.each([
    [0xc194, 25.25],
    [0x1f00, -16],
    [0x0010, 1],
  ])('MCP9808 without its alert flags: 0x%s (DS25095, equation 5-1)', (raw, celsius) => {
    expect(mcp9808Celsius(raw)).toBe(celsius);
  });
});

describe('ADS1115', () => {
  it('has the default configuration of the data sheet, 0x8583, for a0-a1 at 2.048 V and 128 samples a second', () => {
    expect(configurationOf('a0-a1', 2.048, 128)).toBe(0x8583);
  });

  it('counts 62.5 µV a step at 2.048 V, and has no value at the ends of its range', () => {
    expect(voltsOf(0x4000, 2.048)).toBe(1.024);
    expect(voltsOf(0x0001, 2.048)).toBe(62.5e-6);
    expect(voltsOf(0xffff, 2.048)).toBe(-62.5e-6);
    expect([0x7fff, 0x8000].map((raw) => voltsOf(raw, 2.048))).toEqual([undefined, undefined]);
  });
});

describe('INA219 and INA226', () => {
  it('measure 20 mV and 11.98 V in the worked examples of both data sheets: 10 A at 2 mΩ, 119.8 W', () => {
    for (const { busVolts, shuntVolts } of [voltagesOf(0x5d98, 0x07d0, INA219), voltagesOf(0x2570, 0x1f40, INA226)]) {
      expect(busVolts).toBeCloseTo(11.98, 9);
      expect(shuntVolts).toBeCloseTo(0.02, 9);
      expect((shuntVolts! / 0.002) * busVolts).toBeCloseTo(119.8, 6);
    }
  });

  it('keep the sign of the current, and have none beyond the range', () => {
    expect(voltagesOf(0, 0xfc18, INA219).shuntVolts).toBeCloseTo(-0.01, 9);
    expect(voltagesOf(0, 0x8300, INA219).shuntVolts).toBeUndefined();
    expect(voltagesOf(0, 0x7fff, INA226).shuntVolts).toBeUndefined();
  });
});

describe('ADXL345, VL6180X and MCP23017', () => {
  it('ADXL345: three signed axes, low byte first', () => {
    expect(countsOf(Uint8Array.of(0x00, 0x01, 0xff, 0xff, 0x00, 0xff))).toEqual([256, -1, -256]);
  });

  it('VL6180X: a range with an error code is no distance', () => {
    expect(distanceOf(0x01, 83)).toEqual({ ok: true, value: 83 });
    expect(distanceOf(0x71, 255)).toMatchObject({ ok: false, detail: 'no target in range' });
  });

  it('MCP23017: a pin that becomes an output starts switched off, one that is an output keeps its level', () => {
    const output = (quantity: string, activeLow = false) =>
      ({ quantity, type: 'bool', direction: 'output', activeLow }) as const;
    const fresh = { direction: 0xffff, pullUp: 0, latch: 0 };
    expect(wantedPins(fresh, [output('a0'), output('b7', true)])).toEqual({
      direction: 0x7ffe,
      pullUp: 0,
      latch: 0x8000,
    });
    const running = { direction: 0xfffe, pullUp: 0, latch: 1 };
    expect(wantedPins(running, [output('a0')]).latch).toBe(1);
  });
});

describe('registers', () => {
  it('give back every value they take, in either order', () => {
    const types = REGISTER_TYPES.filter((type) => type !== 'bool' && type !== 'float32');
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.constantFrom('big', 'little'), fc.nat(), (type, order, seed) => {
        const span = 256 ** bytesOf(type);
        const value = (seed % span) - (type.startsWith('int') ? span / 2 : 0);
        const place = { quantity: '0', type, order } as const;
        expect(decodeRegister(encodeRegister(value, place, 0)!, place)).toBe(value);
      }),
    );
  });

  it('refuse what does not fit', () => {
    const place = { quantity: '0', type: 'int16' } as const;
    expect([32768, -32769, 1.5, true, 'x'].map((value) => encodeRegister(value, place, 0))).toEqual(
      Array(5).fill(undefined),
    );
  });

  it('change one bit and leave the others', () => {
    const place = { quantity: '0.3', type: 'bool', bit: 3 } as const;
    expect([...encodeRegister(false, place, 0xff)!]).toEqual([0xf7]);
    expect(decodeRegister(Uint8Array.of(0x08), place)).toBe(true);
  });
});
