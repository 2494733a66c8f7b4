/** Control charts as the words of the whole program: kinds, rules and configurations. */
import type { Priority } from './event.ts';
import type { TagId } from './reading.ts';

/** Control charts of measured values. */
const VARIABLE_CHARTS = ['i-mr', 'xbar-r', 'xbar-s', 'ewma', 'cusum'] as const;

/** Control charts of counts: nonconforming items (p, np) and nonconformities (c, u). */
const ATTRIBUTE_CHARTS = ['p', 'np', 'c', 'u'] as const;

/** Every chart. */
export const CHARTS = [...VARIABLE_CHARTS, ...ATTRIBUTE_CHARTS] as const;
export type Chart = (typeof CHARTS)[number];

/** Nelson's rules (Journal of Quality Technology 16, 1984). */
export const NELSON_RULES = ['N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8'] as const;

/** The rules of the Western Electric Statistical Quality Control Handbook, 1956. */
export const WESTERN_ELECTRIC_RULES = ['WE1', 'WE2', 'WE3', 'WE4'] as const;

/** A run rule. */
export type RunRule = (typeof NELSON_RULES)[number] | (typeof WESTERN_ELECTRIC_RULES)[number];

/** How readings are put together into points. */
export type Subgrouping =
  /** Every `size` readings are a point; 1 is an individual reading. */
  | { readonly by: 'count'; readonly size: number }
  /** All readings of consecutive periods, counted from the first reading. */
  | { readonly by: 'time'; readonly everyMs: number }
  /** All readings up to the moment this tag changes; a truth value: up to the moment it becomes true. */
  | { readonly by: 'trigger'; readonly tag: TagId };

/** What an attribute chart counts against. */
export type Inspected =
  /** A reading is the count found in this many units. */
  | { readonly by: 'size'; readonly size: number }
  /** A reading is the count found in as many units as this tag says. */
  | { readonly by: 'tag'; readonly tag: TagId }
  /** A reading is one unit, true when it is nonconforming; the subgroup is what was inspected. */
  | { readonly by: 'item' };

/** Where the limits come from. */
export type LimitSource =
  /** Estimated once from this many points (phase I), then frozen (phase II). */
  | { readonly from: 'baseline'; readonly points: number }
  /**
   * Known. `sigma` is that of one reading (variables), of one unit (p, u: the point's is σ/√n) or of a point (np, c);
   * undefined on an attribute chart: follows from the center by the distribution.
   */
  | { readonly from: 'given'; readonly center: number; readonly sigma: number | undefined };

/** What the customer allows; at least one of the limits. */
export interface Specification {
  readonly lsl: number | undefined;
  readonly target: number | undefined;
  readonly usl: number | undefined;
}

/** One control chart, checked and complete. */
export interface SpcConfig {
  /** Unique among the rules. */
  readonly id: string;
  readonly tag: TagId;
  readonly chart: Chart;
  readonly subgroup: Subgrouping;
  /** Which of its tags only grow, and where each starts again from 0: charts of counts take their differences. */
  readonly counters?: readonly { readonly tag: TagId; readonly modulus: number | undefined }[];
  /** Attribute charts only. */
  readonly inspected: Inspected | undefined;
  readonly limits: LimitSource;
  /** Empty on ewma and cusum charts, which have their own signals. */
  readonly rules: readonly RunRule[];
  readonly spec: Specification | undefined;
  readonly priority: Priority;
  /** EWMA: weight of the newest point, in (0, 1]. */
  readonly lambda: number;
  /** EWMA: half the width of the limits, in standard errors. */
  readonly width: number;
  /** CUSUM: slack and decision interval, in standard errors of a point. */
  readonly slack: number;
  readonly decision: number;
  /** CUSUM: what both sums start from, in standard errors (fast initial response). */
  readonly headStart: number;
}

/** Usual designs: λ 0.2 with L 3; k 0.5 with h 5 (Montgomery, Introduction to Statistical Quality Control, chapter 9). */
export const SPC_DEFAULTS = { lambda: 0.2, width: 3, slack: 0.5, decision: 5, headStart: 0 } as const;

/**
 * The fewest points limits are estimated from: below, σ̂ of individuals is uncertain by more than a quarter of itself.
 * 20 to 25 are usual.
 */
export const MIN_BASELINE_POINTS = 10;

/** The most points of a baseline: they are kept, so that some can be excluded. */
export const MAX_BASELINE_POINTS = 500;

/** The largest subgroup whose range is used (ISO 7870-2 tabulates the factors up to here); the range of more wastes data. */
export const MAX_RANGE_SIZE = 25;

/** The largest subgroup. */
export const MAX_SUBGROUP_SIZE = 10_000;

/** Whether a chart is one of counts. */
export function isAttributeChart(chart: Chart): boolean {
  return (ATTRIBUTE_CHARTS as readonly Chart[]).includes(chart);
}

/**
 * Whether a point is one reading: an i-mr chart, and an ewma or cusum chart by period or trigger. Then the last usable
 * reading of the period, or before the trigger, is the point: a register that is polled shows one part many times.
 */
export function isOfIndividuals({ chart, subgroup }: Pick<SpcConfig, 'chart' | 'subgroup'>): boolean {
  return chart === 'i-mr' || (!hasRunRules(chart) && subgroup.by !== 'count');
}

/** Whether run rules apply: they assume independent points, which averages and sums over time are not. */
export function hasRunRules(chart: Chart): boolean {
  return chart !== 'ewma' && chart !== 'cusum';
}
