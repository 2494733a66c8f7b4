import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MODBUS_TYPES,
  type ModbusAddress,
  type ModbusType,
  ORDERS,
  registersOf,
} from '../../../../hal/modbus/map/address.ts';
import {
  applyScaleFactor,
  decodeBit,
  decodeRegisters,
  encodeScaled,
  encodeValue,
  maskOf,
} from '../../../../hal/modbus/map/register-values.ts';
import type { Value } from '../../../../src/core/reading.ts';
import { addressOf, bytesOf, readModbusOracle } from '../../../double/modbus-data.ts';

function of(type: ModbusType, given: Partial<ModbusAddress> = {}): ModbusAddress {
  return addressOf({ type, count: registersOf(type), ...given });
}

function decode(registers: Iterable<number>, address: ModbusAddress) {
  return decodeRegisters(bytesOf(registers), 0, address);
}

describe('decoding registers', () => {
  it.each([
    ['int16', [0xfffe], -2],
    ['uint16', [0xfffe], 65_534],
    ['int32', [0x8000, 0x0000], -2_147_483_648],
    ['uint32', [0xffff, 0xffff], 4_294_967_295],
    ['float32', [0x42f6, 0xe979], 123.456],
    ['float32', [0x4367, 0x6666], 231.4],
    ['float32', [0x0000, 0x0001], 1e-45],
    ['float32', [0x4b7f, 0xffff], 16_777_215],
    ['float16', [0x3555], 0.3333],
    ['float16', [0xfbff], -65_504],
    ['float16', [0x0001], 6e-8],
    ['float64', [0x4009, 0x21fb, 0x5444, 0x2d18], Math.PI],
    ['bcd16', [0x1234], 1234],
    ['bcd32', [0x9876, 0x5432], 98_765_432],
    ['int64', [0, 0, 0, 7], 7],
    ['int64', [0xffff, 0xffff, 0xffff, 0xffff], -1],
    ['int64', [0x001f, 0xffff, 0xffff, 0xffff], Number.MAX_SAFE_INTEGER],
    ['int64', [0x0020, 0, 0, 1], 9_007_199_254_740_993n],
    ['int64', [0x8000, 0, 0, 0], -(2n ** 63n)],
    ['uint64', [0xffff, 0xffff, 0xffff, 0xffff], 2n ** 64n - 1n],
  ] as [ModbusType, number[], Value][])('%s %j is %s', (type, registers, value) => {
    expect(decode(registers, of(type))).toEqual({ ok: true, value });
  });

  it('finds its value anywhere in an answer', () => {
    expect(decodeRegisters(bytesOf([1, 2, 3]), 4, of('uint16'))).toEqual({ ok: true, value: 3 });
  });

  it('says so when the answer is too short', () => {
    expect(decodeRegisters(bytesOf([1]), 0, of('int32'))).toMatchObject({ ok: false, why: 'decode-error' });
    expect(decodeRegisters(bytesOf([1]), -2, of('int16'))).toMatchObject({ ok: false, why: 'decode-error' });
  });

  it('gives no number for NaN and infinities', () => {
    expect(decode([0x7c00], of('float16'))).toMatchObject({ ok: false, why: 'sensor-failure' });
    for (const high of [0x7fc0, 0xffc0, 0x7f80, 0xff80]) {
      expect(decode([high, 0], of('float32'))).toMatchObject({ ok: false, why: 'sensor-failure' });
    }
    expect(decode([0x7ff8, 0, 0, 0], of('float64'))).toMatchObject({ ok: false, why: 'sensor-failure' });
  });

  it('knows a device’s pattern for "no value" by its bits', () => {
    expect(decode([0x8000], of('int16', { invalid: [0x8000n] }))).toMatchObject({ ok: false, why: 'sensor-failure' });
    expect(decode([0x7fff], of('int16', { invalid: [0x8000n] }))).toEqual({ ok: true, value: 32_767 });
    const swapped = of('uint32', { order: 'CDAB', invalid: [0xffff0000n] });
    expect(decode([0x0000, 0xffff], swapped)).toMatchObject({ ok: false, why: 'sensor-failure' });
    const wide = of('int64', { invalid: [0x8000000000000000n] });
    expect(decode([0x8000, 0, 0, 0], wide)).toMatchObject({ ok: false, why: 'sensor-failure' });
  });

  it('refuses digits that BCD does not have', () => {
    expect(decode([0x12a4], of('bcd16'))).toMatchObject({ ok: false, why: 'decode-error' });
    expect(decode([0x1234, 0xf000], of('bcd32'))).toMatchObject({ ok: false, why: 'decode-error' });
  });

  it('picks one bit of a register, 0 the lowest', () => {
    expect(decode([0x0008], of('bool', { bit: 3 }))).toEqual({ ok: true, value: true });
    expect(decode([0x0008], of('bool', { bit: 4 }))).toEqual({ ok: true, value: false });
    expect(decode([0x0800], of('bool', { bit: 3, order: 'BADC' }))).toEqual({ ok: true, value: true });
  });

  it('reads a range of bits as a number, and the halves of a register', () => {
    const range = of('uint16', { bit: 4, bits: 4 });
    expect(decode([0x1234], range)).toEqual({ ok: true, value: 3 });
    expect(decode([0x0080], of('int16', { bit: 4, bits: 4 }))).toEqual({ ok: true, value: -8 });
    expect(decode([0xfe01], of('int8', { bit: 8, bits: 8 }))).toEqual({ ok: true, value: -2 });
    expect(decode([0xfe01], of('uint8', { bit: 0, bits: 8 }))).toEqual({ ok: true, value: 1 });
    expect(decode([0x3412], of('uint8', { bit: 8, bits: 8, order: 'BADC' }))).toEqual({ ok: true, value: 0x12 });
    expect(decode([0xff01], of('uint8', { bit: 8, bits: 8, invalid: [0xffn] }))).toMatchObject({ ok: false });
    expect(encodeValue(3, range)).toEqual({ ok: true, value: Uint16Array.of(0x30) });
    expect(encodeValue(-2, of('int8', { bit: 8, bits: 8 }))).toEqual({ ok: true, value: Uint16Array.of(0xfe00) });
    expect(encodeValue(16, range)).toMatchObject({ ok: false });
    expect([maskOf(range), maskOf({ ...range, order: 'BADC' }), maskOf(of('uint16'))]).toEqual([
      0xf0,
      0xf000,
      undefined,
    ]);
  });

  it('picks one coil of packed bytes', () => {
    // Outputs 20…27 of the example in 6.1 of the protocol: CD = 1100 1101.
    const states = Array.from({ length: 8 }, (_, index) => decodeBit(Uint8Array.of(0xcd), index));
    expect(states.map((state) => state.ok && state.value)).toEqual([true, false, true, true, false, false, true, true]);
    expect(decodeBit(Uint8Array.of(0xcd), 8)).toMatchObject({ ok: false, why: 'decode-error' });
    expect(decodeBit(Uint8Array.of(0xcd), -1)).toMatchObject({ ok: false, why: 'decode-error' });
  });
});

