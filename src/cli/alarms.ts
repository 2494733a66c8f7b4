/** The command `alarms`: lists what stands, and passes on what an operator orders. */
import { jsonValue } from '../api/json.ts';
import { ALARM_ORDERS, type AlarmsView, type AlarmView } from '../api/rules-view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import { findGateway, type GatewayClient } from './client.ts';
import { followEvents, lastEvent } from './events.ts';
import { type CliContext, type Colors, type CommonOptions, print, printJson, tableWidth } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';
import { formatAge, formatSpan, formatTime, formatValue, plain } from './terminal/format.ts';
import { showPage } from './terminal/live.ts';
import { hasScreen } from './terminal/screen.ts';
import { type Cell, type Column, renderTable, wrapText } from './terminal/table.ts';

/** Options of `alarms`. */
interface AlarmsOptions extends CommonOptions {
  /** Show those that are normal, too. */
  readonly all?: boolean;
  /** How long to shelve. */
  readonly for?: string;
  readonly comment?: string;
  readonly occurrence?: string;
  /** Keep the list on the screen, or print each change as it comes. */
  readonly watch?: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: 'ALARM', cut: 'end', minWidth: 24 },
  { title: 'STATE' },
  { title: 'PRIORITY', drop: 1 },
  { title: 'SINCE', align: 'right', drop: 2 },
  { title: 'MESSAGE', cut: 'end', minWidth: 12 },
  { title: 'REMARK', cut: 'end', minWidth: 18 },
];

/** Priorities, the most urgent first: in this order alarms are listed. */
const PRIORITIES: readonly AlarmView['priority'][] = ['critical', 'high', 'medium', 'low'];

/**
 * `alarms [ORDER ID]`: the list of what stands, or an order to one of them. With `--watch` the list stays on the screen
 * until Ctrl-C; elsewhere, and with `--json`, the list is printed once, and then each change of an alarm on one line.
 */
export async function alarms(
  order: string | undefined,
  id: string | undefined,
  options: AlarmsOptions,
  context: CliContext,
): Promise<ExitCode> {
  if (order !== undefined && options.watch)
    throw new Fault('--watch does not go with an order', 'Write one or the other.', EXIT.usage);
  const gateway = await findGateway(options, context);
  if (options.watch && hasScreen(context) && !options.json) {
    await showPage((quiet) => linesNow(options, quiet), context);
    return EXIT.ok;
  }
  // Before the list: what changes between the two questions is then told twice, not never.
  const after = options.watch ? await lastEvent(gateway) : 0;
  const overview = await gateway.get<AlarmsView>('/api/v1/alarms');
  if (order !== undefined) await give(order, id, overview, gateway, options, context);
  else if (options.json && !options.watch) printJson(context, overview);
  else if (options.json)
    print(
      context,
      standing(overview).map((alarm) => JSON.stringify(alarm)),
    );
  else print(context, linesOf(overview, options, context));
  if (options.watch) await followEvents('alarm', after, gateway, options, context);
  return EXIT.ok;
}

/** The list as it is now; while no gateway answers, that this is so. */
async function linesNow(options: AlarmsOptions, context: CliContext): Promise<string[]> {
  try {
    const gateway = await findGateway(options, context);
    return linesOf(await gateway.get<AlarmsView>('/api/v1/alarms'), options, context);
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
    return [context.colors.red(plain(error.message))];
  }
}

/** The alarms that stand, the most urgent first and of those the newest. */
export function standing({ alarms: all }: AlarmsView): AlarmView[] {
  return sorted(all.filter(({ state }) => state !== 'normal'));
}

function sorted(list: readonly AlarmView[]): AlarmView[] {
  const urgency = ({ priority }: AlarmView): number => PRIORITIES.indexOf(priority);
  return [...list].sort((one, other) => urgency(one) - urgency(other) || (other.sinceMs ?? 0) - (one.sinceMs ?? 0));
}

function linesOf(overview: AlarmsView, options: AlarmsOptions, context: CliContext): string[] {
  const { colors } = context;
  const shown = standing(overview);
  const normal = sorted(overview.alarms.filter(({ state }) => state === 'normal'));
  const flood = overview.floodForMs;
  const hidden = options.all ? 0 : normal.length;
  return [
    ...alarmTable(options.all ? [...shown, ...normal] : shown, context),
    ...(flood === undefined ? [] : [colors.red(`Flood for ${formatSpan(flood)}: more alarms than can be answered.`)]),
    ...(shown.some(({ firstOut }) => firstOut)
      ? wrapText(
          'first out: the first of the alarms of its device. no. N: how often it came.',
          tableWidth(context),
        ).map(colors.dim)
      : []),
    colors.dim(summary(overview.alarms.length - hidden, hidden)),
  ];
}

