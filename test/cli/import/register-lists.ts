import { deflateRawSync } from 'node:zlib';
import { seededRandom } from '../../../src/core/random.ts';

/** A value of a device, as it truly is. */
export interface TrueTag {
  readonly name: string;
  readonly table: 'input' | 'holding' | 'coil' | 'discrete';
  readonly start: number;
  readonly type: string;
  readonly count: number;
  readonly scale: number;
  readonly unit: string;
  readonly writable: boolean;
  /** What it shows, in its unit. */
  readonly value: number;
}

/** A list in the layout of a maker, with what is true of the device. */
export interface ListedDevice {
  readonly label: string;
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly tags: readonly TrueTag[];
  /** The order that the device has; the list may keep it to itself. */
  readonly order: 'ABCD' | 'CDAB';
  /** Rows that no tag can be made of. */
  readonly traps: number;
}

type Language = 'en' | 'de' | 'fr' | 'es' | 'it';

const HEADINGS: Record<Language, Record<string, string>> = {
  en: {
    address: 'Address',
    name: 'Parameter',
    type: 'Data Type',
    scale: 'Scale',
    unit: 'Unit',
    access: 'R/W',
    fc: 'Function Code',
    count: 'Number of registers',
    table: 'Register Type',
    hex: 'Address (hex)',
  },
  de: {
    address: 'Adresse',
    name: 'Bezeichnung',
    type: 'Datentyp',
    scale: 'Faktor',
    unit: 'Einheit',
    access: 'Zugriff',
    fc: 'Funktionscode',
    count: 'Anzahl Register',
    table: 'Registerart',
    hex: 'Adresse (hex)',
  },
  fr: {
    address: 'Adresse',
    name: 'Désignation',
    type: 'Format',
    scale: 'Facteur',
    unit: 'Unité',
    access: 'Accès',
    fc: 'Code fonction',
    count: 'Nombre de mots',
    table: 'Type de registre',
    hex: 'Adresse hex',
  },
  es: {
    address: 'Dirección',
    name: 'Magnitud',
    type: 'Tipo de dato',
    scale: 'Escala',
    unit: 'Unidad',
    access: 'Acceso',
    fc: 'Código función',
    count: 'Número de registros',
    table: 'Tipo de registro',
    hex: 'Dirección hex',
  },
  it: {
    address: 'Indirizzo',
    name: 'Grandezza',
    type: 'Tipo dati',
    scale: 'Fattore',
    unit: 'Unità',
    access: 'Accesso',
    fc: 'Codice funzione',
    count: 'Numero di registri',
    table: 'Tipo registro',
    hex: 'Indirizzo (hex)',
  },
};

const NAMES: Record<Language, readonly string[]> = {
  en: [
    'Voltage L1',
    'Voltage L2',
    'Current L1',
    'Frequency',
    'Active power',
    'Import energy',
    'Temperature',
    'Run hours',
    'Setpoint',
    'Speed',
  ],
  de: [
    'Spannung L1',
    'Spannung L2',
    'Strom L1',
    'Frequenz',
    'Wirkleistung',
    'Energie Bezug',
    'Temperatur Kühler',
    'Betriebsstunden',
    'Sollwert',
    'Drehzahl',
  ],
  fr: [
    'Tension L1',
    'Tension L2',
    'Courant L1',
    'Fréquence',
    'Puissance active',
    'Énergie importée',
    'Température',
    'Heures de marche',
    'Consigne',
    'Vitesse',
  ],
  es: [
    'Tensión L1',
    'Tensión L2',
    'Corriente L1',
    'Frecuencia',
    'Potencia activa',
    'Energía importada',
    'Temperatura',
    'Horas de marcha',
    'Consigna',
    'Velocidad',
  ],
  it: [
    'Tensione L1',
    'Tensione L2',
    'Corrente L1',
    'Frequenza',
    'Potenza attiva',
    'Energia importata',
    'Temperatura',
    'Ore di marcia',
    'Setpoint',
    'Velocità',
  ],
};
const UNITS = ['V', 'V', 'A', 'Hz', 'W', 'kWh', '°C', 'h', '°C', 'rpm'];
const VALUES = [231.4, 229.8, 12.6, 50.02, 4120, 18_234.5, 41.3, 8123, 55, 1480];

