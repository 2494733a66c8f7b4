/** Estimates the limits of a chart from a baseline, and draws its lines; `phase.ts` decides when, and freezes them. */
import { type Chart, isAttributeChart, isOfIndividuals, MAX_RANGE_SIZE, type SpcConfig } from '../../core/spc.ts';
import { c4, d2, d3 } from './constants.ts';

/** One point before it is judged. */
export interface Subgroup {
  /** Mean, individual, proportion, count or count per unit, whatever the chart shows. */
  readonly value: number;
  /** Readings or units in it, ≥ 1. */
  readonly size: number;
  /** Range, standard deviation or moving range; null where there is none. */
  readonly spread: number | null;
  /** Sum of squared deviations of its readings from their mean; 0 for one reading and for counts. */
  readonly squares: number;
}

/** A point with its number in the series, counted from 1, missing points included. */
export interface NumberedSubgroup extends Subgroup {
  readonly point: number;
}

/** Frozen limits. */
export interface Limits {
  /** From 1; a new number whenever any of the below changes. */
  readonly version: number;
  readonly source: 'baseline' | 'given';
  /** The centre line. */
  readonly center: number;
  /** σ of one reading (variables), of one unit (p, u) or of a point (np, c). */
  readonly sigma: number;
  /** Points they were estimated from; 0 when given. */
  readonly points: number;
}

/** The lines a point is compared with. `sigma` is that of the point. */
export interface Lines {
  readonly center: number;
  readonly sigma: number;
  readonly lcl: number;
  readonly ucl: number;
}

/** Units or readings in a full point; undefined where every point may have another number, and so other limits. */
export function fullSizeOf(config: Pick<SpcConfig, 'chart' | 'subgroup' | 'inspected'>): number | undefined {
  const { subgroup, inspected } = config;
  if (isOfIndividuals(config)) return 1;
  if (inspected?.by === 'size') return inspected.size;
  if (inspected?.by === 'tag') return undefined;
  return subgroup.by === 'count' ? subgroup.size : undefined;
}

/** How a chart measures the spread within its points. */
type SpreadKind = 'moving-range' | 'range' | 'deviation' | 'none';

/** What measures the spread: ranges while subgroups are sure to be small, else standard deviations. */
export function spreadKindOf({ chart, subgroup }: Pick<SpcConfig, 'chart' | 'subgroup'>): SpreadKind {
  if (isAttributeChart(chart)) return 'none';
  if (chart === 'xbar-r') return 'range';
  if (chart === 'xbar-s') return 'deviation';
  if (isOfIndividuals({ chart, subgroup })) return 'moving-range';
  if (subgroup.by !== 'count') return 'deviation';
  if (subgroup.size === 1) return 'moving-range';
  return subgroup.size <= MAX_RANGE_SIZE ? 'range' : 'deviation';
}

/** The lines of a point of `size` readings or units on the main chart; those of counts are clipped to what can be. */
export function linesOf(chart: Chart, { center, sigma }: Pick<Limits, 'center' | 'sigma'>, size: number): Lines {
  const own = chart === 'np' || chart === 'c' ? sigma : sigma / Math.sqrt(size);
  const lcl = center - 3 * own;
  const ucl = center + 3 * own;
  if (!isAttributeChart(chart)) return { center, sigma: own, lcl, ucl };
  const most = chart === 'p' ? 1 : chart === 'np' ? size : Number.POSITIVE_INFINITY;
  return { center, sigma: own, lcl: Math.max(0, lcl), ucl: Math.min(most, ucl) };
}

/** The lines of a point of `size` readings on the range, moving range (`size` 2) or s chart. */
export function spreadLinesOf(kind: Exclude<SpreadKind, 'none'>, sigma: number, size: number): Lines {
  const mean = kind === 'deviation' ? c4(size) : d2(size);
  const deviation = kind === 'deviation' ? Math.sqrt(1 - mean * mean) : d3(size);
  const center = mean * sigma;
  const own = deviation * sigma;
  return { center, sigma: own, lcl: Math.max(0, center - 3 * own), ucl: center + 3 * own };
}

/** σ̂ of one reading from the spread of one point: R/d2, MR/d2(2) or s/c4. */
export function sigmaOf(kind: Exclude<SpreadKind, 'none'>, spread: number, size: number): number {
  if (kind === 'deviation') return spread / c4(size);
  return spread / d2(kind === 'moving-range' ? 2 : size);
}

/** σ of a count by its distribution, in the terms of {@link Limits}: binomial for p and np, Poisson for c and u. */
export function sigmaOfCount(chart: Chart, center: number, size: number): number {
  if (chart === 'p') return Math.sqrt(Math.max(0, center * (1 - center)));
  if (chart === 'np') return Math.sqrt(Math.max(0, center * (1 - center / size)));
  return Math.sqrt(center);
}

/**
 * Phase I: the centre and σ̂ of a baseline. σ̂ is the mean over the points of R/d2, MR/1.128 or s/c4; a moving range
 * needs both its points. Undefined when nothing measures σ̂, or it is 0 but for the rounding of doubles.
 */
export function estimate(
  config: Pick<SpcConfig, 'chart' | 'subgroup'>,
  points: readonly NumberedSubgroup[],
): { readonly center: number; readonly sigma: number } | undefined {
  const units = points.reduce((sum, { size }) => sum + size, 0);
  if (units === 0) return undefined;
  const kind = spreadKindOf(config);
  const weighted = config.chart !== 'np' && config.chart !== 'c';
  const center = weighted
    ? points.reduce((sum, { value, size }) => sum + value * size, 0) / units
    : points.reduce((sum, { value }) => sum + value, 0) / points.length;
  const sigma = kind === 'none' ? sigmaOfCount(config.chart, center, points[0]!.size) : meanSigma(kind, points);
  const greatest = points.reduce((most, { value }) => Math.max(most, Math.abs(value)), 0);
  return sigma > greatest * ROUNDING ? { center: tidy(center, 14), sigma } : undefined;
}

/** A spread below this share of the values is made by doubles, not by a process: a net weight differs in its last bit. */
const ROUNDING = 1e-11;

/**
 * A number without what doubles get wrong: 10.100000000000001 is 10.1.
 *
 * @param digits of a reading twelve, more than any instrument shows; of a mean fourteen
 */
export function tidy(value: number, digits: 12 | 14): number {
  // The sum makes a zero of a negative one, whose sign a kept state would lose.
  return (Number.isInteger(value) ? value : Number(value.toPrecision(digits))) + 0;
}

function meanSigma(kind: Exclude<SpreadKind, 'none'>, points: readonly NumberedSubgroup[]): number {
  const sigmas = points.flatMap(({ point, value, size, spread }, index) => {
    if (kind !== 'moving-range') return spread === null ? [] : [sigmaOf(kind, spread, size)];
    const before = points[index - 1];
    return before?.point === point - 1 ? [sigmaOf(kind, Math.abs(value - before.value), 2)] : [];
  });
  return sigmas.length === 0 ? 0 : sigmas.reduce((sum, sigma) => sum + sigma, 0) / sigmas.length;
}
