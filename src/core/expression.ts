/** Parses the formula of a computed tag. */
import { parseDuration } from './quantity.ts';
import type { TagId } from './reading.ts';

/** Operators of two operands. */
export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '<' | '<=' | '>' | '>=' | '==' | '!=' | 'and' | 'or';

/** What is worked out of the readings of a span of time. */
const WINDOW_FUNCTIONS = ['min', 'max', 'mean', 'rms', 'stddev'] as const;

/** What adds up for ever, and what looks back one span. The duration is the unit of time of the result. */
const TIME_FUNCTIONS = ['rate', 'integral', 'runtime'] as const;

/** Functions of values at one instant, with how many arguments they take. */
const PLAIN_FUNCTIONS = {
  abs: [1, 1],
  sqrt: [1, 1],
  round: [1, 1],
  floor: [1, 1],
  ceil: [1, 1],
  min: [2, 16],
  max: [2, 16],
  if: [3, 3],
} as const;

export type WindowFunction = (typeof WINDOW_FUNCTIONS)[number];
type TimeFunction = (typeof TIME_FUNCTIONS)[number];
export type PlainFunction = keyof typeof PLAIN_FUNCTIONS;

/** A formula of tags. */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'truth'; readonly value: boolean }
  | { readonly kind: 'tag'; readonly tag: TagId }
  | { readonly kind: 'unary'; readonly operator: '-' | 'not'; readonly of: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'plain'; readonly name: PlainFunction; readonly of: readonly Expression[] }
  | { readonly kind: 'window'; readonly name: WindowFunction; readonly of: Expression; readonly spanMs: number }
  | { readonly kind: 'time'; readonly name: TimeFunction; readonly of: Expression; readonly perMs: number };

/** The formula, or what is wrong with the text, where, and what to write instead. */
type ParsedExpression =
  | { readonly ok: true; readonly value: Expression }
  | { readonly ok: false; readonly message: string };

/** Bounds of a formula: nobody can read a longer one, and the evaluator's stack stays small. */
export const MAX_EXPRESSION_LENGTH = 1000;
const MAX_DEPTH = 32;

/** Bounds of a span of time in a formula, ms. */
const SPAN_MS = { least: 100, most: 31 * 86_400_000 };

type Token =
  | { readonly kind: 'number'; readonly value: number; readonly at: number }
  | { readonly kind: 'tag' | 'word' | 'sign' | 'duration'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly at: number };

/** Names may hold `-` and begin with a digit, so a tag is recognised before numbers and operators are. */
const TAG = /(?=[a-z0-9_-]*[a-z])[a-z0-9][a-z0-9_-]{0,62}\/[a-z0-9][a-z0-9_-]{0,62}/y;
const DURATION = /\d+(?:\.\d+)?(?:us|ms|s|m|h|d)(?![A-Za-z0-9_])/y;
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_][A-Za-z0-9_-]*/y;
const SIGN = /<=|>=|==|!=|&&|\|\||[-+*/%<>(),!]/y;

/** Raised within the parser only. */
class Wrong extends Error {}

/**
 * Reads a formula such as `press-1/power / press-1/speed` or `mean(oven/temp, 10m) > 200 and door/open`.
 *
 * Numbers, `true`, `false` and full tag names; `+ - * / %`, `< <= > >= == !=`, `and or not`, parentheses; `abs sqrt round
 * floor ceil min max if(CONDITION, THEN, ELSE)`; over a span `min max mean rms stddev (X, 10m)`; `rate(X, 1m)` change per
 * minute, `integral(X, 1h)` sum over time, `runtime(X, 1h)` time it was on. Put spaces around `-` and `/`: both may be
 * part of a tag's name.
 */
export function parseExpression(text: string): ParsedExpression {
  try {
    if (text.length > MAX_EXPRESSION_LENGTH)
      throw new Wrong(
        `the formula is longer than ${MAX_EXPRESSION_LENGTH} characters: compute parts of it in tags of their own`,
      );
    return { ok: true, value: new Parser(tokens(text)).whole() };
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, message: error.message };
    throw error;
  }
}

