/** Where a Modbus tag is and what its registers mean. */
import { type Checked, failed, passed } from '../../../src/core/checked.ts';

/** The four tables of a Modbus device. */
export type Table = 'coil' | 'discrete' | 'input' | 'holding';

/** Types of contract §1, and those of less than a register. */
export const MODBUS_TYPES = [
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
  'bcd16',
  'bcd32',
  'string',
] as const;
export type ModbusType = (typeof MODBUS_TYPES)[number];

/** Least and greatest value of the integer types. */
export const INTEGER_RANGES: Partial<Record<ModbusType, readonly [bigint, bigint]>> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bcd16: [0n, 9999n],
  bcd32: [0n, 99_999_999n],
};

/** The largest finite float16, IEEE 754: (2 − 2⁻¹⁰) · 2¹⁵. */
export const FLOAT16_MAX = 65_504;

/** The last protocol address of a table. */
export const LAST_ADDRESS = 65_535;

/** Order of the bytes of a value on the wire; for 64 bits the same letters by word and byte. */
export const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const;
export type Order = (typeof ORDERS)[number];

/** Where a tag is and what it means. Made by `checkModbusTag`; complete, nothing to default. */
export interface ModbusAddress {
  readonly unit: number;
  readonly table: Table;
  /** Zero-based protocol address of the first register or bit. */
  readonly start: number;
  /** Registers of the value (1, 2, 4, or those of a string); 1 for a coil or discrete input. */
  readonly count: number;
  readonly type: ModbusType;
  readonly order: Order;
  /** Bit of a register, 0 the least significant; undefined for whole registers and for bit tables. */
  readonly bit: number | undefined;
  /** How many bits from `bit` on make the number (`holding:10.4-7`: 4); undefined: one bit, or the whole register. */
  readonly bits?: number | undefined;
  /** Characters that a register of a string holds; undefined: two, or one where the text itself shows it. */
  readonly characters?: 1 | 2 | undefined;
  /** Raw bit patterns that mean "no value", as unsigned numbers of the value's width. */
  readonly invalid: readonly bigint[];
  /**
   * Register of the same table whose int16 is the power of ten that the raw value is multiplied by (SunSpec `sunssf`).
   * It is read by the same request as the value, so that both belong together; undefined: no such register.
   */
  readonly scaleAt?: number | undefined;
  /** Deadline of one request to this device, ms; undefined: the channel's. */
  readonly timeoutMs: number | undefined;
  /** Largest block this device answers, registers and bits; undefined: 125 and 2000. */
  readonly maxRegisters: number | undefined;
  readonly maxBits: number | undefined;
  /** The only function that the device is written by; undefined: whichever it knows. */
  readonly writeFunction?: 'single' | 'multiple' | undefined;
  /** Most registers in a row that nobody asked for and that a request may span; sixteen times as many bits. */
  readonly maxGap: number;
}

/** What an address has that says nothing of bits, patterns or limits: a register that is read on its own terms. */
export const PLAIN = {
  bit: undefined,
  invalid: [],
  timeoutMs: undefined,
  maxRegisters: undefined,
  maxBits: undefined,
  maxGap: 16,
} as const;

/** Where a tag is: table, zero-based protocol address, and the bit of a register if one is named. */
export interface Location {
  readonly table: Table;
  readonly start: number;
  readonly bit: number | undefined;
  /** How many bits, where a range of them is named. */
  readonly bits: number | undefined;
}

const TABLES: readonly Table[] = ['coil', 'discrete', 'input', 'holding'];

/** What technicians and manuals call the tables. */
const ALIASES: Record<string, Table> = {
  coils: 'coil',
  co: 'coil',
  di: 'discrete',
  discretes: 'discrete',
  contact: 'discrete',
  ir: 'input',
  inputs: 'input',
  hr: 'holding',
  holdings: 'holding',
  register: 'holding',
  reg: 'holding',
};

const MODICON_TABLES: Record<string, Table> = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' };

const EXAMPLES = 'write for example "holding:100" (protocol address, from 0) or "40101" (Modicon number)';

/** Names of a controller's own memory: DB1.DBW4, %MW100, MW100. */
const PLC_MEMORY = /^(DB\d+(?:[.,]|$)|%[A-Z]{1,2}\d|M[BWDX]?\d)/i;