describe('decoding text', () => {
  const text = (bytes: number[], given: Partial<ModbusAddress> = {}) =>
    decodeRegisters(Uint8Array.from(bytes), 0, of('string', { count: bytes.length / 2, ...given }));

  it.each([
    ['ends at NUL', [0x41, 0x42, 0x00, 0x43], 'AB'],
    ['drops outer spaces', [0x20, 0x41, 0x20, 0x20], 'A'],
    ['reads UTF-8', [0xc2, 0xb0, 0x43, 0x00], '°C'],
    ['reads Latin-1 where it is not UTF-8', [0xb0, 0x43], '°C'],
    ['may be all spaces', [0x20, 0x20], ''],
    ['ends where memory was never written', [0x41, 0x42, 0xff, 0xff], 'AB'],
    ['has one character a register, in the low byte', [0, 0x30, 0, 0x39, 0, 0x35, 0, 0], '095'],
    ['has one character a register, in the high byte', [0x30, 0, 0x39, 0, 0x35, 0], '095'],
  ] as [string, number[], string][])('%s', (_name, bytes, value) => {
    expect(text(bytes)).toEqual({ ok: true, value });
  });

  it('has the low byte first where the order says so', () => {
    expect(text([0x42, 0x41, 0x00, 0x43], { order: 'BADC' })).toEqual({ ok: true, value: 'ABC' });
  });

  it('is never cut by the zeros beside its characters, whatever the order says', () => {
    const serial = [0, 0x30, 0, 0x39, 0, 0x35];
    expect(text(serial, { order: 'BADC' })).toEqual({ ok: true, value: '095' });
    expect(text(serial, { characters: 1 })).toEqual({ ok: true, value: '095' });
    expect(encodeValue('095', of('string', { count: 3, characters: 1 }))).toEqual({
      ok: true,
      value: Uint16Array.of(0x30, 0x39, 0x35),
    });
    expect(encodeValue('0953', of('string', { count: 3, characters: 1 }))).toMatchObject({ ok: false });
  });

  it('is missing when it begins with NUL or was never written, and wrong when it is not printable', () => {
    expect(text([0xff, 0xff, 0xff, 0xff])).toMatchObject({ ok: false, why: 'sensor-failure' });
    expect(text([0, 0, 0, 0])).toMatchObject({ ok: false, why: 'sensor-failure' });
    expect(text([0, 0x41, 0x42, 0x43])).toMatchObject({ ok: false, why: 'sensor-failure' });
    expect(text([0x41, 0x07])).toMatchObject({ ok: false, why: 'decode-error' });
  });
});

