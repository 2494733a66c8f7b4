/** What a control chart remembers between points and across restarts. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import { isAttributeChart, isOfIndividuals, MAX_BASELINE_POINTS, type SpcConfig } from '../../core/spc.ts';
import type { Parts } from '../rule.ts';
import { type Collecting, NOTHING_COLLECTED } from './collect.ts';
import { type ChartState, FRESH_CHART } from './judge.ts';
import { fullSizeOf, type Limits, type NumberedSubgroup, sigmaOfCount } from './limits.ts';

/** Readings since the last signal, for capability. */
export interface Tally {
  readonly readings: number;
  readonly mean: number;
  /** Sum of squared deviations of all readings from their mean. */
  readonly squares: number;
  /** Sum and number of the points' estimates of σ. */
  readonly sigmaSum: number;
  readonly sigmaCount: number;
  readonly signal: { readonly point: number; readonly rule: string } | null;
}

/** Nothing tallied. */
export const NO_TALLY: Tally = { readings: 0, mean: 0, squares: 0, sigmaSum: 0, sigmaCount: 0, signal: null };

/** A point of the baseline, without names as it is written with every state; a moving range is made again when needed. */
type BaselinePoint = readonly [point: number, value: number, size: number, spread: number | null, squares: number];

/** A point as the baseline keeps it. */
export function packed({ point, value, size, spread, squares }: NumberedSubgroup, moving: boolean): BaselinePoint {
  return [point, value, size, moving ? null : spread, squares];
}

/** The points of a baseline; `moving`: with the moving ranges of those that follow one another. */
export function unpacked(baseline: readonly BaselinePoint[], moving: boolean): NumberedSubgroup[] {
  return baseline.map(([point, value, size, spread, squares], index) => {
    const before = baseline[index - 1];
    const follows = moving && before !== undefined && before[0] === point - 1;
    return { point, value, size, spread: follows ? Math.abs(value - before[1]) : spread, squares };
  });
}

/** The state of one chart; JSON. */
export interface SpcState {
  /** What the points are made of; another configuration starts anew. */
  readonly series: string;
  /** How averages and sums are made; another configuration restarts them. */
  readonly memory: string;
  /** Number of the last point, from 1; 0 before the first. */
  readonly point: number;
  /** Version of the last limits; 0 before the first. */
  readonly version: number;
  /** Null while the baseline is collected (phase I). */
  readonly limits: Limits | null;
  /** Points of the baseline, kept after it is complete so that some can be excluded. */
  readonly baseline: readonly BaselinePoint[];
  /** Numbers of baseline points with an assigned cause. */
  readonly excluded: readonly number[];
  readonly collecting: Collecting;
  readonly chart: ChartState;
  readonly tally: Tally;
  /** What was told of points that cannot be judged, or of baselines without spread, since the last that could be used. */
  readonly told: string | null;
}

/** The state of a chart that has seen nothing; numbers of limits go on from `version`. */
export function initialState(config: SpcConfig, version = 0): SpcState {
  const given = givenLimits(config, version + 1);
  return {
    series: seriesOf(config),
    memory: memoryOf(config),
    point: 0,
    version: given?.version ?? version,
    limits: given ?? null,
    baseline: [],
    excluded: [],
    collecting: NOTHING_COLLECTED,
    chart: FRESH_CHART,
    tally: NO_TALLY,
    told: null,
  };
}

/** The limits of the file, when it gives them. */
function givenLimits(config: SpcConfig, version: number): Limits | undefined {
  const { chart, limits } = config;
  if (limits.from === 'baseline') return undefined;
  const sigma = limits.sigma ?? sigmaOfCount(chart, limits.center, fullSizeOf(config) ?? 1);
  return { version, source: 'given', center: limits.center, sigma, points: 0 };
}

function seriesOf(config: SpcConfig): string {
  const { tag, chart, subgroup, inspected, counters = [] } = config;
  const series: unknown[] = [tag, chart, subgroup, inspected ?? null];
  if (isAttributeChart(chart) && counters.length > 0) series.push(counters.map((counter) => counter.tag));
  if (isOfIndividuals(config) && subgroup.by !== 'count') series.push('last');
  return JSON.stringify(series);
}

function memoryOf({ lambda, slack, headStart }: SpcConfig): string {
  return JSON.stringify([lambda, slack, headStart]);
}

const count = lazily(() => z.int().min(0));
const side = lazily(() => z.literal([1, -1]));
const runs = lazily(() =>
  z.strictObject({
    zones: z.array(z.literal([-4, -3, -2, -1, 0, 1, 2, 3, 4])).max(15),
    steps: z.array(z.literal([-1, 0, 1])).max(15),
  }),
);
const SIGNALS = [
  ...(['N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8', 'WE1', 'WE2', 'WE3', 'WE4'] as const),
  ...(['R1', 'R2', 'R4', 'EWMA', 'CUSUM+', 'CUSUM-'] as const),
] as const;

const counterState = lazily(() =>
  z.strictObject({
    value: z.number(),
    atMs: z.number(),
    fastest: z.number(),
    counted: count(),
    rejected: z.strictObject({ value: z.number(), atMs: z.number() }).optional(),
  }),
);

