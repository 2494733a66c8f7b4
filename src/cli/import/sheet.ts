/** Makes rows of cells out of the bytes of a register list: text in any usual encoding, or a workbook. */
import { Fault } from '../../core/errors.ts';
import { workbookSheets } from './workbook.ts';

/** One row as it stands in the list. */
export interface Row {
  /** Line of the file, or row of the sheet, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
  /** Why nothing in the row can be relied on; undefined: it is whole. */
  readonly damage?: string;
}

/** Rows, with where they came from. */
export interface Sheet {
  readonly name: string;
  readonly rows: readonly Row[];
  /** What was guessed on the way: encoding and separator. */
  readonly guesses: readonly string[];
}

const MOST_BYTES = 20_000_000;
const MOST_ROWS = 50_000;
const MOST_CELLS = 256;
const MOST_CHARACTERS = 2000;

/** Separators of text, and runs of spaces, which is what a table copied out of a document has. */
const SEPARATORS: readonly { readonly name: string; readonly text: string | undefined }[] = [
  { name: 'tab', text: '\t' },
  { name: 'semicolon', text: ';' },
  { name: 'comma', text: ',' },
  { name: 'bar', text: '|' },
  { name: 'two or more spaces', text: undefined },
];

/**
 * Every way in which the bytes can be read as a table: the sheets of a workbook, or the text cut at each separator. Which
 * of them is a register list shows in its headings.
 *
 * @throws Fault when it is too large, empty, encrypted or damaged
 */
export function sheetsOf(bytes: Uint8Array, file: string): Sheet[] {
  if (bytes.length > MOST_BYTES)
    throw new Fault(`${file}: more than ${MOST_BYTES / 1e6} MB`, 'Export only the sheet with the registers, as CSV.');
  if (bytes.length === 0) throw new Fault(`${file}: there is nothing in it`, 'Give a register list as CSV or XLSX.');
  if (bytes[0] === 0xd0 && bytes[1] === 0xcf && bytes[2] === 0x11 && bytes[3] === 0xe0)
    throw new Fault(
      `${file}: this is an encrypted workbook, or one in the format before 2007`,
      'Open it with its password and save it as XLSX or CSV.',
    );
  if (startsWith(bytes, '%PDF'))
    throw new Fault(
      `${file}: a PDF cannot be read`,
      'Copy its table to the clipboard, and paste it into: millgate import -',
    );
  if (startsWith(bytes, 'PK'))
    return workbookSheets(bytes, file).map(({ name, rows }) => ({ name, rows: bounded(rows, file), guesses: [] }));
  const { text, guess } = textOf(bytes, file);
  const encoding = guess === undefined ? [] : [guess];
  const named = /^sep=(.)\r?\n/i.exec(text);
  const separators = named ? [{ name: 'named', text: named[1] }] : SEPARATORS;
  return separators.map(({ name, text: separator }) => ({
    name,
    rows: bounded(separator === undefined ? spacedRows(text) : separatedRows(text, separator, named ? 1 : 0), file),
    guesses: [...encoding, ...(named ? [] : [`columns are separated by ${name}`])],
  }));
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((letter, index) => bytes[index] === letter.charCodeAt(0));
}

function bounded(rows: readonly Row[], file: string): Row[] {
  if (rows.length > MOST_ROWS)
    throw new Fault(`${file}: more than ${MOST_ROWS} rows`, 'A Modbus device has fewer registers. Cut the list.');
  return rows.map((row) => {
    const isTooWide = row.cells.length > MOST_CELLS || row.cells.some(({ length }) => length > MOST_CHARACTERS);
    if (!isTooWide)
      return { ...row, cells: row.cells.map((cell) => cell.replaceAll(/[\s\u00a0\u202f]+/g, ' ').trim()) };
    return { line: row.line, cells: [], damage: 'the row is too long to be one of a register list' };
  });
}

/** Text by its byte order mark, else UTF-8 where it is valid, else the code page of Western Windows. */
function textOf(bytes: Uint8Array, file: string): { text: string; guess?: string } {
  const decoded = (encoding: string) => new TextDecoder(encoding).decode(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { text: decoded('utf-16le') };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { text: decoded('utf-16be') };
  const sample = bytes.subarray(0, 400);
  const zeros = sample.filter((byte) => byte === 0).length;
  if (zeros > sample.length / 4) {
    const encoding = sample[0] === 0 ? 'utf-16be' : 'utf-16le';
    return { text: decoded(encoding), guess: `the text is ${encoding.toUpperCase()}` };
  }
  if (zeros > 0) throw new Fault(`${file}: this is not text`, 'Give a register list as CSV, TSV or XLSX.');
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { text: decoded('windows-1252'), guess: 'the text is in the Western code page of Windows (1252)' };
  }
}

/** Rows of text whose cells a character separates; a cell in double quotes may hold it, line ends and doubled quotes. */
function separatedRows(text: string, separator: string, skipped: number): Row[] {
  const rows: Row[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  for (let index = skipped; index < lines.length; index++) {
    const line = index + 1;
    const cells: string[] = [];
    let damage: string | undefined;
    let rest: string | undefined = lines[index]!;
    while (rest !== undefined) {
      if (!rest.trimStart().startsWith('"')) {
        const end: number = rest.indexOf(separator);
        cells.push(end < 0 ? rest : rest.slice(0, end));
        rest = end < 0 ? undefined : rest.slice(end + separator.length);
        continue;
      }
      const quoted = quotedCell(lines, index, rest.trimStart());
      if (!quoted) {
        damage = 'a quote is opened and never closed';
        break;
      }
      const end: number = quoted.rest.indexOf(separator);
      cells.push(quoted.text + (end < 0 ? quoted.rest : quoted.rest.slice(0, end)));
      rest = end < 0 ? undefined : quoted.rest.slice(end + separator.length);
      index = quoted.index;
    }
    rows.push(damage === undefined ? { line, cells } : { line, cells, damage });
  }
  return rows;
}

/** A cell has at most this many lines: one lost quote does not swallow the rest of the list. */
const MOST_LINES_OF_A_CELL = 20;

/** The cell whose quote opens `first`, and what follows it; undefined where the quote is not closed. */
function quotedCell(
  lines: readonly string[],
  index: number,
  first: string,
): { text: string; rest: string; index: number } | undefined {
  let text = '';
  let from = 1;
  for (let at = index; at < Math.min(lines.length, index + MOST_LINES_OF_A_CELL); at++) {
    const line = at === index ? first : lines[at]!;
    for (let start = at === index ? from : 0; ; ) {
      const quote = line.indexOf('"', start);
      if (quote < 0) {
        text += `${line.slice(start)} `;
        break;
      }
      text += line.slice(start, quote);
      if (line[quote + 1] !== '"') return { text, rest: line.slice(quote + 1), index: at };
      text += '"';
      start = quote + 2;
    }
    from = 0;
  }
  return undefined;
}

function spacedRows(text: string): Row[] {
  return text.split(/\r\n|\n|\r/).map((line, index) => ({ line: index + 1, cells: line.trim().split(/\s{2,}|\t/) }));
}