/** How a maker lays its list out. */
interface Layout {
  readonly maker: string;
  readonly types: readonly [whole: string, signed: string, long: string, real: string];
  readonly address: (tag: { table: TrueTag['table']; start: number; count: number }) => string;
  readonly columns: readonly string[];
  readonly table: TrueTag['table'];
  readonly from: number;
  readonly isReal: boolean;
  readonly above?: string;
  readonly section?: string;
  readonly says?: 'order';
}

const modicon = (tag: { table: string; start: number }) =>
  `${tag.table === 'input' ? 3 : 4}${String(tag.start + 1).padStart(4, '0')}`;
const hex = ({ start }: { start: number }) => `0x${start.toString(16).toUpperCase().padStart(4, '0')}`;
const plain = (base: number) => (tag: { start: number }) => String(tag.start + base);

const LAYOUTS: readonly Layout[] = [
  {
    maker: 'meter with Modicon numbers',
    types: ['UINT16', 'INT16', 'UINT32', 'FLOAT32'],
    address: modicon,
    columns: ['address', 'name', 'type', 'scale', 'unit', 'access'],
    table: 'holding',
    from: 100,
    isReal: false,
    section: 'Holding Registers',
  },
  {
    maker: 'meter of floats from hex addresses',
    types: ['U16', 'S16', 'U32', 'FLOAT'],
    address: hex,
    columns: ['name', 'hex', 'count', 'type', 'unit', 'fc'],
    table: 'input',
    from: 0,
    isReal: true,
  },
  {
    maker: 'inverter from 0 by function code',
    types: ['U16', 'S16', 'U32', 'FLOAT'],
    address: plain(0),
    columns: ['address', 'name', 'fc', 'type', 'scale', 'unit', 'access'],
    table: 'input',
    from: 30_500,
    isReal: false,
  },
  {
    maker: 'drive that counts from 1',
    types: ['WORD', 'INT16', 'DWORD', 'REAL'],
    address: plain(1),
    columns: ['address', 'name', 'type', 'scale', 'unit', 'access', 'table'],
    table: 'holding',
    from: 8500,
    isReal: false,
    above: 'base 1',
  },
  {
    maker: 'ranges of Modicon numbers',
    types: ['unsigned 16', 'signed 16', 'unsigned 32', 'IEEE754'],
    address: (tag) =>
      tag.count > 1 ? `${modicon(tag)}-${modicon({ ...tag, start: tag.start + tag.count - 1 })}` : modicon(tag),
    columns: ['address', 'name', 'type', 'scale', 'unit'],
    table: 'input',
    from: 10,
    isReal: false,
  },
  {
    maker: '4x notation',
    types: ['UINT', 'INT16', 'UDINT', 'REAL'],
    address: (tag) => `${tag.table === 'input' ? 3 : 4}x${String(tag.start + 1).padStart(4, '0')}`,
    columns: ['name', 'address', 'type', 'scale', 'unit', 'access'],
    table: 'holding',
    from: 200,
    isReal: false,
  },
  {
    maker: 'six digits and a count',
    types: ['uint16', 'int16', 'uint32', 'float32'],
    address: (tag) => `4${String(tag.start + 1).padStart(5, '0')}`,
    columns: ['address', 'count', 'name', 'type', 'scale', 'unit', 'access'],
    table: 'holding',
    from: 12_000,
    isReal: false,
  },
  {
    maker: 'hexadecimal with h',
    types: ['UINT16', 'SINT16', 'UINT32', 'FLOAT32'],
    address: ({ start }) => `${start.toString(16).toUpperCase().padStart(4, '0')}h`,
    columns: ['address', 'name', 'table', 'type', 'scale', 'unit'],
    table: 'holding',
    from: 0x1f3a,
    isReal: false,
  },
  {
    maker: 'nothing said of base and order',
    types: ['U16', 'S16', 'U32', 'FLOAT32'],
    address: plain(0),
    columns: ['address', 'name', 'table', 'type', 'unit'],
    table: 'input',
    from: 4000,
    isReal: true,
  },
  {
    maker: 'from 19000, like Modicon but not',
    types: ['SHORT', 'SHORT', 'UINT32', 'FLOAT'],
    address: plain(0),
    columns: ['address', 'name', 'type', 'unit', 'access', 'fc'],
    table: 'holding',
    from: 19_000,
    isReal: true,
    says: 'order',
  },
];

