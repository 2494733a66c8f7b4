/** The command `events`: prints the journal. */
import type { JsonEvent } from '../api/rules-view.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { openStored } from './stored.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';
import { formatTime, plain } from './terminal/format.ts';

/**
 * `events`: the journal, oldest first; with `--json` one event a line, as it is published. Out of the store when no
 * gateway runs.
 */
export async function events(
  options: CommonOptions & { readonly since: string; readonly kind?: string },
  context: CliContext,
): Promise<ExitCode> {
  const sinceMs = durationOption('since', options.since);
  const stored = await openStored(options, context);
  try {
    let from: Parameters<typeof stored.events>[0] = {
      fromMs: Math.max(0, Math.floor(context.clock.wallMs() - sinceMs)),
    };
    for (;;) {
      const { events: page, next } = await stored.events(from);
      const wanted = page.filter(({ kind }) => options.kind === undefined || kind === options.kind);
      print(
        context,
        wanted.map((event) => (options.json ? JSON.stringify(event) : eventLine(event, context))),
      );
      if (next === undefined) return EXIT.ok;
      // What was cut short must not pass for the whole.
      if (context.signal.aborted) return EXIT.failed;
      from = { afterSeq: next };
    }
  } finally {
    await stored.close();
  }
}

/** An event for a person: when, what kind, what of it, and its message. */
function eventLine(event: JsonEvent, context: CliContext): string {
  const { colors } = context;
  const { t, kind, id, change, what, rule, point, message } = event;
  const subject = [id ?? what, change ?? rule, point === undefined ? undefined : `point ${point}`]
    .filter((word) => word !== undefined)
    .join(' ');
  const paint = change === 'raised' ? colors.red : change === 'cleared' || change === 'reset' ? colors.green : plainly;
  return `${formatTime(t, context)}  ${kind.padEnd(10)}  ${paint(plain(subject))}  ${plain(String(message ?? ''))}`.trimEnd();
}

function plainly(text: string): string {
  return text;
}
