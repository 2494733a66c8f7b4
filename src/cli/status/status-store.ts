/** Words the store and the uplinks for `status`, and for how long an outage there is still room. */
import type { GatewayStatus } from '../../api/view.ts';
import { formatSize } from '../../core/quantity.ts';
import type { StoreStatus, StreamAccount } from '../../store/store.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { byState, formatAge, formatCount, formatShare, formatSpan, formatTime } from '../terminal/format.ts';
import { type Cell, renderTable } from '../terminal/table.ts';
import { entryText } from './ledger.ts';
import { count, labelled, reasonLines, worstFirst } from './status-parts.ts';

/** Losses that are listed; `status --ledger` has them all. */
const SHOWN_LOSSES = 5;

/** From less time than this nothing is said about a day: what a store begins with would count too much, ms. */
const LONG_ENOUGH_TO_WRITE_MS = 600_000;
const LONG_ENOUGH_TO_STORE_MS = 3_600_000;

const DAY_MS = 86_400_000;

/** Size, what is in it, how long it lasts and wears as measured, and what was lost. */
export function storeLines(
  store: StoreStatus & Partial<Pick<GatewayStatus['store'], 'held'>>,
  { nowMs, startedMs }: { readonly nowMs: number; readonly startedMs?: number },
  context: CliContext,
): string[] {
  const { colors } = context;
  const share = store.maxBytes > 0 ? store.bytes / store.maxBytes : 0;
  const size = `${formatSize(store.bytes)} of ${formatSize(store.maxBytes)} (${formatShare(share)})`;
  const { oldest, next } = store;
  const held = next.readings - oldest.readings;
  const records = held > 0 ? `, records ${formatCount(oldest.readings)}–${formatCount(next.readings - 1)}` : '';
  return [
    labelled('store', `${size}${records}`, context),
    labelled('', lastText(store, nowMs, startedMs !== undefined), context),
    ...measuredTexts(store, nowMs, startedMs).map((text) => labelled('', text, context)),
    ...(store.trouble === undefined ? [] : reasonLines(store.trouble, context)),
    ...heldLines(store, context),
    ...lossTexts(store.accounts).map((text, index) => labelled(index === 0 ? 'lost' : '', colors.red(text), context)),
    ...store.ledger.slice(-SHOWN_LOSSES).map((entry) => labelled('', entryText(entry, context), context)),
  ];
}

/** What each uplink did not get and will not get any more, the one that lacks most first. */
function lossTexts(accounts: readonly StreamAccount[]): string[] {
  const kinds = ['evicted', 'quarantined', 'lost'] as const;
  const lossOf = (account: StreamAccount): number => kinds.reduce((sum, kind) => sum + account[kind], 0);
  const uplinks = [...new Set(accounts.map(({ uplink }) => uplink))].map((uplink) => {
    const own = accounts.filter((account) => account.uplink === uplink);
    const of = (stream: StreamAccount['stream']): number =>
      own.filter((account) => account.stream === stream).reduce((sum, account) => sum + lossOf(account), 0);
    const causes = kinds.flatMap((kind) => {
      const sum = own.reduce((total, account) => total + account[kind], 0);
      return sum > 0 ? [`${formatCount(sum)} ${kind}`] : [];
    });
    return { uplink, records: of('readings'), events: of('events'), causes };
  });
  return uplinks
    .filter(({ causes }) => causes.length > 0)
    .sort((a, b) => b.records + b.events - (a.records + a.events))
    .map(({ uplink, records, events, causes }) => {
      const what = `${formatCount(records)} records and ${formatCount(events)} events`;
      return `${uplink === undefined ? '' : `${uplink}: `}${what} (${causes.join(', ')})`;
    });
}

/** While nothing can be written: since when, and what that costs. */
function heldLines({ held }: Partial<Pick<GatewayStatus['store'], 'held'>>, context: CliContext): string[] {
  if (!held?.standstill) return [];
  const { sinceMs, lastsMs } = held.standstill;
  const room = lastsMs === undefined || lastsMs === 0 ? [] : [`room for about ${formatSpan(lastsMs)} more`];
  const dropped = held.droppedRecords + held.droppedEvents;
  const parts = [
    `nothing written since ${formatTime(sinceMs, context)}`,
    `${formatCount(held.records)} records and ${formatCount(held.events)} events held in memory`,
    ...room,
    ...(dropped > 0 ? [`${formatCount(dropped)} dropped since the start`] : []),
  ];
  return [labelled('', context.colors.red(parts.join(', ')), context)];
}

