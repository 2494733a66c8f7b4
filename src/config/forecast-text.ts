import { formatDuration, formatSize } from '../core/quantity.ts';
import type { ChannelForecast, Forecast, PeriodForecast, RulesForecast, TagForecast } from './forecast.ts';

/** Columns of a terminal. */
const WIDTH = 80;

/** A forecast for people: at most 80 columns, aligned, the numbers first and the trouble named. */
export function formatForecast(forecast: Forecast): string {
  return [
    ...forecast.channels.flatMap(formatChannel),
    ...formatTags(forecast.tags),
    ...formatRules(forecast.rules),
    '',
    ...formatStore(forecast),
  ].join('\n');
}

function formatChannel(channel: ChannelForecast): string[] {
  const { devices, periods, eventfulTags } = channel;
  const head = `${channel.channel} (${channel.driver}), ${devices} ${devices === 1 ? 'device' : 'devices'}`;
  const events = eventfulTags === 0 ? [] : [`  ${eventfulTags} on change, not counted in the numbers below`];
  const rows = periods.map(periodRow);
  const table =
    periods.length > 0 ? align([['  every', 'tags', 'requests', 'line time', 'of period'], ...rows], 1) : [];
  return [clip(head), ...table, ...events, ...slowestLines(periods), ...verdictLines(channel), ''];
}

function periodRow({ everyMs, tags, requests, lineMs, utilisation }: PeriodForecast): string[] {
  const every = everyMs === 0 ? 'no pause' : formatDuration(everyMs);
  const share = everyMs === 0 ? 'the rest' : percent(utilisation);
  return [`  ${every}`, String(tags), String(requests), lineMs === 0 ? '0 ms' : formatDuration(lineMs), share];
}

/** The one request of a channel that takes longest, with the tags it reads. */
function slowestLines(periods: readonly PeriodForecast[]): string[] {
  const slowest = periods.flatMap((each) => each.slowest ?? []).sort((a, b) => b.lineMs - a.lineMs)[0];
  if (!slowest || slowest.lineMs === 0) return [];
  const names = slowest.tags.slice(0, 3).join(', ');
  const more = slowest.tags.length > 3 ? ` and ${slowest.tags.length - 3} more` : '';
  return wrap(`slowest: ${slowest.text}, ${formatDuration(slowest.lineMs)}: ${names}${more}`);
}

function verdictLines({ utilisation, verdict, advice, periods }: ChannelForecast): string[] {
  const line = `line in use ${percent(utilisation)} of the time`;
  if (verdict === 'ok') return periods.some(({ everyMs }) => everyMs > 0) ? [`  ${line}`] : [];
  if (verdict === 'tight') return wrap(`WARNING: ${line}; a retry or a slow device will cost scans: ${advice}`);
  const needs = (utilisation * 1000).toFixed(0);
  return wrap(
    `TOO MUCH: the periods ask for ${percent(utilisation)} of the line's time (${needs} ms each second), so scans will be skipped: ${advice}`,
  );
}

function formatTags(tags: readonly TagForecast[]): string[] {
  const rows = tags.map(({ tag, address, unit, everyMs }) => [
    `  ${tag}`,
    address,
    unit ?? '',
    everyMs === undefined ? 'on change' : everyMs === 0 ? 'no pause' : formatDuration(everyMs),
  ]);
  return ['Tags', ...align(rows, 4).map(clip)];
}

function formatRules({ derived, alarms, instruments, charts }: RulesForecast): string[] {
  const rows = derived.map(({ tag, unit, from }) => [`  ${tag}`, `from ${from.join(', ')}`, unit ?? '']);
  const computed = rows.length === 0 ? [] : ['', 'Computed tags', ...align(rows, 3).map(clip)];
  if (alarms + charts === 0) return computed;
  const own = `${alarms} ${alarms === 1 ? 'alarm' : 'alarms'}`;
  const dead = instruments === 0 ? '' : `, ${instruments} more for the instruments they watch`;
  return [...computed, '', 'Rules', `  ${own}${dead}`, `  ${charts} control ${charts === 1 ? 'chart' : 'charts'}`];
}

function formatStore({ readingsPerSecond, store }: Forecast): string[] {
  const commits = `one commit each ${formatDuration(store.commitEveryMs)}`;
  const days = store.outageDays;
  const outage =
    days === undefined
      ? []
      : [['  outage', `about ${formatDays(days)} fit in ${formatSize(store.maxBytes)}, then the oldest go`]];
  return [
    'Store',
    ...align(
      [
        ['  readings', `${number(readingsPerSecond)}/s at most`],
        ['  written', `about ${formatSize(store.writtenBytesPerDay)} a day, with ${commits}`],
        ...outage,
      ],
      2,
    ),
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

/** Columns as wide as their widest cell; the first `left` to the left, the others to the right. */
function align(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const pad = ' '.repeat(widths[column]! - [...cell].length);
        return column < left ? cell + pad : pad + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Breaks at spaces; later lines are indented below the first. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].map(clip);
}

function clip(line: string): string {
  const letters = [...line];
  return letters.length > WIDTH ? `${letters.slice(0, WIDTH - 1).join('')}…` : line;
}
