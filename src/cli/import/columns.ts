/** Finds the headings of a register list and says what each column holds, in five languages. */
import { type AccessRight, accessOf, functionOf, tableOf, typeOf } from './cells.ts';
import type { Row } from './sheet.ts';

/** What a column may hold. */
export type Field =
  | 'address'
  | 'modicon'
  | 'hex'
  | 'name'
  | 'description'
  | 'table'
  | 'function'
  | 'type'
  | 'count'
  | 'bytes'
  | 'bits'
  | 'scale'
  | 'divisor'
  | 'decimals'
  | 'exponent'
  | 'offset'
  | 'unit'
  | 'access'
  | 'bit'
  | 'order'
  | 'min'
  | 'max'
  | 'range'
  | 'slave';

/** Where each field is. */
export interface Headings {
  readonly row: Row;
  readonly columns: ReadonlyMap<Field, number>;
}

/** Headings by field, the more special first: English, German, French, Spanish, Italian; without accents, lower case. */
const WORDS: readonly (readonly [Field, RegExp])[] = [
  ['slave', /^(slave( id)?|unit id|device id|station|geraeteadresse|gerateadresse|esclave|esclavo|id modbus)$/],
  ['modicon', /modicon|\bplc (addr|adr|reg)|^[34]x{1,4}$|^[34]x (addr|reg)|\bsps adresse/],
  [
    'count',
    /^(n|no|nr|num|number|anzahl|nombre|numero|n\.?|quantity|qty|count|length|lange|laenge|longueur|lunghezza|longitud|size|grosse|groesse|taille|tamano|dimensione|words|worte|worter|woerter|mots|parole|palabras|registers|register count)( (of|de|di|der))?( (words|word|registers|registern|register|registres|registri|registros|mots|parole|palabras|regs))?( (words|word|registers|registri|registros|mots|parole|palabras|wort|worte|register))?$|^(reg|word) count$|anzahl (der )?(register|worte)|wortanzahl|registeranzahl/,
  ],
  ['bytes', /^((size|length|lange|laenge|longueur|lunghezza|longitud|taille|count|anzahl)( in)? )?(bytes?|octets?)$/],
  ['bits', /^((size|length|lange|laenge|longueur|lunghezza|longitud|width|breite)( in)? )bits?$/],
  [
    'table',
    /^((register|object|registry|modbus|data|objekt) ?(type|typ|art)|registerart|registertyp|objekttyp|table|tabelle|tabla|tabella|area|memory( area)?|type (de )?registre|type d objet|tipo (de |di )?registr[oi]|speicherbereich|zone|zona)$/,
  ],
  [
    'function',
    /^(modbus )?(fc|fct|fkt|function|funktion|fonction|funzione|funcion|function codes?|functions? codes?|funktionscode|codes? fonction|code de fonction|codice funzione|codigo (de )?funcion|fc code|func|read function|lesefunktion)s?$/,
  ],
  [
    'order',
    /(byte|word|wort) ?order|endian|reihenfolge|ordre (des )?(mots|octets)|ordine (delle |dei )?(parole|byte)|orden (de )?(palabras|bytes)/,
  ],
  ['hex', /^(?=.*\bhex)(?=.*(hex$|addr|adr|reg|dir|ind|offset))/],
  [
    'address',
    /^((modbus|register|reg|start|starting|data|decimal|dec|protocol|pdu|startregister|base|first|erstes|premiere?|prima|primer) ?)*(address(es)?|addr|adr|adresse|adressen|direccion|dir|indirizzo|ind|register|registers|registre|registro|reg|registeradresse|registernummer|startadresse|reg no|register no|register number|register nr|reg nr|number of register)( (dec|decimal|dezimal|decimale|de registre|du registre|registre|registro|de registro|del registro|di registro|modbus|protocol|pdu|0 based|1 based|base 0|base 1|zero based|one based|registers?|start|inicial|iniziale|de depart|debut|mot))*$|^(n|no|num|numero|nr) (de |du |di |del )?(registre|registro|register)$|^registre(s)? modbus$/,
  ],
  ['divisor', /^(divisor|divider|teiler|diviseur|divisore|divide( by)?|gain)$/],
  [
    'decimals',
    /^(decimals?|decimal places|dezimalstellen|nachkommastellen|decimales|decimali|cifre decimali|nb decimales|digits)$/,
  ],
  ['exponent', /^(exponent|exposant|esponente|exponente|10 ?\^ ?n|power of ten|sf exponent)$/],
  [
    'scale',
    /^(scale( factor)?|scaling( factor)?|factor|faktor|multiplier|multiplikator|facteur|coefficient|coeff|koeffizient|fattore|resolution|auflosung|aufloesung|risoluzione|resolucion|skalierung|skalierungsfaktor|skala|skalenfaktor|echelle|facteur d echelle|fattore di scala|scala|escala|factor de escala|multiplicador|moltiplicatore|multiplicateur|ratio|lsb|conversion|umrechnung|sf|weighting|wertigkeit)( (r|raw))?$/,
  ],
  ['offset', /^(offset|versatz|decalage|value offset|desplazamiento|scostamento|nullpunkt)$/],
  [
    'unit',
    /^(units?|einheit|einheiten|einh|unites?|unita|unidad(es)?|uom|eng(ineering)? units?|u m|unita di misura|unidad de medida|unite de mesure|mu|si unit)$/,
  ],
  [
    'access',
    /^(access( rights?)?|accesstype|access type|zugriff|zugriffsart|zugriffsrecht|acces|accesso|acceso|r ?\/? ?w|rw|ro rw|read write|lesen schreiben|l s|l e|attributes?|attribut|attributo|atributo|permission|mode|modus|droits?|r o w|schreibbar|writable|read only)$/,
  ],
  ['bit', /^(bit|bits|bit (no|nr|number|position|pos)|bitnummer|numero de bit|n bit)$/],
  ['min', /^(min|minimum|minimal|mini|minimo|min value|untergrenze|min wert)$/],
  ['max', /^(max|maximum|maximal|maxi|massimo|maximo|max value|obergrenze|max wert)$/],
  [
    'range',
    /^(range|wertebereich|bereich|plage|campo|rango|intervallo|intervalo|value range|messbereich|valeurs|valori|valores|values)$/,
  ],
  [
    'type',
    /^((data|daten|value) ?)?(type|typ|format)( (of data|de donnees?|de variable|di dato|dati|de datos?|dato))?$|^(datatype|datentyp|datenformat|zahlenformat|tipo|formato|format de donnees|tipo( di| de)? (dati|dato|datos|variabile|variable)|formato( di| de)? (dati|dato|datos)|encoding|kodierung|codage)$/,
  ],
  [
    'name',
    /^(name|names|tag|tag name|tagname|variable|variablenname|variable name|parameter|parameter name|parametername|signal|signal name|bezeichnung|benennung|messgrosse|messgroesse|messwert|nom|grandeur|parametre|nome|grandezza|parametro|nombre|magnitud|designation|denominazione|denominacion|measurement|point|point name|label|libelle|etiqueta|etichetta|mnemonic|symbol|measurand|value|wert|mesure|misura|medida|data|item|register name|registername|nom de la variable|nom du registre|nombre de variable|nome variabile|datapoint|datenpunkt|inhalt|content|contents|element)$/,
  ],
  [
    'description',
    /^(description|beschreibung|descriptif|descrizione|descripcion|remarks?|comments?|bemerkung(en)?|kommentar|notes?|commentaires?|remarques?|commento|comentarios?|observaciones|meaning|bedeutung|erlauterung|signification|significato|significado|register description|details?|hinweis|explanation|text)$/,
  ],
];

