import type { SeqRange } from '../store/store.ts';

/** A set of numbers as half-open ranges: in order, not empty, not touching. The last may be open (`to` = Infinity). */
export type Ranges = readonly SeqRange[];

/**
 * The most ranges a set is kept in. In normal work there are about as many as messages under way; more only come from
 * a store that was handed many holes.
 */
export const MAX_RANGES = 1024;

/** Any list of ranges, in any order and overlapping or not, as a set. Empty ranges are left out. */
export function rangesOf(list: readonly SeqRange[]): Ranges {
  return list.reduce<Ranges>(addRange, []);
}

/** The set with `range` in it. */
export function addRange(ranges: Ranges, range: SeqRange): Ranges {
  if (range.from >= range.to) return ranges;
  const before = ranges.filter((other) => other.to < range.from);
  const after = ranges.filter((other) => other.from > range.to);
  const touched = ranges.slice(before.length, ranges.length - after.length);
  const from = Math.min(range.from, touched[0]?.from ?? range.from);
  const to = Math.max(range.to, touched.at(-1)?.to ?? range.to);
  return [...before, { from, to }, ...after];
}

/** The set without any number of `range`. */
export function removeRange(ranges: Ranges, range: SeqRange): Ranges {
  if (range.from >= range.to) return ranges;
  const left: SeqRange[] = [];
  for (const other of ranges) {
    if (other.to <= range.from || other.from >= range.to) {
      left.push(other);
      continue;
    }
    if (other.from < range.from) left.push({ from: other.from, to: range.from });
    if (other.to > range.to) left.push({ from: range.to, to: other.to });
  }
  return left;
}

/** The numbers of the set below `end`. */
export function below(ranges: Ranges, end: number): Ranges {
  return removeRange(ranges, { from: end, to: Number.POSITIVE_INFINITY });
}

/** How many numbers of the set are below `end`; `end` must be finite when the set is open. */
export function countBelow(ranges: Ranges, end: number): number {
  let count = 0;
  for (const { from, to } of ranges) if (from < end) count += Math.min(to, end) - from;
  return count;
}

/** True when every number of `range` is in the set; also for an empty range. */
export function covers(ranges: Ranges, range: SeqRange): boolean {
  return range.from >= range.to || ranges.some(({ from, to }) => from <= range.from && range.to <= to);
}

/**
 * The set in at most `limit` (≥ 1) ranges. Where there are more, the narrowest gaps are filled: what is pending only
 * ever grows by this, so that numbers are sent again rather than lost.
 *
 * @returns the set, and the gaps that were filled
 */
export function compact(ranges: Ranges, limit: number = MAX_RANGES): { ranges: Ranges; refilled: Ranges } {
  const surplus = ranges.length - limit;
  if (surplus <= 0) return { ranges, refilled: [] };
  const gaps = ranges.slice(1).map((range, index) => ({ from: ranges[index]!.to, to: range.from }));
  const narrowest = gaps.sort((a, b) => a.to - a.from - (b.to - b.from)).slice(0, surplus);
  return { ranges: narrowest.reduce<Ranges>(addRange, ranges), refilled: rangesOf(narrowest) };
}
