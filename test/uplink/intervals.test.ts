import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeqRange } from '../../src/core/intervals.ts';
import { addRange, below, compact, countBelow, covers, rangesOf, removeRange } from '../../src/core/intervals.ts';

/** Numbers 0…59 as a plain set: the slow, obvious model. */
const SPAN = 60;
const range = fc
  .tuple(fc.integer({ min: 0, max: SPAN }), fc.integer({ min: 0, max: SPAN }))
  .map(([a, b]): SeqRange => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const steps = fc.array(fc.record({ add: fc.boolean(), range }), { maxLength: 40 });

function numbersOf({ from, to }: SeqRange): number[] {
  return Array.from({ length: Math.min(to, SPAN) - from }, (_, index) => from + index);
}

function play(list: readonly { add: boolean; range: SeqRange }[]) {
  let ranges = rangesOf([]);
  const model = new Set<number>();
  for (const step of list) {
    ranges = step.add ? addRange(ranges, step.range) : removeRange(ranges, step.range);
    for (const number of numbersOf(step.range)) step.add ? model.add(number) : model.delete(number);
  }
  return { ranges, model };
}

describe('a set of ranges', () => {
  it('holds exactly what was added and not removed, in order and without touching neighbours', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { ranges, model } = play(list);
        expect(ranges.flatMap(numbersOf)).toEqual([...model].sort((a, b) => a - b));
        ranges.slice(1).forEach((next, index) => {
          expect(next.from).toBeGreaterThan(ranges[index]!.to);
        });
      }),
    );
  });

  it('counts, covers and cuts like the plain set', () => {
    fc.assert(
      fc.property(steps, range, (list, asked) => {
        const { ranges, model } = play(list);
        expect(countBelow(ranges, asked.to)).toBe([...model].filter((number) => number < asked.to).length);
        expect(covers(ranges, asked)).toBe(numbersOf(asked).every((number) => model.has(number)));
        expect(below(ranges, asked.to).flatMap(numbersOf)).toEqual(
          [...model].filter((number) => number < asked.to).sort((a, b) => a - b),
        );
      }),
    );
  });

  it('compacted, holds everything it held and what it filled, in no more ranges than allowed', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 8 }), (list, limit) => {
        const { ranges } = play(list);
        const small = compact(ranges, limit);
        expect(small.ranges.length).toBeLessThanOrEqual(Math.max(limit, 0));
        expect(small.ranges).toEqual(rangesOf([...ranges, ...small.refilled]));
        expect(countBelow(small.ranges, SPAN)).toBe(countBelow(ranges, SPAN) + countBelow(small.refilled, SPAN));
      }),
    );
  });

  it('keeps an open end open', () => {
    const open = rangesOf([{ from: 1, to: Number.POSITIVE_INFINITY }]);
    expect(removeRange(open, { from: 1, to: 4 })).toEqual([{ from: 4, to: Number.POSITIVE_INFINITY }]);
    expect(removeRange(open, { from: 3, to: 4 })).toEqual([
      { from: 1, to: 3 },
      { from: 4, to: Number.POSITIVE_INFINITY },
    ]);
    expect(countBelow(open, 11)).toBe(10);
  });
});
