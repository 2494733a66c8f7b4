/** Watches a value that creeps towards a limit: means by period, the line through them, and when it reaches the limit. */

import { formatDuration } from '../../core/quantity.ts';
import type { Instant, Reading } from '../../core/reading.ts';
import type { LimitMaintenance, MaintenanceReport, MaintenanceState, Zone } from '../../core/rules/maintenance.ts';
import type { Finding, Step, Tick } from '../rule.ts';
import { doneEvent, limitEvent, zoneEvent } from './findings.ts';
import { addTo, closed, DISTRUST_MS, endOf, type OpenPeriod } from './periods.ts';
import { directionOf, FEWEST_POINTS, type Line, medianOf, type Point, theilSen } from './theil-sen.ts';
import { boundariesOf, zoneOf } from './zones.ts';

/** What a machine was like when it was new, or after a repair. */
interface Baseline {
  readonly value: number;
  readonly samples: number;
  /** When it was complete, UTC ms. */
  readonly atMs: number;
}

/** What changes with each period only. */
interface Settled {
  /** Means in the window, oldest first. */
  readonly means: readonly Point[];
  readonly zone: Zone | null;
  readonly state: MaintenanceState;
  /** Whether a trend towards the limit was told of that still holds. */
  readonly isTrending: boolean;
  /** Where the limit is a multiple of it: means until there are enough, then the baseline; and those of earlier times. */
  readonly collected: readonly number[];
  readonly baseline: Baseline | null;
  readonly earlier: readonly Baseline[];
}

/** The state of one limit. */
export interface LimitState {
  /** What the means are made of; another configuration starts anew. */
  readonly series: string;
  readonly isOpen: boolean;
  readonly open: OpenPeriod | null;
  readonly settled: Settled;
  /** Monotonic times of the last readings of the tag and the gate, which do not outlive a restart. */
  readonly seenMs: number | null;
  readonly gateSeenMs: number | null;
  /** Since when the wall clock has been behind the means, monotonic ms. */
  readonly behindMs: number | null;
}

/** Nothing known yet. */
const UNSETTLED: Settled = {
  means: [],
  zone: null,
  state: 'ok',
  isTrending: false,
  collected: [],
  baseline: null,
  earlier: [],
};

/** Baselines that are kept after repairs. */
export const KEPT_BASELINES = 5;

/**
 * Nothing is found before the means reach over half the window, as a machine that warms up is no trend; or over a quarter
 * where the range of dates is narrow: not more than half of the way to the limit.
 */
const FILLED_SHARE = 1 / 2;
const CLEAR_SHARE = 1 / 4;
const CLEAR_RANGE = 1 / 2;

/**
 * A trend is told of when it reaches the limit within this many windows or times of warning, at the latest within four
 * times that, so that it is known well enough; it is over beyond twice that.
 */
const HORIZON_WINDOWS = 2;
const HORIZON_WARNINGS = 4;
const LATEST_HORIZONS = 4;
const STAYS_HORIZONS = 2;

/** What is due stays so until the limit is this much further off: a finding does not come and go with each mean. */
const STAYS_DUE = 1.5;

/** What has reached its limit stays overdue until it is back by this share of the limit. */
const BACK_SHARE = 0.1;

/** The limit is reached when the median of so many newest means is: one mean may be of a few readings. */
const JUDGED_MEANS = 5;

const DAY_MS = 86_400_000;

/** Further off than this a date is no date any more (ECMAScript time values). */
const LAST_DATE_MS = 8.64e15;

/** The state of a limit that has seen nothing. */
export function freshLimit(config: LimitMaintenance): LimitState {
  const { tag, perMs, while: gate } = config;
  return {
    series: JSON.stringify(['limit', tag, perMs, gate?.tag ?? null, gate?.equals ?? null].map(String)),
    isOpen: true,
    open: null,
    settled: UNSETTLED,
    seenMs: null,
    gateSeenMs: null,
    behindMs: null,
  };
}

/** Takes a reading of the tag or of its gate, or the end of a period. */
export function stepLimit(config: LimitMaintenance, state: LimitState, input: Reading | Tick): Step<LimitState> {
  if ('kind' in input)
    return isOver(config, state, input.wallMs) ? close(config, state, input) : result(config, state, input);
  if (input.tag === config.while?.tag) return result(config, gated(config.while, state, input), input);
  if (state.seenMs !== null && input.monoMs <= state.seenMs) return result(config, state, input);
  const seen = { ...state, seenMs: input.monoMs };
  const value = usable(input);
  if (value === undefined || !seen.isOpen) return result(config, seen, input);
  if (isBehind(config, seen, input.wallMs)) {
    const behindMs = seen.behindMs ?? input.monoMs;
    if (input.monoMs - behindMs < DISTRUST_MS) return result(config, { ...seen, behindMs }, input);
  }
  const index = Math.floor(input.wallMs / config.perMs);
  const before = seen.open && seen.open.index !== index ? close(config, seen, input) : undefined;
  const from = before?.state ?? seen;
  const open = addTo(from.open, value, input.wallMs, config.perMs);
  return result(config, { ...from, open, behindMs: null }, input, before?.findings);
}