/** Every tag a formula names, each once, in its order. */
export function tagsIn(expression: Expression): TagId[] {
  const found = new Set<TagId>();
  const visit = (each: Expression): void => {
    if (each.kind === 'tag') found.add(each.tag);
    for (const part of partsOf(each)) visit(part);
  };
  visit(expression);
  return [...found];
}

/** The formulas a formula is made of. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'number':
    case 'truth':
    case 'tag':
      return [];
    case 'binary':
      return [expression.left, expression.right];
    case 'plain':
      return expression.of;
    case 'unary':
    case 'window':
    case 'time':
      return [expression.of];
  }
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    const [kind, word] = nextToken(take) ?? [];
    if (kind === undefined || word === undefined)
      throw new Wrong(
        `${JSON.stringify(text[at])} at character ${at + 1} has no meaning in a formula: write an operator such as + or * in its place, or remove it`,
      );
    found.push(kind === 'number' ? { kind, value: Number(word), at } : { kind, text: word, at });
    at += word.length;
  }
  return [...found, { kind: 'end', at }];
}

function nextToken(
  take: (pattern: RegExp) => string | undefined,
): ['tag' | 'word' | 'sign' | 'duration' | 'number', string] | undefined {
  const tag = take(TAG);
  if (tag !== undefined) return ['tag', tag];
  const duration = take(DURATION);
  if (duration !== undefined) return ['duration', duration];
  const number = take(NUMBER);
  if (number !== undefined) return ['number', number];
  const word = take(WORD);
  if (word !== undefined) return ['word', word];
  const sign = take(SIGN);
  return sign === undefined ? undefined : ['sign', sign];
}

/** Operators by how tightly they bind, the loosest first. Comparisons do not chain. */
const LEVELS: readonly (readonly string[])[] = [
  ['or', '||'],
  ['and', '&&'],
  ['<', '<=', '>', '>=', '==', '!='],
  ['+', '-'],
  ['*', '/', '%'],
];
const COMPARISON_LEVEL = 2;
const SPELT: Record<string, string> = { '||': 'or', '&&': 'and' };

class Parser {
  private readonly all: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(all: readonly Token[]) {
    this.all = all;
  }

  whole(): Expression {
    const found = this.level(0);
    if (this.token.kind !== 'end')
      throw this.unexpected('an operator such as + or *', 'write an operator between the two');
    return found;
  }

  private get token(): Token {
    return this.all[this.next]!;
  }

  private level(index: number): Expression {
    if (index >= LEVELS.length) return this.unary();
    let left = this.level(index + 1);
    for (;;) {
      const operator = this.operatorOf(LEVELS[index]!);
      if (operator === undefined) return left;
      this.next++;
      left = { kind: 'binary', operator, left, right: this.level(index + 1) };
      if (index === COMPARISON_LEVEL && this.operatorOf(LEVELS[index]!) !== undefined)
        throw new Wrong('the formula compares twice in a row: write "a < b and b < c"');
    }
  }

  private operatorOf(words: readonly string[]): BinaryOperator | undefined {
    const { token } = this;
    if ((token.kind !== 'sign' && token.kind !== 'word') || !words.includes(token.text)) return undefined;
    return (SPELT[token.text] ?? token.text) as BinaryOperator;
  }

  private unary(): Expression {
    const { token } = this;
    const isWord = token.kind === 'sign' || token.kind === 'word';
    if (!isWord || !['-', 'not', '!'].includes(token.text)) return this.primary();
    this.next++;
    const of = this.deeper(() => this.unary());
    return { kind: 'unary', operator: token.text === '-' ? '-' : 'not', of };
  }

