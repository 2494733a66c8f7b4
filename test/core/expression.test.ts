import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkExpression } from '../../src/config/sections/expression-check.ts';
import { type Expression, MAX_EXPRESSION_LENGTH, parseExpression, tagsIn } from '../../src/core/expression.ts';

function parsed(text: string): Expression {
  const result = parseExpression(text);
  if (!result.ok) throw new Error(result.message);
  return result.value;
}

function trouble(text: string): string {
  const result = parseExpression(text);
  return result.ok ? 'nothing' : result.message;
}

const TAGS = {
  'press-1/power': { form: 'number', unit: 'kW' },
  'press-1/speed': { form: 'number', unit: 'm/s' },
  'press-1/idle-power': { form: 'number', unit: 'kW' },
  'press-1/running': { form: 'bool', unit: undefined },
  'press-1/order': { form: 'text', unit: undefined },
  'press-1/count': { form: 'number', unit: undefined },
} as const;

function checked(text: string) {
  return checkExpression(parsed(text), (tag) => TAGS[tag as keyof typeof TAGS]);
}

describe('a formula', () => {
  it('names tags by their full names, with hyphens and slashes in them', () => {
    expect(tagsIn(parsed('press-1/power / press-1/speed - press-1/idle-power'))).toEqual([
      'press-1/power',
      'press-1/speed',
      'press-1/idle-power',
    ]);
    expect(tagsIn(parsed('press-1/power/press-1/speed'))).toEqual(['press-1/power', 'press-1/speed']);
    expect(parsed('10/2')).toMatchObject({ kind: 'binary', operator: '/' });
  });

  it('binds as everybody expects', () => {
    const tree = parsed('1 + 2 * 3 < 10 and not true or false');
    expect(tree).toMatchObject({ operator: 'or', left: { operator: 'and', left: { operator: '<' } } });
    expect(parsed('8 - 3 - 2')).toMatchObject({ operator: '-', left: { operator: '-' } });
    expect(parsed('a/b && c/d || !e/f')).toMatchObject({ operator: 'or', left: { operator: 'and' } });
  });

  it('tells a span of time from a comparison of values by its duration', () => {
    expect(parsed('max(press-1/power, 10m)')).toMatchObject({ kind: 'window', name: 'max', spanMs: 600_000 });
    expect(parsed('max(press-1/power, 10)')).toMatchObject({ kind: 'plain', name: 'max' });
    expect(parsed('integral(press-1/power, 1h)')).toMatchObject({ kind: 'time', perMs: 3_600_000 });
  });

  it.each([
    ['press-1/power +', 'the formula ends too early: a tag, a number or "(" is missing'],
    ['power * 2', '"power" is not a full tag name: write it as device/tag, such as press-1/power'],
    ['mean(press-1/power)', 'mean needs a value and a duration: write for example mean(press-1/power, 1h)'],
    ['1 < 2 < 3', 'the formula compares twice in a row: write "a < b and b < c"'],
    [
      'a/b ; c/d',
      '";" at character 5 has no meaning in a formula: write an operator such as + or * in its place, or remove it',
    ],
    ['(a/b', 'the formula ends too early: ")" is missing'],
    [
      'a/b c/d',
      'there is "c/d" at character 5, where an operator such as + or * is expected: write an operator between the two',
    ],
    ['rate(a/b, 1us)', 'the span 1us cannot be used: write a span from 100ms to 31d'],
    ['abs(a/b, c/d)', 'abs takes 1 value, and here it is given 2'],
    ['process(1)', /^there is no function process; the functions are abs, sqrt/],
    [`${'('.repeat(40)}1${')'.repeat(40)}`, /^the formula is nested deeper than 32/],
    ['1'.repeat(MAX_EXPRESSION_LENGTH + 1), /^the formula is longer than 1000 characters/],
  ])('%s is refused with what to write', (text, message) => {
    if (typeof message === 'string') expect(trouble(text)).toBe(message);
    else expect(trouble(text)).toMatch(message);
  });

  it('is read or refused, whatever the text; nothing is thrown', () => {
    const piece = fc.constantFrom(
      'a/b',
      '1.5',
      '(',
      ')',
      '+',
      '-',
      ' ',
      ',',
      'mean',
      'if',
      '10m',
      '<',
      'and',
      'not',
      '"',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((all) => all.join('')),
        ),
        (text) => {
          const result = parseExpression(text);
          expect(result.ok || result.message.length > 0).toBe(true);
        },
      ),
    );
  });
});

describe('units', () => {
  it.each([
    ['press-1/power / press-1/speed', 'kW/(m/s)'],
    ['press-1/power / press-1/idle-power', ''],
    ['press-1/power - press-1/idle-power', 'kW'],
    ['press-1/power * 1.2', 'kW'],
    ['mean(press-1/power, 10m)', 'kW'],
    ['integral(press-1/power, 1h)', 'kWh'],
    ['rate(press-1/speed, 1s)', '(m/s)/s'],
    ['runtime(press-1/running, 1h)', 'h'],
    ['press-1/count * 2', undefined],
    ['max(press-1/power, 0)', 'kW'],
    ['if(press-1/running, press-1/power, 0)', 'kW'],
  ])('%s is in %s', (text, unit) => {
    expect(checked(text)).toMatchObject({ problems: [], meaning: { unit } });
  });

  it.each([
    [
      'press-1/power + press-1/speed',
      'kW and m/s cannot be added: use only tags of the same unit. If one only needs converting, make a computed tag for it, for example {expr: "press-1/power * 1000", unit: W}',
    ],
    [
      'press-1/power > press-1/speed',
      'kW and m/s cannot be compared: use only tags of the same unit. If one only needs converting, make a computed tag for it, for example {expr: "press-1/power * 1000", unit: W}',
    ],
    [
      'press-1/running * 2',
      '"*" needs numbers, and press-1/running is true or false: write if(press-1/running, 1, 0), or runtime(press-1/running, 1h) for the time it was true',
    ],
    [
      'press-1/order == 3',
      'press-1/order is a text, and a formula takes only numbers and tags that are true or false: remove it from the formula',
    ],
    [
      'press-1/running == 1',
      '"==" compares a number with a value that is true or false, and these are never equal: compare values of one kind',
    ],
  ])('%s is refused', (text, problem) => {
    expect(checked(text).problems).toEqual([problem]);
  });
});
