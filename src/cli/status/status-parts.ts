/** Small pieces of text that the parts of `status` share. */
import type { CliContext } from '../terminal/context.ts';
import { formatCount, plain } from '../terminal/format.ts';
import { type Cell, displayWidth, wrapText } from '../terminal/table.ts';

/** Width of the words at the left. */
const LABEL_WIDTH = 9;

/** A count that is coloured when it is not zero. */
export function count(number: number, paint: (text: string) => string): Cell {
  return number > 0 ? { text: formatCount(number), paint } : '0';
}

/** Why something does not work, below it and indented. */
export function reasonLines(reason: string | undefined, { colors, columns }: CliContext): string[] {
  if (reason === undefined) return [];
  return wrapText(plain(reason), Math.max(20, columns() - 4)).map((line) => `    ${colors.red(line)}`);
}

/** A word at the left and text beside it, wrapped below itself. */
export function labelled(label: string, text: string, { colors, columns }: CliContext): string {
  const indent = ' '.repeat(LABEL_WIDTH);
  const lines = wrapText(text, Math.max(20, columns() - LABEL_WIDTH));
  const head = colors.bold(label) + ' '.repeat(LABEL_WIDTH - displayWidth(label));
  return `${head}${lines.join(`\n${indent}`)}`;
}

/** What is not well before what is; otherwise in the given order. */
export function worstFirst<T>(things: readonly T[], badness: (thing: T) => number): T[] {
  return [...things].sort((a, b) => badness(b) - badness(a));
}
