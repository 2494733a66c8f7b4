import { describe, expect, it } from 'vitest';
import { NELSON_RULES, type RunRule, type SpcConfig, WESTERN_ELECTRIC_RULES } from '../../../src/core/spc.ts';
import { type JudgedPoint, judgeSeries } from '../../../src/rules/spc/judge.ts';
import {
  estimate,
  linesOf,
  type NumberedSubgroup,
  type Subgroup,
  spreadLinesOf,
} from '../../../src/rules/spc/limits.ts';
import { chartOf } from './configs.ts';
import { oracle, relativeError } from './oracles.ts';

/** What the oracle says of one chart of qcc. */
interface QccChart {
  readonly center: [number];
  readonly std_dev: [number];
  readonly limits: { readonly lcl: number[]; readonly ucl: number[] };
  readonly statistics: number[];
  readonly sizes: number[];
  readonly new_statistics: number[] | null;
  readonly new_sizes: number[] | null;
  readonly violations_qcc27: { readonly beyond_limits: number[] };
  readonly run_rules_qcc30?: {
    readonly western_electric: Record<string, number[]>;
    readonly nelson: Record<string, number[]>;
  };
}

/** Limits of 5e-4 relative are asked for: qcc has d2 with three decimals. Where only rounding differs we ask for more. */
const TABLE = 5e-4;
const EXACT = 1e-12;

const ALL_RULES = [...NELSON_RULES, ...WESTERN_ELECTRIC_RULES];

function numbered(points: readonly Subgroup[]): NumberedSubgroup[] {
  return points.map((point, index) => ({ ...point, point: index + 1 }));
}

/** Individuals with their moving ranges. */
function individuals(values: readonly number[]): Subgroup[] {
  return values.map((value, index) => {
    const before = values[index - 1];
    return { value, size: 1, spread: before === undefined ? null : Math.abs(value - before), squares: 0 };
  });
}

function means(subgroups: readonly (readonly number[])[], spread: 'range' | 'deviation'): Subgroup[] {
  return subgroups.map((values) => {
    const value = values.reduce((sum, each) => sum + each, 0) / values.length;
    const squares = values.reduce((sum, each) => sum + (each - value) ** 2, 0);
    const range = Math.max(...values) - Math.min(...values);
    const deviation = Math.sqrt(squares / (values.length - 1));
    return { value, size: values.length, spread: spread === 'range' ? range : deviation, squares };
  });
}

/** Points at which a rule holds, from 1. */
function flaggedBy(judged: readonly (JudgedPoint | null)[], rule: string): number[] {
  return judged.flatMap((point, index) => (point?.flags.some((flag) => flag.rule === rule) ? [index + 1] : []));
}

/** Compares limits, the points beyond them, and every run rule. */
function expectChart(config: SpcConfig, wanted: QccChart, phase1: Subgroup[], phase2: Subgroup[], tolerance: number) {
  const estimated = estimate(config, numbered(phase1))!;
  expect(relativeError(estimated.center, wanted.center[0])).toBeLessThan(EXACT);
  expect(relativeError(estimated.sigma, wanted.std_dev[0])).toBeLessThan(tolerance);
  const all = [...phase1, ...phase2];
  const judged = judgeSeries({ ...config, rules: ALL_RULES }, estimated, all);
  const { lcl, ucl } = wanted.limits;
  judged.forEach((point, index) => {
    expect(relativeError(point!.lcl, lcl[index] ?? lcl[0]!), `lcl ${index + 1}`).toBeLessThan(tolerance);
    expect(relativeError(point!.ucl, ucl[index] ?? ucl[0]!), `ucl ${index + 1}`).toBeLessThan(tolerance);
  });
  expect(flaggedBy(judged, 'N1')).toEqual(wanted.violations_qcc27.beyond_limits);
  const rules = { ...wanted.run_rules_qcc30?.nelson, ...wanted.run_rules_qcc30?.western_electric };
  for (const rule of Object.keys(rules) as RunRule[]) expect(flaggedBy(judged, rule), rule).toEqual(rules[rule]);
}