function lastText({ lastCommitMs, newestWallMs }: StoreStatus, nowMs: number, isRunning: boolean): string {
  const ago = (ms: number): string => `${formatSpan(nowMs - ms)} ago`;
  if (isRunning) return `last commit ${lastCommitMs === undefined ? 'none yet' : ago(lastCommitMs)}`;
  return newestWallMs === undefined ? 'nothing in it yet' : `last reading ${ago(newestWallMs)}`;
}

/** A span of more days says that the clock was set in between, and not how long the store lasts. */
const IMPLAUSIBLE_DAYS = 10_000;

/** What a day costs and how many days fit, from what was written since the start and what is stored. */
function measuredTexts(store: StoreStatus, nowMs: number, startedMs: number | undefined): string[] {
  const runMs = startedMs === undefined ? 0 : nowMs - startedMs;
  const storedMs = (store.newestWallMs ?? 0) - (store.oldestWallMs ?? Number.POSITIVE_INFINITY);
  const written = store.bytesWritten * (DAY_MS / runMs);
  const fitDays = (store.maxBytes / store.bytes) * (storedMs / DAY_MS);
  return [
    ...(runMs >= LONG_ENOUGH_TO_WRITE_MS ? [`${formatSize(written)} written a day, measured since the start`] : []),
    ...(storedMs >= LONG_ENOUGH_TO_STORE_MS && store.bytes > 0 && fitDays < IMPLAUSIBLE_DAYS
      ? [`holds an outage of about ${daysText(fitDays)}, measured over the ${formatAge(storedMs)} in it`]
      : []),
  ];
}

function daysText(days: number): string {
  if (days >= 10) return `${formatCount(Math.round(days))} days`;
  return days >= 1 ? `${days.toFixed(1)} days` : `${(days * 24).toFixed(1)} hours`;
}

/** Uplinks, those that do not deliver first, each with its reason below it. */
export function uplinkLines({ uplinks, nowMs }: GatewayStatus, context: CliContext): string[] {
  const ordered = worstFirst(uplinks, ({ state, reason, quarantinedRecords }) =>
    state !== 'connected' ? 3 : reason !== undefined ? 2 : Math.min(1, quarantinedRecords),
  );
  const table = renderTable(
    [
      { title: 'uplink', cut: 'end', minWidth: 10 },
      { title: 'state' },
      { title: 'for', align: 'right', drop: 3 },
      { title: 'pending', align: 'right' },
      { title: 'delivered', align: 'right', drop: 1 },
      { title: 'refused', align: 'right', drop: 2 },
      { title: 'caught up in', align: 'right', drop: 4 },
    ],
    ordered.map((uplink) => uplinkRow(uplink, nowMs, context)),
    tableWidth(context),
    context.colors.dim,
  );
  return [
    table[0]!,
    ...table
      .slice(1)
      .flatMap((line, index) => [
        line,
        ...reasonLines(ordered[index]!.reason, context),
        ...reasonLines(ordered[index]!.note, context),
      ]),
  ];
}

function uplinkRow(uplink: GatewayStatus['uplinks'][number], nowMs: number, { colors }: CliContext): Cell[] {
  const pending = uplink.pendingRecords + uplink.pendingEvents;
  return [
    { text: uplink.name, paint: colors.bold },
    { text: uplink.state, paint: (text) => byState(colors, text) },
    formatAge(Math.max(0, nowMs - uplink.sinceMs)),
    count(pending, uplink.state === 'connected' ? String : colors.yellow),
    formatCount(uplink.deliveredRecords + uplink.deliveredEvents),
    count(uplink.quarantinedRecords, colors.red),
    uplink.catchUpSeconds === undefined ? '' : formatSpan(uplink.catchUpSeconds * 1000),
  ];
}