/**
 * Reads an address as a technician writes it: `coil:N`, `discrete:N`, `input:N`, `holding:N` with the protocol address N
 * from 0 to 65535 (decimal, or hexadecimal with 0x), `holding:N.B` and `input:N.B` for bit B, 0 the least significant,
 * `holding:N.B-C` for bits B to C; or the one-based Modicon number in 5 or 6 digits.
 */
export function parseLocation(text: unknown): Checked<Location> {
  if (typeof text === 'number') return failed(['address'], `an address stands in quotes: ${EXAMPLES}`);
  if (typeof text !== 'string') return failed(['address'], `the tag has no address: ${EXAMPLES}`);
  const named = /^([A-Za-z]+)\s*:\s*(-?(?:0[xX][0-9a-fA-F]+|\d+))(?:\.(\d+)(?:-(\d+))?)?$/.exec(text.trim());
  if (named) return parseNamed(named[1]!, named[2]!, named[3], named[4]);
  const digits = /^(\d+)(\.\d+(?:-\d+)?)?$/.exec(text.trim());
  if (digits) return parseModicon(digits[1]!, digits[2]);
  const hexadecimal = /^0[xX][0-9a-fA-F]+$/.exec(text.trim())?.[0];
  if (hexadecimal !== undefined)
    return failed(
      ['address'],
      `write the table too, in quotes: "holding:${hexadecimal}" (the same as holding:${Number(hexadecimal)})`,
    );
  const shown = `"${text.slice(0, 60)}"`;
  if (PLC_MEMORY.test(text.trim()))
    return failed(
      ['address'],
      `${shown} is an address of the PLC's own memory, not of Modbus: look the register up in its Modbus table, and ${EXAMPLES}`,
    );
  return failed(['address'], `${shown} is not a Modbus address: ${withoutColon(text.trim()) ?? EXAMPLES}`);
}

/** What to write for a table and a number without a colon, such as HR100; undefined for anything else. */
function withoutColon(text: string): string | undefined {
  const [, word = '', digits = ''] = /^([A-Za-z]+)[\s_]*(\d{1,5})$/.exec(text) ?? [];
  const table = TABLES.find((known) => known === word.toLowerCase()) ?? aliasOf(word);
  const number = Number(digits);
  if (!table || number > LAST_ADDRESS || modiconLocation(digits)) return undefined;
  const protocol = `write "${table}:${number}" if ${number} is the protocol address (from 0)`;
  return number === 0 ? protocol : `${protocol}, or "${table}:${number - 1}" if the manual counts from 1`;
}

/** What to say of an address that the file has as a number, without table and quotes. */
export function unquoted(number: number): string {
  if (!Number.isInteger(number) || number < 0)
    return 'write table and number in quotes, such as "holding:100", or "holding:100.3" for bit 3 of that register';
  const protocol = `write table and number in quotes: "holding:${number}" if ${number} is the protocol address (from 0), or`;
  if (modiconLocation(String(number))) return `${protocol} "${number}" if this is the Modicon number`;
  const register = number < 1 || number > 9999 ? 1 : number;
  const modicon = `4${String(register).padStart(4, '0')}`;
  return `${protocol} all 5 digits of the Modicon number, for example "${modicon}" for holding register ${register}`;
}

/** Registers that a value of the type takes; a string says so itself. */
export function registersOf(type: ModbusType): number {
  switch (type) {
    case 'int64':
    case 'uint64':
    case 'float64':
      return 4;
    case 'int32':
    case 'uint32':
    case 'float32':
    case 'bcd32':
      return 2;
    default:
      return 1;
  }
}

