/** Words production reports for a person at a terminal. */
import { lossBridge, paretoOf } from '../../core/production/loss-bridge.ts';
import {
  PRODUCTION_DOUBTS,
  type ProductionComparison,
  type ProductionReport,
} from '../../core/production/production.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { formatCount, formatSpan, formatTime, plain } from '../terminal/format.ts';
import { type Cell, type Column, renderTable } from '../terminal/table.ts';

/** A ratio in per cent, with the two decimals that reports of OEE have. */
export function percent(ratio: number | null): string {
  return ratio === null ? '–' : `${(ratio * 100).toFixed(2)} %`;
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'MACHINE', cut: 'end', minWidth: 10 },
  { title: 'SHIFT', drop: 2 },
  { title: 'OEE', align: 'right' },
  { title: 'AVAILABLE', align: 'right', drop: 3 },
  { title: 'SPEED', align: 'right', drop: 3 },
  { title: 'QUALITY', align: 'right', drop: 3 },
  { title: 'GOOD', align: 'right' },
  { title: 'UNKNOWN', align: 'right' },
];

/** Every machine in a line. */
export function listLines(machines: readonly ProductionReport[], context: CliContext): string[] {
  const rows = machines.map((report): Cell[] => [
    plain(report.machine),
    report.shift ?? '–',
    percent(report.oee),
    percent(report.availability),
    percent(report.performance),
    percent(report.quality),
    countText(report.good),
    percent(report.unknownShare),
  ]);
  return renderTable(LIST_COLUMNS, rows, tableWidth(context), context.colors.dim);
}

const BRIDGE_COLUMNS: readonly Column[] = [
  { title: '', minWidth: 24 },
  { title: 'TIME', align: 'right' },
  { title: 'PARTS', align: 'right' },
];

const STOP_COLUMNS: readonly Column[] = [
  { title: 'STOP', align: 'right' },
  { title: 'FROM' },
  { title: 'TIME', align: 'right' },
  { title: 'KIND', drop: 1 },
  { title: 'REASON', cut: 'end', minWidth: 12 },
];

/** Longest stops that a terminal shows. */
const SHOWN_STOPS = 20;

/** Reasons that a terminal shows, those with most time. */
const SHOWN_REASONS = 10;

const DAY_MS = 86_400_000;

/** One report: its ratios, where the time went, and the stops. */
export function reportLines(report: ProductionReport, context: CliContext): string[] {
  const { colors } = context;
  const head = `${plain(report.machine)}${report.shift === null ? '' : `, shift ${plain(report.shift)}`}${report.job === null ? '' : `, job ${plain(report.job)}`}`;
  const bridge = lossBridge(report).map(({ name, kind, ms, parts }): Cell[] => {
    const isLoss = kind === 'loss';
    return [
      isLoss ? `  − ${name}` : name,
      minutes(ms, isLoss),
      parts === null ? '–' : signed(parts, isLoss, countText(Math.abs(parts))),
    ];
  });
  const ratios = `OEE ${percent(report.oee)} = availability ${percent(report.availability)} × performance ${percent(report.performance)} × quality ${percent(report.quality)}`;
  return [
    colors.bold(head),
    `${formatTime(report.from, context)} to ${formatTime(report.to, context)}`,
    ratios,
    unknownLine(report, context),
    '',
    ...renderTable(BRIDGE_COLUMNS, bridge, tableWidth(context), colors.dim),
    ...hourLines(report, context),
    ...reasonLines(report, context),
    ...stopLines(report, context),
    ...figureLines(report),
    ...report.uncertain.map((why) => colors.yellow(`Doubtful: ${PRODUCTION_DOUBTS[why] ?? why}.`)),
  ];
}

function unknownLine({ unknownShare, unknownMs, noDataMs }: ProductionReport, { colors }: CliContext): string {
  const unknown =
    unknownShare === null
      ? 'No unplanned stops'
      : `${percent(unknownShare)} of the unplanned time has no reason (${formatSpan(unknownMs)})`;
  const text = `${unknown}; ${noDataMs === 0 ? 'no time without data' : `${formatSpan(noDataMs)} without data`}.`;
  return (unknownShare ?? 0) > 0.2 || noDataMs > 0 ? colors.yellow(text) : text;
}

function minutes(ms: number, isLoss: boolean): string {
  return signed(ms, isLoss, `${(Math.abs(ms) / 60_000).toFixed(1)} min`);
}

/** A loss is taken away; where it is below 0, it was a gain. */
function signed(value: number, isLoss: boolean, text: string): string {
  if (!isLoss || value === 0) return value < 0 ? `−${text}` : text;
  return `${value > 0 ? '−' : '+'}${text}`;
}

function stopLines(report: ProductionReport, context: CliContext): string[] {
  const long = report.stops.filter(({ kind }) => kind !== 'micro');
  const shown = [...long].sort((a, b) => b.ms - a.ms).slice(0, SHOWN_STOPS);
  const isOfDays = report.to - report.from > DAY_MS;
  const rows = shown.map((stop): Cell[] => [
    String(stop.n),
    formatTime(stop.from, context, isOfDays ? 'seconds' : 'clock'),
    formatSpan(stop.ms),
    stop.kind,
    stop.reason === null ? { text: 'no reason yet', paint: context.colors.yellow } : plain(stop.reason),
  ]);
  const table =
    rows.length === 0 ? [] : ['', ...renderTable(STOP_COLUMNS, rows, tableWidth(context), context.colors.dim)];
  const more = long.length > shown.length ? [`and ${long.length - shown.length} shorter stops`] : [];
  return [...table, ...more, ''];
}

