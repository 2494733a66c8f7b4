/** The types that simulated values can have. */
import type { Value } from '../../src/core/reading.ts';

/** Types a simulated value can be given; the Modbus words are there so that a tag can be copied as it is. */
export const MOCK_TYPES = [
  'bool',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
  'string',
] as const;
export type MockType = (typeof MOCK_TYPES)[number];

/** Least and greatest value of the integer types. */
export const INTEGER_RANGES: Record<string, readonly [bigint, bigint]> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/**
 * A value as a register of a type would hold it: integers rounded, float32 with its precision.
 *
 * @returns undefined when the type cannot hold it: a text that is no number, a number out of range
 */
export function typed(value: Value, type: MockType | undefined): Value | undefined {
  if (type === undefined) return value;
  if (type === 'string') return String(value);
  if (typeof value === 'string') return undefined;
  if (type === 'bool') return Boolean(value);
  if (type === 'float64' || type === 'float32') {
    const held = type === 'float32' ? Math.fround(Number(value)) : Number(value);
    return Number.isFinite(held) ? held : undefined;
  }
  const [least, most] = INTEGER_RANGES[type]!;
  const whole = typeof value === 'bigint' ? value : BigInt(Math.round(Number(value)));
  if (whole < least || whole > most) return undefined;
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}
