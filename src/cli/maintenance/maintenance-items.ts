/** The command `maintenance`: what is to be done when, and that it was done. */

import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { MaintenanceReport } from '../../core/rules/maintenance.ts';
import { operator } from '../alarms.ts';
import { findGateway } from '../client.ts';
import { loadOrFail } from '../configuration.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { formatTime, formatValue } from '../terminal/format.ts';
import { type Cell, type Column, renderTable } from '../terminal/table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'NAME', cut: 'end', minWidth: 12 },
  { title: 'STATE' },
  { title: 'NOW', align: 'right' },
  { title: 'OF', align: 'right', drop: 2 },
  { title: 'ZONE', drop: 3 },
  { title: 'DUE', drop: 1 },
  { title: 'REMARK', cut: 'end', minWidth: 16 },
];

/** `maintenance [done NAME]`: every item in a line, or an order that its work was done. */
export async function maintenance(
  order: string | undefined,
  name: string | undefined,
  options: CommonOptions & { readonly comment?: string },
  context: CliContext,
): Promise<ExitCode> {
  if (order !== undefined && (order !== 'done' || name === undefined))
    throw new Fault(
      order === 'done' ? 'the name of the item is missing' : `there is no order ${JSON.stringify(order)}`,
      'Write millgate maintenance done NAME; millgate maintenance lists the names.',
      EXIT.usage,
    );
  if (order === 'done' && name !== undefined) {
    const gateway = await findGateway(options, context);
    const body = { by: operator(context), ...(options.comment !== undefined && { comment: options.comment }) };
    const report = await gateway.post<MaintenanceReport>(`/api/v1/maintenance/${encodeURIComponent(name)}/done`, body);
    if (options.json) printJson(context, report);
    else print(context, [`${report.id}: done; it begins anew.`]);
    return EXIT.ok;
  }
  const all = await reports(options, context);
  if (options.json) printJson(context, all);
  else if (all.length === 0)
    print(context, ['There is nothing to maintain. Define it under maintenance: in the configuration.']);
  else {
    const rows = all.map((report) => rowOf(report, context));
    print(context, renderTable(COLUMNS, rows, tableWidth(context), context.colors.dim));
  }
  return EXIT.ok;
}

/** Of the gateway if it runs, else as it left them in its store. */
async function reports(options: CommonOptions, context: CliContext): Promise<readonly MaintenanceReport[]> {
  try {
    const gateway = await findGateway(options, context);
    return (await gateway.get<{ readonly maintenance: readonly MaintenanceReport[] }>('/api/v1/maintenance'))
      .maintenance;
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
  }
  const config = await loadOrFail(options, context);
  const store = await openStopped(config, context);
  try {
    const { stoppedRules } = await import('../../gateway/rules.ts');
    const { maintenance } = await stoppedRules(config, store, context.clock);
    warn(context, ['millgate: the gateway does not run: this is what it left in its store.']);
    return maintenance;
  } finally {
    await store.close();
  }
}

function rowOf(report: MaintenanceReport, context: CliContext): Cell[] {
  const { colors } = context;
  const { id, state, zone, why } = report;
  const paint = { ok: colors.green, due: colors.yellow, overdue: colors.red }[state];
  const now = report.kind === 'limit' ? report.value : report.used;
  const end = report.kind === 'limit' ? report.limit : report.every;
  return [
    id,
    { text: state, paint },
    amountText(report.kind, now),
    amountText(report.kind, end),
    zone ?? '–',
    dueText(report, context),
    why ?? '',
  ];
}

function amountText(kind: MaintenanceReport['kind'], amount: number | null): string {
  if (amount === null) return '–';
  if (kind === 'runtime')
    return amount < 3_600_000 ? formatDuration(amount) : `${formatValue(Math.round(amount / 360_000) / 10)}h`;
  return formatValue(Number(amount.toPrecision(6)));
}

/** When it is due; of a trend from the earliest to the latest. */
function dueText({ dueAt, earliest, latest }: MaintenanceReport, context: CliContext): string {
  const day = (ms: number): string => formatTime(ms, context).slice(0, 10);
  if (earliest !== null && latest !== null) return `${day(earliest)} … ${day(latest)}`;
  return dueAt === null ? '–' : day(dueAt);
}
