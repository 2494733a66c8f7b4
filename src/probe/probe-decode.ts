/** Every way to read a number out of registers. */
import { type ModbusAddress, type Order, PLAIN, registersOf } from '../../hal/modbus/map/address.ts';
import { decodeRegisters } from '../../hal/modbus/map/register-values.ts';
import type { Value } from '../core/reading.ts';

/** Types whose value is a number, the simpler first. */
export const NUMBER_TYPES = [
  'uint16',
  'int16',
  'float32',
  'uint32',
  'int32',
  'float64',
  'uint64',
  'int64',
  'bcd16',
  'bcd32',
] as const;
export type NumberType = (typeof NUMBER_TYPES)[number];

/** One way to read a number out of registers. */
export interface Decoding {
  readonly type: NumberType;
  readonly order: Order;
  /** Registers of the value. */
  readonly registers: number;
  /** The same for `decodeRegisters`. */
  readonly address: ModbusAddress;
}

/** Every different decoding. One register has two orders only: `ABCD` and, with its bytes swapped, `BADC`. */
export const DECODINGS: readonly Decoding[] = NUMBER_TYPES.flatMap((type) => {
  const registers = registersOf(type);
  const orders: readonly Order[] = registers === 1 ? ['ABCD', 'BADC'] : ['ABCD', 'CDAB', 'BADC', 'DCBA'];
  return orders.map((order) => ({ type, order, registers, address: addressOf(type, order, registers) }));
});

function addressOf(type: NumberType, order: Order, count: number): ModbusAddress {
  return { unit: 0, table: 'holding', start: 0, count, type, order, ...PLAIN };
}

/** Registers of one table as they were seen, again and again. */
export interface Watched {
  readonly table: 'input' | 'holding';
  /** Protocol address of the first register. */
  readonly start: number;
  /** Each time: the registers from `start` on, 0…65535; undefined where the device gave none. */
  readonly looks: readonly (readonly (number | undefined)[])[];
}

/** What a decoding makes of the registers from one address on. */
export interface Series {
  readonly address: number;
  readonly decoding: Decoding;
  /** The value as a tag would have it, the last time it was seen. */
  readonly last: Value;
  /** Its values as numbers, one a look in which all its registers came. */
  readonly values: readonly number[];
  /** The registers of those looks. */
  readonly words: readonly (readonly number[])[];
}

/**
 * Decodes what was seen at an address.
 *
 * @returns undefined when its registers never came all together, or when it is not once a finite number
 */
export function seriesAt(watched: Watched, address: number, decoding: Decoding): Series | undefined {
  const from = address - watched.start;
  const values: number[] = [];
  const words: number[][] = [];
  let last: Value | undefined;
  for (const look of watched.looks) {
    const found = wordsIn(look, from, decoding.registers);
    if (!found) continue;
    const decoded = decodeRegisters(bytesOf(found), 0, decoding.address);
    if (!decoded.ok) return undefined;
    last = decoded.value;
    values.push(Number(last));
    words.push(found);
  }
  return last === undefined ? undefined : { address, decoding, last, values, words };
}

/** Some registers of a look; undefined when one of them did not come. */
export function wordsIn(look: readonly (number | undefined)[], from: number, registers: number): number[] | undefined {
  if (from < 0) return undefined;
  const words: number[] = [];
  for (let index = from; index < from + registers; index++) {
    const word = look[index];
    if (word === undefined) return undefined;
    words.push(word);
  }
  return words;
}

function bytesOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 2);
  words.forEach((word, index) => {
    bytes[2 * index] = word >> 8;
    bytes[2 * index + 1] = word & 0xff;
  });
  return bytes;
}