const stateSchema = lazily(
  () =>
    z.strictObject({
      series: z.string(),
      memory: z.string(),
      point: count(),
      version: count(),
      limits: z
        .strictObject({
          version: count(),
          source: z.enum(['baseline', 'given']),
          center: z.number(),
          sigma: z.number().min(0),
          points: count(),
        })
        .nullable(),
      baseline: z
        .array(z.tuple([count(), z.number(), z.number().positive(), z.number().nullable(), z.number()]))
        .max(MAX_BASELINE_POINTS),
      excluded: z.array(count()).max(MAX_BASELINE_POINTS),
      collecting: z.strictObject({
        open: z
          .strictObject({
            slots: count(),
            count: count(),
            sum: z.number(),
            mean: z.number(),
            squares: z.number(),
            min: z.number(),
            max: z.number(),
            last: z.number().nullable().default(null),
          })
          .nullable(),
        period: z.strictObject({ endMonoMs: z.number().nullable(), endWallMs: z.number() }).nullable(),
        inspected: z.number().nullable(),
        trigger: z.union([z.string(), z.number(), z.boolean()]).nullable(),
        previous: z.number().nullable(),
        counters: z
          .record(
            z.string(),
            z.strictObject({
              state: counterState(),
              atWallMs: z.number(),
              isOld: z.boolean().optional(),
              isBroken: z.boolean().optional(),
            }),
          )
          .default({}),
        seenMonoMs: z.record(z.string(), z.number()).default({}),
      }),
      chart: z.strictObject({
        runs: runs(),
        spreadRuns: runs(),
        last: z.strictObject({ value: z.number(), size: z.number() }).nullable(),
        ewma: z.strictObject({ z: z.number(), variance: z.number() }).nullable(),
        cusum: z.strictObject({ plus: z.number(), minus: z.number() }).nullable(),
        active: z.partialRecord(z.enum(SIGNALS), side()),
        held: z.array(z.enum(SIGNALS)).default([]),
      }),
      tally: z.strictObject({
        readings: count(),
        mean: z.number(),
        squares: z.number(),
        sigmaSum: z.number(),
        sigmaCount: count(),
        signal: z.strictObject({ point: count(), rule: z.string() }).nullable(),
      }),
      told: z.string().nullable().default(null),
    }) satisfies z.ZodType<SpcState>,
);

/** A subgroup that is still open is written this often: so much of it is lost with the power at most. */
const OPEN_EVERY_MS = 60_000;

/**
 * The parts of a state that are worth writing. What moves is written with every point, and while a subgroup is open once
 * a minute; the limits and their baseline, which may be large, only when they change.
 */
export function partsOf(state: SpcState, saved: SpcState | undefined): Parts {
  const { limits, baseline, excluded, version, ...others } = state;
  const frozen = { series: state.series, limits, baseline, excluded, version };
  const { seenMonoMs: _, ...collecting } = state.collecting;
  const moving = { ...others, collecting };
  if (!saved) return { moving, frozen };
  const isFrozen = limits === saved.limits && baseline === saved.baseline && excluded === saved.excluded;
  const isStill =
    state.point === saved.point &&
    state.told === saved.told &&
    state.chart === saved.chart &&
    state.tally === saved.tally &&
    state.collecting.trigger === saved.collecting.trigger &&
    state.collecting.period === saved.collecting.period &&
    newestMs(state) - newestMs(saved) < OPEN_EVERY_MS;
  return { ...(isStill ? {} : { moving }), ...(isFrozen && version === saved.version ? {} : { frozen }) };
}

function newestMs({ collecting: { seenMonoMs } }: SpcState): number {
  return Object.values(seenMonoMs).reduce((newest, ms) => Math.max(newest, ms), 0);
}

/**
 * The state to go on with after a restart. Frozen limits are kept as they are, whatever the length of the baseline now
 * in the file; limits given in the file replace them under a new version when they differ. A state that cannot be read,
 * or of other points, gives the initial one, with versions going on.
 */
export function restoreState(config: SpcConfig, stored: unknown, frozen?: unknown): SpcState {
  const whole = isObject(stored) && isObject(frozen) ? { ...stored, ...frozen } : stored;
  const read = stateSchema().safeParse(whole);
  if (!read.success) return initialState(config, versionOf(whole));
  const state: SpcState = read.data;
  if (state.series !== seriesOf(config)) return initialState(config, state.version);
  const { period } = state.collecting;
  const counters = Object.entries(state.collecting.counters).map(([tag, each]) => [tag, { ...each, isOld: true }]);
  const collecting: Collecting = {
    ...state.collecting,
    // Nothing on the old monotonic clock means anything on the new one.
    seenMonoMs: {},
    counters: Object.fromEntries(counters),
    period: period && { ...period, endMonoMs: null },
  };
  const memory = memoryOf(config);
  const chart: ChartState = memory === state.memory ? state.chart : { ...state.chart, ewma: null, cusum: null };
  return withLimitsOf(config, { ...state, memory, collecting, chart });
}

/** Limits that the file gives, or no longer gives, since the state was stored. */
function withLimitsOf(config: SpcConfig, state: SpcState): SpcState {
  const given = givenLimits(config, state.version + 1);
  const { limits } = state;
  if (!given && limits?.source !== 'given') return state;
  if (given && limits?.source === 'given' && limits.center === given.center && limits.sigma === given.sigma)
    return state;
  const version = given?.version ?? state.version;
  const cleared = { baseline: [], excluded: [], chart: FRESH_CHART, tally: NO_TALLY };
  return { ...state, ...cleared, version, limits: given ?? null };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function versionOf(stored: unknown): number {
  const read = z.object({ version: count() }).safeParse(stored);
  return read.success ? read.data.version : 0;
}
