/** Keeps the last readings of some tags and lays them out as a table. */
import type { JsonReading, JsonTag } from '../../api/json.ts';
import type { Clock } from '../../core/clock.ts';
import type { CliContext } from './context.ts';
import { byQuality, formatAge, formatRate, formatValue, plain, qualityText } from './format.ts';
import { fit } from './screen.ts';
import { createTrend, type Trend } from './sparkline.ts';
import { type Cell, type Column, displayWidth, renderTable } from './table.ts';

/** A tag whose reading is older than this many periods is shown as old. */
const OLD_AFTER_PERIODS = 3;

/** A reading that is no older than its period, and than this, is as new as it can be and shown as `now`, ms. */
const NOW_MS = 2000;

/** Trends are drawn anew this often at most: they tell of minutes, and each takes many bytes, ms. */
const TREND_EVERY_MS = 5000;

/** The rate is that of so many last readings. */
const RATE_READINGS = 16;

/** The last readings of some tags, with their ages, rates and trends. */
export interface LiveTable {
  /** Takes readings in. `isNew`: just made, so that they count for the rate. */
  update(readings: readonly JsonReading[], isNew: boolean): void;
  /** Adds earlier readings of a tag to its trend. */
  remember(tag: string, points: readonly Omit<JsonReading, 'tag'>[]): void;
  /** Whether readings come. While they do not, nothing is shown as good, for nobody knows what it is now. */
  setFollowing(isFollowing: boolean): void;
  /** At most `maxLines` lines no wider than `width`. */
  lines(context: CliContext, width: number, maxLines: number): string[];
  /** `12 tags: 10 good, 1 uncertain, 1 bad`. */
  summary(): string;
}

interface Row {
  readonly tag: JsonTag;
  readonly trend: Trend;
  /** The trend as it was drawn, and for which {@link TREND_EVERY_MS}. */
  drawn: { readonly text: string; readonly at: number } | undefined;
  last: JsonReading | undefined;
  /** When the last reading came, on the monotonic clock, and how old it was then, ms. */
  seenMonoMs: number;
  ageThenMs: number;
  /** UTC ms of the last readings that were new, the oldest first. */
  readonly times: number[];
}

/** What all rows share. */
interface Page {
  readonly rows: readonly Row[];
  readonly nowMs: number;
  readonly isFollowing: boolean;
  /** Characters behind the decimal point, the point among them. */
  readonly fraction: number;
}

/** A table of these tags. */
export function createLiveTable(tags: readonly JsonTag[], clock: Clock, sort: Sort = 'device'): LiveTable {
  const rows = new Map<string, Row>();
  for (const tag of tags)
    rows.set(tag.tag, {
      tag,
      trend: createTrend(),
      drawn: undefined,
      last: undefined,
      seenMonoMs: 0,
      ageThenMs: 0,
      times: [],
    });
  let isFollowing = true;
  let fraction = 0;
  let valueWidth = 0;

  /** The value column only grows, so that the table does not jump about as digits come and go. */
  const widen = (last: JsonReading, tag: JsonTag): void => {
    const text = formatValue(last.value, tag);
    fraction = Math.max(fraction, fractionOf(text));
    valueWidth = Math.max(valueWidth, displayWidth(withPoint(text, fraction)));
  };
  const table: LiveTable = {
    update(readings, isNew) {
      for (const reading of readings) {
        const row = rows.get(reading.tag);
        if (!row) continue;
        take(row, reading, clock);
        if (isNew) row.times.push(reading.t);
        if (row.times.length > RATE_READINGS) row.times.shift();
        widen(reading, row.tag);
      }
    },
    remember(tag, points) {
      const row = rows.get(tag);
      const startMs = clock.monoMs() - clock.wallMs();
      for (const point of points) row?.trend.add(point, startMs + point.t);
      if (row) row.drawn = undefined;
    },
    setFollowing(follows) {
      isFollowing = follows;
    },
    lines(context, width, maxLines) {
      const page = {
        rows: sorted([...rows.values()], sort, clock.monoMs()),
        nowMs: clock.monoMs(),
        isFollowing,
        fraction,
      };
      const columns = COLUMNS.map((column) => (column.title === 'value' ? { ...column, steady: valueWidth } : column));
      const { cells, hidden } = cellsOfPage(page, sort, maxLines, context);
      const lines = renderTable(columns, cells, width, context.colors.dim);
      return hidden.length > 0 ? [...lines, context.colors.dim(fit(context, hiddenText(hidden, sort)))] : lines;
    },
    summary: () => `${rows.size} ${rows.size === 1 ? 'tag' : 'tags'}: ${countsText([...rows.values()])}`,
  };
  table.update(
    tags.flatMap(({ last }) => last ?? []),
    false,
  );
  return table;
}

