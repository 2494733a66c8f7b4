/** Registers into values, and values into registers. */
import { type Checked, failed, passed } from '../../../src/core/checked.ts';
import type { Failure } from '../../../src/core/quality.ts';
import type { Value } from '../../../src/core/reading.ts';
import { FLOAT16_MAX, INTEGER_RANGES, type ModbusAddress, type Order } from './address.ts';

/** A value of the wire, or why there is none; `detail` is for a technician. */
type Decoded =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly why: Failure; readonly detail?: string };

/** Failures are shared constants: a sensor that is off for a month costs no memory. */
const TOO_SHORT = failure('decode-error', 'the answer is shorter than the value');
const SENTINEL = failure('sensor-failure', 'the device sends its pattern for "no value"');
const NOT_FINITE = failure('sensor-failure', 'the device sends NaN or infinity');
const NOT_BCD = failure('decode-error', 'a digit is above 9: the register is not BCD, or type or order is wrong');
const NOT_TEXT = failure('decode-error', 'not printable text: address, length or order is wrong');
const NO_TEXT = failure('sensor-failure', 'the text begins with NUL or FF: the device has not set it');
const NO_SCALE = failure('sensor-failure', 'the scale factor register holds no exponent from -10 to 10');

/** SunSpec scale factors are exponents from −10 to 10 (SunSpec Device Information Model Specification, type sunssf). */
const SCALE_FACTOR_LIMIT = 10;

const TWO_32 = 2 ** 32;

/** Converts bits to floats without an allocation; written and read within one call. */
const scratch = new DataView(new ArrayBuffer(8));

/**
 * Decodes one value out of registers as they come from the wire, each register high byte first.
 *
 * 64-bit integers are a `number` within ±(2⁵³−1) and a `bigint` beyond: exact either way. NaN, infinities and the
 * patterns of `invalid` are `sensor-failure`. Strings: `BADC` and `DCBA` have the low byte of a register first, words are
 * never reordered; the text ends at the first NUL or FF, outer spaces are dropped, the bytes are UTF-8 or else Latin-1,
 * and control characters are a `decode-error`. Where every register has a NUL in the same half, each holds one character.
 * A float32 is the shortest decimal that reads back as the same float32. A value with `scaleAt` is multiplied by ten to the power of that register.
 *
 * @param byteOffset where the value's first register begins in `data`
 */
export function decodeRegisters(data: Uint8Array, byteOffset: number, address: ModbusAddress): Decoded {
  if (byteOffset < 0 || byteOffset + address.count * 2 > data.length) return TOO_SHORT;
  const raw = decodeRaw(data, byteOffset, address);
  if (address.scaleAt === undefined || !raw.ok) return raw;
  const scaleOffset = byteOffset + (address.scaleAt - address.start) * 2;
  if (scaleOffset < 0 || scaleOffset + 2 > data.length) return TOO_SHORT;
  return applyScaleFactor(raw.value, signed(word(data, scaleOffset, address.order), 16));
}

/**
 * Decodes one coil or discrete input; the first bit of a byte is the least significant.
 *
 * @param bitOffset where the bit is in `data`, counted from the first bit of the first byte
 */
export function decodeBit(data: Uint8Array, bitOffset: number): Decoded {
  const byte = data[bitOffset >> 3];
  if (bitOffset < 0 || byte === undefined) return TOO_SHORT;
  return { ok: true, value: ((byte >> (bitOffset & 7)) & 1) === 1 };
}

/**
 * Multiplies a raw value by ten to the power of a SunSpec scale factor, rounded once: 2304 and −1 give 230.4.
 *
 * @param exponent −10…10; anything else (0x8000 is "not available") makes the value unusable
 */
