/** Encodes one column of values in the mode that needs the fewest bytes. */
import type { Value } from '../../core/reading.ts';
import { type ByteReader, type ByteWriter, CodecError } from './bytes.ts';

/**
 * How a column is written. Part of the file format: never renumber. `decimal + d` (d = 1…9) holds value·10ᵈ as integers,
 * which most scaled readings are; it is used only where the division gives back the very same double.
 */
const MODE = {
  integer: 0,
  decimal: 0,
  float32: 10,
  float64: 11,
  bool: 12,
  text: 13,
  text16: 14,
  bigint: 15,
  mixed: 16,
} as const;
const MAX_DECIMALS = 9;

/** Integers up to this differ by what zigzag can hold. */
const INTEGER_LIMIT = 2 ** 50;
const POWERS = Array.from({ length: MAX_DECIMALS + 1 }, (_, digits) => 10 ** digits);

/** The mode that holds all the values exactly, in few bytes. */
export function modeOf(values: readonly Value[]): number {
  if (areIntegers(values)) return MODE.integer;
  const kind = typeof values[0];
  if (values.some((value) => typeof value !== kind)) return MODE.mixed;
  if (kind === 'boolean') return MODE.bool;
  if (kind === 'bigint') return MODE.bigint;
  if (kind === 'string') return values.every((value) => isWellFormed(value as string)) ? MODE.text : MODE.text16;
  return numberModeOf(values as readonly number[]);
}

/** Whether all are integers of moderate size, which most readings are; -0 is not one. */
function areIntegers(values: readonly Value[]): boolean {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (!Number.isInteger(value) || Math.abs(value as number) > INTEGER_LIMIT || Object.is(value, -0)) return false;
  }
  return values.length > 0;
}

function numberModeOf(values: readonly number[]): number {
  let decimals = 0;
  for (const value of values) {
    while (decimals <= MAX_DECIMALS && !isDecimal(value, decimals)) decimals++;
    if (decimals > MAX_DECIMALS) break;
  }
  // More decimals for one value may be too many digits for another.
  const isExact = decimals <= MAX_DECIMALS && values.every((value) => isDecimal(value, decimals));
  const isFloat32 = values.every((value) => Math.fround(value) === value || Number.isNaN(value));
  if (isExact && !(isFloat32 && decimals > 6)) return MODE.decimal + decimals;
  return isFloat32 ? MODE.float32 : MODE.float64;
}

/** Whether `value` times 10^decimals is an integer from which the same double comes back. -0 is not. */
function isDecimal(value: number, decimals: number): boolean {
  const scaled = Math.round(value * POWERS[decimals]!);
  return Math.abs(scaled) <= INTEGER_LIMIT && Object.is(fromScaled(scaled, decimals), value);
}

function fromScaled(scaled: number, decimals: number): number {
  return scaled === 0 ? 0 : scaled / POWERS[decimals]!;
}

/** A lone surrogate has no UTF-8 form. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text, 'utf8').toString('utf8') === text;
}

/** Writes the values in the mode that {@link modeOf} gave. */
export function writeColumn(out: ByteWriter, mode: number, values: readonly Value[]): void {
  if (mode <= MAX_DECIMALS) {
    writeIntegers(out, mode, values as readonly number[]);
    return;
  }
  switch (mode) {
    case MODE.float32:
      for (const value of values) out.float32(value as number);
      return;
    case MODE.float64:
      for (const value of values) out.float64(value as number);
      return;
    case MODE.bool:
      writeBits(out, values as readonly boolean[]);
      return;
    case MODE.text:
      for (const value of values) out.text(value as string);
      return;
    case MODE.text16:
      for (const value of values) out.text(value as string, 'utf16le');
      return;
    case MODE.bigint:
      for (const value of values) out.bigint(value as bigint);
      return;
    default:
      for (const value of values) {
        const single = modeOf([value]);
        out.byte(single);
        writeColumn(out, single, [value]);
      }
  }
}

/** Reads `count` values back. Throws {@link CodecError} for what was never written. */
export function readColumn(input: ByteReader, mode: number, count: number): Value[] {
  if (mode <= MAX_DECIMALS) return readIntegers(input, mode, count);
  const each = <T>(read: () => T): T[] => Array.from({ length: count }, read);
  switch (mode) {
    case MODE.float32:
      return each(() => input.float32());
    case MODE.float64:
      return each(() => input.float64());
    case MODE.bool:
      return readBits(input, count);
    case MODE.text:
      return each(() => input.text());
    case MODE.text16:
      return each(() => input.text('utf16le'));
    case MODE.bigint:
      return each(() => input.bigint());
    case MODE.mixed:
      return each(() => {
        const single = input.byte();
        if (single === MODE.mixed) throw new CodecError('a mixed value within a mixed column');
        return readColumn(input, single, 1)[0]!;
      });
    default:
      throw new CodecError(`column mode ${mode} is not known`);
  }
}

/**
 * Reads `count` values as numbers for a sum or an extreme: a truth value as 0 or 1, a 64-bit integer as the nearest double,
 * a text as NaN, which no value of a column is read as.
 */
export function readNumbers(input: ByteReader, mode: number, count: number, into: Float64Array): void {
  if (mode <= MAX_DECIMALS) {
    let previous = 0;
    for (let index = 0; index < count; index++) {
      previous += input.zigzag();
      into[index] = mode === 0 ? previous : fromScaled(previous, mode);
    }
  } else if (mode === MODE.float32) for (let index = 0; index < count; index++) into[index] = input.float32();
  else if (mode === MODE.float64) for (let index = 0; index < count; index++) into[index] = input.float64();
  else {
    const values = readColumn(input, mode, count);
    for (let index = 0; index < count; index++) {
      const value = values[index]!;
      into[index] = typeof value === 'string' ? Number.NaN : Number(value);
    }
  }
}

function writeIntegers(out: ByteWriter, decimals: number, values: readonly number[]): void {
  const power = POWERS[decimals]!;
  let previous = 0;
  for (let index = 0; index < values.length; index++) {
    const scaled = Math.round(values[index]! * power);
    out.zigzag(scaled - previous);
    previous = scaled;
  }
}

function readIntegers(input: ByteReader, decimals: number, count: number): number[] {
  const values: number[] = [];
  let previous = 0;
  for (let index = 0; index < count; index++) {
    previous += input.zigzag();
    values.push(decimals === 0 ? previous : fromScaled(previous, decimals));
  }
  return values;
}

function writeBits(out: ByteWriter, values: readonly boolean[]): void {
  for (let start = 0; start < values.length; start += 8) {
    let bits = 0;
    for (let bit = 0; bit < 8; bit++) if (values[start + bit]) bits |= 1 << bit;
    out.byte(bits);
  }
}

function readBits(input: ByteReader, count: number): boolean[] {
  const values: boolean[] = [];
  while (values.length < count) {
    const bits = input.byte();
    for (let bit = 0; bit < 8 && values.length < count; bit++) values.push((bits & (1 << bit)) !== 0);
  }
  return values;
}
