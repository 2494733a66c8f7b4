/** The route that gives the history of a tag as columns of a chart, and says why there is nothing in its gaps. */
import { DOUBTS, FAILURES, LOSSES } from '../../core/quality.ts';
import { cameLate, MARK, newestOf, type TagId, type Value } from '../../core/reading.ts';
import type { LedgerEntry } from '../../store/store.ts';
import { type Answer, integer, ok, Refused, type Route, type RouteRequest } from '../answer.ts';
import { knownTags } from '../known-tags.ts';
import type { GatewayView, TagView } from '../view.ts';
import {
  type Break,
  breaksOf,
  type ChartAnswer,
  type ChartGap,
  columnsOf,
  countsAsSamples,
  marksOf,
  type Sample,
} from './chart.ts';

const MOST_COLUMNS = 2000;

/** Readings that are looked at one by one; where there are more, the roll-ups by the minute are taken. */
const MOST_READINGS = 20_000;
const PAGE = 10_000;

/** A longer range is not tried by single readings at all, ms. */
const LONGEST_RAW_MS = 6 * 3_600_000;

/** The longest range, ms: ten years. */
const LONGEST_MS = 10 * 366 * 86_400_000;

/** Gaps that are named, the longest first; those beyond are still gaps, without a reason. */
const MOST_REASONS = 30;

/** Most gaps of an answer; beyond them only the columns tell. */
const MOST_GAPS = 500;

/** Pages of the journal that are searched for starts of the gateway. */
const JOURNAL_PAGES = 3;

/** Pages of the ledger that are searched for losses, of a thousand entries each. */
const LEDGER_PAGES = 10;

/** A report may be so much later than its period before its absence is a gap, ms: the commit, and a late line. */
const SLACK_MS = 5000;

/** Columns with the extremes of each, and the gaps between them. */
export const CHART_ROUTE: Route = {
  method: 'get',
  path: '/api/v1/tags/{device}/{tag}/chart',
  summary: 'The history of a tag in columns with minimum, maximum and mean, and its gaps with their reasons.',
  query: {
    from: 'UTC ms, included; an hour before `to` unless given',
    to: 'UTC ms, not included; now unless given',
    columns: `into how many the range is divided, 10 to ${MOST_COLUMNS}; 600 unless given`,
  },
  answers: 'chart',
  answer: chart,
};

async function chart(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const [id] = knownTags(view, [`${request.params.device}/${request.params.tag}`]);
  const tag = view.tags().find((one) => one.tag === id)!;
  const toMs = integer(request, 'to', 1, Number.MAX_SAFE_INTEGER) ?? request.nowMs + 1;
  const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER) ?? Math.max(0, toMs - 3_600_000);
  if (fromMs >= toMs || toMs - fromMs > LONGEST_MS)
    throw new Refused(400, 'the range is empty or too long', 'Give from before to, at most ten years apart.');
  const most = integer(request, 'columns', 10, MOST_COLUMNS) ?? 600;
  const range = { fromMs, toMs };
  const raw = toMs - fromMs <= LONGEST_RAW_MS ? await readings(view, id!, range) : undefined;
  const rolled = raw ? undefined : await minutes(view, id!, range, most);
  const samples = raw ?? rolled!.samples;
  // The future is no gap.
  const known = { fromMs, toMs: Math.max(fromMs + 1, Math.min(toMs, request.nowMs)) };
  // Texts are not rolled up: of a long range nothing is known of them, neither values nor gaps.
  const isText = raw === undefined && typeof lastValue(tag) === 'string';
  const silent = isText ? undefined : silentMs(tag);
  const starts = silent === undefined ? await startsOf(view, range) : [];
  // Within a column of an hour there may be many gaps: they are looked for by the minute.
  const looked = rolled ? countsAsSamples(rolled.counted, known, tag.reportMs, silent) : samples;
  const breaks = breaksOf(looked, known, silent, starts);
  const columns = columnsOf(samples, breaks, range, most);
  const answer: ChartAnswer = {
    tag: id!,
    from: fromMs,
    to: toMs,
    source: raw ? 'readings' : 'minutes',
    columns: {
      t: columns.map(({ t }) => Math.round(t)),
      ...valuesOf(columns),
      count: columns.map(({ count }) => count),
      uncertain: columns.map(({ marks }) => +((marks & MARK.uncertain) !== 0)),
      joined: columns.map(({ joined }) => +joined),
    },
    gaps: await explained(view, id!, breaks.slice(-MOST_GAPS), range),
    marks: marksOf(columns),
  };
  return ok(answer);
}

/** Seven digits are more than any picture shows. */
function valuesOf(columns: readonly { readonly min: number; readonly max: number; readonly mean: number }[]) {
  const short = (value: number): number => Number(value.toPrecision(7));
  return {
    min: columns.map(({ min }) => short(min)),
    max: columns.map(({ max }) => short(max)),
    mean: columns.map(({ mean }) => short(mean)),
  };
}

function lastValue({ last }: TagView): Value | undefined {
  return last === undefined || last.quality === 'bad' ? undefined : last.value;
}

/** How long a tag may be silent without a gap, ms; undefined for one that reports only when it changes. */
function silentMs({ reportMs }: TagView): number | undefined {
  return reportMs === undefined ? undefined : Math.max(3 * reportMs, reportMs + SLACK_MS);
}

interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The readings as they are stored; undefined when there are too many. */
async function readings(view: GatewayView, tag: TagId, range: Range): Promise<Sample[] | undefined> {
  const samples: Sample[] = [];
  let newestMs = Number.NEGATIVE_INFINITY;
  let afterSeq: number | undefined;
  do {
    const page = await view.history({ tag, ...range, limit: PAGE, ...(afterSeq !== undefined && { afterSeq }) });
    for (const { wallMs, quality, value, why, marks: told = 0 } of page.points) {
      const number = numberOf(value);
      const [fromMs, toMs] = [wallMs, wallMs];
      const marks =
        told | (quality === 'uncertain' ? MARK.uncertain : 0) | (cameLate(wallMs, newestMs) ? MARK.late : 0);
      newestMs = newestOf(wallMs, newestMs);
      if (quality === 'bad') samples.push({ fromMs, toMs, count: 0, bad: 1, why });
      // A text cannot be drawn, and is no gap.
      else if (number === undefined) samples.push({ fromMs, toMs, count: 1, bad: 0, marks, why });
      else samples.push({ fromMs, toMs, count: 1, bad: 0, min: number, max: number, mean: number, marks, why });
    }
    afterSeq = page.next;
    if (samples.length >= MOST_READINGS && afterSeq !== undefined) return undefined;
  } while (afterSeq !== undefined);
  // By number is not always by time: what was stamped anew moved.
  return samples.sort((one, other) => one.fromMs - other.fromMs);
}

/** What can be drawn; undefined for text. */
function numberOf(value: Value | undefined): number | undefined {
  if (value === undefined || typeof value === 'string') return undefined;
  return Number(value);
}

/** The store reads cells of so many minutes in place of single ones, where that is fine enough. */
const CELL_MINUTES = 10;

/** Roll-ups of as many minutes as a column is wide, or a little less, and how many readings each minute has. */
async function minutes(view: GatewayView, tag: TagId, range: Range, most: number) {
  const wide = Math.max(1, Math.ceil((range.toMs - range.fromMs) / most / 60_000));
  const everyMs = (wide < CELL_MINUTES ? wide : wide - (wide % CELL_MINUTES)) * 60_000;
  const { points, counted } = await view.rollups({ tag, ...range, everyMs, limit: 2 * MOST_COLUMNS });
  const samples = points.map(({ wallMs, count, bad, min, max, mean, marks }) => {
    const [fromMs, endMs] = [wallMs, wallMs + everyMs];
    return { fromMs, toMs: endMs, count, bad, min, max, mean, marks };
  });
  return { samples, counted };
}

async function startsOf(view: GatewayView, { fromMs, toMs }: Range): Promise<number[]> {
  const starts: number[] = [];
  let afterSeq: number | undefined;
  for (let pages = 0; pages < JOURNAL_PAGES; pages++) {
    const { events, next } = await view.events({ fromMs, afterSeq, limit: 1000 });
    for (const { t, kind, what } of events) if (kind === 'lifecycle' && what === 'started') starts.push(t);
    if (next === undefined || (events.at(-1)?.t ?? 0) >= toMs) break;
    afterSeq = next;
  }
  return starts;
}

async function explained(view: GatewayView, tag: TagId, breaks: readonly Break[], range: Range): Promise<ChartGap[]> {
  if (breaks.length === 0) return [];
  const named = new Set([...breaks].sort((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs)).slice(0, MOST_REASONS));
  const isOpen = [...named].some(({ why }) => why === undefined);
  const starts = isOpen ? await startsOf(view, range) : [];
  const ledger = isOpen ? await lossesOf(view, range) : [];
  return Promise.all(
    breaks.map(async (one) => {
      const { fromMs, toMs, why } = one;
      const gap = { from: Math.round(fromMs), to: Math.round(toMs) };
      if (why) return { ...gap, why, words: meaningOf(why) };
      if (why === '') {
        const found = named.has(one) ? await firstBad(view, tag, fromMs, toMs) : undefined;
        return found
          ? { ...gap, why: found, words: meaningOf(found) }
          : { ...gap, why: 'unknown', words: 'no good value' };
      }
      const lost = ledger.find((entry) => isWithin(entry, { fromMs, toMs }));
      if (lost) return { ...gap, why: 'lost', words: `${lost.count} records: ${LOSSES[lost.cause]}` };
      if (starts.some((ms) => ms > fromMs && ms <= toMs + SLACK_MS))
        return { ...gap, why: 'stopped', words: 'the gateway was not running' };
      return { ...gap, why: 'unknown', words: 'nothing was stored' };
    }),
  );
}

/** What the ledger says of readings of that time; of a ledger of many thousand entries the newest pages are not looked at. */
async function lossesOf(view: GatewayView, range: Range): Promise<LedgerEntry[]> {
  const found: LedgerEntry[] = [];
  let since = 0;
  for (let pages = 0; pages < LEDGER_PAGES; pages++) {
    const entries = await view.ledger(since);
    found.push(...entries.filter((entry) => isWithin(entry, range)));
    const last = entries.at(-1);
    if (last === undefined) break;
    since = last.id;
  }
  return found;
}

function isWithin(
  { stream, firstWallMs = Number.NaN, lastWallMs = firstWallMs }: LedgerEntry,
  { fromMs, toMs }: Range,
) {
  return stream === 'readings' && firstWallMs <= toMs && lastWallMs >= fromMs;
}

function meaningOf(why: string): string {
  const means: Readonly<Record<string, { readonly means: string }>> = { ...FAILURES, ...DOUBTS };
  return means[why]?.means ?? why;
}

/** Why the first bad reading of a range is bad; of a roll-up that is not known. */
async function firstBad(view: GatewayView, tag: TagId, fromMs: number, toMs: number): Promise<string | undefined> {
  const { points } = await view.history({ tag, fromMs: Math.floor(fromMs), toMs: Math.ceil(toMs), limit: 500 });
  return points.find(({ quality }) => quality === 'bad')?.why;
}
