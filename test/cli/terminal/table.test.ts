import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, displayWidth, renderTable, wrapText } from '../../../src/cli/terminal/table.ts';

const COLUMNS = [
  { title: 'tag', cut: 'start', minWidth: 8 },
  { title: 'value', align: 'right' },
  { title: 'rate', align: 'right', drop: 1 },
] as const;
const ROWS = [
  ['press-1/oil-temp', '45.2', '1.0/s'],
  ['oven/temp', '200', '10/s'],
];

describe('the table', () => {
  it('gives each column its own width', () => {
    expect(renderTable(COLUMNS, ROWS, 80, (title) => title)).toEqual([
      'tag               value   rate',
      'press-1/oil-temp   45.2  1.0/s',
      'oven/temp           200   10/s',
    ]);
  });

  it('cuts the flexible column, then leaves out what matters least, when the terminal is narrow', () => {
    expect(renderTable(COLUMNS, ROWS, 25)).toEqual(['…-1/oil-temp  45.2  1.0/s', 'oven/temp      200   10/s']);
    expect(renderTable(COLUMNS, ROWS, 16)).toEqual(['…/oil-temp  45.2', 'oven/temp    200']);
  });

  it('is never wider than asked, whatever is in it', () => {
    const row = fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), fc.integer({ min: 34, max: 120 }), (rows, width) => {
        const columns = [
          { title: '', cut: 'end', minWidth: 8 },
          { title: '', drop: 2 },
          { title: '', drop: 1 },
        ] as const;
        for (const line of renderTable(columns, rows, width)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('the width of a text', () => {
  it.each([
    ['abc', 3],
    ['\u001b[31mabc\u001b[39m', 3],
    ['°C', 2],
    ['温度', 4],
    ['e\u0301', 1],
  ])('%j takes %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it('is kept to when a text is cut, at either end', () => {
    expect(cutText('press-1/oil-temp', 10)).toBe('press-1/o…');
    expect(cutText('press-1/oil-temp', 10, 'start')).toBe('…/oil-temp');
    expect(cutText('温度温度', 5)).toBe('温度…');
    expect(cutText('fits', 4)).toBe('fits');
  });

  it('is kept to when a text is wrapped at its spaces', () => {
    expect(wrapText('no answer. Check power and unit id 4.', 16)).toEqual([
      'no answer. Check',
      'power and unit',
      'id 4.',
    ]);
  });
});
