/** Puts the history of a tag into columns for a chart that hides neither a spike nor a gap. Pure functions. */
import type { ReadingCounts } from '../../store/store.ts';

/** A gap with its reason: a word of docs/wire.md, `lost`, `stopped` or `unknown`, and a sentence for a person. Times are UTC ms. */
export interface ChartGap {
  readonly from: number;
  readonly to: number;
  readonly why: string;
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
  readonly uncertain?: boolean;
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
  readonly uncertain: boolean;
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
 * gap, is partial. What the others have counts, as a line that is late makes fewer scans than the file asks for.
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
  const usual = medianOf(counts.subarray(first, last).filter((count) => count > 0));
  const expected = Math.min(usual, reportMs === undefined ? 0 : everyMs / reportMs);
  const longestMs = Math.max(silentMs, everyMs / 10);
  // The last unit has only begun.
  const missingMs = (index: number): number =>
    index < first || firstMs + (index + 1) * everyMs > toMs
      ? 0
      : Math.max(0, (1 - (counts[index]! + bads[index]!) / expected) * everyMs);
  const samples: Sample[] = [];
  for (let index = first; index < last; index++) {
    const [count, bad] = [counts[index]!, bads[index]!];
    if (count === 0 && bad === 0) continue;
    const startMs = firstMs + index * everyMs;
    // A gap may lie in two units, less than the longest silence in each.
    const here = missingMs(index);
    const around = Math.max(missingMs(index - 1), missingMs(index + 1));
    const isPartial = here > longestMs || (here > 0 && here + around > longestMs);
    samples.push({ fromMs: startMs, toMs: startMs + everyMs, count, bad, isPartial });
  }
  return samples;
}

function medianOf(values: Float64Array): number {
  return values.sort()[values.length >> 1] ?? 0;
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
  const columns: (Omit<Column, 'joined' | 't'> & { firstMs: number; lastMs: number; place: number; sum: number })[] =
    [];
  for (const { fromMs: firstMs, toMs: lastMs, count, min, max, mean, uncertain = false } of samples) {
    if (count === 0 || min === undefined || max === undefined || mean === undefined) continue;
    const place = Math.min(most - 1, Math.max(0, Math.floor((firstMs - fromMs) / widthMs)));
    const open = columns.at(-1);
    if (open?.place !== place) {
      columns.push({ place, min, max, mean, count, uncertain, firstMs, lastMs, sum: mean * count });
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
      uncertain: open.uncertain || uncertain,
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
    return { t, ...column, joined: before !== undefined && !isBroken };
  });
}
