/** Writes a production report as a page to print (one A4 page, without any foreign request) and as CSV. */
import { type BridgeStep, lossBridge, paretoOf } from '../../core/production/loss-bridge.ts';
import { PRODUCTION_DOUBTS, type ProductionReport } from '../../core/production/production.ts';
import type { CliContext } from '../terminal/context.ts';
import { formatCount, formatSpan, formatTime } from '../terminal/format.ts';
import { energyText, hoursOf, percent } from './oee-text.ts';

/** What one page has room for. */
const PAGE_STOPS = 12;
const PAGE_REASONS = 8;
const HOURS_A_ROW = 12;

const STYLE = `@page{size:A4;margin:14mm}*{box-sizing:border-box}body{font:11pt/1.35 system-ui,sans-serif;color:#111;max-width:182mm;margin:0 auto;padding:4mm}
h1{font-size:17pt;margin:0}h2{font-size:11.5pt;margin:5mm 0 1mm;border-bottom:1px solid #999}p{margin:1mm 0}
.k{display:flex;gap:4mm;margin:3mm 0}.k div{flex:1;border:1px solid #999;border-radius:2mm;padding:2mm;text-align:center}.k b{display:block;font-size:17pt}
.w{border-color:#a40000!important;color:#a40000}table{border-collapse:collapse;width:100%;font-size:9.5pt}th{text-align:left;font-weight:600}td,th{padding:.4mm 2mm;border-bottom:1px solid #ddd}
.r{text-align:right;font-variant-numeric:tabular-nums}.l td{font-weight:600;background:#f0f0f0}.b{height:2.6mm;background:#2c6e9b;display:block;print-color-adjust:exact}.c{display:grid;grid-template-columns:1fr 1fr;gap:6mm}`;

