/** Parses the syntax of simulated addresses. */
import { type Checked, failed, passed } from '../../src/core/checked.ts';
import { parseDuration, parseRate } from '../../src/core/quantity.ts';

/** A piece of an address as it was written. `at` is the character it starts at, from 1. */
export type Expression = { readonly at: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'duration'; readonly ms: number }
  | { readonly kind: 'rate'; readonly perSecond: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string; readonly quoted: boolean }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | Call
);

/** `name(key=value, …)`; without brackets, a call with no arguments. */
export interface Call {
  readonly kind: 'call';
  readonly at: number;
  readonly name: string;
  readonly arguments: readonly Argument[];
}

/** `key=value`; the key may be a time, as in `script(30s=…)`. */
export interface Argument {
  readonly at: number;
  readonly key: string;
  readonly value: Expression;
}

interface Token {
  readonly at: number;
  readonly kind: 'word' | 'text' | 'mark' | 'end';
  readonly text: string;
}

/** Addresses longer than this are refused before they are read. */
const LONGEST_ADDRESS = 2000;
/** Lists and calls may be this deep in each other. */
const DEEPEST = 8;

const SPACE = /\s+/y;
const WORD = /[-+]?[A-Za-z0-9_.][A-Za-z0-9_.+-]*(?:\/[smh](?![A-Za-z0-9_]))?/y;
const TEXT = /"([^"]*)"|'([^']*)'/y;
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** A syntax error; thrown inside this file only. */
class Unreadable extends Error {}

/** Reads one expression that fills the whole text; a problem names the character (from 1) and what was expected. */
export function readExpression(text: string): Checked<Expression> {
  if (text.length > LONGEST_ADDRESS)
    return failed([], `the address has more than ${LONGEST_ADDRESS} characters: write a shorter signal`);
  try {
    const reader = readerOf(tokensOf(text));
    const expression = readValue(reader, 0);
    const rest = reader.peek();
    if (rest.kind !== 'end') throw unexpected(rest, 'the end');
    return passed(expression);
  } catch (error) {
    if (error instanceof Unreadable) return failed([], error.message);
    throw error;
  }
}

interface Reader {
  peek(): Token;
  take(): Token;
}

function readerOf(tokens: readonly Token[]): Reader {
  let next = 0;
  const last = tokens.length - 1;
  return { peek: () => tokens[next]!, take: () => tokens[Math.min(next++, last)]! };
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = index;
    const found = pattern.exec(text);
    if (found) index = pattern.lastIndex;
    return found;
  };
  while (index < text.length) {
    if (match(SPACE)) continue;
    const at = index + 1;
    const quoted = match(TEXT);
    if (quoted) {
      tokens.push({ at, kind: 'text', text: quoted[1] ?? quoted[2]! });
      continue;
    }
    const word = match(WORD);
    if (word) {
      tokens.push({ at, kind: 'word', text: word[0] });
      continue;
    }
    const mark = text[index++]!;
    if (mark === '"' || mark === "'")
      throw new Unreadable(`the text that starts at character ${at} has no end: add the closing quote`);
    if (!'()[]=,'.includes(mark)) throw new Unreadable(`"${mark}" at character ${at} has no meaning here: remove it`);
    tokens.push({ at, kind: 'mark', text: mark });
  }
  tokens.push({ at: text.length + 1, kind: 'end', text: '' });
  return tokens;
}

function readValue(reader: Reader, depth: number): Expression {
  const token = reader.take();
  if (depth > DEEPEST) throw new Unreadable(`more than ${DEEPEST} levels deep at character ${token.at}`);
  if (token.kind === 'text') return { kind: 'text', at: token.at, value: token.text, quoted: true };
  if (token.kind === 'mark' && token.text === '[') {
    const items = readItems(reader, ']', () => readValue(reader, depth + 1));
    return { kind: 'list', at: token.at, items };
  }
  if (token.kind !== 'word') throw unexpected(token, 'a value such as 5, 10s, 12/m, true or sine(…)');
  if (reader.peek().kind === 'mark' && reader.peek().text === '(') {
    if (!NAME.test(token.text)) throw unexpected(token, 'the name of a signal');
    reader.take();
    const found = readItems(reader, ')', () => readArgument(reader, depth));
    return { kind: 'call', at: token.at, name: token.text, arguments: found };
  }
  return literalOf(token);
}

function readArgument(reader: Reader, depth: number): Argument {
  const key = reader.take();
  if (key.kind !== 'word') throw unexpected(key, 'a parameter such as min=0');
  const equals = reader.take();
  if (equals.kind !== 'mark' || equals.text !== '=') throw unexpected(equals, `"=" after "${key.text}"`);
  return { at: key.at, key: key.text, value: readValue(reader, depth + 1) };
}

function readItems<T>(reader: Reader, closing: string, readItem: () => T): T[] {
  const items: T[] = [];
  if (reader.peek().text === closing && reader.peek().kind === 'mark') {
    reader.take();
    return items;
  }
  for (;;) {
    items.push(readItem());
    const mark = reader.take();
    if (mark.kind === 'mark' && mark.text === closing) return items;
    if (mark.kind !== 'mark' || mark.text !== ',') throw unexpected(mark, `"," or "${closing}"`);
  }
}

function literalOf({ text, at }: Token): Expression {
  if (NUMBER.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Unreadable(`${text} at character ${at} is too large for a number`);
    return { kind: 'number', at, value };
  }
  const ms = parseDuration(text);
  if (ms !== undefined) return { kind: 'duration', at, ms };
  const perSecond = parseRate(text);
  if (perSecond !== undefined) return { kind: 'rate', at, perSecond };
  if (text === 'true' || text === 'on') return { kind: 'boolean', at, value: true };
  if (text === 'false' || text === 'off') return { kind: 'boolean', at, value: false };
  if (!NAME.test(text))
    throw new Unreadable(`"${text}" at character ${at} is not a value: put it in quotes if it is a text`);
  return { kind: 'text', at, value: text, quoted: false };
}

function unexpected(token: Token, expected: string): Unreadable {
  if (token.kind === 'end' && expected.endsWith('")"'))
    return new Unreadable('")" is missing at the end of the address');
  const found =
    token.kind === 'end' ? 'the address ends too early' : `there is "${token.text}" at character ${token.at}`;
  return new Unreadable(token.kind === 'end' ? `${found}: write ${expected}` : `${found}: write ${expected} there`);
}
