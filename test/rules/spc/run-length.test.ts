import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import { type SpcConfig, WESTERN_ELECTRIC_RULES } from '../../../src/core/spc.ts';
import { FRESH_CHART, judge } from '../../../src/rules/spc/judge.ts';
import type { ShortWindows } from '../../../src/rules/spc/runs.ts';
import { chartOf } from './configs.ts';

/** A standard normal variable (Box and Muller 1958). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Points to the first signal, on average over `runs` series of normal individuals shifted by `shift` σ. */
function averageRunLength(design: Partial<SpcConfig>, shift: number, runs: number, short?: ShortWindows): number {
  const config = chartOf(design);
  const limits = { center: 0, sigma: 1 };
  const random = seededRandom(20_260_101);
  let points = 0;
  for (let run = 0; run < runs; run++) {
    let state = FRESH_CHART;
    for (let signalled = false; !signalled; points++) {
      const value = normal(random) + shift;
      const verdict = judge(config, limits, state, { value, size: 1, spread: null, squares: 0 }, short);
      state = verdict.state;
      signalled = verdict.judged.flags.length > 0;
    }
  }
  return points / runs;
}

const SHEWHART: Partial<SpcConfig> = { rules: ['N1'] };
const WESTERN: Partial<SpcConfig> = { rules: WESTERN_ELECTRIC_RULES };
const CUSUM: Partial<SpcConfig> = { chart: 'cusum', rules: [] };

/** Relative: a run length has about its own mean as standard deviation, so n runs give 1/√n. */
const TOLERANCE = 0.05;

/** The published theory counts 2 of 2 at the start as 2 of 3; only quick signals, of large shifts, notice. */
const SHORT: ShortWindows = { twoOfThree: true, fourOfFive: true };

describe('average run length, of simulated normal points', () => {
  it.each([
    { name: '3σ alone, in control: 1/0.0027', design: SHEWHART, shift: 0, runs: 2500, wanted: 370.4 },
    { name: '3σ alone, shifted by 1σ', design: SHEWHART, shift: 1, runs: 4000, wanted: 43.89 },
    { name: '3σ alone, shifted by 2σ', design: SHEWHART, shift: 2, runs: 6000, wanted: 6.3 },
    {
      name: 'Western Electric, in control (Champ and Woodall 1987)',
      design: WESTERN,
      shift: 0,
      runs: 4000,
      wanted: 91.75,
    },
    { name: 'Western Electric, shifted by 1σ', design: WESTERN, shift: 1, runs: 6000, wanted: 9.22 },
    { name: 'Western Electric, shifted by 2σ', design: WESTERN, shift: 2, runs: 6000, wanted: 3.13, short: SHORT },
    { name: 'CUSUM k 0.5 h 5, in control (Montgomery, table 9.3)', design: CUSUM, shift: 0, runs: 1500, wanted: 465 },
    { name: 'CUSUM k 0.5 h 5, shifted by 1σ', design: CUSUM, shift: 1, runs: 6000, wanted: 10.4 },
  ])('$name is $wanted', ({ design, shift, runs, wanted, short }) => {
    const got = averageRunLength(design, shift, runs, short);
    expect(Math.abs(got / wanted - 1), `${got}`).toBeLessThan(TOLERANCE);
  });
});
