import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatCount,
  formatRate,
  formatSpan,
  formatValue,
  plain,
  qualityText,
} from '../../../src/cli/terminal/format.ts';

describe('values for a person', () => {
  it.each([
    [45.2, '45.2'],
    [0.1 + 0.2, '0.3'],
    [1234.56789, '1234.57'],
    [10422, '10422'],
    [317875.2, '317875.2'],
    [-1234567.125, '-1234567.125'],
    [232.77900695800781, '232.779'],
    [-0.000012345678, '-0.0000123457'],
    [1e21, '1e+21'],
    [-4.950203447542126e32, '-4.9502e+32'],
    ['9223372036854775808', '9223372036854775808'],
    [true, 'true'],
    [undefined, '–'],
  ])('%s is shown as %s', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });

  it.each([
    [1, { labels: { 0: 'stopped', 1: 'running' } }, 'running'],
    [true, { labels: { 0: 'stopped', 1: 'running' } }, 'running'],
    [7, { labels: { 0: 'stopped', 1: 'running' } }, '7'],
    [45.2, { decimals: 2 }, '45.20'],
    [45, { decimals: 2 }, '45.00'],
    [undefined, { decimals: 2 }, '–'],
  ])('%s with %o is shown as %s', (value, shown, text) => {
    expect(formatValue(value, shown)).toBe(text);
  });

  it.each(['\u061c', '\u200e', '\u200f', '\u2066', '\u2067', '\u2068', '\u2069'])(
    'a text of a device cannot turn the direction of the line with %j',
    (mark) => {
      expect(plain(`press${mark}1`)).toBe('press·1');
    },
  );

  it('a text of a device cannot move the cursor or colour the terminal', () => {
    expect(plain('\u001b[2J\u001b[31mgone\u0007\r\nnext')).toBe('·[2J·[31mgone···next');
  });

  it('quality and reason make one phrase', () => {
    expect(qualityText({ quality: 'good' })).toBe('good');
    expect(qualityText({ quality: 'bad', why: 'timeout' })).toBe('bad timeout');
  });
});

describe('times, rates and counts for a person', () => {
  it('ages are coarse, so that they are calm', () => {
    expect([0, 999, 7400, 61_000, 7_300_000, 200_000_000].map(formatAge)).toEqual([
      'now',
      'now',
      '7s',
      '1m',
      '2h',
      '2d',
    ]);
  });

  it('spans are in whole seconds', () => {
    expect([400, 59_900, 125_000, 4_500_000].map(formatSpan)).toEqual(['0s', '59s', '2m 5s', '1h 15m']);
  });

  it('rates have two digits', () => {
    expect([0, 0.1, 5, 812.4].map(formatRate)).toEqual(['0/s', '0.10/s', '5.0/s', '812/s']);
  });

  it('thousands are apart', () => {
    expect([0, 999, 1000, 188_201, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '188,201', '1,234,567']);
  });
});
