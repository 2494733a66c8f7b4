/** Words the forecast of a configuration for a person. */
import type { JsonReading } from '../../api/json.ts';
import type { ChannelForecast, Forecast, PeriodForecast, TagForecast } from '../../config/forecast/forecast.ts';
import type { RulesForecast } from '../../config/forecast/forecast-rules.ts';
import { formatDuration, formatSize } from '../../core/quantity.ts';
import type { Finding } from '../../doctor/finding.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { byQuality, formatValue, plain, qualityText } from '../terminal/format.ts';
import { type Cell, renderTable, wrapText } from '../terminal/table.ts';

/** The part of the context that a page of text needs. */
type Page = Pick<CliContext, 'columns' | 'colors' | 'hostname' | 'isTerminal'>;

/** Text is not wrapped narrower than this, columns. */
const NARROWEST = 20;

/** What a configuration will do, and what else is known of it. */
export interface CheckReport {
  readonly forecast: Forecast;
  /** What is missing on this machine. */
  readonly machine: readonly Finding[];
  /** The tags as they were read now, by name; undefined: not asked for. */
  readonly readings: ReadonlyMap<string, JsonReading> | undefined;
}

/** A forecast for people: aligned, the numbers first and the trouble named. */
export function checkLines({ forecast, machine, readings }: CheckReport, context: Page): string[] {
  return [
    ...forecast.channels.flatMap((channel) => [...channelLines(channel, context), '']),
    ...tagLines(forecast.tags, readings, context),
    ...neverWrittenLines(forecast.neverWritten, context),
    ...servedLines(forecast.served, context),
    ...ruleLines(forecast.rules, context),
    '',
    ...storeLines(forecast, context),
    ...machineLines(machine, context),
  ];
}

function channelLines(channel: ChannelForecast, context: Page): string[] {
  const { devices, periods, eventfulTags } = channel;
  const { colors } = context;
  const count = `${devices} ${devices === 1 ? 'device' : 'devices'}`;
  const head = wrapText(`${channel.channel} (${channel.driver}), ${count}`, widthOf(context, 0));
  const table =
    periods.length === 0
      ? []
      : renderTable(
          [
            { title: '  every' },
            { title: 'tags', align: 'right' },
            { title: 'requests', align: 'right', drop: 1 },
            { title: 'line time', align: 'right', drop: 2 },
            { title: 'of period', align: 'right' },
          ],
          periods.map(periodRow),
          tableWidth(context),
          colors.dim,
        );
  const events =
    eventfulTags === 0 ? [] : indented(`${eventfulTags} on change, not counted in the numbers below`, context);
  return [
    ...head.map(colors.bold),
    ...table,
    ...events,
    ...verdictLines(channel, context),
    ...slowestLines(channel, context),
  ];
}

function periodRow({ everyMs, tags, requests, lineMs, utilisation }: PeriodForecast): string[] {
  const every = everyMs === 0 ? 'no pause' : formatDuration(everyMs);
  const share = everyMs === 0 ? 'the rest' : percent(utilisation);
  return [`  ${every}`, String(tags), String(requests), lineMs === 0 ? '0 ms' : formatDuration(lineMs), share];
}

/** The requests that take longest, with the tags they read: one where all is well, more where time is short. */
function slowestLines({ periods, verdict }: ChannelForecast, context: Page): string[] {
  const slowest = periods
    .flatMap((period) => period.slowest.map((request) => ({ ...request, everyMs: period.everyMs })))
    .sort((a, b) => b.lineMs - a.lineMs)
    .slice(0, verdict === 'ok' ? 1 : 3);
  return slowest.flatMap(({ text, lineMs, tags, everyMs }, index) => {
    const names = tags.slice(0, 3).join(', ');
    const more = tags.length > 3 ? ` and ${tags.length - 3} more` : '';
    const each = everyMs === 0 ? '' : ` each ${formatDuration(everyMs)}`;
    const line = `${index === 0 ? 'slowest: ' : 'then '}${text}, ${formatDuration(lineMs)}${each}: ${names}${more}`;
    return indented(plain(line), context);
  });
}

