import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chartText } from '../../../src/rules/spc/chart-text.ts';
import { judgeSeries } from '../../../src/rules/spc/judge.ts';
import { chartOf } from './configs.ts';

const LINES = { center: 10, lcl: 7, ucl: 13 };

/** Judged individuals around 10 with σ 1. */
function judged(values: readonly (number | null)[]) {
  const points = values.map((value) => (value === null ? null : { value, size: 1, spread: null, squares: 0 }));
  return judgeSeries(chartOf({ rules: ['N1'] }), { center: 10, sigma: 1 }, points);
}

describe('a control chart in the terminal', () => {
  it('shows points, signals, bad points, limits and numbers', () => {
    expect(chartText(judged([10, 11, 9, null, 14, 8, 30]), LINES, 30, 10)).toBe(
      [
        '           |      ^',
        '           |',
        '           |',
        '           |    X',
        '     UCL 13|------------------',
        '           | o',
        '      CL 10|o..?..............',
        '           |  o  o',
        '      LCL 7|------------------',
        '           +1     7',
      ].join('\n'),
    );
  });

  it('keeps the newest points when not all fit', () => {
    const text = chartText(judged(Array.from({ length: 200 }, (_, index) => 10 + (index % 3))), LINES, 40, 12);
    expect(text.split('\n').at(-1)).toBe('           +173                      200');
  });

  it('says so before the first point', () => {
    expect(chartText([], LINES, 40, 8)).toContain('+no points');
  });

  it('limits that vary are drawn point by point', () => {
    const config = chartOf({ chart: 'p', rules: [] });
    const points = [400, 25, 400].map((size) => ({ value: 0.5, size, spread: null, squares: 0 }));
    const text = chartText(
      judgeSeries(config, { center: 0.5, sigma: 0.5 }, points),
      { center: 0.5, lcl: 0.425, ucl: 0.575 },
      30,
      15,
    );
    const rows = text.split('\n').filter((row) => row.includes('|'));
    expect(rows.findIndex((row) => row[13] === '-')).toBeLessThan(rows.findIndex((row) => row[12] === '-'));
  });

  it('always has the rows asked for, none too wide, whatever the values', () => {
    const value = fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { nil: null });
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 50 }),
        fc.integer({ min: 21, max: 120 }),
        fc.integer({ min: 7, max: 40 }),
        (values, columns, rows) => {
          const lines = chartText(judged(values), LINES, columns, rows).split('\n');
          expect(lines).toHaveLength(rows);
          expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});
