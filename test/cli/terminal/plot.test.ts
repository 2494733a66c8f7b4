import { describe, expect, it } from 'vitest';
import { plotLines } from '../../../src/cli/terminal/plot.ts';

describe('a plot in the terminal', () => {
  it('shows extremes as strokes, single values as dots, and gaps as crosses', () => {
    const plotted = {
      ...{ from: 0, to: 80, gaps: [{ from: 35, to: 55 }] },
      columns: { t: [5, 15, 25, 65], min: [0, 1, 2, 4], max: [0, 1, 4, 4] },
    };
    expect(plotLines(plotted, { columns: 8, rows: 5 })).toEqual([
      '         4 ┤  │   • ',
      '           ┤  │     ',
      '         2 ┤  │     ',
      '           ┤ •      ',
      '         0 ┤•       ',
      '           └───×××──',
    ]);
  });

  it('joins what has no gap between, and writes labels in place of numbers', () => {
    const plotted = {
      ...{ from: 0, to: 50, gaps: [] },
      columns: { t: [5, 15, 25, 35], min: [0, 4, 4, 0], max: [0, 4, 4, 0], joined: [0, 1, 1, 0] },
    };
    const label = (value: number) => (value === 0 ? 'stopped' : value === 4 ? 'running' : '');
    expect(plotLines(plotted, { columns: 5, rows: 5 }, label)).toEqual([
      '   running ┤ │•  ',
      '           ┤ │   ',
      '           ┤ │   ',
      '           ┤ │   ',
      '   stopped ┤•  • ',
      '           └─────',
    ]);
  });

  it('is empty where there is no value', () => {
    const none = { from: 0, to: 1, gaps: [], columns: { t: [], min: [], max: [] } };
    expect(plotLines(none, { columns: 8, rows: 5 })).toEqual([]);
  });
});
