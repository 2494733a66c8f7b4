import { type Glyph, glyphsOf } from '../glyph.ts';
import type { CliContext } from './context.ts';
import { cutText, displayWidth } from './table.ts';

/** Takes the alternate page, hides the cursor, stops line wrapping. */
export const ENTER_PAGE = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';

/** Takes all that back. */
export const LEAVE_PAGE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** Fewer unchanged characters than this between two changes are written again: moving the cursor is as long. */
const WORTH_A_MOVE = 7;

/** A page of the terminal that is redrawn in place. */
export interface Screen {
  /** Shows these lines from the top; writes only what changed. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back as it was. Idempotent. */
  close(): void;
}

/** Whether something can be redrawn in place: on a terminal, but for one that knows no cursor. */
export function hasScreen({ isTerminal, env }: CliContext): boolean {
  return isTerminal && env.TERM !== 'dumb';
}

/**
 * Takes the terminal's alternate page, hides the cursor and stops line wrapping until `close`. Only changed characters
 * are written, so that it stays calm over a slow line.
 */
export function openScreen(context: CliContext): Screen {
  const { stdout } = context;
  let shown: Glyph[][] = [];
  let isOpen = true;
  stdout.write(ENTER_PAGE);
  const stopListening = context.onResize(() => {
    shown = [];
    if (isOpen) stdout.write('\u001b[2J');
  });
  return {
    draw(lines) {
      if (!isOpen) return;
      const next = lines.slice(0, Math.max(1, context.rows())).map(glyphsOf);
      let changes = '';
      for (const [row, glyphs] of next.entries()) changes += changesOf(shown[row] ?? [], glyphs, row);
      if (shown.length > next.length) changes += `${at(next.length, 0)}\u001b[J`;
      if (changes !== '') stdout.write(changes);
      shown = next;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      stopListening();
      stdout.write(LEAVE_PAGE);
    },
  };
}

/** What to write to make one line of another. */
function changesOf(before: readonly Glyph[], after: readonly Glyph[], row: number): string {
  let changes = '';
  for (let start = 0; start < after.length; start++) {
    if (isSame(before[start], after[start])) continue;
    let end = start + 1;
    for (let index = end; index < after.length && index - end < WORTH_A_MOVE; index++)
      if (!isSame(before[index], after[index])) end = index + 1;
    // The right half of a wide character cannot be written by itself.
    while (start > 0 && after[start]!.text === '') start--;
    while (after[end]?.text === '') end++;
    changes += at(row, start) + written(after.slice(start, end));
    start = end;
  }
  return before.length > after.length ? `${changes}${at(row, after.length)}\u001b[K` : changes;
}

function isSame(before: Glyph = { text: ' ', style: '' }, after: Glyph = before): boolean {
  return before.text === after.text && before.style === after.style;
}

function written(glyphs: readonly Glyph[]): string {
  let style = '';
  let text = '';
  for (const glyph of glyphs) {
    if (glyph.style !== style) text += `\u001b[${glyph.style === '' ? '0' : `0;${glyph.style}`}m`;
    style = glyph.style;
    text += glyph.text;
  }
  return style === '' ? text : `${text}\u001b[0m`;
}

/** Moves the cursor; both count from 0. */
function at(row: number, column: number): string {
  return `\u001b[${row + 1};${column + 1}H`;
}

/** A line without colours cut to the terminal. */
export function fit(context: CliContext, line: string): string {
  const width = context.columns();
  return displayWidth(line) <= width ? line : cutText(line, width);
}
