import { type Checked, failed, passed } from '../../src/core/checked.ts';
import type { Value } from '../../src/core/reading.ts';
import type { ModbusAddress, Order } from './address.ts';

/** Registers of a value, in wire order, each a host number. */
export function encodeValue(value: Value, address: ModbusAddress): Checked<Uint16Array> {
  const bytes = new Uint8Array(address.count * 2);
  const view = new DataView(bytes.buffer);
  if (address.type === 'string') bytes.set(Buffer.from(String(value)).subarray(0, bytes.length));
  else if (address.type === 'float32') view.setFloat32(0, Number(value));
  else if (address.type === 'float64') view.setFloat64(0, Number(value));
  else if (address.type === 'bcd16' || address.type === 'bcd32') {
    const digits = String(value).padStart(address.count * 4, '0');
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16);
  } else {
    const integer = BigInt(value as number);
    const width = BigInt(address.count * 16);
    const signed = address.type.startsWith('int');
    const low = signed ? -(1n << (width - 1n)) : 0n;
    const high = signed ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
    if (integer < low || integer > high) return failed([], `${value} does not fit ${address.type}`);
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = Number((BigInt.asUintN(address.count * 16, integer) >> BigInt(8 * (bytes.length - 1 - i))) & 0xffn);
  }
  return passed(ordered(bytes, address.order, address.type === 'string'));
}

function ordered(bytes: Uint8Array, order: Order, isText: boolean): Uint16Array {
  const words = Array.from({ length: bytes.length / 2 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  const swapped = order === 'BADC' || order === 'DCBA' ? words.map((w) => ((w & 0xff) << 8) | (w >> 8)) : words;
  return Uint16Array.from(!isText && (order === 'CDAB' || order === 'DCBA') ? swapped.reverse() : swapped);
}
