/** Collects readings into subgroups. */
import { type CounterState, countOn } from '../../core/counter.ts';
import type { Reading, TagId, Value } from '../../core/reading.ts';
import {
  isAttributeChart,
  isOfIndividuals,
  MAX_RANGE_SIZE,
  MAX_SUBGROUP_SIZE,
  type SpcConfig,
} from '../../core/spc.ts';
import type { Tick } from '../rule.ts';
import { type Subgroup, spreadKindOf, tidy } from './limits.ts';

/** Readings that wait for their subgroup to be complete. */
interface Open {
  /** Readings that came, bad ones too; `count` of them were usable. */
  readonly slots: number;
  readonly count: number;
  readonly sum: number;
  /** Running mean and sum of squared deviations (Welford). */
  readonly mean: number;
  readonly squares: number;
  readonly min: number;
  readonly max: number;
  /** The last usable reading. */
  readonly last: number | null;
}

/** The end of the current period of a subgroup by time. Null on the monotonic clock: not known since the restart. */
interface Period {
  readonly endMonoMs: number | null;
  readonly endWallMs: number;
}

/**
 * A counter as it was last read. `atWallMs` places it on the monotonic clock of the next start; `isOld`: not done yet.
 * `isBroken`: it could not be read since.
 */
interface Counting {
  readonly state: CounterState;
  readonly atWallMs: number;
  readonly isOld?: boolean | undefined;
  readonly isBroken?: boolean | undefined;
}

/** What collecting remembers; JSON. */
export interface Collecting {
  readonly open: Open | null;
  readonly period: Period | null;
  /** The last value of the tag that says how many were inspected; null while it is bad. */
  readonly inspected: number | null;
  /** The last good value of the trigger; null before the first. */
  readonly trigger: string | number | boolean | null;
  /** The individual before, for the moving range; null after a bad one. */
  readonly previous: number | null;
  /** Counters, by tag: what was counted while the gateway was stopped is counted at the next start. */
  readonly counters: { readonly [tag: TagId]: Counting };
  /** When each tag was last read, monotonic: what is not newer is late or a repetition. Empty after a restart. */
  readonly seenMonoMs: { readonly [tag: TagId]: number };
}

/** Nothing collected yet. */
export const NOTHING_COLLECTED: Collecting = {
  open: null,
  period: null,
  inspected: null,
  trigger: null,
  previous: null,
  counters: {},
  seenMonoMs: {},
};

/** What collecting gave: a point, or `count` points that are missing. `why` when a technician can mend it. */
export type Closed =
  | { readonly kind: 'point'; readonly subgroup: Subgroup }
  | { readonly kind: 'missing'; readonly count: number; readonly why?: Unusable };

/** Why a point cannot be judged. */
export type Unusable = 'too-many-readings' | 'count-above-size' | 'another-size';

/** The state after an input, and the subgroups that it closed, in order. */
interface Collected {
  readonly state: Collecting;
  readonly closed: readonly Closed[];
}

const MISSING: Closed = { kind: 'missing', count: 1 };

/** A clock that was stepped further than this, or an outage that long: the period is over, not so many are missing. */
const MAX_GAP_MS = 30 * 86_400_000;

/** Takes a reading or the passing of time. The same state object when it meant nothing. */
export function collect(config: SpcConfig, state: Collecting, input: Reading | Tick): Collected {
  const timed = config.subgroup.by === 'time' ? passTime(config, config.subgroup.everyMs, state, input) : undefined;
  if ('kind' in input) return timed ?? { state, closed: [] };
  const before = timed?.state ?? state;
  const seen = state.seenMonoMs[input.tag];
  if (seen !== undefined && input.monoMs <= seen) return timed ?? { state, closed: [] };
  const fresh = { ...before, seenMonoMs: { ...before.seenMonoMs, [input.tag]: input.monoMs } };
  const taken = takeReading(config, fresh, input);
  return timed ? { state: taken.state, closed: [...timed.closed, ...taken.closed] } : taken;
}

/** When the open subgroup is due on the monotonic clock; undefined when time changes nothing. */
export function dueMonoMs({ open, period }: Collecting): number | undefined {
  return open && period && period.endMonoMs !== null ? period.endMonoMs : undefined;
}

function takeReading(config: SpcConfig, before: Collecting, reading: Reading): Collected {
  const { subgroup, inspected } = config;
  if (subgroup.by === 'trigger' && reading.tag === subgroup.tag) return pullTrigger(config, before, reading);
  const { state, value } = broughtBy(config, before, reading);
  if (value === 'nothing') return { state, closed: [] };
  if (inspected?.by === 'tag' && reading.tag === inspected.tag) {
    const sum = isCounter(config, reading.tag) && value !== undefined ? (state.inspected ?? 0) + value : value;
    return { state: { ...state, inspected: sum ?? null }, closed: [] };
  }
  if (subgroup.by === 'count' && isOfCounts(config)) return takeCount(config, state, value);
  if (subgroup.by === 'count' && subgroup.size === 1) return takeIndividual(config, state, value);
  const item = inspected?.by === 'item' && value !== undefined ? Number(value !== 0) : value;
  const open = add(state.open, item);
  if (subgroup.by === 'count' && open.slots >= subgroup.size) return close(config, { ...state, open });
  // A period begins with a usable reading; until then there is nothing to close.
  if (subgroup.by === 'time' && state.period === null) {
    if (item === undefined) return { state, closed: [] };
    const { everyMs } = subgroup;
    const period = { endMonoMs: reading.monoMs + everyMs, endWallMs: reading.wallMs + everyMs };
    return { state: { ...state, open, period }, closed: [] };
  }
  return { state: { ...state, open }, closed: [] };
}

