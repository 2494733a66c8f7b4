/** Reads a range of addresses as a technician writes it. */
import { LAST_ADDRESS, parseLocation, type Table } from '../../hal/modbus/map/address.ts';
import { type Checked, failed, passed } from '../core/checked.ts';

/** Registers or bits to look at. */
export interface ProbeRange {
  /** Both register tables when none was named. */
  readonly tables: readonly Table[];
  /** Protocol addresses, both included. */
  readonly first: number;
  readonly last: number;
}

/** Most registers of one range: more is a search, and takes minutes on a serial line. */
const MOST_REGISTERS = 1000;

const EXAMPLES =
  'write holding:100-120, input:0+40 (40 registers), 100-120 (input and holding) or Modicon numbers such as 30001-30040';

/**
 * Reads a range as a technician writes it: first and last address, or first address and `+` how many; one address alone
 * is one register. Without a table it is both register tables, unless the number is a Modicon number of 5 or 6 digits.
 */
export function parseRange(text: string): Checked<ProbeRange> {
  const match =
    /^(?:([A-Za-z]+)\s*:)?\s*(0[xX][\da-fA-F]+|\d+)(?:\s*(-|\.\.|\+)\s*(?:([A-Za-z]+)\s*:)?(0[xX][\da-fA-F]+|\d+))?$/.exec(
      text.trim(),
    );
  if (!match) return wrong(`"${text.slice(0, 60)}" is no range: ${EXAMPLES}`);
  const [, word, from, sign, endWord, to] = match;
  const begin = startOf(word, from!);
  if (!begin.ok) return begin;
  const { tables, start } = begin.value;
  if (sign === undefined) return checked(tables, start, start, text);
  if (sign === '+') return checked(tables, start, start + Number(to) - 1, text);
  const end = startOf(endWord ?? (isModicon(to!) ? undefined : word), to!);
  if (!end.ok) return end;
  if (end.value.tables.join() !== tables.join() && !(tables.length === 1 && end.value.tables.length === 2))
    return wrong(
      `${text} begins in ${tables.join(' and ')} and ends in ${end.value.tables.join(' and ')}: ${EXAMPLES}`,
    );
  return checked(tables, start, end.value.start, text);
}

function startOf(word: string | undefined, digits: string): Checked<{ tables: readonly Table[]; start: number }> {
  if (word === undefined && !isModicon(digits)) {
    const start = Number(digits);
    if (start > LAST_ADDRESS) return wrong(`${digits}: addresses end at ${LAST_ADDRESS}; ${EXAMPLES}`);
    return passed({ tables: ['input', 'holding'], start });
  }
  const location = parseLocation(word === undefined ? digits : `${word}:${digits}`);
  if (!location.ok) return wrong(location.problems[0]!.message);
  return passed({ tables: [location.value.table], start: location.value.start });
}

function checked(tables: readonly Table[], first: number, last: number, text: string): Checked<ProbeRange> {
  if (last < first) return wrong(`${text} holds nothing: it ends before it begins, or counts none`);
  if (last > LAST_ADDRESS) return wrong(`${text} runs past the last address, ${LAST_ADDRESS}`);
  const count = last - first + 1;
  if (count > MOST_REGISTERS)
    return wrong(
      `${text} is ${count} addresses; at most ${MOST_REGISTERS} at once. Ask for a part, such as ${first}+${MOST_REGISTERS}`,
    );
  return passed({ tables, first, last });
}

function isModicon(digits: string): boolean {
  return /^\d{5,6}$/.test(digits);
}

function wrong(message: string): Checked<never> {
  return failed(['range'], message);
}
