/** Finds the readings of a tag that were out of its limits, in months of them, by their minima and maxima. */

/** A tag with limits in the file. */
export interface LotTag {
  readonly tag: string;
  readonly unit: string | null;
  readonly min: number | null;
  readonly max: number | null;
}

/** A time, UTC ms, its end excluded. */
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is stored of a tag. */
export interface Past {
  /** Minima and maxima of each `everyMs`, whole minutes, where there are values. */
  extremes(tag: string, span: Span, everyMs: number): Promise<readonly Extremes[]>;
  /** Readings with a numeric value; none where only their minima and maxima are stored. */
  readings(tag: string, span: Span): Promise<readonly { readonly t: number; readonly value: number }[]>;
}

/** A time for which a tag was out of its limits: from the first reading to the last, UTC ms. */
interface OutOfLimits {
  readonly t: number;
  readonly until: number;
  readonly tag: string;
  /** The value furthest out. */
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: string | null;
  readonly message: string;
}

interface Extremes {
  readonly t: number;
  readonly min?: number;
  readonly max?: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Times out of limits of one tag in one run that are looked into; later ones are one finding together. */
const MOST_TIMES = 100;

/** When a tag was out of its limits within a span, oldest first. */
export async function outOfLimits(past: Past, tag: LotTag, span: Span): Promise<OutOfLimits[]> {
  const isOut = (value: number | undefined): boolean =>
    value !== undefined && ((tag.min !== null && value < tag.min) || (tag.max !== null && value > tag.max));
  const areOut = ({ min, max }: Extremes): boolean => isOut(min) || isOut(max);
  const minutes: Extremes[] = [];
  for (const { t } of (await past.extremes(tag.tag, span, HOUR_MS)).filter(areOut)) {
    const hour = { fromMs: Math.max(span.fromMs, t), toMs: Math.min(span.toMs, t + HOUR_MS) };
    minutes.push(...(await past.extremes(tag.tag, hour, MINUTE_MS)).filter(areOut));
  }
  const found: OutOfLimits[] = [];
  for (const time of timesOf(minutes)) {
    const within = { fromMs: Math.max(span.fromMs, time[0]!.t), toMs: Math.min(span.toMs, time.at(-1)!.t + MINUTE_MS) };
    const readings = await past.readings(tag.tag, within);
    const out = readings.filter(({ value }) => isOut(value));
    // All of it was before the run began or after it was over, within the same minute.
    if (readings.length > 0 && out.length === 0) continue;
    const extremes = time.flatMap(({ min, max }) => [min, max]).filter((value) => value !== undefined);
    const { tag: name, min: low, max: high, unit } = tag;
    const value = furthest(tag, out.length > 0 ? out.map(({ value }) => value) : extremes);
    found.push({
      t: out[0]?.t ?? within.fromMs,
      until: out.at(-1)?.t ?? within.toMs,
      tag: name,
      value,
      low,
      high,
      unit,
      message: messageOf(tag, value),
    });
  }
  return found;
}

function messageOf({ tag, unit, min, max }: LotTag, worst: number): string {
  const shown = (value: number): string => `${Number(value.toPrecision(6))}${unit === null ? '' : ` ${unit}`}`;
  return max !== null && worst > max
    ? `${tag} was above ${shown(max)}: ${shown(worst)} at most`
    : `${tag} was below ${shown(min ?? 0)}: ${shown(worst)} at least`;
}

/** Minutes that follow each other are one time; beyond {@link MOST_TIMES} the rest is one. */
function timesOf(minutes: readonly Extremes[]): Extremes[][] {
  const times: Extremes[][] = [];
  for (const minute of minutes) {
    const last = times.at(-1);
    if (last && (minute.t - last.at(-1)!.t <= MINUTE_MS || times.length >= MOST_TIMES)) last.push(minute);
    else times.push([minute]);
  }
  return times;
}

function furthest({ min, max }: LotTag, values: readonly number[]): number {
  const distance = (value: number): number => Math.max(min === null ? 0 : min - value, max === null ? 0 : value - max);
  return values.reduce((worst, value) => (distance(value) > distance(worst) ? value : worst));
}
