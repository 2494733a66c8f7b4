/** Encodes values into registers. */
import type { Checked } from '../../../src/core/checked.ts';
import { failed, passed } from '../../../src/core/checked.ts';
import type { Value } from '../../../src/core/reading.ts';
import { FLOAT16_MAX, INTEGER_RANGES, type ModbusAddress, type Order } from './address.ts';
import { isByteSwapped, isPrintable, numberToHalf, SCALE_FACTOR_LIMIT, swapBytes } from './decode.ts';

/** What a division by the tag's scale may leave behind; a value this near to an integer is that integer. */
const INTEGER_TOLERANCE = 1e-6;

/** The largest finite float32, IEEE 754: (2 − 2⁻²³) · 2¹²⁷. */
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;
/**
 * The registers of a value in wire order, each as a host number; `decodeRegisters` gives the value back.
 *
 * A coil gives one number, 0 or 1. Bits of a register give that register with every other bit 0: write it under
 * `maskOf`. A float32 takes the nearest value it can hold. Refused, with the remedy: a value of another kind, out
 * of the type's range, not whole for an integer, equal to a pattern of `invalid`, text that would not read back as it
 * is, and any value with `scaleAt`, because its raw value depends on another register: see `encodeScaled`.
 */
export function encodeValue(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  if (address.scaleAt !== undefined) {
    return failed([], `the value is scaled by register ${address.scaleAt}: read that register first`);
  }
  return encodeRaw(value, address);
}

/**
 * `encodeValue` for a value with `scaleAt`: the registers of the raw value, which is value / 10^exponent.
 *
 * @param exponent what the scale factor register holds, −10…10
 */
export function encodeScaled(value: number, exponent: number, address: ModbusAddress): Checked<Uint16Array> {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > SCALE_FACTOR_LIMIT) {
    return failed([], `the scale factor register holds ${exponent}; it must be an exponent from -10 to 10`);
  }
  return encodeRaw(exponent < 0 ? value * 10 ** -exponent : value / 10 ** exponent, address);
}

function encodeRaw(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  switch (address.type) {
    case 'bool':
      return encodeBool(value, address);
    case 'string':
      return encodeText(value, address);
    case 'float16':
    case 'float32':
    case 'float64':
      return encodeFloat(value, address);
    default:
      return encodeInteger(value, address);
  }
}

function encodeBool(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  if (value !== true && value !== false && value !== 0 && value !== 1) {
    return failed([], `${show(value)} is neither true nor false`);
  }
  const register = value ? 1 << (address.bit ?? 0) : 0;
  const isCoil = address.table === 'coil' || address.table === 'discrete';
  return isCoil ? passed(Uint16Array.of(register)) : withPattern(BigInt(register), address);
}

function encodeInteger(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  const whole = wholeNumber(value);
  const { type, bit = 0, bits } = address;
  const [least, greatest] = rangeOf(address)!;
  if (whole === undefined) return failed([], `${type} takes whole numbers; got ${show(value)}`);
  if (whole < least || whole > greatest) {
    const of = bits === undefined ? type : `${type} of ${bits} bits`;
    return failed([], `${of} takes ${least} to ${greatest}; got ${show(value)}`);
  }
  if (bits !== undefined) {
    const field = BigInt.asUintN(bits, whole);
    return address.invalid.includes(field) ? refusedPattern(field) : withPattern(field << BigInt(bit), address);
  }
  if (address.type === 'bcd16' || address.type === 'bcd32') return withPattern(BigInt(`0x${whole}`), address);
  return withPattern(BigInt.asUintN(address.count * 16, whole), address);
}

/** How many different values a whole number at an address has, which is where a counter starts again from 0. */
export function modulusOf(address: ModbusAddress): number | undefined {
  const range = rangeOf(address);
  return range && Number(range[1] - range[0] + 1n);
}