/** Whether a reading is a count, of one unit or of several. */
function isOfCounts({ inspected }: SpcConfig): boolean {
  return inspected !== undefined && inspected.by !== 'item';
}

/** What a reading brings: its value, undefined when it is unusable; of a counter what was counted since the last. */
function broughtBy(
  { counters, chart, subgroup }: SpcConfig,
  state: Collecting,
  reading: Reading,
): { readonly state: Collecting; readonly value: number | undefined | 'nothing' } {
  const value = usable(reading);
  const { tag, monoMs, wallMs } = reading;
  const counter = counters?.find((each) => each.tag === tag);
  if (!isAttributeChart(chart) || !counter) return { state, value };
  const known = state.counters[tag];
  if (value === undefined) {
    if (!known || known.isBroken) return { state, value };
    return { state: { ...state, counters: { ...state.counters, [tag]: { ...known, isBroken: true } } }, value };
  }
  const sinceMs = known?.isOld ? Math.max(0, wallMs - known.atWallMs) : 0;
  const isLost = known?.isOld
    ? // What came while the gateway was stopped for longer than a period is of no period.
      subgroup.by === 'time' && sinceMs > subgroup.everyMs
    : known?.isBroken === true && isOfNoPoint(subgroup, state, known.state.atMs);
  const before = known?.isOld ? { ...known.state, atMs: monoMs - sinceMs, rejected: undefined } : known?.state;
  const counted = countOn(isLost ? undefined : before, value, monoMs, { modulus: counter.modulus });
  const { step } = counted;
  const next = { ...state, counters: { ...state.counters, [tag]: { state: counted.state, atWallMs: wallMs } } };
  return { state: next, value: step.kind === 'counted' || step.kind === 'reset' ? step.by : 'nothing' };
}

/** Whether what came since a time, unseen, is of more than one point; of a lot that a trigger ends nobody can know. */
function isOfNoPoint(subgroup: SpcConfig['subgroup'], { period }: Collecting, sinceMonoMs: number): boolean {
  if (subgroup.by !== 'time') return subgroup.by === 'count';
  return period?.endMonoMs != null && sinceMonoMs < period.endMonoMs - subgroup.everyMs;
}

function isCounter({ counters }: SpcConfig, tag: TagId): boolean {
  return counters?.some((each) => each.tag === tag) ?? false;
}

/** An individual, with the moving range from the one before. */
function takeIndividual(config: SpcConfig, state: Collecting, value: number | undefined): Collected {
  if (value === undefined) return { state: { ...state, previous: null }, closed: [MISSING] };
  const moving = spreadKindOf(config) === 'moving-range' && state.previous !== null;
  const spread = moving ? Math.abs(value - state.previous!) : null;
  const point: Closed = { kind: 'point', subgroup: { value, size: 1, spread, squares: 0 } };
  return { state: { ...state, previous: value }, closed: [point] };
}

/** A count with what it was counted in; one that cannot be (negative, more than there were) is a bad point. */
function takeCount(config: SpcConfig, before: Collecting, count: number | undefined): Collected {
  const { chart, inspected } = config;
  const size = inspected?.by === 'size' ? inspected.size : before.inspected;
  const isCounted = inspected?.by === 'tag' && isCounter(config, inspected.tag);
  const state = isCounted ? { ...before, inspected: null } : before;
  if (count === undefined || count < 0 || size === null || size <= 0) return { state, closed: [MISSING] };
  if ((chart === 'p' || chart === 'np') && count > size)
    return { state, closed: [{ kind: 'missing', count: 1, why: 'count-above-size' }] };
  const value = chart === 'p' || chart === 'u' ? count / size : count;
  return { state, closed: [{ kind: 'point', subgroup: { value, size, spread: null, squares: 0 } }] };
}

/** A truth value that becomes true, or any other that changes, closes the subgroup. */
function pullTrigger(config: SpcConfig, state: Collecting, reading: Reading): Collected {
  if (reading.quality === 'bad') return { state, closed: [] };
  const value = typeof reading.value === 'bigint' ? String(reading.value) : reading.value;
  const pulled = state.trigger !== null && value !== state.trigger && value !== false;
  const next = value === state.trigger ? state : { ...state, trigger: value };
  return pulled ? close(config, next) : { state: next, closed: [] };
}

