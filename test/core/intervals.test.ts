import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, type IntervalSet, intersect, intervals, subtract, union } from '../../src/core/intervals.ts';

const ranges = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 12 }))
    .map(([from, size]) => ({ from, to: from + size })),
  { maxLength: 8 },
);

/** The plain way: a set of numbers. */
function numbersOf(set: IntervalSet): number[] {
  return set.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, index) => from + index));
}

describe('sets of numbers as ranges', () => {
  it('agree with sets of single numbers', () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const [setA, setB] = [intervals(a), intervals(b)];
        const [inA, inB] = [new Set(numbersOf(a)), new Set(numbersOf(b))];
        const sorted = (numbers: Iterable<number>) => [...numbers].sort((x, y) => x - y);
        expect(numbersOf(setA)).toEqual(sorted(inA));
        expect(numbersOf(union(a, b))).toEqual(sorted(new Set([...inA, ...inB])));
        expect(numbersOf(intersect(setA, setB))).toEqual(sorted([...inA].filter((number) => inB.has(number))));
        expect(numbersOf(subtract(setA, setB))).toEqual(sorted([...inA].filter((number) => !inB.has(number))));
        expect(countOf(setA)).toBe(inA.size);
      }),
      { numRuns: 500 },
    );
  });

  it('may be open at the end', () => {
    const rest = [{ from: 5, to: Number.POSITIVE_INFINITY }];
    expect(subtract(rest, [{ from: 7, to: 9 }])).toEqual([
      { from: 5, to: 7 },
      { from: 9, to: Number.POSITIVE_INFINITY },
    ]);
    expect(countOf(rest)).toBe(Number.POSITIVE_INFINITY);
  });
});