const LANGUAGES: readonly Language[] = ['en', 'de', 'fr', 'es', 'it'];
const FORMS = ['csv', 'tsv', 'semicolon', 'xlsx', 'pasted'] as const;

/** Thirty lists: ten layouts, each three times in another language, form and order. */
export function thirtyLists(): ListedDevice[] {
  return Array.from({ length: 30 }, (_, index) => {
    const layout = LAYOUTS[index % LAYOUTS.length]!;
    const language = LANGUAGES[(index + Math.floor(index / 10)) % LANGUAGES.length]!;
    const form = FORMS[(index * 2 + Math.floor(index / 5)) % FORMS.length]!;
    return listOf(layout, language, form, index);
  });
}

function listOf(layout: Layout, language: Language, form: (typeof FORMS)[number], index: number): ListedDevice {
  const random = seededRandom(index + 1);
  const order = index % 3 === 1 ? 'CDAB' : 'ABCD';
  const tags = trueTags(layout, language, random);
  const usesComma = language !== 'en' && form !== 'csv' && form !== 'xlsx';
  const head = layout.columns.map((column) => HEADINGS[language][column]!);
  const rows = tags.map((tag) => layout.columns.map((column) => cellOf(column, tag, layout, language, usesComma)));
  const broken = layout.columns.map((column) =>
    column === 'name'
      ? 'Clock'
      : column === 'type'
        ? 'DATETIME'
        : cellOf(column, { ...tags[0]!, start: layout.from + 90 }, layout, language, usesComma),
  );
  const above = [
    `${layout.maker}`,
    ...(layout.above ? [layout.above] : []),
    // The first of the three keeps it to itself: only the device can tell.
    ...(layout.maker.startsWith('inverter') && index >= 10 ? ['Zero-based addresses'] : []),
    ...(layout.says ? [order === 'CDAB' ? 'LSW first' : 'MSW first'] : []),
  ];
  const all = [
    ...above.map((text) => [text]),
    [],
    head,
    ...(layout.section ? [[layout.section]] : []),
    ...rows,
    [],
    broken,
  ];
  const label = `${index + 1}: ${layout.maker}, ${language}, ${form}, ${order}`;
  return {
    label,
    file: `list-${index + 1}.${form === 'xlsx' ? 'xlsx' : 'csv'}`,
    bytes: bytesIn(form, all, index),
    tags,
    order,
    traps: 1,
  };
}

function trueTags(layout: Layout, language: Language, random: () => number): TrueTag[] {
  const names = NAMES[language];
  let start = layout.from + (layout.from === 0 ? 0 : Math.floor(random() * 4));
  return names.map((name, index) => {
    const isLong = UNITS[index] === 'kWh' || UNITS[index] === 'h';
    const [whole, signed, long, real] = ['uint16', 'int16', 'uint32', 'float32'];
    const type = layout.isReal
      ? real!
      : isLong
        ? long!
        : UNITS[index] === '°C' || layout.types[0] === 'SHORT'
          ? signed!
          : whole!;
    const count = type === 'float32' || type === 'uint32' ? 2 : 1;
    const hasScale = layout.columns.includes('scale');
    const scale = layout.isReal || !hasScale ? 1 : [0.1, 0.1, 0.01, 0.01, 1, 0.1, 0.1, 1, 0.1, 1][index]!;
    const value = VALUES[index]! * (1 + 0.001 * random());
    const writable = layout.columns.includes('access') && layout.table === 'holding' && index === 8;
    const tag: TrueTag = { name, table: layout.table, start, type, count, scale, unit: UNITS[index]!, writable, value };
    start += count + (index === 4 ? 6 : 0);
    return tag;
  });
}