/**
 * Ends periods that are over: the open subgroup, and then those in which nothing came. A tick closes the open one; the
 * periods after it begin with the next reading, on the same grid.
 */
function passTime(config: SpcConfig, everyMs: number, state: Collecting, input: Reading | Tick): Collected | undefined {
  if (!state.period || (!('kind' in input) && input.tag !== config.tag)) return undefined;
  const seen = 'kind' in input ? undefined : state.seenMonoMs[input.tag];
  if (seen !== undefined && input.monoMs <= seen) return undefined;
  const endMonoMs = state.period.endMonoMs ?? input.monoMs + restOf(state.period, everyMs, input.wallMs);
  const periodFrom = (end: number): Period => ({ endMonoMs: end, endWallMs: input.wallMs + end - input.monoMs });
  const anchored = state.period.endMonoMs === null ? { ...state, period: periodFrom(endMonoMs) } : state;
  const lateMs = input.monoMs - endMonoMs;
  if (lateMs < 0) return anchored === state ? undefined : { state: anchored, closed: [] };
  const ended: Collected = anchored.open ? close(config, anchored) : { state: anchored, closed: [] };
  if ('kind' in input) return ended.state === state ? undefined : ended;
  const empty = Math.floor(lateMs / everyMs);
  const missing: Closed[] = empty > 0 ? [{ kind: 'missing', count: empty }] : [];
  const period = periodFrom(endMonoMs + (empty + 1) * everyMs);
  return { state: { ...ended.state, period }, closed: [...ended.closed, ...missing] };
}

/** What is left of a period after a restart, by the wall clock; one that cannot be believed ends it now. */
function restOf({ endWallMs }: Period, everyMs: number, wallMs: number): number {
  const rest = endWallMs - wallMs;
  return rest > everyMs || rest < -MAX_GAP_MS ? 0 : rest;
}

const EMPTY: Open = {
  slots: 0,
  count: 0,
  sum: 0,
  mean: 0,
  squares: 0,
  min: Number.MAX_VALUE,
  max: -Number.MAX_VALUE,
  last: null,
};

/** One more reading; a bad one (undefined) takes a slot only. */
function add(open: Open | null, value: number | undefined): Open {
  const before = open ?? EMPTY;
  const slots = before.slots + 1;
  if (value === undefined) return { ...before, slots };
  const count = before.count + 1;
  const off = value - before.mean;
  const mean = before.mean + off / count;
  return {
    slots,
    count,
    sum: before.sum + value,
    mean,
    squares: before.squares + off * (value - mean),
    min: Math.min(before.min, value),
    max: Math.max(before.max, value),
    last: value,
  };
}

/** The subgroup as it is: with bad readings it is smaller, with too few left it is a missing point. */
function close(config: SpcConfig, state: Collecting): Collected {
  const next = { ...state, open: null };
  const { open } = state;
  if (isOfCounts(config)) {
    const isSum = isCounter(config, config.tag) && open !== null && open.count > 0;
    return takeCount(config, next, isSum ? open.sum : (open?.last ?? undefined));
  }
  if (isOfIndividuals(config)) return takeIndividual(config, next, open?.last ?? undefined);
  const kind = spreadKindOf(config);
  if (!open || open.count < fewest(config)) return { state: next, closed: [MISSING] };
  const most = kind === 'range' ? MAX_RANGE_SIZE : MAX_SUBGROUP_SIZE;
  if (open.count > most) return { state: next, closed: [{ kind: 'missing', count: 1, why: 'too-many-readings' }] };
  return { state: next, closed: [{ kind: 'point', subgroup: subgroupOf(config, open) }] };
}

/** The fewest usable readings a point is made of; an np chart compares equal numbers of items only. */
function fewest({ chart, subgroup }: SpcConfig): number {
  if (chart === 'np' && subgroup.by === 'count') return subgroup.size;
  return isAttributeChart(chart) ? 1 : 2;
}

function subgroupOf(config: SpcConfig, { count, sum, squares, min, max }: Open): Subgroup {
  const kind = spreadKindOf(config);
  if (kind === 'none') {
    const value = config.chart === 'p' ? sum / count : sum;
    return { value, size: count, spread: null, squares: 0 };
  }
  const spread = kind === 'range' ? max - min : Math.sqrt(squares / (count - 1));
  return { value: tidy(sum / count, 14), size: count, spread, squares };
}

/**
 * The number a chart can use: of a good reading, or of one that was measured but lies outside the tag's range. Values
 * that were not measured now (last usable, stuck, missed edges, counter reset) would make runs that never were.
 */
function usable(reading: Reading): number | undefined {
  if (reading.quality === 'bad') return undefined;
  if (reading.quality === 'uncertain' && reading.why !== 'out-of-range') return undefined;
  return numberOf(reading.value);
}

function numberOf(value: Value): number | undefined {
  if (typeof value === 'string') return undefined;
  // Adding 0 makes 0 of −0, which a stored state would come back as: a chart after a restart is the same to the bit.
  const number = Number(value) + 0;
  return Number.isFinite(number) ? tidy(number, 12) : undefined;
}
