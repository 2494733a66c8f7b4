/** Makes tags out of the rows of a register list, and says of each guess and each row left out why. */
import type { ModbusType, Order, Table } from '../../../hal/modbus/map/address.ts';
import { type Addressing, addressingOf, type Choices, type Guess } from './addressing.ts';
import { type AccessRight, accessOf, functionOf, numberOf, orderIn, placeOf, scaleOf, tableOf } from './cells.ts';
import { type Field, type Headings, headingsOf, plainHeading } from './columns.ts';
import type { Draft, Entry, ListedTag } from './row.ts';
import type { Row, Sheet } from './sheet.ts';
import { uniqueNames } from './tag-names.ts';
import { formOf } from './value-form.ts';

/** A row that is no tag, and why. */
export interface LeftOut {
  readonly line: number;
  readonly text: string;
  readonly reason: string;
}

/** What a list says. */
export interface RegisterList {
  readonly sheet: string;
  readonly tags: readonly ListedTag[];
  readonly leftOut: readonly LeftOut[];
  readonly guesses: readonly Guess[];
  /** Order of the bytes of values of several registers: as the list says it, else undefined. */
  readonly order: Order | undefined;
  /** What the list leaves open: a device can settle it. */
  readonly open: { readonly addressing: readonly Addressing[]; readonly order: boolean };
}

const MOST_ROWS_ABOVE = 60;
const SAMPLES = 30;

/** The list in whichever reading of the file shows the most headings; undefined where none has any. */
export function bestSheet(sheets: readonly Sheet[]): { sheet: Sheet; headings: Headings } | undefined {
  let best: { sheet: Sheet; headings: Headings } | undefined;
  for (const sheet of sheets)
    for (const [index, row] of sheet.rows.slice(0, MOST_ROWS_ABOVE).entries()) {
      const headings = headingsOf(row, sheet.rows.slice(index + 1, index + 1 + SAMPLES));
      if (headings && headings.columns.size > (best?.headings.columns.size ?? 0)) best = { sheet, headings };
    }
  return best;
}

/** Reads the rows below the headings. */
export function registerList(sheet: Sheet, headings: Headings, choices: Choices): RegisterList {
  const leftOut: LeftOut[] = [];
  const rows = entriesOf(sheet, headings, leftOut);
  const above = sheet.rows.filter(({ line }) => line < headings.row.line);
  const preamble = [...above, headings.row].map(({ cells }) => cells.join(' ')).join('\n');
  const guesses: Guess[] = sheet.guesses.map((what) => ({
    what,
    remedy: 'Save the list as UTF-8 with tabs if this is wrong.',
  }));
  const addressing = addressingOf(rows, headings, preamble, choices);
  guesses.push(...addressing.guesses);
  const comma = commaOf(rows);
  const scaling = bigScaleOf(rows, headings, choices, comma);
  const tableHint = choices.table ?? sectionIn(above);
  const drafts: Draft[] = [];
  const context: RowContext = { addressing, comma, divides: scaling.divides, tableHint, choices };
  for (const entry of rows) {
    const draft = draftOf(entry, context);
    if (typeof draft === 'string') leftOut.push(left(entry.row, draft));
    else drafts.push(draft);
  }
  guesses.push(...(scaling.guess ? [scaling.guess] : []), ...guessesOf(drafts));
  const names = uniqueNames(drafts);
  guesses.push(...names.guesses);
  const tags = drafts.map(
    ({ said: _, isTableGuessed: _table, isTypeGuessed: _type, isSignGuessed: _sign, ...tag }, index) => ({
      ...tag,
      name: names.names[index]!,
    }),
  );
  const order = choices.order ?? orderIn(preamble);
  const needsOrder = tags.some((tag) => tag.count > 1 && tag.type !== 'string' && tag.order === undefined);
  if (order === undefined && needsOrder)
    guesses.push({
      what: 'values of several registers are taken to have their high word first (order ABCD): the list does not say',
      remedy: 'Write --order CDAB if it is the low word, or --verify CHANNEL UNIT to see.',
    });
  const open = { addressing: addressing.open, order: order === undefined && needsOrder };
  return { sheet: sheet.name, tags, leftOut: leftOut.sort((a, b) => a.line - b.line), guesses, order, open };
}

function left(row: Row, reason: string): LeftOut {
  return {
    line: row.line,
    text: row.cells
      .filter((cell) => cell !== '')
      .join(' | ')
      .slice(0, 120),
    reason,
  };
}

