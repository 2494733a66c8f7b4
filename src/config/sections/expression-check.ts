/** Checks what a formula gives, from what its tags hold. */
import { type Expression, partsOf } from '../../core/expression.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { TagId, ValueForm } from '../../core/reading.ts';
import { andList } from '../../core/suggest.ts';

/** What a formula may know of a tag. */
export interface TagMeaning {
  readonly form: ValueForm | undefined;
  readonly unit: string | undefined;
}

/**
 * What a formula gives: `unit` is empty for a plain number, and undefined where it is not known. `isFree`: a number in
 * the formula itself, which goes with every unit.
 */
interface Meaning {
  readonly form: 'number' | 'bool' | undefined;
  readonly unit: string | undefined;
  readonly isFree: boolean;
}

/** The meaning of a formula, or everything that is wrong with it. */
interface CheckedExpression {
  readonly meaning: Meaning;
  readonly problems: readonly string[];
}

const NOT_KNOWN: Meaning = { form: undefined, unit: undefined, isFree: false };
const TRUTH: Meaning = { form: 'bool', unit: '', isFree: false };

/**
 * What a formula gives, from what its tags hold: text has no place in one, truth values are not reckoned with, and what
 * is added or compared must have one unit.
 *
 * @param tagOf undefined for a tag that there is not; that is for the caller to tell
 */
export function checkExpression(
  expression: Expression,
  tagOf: (tag: TagId) => TagMeaning | undefined,
): CheckedExpression {
  const problems: string[] = [];
  const meaning = meaningOf(expression, tagOf, problems);
  return { meaning, problems };
}

function meaningOf(expression: Expression, tagOf: (tag: TagId) => TagMeaning | undefined, problems: string[]): Meaning {
  const parts = partsOf(expression).map((part) => meaningOf(part, tagOf, problems));
  const [first = NOT_KNOWN, second = NOT_KNOWN] = parts;
  switch (expression.kind) {
    case 'number':
      return { form: 'number', unit: '', isFree: true };
    case 'truth':
      return TRUTH;
    case 'tag':
      return meaningOfTag(expression.tag, tagOf, problems);
    case 'unary':
      if (expression.operator === 'not') return TRUTH;
      wantNumbers('-', parts, problems, partsOf(expression));
      return first;
    case 'binary':
      return meaningOfBinary(expression, first, second, problems);
    case 'plain':
      if (expression.name === 'if') {
        if (first.form === 'number')
          problems.push(
            'the condition of "if" is a number: compare it with something, such as if(press-1/power > 0, 1, 0)',
          );
        return alike(parts.slice(1), 'if', problems);
      }
      wantNumbers(expression.name, parts, problems, partsOf(expression));
      if (expression.name === 'sqrt') return { form: 'number', unit: rooted(first.unit), isFree: first.isFree };
      return alike(parts, expression.name, problems);
    case 'window':
      wantNumbers(expression.name, parts, problems, partsOf(expression));
      return { ...first, form: 'number', isFree: false };
    case 'time': {
      const per = spanUnit(expression.perMs);
      if (expression.name === 'runtime') return { form: 'number', unit: per, isFree: false };
      wantNumbers(expression.name, parts, problems, partsOf(expression));
      const unit = expression.name === 'rate' ? quotient(first.unit, per) : integrated(first.unit, per);
      return { form: 'number', unit, isFree: false };
    }
  }
}

function meaningOfTag(tag: TagId, tagOf: (tag: TagId) => TagMeaning | undefined, problems: string[]): Meaning {
  const known = tagOf(tag);
  if (!known) return NOT_KNOWN;
  if (known.form === 'text') {
    problems.push(
      `${tag} is a text, and a formula takes only numbers and tags that are true or false: remove it from the formula`,
    );
    return NOT_KNOWN;
  }
  return { form: known.form, unit: known.form === 'bool' ? '' : known.unit, isFree: false };
}

