/** Draws the last minutes of a tag in one line of text. */
import type { JsonReading } from '../../api/json.ts';

/** A trend has so many characters, each the mean of so long: three minutes. */
const BUCKETS = 12;
const BUCKET_MS = 15_000;

/** How far back a trend shows, ms. */
export const TREND_MS = BUCKETS * BUCKET_MS;

const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** Level of a value that did not change: low for nothing, in the middle for something. */
const LEVEL_OF_ZERO = 0;
const LEVEL_OF_STEADY = 3;

/** A time without any value, because its readings were bad; and one without readings. */
const BAD = '×';
const NOTHING = ' ';

interface Bucket {
  /** Number of the bucket: its beginning on the monotonic clock / `BUCKET_MS`. */
  readonly index: number;
  sum: number;
  values: number;
}

/** What a tag did in the last minutes. */
export interface Trend {
  /** Takes a reading that was made at `monoMs`; later ones may come before earlier ones. Texts are not shown. */
  add(reading: Pick<JsonReading, 'quality' | 'value'>, monoMs: number): void;
  /** One character a quarter of a minute, the present one at the right; a cross where there were only bad readings. */
  text(nowMonoMs: number): string;
}

/** An empty trend. */
export function createTrend(): Trend {
  const buckets: Bucket[] = [];
  let isTwoValued = true;
  return {
    add({ quality, value }, monoMs) {
      if (typeof value === 'string') return;
      const bucket = bucketAt(buckets, Math.floor(monoMs / BUCKET_MS));
      if (quality === 'bad' || value === undefined) return;
      if (typeof value === 'number') isTwoValued = false;
      bucket.sum += Number(value);
      bucket.values++;
    },
    text(nowMonoMs) {
      const newest = Math.floor(nowMonoMs / BUCKET_MS);
      const shown = Array.from({ length: BUCKETS }, (_, index) => newest - BUCKETS + 1 + index).map((index) =>
        buckets.find((bucket) => bucket.index === index),
      );
      const means = shown.flatMap((bucket) => (bucket && bucket.values > 0 ? [bucket.sum / bucket.values] : []));
      const [low, high] = isTwoValued ? [0, 1] : [Math.min(...means), Math.max(...means)];
      return shown.map((bucket) => character(bucket, low, high)).join('');
    },
  };
}

/** The bucket with a number, kept in order and so many at most. */
function bucketAt(buckets: Bucket[], index: number): Bucket {
  const known = buckets.find((bucket) => bucket.index === index);
  if (known) return known;
  const bucket = { index, sum: 0, values: 0 };
  buckets.push(bucket);
  buckets.sort((a, b) => a.index - b.index);
  if (buckets.length > BUCKETS) buckets.shift();
  return bucket;
}

function character(bucket: Bucket | undefined, low: number, high: number): string {
  if (!bucket) return NOTHING;
  if (bucket.values === 0) return BAD;
  const mean = bucket.sum / bucket.values;
  if (high === low) return LEVELS[mean === 0 ? LEVEL_OF_ZERO : LEVEL_OF_STEADY];
  return LEVELS[Math.round(((mean - low) / (high - low)) * (LEVELS.length - 1))] ?? NOTHING;
}