describe('individuals and moving range', () => {
  const all = oracle<Record<string, QccChart & Record<string, number> & { mr: number[] }>>('imr_viscosity_boiler.json');

  it.each(['viscosity_phase1', 'viscosity_phase2', 'boiler_t1', 'boiler_t7'])('%s', (name) => {
    const wanted = all[name]!;
    const points = individuals([...wanted.statistics, ...(wanted.new_statistics ?? [])]);
    const count = wanted.statistics.length;
    expectChart(chartOf({ rules: [] }), wanted, points.slice(0, count), points.slice(count), TABLE);
  });

  it.each([
    ['viscosity_phase1', 'viscosity_mr'],
    ['boiler_t1', 'boiler_t1_mr'],
    ['boiler_t7', 'boiler_t7_mr'],
  ])('%s: moving ranges with exact factors', (name, ranges) => {
    const wanted = all[ranges]!;
    const points = individuals(all[name]!.statistics);
    points.slice(1).forEach(({ spread }, index) => {
      expect(spread).toBeCloseTo(wanted.mr[index]!, 12);
    });
    const { sigma } = estimate(chartOf(), numbered(points))!;
    expect(relativeError(sigma, wanted.sigma_exact_d2!)).toBeLessThan(1e-10);
    const lines = spreadLinesOf('moving-range', sigma, 2);
    expect(relativeError(lines.center, wanted.mr_bar!)).toBeLessThan(EXACT);
    expect(relativeError(lines.ucl, wanted.mr_ucl_D4_exact!)).toBeLessThan(1e-10);
    expect(lines.lcl).toBe(wanted.mr_lcl);
    const judged = judgeSeries(chartOf({ rules: ['N1'] }), { center: 0, sigma }, points);
    const beyond = wanted.mr.flatMap((range, index) => (range > wanted.mr_ucl_D4_exact! ? [index + 2] : []));
    expect(flaggedBy(judged, 'R1')).toEqual(beyond);
  });
});

describe('means with ranges and standard deviations', () => {
  const all = oracle<Record<string, QccChart>>('pistonrings_xbar_r_s.json');
  const { input } = oracle<{ input: { phase1: number[][]; phase2: number[][] } }>('pistonrings_ewma_cusum.json');
  const ofFive = { by: 'count', size: 5 } as const;

  it('X̄-R of the baseline, and of new points by frozen limits', () => {
    const config = chartOf({ chart: 'xbar-r', subgroup: ofFive });
    const [phase1, phase2] = [means(input.phase1, 'range'), means(input.phase2, 'range')];
    expectChart(config, all.xbar_phase1!, phase1, [], TABLE);
    expectChart(config, all.xbar_phase1_then_2!, phase1, phase2, TABLE);
  });

  it('X̄-S', () => {
    const config = chartOf({ chart: 'xbar-s', subgroup: ofFive });
    expectChart(config, all.xbar_S_based!, means(input.phase1, 'deviation'), means(input.phase2, 'deviation'), 1e-10);
  });

  it.each([
    ['R_chart', 'xbar-r', 'range'],
    ['S_chart', 'xbar-s', 'deviation'],
  ] as const)('%s', (name, chart, spread) => {
    const wanted = all[name]!;
    const config = chartOf({ chart, subgroup: ofFive, rules: ['N1', 'N2'] });
    const [phase1, phase2] = [means(input.phase1, spread), means(input.phase2, spread)];
    const limits = estimate(config, numbered(phase1))!;
    const lines = spreadLinesOf(spread, limits.sigma, 5);
    expect(relativeError(lines.center, wanted.center[0])).toBeLessThan(1e-10);
    expect(lines.lcl).toBe(wanted.limits.lcl[0]);
    expect(relativeError(lines.ucl, wanted.limits.ucl[0]!)).toBeLessThan(TABLE);
    const judged = judgeSeries(config, limits, [...phase1, ...phase2]);
    expect(flaggedBy(judged, 'R1')).toEqual(wanted.violations_qcc27.beyond_limits);
    expect(flaggedBy(judged, 'R2')).toEqual(wanted.run_rules_qcc30!.nelson.N2);
  });
});

