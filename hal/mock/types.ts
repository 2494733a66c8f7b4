/** The types that simulated values can have. */
import type { Value } from '../../src/core/reading.ts';
import { INTEGER_RANGES } from '../modbus/map/address.ts';

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