/** The rows that have an address, with the section each stands in. What is neither row, section nor remark is left out. */
function entriesOf(sheet: Sheet, first: Headings, leftOut: LeftOut[]): Entry[] {
  let { columns } = first;
  let section: Table | undefined =
    sectionIn(sheet.rows.filter(({ line }) => line < first.row.line)) ?? tableOf(sheet.name);
  const below = sheet.rows.filter(({ line }) => line > first.row.line);
  const hasXForms = below.some(({ cells }) => cells.some((cell) => /^[134][xX:]{1,5}\d{2,5}/.test(cell)));
  const isHex = hexColumn(below, columns, first);
  const entries: Entry[] = [];
  for (const [index, row] of below.entries()) {
    const filled = row.cells.filter((cell) => cell !== '');
    if (row.damage !== undefined) leftOut.push(left(row, row.damage));
    if (row.damage !== undefined || filled.length === 0 || filled.every((cell) => /^[-=:_ ]+$/.test(cell))) continue;
    const again = headingsOf(row, below.slice(index + 1, index + 1 + SAMPLES));
    if (again) columns = again.columns;
    if (again) continue;
    const named = filled.length <= 2 ? tableOf(filled.join(' ')) : undefined;
    const cells = new Map([...columns].map(([field, column]) => [field, row.cells[column] ?? '']));
    const cell = (field: Field): string => cells.get(field) ?? '';
    if (named && (cell('address') === '' || typeof placeOf(cell('address'), isHex, hasXForms) === 'string')) {
      section = named;
      continue;
    }
    if (filled.length === 1) {
      // A heading of a group says nothing of tables; it ends no section.
      if (cell('address') !== '' && /\d/.test(filled[0]!) && filled[0]!.length < 12)
        leftOut.push(left(row, 'there is nothing but an address'));
      continue;
    }
    const text = cell('address') || cell('modicon') || cell('hex');
    if (text === '') {
      leftOut.push(left(row, 'there is no address'));
      continue;
    }
    const isHexCell = cell('address') === '' ? cell('modicon') === '' : isHex;
    const place = placeOf(text, isHexCell, hasXForms);
    if (typeof place === 'string') leftOut.push(left(row, place));
    else entries.push({ row, cell, section, place });
  }
  return entries;
}

/** Whether the numbers of the address column are hexadecimal: its heading says so, or one of them has letters. */
function hexColumn(rows: readonly Row[], columns: Headings['columns'], { row }: Headings): boolean {
  const column = columns.get('address')!;
  if (columns.get('hex') === column || /\bhex/i.test(row.cells[column] ?? '')) return true;
  const texts = rows.map(({ cells }) => cells[column] ?? '').filter((text) => text !== '');
  const isHexOnly = (text: string) => /^(?=.*[A-Fa-f])(?=.*\d)[\dA-Fa-f]{3,5}$/.test(text) && !/^\d[eE]\d+$/.test(text);
  return texts.some(isHexOnly) && texts.every((text) => /^[\dA-Fa-f]{1,5}$/.test(text) || !/^\w{1,5}$/.test(text));
}

function sectionIn(rows: readonly Row[]): Table | undefined {
  return rows
    .map(({ cells }) => tableOf(cells.filter((cell) => cell !== '').join(' ')))
    .findLast((table) => table !== undefined);
}

/** What a comma is in this list, by the numbers in which it can be one thing only. */
function commaOf(entries: readonly Entry[]): 'decimal' | 'thousands' | undefined {
  const cells = entries.flatMap(({ cell }) => [
    cell('scale'),
    cell('min'),
    cell('max'),
    cell('offset'),
    cell('range'),
    cell('divisor'),
  ]);
  const hasComma = cells.some((text) => /(^|\D)\d+,(\d{1,2}|\d{4,})(\D|$)|(^|\D)0,\d{3}/.test(text));
  const hasPoint = cells.some((text) => /(^|\D)\d+\.(\d{1,2}|\d{4,})(\D|$)|(^|\D)0\.\d{3}/.test(text));
  if (hasComma === hasPoint) return undefined;
  return hasComma ? 'decimal' : 'thousands';
}

