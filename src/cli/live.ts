import type { JsonReading, JsonTag } from '../api/json.ts';
import type { Clock } from '../core/clock.ts';
import type { CliContext } from './context.ts';
import { byQuality, formatAge, formatRate, formatValue, plain, qualityText } from './format.ts';
import { fit, openScreen } from './screen.ts';
import { type Cell, type Column, renderTable } from './table.ts';

/** How often the table is redrawn: often enough for ages in seconds, seldom enough to be read, ms. */
const REDRAW_EVERY_MS = 500;

/** The rate is counted over this many seconds. */
const RATE_WINDOW_S = 10;

/** A tag whose reading is older than this many periods is shown as old. */
const OLD_AFTER_PERIODS = 3;

/** The last readings of some tags, with their ages and rates. */
export interface LiveTable {
  /** Takes readings in. `isNew`: just made, so that they count for the rate. */
  update(readings: readonly JsonReading[], isNew: boolean): void;
  /** At most `maxLines` lines no wider than `width`. */
  lines(context: CliContext, width: number, maxLines: number): string[];
  /** `12 tags: 10 good, 1 uncertain, 1 bad`. */
  summary(): string;
}

interface Row {
  readonly tag: JsonTag;
  last: JsonReading | undefined;
  /** When the last reading came, on the monotonic clock, and how old it was then, ms. */
  seenMonoMs: number;
  ageThenMs: number;
  /** Readings of each of the last seconds; `bucketSecond` is the second of the newest. */
  readonly buckets: number[];
  bucketSecond: number;
}

const COLUMNS: readonly Column[] = [
  { title: 'tag', cut: 'start', minWidth: 16 },
  { title: 'value', align: 'right', cut: 'end', minWidth: 20 },
  { title: 'unit', drop: 1 },
  { title: 'age', align: 'right', drop: 2 },
  { title: 'quality', cut: 'end', minWidth: 7 },
  { title: 'rate', align: 'right', drop: 3 },
];

/** A table of these tags, in their order. */
export function createLiveTable(tags: readonly JsonTag[], clock: Clock): LiveTable {
  const startMonoMs = clock.monoMs();
  const rows = new Map<string, Row>();
  for (const tag of tags)
    rows.set(tag.tag, { tag, last: undefined, seenMonoMs: 0, ageThenMs: 0, buckets: [], bucketSecond: 0 });

  const table: LiveTable = {
    update(readings, isNew) {
      for (const reading of readings) {
        const row = rows.get(reading.tag);
        if (!row) continue;
        row.last = reading;
        row.seenMonoMs = clock.monoMs();
        row.ageThenMs = Math.max(0, clock.wallMs() - reading.t);
        if (isNew) count(row, clock.monoMs());
      }
    },
    lines(context, width, maxLines) {
      const hidden = rows.size + 1 > maxLines ? rows.size + 2 - Math.max(3, maxLines) : 0;
      const shown = [...rows.values()].slice(0, rows.size - hidden);
      const nowMs = clock.monoMs();
      const cells = shown.map((row) => cellsOf(row, nowMs, startMonoMs, context));
      const lines = renderTable(COLUMNS, cells, width, context.colors.dim);
      return hidden > 0 ? [...lines, context.colors.dim(fit(context, `… ${hidden} more tags`))] : lines;
    },
    summary() {
      const counts = { good: 0, uncertain: 0, bad: 0, waiting: 0 };
      for (const { last } of rows.values()) counts[last?.quality ?? 'waiting']++;
      const parts = Object.entries(counts).filter(([, number]) => number > 0);
      return `${rows.size} tags: ${parts.map(([word, number]) => `${number} ${word}`).join(', ')}`;
    },
  };
  table.update(
    tags.flatMap(({ last }) => last ?? []),
    false,
  );
  return table;
}

/** What a live view shows around its table. */
export interface LiveFrame {
  readonly head: () => readonly string[];
  readonly foot: () => readonly string[];
}

/** Shows the table in place until the signal; then gives the terminal back and leaves the last table on it. */
export async function showLive(
  table: LiveTable,
  frame: LiveFrame,
  context: CliContext,
  until: AbortSignal,
): Promise<void> {
  const screen = openScreen(context);
  const draw = (): void => screen.draw(page(table, frame, context, context.rows()));
  const stopListening = context.onResize(draw);
  try {
    while (!until.aborted) {
      draw();
      await context.clock.sleep(REDRAW_EVERY_MS, until).catch((error) => {
        if (!until.aborted) throw error;
      });
    }
  } finally {
    stopListening();
    screen.close();
  }
  context.stdout.write(`${table.lines(context, context.columns(), Number.POSITIVE_INFINITY).join('\n')}\n`);
}

function page(table: LiveTable, frame: LiveFrame, context: CliContext, rows: number): string[] {
  const head = frame.head();
  const foot = frame.foot();
  const room = Math.max(3, rows - head.length - foot.length);
  return [...head, ...table.lines(context, context.columns(), room), ...foot];
}

function cellsOf(row: Row, nowMs: number, startMonoMs: number, context: CliContext): Cell[] {
  const { last, tag } = row;
  if (!last) return [tag.tag, '–', unitOf(tag), '', { text: 'waiting', paint: context.colors.dim }, ''];
  const { colors } = context;
  const ageMs = row.ageThenMs + nowMs - row.seenMonoMs;
  const isOld = tag.everyMs !== undefined && ageMs > OLD_AFTER_PERIODS * Math.max(tag.everyMs, 1000);
  const paint = (text: string): string => byQuality(colors, last.quality, text);
  return [
    tag.tag,
    { text: formatValue(last.value), paint: last.quality === 'good' ? colors.bold : paint },
    unitOf(tag),
    { text: formatAge(ageMs), paint: isOld ? colors.yellow : colors.dim },
    { text: qualityText(last), paint },
    { text: formatRate(rateOf(row, nowMs, startMonoMs)), paint: colors.dim },
  ];
}

function unitOf({ unit }: JsonTag): string {
  return unit === undefined ? '' : plain(unit);
}

function count(row: Row, nowMs: number): void {
  shift(row, nowMs);
  row.buckets[0] = (row.buckets[0] ?? 0) + 1;
}

/** Makes the first bucket the one of the present second. */
function shift(row: Row, nowMs: number): void {
  const second = Math.floor(nowMs / 1000);
  const passed = Math.min(RATE_WINDOW_S, second - row.bucketSecond);
  for (let index = 0; index < passed; index++) row.buckets.unshift(0);
  row.buckets.length = Math.min(row.buckets.length, RATE_WINDOW_S);
  row.bucketSecond = second;
}

function rateOf(row: Row, nowMs: number, startMonoMs: number): number {
  shift(row, nowMs);
  const windowStartMs = Math.max(startMonoMs, (Math.floor(nowMs / 1000) - RATE_WINDOW_S + 1) * 1000);
  const seconds = Math.max(1, (nowMs - windowStartMs) / 1000);
  return row.buckets.reduce((total, number) => total + number, 0) / seconds;
}
