/** Divides the time of a shift: every millisecond is run, micro-stop, stop, break or without data, and only one of them. */
import type { EventBody } from '../../core/event.ts';
import type { CodedBy, ProductionConfig, ProductionDoubt } from '../../core/production/production.ts';
import { kindOf, reasonName, shiftReport, withStop } from './figures.ts';
import { breakWithin, outsideBreaks, type ShiftCalendar, type ShiftSpan } from './shifts.ts';
import { type Doing, freshTally, NO_BASE, type ProductionState, type Stop } from './state.ts';
import type { Tariff } from './tariff.ts';

/** A state while a step works on it; what it holds is replaced, never changed. */
export type Draft = { -readonly [Key in keyof ProductionState]: ProductionState[Key] };

/** What a step works with. */
export interface Work {
  readonly config: ProductionConfig;
  readonly calendar: ShiftCalendar;
  readonly tariff: Tariff;
  readonly draft: Draft;
  /** What it has to tell, in order. */
  readonly events: EventBody[];
}

/** A longer time without a reading is not gone through shift by shift: the gateway was out of use. */
export const LONGEST_GAP_MS = 31 * 86_400_000;

/** The list of stops of a shift has the last so many; those before are kept as sums. */
const LISTED_STOPS = 250;

/** Without a running signal, a pause of up to so many ideal cycles is no stop: pieces come one at a time. */
const CYCLES_OF_A_PAUSE = 3;

/** The ideal cycle now, ms; null: not known. */
export function idealNow({ idealCycle }: ProductionConfig, { job, idealTagMs }: Draft): number | null {
  if (idealCycle.by === 'fixed') return idealCycle.ms;
  if (idealCycle.by === 'tag') return idealTagMs;
  if (idealCycle.by === 'nobody') return null;
  return job !== null && Object.hasOwn(idealCycle.ms, job) ? idealCycle.ms[job]! : null;
}

/** Accounts for the time up to an instant, through breaks and ends of shifts. */
export function pass(work: Work, toMs: number, doing: Doing): void {
  const { draft, calendar } = work;
  let atMs = draft.atMs ?? toMs;
  if (toMs - atMs > LONGEST_GAP_MS) {
    if (draft.shift) closeAt(work, draft.shift.toMs, 'unknown');
    atMs = toMs;
    draft.next = null;
    draft.base = NO_BASE;
    enter(work, atMs);
  }
  draft.atMs = atMs;
  while (atMs < toMs) {
    if (draft.shift) {
      const { toMs: endMs } = draft.shift;
      if (endMs < toMs) closeAt(work, endMs, doing);
      else account(work, toMs, doing);
      atMs = draft.atMs;
      continue;
    }
    draft.next ??= calendar.at(atMs) ?? null;
    const beginsMs = draft.next?.fromMs ?? toMs;
    const fromMs = Math.min(Math.max(beginsMs, atMs), toMs);
    draft.base = { ...draft.base, ms: draft.base.ms + fromMs - atMs };
    atMs = fromMs;
    draft.atMs = atMs;
    if (draft.next && beginsMs < toMs) open(work, draft.next);
  }
}

/** Begins the accounts at an instant; what the shift had before it is not known. */
export function enter(work: Work, atMs: number): void {
  const { draft, calendar } = work;
  draft.atMs = atMs;
  const next = calendar.at(atMs) ?? null;
  draft.next = next;
  if (!next || next.fromMs > atMs) return;
  open(work, next);
  draft.atMs = next.fromMs;
  account(work, atMs, 'unknown');
}

/** Accounts for the rest of the shift and closes it. */
export function closeAt(work: Work, endMs: number, doing: Doing): void {
  const { config, calendar, draft, events } = work;
  account(work, endMs, doing);
  const shift = draft.shift!;
  const report = reportNow(work, endMs)!;
  const from = shift.fromMs;
  const message = `${config.id}: shift ${shift.name} is over: ${report.good} good parts`;
  const { base } = draft;
  events.push({
    kind: 'production',
    machine: config.id,
    change: 'shift',
    from,
    to: endMs,
    reason: null,
    stop: null,
    shift: shift.name,
    job: report.job,
    baseKwh: base.kwh,
    baseCost: report.energyCost === null ? null : base.cost,
    baseMs: base.ms,
    report,
    message,
  });
  draft.last = report;
  draft.shift = null;
  draft.stops = [];
  const stop = draft.open;
  if (stop) draft.open = { ...stop, beforeMs: stop.beforeMs + stop.ms, ms: 0, partMs: null };
  draft.base = NO_BASE;
  const next = calendar.at(endMs);
  // Where clocks are set, the next may begin by the clock before this one ended.
  draft.next = next ? { ...next, fromMs: Math.max(next.fromMs, endMs) } : null;
}

function open({ config, draft }: Work, shift: ShiftSpan): void {
  draft.shift = shift;
  draft.next = null;
  draft.tally = freshTally(draft.job, config.energy !== undefined);
}

/** Accounts for time within the shift. */
function account(work: Work, toMs: number, doing: Doing): void {
  const { draft } = work;
  const { breaks } = draft.shift!;
  const fromMs = draft.atMs!;
  draft.atMs = toMs;
  const ms = toMs - fromMs - breakWithin(breaks, fromMs, toMs);
  if (ms <= 0 || doing === 'run') return;
  if (doing === 'unknown') draft.tally = { ...draft.tally, noDataMs: draft.tally.noDataMs + ms };
  else if (draft.open) extend(work, draft.open, ms, outsideBreaks(breaks, fromMs, toMs)!);
}

