/** Text and rows of the CSV files that spreadsheets and other tools write. */
import { isUtf8 } from 'node:buffer';

/** A file that cannot be understood: which line, and what is wrong with it. */
export class BrokenFile extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'BrokenFile';
  }
}

/** Separators by preference; a spreadsheet of a country with decimal commas writes semicolons. */
const SEPARATORS = [',', ';', '\t'] as const;

/** What separates the columns of a file. */
type Separator = (typeof SEPARATORS)[number];

/** A row: the line it begins on, from 1, and its cells, without quotation marks. */
interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * The text of a file: UTF-8 or UTF-16, with a byte order mark or without.
 *
 * @throws BrokenFile for another encoding, with the line of the first character that is not UTF-8
 */
export function decodeText(bytes: Uint8Array): string {
  const utf16 = utf16Of(bytes);
  if (utf16 !== undefined) return new TextDecoder(utf16).decode(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (isUtf8(bytes)) return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const line = text.slice(0, text.indexOf('�')).split('\n').length;
  throw new BrokenFile(
    line,
    'the file is not UTF-8 text: save it with the encoding UTF-8 ("CSV UTF-8" in a spreadsheet)',
  );
}

/** By its mark; without one, text of letters has a zero in every second byte. */
function utf16Of(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (second === 0 && first !== 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && bytes.length > 1)) return 'utf-16be';
  return undefined;
}

/** What separates the columns, by the first line that is neither empty nor a comment: the first that makes three. */
export function separatorOf(text: string): Separator {
  const [first = ''] = /^(?!#|\s*$).+$/m.exec(text) ?? [];
  const told = /^sep=(.)\s*$/i.exec(first)?.[1];
  return SEPARATORS.find((separator) => separator === told || first.split(separator).length >= 3) ?? ',';
}

/**
 * Rows of a text with quotation marks (RFC 4180): a quoted cell keeps its spaces and may hold separators and line ends.
 * Empty lines and lines that begin with `#` are left out.
 */
export function* quotedRows(text: string, separator: Separator): Generator<Row> {
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const end = endOfLine(text, at);
    if (text[at] === '#' || text.slice(at, end).trim() === '') {
      at = end + 1;
      line++;
      continue;
    }
    const row = rowAt(text, at, line, separator);
    yield { line, cells: row.cells };
    line += text.slice(at, row.next).split('\n').length - 1;
    at = row.next;
  }
}

function rowAt(text: string, from: number, line: number, separator: Separator): { cells: string[]; next: number } {
  const cells: string[] = [];
  for (let at = from; ; ) {
    const quoted = quotedAt(text, at, line);
    const stop = quoted ? quoted.next : endOfCell(text, at, separator);
    const rest = endOfCell(text, stop, separator);
    const after = text.slice(stop, rest);
    if (quoted && after.trim() !== '') throw new BrokenFile(line, BAD_QUOTE);
    const bare = text.slice(at, stop).trim();
    if (!quoted && bare.includes('"')) throw new BrokenFile(line, BAD_QUOTE);
    cells.push(quoted ? quoted.cell : bare);
    if (text[rest] !== separator) return { cells, next: rest + 1 };
    at = rest + 1;
  }
}

const BAD_QUOTE = 'has a quotation mark that is not closed, or in the middle of a cell';

function quotedAt(text: string, from: number, line: number): { cell: string; next: number } | undefined {
  let at = from;
  while (text[at] === ' ') at++;
  if (text[at] !== '"') return undefined;
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 2)) {
    if (text[end + 1] === '"') continue;
    return { cell: text.slice(at + 1, end).replaceAll('""', '"'), next: end + 1 };
  }
  throw new BrokenFile(line, BAD_QUOTE);
}

function endOfCell(text: string, from: number, separator: Separator): number {
  const end = endOfLine(text, from);
  const next = text.indexOf(separator, from);
  return next >= 0 && next < end ? next : end;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** Texts that a spreadsheet would take for a formula, behind any number of apostrophes. */
const FORMULA = /^'*[=+\-@\t\r]/;

/**
 * A text as a cell of a CSV (RFC 4180): in quotation marks where it needs them, and behind an apostrophe where a
 * spreadsheet would run it as a formula. What was scanned as a barcode must not become a program on somebody's desk.
 */
export function cellOf(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",;\t\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A cell as {@link cellOf} made it, without its apostrophe. */
export function textOfCell(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
}
