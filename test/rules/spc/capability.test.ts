import { describe, expect, it } from 'vitest';
import { capabilityOf, type Index, indicesOf, reasonText, type Sample } from '../../../src/rules/spc/capability.ts';
import { chiSquareQuantile, normalCdf, normalQuantile } from '../../../src/rules/spc/distribution.ts';
import { oracle, relativeError } from './oracles.ts';

interface Case {
  readonly LSL: number;
  readonly USL: number;
  readonly target: number;
  readonly n: number;
  readonly center: number;
  readonly sigma_within: number;
  readonly sigma_overall_n_minus_1: number;
  readonly indices_within: Record<'Cp' | 'CPL' | 'CPU' | 'Cpk' | 'Cpm', number>;
  readonly ci95: Record<'Cp' | 'CPL' | 'CPU' | 'Cpk' | 'Cpm', [number, number]>;
  readonly indices_overall: Record<'Pp' | 'PPL' | 'PPU' | 'Ppk', number>;
  readonly expected_percent_outside: { readonly below: number; readonly above: number };
}

const NORMAL: Sample = { readings: 100, mean: 10, sigmaWithin: 0.01, sigmaOverall: 0.012 };
const SPEC = { lsl: 9.95, target: 10, usl: 10.05 };

describe('capability', () => {
  const all = oracle<Record<string, Case>>('capability.json');

  it.each(['pistonrings_xbar_r', 'pistonrings_xbar_r_off_target', 'viscosity_i'])(
    '%s: indices with their intervals',
    (name) => {
      const wanted = all[name]!;
      const sample: Sample = {
        readings: wanted.n,
        mean: wanted.center,
        sigmaWithin: wanted.sigma_within,
        sigmaOverall: wanted.sigma_overall_n_minus_1,
      };
      const got = indicesOf(sample, { lsl: wanted.LSL, target: wanted.target, usl: wanted.USL });
      const pairs: [Index, number, [number, number]?][] = [
        [got.cp!, wanted.indices_within.Cp, wanted.ci95.Cp],
        [got.cpl!, wanted.indices_within.CPL, wanted.ci95.CPL],
        [got.cpu!, wanted.indices_within.CPU, wanted.ci95.CPU],
        [got.cpk!, wanted.indices_within.Cpk, wanted.ci95.Cpk],
        [got.cpm!, wanted.indices_within.Cpm, wanted.ci95.Cpm],
        [got.pp!, wanted.indices_overall.Pp],
        [got.ppl!, wanted.indices_overall.PPL],
        [got.ppu!, wanted.indices_overall.PPU],
        [got.ppk!, wanted.indices_overall.Ppk],
      ];
      for (const [index, value, interval] of pairs) {
        expect(relativeError(index.value, value)).toBeLessThan(1e-10);
        if (!interval) continue;
        expect(relativeError(index.low, interval[0])).toBeLessThan(1e-10);
        expect(relativeError(index.high, interval[1])).toBeLessThan(1e-10);
      }
      expect(relativeError(got.percentBelow!, wanted.expected_percent_outside.below)).toBeLessThan(1e-7);
      expect(relativeError(got.percentAbove!, wanted.expected_percent_outside.above)).toBeLessThan(1e-7);
    },
  );

  it('agrees with the published example of NIST', () => {
    const nist = all.nist_6_1_6 as unknown as Record<
      'USL' | 'LSL' | 'mean' | 's' | 'Cp' | 'Cpk' | 'CPU' | 'CPL',
      number
    >;
    const sample = { readings: 50, mean: nist.mean, sigmaWithin: nist.s, sigmaOverall: nist.s };
    const got = indicesOf(sample, { lsl: nist.LSL, target: undefined, usl: nist.USL });
    expect(got.cp!.value).toBeCloseTo(nist.Cp, 12);
    expect(got.cpk!.value).toBeCloseTo(nist.Cpk, 12);
    expect(got.cpu!.value).toBeCloseTo(nist.CPU, 12);
    expect(got.cpl!.value).toBeCloseTo(nist.CPL, 12);
    expect(got.cpm).toBeUndefined();
  });

  it('a one-sided specification gives that side only', () => {
    const upper = indicesOf(NORMAL, { lsl: undefined, target: undefined, usl: 10.05 });
    expect(upper.cpu!.value).toBeCloseTo(5 / 3, 12);
    expect([upper.cp, upper.cpl, upper.cpk, upper.pp, upper.ppk, upper.percentBelow]).toEqual(Array(6).fill(undefined));
    const lower = indicesOf(NORMAL, { lsl: 9.95, target: undefined, usl: undefined });
    expect([lower.cpl!.value, lower.ppl!.value]).toEqual([expect.closeTo(5 / 3, 12), expect.closeTo(0.05 / 0.036, 12)]);
    expect([lower.cp, lower.cpu, lower.cpk, lower.percentAbove]).toEqual(Array(4).fill(undefined));
  });

  it('is published in control and from 30 readings on', () => {
    const study = { sample: NORMAL, hasLimits: true, signal: undefined };
    expect(capabilityOf(study, SPEC, false).status).toBe('published');
    expect(capabilityOf(study, undefined, false)).toEqual({
      status: 'withheld',
      reasons: [{ why: 'no-specification' }],
    });
  });

  it('is withheld with every reason, and given with them when asked for as provisional', () => {
    const study = { sample: { ...NORMAL, readings: 12 }, hasLimits: true, signal: { point: 40, rule: 'N2' } };
    const reasons = [
      { why: 'out-of-control', point: 40, rule: 'N2' },
      { why: 'too-few-readings', readings: 12, needed: 30 },
    ];
    expect(capabilityOf(study, SPEC, false)).toEqual({ status: 'withheld', reasons });
    expect(capabilityOf(study, SPEC, true)).toMatchObject({ status: 'provisional', reasons });
    const shown = capabilityOf(study, SPEC, false);
    expect(shown.status === 'withheld' && shown.reasons.map(reasonText)).toEqual([
      'the process is out of control (N2 at point 40): find the cause first',
      'only 12 readings since the last signal: at least 30 are needed',
    ]);
  });

  it('is never given without variation or readings', () => {
    const still = { sample: { ...NORMAL, sigmaWithin: 0 }, hasLimits: true, signal: undefined };
    expect(capabilityOf(still, SPEC, true)).toEqual({ status: 'withheld', reasons: [{ why: 'no-variation' }] });
    const none = { sample: undefined, hasLimits: false, signal: undefined };
    expect(capabilityOf(none, SPEC, true)).toEqual({
      status: 'withheld',
      reasons: [{ why: 'no-limits' }, { why: 'too-few-readings', readings: 0, needed: 30 }],
    });
  });
});

