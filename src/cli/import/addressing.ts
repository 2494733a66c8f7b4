/** Settles how a list counts: Modicon numbers or plain ones, from 0 or from 1, and in which table. */
import type { Order, Table } from '../../../hal/modbus/map/address.ts';
import { functionOf, type Place, placeOf, tableOf, typeOf } from './cells.ts';
import type { Headings } from './columns.ts';
import type { Entry } from './row.ts';

/** Something that the list does not say, as it was taken. */
export interface Guess {
  readonly what: string;
  readonly remedy: string;
  /** Lines it concerns; undefined: the whole list. */
  readonly lines?: readonly number[];
}

/** How addresses are counted. */
export type Addressing = 'modicon' | 'plain-0' | 'plain-1';

/** What the person at the command line has settled, or a device. */
export interface Choices {
  readonly addressing?: Addressing;
  /** Where plain numbers begin; Modicon numbers always begin at 1. */
  readonly base?: 0 | 1;
  readonly order?: Order;
  readonly table?: Table;
  readonly scale?: 'multiply' | 'divide';
}

interface Settled {
  readonly guesses: readonly Guess[];
  /** What else it may be; the first is what is taken. Empty: it is certain. */
  readonly open: readonly Addressing[];
  readonly placed: (
    entry: Entry,
    hint: Table | undefined,
  ) => { readonly table: Table; readonly start: number; readonly isGuessed: boolean } | string;
}

/** Settles how the list counts. */
export function addressingOf(
  entries: readonly Entry[],
  headings: Headings,
  preamble: string,
  choices: Choices,
): Settled {
  const heading = headings.row.cells[headings.columns.get('address')!] ?? '';
  const style = styleOf(entries, heading, preamble);
  const base = baseOf(entries, heading, preamble);
  const plain = (from: 0 | 1): Addressing => (from === 0 ? 'plain-0' : 'plain-1');
  const modicon = choices.base === undefined || /x|:/i.test(style.example) ? style.modicon : 'no';
  const likely: Addressing = choices.addressing ?? (modicon === 'no' ? plain(choices.base ?? base.base) : 'modicon');
  const isSettled = choices.addressing !== undefined || choices.base !== undefined;
  const open: Addressing[] = [];
  const guesses: Guess[] = [];
  if (!isSettled && modicon === 'maybe') {
    open.push('modicon', 'plain-0', 'plain-1');
    guesses.push({
      what: `addresses such as ${style.example} are taken as Modicon numbers (their first digit is the table, the rest counts from 1)`,
      remedy: 'Write --base 0 or --base 1 if they are plain addresses, or --verify CHANNEL UNIT to see.',
    });
  } else if (!isSettled && modicon === 'no' && !base.isSure && entries.some(({ place }) => place.form !== 'exact')) {
    open.push(plain(base.base), plain(base.base === 0 ? 1 : 0));
    guesses.push({
      what: `addresses are taken to count from ${base.base}: ${base.why}`,
      remedy: `Write --base ${1 - base.base} if they count from ${1 - base.base}, or --verify CHANNEL UNIT to see.`,
    });
  }
  const grouped = entries.filter(({ place }) => place.isGrouped).map(({ row }) => row.line);
  if (grouped.length > 0)
    guesses.push({
      what: 'addresses with a mark between thousands are whole numbers',
      remedy: 'Write them without it if they are not.',
      lines: grouped,
    });
  return { guesses, open, placed: (entry, hint) => placed(entry, hint, likely, modicon !== 'no') };
}

/** Whether five and six digits are Modicon numbers: something says so, something speaks against it, or neither. */
function styleOf(
  entries: readonly Entry[],
  heading: string,
  preamble: string,
): { modicon: 'sure' | 'maybe' | 'no'; example: string } {
  const numbers = entries.map((entry) => ({ entry, text: addressText(entry) }));
  const looking = numbers.filter(({ entry }) => entry.place.form === 'modicon');
  const example = looking[0]?.text ?? '';
  if (looking.some(({ text }) => /x|:/i.test(text))) return { modicon: 'sure', example };
  if (looking.length === 0) return { modicon: 'no', example };
  if (FROM_0.test(`${heading}\n${preamble}`)) return { modicon: 'no', example };
  if (numbers.some(({ entry }) => contradicts(entry))) return { modicon: 'no', example };
  const others = numbers.filter(({ entry }) => entry.place.form === 'number' && entry.place.table === undefined);
  if (others.length > 0) return { modicon: 'no', example };
  if (/modicon|plc|4x/i.test(heading)) return { modicon: 'sure', example };
  if (looking.some(({ text }) => /^0\d{4,5}$/.test(text))) return { modicon: 'sure', example };
  const tables = new Set(looking.map(({ entry }) => entry.place.table));
  const confirmed = looking.filter(({ entry }) => saidTable(entry) === entry.place.table);
  if (tables.size > 1 && confirmed.length === looking.length) return { modicon: 'sure', example };
  if (looking.some(({ entry }) => otherForm(entry) === entry.place.number - 1)) return { modicon: 'sure', example };
  return { modicon: 'maybe', example };
}

function addressText({ cell }: Entry): string {
  return cell('address') || cell('modicon') || cell('hex');
}

/** Whether the table or the type of a row forbids that its number is a Modicon one. */
function contradicts(entry: Entry): boolean {
  const { table } = entry.place;
  if (entry.place.form !== 'modicon' || table === undefined) return false;
  const said = saidTable(entry);
  if (said !== undefined && said !== table) return true;
  const type = entry.cell('type') === '' ? undefined : typeOf(entry.cell('type'));
  const isBits = table === 'coil' || table === 'discrete';
  if (isBits && type && type.type !== 'bool') return true;
  const other = otherForm(entry);
  return other !== undefined && other !== entry.place.number - 1 && other === Number(addressText(entry));
}