const REASON_COLUMNS: readonly Column[] = [
  { title: 'REASON', cut: 'end', minWidth: 12 },
  { title: 'TIME', align: 'right' },
  { title: 'STOPS', align: 'right' },
  { title: 'EACH', align: 'right', drop: 1 },
  { title: 'SO FAR', align: 'right', drop: 2 },
];

/** Where the time went by reason, the longest first; SO FAR is the share of all of it with the lines above. */
function reasonLines(report: ProductionReport, context: CliContext): string[] {
  const all = paretoOf(report);
  const wholeMs = all.reduce((sum, { ms }) => sum + ms, 0);
  let soFarMs = 0;
  const rows = all.slice(0, SHOWN_REASONS).map(({ reason, ms, stops }): Cell[] => {
    soFarMs += ms;
    const name = reason === null ? { text: 'no reason', paint: context.colors.yellow } : plain(reason);
    const share = `${Math.round((soFarMs / Math.max(1, wholeMs)) * 100)} %`;
    return [name, formatSpan(ms), String(stops), formatSpan(ms / stops), share];
  });
  return rows.length === 0 ? [] : ['', ...renderTable(REASON_COLUMNS, rows, tableWidth(context), context.colors.dim)];
}

function figureLines(report: ProductionReport): string[] {
  const { failures, mttrMs, mtbfMs, microStops } = report;
  const between = mtbfMs === null ? '–' : formatSpan(mtbfMs);
  const repair = mttrMs === null ? '–' : formatSpan(mttrMs);
  const energy = energyText(report);
  return [
    `${failures} unplanned stops: ${repair} each (MTTR), ${between} of run time between them (MTBF); ${microStops} micro-stops.`,
    ...(energy === null ? [] : [energy]),
  ];
}

/** What the energy was, a part and in money; null without a meter. Reports of earlier versions have no cost. */
export function energyText({ energyKwh, energyCost, energyCurrency, good }: ProductionReport): string | null {
  if (energyKwh === null) return null;
  const isPriced = energyCost != null && energyCurrency != null;
  const each = (value: number): string => (good > 0 ? `, ${(value / good).toPrecision(3)}` : '');
  const kwh = `Energy ${energyKwh.toFixed(1)} kWh${good > 0 ? `${each(energyKwh)} kWh a good part` : ''}`;
  const cost = isPriced
    ? `; ${energyCost.toFixed(2)} ${energyCurrency}${good > 0 ? `${each(energyCost)} ${energyCurrency} a good part` : ''}`
    : '';
  return `${kwh}${cost}.`;
}

/** The hours of a report; those of earlier versions have none. */
export function hoursOf(hours: ProductionReport['hours'] | undefined): ProductionReport['hours'] {
  return hours ?? [];
}

const HOUR_COLUMNS: readonly Column[] = [
  { title: 'HOUR' },
  { title: 'TARGET', align: 'right' },
  { title: 'GOOD', align: 'right' },
  { title: 'BEHIND', align: 'right' },
  { title: 'REJECTS', align: 'right', drop: 1 },
];

function hourLines(report: ProductionReport, context: CliContext): string[] {
  const rows = hoursOf(report.hours).map(({ from, target, count, good }): Cell[] => [
    formatTime(from, context).slice(11, 16),
    target === null ? '–' : countText(target),
    countText(good),
    target === null ? '–' : target > good ? { text: countText(target - good), paint: context.colors.yellow } : '0',
    countText(count - good),
  ]);
  return rows.length === 0 ? [] : ['', ...renderTable(HOUR_COLUMNS, rows, tableWidth(context), context.colors.dim)];
}

const RATE_COLUMNS: readonly Column[] = [
  { title: 'RATE' },
  { title: 'MONTH', align: 'right' },
  { title: 'AGAINST', align: 'right' },
  { title: 'DIFFERENCE, 95 %', align: 'right' },
  { title: 'VERDICT' },
];

/** Two months beside one another. */
export function comparisonLines(
  { rates, shifts, againstShifts }: ProductionComparison,
  month: string,
  against: string,
  context: CliContext,
): string[] {
  const rows = rates.map(({ name, value, against: before, low, high, verdict }): Cell[] => [
    name,
    percent(value),
    percent(before),
    low === null || high === null ? '–' : `${points(low)} to ${points(high)}`,
    verdict === 'same' ? 'no more than chance' : verdict === 'unknown' ? 'too few shifts' : verdict,
  ]);
  return [
    `${month} (${shifts} shifts) against ${against} (${againstShifts} shifts)`,
    ...renderTable(RATE_COLUMNS, rows, tableWidth(context), context.colors.dim),
  ];
}

function points(difference: number): string {
  return `${difference >= 0 ? '+' : '−'}${Math.abs(difference * 100).toFixed(2)}`;
}

function countText(count: number): string {
  return Number.isInteger(count) ? formatCount(count) : String(Number(count.toFixed(3)));
}
