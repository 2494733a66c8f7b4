import { type Checked, failed, passed } from '../../src/core/checked.ts';
import type { ModbusType } from './map/address.ts';
import { registersOf } from './map/location.ts';

/**
 * Reads `invalid`: one pattern or a list. A pattern is a whole number, or text when it has more than 53 bits; for signed
 * integers the negative number may be written instead of its pattern (-32768 is 0x8000).
 *
 * @returns unsigned patterns of the value's width
 */
export function parseInvalid(option: unknown, type: ModbusType): Checked<readonly bigint[]> {
  if (option === undefined) return passed([]);
  const list: readonly unknown[] = Array.isArray(option) ? option : [option];
  if (list.length === 0) return passed([]);
  if (type === 'bool' || type === 'string') {
    return failed(['invalid'], `a ${type} has no pattern that means "no value": leave invalid out`);
  }
  const patterns: bigint[] = [];
  for (const item of list) {
    const pattern = parsePattern(item, type);
    if (!pattern.ok) return pattern;
    patterns.push(pattern.value);
  }
  return passed(patterns);
}

function parsePattern(item: unknown, type: ModbusType): Checked<bigint> {
  const whole = wholeOf(item);
  if (whole === undefined) {
    return failed(
      ['invalid'],
      typeof item === 'number'
        ? `${item} is not exact in YAML: write it in quotes, such as "0x8000000000000000"`
        : `${JSON.stringify(item)} is no bit pattern: write 0x8000 or a whole number`,
    );
  }
  const bits = registersOf(type) * 16;
  const greatest = (1n << BigInt(bits)) - 1n;
  if (whole > greatest) {
    return failed(
      ['invalid'],
      `0x${whole.toString(16)} has more than the ${bits} bits of ${type}: write at most 0x${greatest.toString(16)}`,
    );
  }
  if (whole >= 0n) return passed(whole);
  if (type === 'float32' || type === 'float64') {
    return failed(
      ['invalid'],
      `invalid is the raw pattern: for ${whole} as ${type} write ${floatPattern(Number(whole), type)}`,
    );
  }
  if (!type.startsWith('int')) return failed(['invalid'], `${type} has no sign: write the pattern, such as 0xffff`);
  const least = -(1n << BigInt(bits - 1));
  if (whole < least) return failed(['invalid'], `${whole} is below ${least}, the least ${type}`);
  return passed(BigInt.asUintN(bits, whole));
}

function wholeOf(item: unknown): bigint | undefined {
  if (typeof item === 'bigint') return item;
  if (typeof item === 'number') return Number.isSafeInteger(item) ? BigInt(item) : undefined;
  if (typeof item !== 'string' || !/^(?:0[xX][0-9a-fA-F]{1,16}|-?\d{1,20})$/.test(item)) return undefined;
  return BigInt(item);
}

function floatPattern(value: number, type: 'float32' | 'float64'): string {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'float32') {
    view.setFloat32(0, value);
    return `0x${view.getUint32(0).toString(16)}`;
  }
  view.setFloat64(0, value);
  return `"0x${view.getBigUint64(0).toString(16)}"`;
}
