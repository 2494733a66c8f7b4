import { describe, expect, it } from 'vitest';
import type { RunRule } from '../../../src/core/spc.ts';
import type { ShortWindows } from '../../../src/rules/spc/runs.ts';
import { flagged } from './configs.ts';
import { oracle } from './oracles.ts';

const SHORT: ShortWindows = { twoOfThree: true, fourOfFive: true };

interface Flags {
  readonly center: number;
  readonly sigma: number;
  readonly western_electric: Record<string, number[]>;
  readonly nelson: Record<string, number[]>;
  readonly partial_window: { readonly WE2: number[]; readonly WE3: number[] };
}

describe('public series', () => {
  const { series } = oracle<{
    series: Record<string, { x: number[]; limits_mr: Flags; limits_overall_sd: Flags }>;
  }>('run_rules_public_series.json');
  const cases = Object.entries(series).flatMap(([name, { x, limits_mr, limits_overall_sd }]) => [
    { name: `${name}, σ from moving ranges`, x, wanted: limits_mr },
    { name: `${name}, σ from all`, x, wanted: limits_overall_sd },
  ]);

  it.each(cases)('$name: exactly the points that the reference flags', ({ x, wanted }) => {
    const full = flagged(x, wanted.center, wanted.sigma);
    for (const [rule, points] of Object.entries({ ...wanted.nelson, ...wanted.western_electric }))
      expect(full(rule as RunRule), rule).toEqual(points);
    const short = flagged(x, wanted.center, wanted.sigma, SHORT);
    expect(short('WE2')).toEqual(wanted.partial_window.WE2);
    expect(short('WE3')).toEqual(wanted.partial_window.WE3);
  });
});