describe('counts', () => {
  const all = oracle<Record<string, QccChart>>('attributes_p_np_c_u.json');
  const counted = (values: readonly number[], sizes: readonly number[]): Subgroup[] =>
    values.map((value, index) => ({ value, size: sizes[index]!, spread: null, squares: 0 }));

  it.each([
    ['p_orangejuice', 'p'],
    ['p_orangejuice_revised_excl_15_23_then_new', 'p'],
    ['p_orangejuice2', 'p'],
    ['p_variable_n_ucb', 'p'],
    ['p_variable_n_esoph', 'p'],
    ['np_orangejuice', 'np'],
    ['c_circuit', 'c'],
    ['c_circuit_revised_excl_6_20_then_new', 'c'],
    ['u_pcmanufact', 'u'],
    ['u_dyedcloth_variable_n', 'u'],
  ] as const)('%s', (name, chart) => {
    const wanted = all[name]!;
    const phase1 = counted(wanted.statistics, wanted.sizes);
    const phase2 = counted(wanted.new_statistics ?? [], wanted.new_sizes ?? []);
    // qcc gives σ of a unit for p and u, of a point for np and c, as we do.
    expectChart(chartOf({ chart }), wanted, phase1, phase2, 1e-11);
  });

  it('limits stay within what can be counted', () => {
    expect(linesOf('p', { center: 0.01, sigma: 0.1 }, 5)).toMatchObject({ lcl: 0 });
    expect(linesOf('p', { center: 0.99, sigma: 0.1 }, 5)).toMatchObject({ ucl: 1 });
    expect(linesOf('np', { center: 4.9, sigma: 0.3 }, 5)).toMatchObject({ ucl: 5 });
    expect(linesOf('c', { center: 1, sigma: 1 }, 1)).toMatchObject({ lcl: 0, ucl: 4 });
  });
});

interface Memory {
  readonly lambda: number;
  readonly L: number;
  readonly center: number;
  readonly std_dev: number;
  readonly z: number[];
  readonly lcl: number[];
  readonly ucl: number[];
  readonly violations: number[];
  readonly h_sigma: number;
  readonly k_sigma: number;
  readonly head_start: number;
  readonly c_plus: number[];
  readonly c_minus_as_negative: number[];
  readonly signal_upper: number[];
  readonly signal_lower: number[];
}

describe('charts with memory', () => {
  const all = oracle<Record<string, Memory> & { input: unknown }>('pistonrings_ewma_cusum.json');
  const { phase1, phase2 } = all.input as unknown as { phase1: number[][]; phase2: number[][] };
  const points = means([...phase1, ...phase2], 'range');
  const subgroup = { by: 'count', size: 5 } as const;

  it.each(['ewma_l02', 'ewma_l01_L27'])('%s: z, its growing limits, its signals', (name) => {
    const wanted = all[name]!;
    const config = chartOf({ chart: 'ewma', subgroup, rules: [], lambda: wanted.lambda, width: wanted.L });
    const judged = judgeSeries(config, { center: wanted.center, sigma: wanted.std_dev }, points);
    judged.forEach((point, index) => {
      expect(relativeError(point!.value, wanted.z[index]!)).toBeLessThan(EXACT);
      expect(relativeError(point!.lcl, wanted.lcl[index]!)).toBeLessThan(EXACT);
      expect(relativeError(point!.ucl, wanted.ucl[index]!)).toBeLessThan(EXACT);
    });
    expect(flaggedBy(judged, 'EWMA')).toEqual(wanted.violations);
  });

  it.each(['cusum_h5', 'cusum_h4_fir'])('%s: both sums and their signals', (name) => {
    const wanted = all[name]!;
    const { k_sigma: slack, h_sigma: decision, head_start: headStart } = wanted;
    const config = chartOf({ chart: 'cusum', subgroup, rules: [], slack, decision, headStart });
    const judged = judgeSeries(config, { center: wanted.center, sigma: wanted.std_dev }, points);
    judged.forEach((point, index) => {
      const [plus, minus] = [wanted.c_plus[index]!, wanted.c_minus_as_negative[index]!];
      const larger = plus >= -minus ? plus : minus;
      expect(Math.abs(point!.value - larger)).toBeLessThan(1e-9);
    });
    expect(flaggedBy(judged, 'CUSUM+')).toEqual(wanted.signal_upper);
    expect(flaggedBy(judged, 'CUSUM-')).toEqual(wanted.signal_lower);
  });

  it('their own estimates lead to the same signals', () => {
    const config = chartOf({ chart: 'cusum', subgroup, rules: [] });
    const limits = estimate(config, numbered(points.slice(0, 25)))!;
    expect(relativeError(limits.sigma, all.cusum_h5!.std_dev)).toBeLessThan(TABLE);
    expect(flaggedBy(judgeSeries(config, limits, points), 'CUSUM+')).toEqual(all.cusum_h5!.signal_upper);
  });
});
