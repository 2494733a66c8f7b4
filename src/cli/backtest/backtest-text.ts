/** Words the result of a backtest for a person. */
import type { BacktestResult } from '../../backtest/run.ts';
import type { AlarmSummary, ChartSummary, RuleSummary } from '../../backtest/summary.ts';
import { listLines } from '../oee/oee-text.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { formatCount, formatSpan, formatTime, plain } from '../terminal/format.ts';
import { type Cell, type Column, renderTable } from '../terminal/table.ts';

const DAY_MS = 86_400_000;

/** A shift's worth of calls that one person can answer: about one in ten minutes (EEMUA 191). */
const BEARABLE_A_DAY = 144;

const ALARM_COLUMNS: readonly Column[] = [
  { title: 'ALARM', cut: 'end', minWidth: 12 },
  { title: 'PRIORITY', drop: 2 },
  { title: 'RAISED', align: 'right' },
  { title: 'A DAY', align: 'right', drop: 3 },
  { title: 'ACTIVE', align: 'right' },
  { title: 'LONGEST', align: 'right', drop: 4 },
  { title: 'FIRST', drop: 1 },
];

const CHART_COLUMNS: readonly Column[] = [
  { title: 'CHART', cut: 'end', minWidth: 12 },
  { title: 'POINTS', align: 'right', drop: 2 },
  { title: 'SIGNALS', align: 'right' },
  { title: 'RULES', cut: 'end', minWidth: 10 },
  { title: 'FIRST', drop: 1 },
];

const MAINTENANCE_COLUMNS: readonly Column[] = [
  { title: 'MAINTENANCE', cut: 'end', minWidth: 12 },
  { title: 'STATE' },
  { title: 'SAMPLES', align: 'right', drop: 1 },
  { title: 'FOUND', cut: 'end', minWidth: 8 },
  { title: 'REMARK', cut: 'end', minWidth: 12 },
];

/** A backtest for a person: what each rule would have done, and where two configurations differ. */
export function backtestLines(
  result: BacktestResult,
  against: { readonly result: BacktestResult; readonly lines: readonly string[] } | undefined,
  source: string,
  context: CliContext,
): string[] {
  const { colors } = context;
  const { span, readings } = result;
  const lengthMs = span ? span.toMs - span.fromMs : 0;
  const head = span
    ? [
        `${formatCount(readings)} readings of ${plain(source)},`,
        `${formatTime(span.fromMs, context)} to ${formatTime(span.toMs, context)} (${formatSpan(lengthMs)}).`,
      ]
    : [];
  const machines = Object.values(result.production);
  const parts = result.events.filter(({ body }) => body.kind === 'quality' && body.what === 'part');
  const counted = machines.length + result.maintenance.length + result.inventory.length + parts.length;
  if (result.summary.length + counted === 0 && !against)
    return [
      ...head,
      'The configuration has no rules: add some under alarms:, spc:, production:, maintenance:, parts: or inventory:.',
    ];
  if (against)
    return [...head, ...against.lines.map(plain), '', ...comparison(result.summary, against.result.summary, context)];
  return [
    ...head,
    ...tableOf(result.summary.filter(isAlarm), ALARM_COLUMNS, (each) => alarmRow(each, lengthMs, context), context),
    ...tableOf(result.summary.filter(isChart), CHART_COLUMNS, (each) => chartRow(each, context), context),
    ...(result.summary.some((each) => isAlarm(each) && each.raised > 0 && each.active)
      ? [colors.dim('… is still active at the last reading.')]
      : []),
    ...(machines.length === 0 ? [] : ['', ...listLines(machines, context)]),
    ...maintenanceLines(result, context),
    ...scannedLines(result, parts),
    ...loadLines(result.summary.filter(isAlarm), lengthMs, context),
    colors.dim('--json gives every event.'),
  ];
}

/** What is to be maintained, as it stands at the end. */
function maintenanceLines({ maintenance, events }: BacktestResult, context: CliContext): string[] {
  const rows = maintenance.map(({ id, state, samples, why }): Cell[] => {
    const own = events.flatMap(({ body }) => (body.kind === 'maintenance' && body.id === id ? [body.change] : []));
    return [plain(id), state, String(samples), own.join(', ') || '–', why ?? ''];
  });
  return tableOf(rows, MAINTENANCE_COLUMNS, (row) => row, context);
}

