import type { Order } from '../../../hal/modbus/map/address.ts';
import type { NumberType } from '../../../src/probe/probe-decode.ts';

/** Registers that a value of the type takes. */
export function registersOf(type: NumberType): number {
  if (type.endsWith('64')) return 4;
  return type.endsWith('32') ? 2 : 1;
}

/** Lays a number out as registers, written from the types' definitions and not with our own codec. */
export function wordsOf(type: NumberType, order: Order, value: number): number[] {
  const bytes = new Uint8Array(registersOf(type) * 2);
  const view = new DataView(bytes.buffer);
  switch (type) {
    case 'uint16':
    case 'int16':
      view.setUint16(0, value & 0xffff);
      break;
    case 'uint32':
      view.setUint32(0, value);
      break;
    case 'int32':
      view.setInt32(0, value);
      break;
    case 'uint64':
      view.setBigUint64(0, BigInt(value));
      break;
    case 'int64':
      view.setBigInt64(0, BigInt(value));
      break;
    case 'float32':
      view.setFloat32(0, value);
      break;
    case 'float64':
      view.setFloat64(0, value);
      break;
    case 'bcd16':
      view.setUint16(0, Number.parseInt(String(value), 16));
      break;
    case 'bcd32':
      view.setUint32(0, Number.parseInt(String(value), 16));
      break;
  }
  const words = Array.from({ length: bytes.length / 2 }, (_, index) => view.getUint16(2 * index));
  if (order === 'CDAB' || order === 'DCBA') words.reverse();
  return order === 'BADC' || order === 'DCBA' ? words.map(swapped) : words;
}

/** The number that registers hold: the other way round, with every digit of it. */
export function numberIn(type: NumberType, order: Order, words: readonly number[]): number | bigint {
  const straight = order === 'BADC' || order === 'DCBA' ? words.map(swapped) : [...words];
  if (order === 'CDAB' || order === 'DCBA') straight.reverse();
  const view = new DataView(new ArrayBuffer(8));
  straight.forEach((word, index) => {
    view.setUint16(2 * index, word);
  });
  switch (type) {
    case 'uint16':
      return view.getUint16(0);
    case 'int16':
      return view.getInt16(0);
    case 'uint32':
      return view.getUint32(0);
    case 'int32':
      return view.getInt32(0);
    case 'uint64':
      return view.getBigUint64(0);
    case 'int64':
      return view.getBigInt64(0);
    case 'float32':
      return view.getFloat32(0);
    case 'float64':
      return view.getFloat64(0);
    case 'bcd16':
      return digitsOf(view.getUint16(0));
    case 'bcd32':
      return digitsOf(view.getUint32(0));
  }
}

/** The decimal digits that hexadecimal ones spell; NaN where one is above 9. */
function digitsOf(word: number): number {
  const digits = word.toString(16);
  return /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8);
}