/** Words in brackets behind a heading that say more than they are: `Address (hex)`, `Adresse [dez]`. */
export function plainHeading(text: string): string {
  return text
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\p{L}\p{N}/^]+/gu, ' ')
    .replaceAll(/ ?\/ ?/g, ' ')
    .trim();
}

function fieldsOf(cell: string): Field[] {
  const heading = plainHeading(cell);
  if (heading === '' || heading.length > 60) return [];
  const inner = plainHeading(cell.replaceAll(/[([].*?[)\]]/g, ''));
  const found = WORDS.filter(([, words]) => words.test(heading)).map(([field]) => field);
  return found.length > 0
    ? found
    : WORDS.filter(([, words]) => inner !== '' && words.test(inner)).map(([field]) => field);
}

/** The headings of a row; undefined where it is not one. `below` are rows under it, whose cells settle what words do not. */
export function headingsOf(row: Row, below: readonly Row[]): Headings | undefined {
  if (row.damage !== undefined) return undefined;
  const columns = new Map<Field, number>();
  row.cells.forEach((cell, column) => {
    const samples = below.flatMap(({ cells }) => cells[column] || []);
    const field = fieldsOf(cell)
      .map((each) => settled(each, cell, samples))
      .find((each) => !columns.has(each));
    if (field !== undefined) columns.set(field, column);
  });
  promoteAddress(columns);
  const told = ['name', 'description', 'type', 'unit', 'access'] as const;
  return columns.has('address') && told.some((field) => columns.has(field)) ? { row, columns } : undefined;
}

/** A list may give its addresses in one form only; the offset of an address is one as well. */
function promoteAddress(columns: Map<Field, number>): void {
  for (const field of ['modicon', 'hex', 'offset'] as const) {
    const column = columns.get(field);
    if (columns.has('address') || column === undefined) continue;
    columns.set('address', column);
    if (field === 'offset') columns.delete('offset');
  }
  if (columns.has('name')) return;
  const column = columns.get('description');
  if (column !== undefined) {
    columns.set('name', column);
    columns.delete('description');
  }
}

/** What a word means that means two things, by what stands below it. */
function settled(field: Field, heading: string, samples: readonly string[]): Field {
  const most = (test: (cell: string) => boolean) =>
    samples.length > 0 && samples.filter(test).length > samples.length * 0.6;
  const isNumber = (cell: string) => /^\d{1,4}$/.test(cell);
  if (field === 'address' && /hex/i.test(heading)) return 'hex';
  if (field === 'type' && most((cell) => tableOf(cell) !== undefined) && !most((cell) => typeOf(cell) !== undefined))
    return 'table';
  if (field === 'table' && most((cell) => typeOf(cell) !== undefined)) return 'type';
  if (field === 'table' && most((cell) => functionOf(cell) !== undefined)) return 'function';
  if (field === 'function' && !most((cell) => functionOf(cell) !== undefined))
    return most((cell) => tableOf(cell) !== undefined) ? 'table' : 'name';
  if (field === 'count' && !most((cell) => /^\d{1,3}( ?[a-z]+)?$/i.test(cell)))
    return most((cell) => typeOf(cell) !== undefined) ? 'type' : 'name';
  if (field === 'unit' && most(isNumber)) return 'slave';
  if (field === 'access' && !most((cell) => isRight(accessOf(cell)))) return 'description';
  if (field === 'name' && /wert|value|data|content|inhalt/i.test(heading) && most(isNumber)) return 'range';
  return field;
}

function isRight(right: AccessRight | undefined): boolean {
  return right !== undefined;
}
