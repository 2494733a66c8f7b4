/** Reads the cells of a workbook (XLSX): a zip archive of XML, of which only the texts and numbers count. */
import { inflateRawSync } from 'node:zlib';
import { Fault } from '../../core/errors.ts';

interface WorkbookSheet {
  readonly name: string;
  readonly rows: { readonly line: number; readonly cells: readonly string[] }[];
}

/** What one part of the archive may unpack to, bytes; a register list has a hundredth of it. */
const MOST_UNPACKED = 64_000_000;
const MOST_SHEETS = 30;
const MOST_COLUMNS = 256;
const MOST_ROWS = 60_000;

const DAMAGED = 'Open it in a spreadsheet and save it as XLSX or CSV again.';

/**
 * The sheets of a workbook, in their order. A cell that is merged downwards counts in each of its rows.
 *
 * @throws Fault when it is damaged, encrypted, too large or no workbook
 */
export function workbookSheets(bytes: Uint8Array, file: string): WorkbookSheet[] {
  const parts = partsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), file);
  const workbook = parts('xl/workbook.xml');
  if (workbook === undefined) throw new Fault(`${file}: a zip archive, but no workbook`, 'Give the XLSX or CSV in it.');
  const targets = new Map(
    tagsOf(parts('xl/_rels/workbook.xml.rels') ?? '', 'Relationship').map(({ attributes }) => [
      attributes.get('Id'),
      attributes.get('Target') ?? '',
    ]),
  );
  const shared = tagsOf(parts('xl/sharedStrings.xml') ?? '', 'si').map(({ inner }) => textIn(inner));
  return tagsOf(workbook, 'sheet')
    .slice(0, MOST_SHEETS)
    .flatMap(({ attributes }, index) => {
      const target = targets.get(attributes.get('r:id')) ?? `worksheets/sheet${index + 1}.xml`;
      const xml = parts(target.startsWith('/') ? target.slice(1) : `xl/${target}`);
      return xml === undefined ? [] : [{ name: attributes.get('name') ?? `${index + 1}`, rows: rowsOf(xml, shared) }];
    });
}

/** Gives the text of a part of the archive by its name; undefined where there is none. */
function partsOf(bytes: Buffer, file: string): (name: string) => string | undefined {
  const entries = new Map<string, { method: number; flags: number; size: number; at: number }>();
  const end = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  try {
    if (end < 0) throw new RangeError('no directory');
    let at = bytes.readUInt32LE(end + 16);
    for (let count = bytes.readUInt16LE(end + 10); count > 0; count--) {
      if (bytes.readUInt32LE(at) !== 0x02014b50) throw new RangeError('no entry');
      const nameLength = bytes.readUInt16LE(at + 28);
      const name = bytes.toString('utf8', at + 46, at + 46 + nameLength);
      entries.set(name, {
        flags: bytes.readUInt16LE(at + 8),
        method: bytes.readUInt16LE(at + 10),
        size: bytes.readUInt32LE(at + 20),
        at: bytes.readUInt32LE(at + 42),
      });
      at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    }
  } catch (error) {
    throw new Fault(`${file}: the workbook is cut off or damaged`, DAMAGED, undefined, { cause: error });
  }
  return (name) => {
    const entry = entries.get(name);
    if (!entry) return undefined;
    if (entry.flags & 1) throw new Fault(`${file}: the workbook is encrypted`, 'Save it without a password.');
    try {
      const start = entry.at + 30 + bytes.readUInt16LE(entry.at + 26) + bytes.readUInt16LE(entry.at + 28);
      if (start + entry.size > bytes.length) throw new RangeError('cut off');
      const packed = bytes.subarray(start, start + entry.size);
      const unpacked = entry.method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: MOST_UNPACKED });
      return unpacked.toString('utf8');
    } catch (error) {
      const isLarge = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
      if (isLarge) throw new Fault(`${file}: ${name} in it is too large`, 'Export only the registers, as CSV.');
      throw new Fault(`${file}: ${name} in it is damaged`, DAMAGED, undefined, { cause: error });
    }
  };
}

interface XmlTag {
  readonly attributes: ReadonlyMap<string, string>;
  readonly inner: string;
}

/** The elements of a name, in their order; elements of that name inside one another do not occur in workbooks. */
function tagsOf(xml: string, name: string): XmlTag[] {
  const found: XmlTag[] = [];
  for (let from = 0; ; ) {
    const start = xml.indexOf(`<${name}`, from);
    if (start < 0) return found;
    const after = xml[start + name.length + 1];
    const end = xml.indexOf('>', start);
    if (end < 0) return found;
    from = end + 1;
    if (after !== '>' && after !== '/' && !/\s/.test(after ?? '')) continue;
    const attributes = attributesOf(xml.slice(start + name.length + 1, end));
    if (xml[end - 1] === '/') {
      found.push({ attributes, inner: '' });
      continue;
    }
    const close = xml.indexOf(`</${name}>`, end);
    if (close < 0) return found;
    found.push({ attributes, inner: xml.slice(end + 1, close) });
    from = close;
  }
}

function attributesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, name, value]) => [name!, unescaped(value!)]));
}

/** The text of a string item, without the readings that some languages write above it. */
function textIn(xml: string): string {
  const spoken = tagsOf(xml, 'rPh').map(({ inner }) => inner);
  const plain = spoken.reduce((text, part) => text.replace(part, ''), xml);
  return tagsOf(plain, 't')
    .map(({ inner }) => unescaped(inner))
    .join('');
}

function unescaped(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]+));/gi, (whole, decimal, hex, name) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
    if (code !== undefined) return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    return named[name.toLowerCase()] ?? whole;
  });
}

function rowsOf(xml: string, shared: readonly string[]): WorkbookSheet['rows'] {
  const cells = new Map<number, string[]>();
  let line = 0;
  for (const row of tagsOf(xml, 'row').slice(0, MOST_ROWS)) {
    line = Number(row.attributes.get('r') ?? line + 1);
    const texts: string[] = [];
    for (const cell of tagsOf(row.inner, 'c')) {
      const column = columnOf(cell.attributes.get('r')) ?? texts.length;
      if (column < MOST_COLUMNS) texts[column] = cellText(cell, shared);
    }
    cells.set(line, texts);
  }
  for (const { attributes } of tagsOf(xml, 'mergeCell')) fillDown(cells, attributes.get('ref') ?? '');
  return [...cells].map(([number, texts]) => ({ line: number, cells: Array.from(texts, (text) => text ?? '') }));
}

function cellText({ attributes, inner }: XmlTag, shared: readonly string[]): string {
  const type = attributes.get('t');
  if (type === 'inlineStr') return textIn(inner);
  const value = unescaped(tagsOf(inner, 'v')[0]?.inner ?? '');
  if (type === 's') return shared[Number(value)] ?? '';
  if (type === 'b') return value === '1' ? 'TRUE' : 'FALSE';
  // A double prints as the shortest decimal, not with the digits that the spreadsheet stored: 0.1, not 0.10000000000000001.
  return type === undefined || type === 'n' ? (value === '' ? '' : String(Number(value))) : value;
}

/** `C7` → 2. */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Z]{1,3}/.exec(reference ?? '')?.[0];
  if (letters === undefined) return undefined;
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

function fillDown(cells: Map<number, string[]>, reference: string): void {
  const [, from, first, to, last] = /^([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})$/.exec(reference) ?? [];
  const column = columnOf(from);
  if (column === undefined || from !== to) return;
  const text = cells.get(Number(first))?.[column];
  if (text === undefined) return;
  for (const [line, texts] of cells) if (line > Number(first) && line <= Number(last)) texts[column] = text;
}
