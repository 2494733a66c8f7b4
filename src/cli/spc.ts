/** The command `spc`: draws a control chart, or orders a new baseline. */
import type { ChartView, IndexView } from '../api/rules-view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { operator } from './alarms.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson } from './terminal/context.ts';
import { formatValue, plain } from './terminal/format.ts';
import { wrapText } from './terminal/table.ts';

/** Lines that the chart leaves to the text below it, and its own bounds. */
const TEXT_ROWS = 10;
const CHART_ROWS = { least: 7, most: 24 };

/** `spc NAME [rebase]`: a control chart drawn in the terminal, or a new baseline for it. */
export async function spc(
  name: string,
  order: string | undefined,
  options: CommonOptions & { readonly comment?: string },
  context: CliContext,
): Promise<ExitCode> {
  if (order !== undefined && order !== 'rebase')
    throw new Fault(`no order ${JSON.stringify(order)}. Write millgate spc ${name} rebase.`, EXIT.usage);
  const gateway = await findGateway(options, context);
  const path = `/api/v1/spc/${encodeURIComponent(name)}`;
  if (order === 'rebase') {
    const comment = options.comment === undefined ? {} : { comment: options.comment };
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
    ...(chart.text === undefined ? [] : chart.text.split('\n')),
    ...stateLines(chart, context),
    ...capabilityLines(chart, context),
  ];
}

function stateLines({ phase, baseline, signals, points }: ChartView, { colors }: CliContext): string[] {
  if (phase === 1)
    return [colors.yellow(`Baseline: ${baseline.collected} of ${baseline.needed} points; nothing is judged before.`)];
  if (points.length === 0) return ['No points yet.'];
  if (signals.length > 0)
    return [colors.red(`Out of control: ${signals.join(', ')} at point ${points.at(-1)!.point}.`)];
  return [colors.green('In control.')];
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