describe('distributions, against printed tables', () => {
  it('normal', () => {
    expect(normalCdf(0)).toBe(0.5);
    expect(relativeError(normalCdf(-6), 9.865876450376946e-10)).toBeLessThan(1e-12);
    expect(relativeError(normalCdf(1), 0.8413447460685429)).toBeLessThan(1e-14);
    expect(relativeError(normalQuantile(0.975), 1.959963984540054)).toBeLessThan(1e-13);
  });

  it('chi-square, whole degrees and not', () => {
    expect(relativeError(chiSquareQuantile(0.95, 1), 3.841458820694124)).toBeLessThan(1e-12);
    expect(relativeError(chiSquareQuantile(0.025, 10), 3.246972780236842)).toBeLessThan(1e-12);
    expect(relativeError(chiSquareQuantile(0.5, 2), 2 * Math.LN2)).toBeLessThan(1e-12);
    expect(gammaRoundTrip(7.3)).toBeLessThan(1e-12);
  });
});

/** The quantile of a probability between those of its whole neighbours grows with the degrees of freedom. */
function gammaRoundTrip(degrees: number): number {
  const [below, at, above] = [7, degrees, 8].map((each) => chiSquareQuantile(0.975, each));
  return below! < at! && at! < above! ? 0 : 1;
}
