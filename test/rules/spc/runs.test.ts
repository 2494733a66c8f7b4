import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NELSON_RULES, type RunRule, WESTERN_ELECTRIC_RULES } from '../../../src/core/spc.ts';
import { zoneOf } from '../../../src/rules/spc/runs.ts';
import { flagged } from './configs.ts';

const ALL = [...NELSON_RULES, ...WESTERN_ELECTRIC_RULES];

const repeat = (count: number, value: number): number[] => Array.from({ length: count }, () => value);

describe('run rules', () => {
  it('a point on the 3σ line is not beyond it, however the line rounds', () => {
    expect(flagged([3, 3.0001, -3, -3.0001])('N1')).toEqual([2, 4]);
    expect(zoneOf(10.3, 10, 0.1)).toBe(3);
    expect(zoneOf(9.7, 10, 0.1)).toBe(-3);
  });

  it('N2 needs nine and WE4 eight on one side; a point on the centre breaks them', () => {
    expect(flagged(repeat(10, 0.5))('N2')).toEqual([9, 10]);
    expect(flagged(repeat(10, 0.5))('WE4')).toEqual([8, 9, 10]);
    expect(flagged([...repeat(8, 0.5), 0, ...repeat(8, 0.5)])('N2')).toEqual([]);
  });

  it('N3 needs six rising or falling; a tie breaks it', () => {
    expect(flagged([1, 0.8, 0.6, 0.4, 0.2, 0.1, 0.3])('N3')).toEqual([6]);
    expect(flagged([-1, -0.5, 0, 0, 0.5, 1, 1.5])('N3')).toEqual([]);
  });

  it('N4 needs fourteen up and down in turn; a tie breaks it', () => {
    const zigzag = Array.from({ length: 15 }, (_, index) => (index % 2 === 0 ? 0.1 : 0.2));
    expect(flagged(zigzag)('N4')).toEqual([14, 15]);
    expect(flagged([...zigzag.slice(0, 13), 0.1])('N4')).toEqual([]);
  });

  it('N5 needs two of three beyond 2σ on one side, the flagged point among them', () => {
    expect(flagged([0.5, 2.1, 0.5, 2.1, 0.5])('N5')).toEqual([4]);
    expect(flagged([0.5, 2.1, -2.1, 0.5])('N5')).toEqual([]);
    expect(flagged([2.1, 2.1, 2.1])('WE2')).toEqual([3]);
    expect(flagged([2.1, 2.1], 0, 1, { twoOfThree: true, fourOfFive: false })('WE2')).toEqual([2]);
  });

  it('N6 needs four of five beyond 1σ on one side, and five points', () => {
    expect(flagged([1.1, 1.1, 0.5, 1.1, 1.1, 0.5])('N6')).toEqual([5]);
    expect(flagged([1.1, 1.1, 1.1, 1.1])('N6')).toEqual([]);
  });

  it('N7 takes the 1σ line as within', () => {
    expect(flagged([...repeat(7, 1), ...repeat(8, -1)])('N7')).toEqual([15]);
    expect(flagged([...repeat(14, 1), 1.001])('N7')).toEqual([]);
  });

  it('N8 needs eight beyond 1σ with both sides present', () => {
    expect(flagged([1.1, -1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1])('N8')).toEqual([8, 9]);
    expect(flagged(repeat(9, 1.1))('N8')).toEqual([]);
  });

  it('a bad point breaks every run', () => {
    expect(flagged([...repeat(8, 0.5), null, ...repeat(8, 0.5)])('N2')).toEqual([]);
    expect(flagged([0.1, 0.2, 0.3, null, 0.4, 0.5, 0.6])('N3')).toEqual([]);
    expect(flagged([2.1, null, 2.1])('N5')).toEqual([]);
  });

  it('one event an excursion, at its first point; the center, the other side or a bad point ends it', () => {
    expect(flagged([4, 4, 4, 0.5, 4, -4, -4])('N1', true)).toEqual([1, 6]);
    expect(flagged([4, 0.5, 4, 0, 4])('N1', true)).toEqual([1, 5]);
    expect(flagged([4, -0.1, 4])('N1', true)).toEqual([1, 3]);
    expect(flagged([4, null, 4])('N1', true)).toEqual([1, 3]);
    expect(flagged([0.5, 2.1, 2.1, 0.5, 0.5, 2.1, 2.1, -0.5, 2.1, 2.1])('N5', true)).toEqual([3, 9]);
  });

  it('a rule about a pattern stands as long as the pattern goes on', () => {
    expect(flagged([...repeat(16, 0.5), 1.5, ...repeat(15, 0.5)])('N7', true)).toEqual([15, 32]);
  });

  it('hold where a plain reading of their definitions says so', () => {
    const value = fc.oneof(fc.constantFrom(0, 1, -1, 2, -2, 3, -3), fc.double({ min: -4, max: 4, noNaN: true }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 60 }), (values) => {
        const at = flagged(values);
        for (const rule of ALL) expect(at(rule), rule).toEqual(plainly(rule, values));
      }),
      { numRuns: 300 },
    );
  });
});

/** The rules by their text, looking at the whole series. */
function plainly(rule: RunRule, values: readonly number[]): number[] {
  const last = (index: number, count: number) => (index + 1 < count ? [] : values.slice(index + 1 - count, index + 1));
  const all = (window: readonly number[], holds: (value: number, at: number) => boolean) =>
    window.length > 0 && window.every(holds);
  const ofLast = (index: number, needed: number, window: number, line: number, least: number): boolean => {
    if (index + 1 < least) return false;
    return [1, -1].some(
      (side) =>
        values[index]! * side > line &&
        values.slice(Math.max(0, index + 1 - window), index + 1).filter((value) => value * side > line).length >=
          needed,
    );
  };
  const holds = (index: number): boolean => {
    const run = (count: number) => [1, -1].some((side) => all(last(index, count), (value) => value * side > 0));
    switch (rule) {
      case 'N1':
      case 'WE1':
        return Math.abs(values[index]!) > 3;
      case 'N2':
        return run(9);
      case 'WE4':
        return run(8);
      case 'N3':
        return [1, -1].some((side) => {
          const six = last(index, 6);
          return all(six, (value, at) => at === 0 || (value - six[at - 1]!) * side > 0);
        });
      case 'N4': {
        const window = last(index, 14);
        const rises = window.slice(1).map((value, at) => Math.sign(value - window[at]!));
        return rises.length > 0 && rises.every((rise, at) => rise !== 0 && (at === 0 || rise === -rises[at - 1]!));
      }
      case 'N5':
      case 'WE2':
        return ofLast(index, 2, 3, 2, 3);
      case 'N6':
      case 'WE3':
        return ofLast(index, 4, 5, 1, 5);
      case 'N7':
        return all(last(index, 15), (value) => Math.abs(value) <= 1);
      case 'N8': {
        const eight = last(index, 8);
        return (
          all(eight, (value) => Math.abs(value) > 1) &&
          eight.some((value) => value > 0) &&
          eight.some((value) => value < 0)
        );
      }
    }
  };
  return values.flatMap((_, index) => (holds(index) ? [index + 1] : []));
}
