/** Lists registers with what may begin at each of them. */
import { type ModbusAddress, type Order, PLAIN } from '../../hal/modbus/map/address.ts';
import { describeModbusAddress } from '../../hal/modbus/map/address-text.ts';
import { decodeRegisters } from '../../hal/modbus/map/register-values.ts';
import type { Value } from '../core/reading.ts';
import { believe } from './probe-belief.ts';
import { DECODINGS, type NumberType, seriesAt, type Watched, wordsIn } from './probe-decode.ts';
import type { Place } from './probe-rank.ts';

/** A value that may begin at a register. */
export interface Reading {
  readonly type: NumberType | 'string';
  readonly order: Order;
  /** Registers of the value. */
  readonly registers: number;
  readonly value: Value;
  /** How much is believed in it by what the registers around it and their movement say, 0…1; 1 for a text. */
  readonly belief: number;
}

/** One register as it was seen. */
export interface Sight {
  readonly address: number;
  /** 0…65535, the last time it was seen; undefined: the device has no such register. */
  readonly word: number | undefined;
  readonly moved: boolean;
  /** What may begin here besides `uint16` and `int16`, the most plausible first. */
  readonly readings: readonly Reading[];
}

/** A value is shown when it is believed in by more than this, unless all are wanted. */
const LEAST_BELIEF = 0.1;
/** Most values shown of one register. */
const MOST_READINGS = 4;

/** A text has this many registers at least, two letters each: fewer are as often part of a number. */
const SHORTEST_TEXT = 3;

/**
 * Lists the registers of a table with what may begin at each of them.
 *
 * @param first address of the first register to list
 * @param last address of the last
 * @param all every value that can be decoded at all, instead of the plausible ones
 */
export function listRegisters(watched: Watched, first: number, last: number, all: boolean): Sight[] {
  const belief = believe([watched]);
  const sights: Sight[] = [];
  let textEnds = 0;
  for (let address = first; address <= last; address++) {
    const words = watched.looks.map((look) => look[address - watched.start]).filter((word) => word !== undefined);
    const numbers = DECODINGS.flatMap((decoding): Reading[] => {
      const isPlain = decoding.registers === 1 && decoding.order === 'ABCD' && decoding.type !== 'bcd16';
      if (isPlain && !all) return [];
      const share = Math.exp(belief.of(watched.table, address, decoding));
      if (share < LEAST_BELIEF && !all) return [];
      const series = seriesAt(watched, address, decoding);
      const { type, order, registers } = decoding;
      return series ? [{ type, order, registers, value: series.last, belief: share }] : [];
    });
    const text = address >= textEnds ? textAt(watched, address) : undefined;
    if (text) textEnds = address + text.registers;
    const sorted = numbers.sort((one, other) => other.belief - one.belief);
    // What the letters of a text would be as numbers is no news.
    const shown = all ? sorted : address < textEnds ? [] : sorted.slice(0, MOST_READINGS);
    const moved = words.some((word) => word !== words[0]);
    sights.push({ address, word: words.at(-1), moved, readings: text ? [text, ...shown] : shown });
  }
  return sights;
}

/** The text that begins at a register: letters and digits that stand still, ended by a NUL or by what is none. */
function textAt(watched: Watched, address: number): Reading | undefined {
  const look = watched.looks.at(-1) ?? [];
  const from = address - watched.start;
  let registers = 0;
  while (isText(look[from + registers]) && watched.looks.every((other) => isStill(other, look, from + registers)))
    registers++;
  const last = look[from + registers];
  // A text of odd length ends in the first half of a register.
  if (registers > 0 && last !== undefined && isHalfText(last)) registers++;
  if (registers < SHORTEST_TEXT) return undefined;
  const words = wordsIn(look, from, registers);
  if (!words) return undefined;
  const bytes = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
  const address0 = {
    unit: 0,
    table: watched.table,
    start: 0,
    count: registers,
    type: 'string',
    order: 'ABCD',
  } as const;
  const decoded = decodeRegisters(bytes, 0, { ...address0, ...PLAIN });
  if (!decoded.ok || !/^[\w .:/-]*[A-Za-z0-9]{3}[\w .:/-]*$/.test(String(decoded.value))) return undefined;
  return { type: 'string', order: 'ABCD', registers, value: decoded.value, belief: 1 };
}

function isStill(look: readonly (number | undefined)[], other: readonly (number | undefined)[], at: number): boolean {
  return look[at] === undefined || look[at] === other[at];
}

function isText(word: number | undefined): boolean {
  return word !== undefined && isLetter(word >> 8) && isLetter(word & 0xff);
}

function isHalfText(word: number): boolean {
  return isLetter(word >> 8) && (word & 0xff) === 0;
}

function isLetter(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

export { modiconOf } from '../../hal/modbus/map/address-text.ts';

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
