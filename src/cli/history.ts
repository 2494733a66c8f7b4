/** The command `history`: prints the stored readings of one tag, or their means. */
import type { JsonHistory, JsonRollups, JsonTag } from '../api/json.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { parseDuration } from '../core/quantity.ts';
import { splitTagId } from '../core/reading.ts';
import { findGateway } from './client.ts';
import { nothingSince } from './events.ts';
import { selectTags } from './select.ts';
import { openStored, type Stored } from './stored.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from './terminal/context.ts';
import { sinceOption } from './terminal/duration.ts';
import { byQuality, formatSpan, formatTime, formatWithUnit, plain, qualityText } from './terminal/format.ts';
import { LABEL_COLUMNS, type Plotted, plotLines } from './terminal/plot.ts';

/**
 * `history TAG`: stored readings, oldest first; with `--every` minimum, mean, maximum and counts of so many minutes each;
 * with `--json` one JSON object a line. Out of the store when no gateway runs. With `--plot` a picture of it, which the
 * running gateway makes the columns of.
 */
export async function history(
  tag: string,
  options: CommonOptions & { readonly since: string; readonly every?: string; readonly plot?: boolean },
  context: CliContext,
): Promise<ExitCode> {
  const fromMs = sinceOption(options.since, context);
  if (options.plot) return plot(tag, fromMs, options, context);
  const everyMs = options.every === undefined ? undefined : wholeMinutes(options.every);
  const stored = await openStored(options, context);
  try {
    const [name, ...others] = selectTags(
      [tag],
      stored.tags.map((entry) => entry.tag),
    );
    if (others.length > 0)
      throw new Fault(`${tag} names ${others.length + 1} tags`, `Name one of them, such as ${name}.`, EXIT.usage);
    const entry = stored.tags.find((each) => each.tag === name);
    const unit = entry?.unit;
    const toMs = context.clock.wallMs() + 1;
    const pages =
      everyMs === undefined
        ? pointPages(stored, name!, { fromMs, toMs }, (page) => pointLines(page, entry, options, context))
        : rollupPages(stored, name!, { everyMs, fromMs, toMs }, (page) => rollupLines(page, unit, options, context));
    let found = false;
    for await (const { lines, isLast } of pages) {
      print(context, lines);
      found ||= lines.length > 0;
      if (isLast && !found && !options.json) warn(context, [nothingSince(options.since)]);
      // What was cut short must not pass for the whole.
      if (context.signal.aborted && !isLast) return EXIT.failed;
    }
    return EXIT.ok;
  } finally {
    await stored.close();
  }
}

/** Rows of a picture, within the window. */
const PLOT_ROWS = { least: 5, most: 20 };

type ExplainedGap = Plotted['gaps'][number] & { readonly words: string };

interface Explained extends Plotted {
  readonly gaps: readonly ExplainedGap[];
  readonly marks: readonly ExplainedGap[];
}

/** A chart of the history with its gaps and their reasons. */
async function plot(tag: string, fromMs: number, options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const to = context.clock.wallMs() + 1;
  const columns = Math.max(10, context.columns() - LABEL_COLUMNS - 1);
  const range = `from=${Math.floor(fromMs)}&to=${to}&columns=${columns}`;
  const { device, name } = splitTagId(tag) ?? { device: tag, name: '' };
  const path = `/api/v1/tags/${encodeURIComponent(device)}/${encodeURIComponent(name)}/chart?${range}`;
  const answer = await gateway.get<Explained>(path);
  if (options.json) {
    printJson(context, answer);
    return EXIT.ok;
  }
  const rows = Math.max(PLOT_ROWS.least, Math.min(PLOT_ROWS.most, context.rows() - 8));
  const entry = (await gateway.get<JsonTag[]>('/api/v1/tags')).find((each) => each.tag === tag);
  const lines = plotLines(answer, { columns, rows }, axisLabels(entry));
  if (lines.length === 0) warn(context, ['There is no numeric value in that time.']);
  const title = plain(`${tag}${entry?.unit === undefined ? '' : `, ${entry.unit}`}`);
  const times = `${formatTime(answer.from, context)} to ${formatTime(answer.to, context)}`;
  print(context, [...(lines.length === 0 ? [] : [title, ...lines]), times, ...remarks(answer, context)]);
  return EXIT.ok;
}