/** Least and greatest whole number that the registers of an address hold; undefined for what is none. */
export function rangeOf({ type, bits }: ModbusAddress): readonly [bigint, bigint] | undefined {
  if (bits === undefined) return INTEGER_RANGES[type];
  const values = 1n << BigInt(bits);
  return type.startsWith('int') ? [-values / 2n, values / 2n - 1n] : [0n, values - 1n];
}

function wholeNumber(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const nearest = Math.round(value);
  return Math.abs(value - nearest) <= INTEGER_TOLERANCE ? BigInt(nearest) : undefined;
}

function encodeFloat(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return failed([], `${address.type} takes a finite number; got ${show(value)}`);
  }
  const view = new DataView(new ArrayBuffer(8));
  if (address.type === 'float64') {
    view.setFloat64(0, value);
    return withPattern(view.getBigUint64(0), address);
  }
  if (address.type === 'float16') {
    const half = numberToHalf(value);
    if ((half & 0x7fff) === 0x7c00)
      return failed([], `float16 takes ${-FLOAT16_MAX} to ${FLOAT16_MAX}; got ${show(value)}`);
    return withPattern(BigInt(half), address);
  }
  if (!Number.isFinite(Math.fround(value))) {
    return failed([], `float32 takes ${-FLOAT32_MAX} to ${FLOAT32_MAX}; got ${show(value)}`);
  }
  view.setFloat32(0, value);
  return withPattern(BigInt(view.getUint32(0)), address);
}

function encodeText(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  if (typeof value !== 'string') return failed([], `a text is needed; got ${show(value)}`);
  if (value.startsWith(' ') || value.endsWith(' ')) {
    return failed([], 'spaces at the ends of a text do not read back: leave them out');
  }
  if (!isPrintable(value)) return failed([], 'the text has control characters: leave them out');
  const text = Buffer.from(value, 'utf8');
  // A lone surrogate has no UTF-8 form and would be replaced.
  if (text.toString('utf8') !== value) return failed([], 'the text is not valid Unicode');
  const { count, characters = 2 } = address;
  const size = count * characters;
  if (text.length > size) return failed([], `the text has ${text.length} bytes; its registers hold ${size}`);
  // An empty text is written as spaces, because a leading NUL means "not set".
  const bytes = new Uint8Array(count * 2);
  for (let index = 0; index < size; index++) {
    const byte = text.length === 0 ? 0x20 : (text[index] ?? 0);
    bytes[characters === 2 ? index : 2 * index + 1] = byte;
  }
  if (isByteSwapped(address.order)) swapBytes(bytes);
  return passed(
    Uint16Array.from({ length: address.count }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!),
  );
}

/** Lays an unsigned pattern of the value's width out in its order, unless it is one that means "no value". */
/** The bits of its register that an address means, as they are on the wire; undefined: all of them. */
export function maskOf({ bit, bits = 1, order }: ModbusAddress): number | undefined {
  return bit === undefined ? undefined : ordered(((1 << bits) - 1) << bit, order);
}

function refusedPattern(pattern: bigint): Checked<never> {
  return failed([], `0x${pattern.toString(16)} is the device's pattern for "no value": write another value`);
}

function withPattern(pattern: bigint, address: ModbusAddress): Checked<Uint16Array> {
  if (address.bit === undefined && address.invalid.includes(pattern)) return refusedPattern(pattern);
  const registers = new Uint16Array(address.count);
  for (let index = 0; index < address.count; index++) {
    const shift = BigInt((address.count - 1 - index) * 16);
    registers[index] = ordered(Number((pattern >> shift) & 0xffffn), address.order);
  }
  if (address.order === 'CDAB' || address.order === 'DCBA') registers.reverse();
  return passed(registers);
}

function ordered(register: number, order: Order): number {
  return isByteSwapped(order) ? ((register & 0xff) << 8) | (register >> 8) : register;
}

function show(value: Value): string {
  return typeof value === 'string' ? `"${value.slice(0, 40)}"` : String(value);
}
