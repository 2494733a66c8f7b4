/** Redraws a live table in place until it is ended. */
import type { CliContext } from './context.ts';
import type { LiveTable } from './live-table.ts';
import { openScreen } from './screen.ts';

/** How often the table is redrawn: often enough for ages in seconds, seldom enough to be read, ms. */
const REDRAW_EVERY_MS = 500;

/** What a live view shows around its table. */
interface LiveFrame {
  readonly head: () => readonly string[];
  readonly foot: () => readonly string[];
}

/** Shows the table in place until the signal; then gives the terminal back and leaves the last table on it. */
export async function showLive(
  table: () => LiveTable,
  frame: LiveFrame,
  context: CliContext,
  until: AbortSignal,
): Promise<void> {
  const screen = openScreen(context);
  const draw = (): void => screen.draw(page(table(), frame, context, context.rows()));
  const stopListening = context.onResize(draw);
  try {
    while (!until.aborted) {
      draw();
      await context.clock.sleep(REDRAW_EVERY_MS, until).catch((error) => {
        if (!until.aborted) throw error;
      });
    }
  } finally {
    stopListening();
    screen.close();
  }
  context.stdout.write(`${table().lines(context, context.columns(), Number.POSITIVE_INFINITY).join('\n')}\n`);
}

function page(table: LiveTable, frame: LiveFrame, context: CliContext, rows: number): string[] {
  const head = frame.head();
  const foot = frame.foot();
  const room = Math.max(3, rows - head.length - foot.length);
  return [...head, ...table.lines(context, context.columns(), room), ...foot];
}
