/** Draws a history as text: each character column from its lowest to its highest value, and gaps as crosses below. */
import { formatValue } from './format.ts';

/** What is drawn. Times are UTC ms; the columns are in order of time. */
export interface Plotted {
  readonly from: number;
  readonly to: number;
  readonly columns: {
    readonly t: readonly number[];
    readonly min: readonly number[];
    readonly max: readonly number[];
    /** 1 where there is no gap before the column: then a stroke reaches to what was before it. */
    readonly joined?: readonly number[];
  };
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
}

/** A picture so many characters wide and high, without its axes. */
interface PlotSize {
  readonly columns: number;
  readonly rows: number;
}

/** Width of the labels at the left, with their separator. */
export const LABEL_COLUMNS = 12;

/** The picture with the values at its left and a line of gaps below; empty when there is no value. */
export function plotLines(
  { from, to, columns: { t, min, max, joined }, gaps }: Plotted,
  { columns, rows }: PlotSize,
  labelOf: (value: number) => string = (value) => formatValue(Number(value.toPrecision(5))),
): string[] {
  if (t.length === 0) return [];
  const low = Math.min(...min);
  const high = Math.max(...max);
  const span = high - low || 1;
  const row = (value: number): number => Math.round(((value - low) / span) * (rows - 1));
  const place = (ms: number): number =>
    Math.max(0, Math.min(columns - 1, Math.floor(((ms - from) / (to - from)) * columns)));
  const picture = Array.from({ length: rows }, () => Array<string>(columns).fill(' '));
  for (const [index, ms] of t.entries()) {
    let [bottom, top] = [row(min[index]!), row(max[index]!)];
    if (joined?.[index] === 1) {
      // One row short of it, so that the strokes of a slope do not overlap.
      bottom = Math.min(bottom, Math.max(row(max[index - 1]!) + 1, 0));
      top = Math.max(top, Math.min(row(min[index - 1]!) - 1, rows - 1));
    }
    for (let at = bottom; at <= top; at++) picture[at]![place(ms)] = bottom === top ? '•' : '│';
  }
  const below = Array<string>(columns).fill('─');
  for (const gap of gaps) for (let at = place(gap.from); at <= place(gap.to); at++) below[at] = '×';
  const labels = new Map([
    [rows - 1, high],
    [Math.floor((rows - 1) / 2), low + (span * Math.floor((rows - 1) / 2)) / (rows - 1)],
    [0, low],
  ]);
  const lines = picture.map((cells, at) => {
    const value = labels.get(at);
    const label = value === undefined ? '' : labelOf(value);
    return `${label.slice(0, LABEL_COLUMNS - 2).padStart(LABEL_COLUMNS - 2)} ┤${cells.join('')}`;
  });
  return [...lines.reverse(), `${' '.repeat(LABEL_COLUMNS - 1)}└${below.join('')}`];
}
