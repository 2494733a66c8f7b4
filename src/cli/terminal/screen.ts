/** Control sequences of a terminal, and how to leave it as it was. */
import type { CliContext } from './context.ts';
import { cutText, displayWidth, widthOf } from './table.ts';

/** Takes the alternate page, hides the cursor, stops line wrapping. */
export const ENTER_PAGE = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';

/** Takes all that back. */
export const LEAVE_PAGE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** Fewer unchanged characters than this between two changes are written again: moving the cursor is as long. */
const WORTH_A_MOVE = 7;

/** A page of the terminal that is redrawn in place. */
interface Screen {
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

/** What one column of a terminal shows. The right half of a wide character has an empty text. */
interface Glyph {
  readonly text: string;
  /** Parameters of the control sequence (ECMA-48 SGR) that colours it; empty: none. */
  readonly style: string;
}

/** A coloured line as a terminal shows it, column by column. */
export function glyphsOf(line: string): Glyph[] {
  const glyphs: { text: string; style: string }[] = [];
  const attributes = new Map<string, string>();
  let style = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  for (const [part] of line.matchAll(/\u001b\[[\d;]*m|./gsu)) {
    if (part.length > 1 && part.startsWith('\u001b')) {
      applyStyle(attributes, part.slice(2, -1));
      style = [...attributes.values()].join(';');
      continue;
    }
    const width = widthOf(part);
    const last = glyphs.at(-1);
    if (width === 0 && last) last.text += part;
    if (width > 0) glyphs.push({ text: part, style });
    if (width > 1) glyphs.push({ text: '', style });
  }
  return glyphs;
}

/** Which attribute each parameter sets or, as the second, takes back. */
const ATTRIBUTES: readonly [name: string, sets: RegExp, takesBack: string][] = [
  ['intensity', /^[12]$/, '22'],
  ['underline', /^4$/, '24'],
  ['inverse', /^7$/, '27'],
  ['colour', /^(3[0-7]|9[0-7])$/, '39'],
];

function applyStyle(attributes: Map<string, string>, parameter: string): void {
  if (parameter === '' || parameter === '0') attributes.clear();
  for (const [name, sets, takesBack] of ATTRIBUTES) {
    if (sets.test(parameter)) attributes.set(name, parameter);
    else if (parameter === takesBack) attributes.delete(name);
  }
}