/** What was measured, also beyond the range of the tag: that is where limits are. What was not measured now is nothing. */
function usable(reading: Reading): number | undefined {
  const isMeasured = reading.quality === 'good' || (reading.quality === 'uncertain' && reading.why === 'out-of-range');
  if (!isMeasured || typeof reading.value === 'string') return undefined;
  const value = Number(reading.value);
  return Number.isFinite(value) ? value : undefined;
}

/** Ends the period that is gathered, as at the end of recorded data. */
export function endLimit(config: LimitMaintenance, state: LimitState, at: Instant): Step<LimitState> {
  return state.open ? close(config, state, at) : { state, findings: [] };
}

function gated(gate: NonNullable<LimitMaintenance['while']>, state: LimitState, reading: Reading): LimitState {
  if (state.gateSeenMs !== null && reading.monoMs <= state.gateSeenMs) return state;
  const isOpen = reading.quality !== 'bad' && isMet(gate.equals, reading.value);
  return { ...state, isOpen, gateSeenMs: reading.monoMs };
}

function isMet(equals: unknown, value: unknown): boolean {
  if (equals === undefined) return value !== false && value !== '' && Number(value) !== 0;
  return typeof equals === typeof value ? equals === value : String(equals) === String(value);
}

/** Whether the wall clock shows a time before the newest mean, as one that is not set yet does. */
function isBehind({ perMs }: LimitMaintenance, { settled }: LimitState, wallMs: number): boolean {
  const newest = settled.means.at(-1);
  return newest !== undefined && wallMs < newest[0] - perMs;
}

function isOver({ perMs }: LimitMaintenance, { open }: LimitState, wallMs: number): boolean {
  return open !== null && wallMs >= endOf(open, perMs);
}

/** The state with the time at which its period ends, so that a machine that stops does not keep it open. */
function result(
  { perMs }: LimitMaintenance,
  state: LimitState,
  at: Instant,
  findings: readonly Finding[] = [],
): Step<LimitState> {
  const wakeAtMonoMs = state.open ? at.monoMs + Math.max(0, endOf(state.open, perMs) - at.wallMs) : undefined;
  return { state, findings, wakeAtMonoMs };
}

/** Ends a period: its mean joins the window, and zone, state and trend are judged. */
function close(config: LimitMaintenance, state: LimitState, at: Instant): Step<LimitState> {
  const { settled: before } = state;
  const open = state.open!;
  const { perMs, trendMs } = config;
  const means = closed(before.means, open, trendMs, perMs);
  const based = withBaseline(config, { ...before, means }, open.value, at.wallMs);
  const zone = config.zones ? zoneOf(open.value, before.zone, config.zones) : null;
  const line = directionOf(means) === (config.falling ? -1 : 1) ? theilSen(means) : undefined;
  const outlook = outlookOf(config, based, line);
  const standing = { ...based, zone, ...judged(config, before, means, outlook, at.wallMs) };
  const next: LimitState = { ...state, open: null, settled: standing };
  const bodies = [
    ...(isNews(before.zone, zone)
      ? [zoneEvent(config, before.zone, limitReport(config, next), boundariesOf(config.zones!))]
      : []),
    ...changesOf(before, standing).map((change) => limitEvent(config, change, limitReport(config, next), at.wallMs)),
  ];
  return result(
    config,
    next,
    at,
    bodies.map((body) => ({ kind: 'event', body })),
  );
}

/** The first zone is news only when something is to be done about it. */
function isNews(before: Zone | null, zone: Zone | null): boolean {
  return zone !== null && zone !== before && (before !== null || zone === 'C' || zone === 'D');
}

function changesOf(before: Settled, now: Settled): ('due' | 'overdue' | 'trend')[] {
  const isTrendNews = before.isTrending !== now.isTrending && now.state === before.state;
  const isWorse = now.state !== before.state && now.state !== 'ok' && before.state !== 'overdue';
  return [...(isTrendNews ? (['trend'] as const) : []), ...(isWorse ? [now.state as 'due' | 'overdue'] : [])];
}

function withBaseline(config: LimitMaintenance, settled: Settled, value: number, atMs: number): Settled {
  if (typeof config.limit === 'number' || settled.baseline) return settled;
  const collected = [...settled.collected, value];
  if (collected.length < baselineMeans(config)) return { ...settled, collected };
  const baseline = { value: medianOf(Float64Array.from(collected)), samples: collected.length, atMs };
  return { ...settled, collected: [], baseline };
}

/** How many means make the baseline. */
function baselineMeans({ limit, perMs }: LimitMaintenance): number {
  return typeof limit === 'number' ? 0 : Math.max(1, Math.round(limit.baselineMs / perMs));
}

/** When the limit is reached, UTC ms, and from where that is seen. */
interface Outlook {
  readonly reachesAt: number;
  readonly earliest: number;
  readonly latest: number;
  /** Median time of the means. */
  readonly fromMs: number;
}