/** What was made of scans: results of parts, and levels of stocks. */
function scannedLines({ inventory }: BacktestResult, parts: BacktestResult['events']): string[] {
  const stations = new Map<string, Record<string, number>>();
  for (const { body } of parts) {
    const { station, result } = body as Readonly<Record<string, unknown>>;
    const sums = stations.get(String(station)) ?? { pass: 0, fail: 0, incomplete: 0 };
    stations.set(String(station), { ...sums, [String(result)]: (sums[String(result)] ?? 0) + 1 });
  }
  const stationLines = [...stations].map(
    ([name, { pass, fail, incomplete }]) =>
      `${plain(name)}: ${pass} parts pass, ${fail} fail, ${incomplete} are incomplete.`,
  );
  const stockLines = inventory.flatMap(({ inventory: stock, items }) =>
    items.map(
      ({ code, name, level, reorder }) => `${stock}: ${plain(name ?? code)}: ${level}${reorder ? ' (reorder)' : ''}`,
    ),
  );
  return stationLines.length + stockLines.length === 0 ? [] : ['', ...stationLines, ...stockLines];
}

function tableOf<T>(
  all: readonly T[],
  columns: readonly Column[],
  row: (each: T) => Cell[],
  context: CliContext,
): string[] {
  return all.length === 0 ? [] : ['', ...renderTable(columns, all.map(row), tableWidth(context), context.colors.dim)];
}

function alarmRow(alarm: AlarmSummary, lengthMs: number, context: CliContext): Cell[] {
  const { colors } = context;
  const { id, priority, raised, activeMs, longestMs, first, mostInMinute, active } = alarm;
  const chatters = mostInMinute >= 3;
  return [
    plain(id),
    priority,
    { text: `${raised}${chatters ? ' (chatters)' : ''}`, paint: chatters ? colors.red : (text) => text },
    lengthMs < SHORTEST_RATE_MS && raised > 0 ? 'too short' : perDay(raised, lengthMs),
    raised === 0 ? '–' : `${formatSpan(activeMs)}${active ? ' …' : ''}`,
    raised === 0 ? '–' : formatSpan(longestMs),
    first === null ? '–' : formatTime(first, context),
  ];
}

function chartRow({ id, points, signals, rules, first }: ChartSummary, context: CliContext): Cell[] {
  const words = Object.entries(rules).map(([rule, count]) => (count > 1 ? `${rule} ×${count}` : rule));
  return [
    plain(id),
    String(points),
    String(signals),
    words.join(', ') || '–',
    first === null ? '–' : formatTime(first, context),
  ];
}

/** From less than this nothing can be said of a day, ms. */
const SHORTEST_RATE_MS = 3_600_000;

function perDay(count: number, lengthMs: number): string {
  if (count === 0) return '0';
  if (lengthMs <= 0) return '–';
  const rate = (count * DAY_MS) / lengthMs;
  return rate >= 10 ? String(Math.round(rate)) : rate.toPrecision(2);
}

/** Whether anybody could answer that many. */
function loadLines(alarms: readonly AlarmSummary[], lengthMs: number, { colors }: CliContext): string[] {
  const calls = alarms.reduce((sum, { raised }) => sum + raised, 0);
  if (lengthMs < SHORTEST_RATE_MS || (calls * DAY_MS) / lengthMs <= BEARABLE_A_DAY || calls < 10) return [''];
  const message = `${perDay(calls, lengthMs)} calls a day are more than one person can answer (${BEARABLE_A_DAY}).`;
  return ['', colors.yellow(`${message} Add deadbands and delays, or move limits.`)];
}

const COMPARISON_COLUMNS: readonly Column[] = [
  { title: 'RULE', cut: 'end', minWidth: 12 },
  { title: 'HERE', align: 'right' },
  { title: 'AGAINST', align: 'right' },
  { title: 'ACTIVE HERE', align: 'right', drop: 1 },
  { title: 'ACTIVE AGAINST', align: 'right', drop: 2 },
];

function comparison(here: readonly RuleSummary[], against: readonly RuleSummary[], context: CliContext): string[] {
  const { colors } = context;
  const names = [...new Set([...here, ...against].map(keyOf))];
  const rows = names.map((name): Cell[] => {
    const [a, b] = [here, against].map((side) => side.find((each) => keyOf(each) === name));
    const [countA, countB] = [countOf(a), countOf(b)];
    const paint = countA === countB ? (text: string) => text : colors.yellow;
    return [name, { text: countA, paint }, { text: countB, paint }, activeOf(a), activeOf(b)];
  });
  return renderTable(COMPARISON_COLUMNS, rows, tableWidth(context), colors.dim);
}

function keyOf({ kind, id }: RuleSummary): string {
  return kind === 'spc' ? `spc ${plain(id)}` : plain(id);
}

function countOf(summary: RuleSummary | undefined): string {
  if (!summary) return 'none';
  return String(summary.kind === 'alarm' ? summary.raised : summary.signals);
}

function activeOf(summary: RuleSummary | undefined): string {
  return summary?.kind === 'alarm' && summary.raised > 0 ? formatSpan(summary.activeMs) : '–';
}

function isAlarm(summary: RuleSummary): summary is AlarmSummary {
  return summary.kind === 'alarm';
}

function isChart(summary: RuleSummary): summary is ChartSummary {
  return summary.kind === 'spc';
}