function extend(work: Work, stop: Stop, ms: number, [fromMs, toMs]: readonly [number, number]): void {
  const { config, draft } = work;
  const longer: Stop = {
    ...stop,
    fromMs: stop.ms + stop.beforeMs === 0 ? fromMs : stop.fromMs,
    partMs: stop.partMs ?? fromMs,
    toMs,
    ms: stop.ms + ms,
  };
  const wholeMs = longer.beforeMs + longer.ms;
  const isNumbered = stop.n > 0 || config.running !== undefined || wholeMs > pauseMs(work);
  const n = stop.n > 0 ? stop.n : isNumbered ? ++draft.n : 0;
  const isLong = stop.isLong || wholeMs >= stopAfterMs(work);
  draft.open = { ...longer, n, isLong };
  if (isLong && !stop.isLong) tellStop(work, draft.open, 'stopped');
}

/** How long a stop is before it is one, ms. */
export function stopAfterMs(work: Work): number {
  const { microStopMs } = work.config;
  return work.config.running === undefined ? Math.max(microStopMs, pauseMs(work)) : microStopMs;
}

function pauseMs({ config, draft }: Work): number {
  return CYCLES_OF_A_PAUSE * (idealNow(config, draft) ?? 0);
}

/** The machine stands from now on. */
export function beginStop({ config, draft }: Work): void {
  const atMs = draft.atMs!;
  const { code, by } = codeAtBegin(config, draft, atMs);
  draft.open = { n: 0, fromMs: atMs, partMs: null, toMs: atMs, ms: 0, beforeMs: 0, isLong: false, code, by };
}

/** An alarm that ended so long before a stop may still be its reason. */
const ALARM_BEFORE_MS = 60_000;

function codeAtBegin(
  config: ProductionConfig,
  { code, alarms }: Draft,
  atMs: number,
): { code: string | null; by: CodedBy | null } {
  if (code !== null) return { code, by: 'tag' };
  const rule = config.reasonOf.find(({ alarm }) => {
    if (!Object.hasOwn(alarms, alarm)) return false;
    const untilMs = alarms[alarm]!;
    return untilMs === null || atMs - untilMs <= ALARM_BEFORE_MS;
  });
  return rule ? { code: rule.code, by: 'alarm' } : { code: null, by: null };
}

/** The machine runs again: the stop goes to the list of the shift, as far as it is one. */
export function endStop(work: Work): void {
  const { draft } = work;
  const stop = draft.open;
  draft.open = null;
  if (!stop || stop.n === 0) return;
  if (stop.ms > 0) list(work, stop);
  if (stop.isLong) tellStop(work, stop, 'started');
}

/** Puts a stop on the list of the shift; what the list has no room for goes to the sums. */
export function list({ config, draft }: Work, stop: Stop): void {
  const stops = [...draft.stops, stop];
  if (stops.length > LISTED_STOPS) {
    const micro = stops.findIndex(({ isLong }) => !isLong);
    const [old] = stops.splice(Math.max(micro, 0), 1);
    const figures = { ms: old!.ms, kind: kindOf(config, old!), reason: reasonName(config, old!.code) };
    draft.tally = { ...draft.tally, folded: withStop(draft.tally.folded, figures) };
    doubt(draft, 'stops-left-out');
  }
  draft.stops = stops;
}

/** Tells that a stop began, ended or was given its reason. */
export function tellStop(
  { config, draft, events }: Work,
  stop: Stop,
  change: 'stopped' | 'started' | 'coded',
  detail: Readonly<Record<string, unknown>> = {},
): void {
  const reason = reasonName(config, stop.code);
  const words = {
    stopped: `stopped (stop ${stop.n})${reason === null ? '' : `: ${reason}`}`,
    started: `runs again after stop ${stop.n}${reason === null ? ', which has no reason yet' : ` (${reason})`}`,
    coded: `stop ${stop.n}: ${reason ?? 'no reason'}`,
  };
  const to = change === 'stopped' || stop === draft.open ? null : stop.toMs;
  events.push({
    kind: 'production',
    machine: config.id,
    change,
    from: stop.fromMs,
    to,
    reason,
    stop: stop.n,
    stopKind: kindOf(config, stop),
    ms: stop.beforeMs + stop.ms,
    by: stop.by,
    job: draft.job,
    ...detail,
    message: `${config.id} ${words[change]}`,
  });
}

/** Gives the stop that goes on a code, unless somebody of higher rank gave it one. */
export function codeOpen(work: Work, code: string, by: CodedBy): void {
  const { draft } = work;
  const stop = draft.open;
  if (!stop || stop.code === code || RANK[by] < (stop.by === null ? 0 : RANK[stop.by])) return;
  draft.open = { ...stop, code, by };
  if (stop.isLong) tellStop(work, draft.open, 'coded', { before: reasonName(work.config, stop.code) });
}

const RANK: Readonly<Record<CodedBy, number>> = { alarm: 1, tag: 2, person: 3 };

/** Marks the shift as doubtful. */
export function doubt(draft: Draft, why: ProductionDoubt): void {
  const { tally } = draft;
  if (draft.shift && !tally.uncertain.includes(why)) draft.tally = { ...tally, uncertain: [...tally.uncertain, why] };
}

/** The report of the shift that runs, as far as it is accounted for; undefined when none does. */
export function reportNow({ config, draft }: Work, toMs: number) {
  const { shift, tally, open: stop, stops } = draft;
  if (!shift) return undefined;
  const all = stop && stop.n > 0 && stop.ms > 0 ? [...stops, stop] : stops;
  return shiftReport(config, { shift, toMs, tally, stops: all, idealMs: idealNow(config, draft) });
}