/** A page of HTML, at most 60 kB. */
export function reportPage(report: ProductionReport, context: CliContext): string {
  const { machine, shift, job } = report;
  const when = `${formatTime(report.from, context, 'seconds')} to ${formatTime(report.to, context, 'seconds')}`;
  const title = `${machine}${shift === null ? '' : `, shift ${shift}`}${job === null ? '' : `, job ${job}`}`;
  const isUnknown = (report.unknownShare ?? 0) > 0.2 || report.noDataMs > 0;
  const tiles = [
    ['OEE', percent(report.oee)],
    ['availability', percent(report.availability)],
    ['performance', percent(report.performance)],
    ['quality', percent(report.quality)],
    ['good parts', count(report.good)],
  ].map(([name, value]) => `<div><b>${html(value!)}</b>${name}</div>`);
  const unknown = `<div${isUnknown ? ' class="w"' : ''}><b>${percent(report.unknownShare)}</b>of unplanned time without a reason</div>`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${html(title)}</title><style>${STYLE}</style></head><body>
<h1>${html(title)}</h1><p>${html(when)}</p><div class="k">${tiles.join('')}${unknown}</div>
<h2>From planned time to good parts</h2>${bridgeTable(report)}
${hourTable(report, context)}<div class="c"><div><h2>Where the time went</h2>${paretoTable(report)}</div><div><h2>Longest stops</h2>${stopTable(report, context)}</div></div>
<h2>Figures</h2>${figures(report)}${report.uncertain.map((why) => `<p class="w">Doubtful: ${html(PRODUCTION_DOUBTS[why] ?? why)}.</p>`).join('')}
</body></html>\n`;
}

function bridgeTable(report: ProductionReport): string {
  const rows = lossBridge(report).map(({ name, kind, ms, parts }: BridgeStep) => {
    const share = report.plannedMs > 0 ? Math.min(100, Math.max(0, (Math.abs(ms) / report.plannedMs) * 100)) : 0;
    const sign = kind === 'loss' ? '−' : '';
    const cells = [
      `<td>${sign === '' ? '' : '− '}${name}</td>`,
      `<td class="r">${signed(sign, ms / 60_000, 1)}</td>`,
      `<td class="r">${parts === null ? '–' : signed(sign, parts, 0)}</td>`,
      `<td style="width:35%"><i class="b" style="width:${share.toFixed(1)}%"></i></td>`,
    ];
    return `<tr${kind === 'level' ? ' class="l"' : ''}>${cells.join('')}</tr>`;
  });
  return `<table><tr><th></th><th class="r">minutes</th><th class="r">parts</th><th></th></tr>${rows.join('')}</table>`;
}

function signed(sign: string, value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  if (sign === '') return text;
  return value < 0 ? `+${text}` : value === 0 ? text : `${sign}${text}`;
}

/** Hour by hour, side by side where there are many: a day of them has room, too. */
function hourTable({ hours }: ProductionReport, context: CliContext): string {
  const all = hoursOf(hours);
  if (all.length === 0) return '';
  const row = (title: string, cells: readonly (string | null)[]): string =>
    `<tr><th>${title}</th>${cells.map((cell) => `<td class="r">${cell ?? '–'}</td>`).join('')}</tr>`;
  const lines = chunks(all, HOURS_A_ROW).map((some) => [
    row(
      'hour from',
      some.map(({ from }) => html(formatTime(from, context).slice(11, 16))),
    ),
    row(
      'target',
      some.map(({ target }) => target?.toString() ?? null),
    ),
    row(
      'good parts',
      some.map(({ good }) => count(good)),
    ),
    row(
      'behind',
      some.map(({ target, good }) => (target === null ? null : count(target - good))),
    ),
  ]);
  return `<h2>Hour by hour</h2>${lines.map((rows) => `<table>${rows.join('')}</table>`).join('')}`;
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}

function paretoTable(report: ProductionReport): string {
  const all = paretoOf(report);
  const most = all[0]?.ms ?? 1;
  const rows = all.slice(0, PAGE_REASONS).map(({ reason, ms, stops }) => {
    const width = ((ms / most) * 100).toFixed(1);
    return `<tr><td>${html(reason ?? 'no reason')}</td><td class="r">${(ms / 60_000).toFixed(1)} min</td><td class="r">${stops}×</td><td style="width:25%"><i class="b" style="width:${width}%"></i></td></tr>`;
  });
  return rows.length === 0 ? '<p>No stops.</p>' : `<table>${rows.join('')}</table>`;
}

function stopTable(report: ProductionReport, context: CliContext): string {
  const long = report.stops.filter(({ kind }) => kind !== 'micro').sort((a, b) => b.ms - a.ms);
  const rows = long.slice(0, PAGE_STOPS).map(({ n, from, ms, reason }) => {
    const at = formatTime(from, context, 'seconds').slice(5, 16);
    return `<tr><td class="r">${n}</td><td>${html(at)}</td><td class="r">${(ms / 60_000).toFixed(1)} min</td><td>${html(reason ?? 'no reason')}</td></tr>`;
  });
  const more = long.length > PAGE_STOPS ? `<p>and ${long.length - PAGE_STOPS} shorter ones</p>` : '';
  return rows.length === 0 ? '<p>No stops.</p>' : `<table>${rows.join('')}</table>${more}`;
}

function figures(report: ProductionReport): string {
  const { failures, mttrMs, mtbfMs, microStops, microStopMs, reject } = report;
  const span = (ms: number | null): string => (ms === null ? '–' : formatSpan(ms));
  const energy = energyText(report);
  return `<p>${failures} unplanned stops; MTTR ${span(mttrMs)} (unplanned time ÷ stops), MTBF ${span(mtbfMs)} (run time ÷ stops). ${microStops} micro-stops, ${span(microStopMs)}. ${count(report.count)} parts, ${count(reject)} rejects.${energy === null ? '' : ` ${html(energy)}`} ${span(report.noDataMs)} without data.</p>`;
}

function count(value: number): string {
  return Number.isInteger(value) ? formatCount(value) : String(Number(value.toFixed(3)));
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Every figure of a report on a line of its own, then the bridge, the hours and the stops; `section,name,value,…`. */
export function reportCsv(report: ProductionReport): string {
  const { stops, uncertain, hours, ...figuresOf } = report;
  const rows: (string | number | null)[][] = [
    ['section', 'name', 'value', 'parts', 'from', 'to', 'kind', 'reason'],
    ...Object.entries(figuresOf).map(([name, value]) => ['figure', name, value]),
    ['figure', 'uncertain', uncertain.join(' ')],
    ...lossBridge(report).map(({ name, kind, ms, parts }) => [`bridge-${kind}`, name, ms, parts]),
    ...hoursOf(hours).flatMap(({ from, to, target, count, good }, index) =>
      Object.entries({ target, count, good }).map(([name, value]) => [
        `hour-${name}`,
        index + 1,
        value,
        null,
        from,
        to,
      ]),
    ),
    ...stops.map(({ n, from, to, ms, kind, reason }) => ['stop', n, ms, null, from, to, kind, reason]),
  ];
  return `${rows.map((row) => row.map(cell).join(',')).join('\n')}\n`;
}

/** A cell; a text that a spreadsheet would take for a formula stands behind an apostrophe. */
function cell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",;\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
