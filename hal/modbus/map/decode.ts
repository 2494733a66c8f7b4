/** Decodes values out of registers. */
import type { Failure } from '../../../src/core/quality.ts';
import type { Value } from '../../../src/core/reading.ts';
import type { ModbusAddress, Order } from './address.ts';

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
export const SCALE_FACTOR_LIMIT = 10;

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
export function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  }
  return true;
}

/** Swaps the two bytes of every register in place. */
export function swapBytes(bytes: Uint8Array): void {
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
export function numberToHalf(value: number): number {
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
