/** The command `alarms`: lists what stands, and passes on what an operator orders. */
import { ALARM_ORDERS, type AlarmsView, type AlarmView } from '../api/rules-view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import { findGateway, type GatewayClient } from './client.ts';
import { type CliContext, type Colors, type CommonOptions, print, printJson, tableWidth } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';
import { formatAge, formatSpan, formatTime, plain } from './terminal/format.ts';
import { type Cell, type Column, renderTable } from './terminal/table.ts';

/** Options of `alarms`. */
interface AlarmsOptions extends CommonOptions {
  /** Show those that are normal, too. */
  readonly all?: boolean;
  /** How long to shelve. */
  readonly for?: string;
  readonly comment?: string;
  readonly occurrence?: string;
}

const COLUMNS: readonly Column[] = [
  { title: 'ALARM', cut: 'end', minWidth: 12 },
  { title: 'STATE' },
  { title: 'PRIORITY', drop: 1 },
  { title: 'SINCE', align: 'right', drop: 2 },
  { title: 'MESSAGE', cut: 'end', minWidth: 20 },
];

/** Priorities, the most urgent first: in this order alarms are listed. */
const PRIORITIES: readonly AlarmView['priority'][] = ['critical', 'high', 'medium', 'low'];

/** `alarms [ORDER ID]`: the list of what stands, or an order to one of them. */
export async function alarms(
  order: string | undefined,
  id: string | undefined,
  options: AlarmsOptions,
  context: CliContext,
): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const overview = await gateway.get<AlarmsView>('/api/v1/alarms');
  if (order === undefined) list(overview, options, context);
  else await give(order, id, overview, gateway, options, context);
  return EXIT.ok;
}

function list(overview: AlarmsView, options: AlarmsOptions, context: CliContext): void {
  if (options.json) {
    printJson(context, overview);
    return;
  }
  const { colors } = context;
  const shown = overview.alarms
    .filter(({ state }) => options.all || state !== 'normal')
    .sort((one, other) => PRIORITIES.indexOf(one.priority) - PRIORITIES.indexOf(other.priority));
  const hidden = overview.alarms.length - shown.length;
  if (shown.length > 0) {
    const rows = shown.map((alarm) => row(alarm, context));
    print(context, renderTable(COLUMNS, rows, tableWidth(context), colors.dim));
  }
  if (overview.floodForMs !== undefined)
    print(context, [colors.red(`Flood for ${formatSpan(overview.floodForMs)}: more alarms than can be answered.`)]);
  print(context, [colors.dim(summary(shown.length, hidden))]);
}

function summary(shown: number, hidden: number): string {
  if (shown + hidden === 0) return 'No alarms are configured.';
  if (shown === 0) return `All ${hidden} alarms are normal.`;
  return hidden > 0 ? `${hidden} more are normal (--all shows them).` : `${shown} alarms.`;
}

function row(alarm: AlarmView, context: CliContext): Cell[] {
  const { colors, clock } = context;
  const since = alarm.sinceMs === undefined ? '–' : formatAge(clock.wallMs() - alarm.sinceMs);
  return [
    plain(alarm.id),
    { text: stateText(alarm, context), paint: paintOf(alarm, colors) },
    alarm.priority,
    since,
    plain(alarm.message) + remarks(alarm),
  ];
}

/** What is measured of an alarm, for the end of its line. */
function remarks({ chattering, stale, firstOut, occurrence }: AlarmView): string {
  const words = [
    ...(occurrence > 0 ? [`no. ${occurrence}`] : []),
    ...(firstOut ? ['first out'] : []),
    ...(chattering ? ['chatters'] : []),
    ...(stale ? ['stands for more than a day'] : []),
  ];
  return words.length === 0 ? '' : ` [${words.join(', ')}]`;
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
