/** Leads a chart through its phases: collects a baseline, freezes the limits from it, then judges by them. */
import type { EventBody } from '../../core/event.ts';
import { isAttributeChart, type SpcConfig } from '../../core/spc.ts';
import { MIN_CAPABILITY_READINGS, type Sample, type Study } from './capability.ts';
import { breakRuns, FRESH_CHART, type JudgedPoint, judge } from './judge.ts';
import { estimate, type Limits, type NumberedSubgroup, sigmaOf, spreadKindOf } from './limits.ts';
import { NO_TALLY, packed, type SpcState, type Tally, unpacked } from './state.ts';
import { limitsEvent, noSpreadEvent, signalEvents, unsteadyBaselineEvent } from './wording.ts';

/** A state with the events that led to it. */
export interface Progress {
  readonly state: SpcState;
  readonly events: readonly EventBody[];
}

/**
 * The share of a baseline that may lie outside of its own limits before the limits are what is wrong. Of a process in
 * control it is 0.27 %; readings that follow each other too closely give most of them.
 */
const MAX_OUTSIDE_SHARE = 0.2;

/** What is told of a baseline without spread. */
const NO_SPREAD = 'no-spread';

/** A bad or missing point, or several: numbers pass, runs are broken. */
export function skipPoints(state: SpcState, count: number): SpcState {
  return { ...state, point: state.point + count, chart: breakRuns(state.chart) };
}

/** One more point: collected in phase I, judged by frozen limits in phase II. */
export function acceptPoint(config: SpcConfig, state: SpcState, subgroup: NumberedSubgroup): Progress {
  const counted = { ...state, point: subgroup.point };
  if (state.limits) return judgePoint(config, counted, state.limits, subgroup, 2);
  const moving = spreadKindOf(config) === 'moving-range';
  const baseline = [...state.baseline, packed(subgroup, moving)];
  const needed = config.limits.from === 'baseline' ? config.limits.points : Number.POSITIVE_INFINITY;
  if (baseline.length < needed) return { state: { ...counted, baseline }, events: [] };
  return freeze(config, { ...counted, baseline });
}

/**
 * The end of phase I: limits from the baseline without its excluded points, under a new version, and a judgement of the
 * baseline itself by them; where they do not hold their own points, one event says so in place of a signal each. A
 * baseline without spread gives no limits: it is collected again, and that is said once.
 */
export function freeze(config: SpcConfig, state: SpcState): Progress {
  const kept = state.baseline.filter(([point]) => !state.excluded.includes(point));
  const used = unpacked(kept, spreadKindOf(config) === 'moving-range');
  const estimated = estimate(config, used);
  if (!estimated)
    return {
      state: { ...state, baseline: [], excluded: [], told: NO_SPREAD },
      events: state.told === NO_SPREAD ? [] : [noSpreadEvent(config, used.length)],
    };
  const version = state.version + 1;
  const limits: Limits = { version, source: 'baseline', ...estimated, points: used.length };
  let judgedState: SpcState = { ...state, version, limits, chart: FRESH_CHART, tally: NO_TALLY, told: null };
  const signals: EventBody[] = [];
  let outside = 0;
  let last: number | undefined;
  for (const subgroup of used) {
    const { point } = subgroup;
    const gap = last !== undefined && point !== last + 1;
    const before = gap ? { ...judgedState, chart: breakRuns(judgedState.chart) } : judgedState;
    const next = judgePoint(config, before, limits, subgroup, 1);
    judgedState = next.state;
    signals.push(...next.events);
    if (next.isOutside) outside++;
    last = point;
  }
  const told =
    outside > MAX_OUTSIDE_SHARE * used.length
      ? [unsteadyBaselineEvent(config, outside, used.length, version)]
      : signals;
  return {
    // Points that came after the baseline are not kept, so nothing goes on from where it ended.
    state: last === state.point ? judgedState : { ...judgedState, chart: FRESH_CHART },
    events: [limitsEvent(config, limits, state.excluded), ...told],
  };
}

/** `isOutside`: what the chart plots of the point lies beyond its limits, whatever the rules. */
function judgePoint(
  config: SpcConfig,
  state: SpcState,
  limits: Limits,
  subgroup: NumberedSubgroup,
  phase: 1 | 2,
): Progress & { readonly isOutside: boolean } {
  const { state: chart, judged } = judge(config, limits, state.chart, subgroup);
  const tally = tallied(config, state.tally, subgroup, judged);
  return {
    state: { ...state, chart, tally, told: null },
    events: signalEvents(config, limits, subgroup.point, judged, phase),
    isOutside: judged.value > judged.ucl || judged.value < judged.lcl,
  };
}

/** A signal begins the tally anew: capability is that of a process in control. */
function tallied(config: SpcConfig, tally: Tally, point: NumberedSubgroup, { flags }: JudgedPoint): Tally {
  if (isAttributeChart(config.chart)) return tally;
  const flag = flags[0];
  if (flag) return { ...NO_TALLY, signal: { point: point.point, rule: flag.rule } };
  const readings = tally.readings + point.size;
  const off = point.value - tally.mean;
  const kind = spreadKindOf(config);
  const hasSpread = kind !== 'none' && point.spread !== null;
  return {
    ...tally,
    readings,
    mean: tally.mean + (off * point.size) / readings,
    squares: tally.squares + point.squares + (off * off * tally.readings * point.size) / readings,
    sigmaSum: tally.sigmaSum + (hasSpread ? sigmaOf(kind, point.spread, point.size) : 0),
    sigmaCount: tally.sigmaCount + (hasSpread ? 1 : 0),
  };
}

/** What capability is computed from: the readings since the last signal. */
export function studyOf({ limits, tally }: Pick<SpcState, 'limits' | 'tally'>): Study {
  const { readings, mean, squares, sigmaSum, sigmaCount, signal } = tally;
  const sample: Sample | undefined =
    readings >= 2 && sigmaCount > 0
      ? { readings, mean, sigmaWithin: sigmaSum / sigmaCount, sigmaOverall: Math.sqrt(squares / (readings - 1)) }
      : undefined;
  const stillOut = signal !== null && readings < MIN_CAPABILITY_READINGS;
  return { sample, hasLimits: limits !== null, signal: stillOut ? signal : undefined };
}