export function applyScaleFactor(value: Value, exponent: number): Decoded {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > SCALE_FACTOR_LIMIT) return NO_SCALE;
  if (exponent === 0 || typeof value === 'boolean' || typeof value === 'string') return { ok: true, value };
  if (typeof value === 'bigint') {
    return exponent > 0
      ? { ok: true, value: value * 10n ** BigInt(exponent) }
      : { ok: true, value: Number(`${value}e${exponent}`) };
  }
  const scaled = exponent < 0 ? value / 10 ** -exponent : value * 10 ** exponent;
  return Number.isFinite(scaled) ? { ok: true, value: scaled } : { ok: false, why: 'overflow' };
}

function decodeRaw(data: Uint8Array, at: number, address: ModbusAddress): Decoded {
  switch (address.type) {
    case 'string':
      return decodeText(data, at, address);
    case 'int64':
    case 'uint64':
    case 'float64':
      return decodeWide(data, at, address);
    case 'int32':
    case 'uint32':
    case 'float32':
    case 'bcd32':
      return decodeDouble(doubleWord(data, at, address.order), address);
    default:
      return decodeSingle(word(data, at, address.order), address);
  }
}

function decodeSingle(register: number, address: ModbusAddress): Decoded {
  const { bit = 0, bits } = address;
  const raw = bits === undefined ? register : (register >> bit) & ((1 << bits) - 1);
  if (isSentinel(raw, address.invalid)) return SENTINEL;
  switch (address.type) {
    case 'bool':
      return { ok: true, value: ((raw >> bit) & 1) === 1 };
    case 'int8':
    case 'int16':
      return { ok: true, value: signed(raw, bits ?? 16) };
    case 'bcd16':
      return decodeBcd(raw, 4);
    case 'float16':
      return finite(shortest(halfToNumber(raw), HALF));
    default:
      return { ok: true, value: raw };
  }
}

function decodeDouble(raw: number, address: ModbusAddress): Decoded {
  if (isSentinel(raw, address.invalid)) return SENTINEL;
  switch (address.type) {
    case 'int32':
      return { ok: true, value: raw | 0 };
    case 'bcd32':
      return decodeBcd(raw, 8);
    case 'float32':
      scratch.setUint32(0, raw);
      return finite(shortest(scratch.getFloat32(0), SINGLE));
    default:
      return { ok: true, value: raw };
  }
}

function decodeWide(data: Uint8Array, at: number, address: ModbusAddress): Decoded {
  const wordsReversed = address.order === 'CDAB' || address.order === 'DCBA';
  const high = doubleWord(data, wordsReversed ? at + 4 : at, address.order);
  const low = doubleWord(data, wordsReversed ? at : at + 4, address.order);
  scratch.setUint32(0, high);
  scratch.setUint32(4, low);
  if (address.invalid.length > 0 && address.invalid.includes(scratch.getBigUint64(0))) return SENTINEL;
  if (address.type === 'float64') return finite(scratch.getFloat64(0));
  // Beyond ±2²¹ the upper half no longer fits a double together with the lower one.
  const upper = address.type === 'int64' ? high | 0 : high;
  const sum = upper * TWO_32 + low;
  if (Number.isSafeInteger(sum)) return { ok: true, value: sum };
  return { ok: true, value: address.type === 'int64' ? scratch.getBigInt64(0) : scratch.getBigUint64(0) };
}

function decodeText(data: Uint8Array, at: number, address: ModbusAddress): Decoded {
  const pairs = data.slice(at, at + address.count * 2);
  if (isByteSwapped(address.order)) swapBytes(pairs);
  const bytes = characterBytes(pairs, address.characters);
  let end = bytes.findIndex(isTerminator);
  if (end === 0) return NO_TEXT;
  if (end === -1) end = bytes.length;
  let start = 0;
  while (end > start && bytes[end - 1] === 0x20) end--;
  while (start < end && bytes[start] === 0x20) start++;
  const text = textOf(bytes.subarray(start, end));
  return isPrintable(text) ? { ok: true, value: text } : NOT_TEXT;
}

/** NUL, or what memory that nobody wrote is full of; no UTF-8 has such a byte. */
function isTerminator(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}