function meaningOfBinary(
  expression: Extract<Expression, { kind: 'binary' }>,
  left: Meaning,
  right: Meaning,
  problems: string[],
): Meaning {
  const { operator } = expression;
  switch (operator) {
    case 'and':
    case 'or':
      return TRUTH;
    case '==':
    case '!=':
      if (left.form !== undefined && right.form !== undefined && left.form !== right.form)
        problems.push(
          `"${operator}" compares a number with a value that is true or false, and these are never equal: compare values of one kind`,
        );
      else alike([left, right], operator, problems);
      return TRUTH;
    case '<':
    case '<=':
    case '>':
    case '>=':
      wantNumbers(operator, [left, right], problems, partsOf(expression));
      alike([left, right], operator, problems);
      return TRUTH;
    case '+':
    case '-':
    case '%':
      wantNumbers(operator, [left, right], problems, partsOf(expression));
      return alike([left, right], operator, problems);
    case '*':
      wantNumbers(operator, [left, right], problems, partsOf(expression));
      return { form: 'number', unit: product(left.unit, right.unit), isFree: left.isFree && right.isFree };
    case '/':
      wantNumbers(operator, [left, right], problems, partsOf(expression));
      return { form: 'number', unit: quotient(left.unit, right.unit), isFree: left.isFree && right.isFree };
  }
}

function wantNumbers(by: string, parts: readonly Meaning[], problems: string[], of: readonly Expression[] = []): void {
  const at = parts.findIndex(({ form }) => form === 'bool');
  if (at < 0) return;
  const part = of[at];
  const tag = part?.kind === 'tag' ? part.tag : undefined;
  problems.push(
    `"${by}" needs numbers, and ${tag ?? 'here a value'} is true or false: write if(${tag ?? 'CONDITION'}, 1, 0), or runtime(${tag ?? 'TAG'}, 1h) for the time it was true`,
  );
}

/** Parts that must have one unit; a number of the formula goes with any. */
function alike(parts: readonly Meaning[], by: string, problems: string[]): Meaning {
  const measured = parts.filter(({ isFree }) => !isFree);
  const units = new Set(measured.flatMap(({ unit }) => (unit === undefined ? [] : [unit])));
  if (units.size > 1) problems.push(joinsUnits(by, [...units]));
  const form = parts.find((part) => part.form !== undefined)?.form;
  if (measured.length === 0) return { form, unit: '', isFree: true };
  const known = measured.every(({ unit }) => unit !== undefined);
  return { form, unit: known ? measured[0]!.unit : undefined, isFree: false };
}

/** What to say of an operator or function whose parts have different units. */
function joinsUnits(by: string, units: readonly string[]): string {
  const verb = { '+': 'added', '-': 'subtracted', '%': 'divided for a remainder' }[by];
  const isComparison = /^[<>=!]/.test(by);
  const how = verb ?? (isComparison ? 'compared' : `used in one ${by}()`);
  const named = andList(units.map((unit) => unit || 'a plain number'));
  return `${named} cannot be ${how}: use only tags of the same unit. If one only needs converting, make a computed tag for it, for example {expr: "press-1/power * 1000", unit: W}`;
}

function product(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a === '' ? b : b === '' ? a : `${factor(a)}·${factor(b)}`;
}

function quotient(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (b === '') return a;
  return a === b ? '' : `${a === '' ? '1' : factor(a)}/${/[·/]/.test(b) ? `(${b})` : b}`;
}

/** `kW` over hours is `kWh`, as every meter says. */
function integrated(unit: string | undefined, per: string): string | undefined {
  return unit === 'kW' || unit === 'W' || unit === 'A' || unit === 'MW' ? `${unit}${per}` : product(unit, per);
}

function rooted(unit: string | undefined): string | undefined {
  return unit === undefined || unit === '' ? unit : `√(${unit})`;
}

function factor(unit: string): string {
  return unit.includes('/') ? `(${unit})` : unit;
}

/** A span as a unit of time: `h`, `min`, `s`; anything else as it is written. */
function spanUnit(ms: number): string {
  return { 1000: 's', 60000: 'min', 3600000: 'h', 86400000: 'd' }[ms] ?? formatDuration(ms).replace(' ', '');
}
