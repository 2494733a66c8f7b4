import { describe, expect, it } from 'vitest';
import { type CounterLimits, type CounterState, countOn } from '../../src/core/counter.ts';

/** Reads one value a second and tells what each added. */
function steps(values: readonly number[], limits: CounterLimits, everyMs = 1000): string[] {
  let state: CounterState | undefined;
  return values.map((value, index) => {
    const judged = countOn(state, value, index * everyMs, limits);
    ({ state } = judged);
    const { step } = judged;
    if (step.kind === 'counted') return `+${step.by}${step.isLowerBound ? ' at least' : ''}`;
    return step.kind === 'reset' ? `reset +${step.by}` : step.kind;
  });
}

describe('a counter with a greatest rate', () => {
  const limits = { modulus: 65_536, maxPerSecond: 5 };

  it('counts on, and through its roll-over', () => {
    expect(steps([100, 103, 103, 109], limits)).toEqual(['baseline', '+3', '+0', '+6']);
    expect(steps([65_534, 2], limits)).toEqual(['baseline', '+4']);
    expect(steps([9998, 1], { modulus: 10_000, maxPerSecond: 5 })).toEqual(['baseline', '+3']);
  });

  it('counts what there is after a reset', () => {
    expect(steps([100, 3, 4], limits)).toEqual(['baseline', 'reset +3', '+1']);
  });

  it('rejects a spike, and goes on from where it was', () => {
    expect(steps([100, 60_000, 102], limits)).toEqual(['baseline', 'spike', '+2']);
  });

  it('takes a value that stays for a counter that was set', () => {
    expect(steps([100, 5000, 5002, 5003], limits)).toEqual(['baseline', 'spike', 'baseline', '+1']);
  });

  it('says that the count is a lower bound where it may have gone round', () => {
    expect(steps([10, 60], { modulus: 100, maxPerSecond: 5 }, 30_000)).toEqual(['baseline', '+50 at least']);
  });
});

describe('a counter of which no rate is known', () => {
  const limits = { modulus: 65_536 };

  it('tells a roll-over near the end from a reset elsewhere', () => {
    expect(steps([65_530, 5], limits)).toEqual(['baseline', '+11']);
    expect(steps([5000, 3], limits)).toEqual(['baseline', 'reset +3']);
    expect(steps([40_000, 3], limits)).toEqual(['baseline', 'reset +3']);
    expect(steps([9998, 3], {})).toEqual(['baseline', 'reset +3']);
  });

  it('knows a spike from the start when it is over half the modulus, and a smaller one once it was seen to count', () => {
    expect(steps([100, 60_000, 102], limits)).toEqual(['baseline', 'spike', '+2']);
    const seen = Array.from({ length: 12 }, (_, index) => 100 + index);
    expect(steps([...seen, 5000, 113], { modulus: 2 ** 32 }).slice(-2)).toEqual(['spike', '+2']);
    expect(steps([...seen, 5000, 5001, 5002], { modulus: 2 ** 32 }).slice(-3)).toEqual(['spike', 'baseline', '+1']);
  });

  it('takes a low value near the end for a reset once it was seen to count slowly', () => {
    const seen = Array.from({ length: 12 }, (_, index) => 64_000 + index);
    expect(steps([...seen, 3], limits).at(-1)).toBe('reset +3');
  });

  it('believes a longer step after a longer silence', () => {
    const seen = Array.from({ length: 10 }, (_, index) => index);
    let state: CounterState | undefined;
    for (const [index, value] of seen.entries()) ({ state } = countOn(state, value, index * 1000, limits));
    expect(countOn(state, 609, 609_000, limits).step).toEqual({ kind: 'counted', by: 600, isLowerBound: false });
  });
});