  private primary(): Expression {
    const { token } = this;
    if (token.kind === 'number') {
      this.next++;
      return { kind: 'number', value: token.value };
    }
    if (token.kind === 'tag') {
      this.next++;
      return { kind: 'tag', tag: token.text };
    }
    if (token.kind === 'sign' && token.text === '(') {
      this.next++;
      const inner = this.deeper(() => this.level(0));
      this.expect(')');
      return inner;
    }
    if (token.kind !== 'word') throw this.unexpected('a tag, a number or "("');
    this.next++;
    if (token.text === 'true' || token.text === 'false') return { kind: 'truth', value: token.text === 'true' };
    if (this.token.kind === 'sign' && this.token.text === '(') return this.deeper(() => this.call(token.text));
    throw new Wrong(`"${token.text}" is not a full tag name: write it as device/tag, such as press-1/power`);
  }

  private call(name: string): Expression {
    this.expect('(');
    const of: Expression[] = [];
    let spanMs: number | undefined;
    do {
      if (this.token.kind === 'duration') spanMs = this.span(this.token.text);
      else of.push(this.level(0));
    } while (spanMs === undefined && this.accept(','));
    this.expect(')');
    return functionOf(name, of, spanMs);
  }

  private span(text: string): number {
    this.next++;
    const spanMs = parseDuration(text)!;
    if (spanMs < SPAN_MS.least || spanMs > SPAN_MS.most)
      throw new Wrong(`the span ${text} cannot be used: write a span from 100ms to 31d`);
    return spanMs;
  }

  private deeper(parse: () => Expression): Expression {
    if (++this.depth > MAX_DEPTH)
      throw new Wrong(
        `the formula is nested deeper than ${MAX_DEPTH} levels: compute parts of it in tags of their own`,
      );
    const inner = parse();
    this.depth--;
    return inner;
  }

  private accept(sign: string): boolean {
    if (this.token.kind !== 'sign' || this.token.text !== sign) return false;
    this.next++;
    return true;
  }

  private expect(sign: string): void {
    if (!this.accept(sign)) throw this.unexpected(`"${sign}"`);
  }

  private unexpected(wanted: string, remedy = `write ${wanted} in its place`): Wrong {
    const { token } = this;
    if (token.kind === 'end') return new Wrong(`the formula ends too early: ${wanted} is missing`);
    const found = token.kind === 'number' ? token.value : token.text;
    return new Wrong(`there is "${found}" at character ${token.at + 1}, where ${wanted} is expected: ${remedy}`);
  }
}

function functionOf(name: string, of: readonly Expression[], spanMs: number | undefined): Expression {
  const [first] = of;
  const isTime = includes(TIME_FUNCTIONS, name);
  if (isTime || includes(WINDOW_FUNCTIONS, name)) {
    if (first && of.length === 1 && spanMs !== undefined)
      return isTime ? { kind: 'time', name, of: first, perMs: spanMs } : { kind: 'window', name, of: first, spanMs };
    if (isTime || !Object.hasOwn(PLAIN_FUNCTIONS, name))
      throw new Wrong(`${name} needs a value and a duration: write for example ${name}(press-1/power, 1h)`);
  }
  if (!Object.hasOwn(PLAIN_FUNCTIONS, name)) {
    const known = [...new Set([...Object.keys(PLAIN_FUNCTIONS), ...WINDOW_FUNCTIONS, ...TIME_FUNCTIONS])].join(', ');
    throw new Wrong(`there is no function ${name}; the functions are ${known}`);
  }
  const [least, most] = PLAIN_FUNCTIONS[name as PlainFunction];
  if (spanMs !== undefined) throw new Wrong(`${name} does not take a duration: remove it`);
  if (of.length < least || of.length > most)
    throw new Wrong(
      `${name} takes ${least === most ? least : `${least} to ${most}`} ${most === 1 ? 'value' : 'values'}, and here it is given ${of.length}`,
    );
  return { kind: 'plain', name: name as PlainFunction, of };
}

function includes<T extends string>(words: readonly T[], word: string): word is T {
  return (words as readonly string[]).includes(word);
}
