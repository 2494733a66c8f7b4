/** Puts the history of a tag into columns for a chart that hides neither a spike nor a gap. Pure functions. */
import { MARK } from '../../core/reading.ts';
import type { ReadingCounts } from '../../store/store.ts';

/** A gap with its reason: a word of docs/wire.md, `lost`, `stopped` or `unknown`, and a sentence for a person. Times are UTC ms. */
export interface ChartGap {
  readonly from: number;
  readonly to: number;
  readonly why: string;
  readonly words: string;
}

/**
 * A time of which there is something to say besides its values: they come from a simulated channel, the clock was not known, or
 * they came late, after newer ones. Times are UTC ms; a sentence for a person.
 */
export interface ChartMark {
  readonly from: number;
  readonly to: number;
  readonly mark: 'simulated' | 'unsynced' | 'late';
  readonly words: string;
}

/** A history in columns; `joined` is 1 where a line may be drawn from the column before. Times are UTC ms. */
export interface ChartAnswer {
  readonly tag: string;
  readonly from: number;
  readonly to: number;
  readonly source: 'readings' | 'minutes';
  readonly columns: {
    readonly t: readonly number[];
    readonly min: readonly number[];
    readonly max: readonly number[];
    readonly mean: readonly number[];
    readonly count: readonly number[];
    readonly uncertain: readonly number[];
    readonly joined: readonly number[];
  };
  readonly gaps: readonly ChartGap[];
  /** At most 300; where there would be more, the nearest ones of a kind are one. */
  readonly marks: readonly ChartMark[];
}

/** One stored reading, or the roll-up of many. Times are UTC ms. */
export interface Sample {
  readonly fromMs: number;
  /** Of one reading the same as `fromMs`. */
  readonly toMs: number;
  /** Values, good and uncertain. */
  readonly count: number;
  readonly bad: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly mean?: number | undefined;
  /** Bits of {@link MARK}. */
  readonly marks?: number | undefined;
  /** Some of its time was silent: where in it is not known. */
  readonly isPartial?: boolean;
  /** Why it is bad or uncertain, where one reading says so. */
  readonly why?: string | undefined;
}

/** A time without a usable value. `why` is a quality word, or undefined where nothing was stored. */
export interface Break {
  readonly fromMs: number;
  readonly toMs: number;
  readonly why: string | undefined;
}

/** A column of a chart. */
interface Column {
  /** Its middle. */
  readonly t: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly count: number;
  /** Bits of {@link MARK}. */
  readonly marks: number;
  /** From its first reading to its last. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whether a line may be drawn to it from the column before: there is no break between or within the two. */
  readonly joined: boolean;
}

/** What a chart is made with. */
interface ChartRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The times without a usable value: from the last one before to the first one after, and to the edges of the range.
 *
 * @param samples in order of time
 * @param silentMs the longest time between two reports that is no gap; undefined: silence says nothing
 * @param restarts when the gateway started, UTC ms: before that there was nothing to report
 */
export function breaksOf(
  samples: readonly Sample[],
  { fromMs, toMs }: ChartRange,
  silentMs: number | undefined,
  restarts: readonly number[] = [],
): Break[] {
  const breaks: Break[] = [];
  let lastMs: number | undefined;
  let bad: string | undefined;
  let wasPartial = false;
  /** What is silent on either side of a partial sample is one gap with it. */
  const silence = (since: number, untilMs: number, isPartial: boolean): void => {
    const last = breaks.at(-1);
    const isSame = (isPartial || wasPartial) && last?.toMs === since && last.why === undefined;
    if (isSame) breaks[breaks.length - 1] = { ...last, toMs: untilMs };
    else breaks.push({ fromMs: since, toMs: untilMs, why: undefined });
  };
  const close = (untilMs: number): void => {
    const since = lastMs ?? fromMs;
    const isSilent = silentMs !== undefined && untilMs - since > silentMs;
    const hasRestart = restarts.some((ms) => ms > since && ms <= untilMs);
    if (bad !== undefined && untilMs > since) breaks.push({ fromMs: since, toMs: untilMs, why: bad });
    else if ((isSilent || hasRestart) && untilMs > since) silence(since, untilMs, false);
    bad = undefined;
  };
  for (const sample of samples) {
    if (sample.count === 0) {
      bad ??= sample.why ?? '';
      continue;
    }
    close(sample.fromMs);
    lastMs = sample.toMs;
    // Some were bad and some were not: where in it is not known, so that the line ends before and begins behind it.
    if (sample.bad > 0) breaks.push({ fromMs: sample.fromMs, toMs: sample.toMs, why: sample.why ?? '' });
    else if (sample.isPartial) silence(sample.fromMs, sample.toMs, true);
    wasPartial = sample.isPartial === true;
  }
  if (samples.length > 0 || silentMs !== undefined) close(toMs);
  return breaks;
}

/**
 * Counted readings as samples to find breaks in: a unit that has fewer than the others, by more than a silence that is no
 * gap, is partial. What the others have counts, as a line that is late makes fewer scans than the file asks for. Whole
 * units side by side are one sample, as are those that are all bad: of a month there would be tens of thousands.
 *
 * @param reportMs the tag is reported at least this often; undefined: silence says nothing
 * @param silentMs the longest time between two reports that is no gap
 */
