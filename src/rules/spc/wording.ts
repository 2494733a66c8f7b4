/** Words the events of a control chart. */
import type { EventBody } from '../../core/event.ts';
import { isAttributeChart, MAX_RANGE_SIZE, type SpcConfig } from '../../core/spc.ts';
import type { Unusable } from './collect.ts';
import type { JudgedPoint, Signal } from './judge.ts';
import { fullSizeOf, type Limits, linesOf } from './limits.ts';

/** What each signal says of the process. */
const SIGNAL_MEANS: { readonly [signal in Signal]: string } = {
  N1: 'a point beyond 3σ',
  N2: '9 points on one side of the centre',
  N3: '6 points rising or falling',
  N4: '14 points up and down in turn',
  N5: '2 of 3 points beyond 2σ on one side',
  N6: '4 of 5 points beyond 1σ on one side',
  N7: '15 points within 1σ',
  N8: '8 points beyond 1σ on both sides',
  WE1: 'a point beyond 3σ',
  WE2: '2 of 3 points beyond 2σ on one side',
  WE3: '4 of 5 points beyond 1σ on one side',
  WE4: '8 points on one side of the centre',
  R1: 'the spread is beyond its limits',
  R2: '9 points of the spread on one side of its centre',
  R4: '8 points of the spread on one side of its centre',
  EWMA: 'the weighted average is beyond its limits',
  'CUSUM+': 'the process has shifted up',
  'CUSUM-': 'the process has shifted down',
};

/** Six digits tell what a gauge can tell. */
function rounded(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** The events of a point: one for each rule whose run begins to hold there. `phase` 1: a point of the baseline itself. */
export function signalEvents(
  { id, tag, chart, priority }: SpcConfig,
  limits: Limits,
  point: number,
  { flags }: JudgedPoint,
  phase: 1 | 2,
): EventBody[] {
  return flags
    .filter(({ first }) => first)
    .map(({ rule, value, center, lcl, ucl }) => ({
      kind: 'spc',
      id,
      chart,
      rule,
      point,
      value,
      center,
      lcl,
      ucl,
      limits: limits.version,
      phase,
      tag,
      priority,
      message: `${id}: ${SIGNAL_MEANS[rule]} (${rule}), ${rounded(value)} at point ${point}; centre ${rounded(center)}`,
    }));
}

/** New limits: part of the record, as every later judgement names their version. Null lines: they vary by point. */
export function limitsEvent(config: SpcConfig, limits: Limits, excluded: readonly number[]): EventBody {
  const { version, center, sigma, points } = limits;
  const size = fullSizeOf(config);
  const lines = size === undefined ? undefined : linesOf(config.chart, limits, size);
  const between = lines
    ? `${rounded(lines.lcl)} … ${rounded(center)} … ${rounded(lines.ucl)}`
    : `centre ${rounded(center)}`;
  const without = excluded.length === 0 ? '' : ` without ${excluded.join(', ')}`;
  return {
    kind: 'audit',
    what: 'spc-limits',
    id: config.id,
    limits: version,
    source: limits.source,
    center,
    sigma,
    lcl: lines?.lcl ?? null,
    ucl: lines?.ucl ?? null,
    points,
    excluded,
    message: `${config.id}: limits ${version} frozen from ${points} points${without}: ${between}`,
  };
}

/** A baseline that gives no σ̂. */
export function noSpreadEvent({ id, tag }: SpcConfig, points: number): EventBody {
  return {
    kind: 'quality',
    what: 'spc-baseline-without-spread',
    id,
    tag,
    message: `${id}: no limits from ${points} points, as they do not vary: check that ${tag} is alive and its resolution is finer than the process; the baseline is collected again`,
  };
}

/** A baseline that its own limits do not hold: what is wrong is how the points are made, or what went on meanwhile. */
export function unsteadyBaselineEvent(config: SpcConfig, outside: number, points: number, limits: number): EventBody {
  const { id, tag, chart } = config;
  const cause = isAttributeChart(chart)
    ? 'the counts vary more than those of one process do: check size, and what is counted'
    : 'readings that follow each other more closely than the value varies give limits that are too narrow: make a point of a longer period, for example chart: i-mr, subgroup: {every: 10s}, or of each part with subgroup: {trigger: TAG}';
  return {
    kind: 'quality',
    what: 'spc-baseline-not-in-control',
    id,
    tag,
    outside,
    points,
    limits,
    message: `${id}: the baseline itself is not in control: ${outside} of its ${points} points are outside of its limits. Most often ${cause}. Where the process was disturbed instead: millgate spc ${id} rebase`,
  };
}

/** A point that its chart cannot judge. */
export function unusableEvent({ id, tag }: SpcConfig, point: number, why: Unusable): EventBody {
  const message = `${id}: point ${point} ${UNUSABLE[why].message}`;
  return { kind: 'quality', what: UNUSABLE[why].what, id, tag, point, message };
}

const UNUSABLE: { readonly [why in Unusable]: { readonly what: string; readonly message: string } } = {
  'too-many-readings': {
    what: 'spc-subgroup-too-large',
    message: `has too many readings and is not judged: a range chart takes at most ${MAX_RANGE_SIZE}. Use chart: xbar-s, a shorter subgroup or a longer scan period`,
  },
  'count-above-size': {
    what: 'spc-count-above-size',
    message: 'counts more than was inspected and is not judged: check size, and whether the tag counts this lot alone',
  },
  'another-size': {
    what: 'spc-another-size',
    message:
      'has another number of items than its baseline and is not judged: an np chart compares equal numbers. Use chart: p',
  },
};
