/** The command `resend`: has an uplink send stored records again. */
import type { JsonReadings } from '../api/json.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import { nearest } from '../core/suggest.ts';
import type { StoreStatus, Stream } from '../store/store.ts';
import { operator } from './alarms.ts';
import { findGateway, type GatewayClient } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson } from './terminal/context.ts';
import { sinceOption } from './terminal/duration.ts';
import { formatCount } from './terminal/format.ts';

/** Options of `resend`. */
interface ResendOptions extends CommonOptions {
  /** Instead of numbers: all records that are not older. */
  readonly since?: string;
  /** Numbers of events, instead of readings. */
  readonly events?: boolean;
}

/** What the gateway says it does; both ends of a range included. */
interface Resent {
  /** How many had been delivered and go again. */
  readonly count: number;
  readonly stored: readonly SeqRange[];
}

/** How numbers are written. */
const RANGE = /^(\d{1,15})(?:(?:-|–|\.\.)(\d{1,15}))?$/;

/** `resend UPLINK NUMBERS|--since`: what an uplink confirmed and lost is sent to it again, as backfill. */
export async function resend(
  uplink: string,
  numbers: string | undefined,
  options: ResendOptions,
  context: CliContext,
): Promise<ExitCode> {
  const asked = askedFor(numbers, options, context);
  const gateway = await findGateway(options, context);
  await knownUplink(uplink, gateway);
  const stream: Stream = options.events ? 'events' : 'readings';
  const range = 'from' in asked ? asked : await rangeSince(asked.fromMs, gateway);
  const path = `/api/v1/uplinks/${encodeURIComponent(uplink)}/replay`;
  const resent = await gateway.post<Resent>(path, { stream, ...range, by: operator(context) });
  if (options.json) printJson(context, { uplink, stream, ...range, ...resent });
  else print(context, linesOf(uplink, stream, range, resent));
  return EXIT.ok;
}

function askedFor(
  numbers: string | undefined,
  { since, events }: ResendOptions,
  context: CliContext,
): SeqRange | { fromMs: number } {
  if ((numbers === undefined) === (since === undefined))
    throw new Fault('which records?', 'Write numbers, like 188201-190000, or --since 2h, and not both.', EXIT.usage);
  if (since !== undefined) {
    if (events)
      throw new Fault('--since names readings', 'Events go by number: resend UPLINK 12-40 --events.', EXIT.usage);
    return { fromMs: sinceOption(since, context) };
  }
  const match = RANGE.exec(numbers!);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (!match || from < 1 || from > to)
    throw new Fault(
      `${numbers}: not a range of sequence numbers`,
      'Write the first and the last one, like 188201-190000.',
      EXIT.usage,
    );
  return { from, to };
}

async function knownUplink(uplink: string, gateway: GatewayClient): Promise<void> {
  const names = (await gateway.get<{ name: string }[]>('/api/v1/uplinks')).map(({ name }) => name);
  if (names.includes(uplink)) return;
  const near = nearest(uplink, names);
  const remedy = near
    ? `Did you mean ${near}?`
    : names.length > 0
      ? `Uplinks: ${names.join(', ')}.`
      : 'The file names no uplink.';
  throw new Fault(`no uplink ${JSON.stringify(uplink)}`, `${remedy}`, EXIT.usage);
}

/** The numbers from the first record of that time to the newest. */
async function rangeSince(fromMs: number, gateway: GatewayClient): Promise<SeqRange> {
  const { stored } = await gateway.get<StoreStatus>('/api/v1/store');
  const first = await firstSince(fromMs, gateway);
  const end = stored.readings.at(-1)?.to;
  if (first === undefined || end === undefined || end <= first)
    throw new Fault('there are no readings of that time in the store', 'millgate status says how far back it goes.');
  return { from: first, to: end - 1 };
}

/** A page may hold nothing of the time that was asked for, and others still come. */
async function firstSince(fromMs: number, gateway: GatewayClient): Promise<number | undefined> {
  for (let next = ''; ; ) {
    const page = await gateway.get<JsonReadings>(`/api/v1/readings?from=${fromMs}&limit=200${next}`);
    if (page.readings[0] || page.after === undefined) return page.readings[0]?.seq;
    next = `&after=${page.after}&until=${page.until}`;
  }
}

function linesOf(uplink: string, stream: Stream, { from, to }: SeqRange, { count, stored }: Resent): string[] {
  const kept = stored.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  const missing = to - from + 1 - kept;
  const still = kept - count;
  return [
    `${formatCount(count)} of ${stream} ${from}–${to} are sent to ${uplink} again.`,
    ...(still > 0 ? [`${formatCount(still)} more wait for it anyway.`] : []),
    ...(missing > 0 ? [`${formatCount(missing)} are not in the store; of these it has ${rangesText(stored)}.`] : []),
  ];
}

function rangesText(stored: readonly SeqRange[]): string {
  return stored.length === 0 ? 'none of them' : stored.map(({ from, to }) => `${from}–${to}`).join(', ');
}