/** Whether whole scales such as 10 divide the raw value. Where there are fractions as well, they multiply. */
function bigScaleOf(
  entries: readonly Entry[],
  { row, columns }: Headings,
  choices: Choices,
  comma: 'decimal' | 'thousands' | undefined,
): { divides: boolean; guess?: Guess } {
  const scales = entries
    .map(({ cell }) => cell('scale'))
    .filter((text) => text !== '')
    .map((text) => scaleOf(text, comma));
  const isBig = scales.some((scale) => typeof scale !== 'string' && scale.isAmbiguous);
  if (!isBig || choices.scale !== undefined) return { divides: choices.scale === 'divide' };
  if (scales.some((scale) => typeof scale !== 'string' && scale.scale < 1)) return { divides: false };
  const heading = plainHeading(row.cells[columns.get('scale')!] ?? '');
  const divides = !/multipl|moltipl/.test(heading);
  const what = divides
    ? `the scale of 10 or more divides: a register holds 10 times the value ("${heading}" says neither)`
    : `the scale of 10 or more multiplies, as "${heading}" says`;
  return {
    divides,
    guess: { what, remedy: `Write --scale ${divides ? 'multiply' : 'divide'} if it is the other way.` },
  };
}

interface RowContext {
  readonly addressing: ReturnType<typeof addressingOf>;
  readonly comma: 'decimal' | 'thousands' | undefined;
  readonly divides: boolean;
  readonly tableHint: Table | undefined;
  readonly choices: Choices;
}

/** One row as a tag, or why it is none. */
function draftOf(entry: Entry, context: RowContext): Draft | string {
  const { cell, row } = entry;
  const said = cell('name') || cell('description');
  if (
    /^[-–]?$|^(reserved|reserviert|reserve|riservato|reservado|unused|spare|n a|frei|libre)\b/i.test(plainHeading(said))
  )
    return said === '' ? 'there is no name' : 'the register is reserved';
  const right = rightOf(entry);
  if (right === 'write') return 'it can only be written, and reading it tells nothing';
  const placed = context.addressing.placed(entry, context.tableHint);
  if (typeof placed === 'string') return placed;
  const form = formOf(entry, placed.table);
  if (typeof form === 'string') return form;
  if (placed.start + form.count > 65_536 || placed.start < 0) return 'the address is beyond 65535';
  const scaled = scaledBy(entry, form.type, context);
  if (typeof scaled === 'string') return scaled;
  const isBits = placed.table === 'coil' || placed.table === 'discrete';
  const unitCell = cell('unit');
  const unit = scaled.unit ?? unitFrom(unitCell, said);
  const description = cell('description');
  const limits = form.type === 'bool' || form.type === 'string' ? {} : limitsOf(entry, context.comma);
  return {
    line: row.line,
    name: said,
    said,
    table: placed.table,
    start: placed.start,
    ...form,
    ...(scaled.scale !== undefined && scaled.scale !== 1 && { scale: scaled.scale }),
    ...(scaled.offset !== undefined && scaled.offset !== 0 && { offset: scaled.offset }),
    ...(unit !== undefined && { unit }),
    ...limits,
    writable: right === 'read-write' && (placed.table === 'holding' || placed.table === 'coil'),
    ...(description !== '' && description !== said && { description: description.slice(0, 200) }),
    isTableGuessed: placed.isGuessed && !isBits,
  };
}

function rightOf({ cell }: Entry): AccessRight | undefined {
  return accessOf(cell('access')) ?? functionOf(cell('function'))?.right;
}

const UNIT_IN_BRACKETS =
  /[[(]\s*(m?V|k?V|m?A|k?A|k?W|MW|W|kWh|MWh|Wh|k?VA|k?var|kvarh|Hz|°C|°F|K|%|bar|mbar|k?Pa|l\/min|m3\/h|m³\/h|rpm|mm|cm|m|s|min|h|kg|t|ppm|mm\/s|V|A)\s*[\])]/;

/** The unit by its column, else in brackets behind the name. */
function unitFrom(cell: string, said: string): string | undefined {
  if (cell !== '') return /^[-–—/]$|^(none|n\/a|sans|ohne|keine)$/i.test(cell) ? undefined : cell.slice(0, 32);
  return UNIT_IN_BRACKETS.exec(said)?.[1];
}

interface Scaled {
  readonly scale?: number;
  readonly offset?: number;
  readonly unit?: string;
}

