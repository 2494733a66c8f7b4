/** The command `events`: prints the journal. */
import type { EventsPage, JsonEvent } from '../api/rules-view.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';
import { formatTime, plain } from './terminal/format.ts';

/** Events of one request to the gateway. */
const PAGE = 1000;

/** `events`: the journal, oldest first; with `--json` one event a line, as it is published. */
export async function events(
  options: CommonOptions & { readonly since: string; readonly kind?: string },
  context: CliContext,
): Promise<ExitCode> {
  const sinceMs = durationOption('since', options.since);
  const gateway = await findGateway(options, context);
  const from = `from=${Math.max(0, Math.floor(context.clock.wallMs() - sinceMs))}`;
  let after: number | undefined;
  do {
    const where = after === undefined ? from : `after=${after}`;
    const page: EventsPage = await gateway.get(`/api/v1/events?${where}&limit=${PAGE}`);
    const wanted = page.events.filter(({ kind }) => options.kind === undefined || kind === options.kind);
    print(
      context,
      wanted.map((event) => (options.json ? JSON.stringify(event) : eventLine(event, context))),
    );
    after = page.next;
  } while (after !== undefined && !context.signal.aborted);
  return EXIT.ok;
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