/** The newest gaps and marks of a chart in words. */
function remarks({ gaps, marks }: Explained, context: CliContext): string[] {
  const line = (sign: string, { from, to, words }: ExplainedGap) =>
    `${sign} ${formatTime(from, context)} for ${formatSpan(to - from)}: ${plain(words)}`;
  return [...gaps.slice(-5).map((gap) => line('×', gap)), ...marks.slice(-5).map((mark) => line('~', mark))];
}

/** Words where the file has them for the value, and nothing for a value that lies between them. */
function axisLabels(entry: JsonTag | undefined): ((value: number) => string) | undefined {
  const labels = entry?.labels;
  return labels && ((value) => (labels[String(value)] !== undefined ? plain(labels[String(value)]!) : ''));
}

/** The lines of one page, and whether it is the last. */
interface Shown {
  readonly lines: readonly string[];
  readonly isLast: boolean;
}

async function* pointPages(
  stored: Stored,
  tag: string,
  span: { readonly fromMs: number; readonly toMs: number },
  linesOf: (page: JsonHistory) => string[],
): AsyncGenerator<Shown> {
  for (let after: number | undefined, isLast = false; !isLast; ) {
    const page: JsonHistory = await stored.history(tag, span, after);
    after = page.next;
    isLast = after === undefined;
    yield { lines: linesOf(page), isLast };
  }
}

async function* rollupPages(
  stored: Stored,
  tag: string,
  { everyMs, fromMs, toMs }: { readonly everyMs: number; readonly fromMs: number; readonly toMs: number },
  linesOf: (page: JsonRollups) => string[],
): AsyncGenerator<Shown> {
  for (let from: number | undefined = fromMs; from !== undefined; ) {
    const page: JsonRollups = await stored.rollups(tag, { fromMs: from, toMs }, everyMs);
    from = page.next;
    yield { lines: linesOf(page), isLast: from === undefined };
  }
}

/** The option `--every`, ms; roll-ups are kept by the minute. */
function wholeMinutes(every: string): number {
  const everyMs = parseDuration(every);
  if (everyMs !== undefined && everyMs >= 60_000 && everyMs % 60_000 === 0) return everyMs;
  throw new Fault(
    `every=${every.slice(0, 40)} is not allowed`,
    'Give whole minutes, such as 1m, 15m or 1h.',
    EXIT.usage,
  );
}

function pointLines(
  page: JsonHistory,
  entry: Stored['tags'][number] | undefined,
  options: CommonOptions,
  context: CliContext,
): string[] {
  return page.points.map((point) => {
    if (options.json) return JSON.stringify({ tag: page.tag, ...point });
    const quality = byQuality(context.colors, point.quality, qualityText(point));
    return `${formatTime(point.t, context)}  ${formatWithUnit(point.value, entry?.unit, entry)}  ${quality}`;
  });
}

function rollupLines(
  page: JsonRollups,
  unit: string | undefined,
  options: CommonOptions,
  context: CliContext,
): string[] {
  const { colors } = context;
  return page.points.map((point) => {
    if (options.json) return JSON.stringify({ tag: page.tag, ...point });
    const { t, min, mean, max, count, bad } = point;
    const number = (value: number | undefined) =>
      formatWithUnit(value === undefined ? undefined : rounded(value), unit);
    const values = `min ${number(min)}  mean ${number(mean)}  max ${number(max)}`;
    return `${formatTime(t, context)}  ${values}  ${count} values${bad > 0 ? `  ${colors.red(`${bad} bad`)}` : ''}`;
  });
}

/** A mean has digits that no sensor has; six are shown. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
