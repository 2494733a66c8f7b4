/** The rule of one control chart, with the changes a technician can order. */
import type { EventBody } from '../../core/event.ts';
import type { Reading, TagId } from '../../core/reading.ts';
import { MIN_BASELINE_POINTS, type SpcConfig } from '../../core/spc.ts';
import type { Finding, Rule, Step, Tick } from '../rule.ts';
import { type Capability, capabilityOf } from './capability.ts';
import { type Closed, collect, dueMonoMs, type Unusable } from './collect.ts';
import type { Limits } from './limits.ts';
import { acceptPoint, freeze, type Progress, skipPoints, studyOf } from './phase.ts';
import { initialState, partsOf, restoreState, type SpcState } from './state.ts';
import { unusableEvent } from './wording.ts';

/** Who asks for a change, and why; both go into the audit. */
interface Asked {
  readonly by: string;
  readonly comment?: string | undefined;
}

/** What a change led to: the new state with its events, or why nothing was done and what to do instead. */
export type Changed = (Step<SpcState> & { readonly refused?: undefined }) | { readonly refused: string };

/** A chart as it stands. */
export interface SpcStatus {
  readonly id: string;
  /** Phase I: the baseline is collected, nothing is judged. Phase II: points are judged by frozen limits. */
  readonly phase: 1 | 2;
  /** Number of the last point; 0 before the first. */
  readonly point: number;
  readonly baseline: { readonly collected: number; readonly needed: number; readonly excluded: readonly number[] };
  readonly limits: Limits | undefined;
  /** Rules whose excursion stands: each once, however many points belong to it. */
  readonly signals: readonly string[];
  readonly capability: Capability;
}

/** The rule of a chart, with the changes a technician can order. */
export interface SpcRule extends Rule<SpcState> {
  /** Back to phase I: the next points are a new baseline. Refused when the file gives the limits. */
  rebase(state: SpcState, asked: Asked): Changed;
  /** Takes baseline points with an assigned cause out and computes the limits again, under a new version. */
  exclude(state: SpcState, points: readonly number[], asked: Asked): Changed;
  /** `provisional`: show a capability that is not to be published, with what is wrong with it. */
  status(state: SpcState, provisional?: boolean): SpcStatus;
}

/**
 * A control chart as a rule. Bad readings leave a subgroup smaller; a point that is bad or missing breaks every run. A
 * late or repeated reading is not evaluated. Only frozen limits judge; they change by `rebase`, `exclude` or the file.
 *
 * Of one record, the number inspected is wanted before the count, and the trigger after the readings it closes; `tags`
 * has this order.
 */
export function spcRule(config: SpcConfig): SpcRule {
  return {
    id: config.id,
    tags: tagsOf(config),
    initial: initialState(config),
    step: (state, input) => step(config, state, input),
    parts: partsOf,
    restore: (stored, frozen) => restoreState(config, stored, frozen),
    rebase: (state, asked) => rebase(config, state, asked),
    exclude: (state, points, asked) => exclude(config, state, points, asked),
    status: (state, provisional = false) => statusOf(config, state, provisional),
  };
}

function tagsOf({ tag, inspected, subgroup }: SpcConfig): readonly TagId[] {
  return [
    ...(inspected?.by === 'tag' ? [inspected.tag] : []),
    tag,
    ...(subgroup.by === 'trigger' ? [subgroup.tag] : []),
  ];
}

function step(config: SpcConfig, state: SpcState, input: Reading | Tick): Step<SpcState> {
  const collected = collect(config, state.collecting, input);
  if (collected.state === state.collecting) return result(state, []);
  let progress: Progress = { state: { ...state, collecting: collected.state }, events: [] };
  for (const closed of collected.closed) progress = accept(config, progress, closed);
  return result(progress.state, progress.events);
}

