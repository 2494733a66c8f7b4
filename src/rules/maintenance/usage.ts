/** Counts the use of a machine towards its next maintenance: time in which it ran, or what it made. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import { type CounterState, countOn } from '../../core/counter.ts';
import type { Instant, Reading, Value } from '../../core/reading.ts';
import type { MaintenanceReport, MaintenanceState, UsageMaintenance } from '../../core/rules/maintenance.ts';
import { isFresh } from '../alarm/condition.ts';
import type { Parts, Step, Tick } from '../rule.ts';
import { doneEvent, usageEvent } from './findings.ts';

/** What a use is made of; JSON but for the times of the monotonic clock, which do not outlive a restart. */
export interface UsageState {
  /** What is counted; another tag starts anew. */
  readonly series: string;
  /** ms or cycles since it was done last. */
  readonly used: number;
  /** Readings that were counted. */
  readonly samples: number;
  /** When counting began or it was done last, UTC ms; null before the first reading. */
  readonly sinceMs: number | null;
  /** When the interval was used up, UTC ms. */
  readonly endedMs: number | null;
  readonly state: MaintenanceState;
  /** Whether it was on at the last reading that could be used; null before the first. */
  readonly isOn: boolean | null;
  /** Of the last reading. `isUsable`: it had a value. */
  readonly last: { readonly monoMs: number | null; readonly wallMs: number; readonly isUsable: boolean } | null;
  /** The usual time between two readings of the same value; null where none was repeated. */
  readonly usualMs: number | null;
  readonly counter: CounterState | null;
}

/** Without `warn`: overdue when the interval is exceeded by this. */
const OVERDUE_SHARE = 1.05;

/**
 * A reading stands until the next one, but not beyond this many of its usual intervals: what comes later than that was
 * missed, and missing data is not running.
 */
const MISSED_INTERVALS = 3;

/** How quickly the usual interval follows: the weight of the newest is one eighth. */
const USUAL_WEIGHT = 8;

/** Use that is counted is written this often: so much of it is lost with the power at most. */
const SAVE_EVERY_MS = 10_000;

/** Nothing used yet. */
export function freshUsage(config: UsageMaintenance): UsageState {
  return {
    series: seriesOf(config),
    used: 0,
    samples: 0,
    sinceMs: null,
    endedMs: null,
    state: 'ok',
    isOn: null,
    last: null,
    usualMs: null,
    counter: null,
  };
}

function seriesOf({ kind, tag }: UsageMaintenance): string {
  return JSON.stringify([kind, tag]);
}

/** Takes a reading; the same state for one that is late or repeated. */
export function stepUsage(config: UsageMaintenance, state: UsageState, input: Reading | Tick): Step<UsageState> {
  if ('kind' in input) return { state, findings: [] };
  const { monoMs, wallMs } = input;
  if (state.last?.monoMs != null && monoMs <= state.last.monoMs) return { state, findings: [] };
  const isUsable = isFresh(input) && input.quality !== 'bad' && typeof input.value !== 'string';
  const last = { monoMs, wallMs, isUsable };
  // A count that cannot be read now is caught up with later; time is not.
  if (!isUsable) return { state: config.kind === 'cycles' ? state : { ...state, last }, findings: [] };
  const { by, ...counted } = countedBy(config, state, input, input.value);
  const next: UsageState = {
    ...state,
    ...counted,
    last,
    used: state.used + by,
    samples: state.samples + 1,
    sinceMs: state.sinceMs ?? wallMs,
  };
  return judged(config, next);
}

/** What a reading adds, and what is remembered of it. */
type Counted = Pick<UsageState, 'isOn' | 'usualMs' | 'counter'> & { readonly by: number };

function countedBy(config: UsageMaintenance, state: UsageState, at: Instant, value: Value): Counted {
  const { usualMs, counter } = state;
  if (config.kind === 'cycles' && !config.isSwitch) return countUp(config, state, at, Number(value));
  const isOn = value !== false && Number(value) !== 0;
  if (config.kind === 'cycles') return { isOn, usualMs, counter, by: state.isOn === false && isOn ? 1 : 0 };
  const { last } = state;
  if (!last?.isUsable || last.monoMs === null) return { isOn, usualMs, counter, by: 0 };
  const elapsedMs = at.monoMs - last.monoMs;
  if (elapsedMs > longestMs(config, usualMs)) return { isOn, usualMs, counter, by: 0 };
  const isRepeated = isOn === state.isOn;
  const usual = usualMs === null ? elapsedMs : usualMs + (elapsedMs - usualMs) / USUAL_WEIGHT;
  return { isOn, usualMs: isRepeated ? usual : usualMs, counter, by: state.isOn ? elapsedMs : 0 };
}

/** How long a reading stands. Data in which no value is ever repeated tells of changes only: then until the next. */
function longestMs({ everyMs }: UsageMaintenance, usualMs: number | null): number {
  if (everyMs === undefined || usualMs === null) return Number.POSITIVE_INFINITY;
  return MISSED_INTERVALS * Math.max(usualMs, everyMs);
}

