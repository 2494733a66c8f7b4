/** Lays out tables and wraps text by the width that characters have on a terminal. */
import { stripVTControlCharacters } from 'node:util';

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Columns with a number are left out when the table is too wide, the highest number first. */
  readonly drop?: number;
  /** A column that is cut with an ellipsis when the table is too wide, and at which end; the first one first. */
  readonly cut?: 'start' | 'end';
  /** Not cut below this width, characters, while another column can still be left out. */
  readonly minWidth?: number;
  /** At least so wide while there is room, so that the columns behind it stand still when what is in it changes. */
  readonly steady?: number;
}

/** Space between columns. */
const GAP = '  ';

/** Characters that take no column, and those that take two (East Asian wide forms and pictographs). */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const DOUBLE_WIDTH =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** Columns that a text takes on a terminal, whatever its colours. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += widthOf(character);
  return width;
}

/** Cuts a text without colours to a width, with an ellipsis where something is missing. */
export function cutText(text: string, width: number, end: 'start' | 'end' = 'end'): string {
  if (displayWidth(text) <= width) return text;
  const characters = end === 'end' ? [...text] : [...text].reverse();
  const kept: string[] = [];
  let used = 1;
  for (const character of characters) {
    used += widthOf(character);
    if (used > width) break;
    kept.push(character);
  }
  return end === 'end' ? `${kept.join('')}…` : `…${kept.reverse().join('')}`;
}

/** Cuts each text at spaces to lines of at most `width`; a longer word gets a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= width)
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** One cell: its text, and how to colour it once it has its width. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };

/**
 * A table without lines, no wider than `width`: columns with `cut` are cut, and those with `drop` left out.
 *
 * @param header how to paint the titles; undefined: no title row
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  header?: (text: string) => string,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(
      column.steady ?? 0,
      header ? displayWidth(column.title) : 0,
      ...rows.map((row) => displayWidth(textOf(row[index]))),
    ),
  );
  const kept = keptColumns(columns, widths, width);
  let excess = sum(kept.map((index) => widths[index]!)) + GAP.length * (kept.length - 1) - width;
  for (const least of [leastWidth, lastResort])
    for (const index of kept) {
      const saved = Math.min(Math.max(0, excess), widths[index]! - least(columns[index]!, widths[index]!));
      widths[index]! -= saved;
      excess -= saved;
    }
  const line = (cells: readonly Cell[]): string =>
    kept
      .map((index) => paintCell(cells[index], columns[index]!, widths[index]!))
      .join(GAP)
      .trimEnd();
  const titles = header ? [line(columns.map(({ title }) => ({ text: title, paint: header })))] : [];
  return [...titles, ...rows.map(line)];
}

/** Indices of the columns that fit, those that can be cut at their least width. */
function keptColumns(columns: readonly Column[], widths: readonly number[], width: number): number[] {
  let kept = columns.map((_, index) => index);
  const least = (index: number): number => leastWidth(columns[index]!, widths[index]!);
  while (sum(kept.map(least)) + GAP.length * (kept.length - 1) > width) {
    const next = kept.reduce((worst, index) => {
      return (columns[index]!.drop ?? 0) > (columns[worst]?.drop ?? 0) ? index : worst;
    }, -1);
    if (next === -1) break;
    kept = kept.filter((index) => index !== next);
  }
  return kept;
}

/** How narrow a column may become. */
function leastWidth({ cut, minWidth = 8 }: Column, width: number): number {
  return cut ? Math.min(width, minWidth) : width;
}

/** How narrow it is made when nothing else helps: a letter or two and the ellipsis. */
function lastResort({ cut }: Column, width: number): number {
  return cut ? Math.min(width, 3) : width;
}

function paintCell(cell: Cell | undefined, column: Column, width: number): string {
  const whole = textOf(cell);
  const text = displayWidth(whole) <= width ? whole : cutText(whole.trimEnd(), width, column.cut ?? 'end');
  const padding = ' '.repeat(Math.max(0, width - displayWidth(text)));
  const painted = typeof cell === 'object' ? cell.paint(text) : text;
  return column.align === 'right' ? padding + painted : painted + padding;
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '');
}

/** Columns that one character takes: none, one or two. */
export function widthOf(character: string): number {
  if (ZERO_WIDTH.test(character)) return 0;
  return DOUBLE_WIDTH.test(character) ? 2 : 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
