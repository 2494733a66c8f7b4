import type { SeqRange } from '../store/store.ts';

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
