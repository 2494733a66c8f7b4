/** Control sequences of a terminal, and how to leave it as it was. */
import type { CliContext } from './context.ts';
import { cutText, displayWidth } from './table.ts';

/** Takes the alternate page, hides the cursor, stops line wrapping. */
export const ENTER_PAGE = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';

/** Takes all that back. */
export const LEAVE_PAGE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** A page of the terminal that is redrawn in place. */
interface Screen {
  /** Shows these lines from the top; writes only those that changed. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back as it was. Idempotent. */
  close(): void;
}

/** Whether something can be redrawn in place: on a terminal, but for one that knows no cursor. */
export function hasScreen({ isTerminal, env }: CliContext): boolean {
  return isTerminal && env.TERM !== 'dumb';
}

/**
 * Takes the terminal's alternate page, hides the cursor and stops line wrapping until `close`. Only lines that changed
 * are written, each of them whole.
 */
export function openScreen(context: CliContext): Screen {
  const { stdout } = context;
  let shown: readonly string[] = [];
  let isOpen = true;
  stdout.write(ENTER_PAGE);
  const stopListening = context.onResize(() => {
    shown = [];
    if (isOpen) stdout.write('\u001b[2J');
  });
  return {
    draw(lines) {
      if (!isOpen) return;
      const next = lines.slice(0, Math.max(1, context.rows()));
      let changes = '';
      // Cleared before it is written: behind a line that fills the terminal the cursor stands on its last character.
      for (const [row, line] of next.entries())
        if (line !== shown[row]) changes += `\u001b[${row + 1};1H\u001b[2K${line}`;
      if (shown.length > next.length) changes += `\u001b[${next.length + 1};1H\u001b[J`;
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

/** A line without colours cut to the terminal. */
export function fit(context: CliContext, line: string): string {
  const width = context.columns();
  return displayWidth(line) <= width ? line : cutText(line, width);
}