describe('SunSpec scale factors', () => {
  const scaled = (registers: number[], given: Partial<ModbusAddress> = {}) =>
    decodeRegisters(bytesOf(registers), 0, of('int16', { start: 10, scaleAt: 12, ...given }));

  it('come from the same answer as the value', () => {
    expect(scaled([2304, 0, 0xffff])).toEqual({ ok: true, value: 230.4 });
    expect(decodeRegisters(bytesOf([0xfffe, 2304]), 2, of('int16', { start: 11, scaleAt: 10 }))).toEqual({
      ok: true,
      value: 23.04,
    });
  });

  it('make the value unusable when they are missing or not available', () => {
    expect(scaled([100, 0, 0x8000])).toMatchObject({ ok: false, why: 'sensor-failure' });
    expect(scaled([100, 0])).toMatchObject({ ok: false, why: 'decode-error' });
  });

  it('leave a sentinel a sentinel', () => {
    expect(scaled([0x8000, 0, 1], { invalid: [0x8000n] })).toMatchObject({ ok: false, why: 'sensor-failure' });
  });

  it('keep 64-bit values exact where they can be', () => {
    expect(applyScaleFactor(2n ** 60n, 1)).toEqual({ ok: true, value: 2n ** 60n * 10n });
    expect(applyScaleFactor(10n ** 18n + 1n, -3)).toEqual({ ok: true, value: 1e15 });
  });
});