function saidTable({ cell, section }: Entry): Table | undefined {
  const codes = functionOf(cell('function'));
  return tableOf(cell('table')) ?? (codes?.tables.length === 1 ? codes.tables[0] : undefined) ?? section;
}

/** The number of the same row in its other column, from 0. */
function otherForm({ cell }: Entry): number | undefined {
  const main = addressText({ cell } as Entry);
  for (const field of ['hex', 'address'] as const) {
    const text = cell(field);
    if (text === '' || text === main) continue;
    const place = placeOf(text, field === 'hex', false);
    if (typeof place !== 'string' && place.form !== 'modicon') return place.number;
  }
  return undefined;
}

const FROM_0 =
  /\b(0|zero|null)[- ]?bas(ed|iert)|\bbase[ -]?(0|zero|z(é|e)ro|cero)\b|(addresses|adressen|adresses|direcciones|indirizzi)[^.\n]{0,40}(start|begin|z(ä|ae)hlen|beginnen|commencent|empiezan|comienzan|iniziano|partono)[^.\n]{0,16}\b(0|zero|null|z(é|e)ro|cero)\b|\b(pdu|protocol|protokoll)[- ]?ad/i;
const FROM_1 =
  /\b(1|one|eins)[- ]?bas(ed|iert)|\bbase[ -]?(1|one|un|uno)\b|(addresses|adressen|adresses|direcciones|indirizzi|registers?|registres|registros|registri)[^.\n]{0,40}(start|begin|z(ä|ae)hlen|beginnen|commencent|empiezan|comienzan|iniziano|partono)[^.\n]{0,16}\b(1|one|eins|un|uno)\b|\b(subtract|minus) (1|one)\b|\b1 abziehen|soustraire 1|restar 1|sottrarre 1/i;

function baseOf(
  entries: readonly Entry[],
  heading: string,
  preamble: string,
): { base: 0 | 1; isSure: boolean; why: string } {
  const sure = (base: 0 | 1) => ({ base, isSure: true, why: '' });
  if (entries.some(({ place }) => place.form !== 'modicon' && place.number === 0)) return sure(0);
  const said = `${heading}\n${preamble}`;
  if (FROM_0.test(said) !== FROM_1.test(said)) return sure(FROM_0.test(said) ? 0 : 1);
  const differences = new Set(
    entries.flatMap((entry) => {
      const modicon = entry.cell('modicon') === '' ? undefined : placeOf(entry.cell('modicon'), false, true);
      if (modicon === undefined || typeof modicon === 'string' || modicon.form !== 'modicon') return [];
      return entry.place.form === 'modicon' ? [] : [entry.place.number - modicon.number];
    }),
  );
  if (differences.size === 1 && differences.has(-1)) return sure(0);
  if (differences.size === 1 && differences.has(0)) return sure(1);
  const lowest = Math.min(...entries.map(({ place }) => place.number));
  if (lowest === 1) return { base: 1, isSure: false, why: 'the lowest is 1, and the list does not say' };
  return { base: 0, isSure: false, why: 'the list does not say' };
}

/** Table and protocol address of a row, or why they cannot be told. */
function placed(
  entry: Entry,
  hint: Table | undefined,
  addressing: Addressing,
  isModiconList: boolean,
): { table: Table; start: number; isGuessed: boolean } | string {
  const { place, cell } = entry;
  if (place.form === 'exact') return { table: place.table!, start: place.number, isGuessed: false };
  const codes = functionOf(cell('function'));
  if (codes && codes.tables.length > 1) {
    const bits = codes.tables.filter((table) => table === 'coil' || table === 'discrete');
    if (bits.length > 0) return `the functions "${cell('function').slice(0, 20)}" belong to several tables`;
  }
  const said = saidTable(entry);
  if (place.form === 'modicon' && addressing === 'modicon') {
    if (said !== undefined && said !== place.table)
      return `its number is of the ${place.table} table, and the list says ${said}`;
    return { table: place.table!, start: place.number - 1, isGuessed: false };
  }
  if (place.table !== undefined && place.form === 'number') {
    if (said !== undefined && said !== place.table)
      return `its address is of the ${place.table} table, and the list says ${said}`;
    return { table: place.table, start: fromBase(place, addressing), isGuessed: false };
  }
  const number = place.form === 'modicon' ? Number(addressText(entry).replaceAll(/\D/g, '').slice(0, 6)) : place.number;
  if (number > 65_536) return `address ${number} is beyond 65535`;
  const table = said ?? hint;
  if (table === undefined && isModiconList)
    return 'its table is not said, and other addresses of the list are Modicon numbers';
  const type = cell('type') === '' ? undefined : typeOf(cell('type'));
  if (table === undefined && type?.type === 'bool' && place.bit === undefined && cell('bit') === '')
    return 'it is one bit, and its table is not said';
  const start = fromBase({ ...place, number }, addressing);
  if (start < 0) return 'address 0 in a list that counts from 1';
  const isMixed = codes !== undefined && codes.tables.length > 1;
  return { table: table ?? 'holding', start, isGuessed: table === undefined || isMixed };
}

function fromBase({ number }: Place, addressing: Addressing): number {
  return addressing === 'plain-1' ? number - 1 : number;
}