const COLUMNS: readonly Column[] = [
  { title: 'tag', cut: 'start', minWidth: 16 },
  { title: 'value', align: 'right', cut: 'end', minWidth: 20 },
  { title: 'unit', drop: 1 },
  { title: 'last 3 min', drop: 3, steady: 12 },
  { title: 'age', align: 'right', drop: 2, steady: 4 },
  { title: 'rate', align: 'right', drop: 4, steady: 6 },
  { title: 'quality', cut: 'end', minWidth: 7 },
];

function take(row: Row, reading: JsonReading, clock: Clock): void {
  row.last = reading;
  row.seenMonoMs = clock.monoMs();
  row.ageThenMs = Math.max(0, clock.wallMs() - reading.t);
  row.trend.add(reading, row.seenMonoMs - row.ageThenMs);
}

/** The rows that fit, below the names of their devices where those fit too; and those that do not. */
function cellsOfPage(
  page: Page,
  sort: Sort,
  maxLines: number,
  context: CliContext,
): { cells: readonly Cell[][]; hidden: readonly Row[] } {
  const { rows } = page;
  const devices = [...new Set(rows.map(deviceOf))];
  if (sort === 'device' && rows.length + devices.length + 1 <= maxLines) {
    const cells = devices.flatMap((device) => [
      [{ text: device, paint: context.colors.bold }],
      ...rows
        .filter((row) => deviceOf(row) === device)
        .map((row) => cellsOf(`  ${row.tag.tag.slice(device.length + 1)}`, row, page, context)),
    ]);
    return { cells, hidden: [] };
  }
  const fits = rows.length + 1 <= maxLines ? rows.length : Math.max(1, maxLines - 2);
  return {
    cells: rows.slice(0, fits).map((row) => cellsOf(row.tag.tag, row, page, context)),
    hidden: rows.slice(fits),
  };
}

function deviceOf({ tag: { tag } }: Row): string {
  return tag.slice(0, tag.indexOf('/'));
}

function cellsOf(name: string, row: Row, { nowMs, isFollowing, fraction }: Page, context: CliContext): Cell[] {
  const { last, tag } = row;
  const { colors } = context;
  const value = withPoint(formatValue(last?.value, tag), fraction);
  const unit = tag.unit === undefined ? '' : plain(tag.unit);
  if (!last) return [name, value, unit, '', '', '', { text: 'waiting', paint: colors.dim }];
  const byItsQuality = (text: string): string =>
    isFollowing ? byQuality(colors, last.quality, text) : colors.dim(text);
  const isOld = isFollowing && isLate(row, nowMs);
  return [
    name,
    { text: value, paint: last.quality === 'good' && isFollowing ? colors.bold : byItsQuality },
    unit,
    { text: trendOf(row, nowMs), paint: colors.dim },
    { text: ageText(row, nowMs, isOld), paint: isOld ? colors.yellow : colors.dim },
    { text: rateText(row, nowMs), paint: colors.dim },
    { text: isFollowing ? qualityText(last) : 'unknown', paint: byItsQuality },
  ];
}

/** Characters of a decimal fraction, its point among them; 0 where there is none. */
function fractionOf(text: string): number {
  return /^-?\d+(\.\d+)$/.exec(text)?.[1]?.length ?? 0;
}

