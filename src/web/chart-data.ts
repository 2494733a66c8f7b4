/** Turns the answer of the chart route into what is drawn: columns, and nothing where a gap is. Pure functions. */
import type { ChartAnswer, ChartGap, ChartMark } from '../api/chart/chart.ts';

/** Lines by the same times, s: extremes, the mean where it is good, and where it is uncertain. Null is a break. */
type Drawn = [
  t: number[],
  min: (number | null)[],
  max: (number | null)[],
  good: (number | null)[],
  uncertain: (number | null)[],
];

/**
 * The lines of a chart. Before a column that is not joined to the one before stands a time with no value, since a chart
 * joins whatever stands side by side.
 */
export function linesOf({ columns }: Pick<ChartAnswer, 'columns'>): Drawn {
  const drawn: Drawn = [[], [], [], [], []];
  const push = (...values: [number, number | null, number | null, number | null, number | null]): void => {
    for (const [index, value] of values.entries()) (drawn[index] as (number | null)[]).push(value);
  };
  for (const [index, t] of columns.t.entries()) {
    const before = columns.t[index - 1];
    if (before !== undefined && !columns.joined[index]) push((before + t) / 2000, null, null, null, null);
    const mean = columns.mean[index]!;
    const isUncertain = columns.uncertain[index] === 1;
    // Where quality changes the two lines touch, so that no gap seems to be there.
    const touches = columns.joined[index] === 1 && columns.uncertain[index - 1] !== columns.uncertain[index];
    if (touches && isUncertain && before !== undefined) drawn[4][drawn[4].length - 1] = columns.mean[index - 1]!;
    const good = isUncertain && !(columns.joined[index + 1] === 1 && columns.uncertain[index + 1] === 0) ? null : mean;
    push(t / 1000, columns.min[index]!, columns.max[index]!, good, isUncertain ? mean : null);
  }
  return drawn;
}

/** The gap at a time; undefined where there is none. */
export function gapAt(gaps: readonly ChartGap[], ms: number): ChartGap | undefined {
  return gaps.find(({ from, to }) => ms > from && ms < to);
}

/** What is to be said of the values at a time, in words; empty where there is nothing. */
export function marksAt(marks: readonly ChartMark[], ms: number): string {
  return marks
    .filter(({ from, to }) => ms >= from && ms <= to)
    .map(({ words }) => `; ${words}`)
    .join('');
}

/** Points of a sparkline in a box of 100 × 20, in pieces without gaps; empty where nothing varies enough to be drawn. */
export function sparkPieces(values: readonly (number | null)[]): string[] {
  const numbers = values.filter((value) => value !== null);
  if (numbers.length < 2) return [];
  const low = Math.min(...numbers);
  const span = Math.max(...numbers) - low || 1;
  const step = 100 / (values.length - 1);
  const pieces: string[][] = [[]];
  for (const [index, value] of values.entries()) {
    if (value === null) pieces.push([]);
    else pieces.at(-1)!.push(`${(index * step).toFixed(1)},${(19 - ((value - low) / span) * 18).toFixed(1)}`);
  }
  return pieces.filter((piece) => piece.length > 1).map((piece) => piece.join(' '));
}