/** Of a counter, also what came while the gateway was stopped: the device counted on. */
function countUp({ modulus }: UsageMaintenance, state: UsageState, at: Instant, value: number): Counted {
  const { isOn, usualMs, counter, last } = state;
  if (!Number.isFinite(value) || value < 0) return { isOn, usualMs, counter, by: 0 };
  const stoppedMs = last && last.monoMs === null ? Math.max(0, at.wallMs - last.wallMs) : undefined;
  const before = counter && stoppedMs !== undefined ? { ...counter, atMs: at.monoMs - stoppedMs } : counter;
  const { state: next, step } = countOn(before ?? undefined, value, at.monoMs, { modulus });
  const by = step.kind === 'counted' || step.kind === 'reset' ? step.by : 0;
  return { isOn, usualMs, counter: next, by };
}

function judged(config: UsageMaintenance, state: UsageState): Step<UsageState> {
  const now = stateOf(config, state.used);
  const ended = state.used >= config.every && state.endedMs === null;
  const next = ended ? { ...state, endedMs: state.last!.wallMs } : state;
  if (now === state.state) return { state: next, findings: [] };
  const told = { ...next, state: now };
  // A jump past both is told of as both, so that whoever waits for one of them hears it.
  const changes = now === 'overdue' && state.state === 'ok' ? (['due', 'overdue'] as const) : [now];
  const findings = changes
    .filter((change) => change !== 'ok')
    .map((change) => ({ kind: 'event' as const, body: usageEvent(config, change, usageReport(config, told)) }));
  return { state: told, findings };
}

function stateOf({ every, warn }: UsageMaintenance, used: number): MaintenanceState {
  if (warn === undefined) return used < every ? 'ok' : used < every * OVERDUE_SHARE ? 'due' : 'overdue';
  return used < every - warn ? 'ok' : used < every ? 'due' : 'overdue';
}

/** Starts the interval again, as the work was done. */
export function usageDone(
  config: UsageMaintenance,
  state: UsageState,
  at: Instant,
  asked: { readonly by: string; readonly comment?: string | undefined },
): Step<UsageState> {
  const next: UsageState = { ...state, used: 0, samples: 0, sinceMs: at.wallMs, endedMs: null, state: 'ok' };
  const body = doneEvent(config, usageReport(config, state), asked);
  return { state: next, findings: [{ kind: 'event', body }] };
}

/** What a report of use says of a limit: nothing. */
const OF_NO_LIMIT = {
  value: null,
  zone: null,
  limit: null,
  slopePerDay: null,
  slopeLow: null,
  slopeHigh: null,
  reachesAt: null,
  earliest: null,
  latest: null,
};

/** The report of an interval of use. */
export function usageReport({ id, kind, every }: UsageMaintenance, state: UsageState): MaintenanceReport {
  const { used, samples, endedMs } = state;
  const dueAt = endedMs ?? paceEnd(every, state);
  const why =
    dueAt !== null
      ? null
      : state.last === null
        ? 'there is no reading yet'
        : 'nothing was counted yet, so that the pace is not known';
  return { id, kind, ...OF_NO_LIMIT, dueAt, used, every, state: state.state, samples, why };
}

/** When the interval ends at the pace since it was done last, standstills included. */
function paceEnd(every: number, { used, sinceMs, last }: UsageState): number | null {
  const elapsedMs = last && sinceMs !== null ? last.wallMs - sinceMs : 0;
  if (!last || used <= 0 || elapsedMs <= 0) return null;
  const endMs = Math.round(last.wallMs + ((every - used) * elapsedMs) / used);
  return endMs < 8.64e15 ? endMs : null;
}

/** What of a state is written: every change of on and off, and what was counted now and then. */
export function usageParts(state: UsageState, saved: UsageState | undefined): Parts {
  const frozen = { series: state.series };
  const moving = { ...state, last: state.last && { ...state.last, monoMs: null } };
  if (!saved) return { moving, frozen };
  const elapsedMs = (state.last?.monoMs ?? 0) - (saved.last?.monoMs ?? 0);
  const isStill = state.isOn === saved.isOn && state.state === saved.state && state.sinceMs === saved.sinceMs;
  return isStill && elapsedMs < SAVE_EVERY_MS ? {} : { moving };
}

const stored = lazily(
  () =>
    z.strictObject({
      series: z.string(),
      used: z.number().min(0),
      samples: z.int().min(0),
      sinceMs: z.number().nullable(),
      endedMs: z.number().nullable(),
      state: z.enum(['ok', 'due', 'overdue']),
      isOn: z.boolean().nullable(),
      last: z.strictObject({ monoMs: z.null(), wallMs: z.number(), isUsable: z.boolean() }).nullable(),
      usualMs: z.number().nullable(),
      counter: z
        .strictObject({
          value: z.number(),
          atMs: z.number(),
          fastest: z.number(),
          counted: z.int().min(0),
          rejected: z.strictObject({ value: z.number(), atMs: z.number() }).optional(),
        })
        .nullable(),
    }) satisfies z.ZodType<UsageState>,
);

/** The state to go on with after a restart. */
export function restoredUsage(config: UsageMaintenance, text: unknown): UsageState {
  const read = stored().safeParse(text);
  const initial = freshUsage(config);
  if (!read.success || read.data.series !== initial.series) return initial;
  const { counter } = read.data;
  // A spike is judged by times of a clock that is no more.
  return { ...read.data, counter: counter && { ...counter, rejected: undefined } };
}
