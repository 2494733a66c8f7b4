/** Draws a control chart as text. */
import type { JudgedPoint } from './judge.ts';

/** Room for a number at the left edge. */
const LABEL_COLUMNS = 11;

/** The smallest chart that can be read. */
const MIN_COLUMNS = LABEL_COLUMNS + 10;
const MIN_ROWS = 7;

/** Below this many digits two lines of a chart may look the same. */
const LABEL_DIGITS = 6;

/** The lines labelled at the left edge: those of the last point, or of the frozen limits. */
interface ChartLines {
  readonly center: number;
  readonly lcl: number;
  readonly ucl: number;
}

/** What is drawn of a point. */
type DrawnPoint = Pick<JudgedPoint, 'value' | 'center' | 'lcl' | 'ucl'> & { readonly flags: readonly unknown[] };

type Column = DrawnPoint | null;

/**
 * A control chart for a terminal: a column a point, the newest at the right, as many as fit. `o` is a point, `X` one at
 * which a rule holds, `?` a bad or missing one, `-` the limits (point by point where they vary), `.` the centre. A
 * point above or below what the chart shows is drawn as `^` or `v` at its edge.
 *
 * @param points in order, null where bad or missing
 * @param lines what to label
 * @param columns width of the terminal, at least 21; less is taken as 21
 * @param rows height, at least 7, the last for the numbers of the points; less is taken as 7
 * @returns `rows` lines without a line end after the last, none wider than `columns`
 */
export function chartText(points: readonly Column[], lines: ChartLines, columns: number, rows: number): string {
  const width = Math.max(MIN_COLUMNS, Math.floor(columns)) - LABEL_COLUMNS - 1;
  const height = Math.max(MIN_ROWS, Math.floor(rows)) - 1;
  const shown = points.slice(-width);
  const scale = scaleOf(shown, lines, height);
  const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => ' '));
  for (let column = 0; column < width; column++) drawColumn(cells, column, shown[column], lines, scale);
  const labels = labelsOf(lines, scale);
  const body = cells.map((row, index) =>
    `${(labels.get(index) ?? '').padStart(LABEL_COLUMNS)}|${row.join('')}`.trimEnd(),
  );
  return [...body, footer(points.length, shown.length, width)].join('\n');
}

interface Scale {
  readonly rowOf: (value: number) => number;
  readonly height: number;
}

/** Shows the limits with a margin, and points up to one width of the limits beyond them. */
function scaleOf(shown: readonly Column[], lines: ChartLines, height: number): Scale {
  const judged = shown.filter((point) => point !== null);
  const lows = [lines.lcl, ...judged.map(({ lcl }) => lcl)];
  const highs = [lines.ucl, ...judged.map(({ ucl }) => ucl)];
  const [lcl, ucl] = [Math.min(...lows), Math.max(...highs)];
  const reach = ucl - lcl || Math.abs(lines.center) || 1;
  const values = judged.map(({ value }) => value);
  const bottom = Math.max(lcl - reach, Math.min(lcl - reach * 0.05, ...values));
  const top = Math.min(ucl + reach, Math.max(ucl + reach * 0.05, ...values));
  return { height, rowOf: (value) => Math.round(((top - value) / (top - bottom)) * (height - 1)) };
}

function drawColumn(
  cells: string[][],
  column: number,
  point: Column | undefined,
  lines: ChartLines,
  { rowOf, height }: Scale,
): void {
  const put = (row: number, sign: string) => {
    if (row >= 0 && row < height) cells[row]![column] = sign;
  };
  const { center, lcl, ucl } = point ?? lines;
  put(rowOf(center), '.');
  put(rowOf(lcl), '-');
  put(rowOf(ucl), '-');
  if (point === undefined) return;
  if (point === null) {
    put(rowOf(center), '?');
    return;
  }
  const row = rowOf(point.value);
  if (row < 0) put(0, '^');
  else if (row >= height) put(height - 1, 'v');
  else put(row, point.flags.length > 0 ? 'X' : 'o');
}

/** Labels by row; where two fall on one row the limits win over the centre. */
function labelsOf({ center, lcl, ucl }: ChartLines, { rowOf }: Scale): ReadonlyMap<number, string> {
  return new Map([
    [rowOf(center), label('CL', center)],
    [rowOf(lcl), label('LCL', lcl)],
    [rowOf(ucl), label('UCL', ucl)],
  ]);
}

function label(name: string, value: number): string {
  const room = LABEL_COLUMNS - name.length - 1;
  for (let digits = LABEL_DIGITS; digits > 0; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= room) return `${name} ${text}`;
  }
  return name;
}

/** Numbers of the first and the last point shown, below them. */
function footer(all: number, shown: number, width: number): string {
  if (shown === 0) return `${' '.repeat(LABEL_COLUMNS)}+no points`;
  const first = String(all - shown + 1);
  const last = String(all);
  const room = Math.min(width, Math.max(shown, first.length + last.length + 1));
  const text = shown === 1 ? first : `${first}${last.padStart(room - first.length)}`;
  return `${' '.repeat(LABEL_COLUMNS)}+${text.slice(0, width)}`;
}
