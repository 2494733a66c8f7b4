/** Sets of sequence numbers as ranges, and the arithmetic on them. */

/** A half-open range of sequence numbers, `from` included, `to` not. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** A set of numbers as half-open ranges: ascending, none empty, none touching another. */
export type IntervalSet = readonly SeqRange[];

/** Any ranges as a set: sorted, empty ones dropped, touching ones joined. */
export function intervals(ranges: readonly SeqRange[]): IntervalSet {
  const sorted = ranges.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from);
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = joined.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** Numbers that are in either set. */
export function union(a: readonly SeqRange[], b: readonly SeqRange[]): IntervalSet {
  return intervals([...a, ...b]);
}

/** Numbers that are in both sets. */
export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
  const common: SeqRange[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i]!.from, b[j]!.from);
    const to = Math.min(a[i]!.to, b[j]!.to);
    if (from < to) common.push({ from, to });
    if (a[i]!.to < b[j]!.to) i++;
    else j++;
  }
  return common;
}

/** Numbers of `a` that are not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
  const left: SeqRange[] = [];
  let j = 0;
  for (const { from, to } of a) {
    let at = from;
    while (j < b.length && b[j]!.to <= at) j++;
    for (let k = j; k < b.length && b[k]!.from < to; k++) {
      if (b[k]!.from > at) left.push({ from: at, to: b[k]!.from });
      at = Math.max(at, b[k]!.to);
    }
    if (at < to) left.push({ from: at, to });
  }
  return left;
}

/** How many numbers are in the set; Infinity for an open one. */
export function countOf(set: IntervalSet): number {
  return set.reduce((sum, { from, to }) => sum + (to - from), 0);
}

/** A set of numbers as half-open ranges: in order, not empty, not touching. The last may be open (`to` = Infinity). */
export type Ranges = readonly SeqRange[];

/**
 * The most ranges a set is kept in. In normal work there are about as many as messages under way; more only come from
 * a store that was handed many holes.
 */
const MAX_RANGES = 1024;

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
