/** Words an address in every form that a manual may use. */
import type { ModbusAddress, Table } from './address.ts';

/** A line for a technician: `holding:100 = 40101, FC 3, int16`; more digits where five are too few. */
export function describeModbusAddress(address: ModbusAddress): string {
  const { table, start, bit, bits, type, order, count } = address;
  const { functionCode } = TABLES[table];
  const place = bit === undefined ? '' : `.${bit}${bits === undefined ? '' : `-${bit + bits - 1}`}`;
  const isBit = table === 'coil' || table === 'discrete' || type === 'bool';
  const shownOrder = isBit || (order === 'ABCD' && (count < 2 || type === 'string')) ? '' : ` ${order}`;
  const length = type === 'string' ? ` of ${count} registers` : '';
  const scale = address.scaleAt === undefined ? '' : `, scaled by ${table}:${address.scaleAt}`;
  const bitText = bit === undefined ? '' : bits === undefined ? ` bit ${bit}` : ` bits ${bit} to ${bit + bits - 1}`;
  return `${table}:${start}${place} = ${modiconOf(table, start)}${bitText}, FC ${functionCode}, ${type}${length}${shownOrder}${scale}`;
}

/** The one-based Modicon number of a protocol address: `40101`, with six digits where five are too few. */
export function modiconOf(table: Table, start: number): string {
  const number = start + 1;
  return `${TABLES[table].digit}${String(number).padStart(number > 9999 ? 5 : 4, '0')}`;
}

const TABLES: Record<Table, { digit: string; functionCode: number }> = {
  coil: { digit: '0', functionCode: 1 },
  discrete: { digit: '1', functionCode: 2 },
  input: { digit: '3', functionCode: 4 },
  holding: { digit: '4', functionCode: 3 },
};
