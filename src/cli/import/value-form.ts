/** Says what type a row's value has and how many registers, and refuses where its cells contradict one another. */
import { type ModbusType, type Order, registersOf, type Table } from '../../../hal/modbus/map/address.ts';
import { typeOf } from './cells.ts';
import type { Entry } from './row.ts';

interface Form {
  readonly type: ModbusType;
  readonly count: number;
  readonly bit?: number;
  readonly lastBit?: number;
  readonly order?: Order;
  readonly isTypeGuessed: boolean;
  readonly isSignGuessed: boolean;
}

const SURE = { isTypeGuessed: false, isSignGuessed: false };

/** The type of a row's value, or why it cannot be told. */
export function formOf(entry: Entry, table: Table): Form | string {
  const { cell, place } = entry;
  const text = cell('type');
  const named = text === '' || /^[-–]$/.test(text) ? undefined : typeOf(text);
  if (text !== '' && !/^[-–]$/.test(text) && named === undefined) return `type "${text.slice(0, 40)}" cannot be told`;
  if (table === 'coil' || table === 'discrete') {
    if (named && named.type !== 'bool' && !(named.type === 'whole' && (named.count ?? 1) === 1))
      return `a ${table} is one bit, and the type says "${text.slice(0, 40)}"`;
    return { type: 'bool', count: 1, ...SURE };
  }
  const bits = bitsOf(entry);
  if (typeof bits === 'string') return bits;
  if (bits) {
    if (bits.lastBit !== undefined) return { type: 'uint16', count: 1, ...bits, ...SURE };
    return named && named.type !== 'bool' && named.type !== 'whole' && named.type !== 'uint16'
      ? `it names one bit, and the type says "${text.slice(0, 40)}"`
      : { type: 'bool', count: 1, ...bits, ...SURE };
  }
  if (named?.type === 'bool') return 'it is one bit of a register, and which one is not said';
  const counts = countsOf(entry);
  if (typeof counts === 'string') return counts;
  const said = counts ?? place.count;
  if (counts !== undefined && place.count !== undefined && counts !== place.count)
    return `the range has ${place.count} registers, and the length says ${counts}`;
  if (!named) {
    if (said !== undefined && said !== 1) return `${said} registers without a type: this may be any`;
    return { type: 'uint16', count: 1, isTypeGuessed: true, isSignGuessed: false };
  }
  if (named.type === 'string') return textForm(named, said, cell('count'));
  if (/^(bcd)/i.test(text) && named.refusal === 'BCD') {
    const count = said ?? 1;
    if (count > 2) return `BCD of ${count} registers: there is no such type`;
    return { type: count === 2 ? 'bcd32' : 'bcd16', count, isTypeGuessed: said === undefined, isSignGuessed: false };
  }
  if (named.refusal !== undefined) return `type "${text.slice(0, 40)}": ${named.refusal}`;
  const type = sizedType(named, said, entry);
  if (type === undefined)
    return `type "${text.slice(0, 40)}" of ${said ?? named.count ?? 1} registers: there is no such type`;
  const count = registersOf(type);
  if (said !== undefined && said !== count) return `the type has ${count} registers, and the list says ${said}`;
  return {
    type,
    count,
    ...(named.order !== undefined && { order: named.order }),
    isTypeGuessed: named.type === 'float' && said === undefined,
    isSignGuessed: named.isSignGuessed === true && !isNegative(entry),
  };
}

type Named = NonNullable<ReturnType<typeof typeOf>>;

function sizedType(named: Named, said: number | undefined, entry: Entry): ModbusType | undefined {
  if (named.type === 'float') return ({ 1: 'float16', 2: 'float32', 4: 'float64' } as const)[said ?? 2];
  if (named.type === 'any') return undefined;
  if (named.type !== 'whole') return named.type;
  const isSigned = named.isSignGuessed === false || isNegative(entry);
  const width = ({ 1: '16', 2: '32', 4: '64' } as const)[named.count ?? said ?? 1];
  return width && (`${isSigned ? '' : 'u'}int${width}` as ModbusType);
}

function isNegative({ cell }: Entry): boolean {
  return /^-\s?\d/.test(cell('min')) || /^-\s?\d/.test(cell('range'));
}

function textForm(named: Named, said: number | undefined, countCell: string): Form | string {
  const inType = named.count ?? (named.characters === undefined ? undefined : Math.ceil(named.characters / 2));
  const isCharacters = said !== undefined && inType !== undefined && said === named.characters && countCell !== '';
  if (said !== undefined && inType !== undefined && said !== inType && !isCharacters && said !== named.characters)
    return `the type says ${inType} registers of text, and the list says ${said}`;
  const count = inType ?? said;
  if (count === undefined) return 'a text whose length is not said';
  return count < 1 || count > 125 ? `a text of ${count} registers is too long` : { type: 'string', count, ...SURE };
}

function bitsOf({ cell, place }: Entry): { bit: number; lastBit?: number } | string | undefined {
  if (place.bit !== undefined)
    return { bit: place.bit, ...(place.lastBit !== undefined && { lastBit: place.lastBit }) };
  const text = cell('bit').replace(/^bits?\s*/i, '');
  if (text === '' || /^[-–]$/.test(text)) return undefined;
  const [, first, last] = /^(\d{1,2})(?:\s*(?:-|–|\.\.|\.\.\.|:)\s*(\d{1,2}))?$/.exec(text) ?? [];
  if (first === undefined || Number(first) > 15 || Number(last ?? 0) > 15)
    return `bit "${text.slice(0, 20)}" cannot be told`;
  if (last === undefined || last === first) return { bit: Number(first) };
  const [low, high] = [Number(first), Number(last)].sort((a, b) => a - b) as [number, number];
  return low === 0 && high === 15 ? undefined : { bit: low, lastBit: high };
}

/** Registers by the columns that say so; a column of bytes or bits counts by what a register has. */
function countsOf({ cell }: Entry): number | string | undefined {
  for (const [field, per] of [
    ['count', 1],
    ['bytes', 2],
    ['bits', 16],
  ] as const) {
    const text = cell(field);
    if (text === '' || /^[-–]$/.test(text)) continue;
    const [, digits, word] = /^(\d{1,4})\s*(.*)$/.exec(text) ?? [];
    if (digits === undefined) return `length "${text.slice(0, 20)}" cannot be told`;
    const size = Number(digits) / (/^(bytes?|octets?)$/i.test(word!) ? 2 : /^bits?$/i.test(word!) ? 16 : per);
    if (!Number.isInteger(size) || size < 1) return `length "${text.slice(0, 20)}" is no whole number of registers`;
    return size;
  }
  return undefined;
}
