/** Redraws a table or a page in place until it is ended. */
import { type CliContext, print } from './context.ts';
import type { LiveTable } from './live-table.ts';
import { fit, openScreen } from './screen.ts';

/** How often the table is redrawn: often enough for ages in seconds, seldom enough to be read, ms. */
const REDRAW_EVERY_MS = 500;

/** How often a page that has to be asked for is asked for again, ms. */
const ASK_EVERY_MS = 2000;

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

/**
 * Shows lines that are asked for every two seconds, in place until Ctrl-C; then gives the terminal back and leaves the
 * last lines on it. What the client has to say goes to the foot of the page, so `ask` takes the context it is given.
 */
export async function showPage(
  ask: (context: CliContext) => Promise<readonly string[]>,
  context: CliContext,
): Promise<void> {
  const { signal, clock, colors } = context;
  let note = '';
  const quiet = { ...context, stderr: { write: (text: string) => (note = text.trim()) } };
  let lines = await ask(quiet);
  const screen = openScreen(context);
  const draw = (): void => {
    const room = Math.max(1, context.rows() - 2);
    const more = lines.length > room ? `… ${lines.length - room + 1} more lines  ` : '';
    const foot = colors.dim(fit(context, `${more}${note ? `${note}  ` : ''}Ctrl-C ends`));
    screen.draw([...lines.slice(0, more ? room - 1 : room), '', foot]);
  };
  const stopListening = context.onResize(draw);
  try {
    while (!signal.aborted) {
      draw();
      await clock.sleep(ASK_EVERY_MS, signal).catch(() => {});
      if (!signal.aborted) lines = await ask(quiet);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stopListening();
    screen.close();
  }
  print(context, lines);
}