/** The bytes of a text: of one half of each register where each holds one character. */
function characterBytes(pairs: Uint8Array, characters: 1 | 2 | undefined): Uint8Array {
  if (characters === 2) return pairs;
  let used = 0;
  while (used < pairs.length && (pairs[used] !== 0 || pairs[used + 1] !== 0)) used += 2;
  const halves = [0, 1].map((half) => pairs.subarray(0, used).filter((_, index) => index % 2 === half));
  const isEmpty = halves.map((half) => half.every((byte) => byte === 0));
  if (used === 0 || isEmpty[0] === isEmpty[1])
    return characters === 1 ? pairs.filter((_, index) => index % 2 === 1) : pairs;
  return halves[isEmpty[0] ? 1 : 0]!;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  }
}

/** Whether a text has no control characters (C0, DEL, C1). */
function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  }
  return true;
}

/** Swaps the two bytes of every register in place. */
function swapBytes(bytes: Uint8Array): void {
  for (let index = 0; index + 1 < bytes.length; index += 2) {
    const high = bytes[index]!;
    bytes[index] = bytes[index + 1]!;
    bytes[index + 1] = high;
  }
}

/** Whether the low byte of each register comes first. */
export function isByteSwapped(order: Order): boolean {
  return order === 'BADC' || order === 'DCBA';
}

function decodeBcd(raw: number, digits: number): Decoded {
  let value = 0;
  for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    const digit = (raw >>> shift) & 0xf;
    if (digit > 9) return NOT_BCD;
    value = value * 10 + digit;
  }
  return { ok: true, value };
}

function finite(value: number): Decoded {
  return Number.isFinite(value) ? { ok: true, value } : NOT_FINITE;
}

/** Mixed comparisons of number and bigint are exact and, unlike a conversion, allocate nothing. */
function isSentinel(raw: number, invalid: readonly bigint[]): boolean {
  for (const pattern of invalid) if (raw <= pattern && raw >= pattern) return true;
  return false;
}

function word(data: Uint8Array, at: number, order: Order): number {
  return isByteSwapped(order) ? (data[at + 1]! << 8) | data[at]! : (data[at]! << 8) | data[at + 1]!;
}

function doubleWord(data: Uint8Array, at: number, order: Order): number {
  const first = word(data, at, order);
  const second = word(data, at + 2, order);
  const wordsReversed = order === 'CDAB' || order === 'DCBA';
  return wordsReversed ? second * 0x10000 + first : first * 0x10000 + second;
}

function signed(raw: number, bits: number): number {
  return (raw << (32 - bits)) >> (32 - bits);
}

/** A float narrower than a number: digits that every decimal keeps in it, digits that tell it for certain. */
interface Narrow {
  readonly kept: number;
  readonly enough: number;
  /** Below it there are fewer bits, and fewer digits are kept. */
  readonly leastNormal: number;
  readonly of: (value: number) => number;
}

const SINGLE: Narrow = { kept: 6, enough: 9, leastNormal: 2 ** -126, of: Math.fround };
const HALF: Narrow = { kept: 3, enough: 5, leastNormal: 2 ** -14, of: numberToHalf };

/** The decimal of the fewest digits that reads back as the same narrow float. */
function shortest(value: number, { kept, enough, leastNormal, of }: Narrow): number {
  if (Number.isInteger(value) || !Number.isFinite(value)) return value;
  const same = of(value);
  for (let digits = Math.abs(value) < leastNormal ? 1 : kept; digits < enough; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (of(decimal) === same) return decimal;
  }
  return Number(value.toPrecision(enough));
}

/** The value of a half-precision float (IEEE 754 binary16). */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The nearest half-precision float of a number, ties to even; beyond ±65,504 it is an infinity. */
function numberToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 2 ** -14)));
  const steps = magnitude / 2 ** (exponent - 10);
  const below = Math.floor(steps);
  const rest = steps - below;
  const rounded = below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
  // A step count of 2048 is the next exponent's 1024, and one below 1024 is a number without a leading 1.
  return sign | Math.min(0x7c00, ((exponent + 14) << 10) + rounded);
}

function failure(why: Failure, detail: string): Decoded {
  return { ok: false, why, detail };
}

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
