/** The command `spc`: draws a control chart, or orders a new baseline. */
import type { ChartView, IndexView } from '../api/rules-view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { operator } from './alarms.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth } from './terminal/context.ts';
import { formatValue, plain } from './terminal/format.ts';
import { type Column, renderTable, wrapText } from './terminal/table.ts';

/** Lines that the chart leaves to the text below it, and its own bounds. */
const TEXT_ROWS = 10;
const CHART_ROWS = { least: 7, most: 24 };

/** How far back the verdict looks: a chart whose points go in and out is not in control because its last one is in. */
const VERDICT_POINTS = 20;

/** The signs of a drawn chart. */
const LEGEND = 'o point, X a rule holds, ^ v off the picture, ? missing, - limits, . centre';

/** `spc`: every control chart in a line. */
export async function spcList(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const { charts } = await gateway.get<{ readonly charts: readonly ChartView[] }>('/api/v1/spc');
  if (options.json) printJson(context, charts);
  else if (charts.length === 0)
    print(context, ['There are no control charts. Define them under spc: in the configuration.']);
  else {
    const rows = charts.map((chart) => [chart.id, chart.chart, plain(chart.tag), stateLines(chart, context)[0]!]);
    print(context, renderTable(LIST_COLUMNS, rows, tableWidth(context), context.colors.dim));
  }
  return EXIT.ok;
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'NAME', cut: 'end', minWidth: 12 },
  { title: 'CHART', drop: 2 },
  { title: 'TAG', drop: 1 },
  { title: 'STATE', cut: 'end', minWidth: 20 },
];

/** `spc NAME [rebase | exclude POINT…]`: a control chart drawn in the terminal, or a change of its baseline. */
export async function spc(
  name: string,
  order: string | undefined,
  points: readonly string[],
  options: CommonOptions & { readonly comment?: string },
  context: CliContext,
): Promise<ExitCode> {
  if (order !== undefined && order !== 'rebase' && order !== 'exclude')
    throw new Fault(
      `there is no order ${JSON.stringify(order)}`,
      `Write millgate spc ${name} rebase, or millgate spc ${name} exclude POINT…`,
      EXIT.usage,
    );
  if (
    order === 'exclude'
      ? points.length === 0 || !points.every((point) => /^[1-9]\d{0,9}$/.test(point))
      : points.length > 0
  )
    throw new Fault(
      'the points are missing or are no numbers',
      `Write for example millgate spc ${name} exclude 4 17.`,
      EXIT.usage,
    );
  const gateway = await findGateway(options, context);
  const path = `/api/v1/spc/${encodeURIComponent(name)}`;
  const comment = options.comment === undefined ? {} : { comment: options.comment };
  if (order === 'exclude') {
    const body = { by: operator(context), points: points.map(Number), ...comment };
    const chart = await gateway.post<ChartView>(`${path}/exclude`, body);
    if (options.json) printJson(context, chart);
    else print(context, [`${chart.id}: limits ${chart.limits} without the points ${points.join(', ')}.`]);
    return EXIT.ok;
  }
  if (order === 'rebase') {
    const chart = await gateway.post<ChartView>(`${path}/rebase`, { by: operator(context), ...comment });
    if (options.json) printJson(context, chart);
    else print(context, [`${chart.id}: a new baseline of ${chart.baseline.needed} points begins.`]);
    return EXIT.ok;
  }
  const rows = Math.min(CHART_ROWS.most, Math.max(CHART_ROWS.least, context.rows() - TEXT_ROWS));
  const columns = Math.min(1000, Math.max(20, context.columns()));
  const chart = await gateway.get<ChartView>(options.json ? path : `${path}?columns=${columns}&rows=${rows}`);
  if (options.json) printJson(context, chart);
  else print(context, chartLines(chart, context));
  return EXIT.ok;
}

function chartLines(chart: ChartView, context: CliContext): string[] {
  const { colors } = context;
  const unit = chart.unit === undefined ? '' : `, ${plain(chart.unit)}`;
  const limits = chart.limits === undefined ? '' : `, limits ${chart.limits}`;
  return [
    colors.bold(`${chart.id}: ${chart.chart} of ${plain(chart.tag)}${unit}${limits}`),
    ...(chart.text === undefined ? [] : [...chart.text.split('\n'), ...wrapText(LEGEND, context.columns())]),
    ...stateLines(chart, context),
    ...capabilityLines(chart, context),
  ];
}

function stateLines({ phase, baseline, signals, points }: ChartView, { colors }: CliContext): string[] {
  if (phase === 1)
    return [colors.yellow(`Baseline: ${baseline.collected} of ${baseline.needed} points; nothing is judged before.`)];
  const last = points.at(-1);
  if (signals.length > 0)
    return [colors.red(`Out of control: ${signals.join(', ')}${last ? ` at point ${last.point}` : ''}.`)];
  if (points.length === 0) return [colors.green('The last point is in control.')];
  const recent = points.slice(-VERDICT_POINTS);
  const signalled = recent.filter(({ rules }) => rules.length > 0);
  const newest = signalled.at(-1);
  if (!newest) return [colors.green('In control.')];
  const held = `a rule held at ${signalled.length} of the last ${recent.length} points`;
  return [
    colors.yellow(`The last point is in control; ${held} (last: ${newest.rules.join(', ')} at point ${newest.point}).`),
  ];
}

function capabilityLines({ capability }: ChartView, context: CliContext): string[] {
  const { status, reasons, indices } = capability;
  const shown = Object.entries(indices).map(([name, index]) => `${title(name)} ${indexText(index)}`);
  const head = status === 'published' ? 'Capability' : `Capability (${status})`;
  const because = reasons.length === 0 ? '' : ` ${reasons.join('; ')}.`;
  const lines = shown.length === 0 ? [] : [`${head}, 95 %: ${shown.join(', ')}.`];
  const why = because === '' ? [] : [shown.length === 0 ? `${head}:${because}` : because.trim()];
  return [...lines, ...why].flatMap((line) => wrapText(line, context.columns()));
}

function title(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function indexText({ value, low, high }: IndexView): string {
  return `${digits(value)} (${digits(low)}–${digits(high)})`;
}

function digits(value: number): string {
  return formatValue(Number(value.toPrecision(3)));
}
