/** Keeps the last points of a control chart for drawing. */
import type { SpcConfig } from '../core/spc.ts';
import { type JudgedPoint, judgeSeries } from './spc/judge.ts';
import { fullSizeOf, type Limits, linesOf, spreadKindOf } from './spc/limits.ts';
import { type SpcState, unpacked } from './spc/state.ts';

/** How many points of a chart are kept to be drawn: more than a terminal is wide. */
const KEPT_POINTS = 250;

/** One point as it is drawn. Lines are undefined while the baseline is collected. */
export interface ChartPoint {
  readonly point: number;
  /** Null: bad or missing. */
  readonly value: number | null;
  readonly center?: number;
  readonly lcl?: number;
  readonly ucl?: number;
  /** Rules that hold at it. */
  readonly rules: readonly string[];
}

/** The last points of one chart, noted as its state goes on; those before the start are known from its baseline only. */
export class ChartMemory {
  private readonly config: SpcConfig;
  private points: ChartPoint[] = [];
  private last: SpcState;

  constructor(config: SpcConfig, state: SpcState) {
    this.config = config;
    this.last = state;
    this.redraw(state);
  }

  /** Notes what is new in a state. */
  note(state: SpcState): void {
    const before = this.last;
    this.last = state;
    if (state.limits !== before.limits) this.redraw(state);
    if (state.point === before.point) return;
    const known = this.points.at(-1)?.point ?? state.point - 1;
    for (let missing = Math.max(known + 1, state.point - KEPT_POINTS); missing < state.point; missing++)
      this.points.push({ point: missing, value: null, rules: [] });
    if (known < state.point) this.points.push(newest(this.config, state));
    this.points = this.points.slice(-KEPT_POINTS);
  }

  /** Oldest first. */
  all(): readonly ChartPoint[] {
    return this.points;
  }

  /** The baseline judged by the limits in force, with the points after it that are still known. */
  private redraw(state: SpcState): void {
    const { limits } = state;
    const baseline = unpacked(state.baseline, spreadKindOf(this.config) === 'moving-range');
    const last = baseline.at(-1)?.point ?? 0;
    const later = this.points.filter(({ point }) => point > last);
    const drawn: ChartPoint[] = [];
    const judged = limits ? judgeSeries(this.config, limits, baseline) : [];
    for (const [index, { point, value }] of baseline.entries()) {
      for (let missing = (drawn.at(-1)?.point ?? point - 1) + 1; missing < point; missing++)
        drawn.push({ point: missing, value: null, rules: [] });
      drawn.push(judged[index] ? shown(point, judged[index]) : { point, value, rules: [] });
    }
    this.points = [...drawn, ...later].slice(-KEPT_POINTS);
  }
}

function shown(point: number, { value, center, lcl, ucl, flags }: JudgedPoint): ChartPoint {
  return { point, value, center, lcl, ucl, rules: flags.map(({ rule }) => rule) };
}

function newest(config: SpcConfig, { point, limits, chart, baseline }: SpcState): ChartPoint {
  if (!limits) {
    const [own, value] = baseline.at(-1) ?? [];
    return { point, value: own === point ? (value ?? null) : null, rules: [] };
  }
  if (!chart.last) return { point, value: null, rules: [] };
  const rules = chart.held;
  return { point, ...drawnValue(config, limits, chart, chart.last), rules };
}

/** What the chart plots: z of an EWMA, the larger sum of a CUSUM, else the point itself. */
function drawnValue(
  config: SpcConfig,
  limits: Limits,
  { ewma, cusum }: SpcState['chart'],
  last: { readonly value: number; readonly size: number },
): { value: number; center: number; lcl: number; ucl: number } {
  const { center, lcl, ucl } = linesOf(config.chart, limits, last.size);
  if (config.chart === 'ewma' && ewma) {
    const reach = config.width * Math.sqrt(ewma.variance);
    return { value: ewma.z, center, lcl: center - reach, ucl: center + reach };
  }
  if (config.chart === 'cusum' && cusum) {
    const value = cusum.plus >= cusum.minus ? cusum.plus : -cusum.minus;
    return { value, center: 0, lcl: -config.decision, ucl: config.decision };
  }
  return { value: last.value, center, lcl, ucl };
}

/**
 * The lines of a chart for its edge: those of a full point, or where points differ in size those of the last one.
 * Undefined while the baseline is collected, and before a point of such a chart.
 */
export function edgeLines(
  config: SpcConfig,
  limits: Limits | undefined,
  points: readonly ChartPoint[],
): { readonly center: number; readonly lcl: number; readonly ucl: number } | undefined {
  if (!limits) return undefined;
  if (config.chart === 'cusum') return { center: 0, lcl: -config.decision, ucl: config.decision };
  const size = fullSizeOf(config);
  if (size === undefined) {
    const last = points.findLast(({ lcl }) => lcl !== undefined);
    return last && { center: last.center!, lcl: last.lcl!, ucl: last.ucl! };
  }
  const { center, sigma, lcl, ucl } = linesOf(config.chart, limits, size);
  if (config.chart !== 'ewma') return { center, lcl, ucl };
  const reach = config.width * sigma * Math.sqrt(config.lambda / (2 - config.lambda));
  return { center, lcl: center - reach, ucl: center + reach };
}