function cellOf(column: string, tag: TrueTag, layout: Layout, language: Language, usesComma: boolean): string {
  const [whole, signed, long, real] = layout.types;
  const types: Record<string, string> = { uint16: whole, int16: signed, uint32: long, float32: real };
  const read = { en: 'R', de: 'Lesen', fr: 'Lecture', es: 'Lectura', it: 'Lettura' }[language];
  const both = {
    en: 'R/W',
    de: 'Lesen/Schreiben',
    fr: 'Lecture/Écriture',
    es: 'Lectura/Escritura',
    it: 'Lettura/Scrittura',
  }[language];
  switch (column) {
    case 'address':
    case 'hex':
      return layout.address(tag);
    case 'name':
      return tag.name;
    case 'type':
      return types[tag.type]!;
    case 'scale':
      return usesComma ? String(tag.scale).replace('.', ',') : String(tag.scale);
    case 'unit':
      return tag.unit;
    case 'access':
      return tag.writable ? both : read;
    case 'fc':
      return tag.table === 'input' ? '04' : tag.writable ? '03/06' : '03';
    case 'count':
      return String(tag.count);
    default:
      return tag.table === 'input' ? 'Input Register' : 'Holding Register';
  }
}

function bytesIn(form: (typeof FORMS)[number], rows: readonly (readonly string[])[], index: number): Uint8Array {
  if (form === 'xlsx') return workbook(rows);
  if (form === 'pasted') return Buffer.from(rows.map((row) => row.join('   ')).join('\n'));
  const separator = { csv: ',', tsv: '\t', semicolon: ';' }[form];
  const quoted = (cell: string) =>
    cell.includes(separator) || index % 4 === 0 ? `"${cell.replaceAll('"', '""')}"` : cell;
  const text = rows.map((row) => row.map(quoted).join(separator)).join('\r\n');
  // Windows-1252 has all letters of the five languages at the places of Latin-1.
  return Buffer.from(text, form === 'semicolon' ? 'latin1' : form === 'tsv' ? 'utf16le' : 'utf8');
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A workbook of one sheet: numbers as numbers, texts shared. */
export function workbook(rows: readonly (readonly string[])[]): Buffer {
  const shared: string[] = [];
  const cell = (text: string, row: number, column: number): string => {
    if (text === '') return '';
    const place = `${String.fromCharCode(65 + column)}${row + 1}`;
    if (/^[1-9]\d*(\.\d+)?$|^0\.\d+$|^0$/.test(text)) return `<c r="${place}"><v>${text}</v></c>`;
    return `<c r="${place}" t="s"><v>${shared.push(text) - 1}</v></c>`;
  };
  const sheet = rows
    .map((row, at) => `<row r="${at + 1}">${row.map((text, column) => cell(text, at, column)).join('')}</row>`)
    .join('');
  return zip({
    'xl/workbook.xml': '<workbook><sheets><sheet name="Map" sheetId="1" r:id="rId1"/></sheets></workbook>',
    'xl/_rels/workbook.xml.rels':
      '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
    'xl/worksheets/sheet1.xml': `<worksheet><sheetData>${sheet}</sheetData></worksheet>`,
    'xl/sharedStrings.xml': `<sst>${shared.map((text) => `<si><t>${escaped(text)}</t></si>`).join('')}</sst>`,
  });
}

/** A zip archive, deflated. */
export function zip(parts: Record<string, string>, flags = 0): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(parts)) {
    const data = deflateRawSync(Buffer.from(text));
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    bodies.push(local, Buffer.from(name), data);
    directory.push(entry, Buffer.from(name));
    at += 30 + name.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(parts).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, central, end]);
}