function outlookOf(config: LimitMaintenance, settled: Settled, line: Line | undefined): Outlook | undefined {
  const limit = limitOf(config, settled);
  if (!line || limit === undefined) return undefined;
  const timeBy = (slope: number) =>
    Math.round(Math.min(line.medianMs + ((limit - line.medianValue) / slope) * DAY_MS, LAST_DATE_MS));
  const [one, other] = [timeBy(line.low), timeBy(line.high)];
  const [earliest, latest] = [Math.min(one, other), Math.max(one, other)];
  return { reachesAt: timeBy(line.slopePerDay), earliest, latest, fromMs: line.medianMs };
}

/** The limit in the unit of the tag; undefined while its baseline is not known. */
function limitOf({ limit }: LimitMaintenance, { baseline }: Settled): number | undefined {
  return typeof limit === 'number' ? limit : baseline ? limit.ratio * baseline.value : undefined;
}

function judged(
  config: LimitMaintenance,
  before: Settled,
  means: readonly Point[],
  outlook: Outlook | undefined,
  nowMs: number,
): Pick<Settled, 'state' | 'isTrending'> {
  const spanMs = means.at(-1)![0] - means[0]![0];
  const believed = outlook && spanMs >= config.trendMs * filledShare(outlook) ? outlook : undefined;
  const horizonMs = Math.max(HORIZON_WINDOWS * config.trendMs, HORIZON_WARNINGS * config.warnMs);
  const aheadMs = believed ? believed.reachesAt - nowMs : Number.POSITIVE_INFINITY;
  const isTrending = before.isTrending
    ? aheadMs <= STAYS_HORIZONS * horizonMs
    : aheadMs <= horizonMs && believed!.latest - nowMs <= LATEST_HORIZONS * horizonMs;
  if (isReached(config, before, means)) return { state: 'overdue', isTrending };
  const warnMs = config.warnMs * (before.state === 'ok' ? 1 : STAYS_DUE);
  return { state: believed && believed.earliest <= nowMs + warnMs ? 'due' : 'ok', isTrending };
}

/** How much of the window has to be filled. */
function filledShare({ reachesAt, earliest, latest, fromMs }: Outlook): number {
  return latest - earliest <= CLEAR_RANGE * (reachesAt - fromMs) ? CLEAR_SHARE : FILLED_SHARE;
}

function isReached(config: LimitMaintenance, before: Settled, means: readonly Point[]): boolean {
  const limit = limitOf(config, before);
  if (limit === undefined) return false;
  const value = medianOf(Float64Array.from(means.slice(-JUDGED_MEANS), ([, mean]) => mean));
  const back = before.state === 'overdue' ? Math.abs(limit) * BACK_SHARE : 0;
  return config.falling ? value <= limit + back : value >= limit - back;
}

/** Starts anew, as the work was done: what was before it says nothing of what comes. Its baseline is kept. */
export function limitDone(
  config: LimitMaintenance,
  state: LimitState,
  at: Instant,
  asked: { readonly by: string; readonly comment?: string | undefined },
): Step<LimitState> {
  const { baseline, earlier } = state.settled;
  const kept = baseline ? [...earlier, baseline].slice(-KEPT_BASELINES) : earlier;
  const next: LimitState = { ...state, open: null, settled: { ...UNSETTLED, earlier: kept } };
  const body = doneEvent(config, limitReport(config, state), asked, baseline ? { baseline } : {});
  return result(config, next, at, [{ kind: 'event', body }]);
}

/** The report of a limit. */
export function limitReport(config: LimitMaintenance, { settled }: LimitState): MaintenanceReport {
  const { means, zone, state } = settled;
  const line = theilSen(means);
  const towards = line && (config.falling ? line.high < 0 : line.low > 0) ? line : undefined;
  const outlook = outlookOf(config, settled, towards);
  return {
    id: config.id,
    kind: 'limit',
    value: means.at(-1)?.[1] ?? null,
    zone,
    limit: limitOf(config, settled) ?? null,
    slopePerDay: line?.slopePerDay ?? null,
    slopeLow: line?.low ?? null,
    slopeHigh: line?.high ?? null,
    reachesAt: outlook?.reachesAt ?? null,
    earliest: outlook?.earliest ?? null,
    latest: outlook?.latest ?? null,
    dueAt: null,
    used: null,
    every: null,
    state,
    samples: means.length,
    why: outlook ? null : whyNot(config, settled, line),
  };
}

/** Why no date is given. */
function whyNot(config: LimitMaintenance, settled: Settled, line: Line | undefined): string {
  const per = formatDuration(config.perMs);
  const gate = config.while ? ` while ${config.while.tag} is on` : '';
  if (settled.means.length === 0) return `no period of ${per} with good readings of ${config.tag}${gate} has ended yet`;
  if (limitOf(config, settled) === undefined)
    return `the baseline is collected: ${settled.collected.length} of ${baselineMeans(config)} means of ${per}`;
  if (!line) return `a trend needs ${FEWEST_POINTS} means of ${per}, and there are ${settled.means.length}`;
  if (line.low <= 0 && line.high >= 0) return 'no trend: the 95 % interval of the slope includes 0';
  return 'the value moves away from its limit';
}