function verdictLines({ utilisation, verdict, advice, periods }: ChannelForecast, context: Page): string[] {
  const { colors } = context;
  const line = `line in use ${percent(utilisation)} of the time`;
  if (verdict === 'ok') return periods.some(({ everyMs }) => everyMs > 0) ? indented(line, context) : [];
  if (verdict === 'tight')
    return indented(`WARNING: ${line}; a retry or a slow device will cost scans: ${advice}`, context).map(
      colors.yellow,
    );
  const needs = (utilisation * 1000).toFixed(0);
  return indented(
    `TOO MUCH: the periods ask for ${percent(utilisation)} of the line's time (${needs} ms each second), so scans will be skipped: ${advice}`,
    context,
  ).map(colors.red);
}

function tagLines(tags: readonly TagForecast[], readings: CheckReport['readings'], context: Page): string[] {
  const { colors } = context;
  const isScaled = tags.some(({ scale }) => scale !== undefined);
  const isWritable = tags.some(({ writable }) => writable !== undefined);
  const rows = tags.map(({ tag, address, unit, everyMs, scale, writable, ...shown }): Cell[] => {
    const every = everyMs === undefined ? 'on change' : everyMs === 0 ? 'no pause' : formatDuration(everyMs);
    const reading = readings?.get(tag);
    const value: Cell[] = readings ? [formatValue(reading?.value, shown)] : [];
    const quality: Cell[] = readings ? [qualityCell(reading, context)] : [];
    const more = [...(isScaled ? [scale ?? ''] : []), ...(isWritable ? [writable ?? ''] : [])];
    return [`  ${tag}`, ...value, plain(unit ?? ''), ...quality, every, ...more, plain(address)];
  });
  // The address, which is cut and left out first, comes last.
  const columns = [
    { title: 'Tags', cut: 'start', minWidth: 20 } as const,
    ...(readings ? [{ title: 'value', align: 'right', cut: 'end', minWidth: 16 } as const] : []),
    { title: 'unit', drop: 1 },
    ...(readings ? [{ title: 'quality', cut: 'end', minWidth: 20 } as const] : []),
    { title: 'every', drop: 2 },
    ...(isScaled ? [{ title: 'scale', cut: 'end', minWidth: 5, drop: 4 } as const] : []),
    ...(isWritable ? [{ title: 'writable', drop: 3 }] : []),
    { title: 'address', cut: 'end', minWidth: 12, drop: 5 } as const,
  ];
  return renderTable(columns, rows, tableWidth(context), colors.dim);
}

function neverWrittenLines(tags: readonly string[], context: Page): string[] {
  if (tags.length === 0) return [];
  const names = `${tags.slice(0, 3).join(', ')}${tags.length > 3 ? ` and ${tags.length - 3} more` : ''}`;
  return [
    ...indented(`hint: ${names} may be written by the file, but nothing writes: commands are off`, context),
    ...indented('→ Write commands: {enabled: true} to write by hand, or remove writable.', context),
  ];
}

/** What masters find at the Modbus server. */
function servedLines(served: Forecast['served'], context: Page): string[] {
  if (served.length === 0) return [];
  const rows = served.map(({ place, what, staleMs }) => [
    `  ${plain(place)}`,
    plain(what),
    staleMs === undefined ? '' : formatDuration(staleMs),
  ]);
  const columns = [
    { title: 'Modbus server', cut: 'end', minWidth: 20 } as const,
    { title: 'what is there', cut: 'end', minWidth: 20 } as const,
    { title: 'until', drop: 1 },
  ];
  return ['', ...renderTable(columns, rows, tableWidth(context), context.colors.dim)];
}

function qualityCell(reading: JsonReading | undefined, { colors }: Page): Cell {
  const text = reading ? qualityText(reading) : 'not read';
  return { text, paint: (padded) => byQuality(colors, reading?.quality ?? 'bad', padded) };
}