function parseNamed(
  word: string,
  digits: string,
  bitDigits: string | undefined,
  lastBitDigits: string | undefined,
): Checked<Location> {
  const table = TABLES.find((known) => known === word);
  if (!table) {
    const meant = aliasOf(word) ?? aliasOf(`${word}s`);
    return failed(
      ['address'],
      meant
        ? `there is no table "${word}": did you mean "${meant}:${digits}"?`
        : `there is no table "${word}": write coil, discrete, input or holding`,
    );
  }
  const start = Number(digits);
  if (digits.startsWith('-')) {
    return failed(
      ['address'],
      `${table}:${digits} is below 0: protocol addresses count from 0, so register 1 is ${table}:0`,
    );
  }
  if (start > LAST_ADDRESS) return failed(['address'], tooHigh(table, digits));
  if (bitDigits === undefined) return passed({ table, start, bit: undefined, bits: undefined });
  if (table === 'coil' || table === 'discrete') {
    return failed(['address'], `a ${table} is one bit already: write "${table}:${start}"`);
  }
  const bit = Number(bitDigits);
  if (bit > 15) {
    return failed(['address'], noSuchBit(table, start, bit));
  }
  if (lastBitDigits === undefined) return passed({ table, start, bit, bits: undefined });
  const last = Number(lastBitDigits);
  if (last > 15 || last <= bit) {
    return failed(
      ['address'],
      `bits ${bit}-${last} are not a range: write the lower bit first, each from 0 to 15, such as "${table}:${start}.4-7"`,
    );
  }
  return passed({ table, start, bit, bits: last - bit + 1 });
}

/** The table that technicians and manuals call by another word. */
function aliasOf(word: string): Table | undefined {
  const key = word.toLowerCase();
  return Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
}

/** Says where bit 16 or more of a value of two or four registers is. */
function noSuchBit(table: Table, start: number, bit: number): string {
  const rule = 'a register has only bits 0 (lowest) to 15';
  const size = bit < 32 ? 2 : 4;
  if (bit > 63 || start + size - 1 > LAST_ADDRESS) return `${rule}: write one of these`;
  const lowFirst = Math.floor(bit / 16);
  const at = (register: number): string => `${table}:${start + register}.${bit % 16}`;
  return `${rule}. Bit ${bit} of a ${size * 16}-bit value at ${table}:${start} is ${at(size - 1 - lowFirst)}, or ${at(lowFirst)} if the words are swapped (CDAB)`;
}

function nounOf(table: Table): string {
  if (table === 'discrete') return 'discrete input';
  return table === 'coil' ? 'coil' : `${table} register`;
}

/** Says what a number above 65535 most likely is. */
function tooHigh(table: Table, digits: string): string {
  const modicon = modiconLocation(digits);
  if (modicon) {
    return `protocol addresses end at ${LAST_ADDRESS}; ${digits} looks like a Modicon number: write "${digits}" alone, or "${modicon.table}:${modicon.start}", which is the same`;
  }
  return `protocol addresses end at ${LAST_ADDRESS}; ${table}:${digits} does not exist: write ${table}:0 to ${table}:65535`;
}

function parseModicon(digits: string, bitPart: string | undefined): Checked<Location> {
  const location = modiconLocation(digits);
  if (location) {
    if (bitPart === undefined) return passed(location);
    const [bit, last] = bitPart.slice(1).split('-');
    const named = parseNamed(location.table, String(location.start), bit, last);
    if (!named.ok) return named;
    return failed(
      ['address'],
      `a Modicon number has no bit: write "${location.table}:${location.start}${bitPart}", with bit 0 the lowest`,
    );
  }
  if (digits.length !== 5 && digits.length !== 6) {
    return failed(
      ['address'],
      `${digits} names no table: write "holding:${Number(digits)}" if it is a protocol address (from 0), or all 5 or 6 digits of the Modicon number, such as "40001"`,
    );
  }
  const table = MODICON_TABLES[digits[0]!];
  if (!table) {
    return failed(
      ['address'],
      `no Modicon number begins with ${digits[0]}: write one that begins with 0 (coil), 1 (discrete), 3 (input) or 4 (holding), or "holding:${Number(digits)}" if this is the protocol address`,
    );
  }
  if (Number(digits.slice(1)) === 0) {
    return failed(
      ['address'],
      `Modicon numbers count from 1, and ${digits} would be number 0: the first ${nounOf(table)} is "${digits.slice(0, -1)}1", which is ${table}:0`,
    );
  }
  return failed(
    ['address'],
    `Modicon numbers end at ${digits[0]}65536, and "${digits}" does not exist: write ${digits[0]}00001 to ${digits[0]}65536`,
  );
}

function modiconLocation(digits: string): Location | undefined {
  if (!/^[0134](?:\d{4}|\d{5})$/.test(digits)) return undefined;
  const number = Number(digits.slice(1));
  if (number < 1 || number > LAST_ADDRESS + 1) return undefined;
  return { table: MODICON_TABLES[digits[0]!]!, start: number - 1, bit: undefined, bits: undefined };
}