function accept(config: SpcConfig, { state, events }: Progress, closed: Closed): Progress {
  if (closed.kind === 'missing') {
    const skipped = skipPoints(state, closed.count);
    return tell(config, { state: skipped, events }, closed.why);
  }
  const size = state.baseline[0]?.[2];
  if (config.chart === 'np' && size !== undefined && closed.subgroup.size !== size)
    return tell(config, { state: skipPoints(state, 1), events }, 'another-size');
  const next = acceptPoint(config, state, { ...closed.subgroup, point: state.point + 1 });
  return { state: next.state, events: [...events, ...next.events] };
}

/** Points that cannot be judged are told of once, until one can be again. */
function tell(config: SpcConfig, { state, events }: Progress, why: Unusable | undefined): Progress {
  if (why === undefined || state.told === why) return { state, events };
  return { state: { ...state, told: why }, events: [...events, unusableEvent(config, state.point, why)] };
}

function result(state: SpcState, events: readonly EventBody[]): Step<SpcState> {
  const findings: Finding[] = events.map((body) => ({ kind: 'event', body }));
  return { state, findings, wakeAtMonoMs: dueMonoMs(state.collecting) };
}

function rebase(config: SpcConfig, state: SpcState, asked: Asked): Changed {
  const { id, limits: source } = config;
  if (source.from === 'given')
    return {
      refused: `the limits of ${id} are given in the file: change limits: there, or write limits: {baseline: 25}`,
    };
  const { point, version, limits } = state;
  const collecting = { ...state.collecting, open: null, previous: null };
  const fresh: SpcState = { ...initialState(config, version), collecting, point };
  const event: EventBody = {
    kind: 'audit',
    what: 'spc-rebase',
    id,
    ...asked,
    point,
    limits: version,
    center: limits?.center ?? null,
    sigma: limits?.sigma ?? null,
    message: `${id}: a new baseline of ${source.points} points was ordered by ${asked.by} after point ${point}; limits ${version} no longer judge`,
  };
  return result(fresh, [event]);
}

function exclude(config: SpcConfig, state: SpcState, points: readonly number[], asked: Asked): Changed {
  const { id } = config;
  if (config.limits.from === 'given')
    return { refused: `the limits of ${id} are given in the file: there is no baseline` };
  if (!state.limits)
    return {
      refused: `the baseline of ${id} is still collected (${state.baseline.length} of ${config.limits.points})`,
    };
  const known = state.baseline.map(([point]) => point);
  const unknown = points.filter((point) => !known.includes(point));
  if (unknown.length > 0 || points.length === 0)
    return {
      refused: `point ${unknown.join(', ') || '(none)'} is not in the baseline of ${id}, which is ${known[0]}–${known.at(-1)}`,
    };
  const excluded = [...new Set([...state.excluded, ...points])].sort((a, b) => a - b);
  const left = known.length - excluded.length;
  const progress = freeze(config, { ...state, excluded });
  if (left < MIN_BASELINE_POINTS || progress.state.version === state.version)
    return {
      refused: `without points ${excluded.join(', ')} the baseline of ${id} has ${left} points, too few for limits (at least ${MIN_BASELINE_POINTS} that vary): order a rebase instead`,
    };
  const event: EventBody = {
    kind: 'audit',
    what: 'spc-exclude',
    id,
    ...asked,
    points,
    limits: progress.state.version,
    message: `${id}: points ${points.join(', ')} of the baseline were excluded by ${asked.by}${asked.comment === undefined ? '' : `: ${asked.comment}`}`,
  };
  return result(progress.state, [event, ...progress.events]);
}

function statusOf(config: SpcConfig, state: SpcState, provisional: boolean): SpcStatus {
  const { limits, baseline, excluded, point } = state;
  return {
    id: config.id,
    phase: limits ? 2 : 1,
    point,
    baseline: {
      collected: baseline.length,
      needed: config.limits.from === 'baseline' ? config.limits.points : 0,
      excluded,
    },
    limits: limits ?? undefined,
    signals: Object.keys(state.chart.active),
    capability: capabilityOf(studyOf(state), config.spec, provisional),
  };
}