describe('encoding is the inverse of decoding', () => {
  it('for every register pattern of every type and order', () => {
    const numeric = MODBUS_TYPES.filter((type) => !['string', 'bool', 'int8', 'uint8'].includes(type));
    fc.assert(
      fc.property(
        fc.constantFrom(...numeric),
        fc.constantFrom(...ORDERS),
        fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 }),
        (type, order, pattern) => {
          const address = of(type, { order });
          const registers = pattern.slice(0, address.count);
          const decoded = decode(registers, address);
          if (!decoded.ok) {
            expect(decoded.why).toMatch(/sensor-failure|decode-error/);
            return;
          }
          const encoded = encodeValue(decoded.value, address);
          if (!encoded.ok) throw new Error(encoded.problems[0]!.message);
          // −0 and 0 are the same value with two patterns, for floats only.
          if (decoded.value !== 0) expect([...encoded.value]).toEqual(registers);
          expect(decode(encoded.value, address)).toEqual(decoded);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('for printable text', () => {
    const printable = fc
      .string({ unit: 'grapheme', maxLength: 20 })
      .filter((text) => !/\p{Cc}/u.test(text) && text === text.replace(/^ +| +$/g, ''));
    fc.assert(
      fc.property(printable, fc.constantFrom(...ORDERS), (value, order) => {
        const address = of('string', { count: 125, order });
        const encoded = encodeValue(value, address);
        if (!encoded.ok) throw new Error(encoded.problems[0]!.message);
        expect(decode(encoded.value, address)).toEqual({ ok: true, value });
      }),
    );
  });

  it('for bits and coils', () => {
    expect(encodeValue(true, of('bool', { bit: 3 }))).toEqual({ ok: true, value: Uint16Array.of(8) });
    expect(encodeValue(false, of('bool', { bit: 3 }))).toEqual({ ok: true, value: Uint16Array.of(0) });
    expect(encodeValue(true, of('bool', { table: 'coil' }))).toEqual({ ok: true, value: Uint16Array.of(1) });
    expect(encodeValue(true, of('bool', { bit: 3, order: 'BADC' }))).toEqual({
      ok: true,
      value: Uint16Array.of(0x800),
    });
  });

  it('for scaled values, given their factor', () => {
    const address = of('int16', { scaleAt: 1 });
    expect(encodeScaled(230.4, -1, address)).toEqual({ ok: true, value: Uint16Array.of(2304) });
    expect(encodeScaled(-500, 2, address)).toEqual({ ok: true, value: Uint16Array.of(0xfffb) });
    expect(encodeValue(230.4, address)).toMatchObject({ ok: false });
  });
});

describe('what cannot be encoded is refused with its remedy', () => {
  it.each([
    [70_000, of('uint16'), 'uint16 takes 0 to 65535; got 70000'],
    [-1, of('uint32'), 'uint32 takes 0 to 4294967295; got -1'],
    [32_768, of('int16'), 'int16 takes -32768 to 32767; got 32768'],
    [2n ** 63n, of('int64'), 'int64 takes -9223372036854775808 to 9223372036854775807; got 9223372036854775808'],
    [10_000, of('bcd16'), 'bcd16 takes 0 to 9999; got 10000'],
    [1.5, of('int16'), 'int16 takes whole numbers; got 1.5'],
    ['7', of('int16'), 'int16 takes whole numbers; got "7"'],
    [Number.NaN, of('float32'), 'float32 takes a finite number; got NaN'],
    [1e39, of('float32'), /^float32 takes -3\.4\d+e\+38 to/],
    [true, of('float64'), 'float64 takes a finite number; got true'],
    [2, of('bool', { bit: 0 }), '2 is neither true nor false'],
    [
      32_768,
      of('uint16', { invalid: [0x8000n] }),
      '0x8000 is the device\'s pattern for "no value": write another value',
    ],
    ['ABCDE', of('string', { count: 2 }), 'the text has 5 bytes; its registers hold 4'],
    ['A ', of('string', { count: 2 }), 'spaces at the ends of a text do not read back: leave them out'],
    ['\u0007', of('string', { count: 2 }), 'the text has control characters: leave them out'],
    [5, of('string', { count: 2 }), 'a text is needed; got 5'],
  ] as [Value, ModbusAddress, string | RegExp][])('%s', (value, address, message) => {
    const encoded = encodeValue(value, address);
    expect(encoded.ok ? 'encoded' : encoded.problems[0]!.message).toMatch(
      typeof message === 'string' ? new RegExp(`^${message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) : message,
    );
  });

  it('but takes what scaling leaves behind', () => {
    expect(encodeValue(45.3 / 0.1, of('int16'))).toEqual({ ok: true, value: Uint16Array.of(453) });
  });
});

describe('the oracle modbus/modbus.json', () => {
  it('has the same values for every type and order', () => {
    const { decode_vectors: vectors } = readModbusOracle();
    expect(vectors.length).toBeGreaterThan(15);
    for (const { type, value, registers } of vectors) {
      for (const order of ORDERS) {
        const address = of(MODBUS_TYPES.find((known) => known === type)!, { order });
        const wire = registers[order].map(Number);
        const expected = typeof value === 'string' ? exact(BigInt(value)) : value;
        const decoded = decode(wire, address);
        // The oracle widens a float32; we give the fewest digits that are the same float32.
        const same =
          type === 'float32' && decoded.ok ? { ok: true, value: Math.fround(Number(decoded.value)) } : decoded;
        expect(same, `${type} ${order} ${value}`).toEqual({ ok: true, value: expected });
        expect(encodeValue(expected, address)).toEqual({ ok: true, value: Uint16Array.from(wire) });
      }
    }
  });

  it('has the same sentinels', () => {
    const { sentinels } = readModbusOracle();
    const integers = MODBUS_TYPES.filter((type) => /^u?int/.test(type) && sentinels[type] !== undefined);
    expect(integers).toHaveLength(6);
    for (const type of integers) {
      const invalid = [BigInt(sentinels[type]!)];
      const address = of(type, { invalid });
      const registers = Array.from({ length: address.count }, (_, index) =>
        Number((invalid[0]! >> BigInt((address.count - 1 - index) * 16)) & 0xffffn),
      );
      expect(decode(registers, address)).toMatchObject({ ok: false, why: 'sensor-failure' });
    }
  });

  it('scales alike', () => {
    for (const { raw, sf, value } of readModbusOracle().scale_examples) {
      const scaled = applyScaleFactor(raw, sf);
      expect(scaled.ok ? scaled.value : null).toBe(value);
    }
  });
});

function exact(value: bigint): Value {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
