/** The command `events`: prints the journal. */
import type { EventsPage, JsonEvent } from '../api/rules-view.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { parseDuration } from '../core/quantity.ts';
import type { GatewayClient } from './client.ts';
import { openStored } from './stored.ts';
import { type CliContext, type CommonOptions, print, warn } from './terminal/context.ts';
import { sinceOption } from './terminal/duration.ts';
import { formatTime, plain } from './terminal/format.ts';

/**
 * `events`: the journal, oldest first; with `--json` one event a line, as it is published. Out of the store when no
 * gateway runs.
 */
export async function events(
  options: CommonOptions & { readonly since: string; readonly kind?: string },
  context: CliContext,
): Promise<ExitCode> {
  const fromMs = sinceOption(options.since, context);
  const stored = await openStored(options, context);
  try {
    let from: Parameters<typeof stored.events>[0] = { fromMs };
    let found = false;
    for (;;) {
      const { events: page, next } = await stored.events(from);
      const wanted = page.filter(({ kind }) => options.kind === undefined || kind === options.kind);
      print(
        context,
        wanted.map((event) => (options.json ? JSON.stringify(event) : eventLine(event, context))),
      );
      found ||= wanted.length > 0;
      if (next === undefined) {
        if (!found && !options.json) warn(context, [nothingSince(options.since)]);
        return EXIT.ok;
      }
      // What was cut short must not pass for the whole.
      if (context.signal.aborted) return EXIT.failed;
      from = { afterSeq: next };
    }
  } finally {
    await stored.close();
  }
}

/** Of a journal or a history that is empty for so long. */
export function nothingSince(since: string): string {
  const span = parseDuration(since) === undefined ? `since ${since}` : `in the last ${since}`;
  return `Nothing ${span}. Look further back: --since 1d`;
}

/** How often the gateway is asked for new events, ms. */
const FOLLOW_EVERY_MS = 1000;

/** The number of the last event in the journal; 0 when it is empty. */
export async function lastEvent(gateway: GatewayClient): Promise<number> {
  const { events: last } = await gateway.get<EventsPage>('/api/v1/events?limit=1');
  return last.at(-1)?.seq ?? 0;
}

/**
 * Prints each event of one kind behind a number as it comes, until Ctrl-C.
 *
 * @throws Fault 69 when the gateway goes away
 */
export async function followEvents(
  kind: string,
  from: number,
  gateway: GatewayClient,
  options: CommonOptions,
  context: CliContext,
): Promise<void> {
  const { signal, clock } = context;
  let after = from;
  while (!signal.aborted) {
    await clock.sleep(FOLLOW_EVERY_MS, signal).catch(() => {});
    if (signal.aborted) return;
    const { events: fresh } = await gateway.get<EventsPage>(`/api/v1/events?after=${after}`).catch((error) => {
      if (signal.aborted) return { events: [] };
      throw error;
    });
    after = fresh.at(-1)?.seq ?? after;
    const wanted = fresh.filter((event) => event.kind === kind);
    print(
      context,
      wanted.map((event) => (options.json ? JSON.stringify(event) : eventLine(event, context))),
    );
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
  const words = `${plain(String(message ?? ''))}${orderText(event, context)}`;
  return `${formatTime(t, context)}  ${kind.padEnd(10)}  ${paint(plain(subject))}  ${words}`.trimEnd();
}

/** Of an order to an alarm: until when, by whom, and what he noted. */
function orderText({ kind, by, comment, until }: JsonEvent, context: CliContext): string {
  if (kind !== 'alarm' || typeof by !== 'string') return '';
  const end = typeof until === 'number' ? `until ${formatTime(until, context, 'clock')}, ` : '';
  const note = typeof comment === 'string' && comment !== '' ? `: ${plain(comment)}` : '';
  return ` (${end}by ${plain(by)}${note})`;
}

function plainly(text: string): string {
  return text;
}