function ruleLines(
  { derived, alarms, instruments, charts, judgedTags, scanned, machines, doubts }: RulesForecast,
  context: Page,
): string[] {
  const rows = derived.map(({ tag, unit, from }) => [`  ${tag}`, plain(unit ?? ''), `from ${from.join(', ')}`]);
  const columns = [
    { title: 'Computed tags', cut: 'start', minWidth: 20 } as const,
    { title: 'unit', drop: 1 },
    { title: '', cut: 'end', minWidth: 12 } as const,
  ];
  const { colors } = context;
  const computed = rows.length === 0 ? [] : ['', ...renderTable(columns, rows, tableWidth(context), colors.dim)];
  const told = [...machines.map(({ machine, says }) => ({ what: `Production of ${machine}`, says })), ...scanned];
  const counted = told.flatMap(({ what, says }) => [
    '',
    colors.dim(plain(what)),
    ...says.flatMap((each) => indented(plain(each), context)),
  ]);
  const doubted = doubts.flatMap(({ rule, why, remedy }) =>
    indented(plain(`WARNING: ${rule} ${why}: ${remedy}`), context).map(colors.yellow),
  );
  if (alarms + charts === 0) return [...computed, ...counted, ...doubted];
  const dead = instruments === 0 ? '' : `, ${instruments} more for the instruments they watch`;
  const own = `${alarms} ${alarms === 1 ? 'alarm' : 'alarms'}${dead}`;
  const judged = `${judgedTags} ${judgedTags === 1 ? 'tag is' : 'tags are'} judged`;
  return [
    ...computed,
    '',
    colors.dim('Rules'),
    ...indented(own, context),
    ...indented(`${charts} control ${charts === 1 ? 'chart' : 'charts'}; ${judged}`, context),
    ...counted,
    ...doubted,
  ];
}

function storeLines({ readingsPerSecond, store }: Forecast, context: Page): string[] {
  const { outageDays: days, writtenBytesPerDay, storedBytesPerDay, chartBytesPerDay: charts } = store;
  const commits = `one commit each ${formatDuration(store.commitEveryMs)}`;
  const lines = [
    `readings  ${number(readingsPerSecond)}/s at most`,
    `written   about ${formatSize(writtenBytesPerDay)} a day, with ${commits}`,
    ...(charts > 0 ? [`          of it ${formatSize(charts)} for the points of control charts`] : []),
    ...(days === undefined
      ? []
      : [
          `kept      about ${formatSize(storedBytesPerDay)} a day`,
          `outage    about ${formatDays(days)} fit in ${formatSize(store.maxBytes)}, then the oldest go`,
        ]),
  ];
  return [context.colors.dim('Store'), ...lines.flatMap((line) => indented(line, context, 12))];
}

/** What is missing where `check` runs; on another machine than the gateway's that is no news. */
function machineLines(machine: readonly Finding[], context: Page): string[] {
  if (machine.length === 0) return [];
  const { colors } = context;
  return [
    '',
    colors.dim(`On this machine (${plain(context.hostname)})`),
    ...machine.flatMap(({ severity, where, cause, remedy }) => {
      const paint = severity === 'hint' ? (line: string) => line : colors.yellow;
      const word = severity === 'hint' ? 'hint' : 'WARNING';
      return [
        ...indented(plain(`${word}: ${where}: ${cause}`), context).map(paint),
        ...indented(`→ ${plain(remedy)}`, context),
      ];
    }),
  ];
}

function formatDays(days: number): string {
  if (days < 2) return `${number(days * 24)} hours`;
  return days < 3650 ? `${number(days)} days` : 'ten years';
}

/** At most three digits that matter. */
function number(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 1 ? '< 1' : Math.round(value)} %`;
}

/** Text two columns in, wrapped; later lines are further in. */
function indented(text: string, context: Page, hang = 4): string[] {
  return wrapText(text, widthOf(context, hang)).map((line, index) => `${' '.repeat(index === 0 ? 2 : hang)}${line}`);
}

function widthOf({ columns }: Page, indent: number): number {
  return Math.max(NARROWEST, columns() - indent);
}