export function countsAsSamples(
  { firstMs, everyMs, counts, bads }: ReadingCounts,
  { fromMs, toMs }: ChartRange,
  reportMs: number | undefined,
  silentMs = Number.POSITIVE_INFINITY,
): Sample[] {
  const first = Math.max(0, Math.floor((fromMs - firstMs) / everyMs));
  const last = Math.min(counts.length, Math.ceil((toMs - firstMs) / everyMs));
  const usual = usualOf(counts.subarray(first, last));
  const expected = Math.min(usual, reportMs === undefined ? 0 : everyMs / reportMs);
  const longestMs = Math.max(silentMs, everyMs / 10);
  // The last unit has only begun.
  const whole = Math.floor((toMs - firstMs) / everyMs);
  const missingMs = (index: number): number =>
    index < first || index >= whole || expected === 0
      ? 0
      : Math.max(0, (1 - ((counts[index] ?? 0) + (bads[index] ?? 0)) / expected) * everyMs);
  const samples: Sample[] = [];
  let open: { fromMs: number; toMs: number; count: number; bad: number; isPartial: boolean } | undefined;
  let before = missingMs(first - 1);
  let here = missingMs(first);
  for (let index = first; index < last; index++) {
    const after = missingMs(index + 1);
    const [count, bad] = [counts[index]!, bads[index]!];
    const startMs = firstMs + index * everyMs;
    // A gap may lie in two units, less than the longest silence in each.
    const isPartial = here > longestMs || (here > 0 && here + Math.max(before, after) > longestMs);
    before = here;
    here = after;
    if (count === 0 && bad === 0) continue;
    const isLike = open !== undefined && open.toMs === startMs && open.count > 0 === count > 0;
    const isOne = isLike && open!.bad > 0 === bad > 0 && (count === 0 || (bad === 0 && !isPartial && !open!.isPartial));
    if (isOne) {
      open!.toMs += everyMs;
      open!.count += count;
      open!.bad += bad;
      continue;
    }
    open = { fromMs: startMs, toMs: startMs + everyMs, count, bad, isPartial };
    samples.push(open);
  }
  return samples;
}

/** Readings a minute that are told apart, a thousand a second: of tags with more, that many are usual. */
const MOST_USUAL = 65_535;

/** The median of the counts that are not 0, by how often each count is there; 0 without any. */
function usualOf(counts: Uint32Array): number {
  const often = new Uint32Array(MOST_USUAL + 1);
  let all = 0;
  for (let index = 0; index < counts.length; index++) {
    const count = counts[index]!;
    if (count === 0) continue;
    often[Math.min(count, MOST_USUAL)]!++;
    all++;
  }
  let below = 0;
  for (let count = 1; count <= MOST_USUAL; count++) {
    below += often[count]!;
    if (below > all >> 1) return count;
  }
  return 0;
}

/**
 * Columns of equal width with the extremes of what is in them, the empty ones left out.
 *
 * @param samples in order of time
 * @param breaks in order of time, as {@link breaksOf} gives them
 * @param most how many columns the range is divided into
 */
export function columnsOf(
  samples: readonly Sample[],
  breaks: readonly Break[],
  { fromMs, toMs }: ChartRange,
  most: number,
): Column[] {
  const widthMs = Math.max(1, (toMs - fromMs) / most);
  const columns: (Omit<Column, 'joined' | 't' | 'fromMs' | 'toMs'> & {
    firstMs: number;
    lastMs: number;
    place: number;
    sum: number;
  })[] = [];
  for (const { fromMs: firstMs, toMs: lastMs, count, min, max, mean, marks = 0 } of samples) {
    if (count === 0 || min === undefined || max === undefined || mean === undefined) continue;
    const place = Math.min(most - 1, Math.max(0, Math.floor((firstMs - fromMs) / widthMs)));
    const open = columns.at(-1);
    if (open?.place !== place) {
      columns.push({ place, min, max, mean, count, marks, firstMs, lastMs, sum: mean * count });
      continue;
    }
    const sum = open.sum + mean * count;
    const all = open.count + count;
    Object.assign(open, {
      min: Math.min(open.min, min),
      max: Math.max(open.max, max),
      count: all,
      sum,
      mean: sum / all,
      marks: open.marks | marks,
      lastMs: Math.max(open.lastMs, lastMs),
    });
  }
  let next = 0;
  return columns.map(({ firstMs, lastMs, place: _place, sum: _sum, ...column }, index) => {
    const before = columns[index - 1];
    while (next < breaks.length && before && breaks[next]!.toMs <= before.firstMs) next++;
    const isBroken = before !== undefined && next < breaks.length && breaks[next]!.fromMs < lastMs;
    // The middle of what is in it, not of the column: a single reading is drawn where it was made.
    const t = (firstMs + lastMs) / 2;
    return { t, ...column, fromMs: firstMs, toMs: lastMs, joined: before !== undefined && !isBroken };
  });
}

/** Marks of an answer at most. */
const MOST_MARKS = 300;

const MARK_WORDS = {
  simulated: 'simulated: these values do not come from a machine',
  unsynced: 'the clock was not known: these times may be wrong',
  late: 'came late, after newer readings',
} as const;

/** The times of the marks that are drawn; those of a kind that lie side by side are one. */
export function marksOf(columns: readonly Column[]): ChartMark[] {
  for (let nearness = 1; ; nearness *= 2) {
    const marks = (['simulated', 'unsynced', 'late'] as const).flatMap((mark) => markedTimes(columns, mark, nearness));
    if (marks.length <= MOST_MARKS) return marks;
  }
}

/** @param nearness columns that lie so many places apart are one time */
function markedTimes(columns: readonly Column[], mark: ChartMark['mark'], nearness: number): ChartMark[] {
  const times: { from: number; to: number }[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const [index, { marks, fromMs, toMs }] of columns.entries()) {
    if ((marks & MARK[mark]) === 0) continue;
    if (index - last <= nearness) times.at(-1)!.to = toMs;
    else times.push({ from: fromMs, to: toMs });
    last = index;
  }
  return times.map((time) => ({ ...time, mark, words: MARK_WORDS[mark] }));
}
