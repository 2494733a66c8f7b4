import { describe, expect, it } from 'vitest';
import { valueIn } from '../../../hal/serial/options.ts';
import { boundedMatcher, checkPattern, LONGEST_MATCH_MS } from '../../../hal/serial/pattern.ts';
import { lineTag } from '../../double/serial-line.ts';

function valueOfLine(options: Record<string, unknown>, line: string): unknown {
  const { address } = lineTag('a/b', options);
  const match = boundedMatcher()(address.pattern!, line);
  return typeof match === 'string' ? match : valueIn(match, address);
}

describe('patterns', () => {
  it.each([
    ['^(?<value>(\\d+)+)$', 'repeats a part that itself repeats, "(\\d+)+"'],
    ['(?<value>(?:a*,)*)', 'repeats a part that itself repeats'],
    ['(?<value>x(y{2,}z)*)', 'repeats a part that itself repeats'],
    ['(?<value>.)\\1', 'refers back'],
    ['(?<value>.', 'a "(" in the pattern is not closed: add ")"'],
    ['^ST,(\\d+)', 'put that part in a group, (?<value>'],
    [`(?<value>${'x'.repeat(500)})`, 'more than 500 characters'],
  ])('refuses %s', (pattern, message) => {
    const checked = checkPattern(pattern);
    expect(checked.ok ? '' : checked.problems[0]!.message).toContain(message);
  });

  it.each([
    '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg',
    '^\\$..GGA,[^,]*,(?<value>[^,]*),(?<hemisphere>[NS]),',
    '(?<value>(?:AB){1,3}[+*(]+)',
  ])('takes %s', (pattern) => {
    expect(checkPattern(pattern).ok).toBe(true);
  });

  it('stops one that runs wild all the same, and does not try it again', () => {
    const match = boundedMatcher();
    const wild = /^(?<value>(?:a|a)*)$/;
    const line = `${'a'.repeat(200)}b`;
    expect([match(wild, line), match(wild, line)]).toEqual(['slow', 'slow']);
    const startedMs = performance.now();
    for (let index = 0; index < 100; index++) expect(match(wild, line)).toBe('slow');
    expect(performance.now() - startedMs).toBeLessThan(100 * LONGEST_MATCH_MS);
    expect(match(/(?<value>\d+)/, 'x 12')).toMatchObject({ value: '12' });
  });
});

describe('values in lines', () => {
  it.each([
    [{ pattern: '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg' }, 'ST,GS,  12.34 kg', 12.34],
    [{ pattern: '(?<value>[-+ 0-9.]+)kg' }, '-   0.5kg', -0.5],
    [{ pattern: '(?<sign>[-+ ])(?<value>[0-9.]+)kg' }, '-000.5kg', -0.5],
    [{ pattern: '(?<value>[-0-9,]+)', decimal: ',' }, '-1,25', -1.25],
    [{ pattern: '(?<value>[-+0-9.]+)' }, '1.2.3', undefined],
    [{ pattern: '(?<value>[-+0-9.]*)kg' }, ' kg', undefined],
    [{ pattern: '(?<value>[0-9a-fx]+)' }, '0x10', undefined],
    [{ pattern: '^]C1(?<value>.+)', type: 'text' }, ']C10104012345678901', '0104012345678901'],
    [
      { pattern: '^..GGA,[^,]*,(?<value>[^,]*),(?<hemisphere>[NS])', type: 'degrees' },
      'GPGGA,1,4807.038,S',
      -(48 + 7.038 / 60),
    ],
    [{ pattern: '(?<value>[^,]*),(?<hemisphere>[EW])', type: 'degrees' }, '19131.000,E', undefined],
    [{ pattern: '(?<value>[^,]*),(?<hemisphere>[EW])', type: 'degrees' }, ',', 'none'],
  ])('%o in %s', (options, line, value) => {
    expect(valueOfLine(options, line)).toBe(value);
  });
});
