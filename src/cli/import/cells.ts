/** Reads single cells of a register list: addresses, types, scales, access rights and tables. */
import type { ModbusType, Order, Table } from '../../../hal/modbus/map/address.ts';

export type AccessRight = 'read' | 'read-write' | 'write';

/** What a cell says of where a value is. */
export interface Place {
  /** `number`: as it is, from 0 or from 1; `modicon`: with its table in front; `exact`: from 0 for certain. */
  readonly form: 'number' | 'modicon' | 'exact' | 'hex';
  readonly number: number;
  readonly table?: Table;
  /** Registers, where a range is written. */
  readonly count?: number;
  readonly bit?: number;
  readonly lastBit?: number;
  /** Written with separators of thousands. */
  readonly isGrouped?: boolean;
}

const DIGIT_TABLES: Record<string, Table> = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' };

const PREFIXES: Record<string, Table> = {
  hr: 'holding',
  ir: 'input',
  co: 'coil',
  di: 'discrete',
  holding: 'holding',
  input: 'input',
  coil: 'coil',
  discrete: 'discrete',
};

/** A cell as a place; text says why it is none. */
export function placeOf(cell: string, isHexColumn: boolean, hasXForms: boolean): Place | string {
  const text = cell.trim();
  if (/^\d(?:[.,]\d+)?e\+?\d+$/i.test(text) && !isHexColumn)
    return `${text}: a spreadsheet has turned the address into a power of ten`;
  const range = /^(.*?\w)\s*(?:-|–|—|\.\.\.?|…|÷|to|bis|\/|,\s|a(?=\s)|à)\s*(\w[\w:#]*)$/i.exec(text);
  if (range && !/^\d[.,]\d{3}$/.test(text)) {
    const first = singlePlace(range[1]!, isHexColumn, hasXForms);
    const last = singlePlace(range[2]!, isHexColumn, hasXForms);
    if (first && last && first.form === last.form && first.bit === undefined) {
      const count = last.number - first.number + 1;
      return count >= 1 && count <= 125 ? { ...first, count } : `${text}: this is no range of registers`;
    }
  }
  const bits = /^(.*?\w)\s*(?:\.|:|\bbits?\s*)\s*(\d{1,2})(?:\s*(?:-|–|\.\.)\s*(\d{1,2}))?$/i.exec(text);
  const whole = singlePlace(text, isHexColumn, hasXForms);
  if (whole) return whole;
  const place = bits && singlePlace(bits[1]!, isHexColumn, hasXForms);
  if (bits && place) {
    const bit = Number(bits[2]);
    const lastBit = bits[3] === undefined ? undefined : Number(bits[3]);
    if (bit > 15 || (lastBit ?? 0) > 15) return `${text}: a register has the bits 0 to 15`;
    if (lastBit !== undefined && lastBit <= bit) return `${text}: this is no range of bits`;
    return { ...place, bit, ...(lastBit !== undefined && { lastBit }) };
  }
  return `${text.slice(0, 60)}: this is no address`;
}

function singlePlace(raw: string, isHexColumn: boolean, hasXForms: boolean): Place | undefined {
  const text = raw.trim();
  const x = /^([0134])[xX:]{1,5}0*(\d{1,5})$/.exec(text);
  if (x && (x[1] !== '0' || hasXForms) && Number(x[2]) > 0)
    return { form: 'modicon', number: Number(x[2]), table: DIGIT_TABLES[x[1]!]! };
  const hex = /^(?:0[xX]|\$|&[hH]|16#|#)([\dA-Fa-f]{1,5})[hH]?$|^([\dA-Fa-f]{1,5})[hH]$/.exec(text);
  if (hex) return inRange({ form: 'hex', number: Number.parseInt(hex[1] ?? hex[2]!, 16) });
  if (isHexColumn) {
    if (!/^[\dA-Fa-f]{1,5}$/.test(text)) return undefined;
    return inRange({ form: 'hex', number: Number.parseInt(text, 16) });
  }
  const prefixed = /^([A-Za-z]{2,8})[ :_-]?(\d{1,5})$/.exec(text);
  const prefix = prefixed && PREFIXES[prefixed[1]!.toLowerCase()];
  if (prefixed && prefix) return inRange({ form: 'number', number: Number(prefixed[2]), table: prefix });
  const word = /^%?(MW|IW|M|I)(\d{1,5})$/.exec(text);
  if (word && text.startsWith('%')) {
    const tables: Record<string, Table> = { MW: 'holding', IW: 'input', M: 'coil', I: 'discrete' };
    return inRange({ form: 'exact', number: Number(word[2]), table: tables[word[1]!]! });
  }
  if (/^\d{1,3}[ .,'’]\d{3}$/.test(text)) {
    const place = inRange({ form: 'number', number: Number(text.replaceAll(/\D/g, '')) });
    return place && { ...place, isGrouped: true };
  }
  if (!/^\d{1,6}$/.test(text)) return undefined;
  const modicon = /^([0134])(\d{4,5})$/.exec(text);
  if (modicon && (text.startsWith('0') ? text.length === 5 || text.length === 6 : true)) {
    const number = Number(modicon[2]);
    if (number >= 1 && number <= 65_536) return { form: 'modicon', number, table: DIGIT_TABLES[modicon[1]!]! };
  }
  return inRange({ form: 'number', number: Number(text) });
}

function inRange(place: Place): Place | undefined {
  return place.number <= 65_536 ? place : undefined;
}

/** What a cell says of a value's type. */
interface CellType {
  readonly type: ModbusType | 'whole' | 'float' | 'any';
  /** Registers, where the type itself says so. */
  readonly count?: number;
  readonly characters?: number;
  /** Whether the sign is not said. */
  readonly isSignGuessed?: boolean;
  readonly order?: Order;
  /** Why a value of this type cannot be a tag. */
  readonly refusal?: string;
}

const TYPES: readonly (readonly [RegExp, Omit<CellType, 'order'>])[] = [
  [
    /^(u|uint|unsigned|unsignedint|usint|uinteger)?8(bits?)?$|^(byte|int8|s8|sint8|i8|uint8|usint|sint|char8)$/,
    { type: 'any', refusal: 'a type of 8 bits: the list does not say which half of the register is meant' },
  ],
  [
    /date|time(?!r)|zeit|datum|ipv?[46]|mac|eui48|array|struct|^pad$|reserved|reserviert|unused/,
    { type: 'any', refusal: 'a type that no tag has' },
  ],
  [/^(bool|boolean|bit|binary|binar|coil|booleen|booleano|digital|flag|onoff|logico|tor)$/, { type: 'bool' }],
  [/^(float16|half|fp16)$/, { type: 'float16', count: 1 }],
  [
    /^(double|lreal|float64|real64|f64|fp64|ieee75464|64bitfloat|float64bits?|doubleprecision|doublefloat|floatdouble|ieee754double)$/,
    { type: 'float64', count: 4 },
  ],
  [
    /^(float32|real32|f32|fp32|real|single|ieee75432|ieee75432bits?|32bitfloat|float32bits?|32bitsfloat|float32ieee754|32bitfloatingpoint|ieee754single|float32bitieee754|flottant32|flottant32bits|singleprecision|floatieee32|ieee32|2registerfloat|gleitkomma32|virgolamobile32|flotante32|comaflotante32)$/,
    { type: 'float32', count: 2 },
  ],
  [
    /^(float|floating|floatingpoint|ieee754|ieee|floatieee754|ieee754float|ieeefloat|flottant|gleitkomma|fliesskomma|gleitkommazahl|fliesskommazahl|virgolamobile|flotante|comaflotante|virguleflottante|floatieee)$/,
    { type: 'float' },
  ],
  [/^(bcd16|16bitbcd|bcd4)$/, { type: 'bcd16', count: 1 }],
  [/^(bcd32|32bitbcd|bcd8)$/, { type: 'bcd32', count: 2 }],
  [
    /^(u|ui|uint|unsigned|unsignedint|unsignedinteger|uinteger|bitfield|bitmap|enum|word|acc|unsignedword|sansdsigne|nonsigne|entiernonsigne|senzasegno|interosenzasegno|sinsigno|enterosinsigno|vorzeichenlos|ohnevorzeichen)16(bits?)?$|^16bits?(unsigned|unsignedinteger|unsignedint|uint|word|ohnevorzeichen|nonsigne|senzasegno|sinsigno)$|^(uint|ushort|unsignedshort|unsignedword|uword)$/,
    { type: 'uint16', count: 1 },
  ],
  [
    /^(s|i|si|int|sint|signed|signedint|signedinteger|integer|short|entiersigne|signe|consegno|interoconsegno|consigno|enteroconsigno|mitvorzeichen|vorzeichenbehaftet|sunssf)16(bits?)?$|^16bits?(signed|signedinteger|signedint|int|integer|mitvorzeichen|signe|consegno|consigno)$|^(short|sunssf|signedshort|signedword)$/,
    { type: 'int16', count: 1 },
  ],
  [
    /^(u|ui|uint|unsigned|unsignedint|unsignedinteger|uinteger|bitfield|bitmap|enum|dword|acc|entiernonsigne|nonsigne|senzasegno|interosenzasegno|sinsigno|enterosinsigno|vorzeichenlos|ohnevorzeichen)32(bits?)?$|^32bits?(unsigned|unsignedinteger|unsignedint|uint|ohnevorzeichen|nonsigne|senzasegno|sinsigno)$|^(udint|dword|ulong|unsignedlong|udword|doubleword|doppelwort)$/,
    { type: 'uint32', count: 2 },
  ],
  [
    /^(s|i|si|int|sint|signed|signedint|signedinteger|integer|entiersigne|signe|consegno|interoconsegno|consigno|enteroconsigno|mitvorzeichen|vorzeichenbehaftet)32(bits?)?$|^32bits?(signed|signedinteger|signedint|int|integer|mitvorzeichen|signe|consegno|consigno)$|^(dint|long|signedlong|longint|slong)$/,
    { type: 'int32', count: 2 },
  ],
  [
    /^(u|ui|uint|unsigned|unsignedint|unsignedinteger|acc|bitfield|vorzeichenlos|nonsigne|senzasegno|sinsigno)64(bits?)?$|^64bits?(unsigned|unsignedinteger|uint)$|^(ulint|qword|ulonglong)$/,
    { type: 'uint64', count: 4 },
  ],
  [
    /^(s|i|si|int|sint|signed|signedint|signedinteger|integer|mitvorzeichen|signe|consegno|consigno)64(bits?)?$|^64bits?(signed|signedinteger|int)$|^(lint|longlong)$/,
    { type: 'int64', count: 4 },
  ],
  [/^(bcd|bcdcode|bcdcoded)$/, { type: 'any', refusal: 'BCD' }],
  [
    /^(unsigned|unsignedinteger|unsignedint|nonsigne|entiernonsigne|senzasegno|interosenzasegno|sinsigno|enterosinsigno|vorzeichenlos|ohnevorzeichen|enum|enumeration|bitfield|bitmap|bitmask|bitfeld|status|hex)$/,
    { type: 'whole' },
  ],
  [
    /^(signed|signedinteger|signedint|signe|entiersigne|consegno|interoconsegno|consigno|enteroconsigno|mitvorzeichen|vorzeichenbehaftet)$/,
    { type: 'whole', isSignGuessed: false },
  ],
  [
    /^(word|wort|mot|parola|palabra|16bits?|int|integer|entier|intero|entero|ganzzahl|number|numeric|decimal|dec|zahl|32bits?|64bits?)$/,
    { type: 'whole', isSignGuessed: true },
  ],
];

/** A cell as a type; undefined where it names none. */
export function typeOf(cell: string): CellType | undefined {
  const order = orderIn(cell);
  const bare = cell.replaceAll(
    /\b(abcd|cdab|badc|dcba|big[- ]?endian|little[- ]?endian|(byte|word)s?[- ]?swap(ped)?|[lm]sw[- ]?first|(be|le|swapped|inv(erse)?))\b/gi,
    '',
  );
  const text = bare
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]/g, '');
  const string =
    /^(?:string|str|ascii|char|text|chaine|cadena|stringa|zeichenkette|texte|testo|texto|visiblestring|octetstring|utf8)(\d{1,3})?(chars?|characters?|zeichen|caracteres|caratteri|bytes?|reg(ister)?s?)?$/.exec(
      text,
    );
  if (string) {
    const size = string[1] === undefined ? undefined : Number(string[1]);
    const isRegisters = /^reg/.test(string[2] ?? '');
    if (size === undefined) return { type: 'string' };
    return isRegisters ? { type: 'string', count: size } : { type: 'string', characters: size };
  }
  const found = TYPES.find(([pattern]) => pattern.test(text));
  if (!found) return undefined;
  const sized = /^(16|32|64)bits?$/.exec(text);
  const count = sized ? { count: Number(sized[1]) / 16 } : {};
  return { ...found[1], ...count, ...(order && { order }) };
}

/** The order of bytes that a text names. Little-endian alone may mean either of two and is none. */
export function orderIn(text: string): Order | undefined {
  const letters = /\b(ABCD|CDAB|BADC|DCBA)\b/.exec(text)?.[1] as Order | undefined;
  if (letters) return letters;
  if (
    /\b(lsw|low(er|est)? ?word|least significant word|niederwertiges? wort|mot (de poids )?faible|palabra baja|parola bassa)( (is )?(first|zuerst|en premier|d'abord|primero|per prima))|word[- ]?swap|swapped words|words swapped|wort(e|er)? (vertauscht|getauscht)/i.test(
      text,
    )
  )
    return 'CDAB';
  if (
    /\b(msw|high(er|est)? ?word|most significant word|h(ö|oe)herwertiges? wort|mot (de poids )?fort|palabra alta|parola alta)( (is )?(first|zuerst|en premier|d'abord|primero|per prima))|\bbig[- ]?endian\b/i.test(
      text,
    )
  )
    return 'ABCD';
  return undefined;
}

/** The table that a text names, as a cell or as the heading of a section. */
export function tableOf(cell: string): Table | undefined {
  const text = cell.toLowerCase().normalize('NFD').replaceAll(/\p{M}/gu, '');
  const tables: Table[] = [];
  if (
    /holding|halteregister|\bhr\b|\b4x{1,4}\b|mantenimiento|mantenimento|(registres?|registri) de maintien|retention|read\/write registers?/.test(
      text,
    )
  )
    tables.push('holding');
  if (
    /input reg|eingangsregister|\bir\b|\b3x{1,4}\b|registres? d['’ ]?entree|registros? de entrada|registr[oi] (di |d['’ ]?)?(ingresso|input)|^inputs?$|^input register/.test(
      text,
    )
  )
    tables.push('input');
  if (/\bcoils?\b|\bspulen?\b|\b0x{1,4}\b|\bbobin[ae]s?\b|\bbobine\b/.test(text)) tables.push('coil');
  if (
    /discrete|diskrete|\bdi\b|\b1x{1,4}\b|status inputs?|entrees? (discretes?|tor)|entradas? discretas?|ingress[oi] discret[oi]|contacts?$/.test(
      text,
    )
  )
    tables.push('discrete');
  return tables.length === 1 ? tables[0] : undefined;
}

/** Function codes of a cell: the table they belong to and whether they write; undefined where it holds none. */
export function functionOf(cell: string): { tables: Table[]; right: AccessRight } | undefined {
  const text = cell
    .replaceAll(/\b(fc|fct|function|read|write|code|fkt|r|w|hex|lesen|schreiben|dec)\b[ .:]*/gi, ' ')
    .replaceAll(/FC(?=\d)/gi, ' ');
  const codes = text.split(/[\s/,;&+|()]+/).filter((part) => part !== '');
  if (codes.length === 0) return undefined;
  const known: Record<number, Table> = {
    1: 'coil',
    2: 'discrete',
    3: 'holding',
    4: 'input',
    5: 'coil',
    6: 'holding',
    15: 'coil',
    16: 'holding',
  };
  const tables = new Set<Table>();
  let reads = false;
  let writes = false;
  for (const code of codes) {
    if (!/^(0x[\da-f]{1,2}|[\da-f]{2}h|\d{1,2})$/i.test(code)) return undefined;
    const number = /h$/i.test(code) ? Number.parseInt(code, 16) : Number(code);
    const table = known[number === 22 || number === 23 ? 16 : number];
    if (!table) return undefined;
    tables.add(table);
    if (number <= 4) reads = true;
    else writes = true;
  }
  return { tables: [...tables], right: !reads ? 'write' : writes ? 'read-write' : 'read' };
}

/** Who may do what, by the words and letters of five languages. */
export function accessOf(cell: string): AccessRight | undefined {
  const text = cell
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z]/g, '');
  if (
    /^(rw|wr|readwrite|readandwrite|lesenschreiben|lesenundschreiben|schreibenlesen|lectureecriture|le|lecturaescritura|letturascrittura|ls|rww|writable|yes|ja|oui|si)$/.test(
      text,
    )
  )
    return 'read-write';
  if (
    /^(r|ro|read|readonly|nurlesen|lesen|lecture|lectureseule|lectura|sololectura|lettura|solalettura|sololettura|l|lesend|no|nein|non)$/.test(
      text,
    )
  )
    return 'read';
  if (
    /^(w|wo|write|writeonly|nurschreiben|schreiben|ecriture|ecritureseule|escritura|soloescritura|scrittura|solascrittura|solascritura)$/.test(
      text,
    )
  )
    return 'write';
  return undefined;
}

/** A cell as a scale. `isMultiple`: whether a number above 1 that only the word "×10" or "10" gives may divide as well. */
interface CellScale {
  readonly scale: number;
  readonly offset?: number;
  readonly unit?: string;
  readonly isAmbiguous?: boolean;
}

/**
 * A cell as a scale: `0.1`, `1/10`, `×10`, `10^-1`, `0.1 V`, `raw*0.1-40`. Text says why it is none.
 *
 * @param comma what a comma with three digits behind it is in this list; undefined: nobody knows
 */
export function scaleOf(cell: string, comma: 'decimal' | 'thousands' | undefined): CellScale | string {
  const wrong = `scale "${cell.slice(0, 40)}" cannot be told`;
  const number = '[-+]?\\d+(?:[.,]\\d+)?(?:[eE][-+]?\\d+)?';
  const formula = new RegExp(
    `^(?:(?:raw|value|wert|valeur|valore|valor|reg(?:ister)?|val)\\s*)?([*×x·/÷:]|times|divided by)?\\s*(${number}|10\\s*\\^\\s*-?\\d|1\\s*[/:]\\s*\\d+)\\s*([+-]\\s*\\d+(?:[.,]\\d+)?)?\\s*([^\\d\\s].{0,15})?$`,
    'i',
  );
  const [, sign, digits, offsetText, unit] = formula.exec(cell.trim()) ?? [];
  if (digits === undefined) return wrong;
  const value = factorOf(digits, comma);
  if (value === undefined || value === 0 || !Number.isFinite(value)) return wrong;
  const offset = offsetText === undefined ? undefined : numberOf(offsetText.replaceAll(' ', ''), comma);
  const isDivision = sign !== undefined && /[/÷:d]/.test(sign);
  return {
    scale: isDivision ? 1 / value : value,
    ...(offset !== undefined && { offset }),
    ...(unit !== undefined && { unit: unit.trim() }),
    ...(!isDivision && value > 1 && !/\^/.test(digits) && { isAmbiguous: true }),
  };
}

function factorOf(digits: string, comma: 'decimal' | 'thousands' | undefined): number | undefined {
  const power = /^10\s*\^\s*(-?\d)$/.exec(digits);
  if (power) return 10 ** Number(power[1]);
  const fraction = /^1\s*[/:]\s*(\d+)$/.exec(digits);
  return fraction ? 1 / Number(fraction[1]) : numberOf(digits, comma);
}

/** A number with a point or a comma; undefined where a comma may part thousands as well as decimals. */
export function numberOf(text: string, comma: 'decimal' | 'thousands' | undefined): number | undefined {
  const plain = text.trim();
  if (/^[-+]?[1-9]\d{0,2}[.,]\d{3}$/.test(plain)) {
    const isComma = plain.includes(',');
    if (comma === undefined) return undefined;
    const isDecimal = (comma === 'decimal') === isComma;
    return Number(isDecimal ? plain.replace(',', '.') : plain.replace(/[.,]/, ''));
  }
  const number = Number(plain.replace(',', '.'));
  return plain === '' || Number.isNaN(number) ? undefined : number;
}