/** Alarms as a table with its titles, as wide as the terminal; of none nothing. */
export function alarmTable(shown: readonly AlarmView[], context: CliContext): string[] {
  if (shown.length === 0) return [];
  const rows = shown.map((alarm) => row(alarm, context));
  return renderTable(COLUMNS, rows, tableWidth(context), context.colors.dim);
}

function summary(shown: number, hidden: number): string {
  if (shown + hidden === 0) return 'No alarms are configured.';
  if (shown === 0) return hidden === 1 ? 'The alarm is normal.' : `All ${hidden} alarms are normal.`;
  if (hidden === 0) return shown === 1 ? '1 alarm.' : `${shown} alarms.`;
  return `${hidden} more ${hidden === 1 ? 'is' : 'are'} normal (--all shows ${hidden === 1 ? 'it' : 'them'}).`;
}

function row(alarm: AlarmView, context: CliContext): Cell[] {
  const { colors, clock } = context;
  const since = alarm.sinceMs === undefined ? '–' : formatAge(clock.wallMs() - alarm.sinceMs);
  return [
    plain(alarm.id),
    { text: stateText(alarm, context), paint: paintOf(alarm, colors) },
    alarm.priority,
    since,
    plain(alarm.message),
    remarks(alarm),
  ];
}

/** What is measured of an alarm, and the number by which it is acknowledged. */
function remarks({ chattering, stale, firstOut, occurrence, active, state, value }: AlarmView): string {
  // The message of one that went again is that of when it came.
  const hasGone = !active && state !== 'normal' && state !== 'suppressed' && value !== undefined;
  const words = [
    ...(hasGone ? [`now ${formatValue(jsonValue(value))}`] : []),
    ...(occurrence > 0 ? [`no. ${occurrence}`] : []),
    ...(firstOut ? ['first out'] : []),
    ...(chattering ? ['chatters'] : []),
    ...(stale ? ['over a day'] : []),
  ];
  return words.join(', ');
}

function stateText({ state, shelvedUntilMs }: AlarmView, context: CliContext): string {
  return shelvedUntilMs === undefined ? state : `${state} until ${formatTime(shelvedUntilMs, context, 'clock')}`;
}

function paintOf({ state, priority }: AlarmView, colors: Colors): (text: string) => string {
  if (state === 'normal') return colors.green;
  if (state === 'shelved' || state === 'suppressed' || state === 'out-of-service') return colors.dim;
  return priority === 'high' || priority === 'critical' ? colors.red : colors.yellow;
}

async function give(
  order: string,
  id: string | undefined,
  overview: AlarmsView,
  gateway: GatewayClient,
  options: AlarmsOptions,
  context: CliContext,
): Promise<void> {
  const words: readonly string[] = ALARM_ORDERS;
  if (!words.includes(order))
    throw new Fault(`no order ${JSON.stringify(order)}`, `Orders: ${words.join(', ')}.`, EXIT.usage);
  const before = find(id, order, overview);
  const body = { by: operator(context), ...bodyOf(order, before, options) };
  const path = `/api/v1/alarms/${encodeURIComponent(before.id)}/${order}`;
  const after = await gateway.post<AlarmView>(path, body);
  if (options.json) printJson(context, after);
  else print(context, [`${after.id}: ${stateText(after, context)}`]);
}

function find(id: string | undefined, order: string, { alarms: all }: AlarmsView): AlarmView {
  if (id === undefined) throw new Fault('which alarm?', `Write millgate alarms ${order} ID.`, EXIT.usage);
  const found = all.find((alarm) => alarm.id === id);
  if (found) return found;
  const names = all.map((alarm) => alarm.id);
  const near = nearest(id, names);
  const remedy = near ? `Did you mean ${near}?` : 'millgate alarms --all lists them.';
  throw new Fault(`no alarm ${JSON.stringify(id.slice(0, 130))}`, `${remedy}`, EXIT.usage);
}

/** An acknowledgement is of what was seen: the occurrence that was named, else the one in the list just read. */
function bodyOf(order: string, alarm: AlarmView, options: AlarmsOptions): object {
  const comment = options.comment === undefined ? {} : { comment: options.comment };
  if (order === 'shelve') {
    const forText = options.for ?? '30m';
    durationOption('for', forText);
    return { for: forText, ...comment };
  }
  if (order !== 'ack') return comment;
  const occurrence = options.occurrence === undefined ? alarm.occurrence : Number(options.occurrence);
  if (!Number.isSafeInteger(occurrence))
    throw new Fault(
      `--occurrence ${options.occurrence}: this is not a whole number`,
      'millgate alarms shows the number of each occurrence.',
      EXIT.usage,
    );
  return { occurrence, ...comment };
}

/** Who orders, for the journal: the user at the terminal. */
export function operator({ env }: CliContext): string {
  return (env.SUDO_USER || env.USER || env.LOGNAME || 'command line').slice(0, 100);
}
