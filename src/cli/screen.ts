import type { CliContext } from './context.ts';
import { cutText, displayWidth } from './table.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** A page of the terminal that is redrawn in place. */
export interface Screen {
  /** Shows these lines from the top; rewrites only the lines that changed. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back as it was. Idempotent. */
  close(): void;
}

/**
 * Takes the terminal's alternate page, hides the cursor and stops line wrapping until `close`. Only changed lines are
 * written, so that it stays calm over a slow line.
 */
export function openScreen(context: CliContext): Screen {
  const { stdout } = context;
  let shown: string[] = [];
  let isOpen = true;
  stdout.write(ENTER);
  const stopListening = context.onResize(() => {
    shown = [];
    if (isOpen) stdout.write('\u001b[2J');
  });
  return {
    draw(lines) {
      if (!isOpen) return;
      const rows = Math.max(1, context.rows());
      const next = lines.slice(0, rows);
      let changes = '';
      for (const [index, line] of next.entries())
        if (shown[index] !== line) changes += `\u001b[${index + 1};1H${line}\u001b[0m\u001b[K`;
      if (shown.length > next.length) changes += `\u001b[${next.length + 1};1H\u001b[J`;
      if (changes !== '') stdout.write(changes);
      shown = next;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      stopListening();
      stdout.write(LEAVE);
    },
  };
}

/** A line without colours cut to the terminal. */
export function fit(context: CliContext, line: string): string {
  const width = context.columns();
  return displayWidth(line) <= width ? line : cutText(line, width);
}
