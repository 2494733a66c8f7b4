/** Registers or bits [start, end). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Disjoint ranges in ascending order that do not touch. */
export type Ranges = readonly Range[];

/** Whether one of the ranges holds all of [start, end). */
export function covers(ranges: Ranges, start: number, end: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.start <= start) low = middle + 1;
    else high = middle;
  }
  const candidate = ranges[low - 1];
  return candidate !== undefined && candidate.end >= end;
}

/** The ranges with [start, end) added; what touches or overlaps is joined. */
export function withRange(ranges: Ranges, start: number, end: number): Ranges {
  const before = ranges.filter((range) => range.end < start);
  const after = ranges.filter((range) => range.start > end);
  const joined = ranges.filter((range) => range.end >= start && range.start <= end);
  const first = Math.min(start, ...joined.map((range) => range.start));
  const last = Math.max(end, ...joined.map((range) => range.end));
  return [...before, { start: first, end: last }, ...after];
}
