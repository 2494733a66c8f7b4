import type { Place } from '../../src/probe/probe-rank.ts';
import type { ModbusAddress } from './map/address.ts';
import { describeModbusAddress } from './map/options.ts';

export { modiconOf } from './map/options.ts';

/** A place in every form a manual may use: `input:0 = 30001, FC 4, float32 CDAB`. */
export function describePlace(place: Place): string {
  return describeModbusAddress(addressOf(place));
}

/** The tag to paste into a device of the configuration, in one line. */
export function tagLine(name: string, { table, address, decoding, exponent }: Place): string {
  const { type, order } = decoding;
  const keys = [
    `address: "${table}:${address}"`,
    `type: ${type}`,
    ...(order === 'ABCD' ? [] : [`order: ${order}`]),
    ...(exponent === 0 ? [] : [`scale: ${scaleText(exponent)}`]),
  ];
  return `${name}: {${keys.join(', ')}}`;
}

/** A power of ten without an exponent: `0.001`. */
export function scaleText(exponent: number): string {
  return exponent < 0 ? (10 ** exponent).toFixed(-exponent) : String(10 ** exponent);
}

function addressOf({ table, address, decoding }: Place): ModbusAddress {
  return { ...decoding.address, table, start: address };
}
