import { EXIT, Fault } from '../core/errors.ts';
import { NAME_PATTERN } from '../core/quantity.ts';
import type { TagPlan } from './init/init-file.ts';

const TYPES = /^(bool|u?int(16|32|64)|float(32|64)|bcd(16|32)|string)$/;
const ORDERS = /^(ABCD|CDAB|BADC|DCBA)$/i;

/** Keys whose values are numbers; the others are texts, but for `true` and `false`. */
const NUMBERS = new Set(['scale', 'offset', 'min', 'max', 'deadband', 'length']);

const FORM = 'NAME=ADDRESS[,TYPE][,ORDER][,KEY=VALUE …], such as voltage=holding:100,float32,CDAB,unit=V';

/**
 * A tag as `--tag` writes it: `voltage=holding:100,float32,CDAB,unit=V,min=0`. What the words mean is checked with the
 * whole file.
 *
 * @throws Fault (exit 2)
 */
export function parseTag(text: string): TagPlan {
  const [, name, rest] = /^\s*([^=,]+?)\s*=\s*(.+)$/.exec(text) ?? [];
  if (name === undefined || rest === undefined) throw wrong(text, `expected ${FORM}`);
  if (!NAME_PATTERN.test(name)) throw wrong(text, `${JSON.stringify(name)} is no name: a-z, 0-9, - and _`);
  const [address, ...words] = rest.split(',').map((word) => word.trim());
  const keys: Record<string, string | number | boolean> = { address: address! };
  for (const word of words) {
    const [, key, value] = /^([A-Za-z]+)=(.+)$/.exec(word) ?? [];
    if (key !== undefined && value !== undefined) keys[key] = worded(key, value);
    else if (TYPES.test(word)) keys.type = word;
    else if (ORDERS.test(word)) keys.order = word.toUpperCase();
    else throw wrong(text, `${JSON.stringify(word)} is neither a type, an order nor KEY=VALUE; expected ${FORM}`);
  }
  return { name, keys };
}

function worded(key: string, text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return NUMBERS.has(key) && text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function wrong(text: string, why: string): Fault {
  return new Fault(`--tag ${text.slice(0, 100)}: ${why}.`, EXIT.usage);
}