/** A value with room behind it, so that decimal points stand below each other in a column that is aligned right. */
function withPoint(text: string, fraction: number): string {
  return text + ' '.repeat(Math.max(0, fraction - fractionOf(text)));
}

function trendOf(row: Row, nowMs: number): string {
  const at = Math.floor(nowMs / TREND_EVERY_MS);
  if (row.drawn?.at !== at) row.drawn = { text: row.trend.text(nowMs), at };
  return row.drawn.text;
}

function ageText(row: Row, nowMs: number, isOld: boolean): string {
  const ageMs = ageOf(row, nowMs);
  const isNew = ageMs < Math.min(NOW_MS, 1.5 * (row.tag.everyMs ?? 0));
  return `${isNew ? 'now' : formatAge(ageMs)}${isOld ? '!' : ''}`;
}

function ageOf({ ageThenMs, seenMonoMs }: Row, nowMs: number): number {
  return ageThenMs + nowMs - seenMonoMs;
}

function isLate(row: Row, nowMs: number): boolean {
  const { everyMs } = row.tag;
  return everyMs !== undefined && ageOf(row, nowMs) > OLD_AFTER_PERIODS * Math.max(everyMs, 1000);
}

/** One reading has no rate. */
function rateText(row: Row, nowMs: number): string {
  return row.times.length < 2 ? '' : formatRate(rateOf(row, nowMs));
}

/** Readings a second, by the time between the last ones; it falls while the next one is late. */
function rateOf({ times, seenMonoMs }: Row, nowMs: number): number {
  const intervals = times.length - 1;
  const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  if (intervals < 1 || spanMs <= 0) return 0;
  const lateMs = Math.max(0, nowMs - seenMonoMs - (2 * spanMs) / intervals);
  return (intervals * 1000) / (spanMs + lateMs);
}

const WORST_FIRST: readonly (JsonReading['quality'] | undefined)[] = ['bad', 'uncertain', undefined, 'good'];

/** Sorts without moving what is equal. Ages and rates are compared as they are shown, so that rows stand still. */
function sorted(rows: readonly Row[], sort: Sort, nowMs: number): readonly Row[] {
  const rank = ({ last }: Row): number => WORST_FIRST.indexOf(last?.quality);
  const age = (row: Row): number => (row.last ? Math.floor(ageOf(row, nowMs) / 1000) : Number.MAX_SAFE_INTEGER);
  switch (sort) {
    case 'device':
      return rows;
    case 'name':
      return [...rows].sort((a, b) => (a.tag.tag < b.tag.tag ? -1 : 1));
    case 'quality':
      return [...rows].sort((a, b) => rank(a) - rank(b));
    case 'age':
      return [...rows].sort((a, b) => age(b) - age(a));
    case 'rate':
      return [...rows].sort(
        (a, b) => Number(rateOf(b, nowMs).toPrecision(2)) - Number(rateOf(a, nowMs).toPrecision(2)),
      );
  }
}

function hiddenText(hidden: readonly Row[], sort: Sort): string {
  const isWorse = sort !== 'quality' && hidden.some(({ last }) => last?.quality !== 'good');
  const advice = isWorse ? '; --sort quality shows those first' : '';
  return `… ${hidden.length} more: ${countsText(hidden)}${advice}`;
}

function countsText(rows: readonly Row[]): string {
  const counts = { good: 0, uncertain: 0, bad: 0, waiting: 0 };
  for (const { last } of rows) counts[last?.quality ?? 'waiting']++;
  const parts = Object.entries(counts).filter(([, number]) => number > 0);
  return parts.map(([word, number]) => `${number} ${word}`).join(', ');
}

/** Orders of the rows of a live table: by device as in the file, by name, or what wants a look first. */
export const SORTS = ['device', 'name', 'quality', 'age', 'rate'] as const;

/** One of {@link SORTS}. */
export type Sort = (typeof SORTS)[number];