/** The scale by whichever column says it, or by a number in front of the unit. */
function scaledBy({ cell }: Entry, type: ModbusType, { comma, divides }: RowContext): Scaled | string {
  if (type === 'bool' || type === 'string') return {};
  const offset = cell('offset') === '' ? undefined : numberOf(cell('offset'), comma);
  const common = offset === undefined ? {} : { offset };
  if (cell('offset') !== '' && offset === undefined && !/^[-–]$/.test(cell('offset')))
    return `offset "${cell('offset').slice(0, 40)}" cannot be told`;
  const blank = (text: string) => text === '' || /^[-–—]$|^(none|n\/a|no|keine?|sans|ohne)$/i.test(text);
  for (const field of ['decimals', 'exponent', 'divisor', 'scale'] as const) {
    const text = cell(field);
    if (blank(text)) continue;
    if (field === 'decimals' || field === 'exponent') {
      const digits = /^[-+]?\d$/.test(text) ? Number(text) : undefined;
      if (digits === undefined) return `${field} "${text.slice(0, 40)}" cannot be told`;
      return { ...common, scale: powerOfTen(field === 'decimals' ? -digits : digits) };
    }
    const scale = scaleOf(text, comma);
    if (typeof scale === 'string') return scale;
    const own = {
      ...common,
      ...(scale.offset !== undefined && { offset: scale.offset }),
      ...(scale.unit && { unit: scale.unit }),
    };
    if (field === 'divisor') return { ...own, scale: scale.scale < 1 ? scale.scale : 1 / scale.scale };
    return { ...own, scale: scale.isAmbiguous && divides ? 1 / scale.scale : scale.scale };
  }
  const inUnit = /^([x×*]?\s*(?:0[.,]0*1|1\s*\/\s*10+|10\s*\^\s*-\d))\s*([^\d\s].*)$/.exec(cell('unit'));
  const scale = inUnit && scaleOf(inUnit[1]!, comma);
  return scale && typeof scale !== 'string' ? { ...common, scale: scale.scale, unit: inUnit[2]! } : common;
}

function powerOfTen(exponent: number): number {
  return exponent < 0 ? 1 / 10 ** -exponent : 10 ** exponent;
}

/** Limits of the list in engineering units are used for checking a device, and are not written: they may be raw. */
function limitsOf({ cell }: Entry, comma: 'decimal' | 'thousands' | undefined): { min?: number; max?: number } {
  const range = /^(-?\d+(?:[.,]\d+)?)\s*(?:\.\.\.?|…|to|bis|à|–|-|~)\s*(-?\d+(?:[.,]\d+)?)(?:\s*\D.*)?$/.exec(
    cell('range'),
  );
  const min = numberOf(cell('min') || (range?.[1] ?? ''), comma);
  const max = numberOf(cell('max') || (range?.[2] ?? ''), comma);
  return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
}

function guessesOf(drafts: readonly Draft[]): Guess[] {
  const lines = (of: (draft: Draft) => boolean) => drafts.filter(of).map(({ line }) => line);
  const all: readonly [number[], string, string][] = [
    [
      lines((draft) => draft.isTableGuessed),
      'the registers are taken as holding registers: the list does not say',
      'Write --table input if they are input registers.',
    ],
    [
      lines((draft) => draft.isTypeGuessed),
      'values without a type are taken as uint16',
      'Change their type where they are something else.',
    ],
    [
      lines((draft) => draft.isSignGuessed),
      'whole numbers are taken to have no sign: the list does not say',
      'Change their type to int16 or int32 where they can be negative.',
    ],
    [
      lines((draft) => draft.offset !== undefined),
      'the offset is added after scaling',
      'Multiply it by the scale if it belongs to the raw value.',
    ],
    [
      overlaps(drafts),
      'these values share registers with another: type or address may be wrong',
      'Look at them in the manual.',
    ],
  ];
  return all.filter(([found]) => found.length > 0).map(([found, what, remedy]) => ({ what, remedy, lines: found }));
}

/** Lines of values that begin inside another. */
function overlaps(drafts: readonly Draft[]): number[] {
  const sorted = [...drafts].filter(({ bit, table }) => bit === undefined && table !== 'coil' && table !== 'discrete');
  sorted.sort((a, b) => a.table.localeCompare(b.table) || a.start - b.start);
  return sorted.flatMap((draft, index) => {
    const before = sorted[index - 1];
    return before &&
      before.table === draft.table &&
      before.start < draft.start &&
      before.start + before.count > draft.start
      ? [draft.line]
      : [];
  });
}
