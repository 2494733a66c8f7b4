/** The rule of one machine's production: readings, alarms and time in; stops, jobs and reports of shifts out. */
import type { EventBody } from '../../core/event.ts';
import type { ProductionConfig, ProductionReport } from '../../core/production/production.ts';
import type { Instant, Reading, TagId, Value } from '../../core/reading.ts';
import type { Finding, Rule, Step } from '../rule.ts';
import { addParts, addSecond, type Counted, count, meter } from './counting.ts';
import { emptyReport } from './figures.ts';
import {
  beginStop,
  closeAt,
  codeOpen,
  doubt,
  endStop,
  enter,
  LONGEST_GAP_MS,
  pass,
  reportNow,
  stopAfterMs,
  type Work,
} from './partition.ts';
import { type Coding, codeStop, type Refusal } from './reasons.ts';
import { shiftCalendar } from './shifts.ts';
import { type Doing, initialState, type ProductionState, partsOf, restoreState } from './state.ts';
import { tariffOf } from './tariff.ts';

/** A shift is closed so long after its end, for the readings that were taken before it and come late. */
const SETTLE_MS = 2000;

/** After a start, and of a tag that was bad, this is the longest time between readings that hides nothing. */
const SHORT_SILENCE_MS = 5000;

/** What a tick could not do is tried again after this. */
const RETRY_MS = 10_000;

/** A wall clock that went on by so much more or less than time did was set. */
const STEP_MS = 2000;

/** A clock that was set back by more was wrong before: the accounts begin anew. */
const ANEW_MS = 86_400_000;

/** The rule of a machine, with what can be asked of it and ordered. */
export type ProductionRule = ReturnType<typeof productionRule>;

/** Makes the rule of a machine. */
export function productionRule(config: ProductionConfig) {
  const calendar = shiftCalendar(config.shifts, config.timezone);
  const tariff = tariffOf(config.energy?.tariff ?? [], config.timezone);
  const begin = (state: ProductionState): Work => ({ config, calendar, tariff, draft: { ...state }, events: [] });
  const upTo = (state: ProductionState, nowMs: number): Work => {
    const work = begin(state);
    if (state.atMs !== null && nowMs > state.atMs) passTo(work, nowMs);
    return work;
  };
  const stepRecord = (state: ProductionState, readings: readonly Reading[], clockKnown: boolean) => {
    const work = begin(state);
    take(work, readings, clockKnown);
    return result(state, work, readings[0]!);
  };
  const rule: Rule<ProductionState> = {
    id: config.id,
    tags: tagsOf(config),
    initial: initialState(config),
    alarms: config.reasonOf.map(({ alarm }) => alarm),
    step(state, input) {
      if (!('kind' in input)) return stepRecord(state, [input], true);
      const work = begin(state);
      if (input.clockKnown !== false) tick(work, input.wallMs);
      return result(state, work, input);
    },
    stepRecord,
    heard(state, alarm, isActive, at) {
      const work = begin(state);
      hear(work, alarm, isActive, at.wallMs);
      return result(state, work, at);
    },
    parts: partsOf,
    restore: (stored, frozen) => restoreState(config, stored, frozen),
  };
  return {
    ...rule,
    calendar,
    /** The report of the shift that runs at an instant (UTC ms), as far as it is known, or else that of the last one. */
    report(state: ProductionState, nowMs: number): ProductionReport {
      const work = upTo(state, nowMs);
      return reportNow(work, work.draft.atMs ?? nowMs) ?? work.draft.last ?? emptyReport(config, nowMs);
    },
    /** Whether a shift runs at an instant. */
    isRunning: (state: ProductionState, nowMs: number): boolean => upTo(state, nowMs).draft.shift !== null,
    /** Gives a stop its reason, splits it or joins it with the next. */
    code(
      state: ProductionState,
      order: Coding,
      at: Instant,
    ): (Step<ProductionState> & { readonly refused?: undefined }) | Refusal {
      const work = begin(state);
      return codeStop(work, order) ?? result(state, work, at);
    },
    /** Ends where the readings end (UTC ms): a shift that is over by then, or before the next was due, is closed. */
    finish(state: ProductionState, endMs: number): Step<ProductionState> {
      const work = begin(state);
      finish(work, endMs);
      return { state: work.draft, findings: findingsOf(work.events) };
    },
  };
}

/** Order matters within a record: what a stop is about is known before it begins. */
function tagsOf({ count, second, running, reason, job, idealCycle, energy }: ProductionConfig): readonly TagId[] {
  const tags = [
    job,
    idealCycle.by === 'tag' ? idealCycle.tag : undefined,
    reason,
    count.tag,
    second?.tag,
    energy?.tag,
    running,
  ];
  return [...new Set(tags.filter((tag) => tag !== undefined))];
}

function result(before: ProductionState, work: Work, at: Instant): Step<ProductionState> {
  const { draft, events } = work;
  const wakeMs = nextWakeMs(work, at.wallMs);
  const wakeAtMonoMs = wakeMs === undefined ? undefined : at.monoMs + wakeMs - at.wallMs;
  const isSame = (Object.keys(draft) as (keyof ProductionState)[]).every((key) => draft[key] === before[key]);
  return { state: isSame ? before : draft, findings: findingsOf(events), wakeAtMonoMs };
}

function findingsOf(events: readonly EventBody[]): readonly Finding[] {
  return events.map((body) => ({ kind: 'event', body }));
}

/** When the rule has something to do though nothing comes, UTC ms, after `nowMs`. */
function nextWakeMs(work: Work, nowMs: number): number | undefined {
  const { draft, config } = work;
  const shift = draft.shift ?? draft.next;
  if (!shift) return undefined;
  // What could not be done when it was due, as the clock was not known, is tried again now and then.
  const dueMs = shift.toMs + SETTLE_MS;
  const closeMs = dueMs > nowMs ? dueMs : nowMs + RETRY_MS;
  const stop = draft.open;
  if (config.running === undefined || !draft.shift || draft.doing !== 'stop' || !stop || stop.isLong) return closeMs;
  const leftMs = stopAfterMs(work) - stop.beforeMs - stop.ms;
  // A stop that fell due while nothing was read waits for the next reading.
  const longMs = draft.atMs! + leftMs;
  return longMs > nowMs ? Math.min(closeMs, longMs) : closeMs;
}

/** What the machine does until `nowMs`, from what was read last: nothing that is too long ago is believed. */
function doingUntil({ config, draft }: Work, nowMs: number): Doing {
  const { known } = draft;
  if (!known) return 'unknown';
  const usualMs = config.silenceMs ?? Number.POSITIVE_INFINITY;
  const longestMs = known.monoMs === null ? Math.min(usualMs, SHORT_SILENCE_MS) : usualMs;
  return nowMs - known.wallMs <= longestMs ? draft.doing : 'unknown';
}

function passTo(work: Work, nowMs: number): void {
  pass(work, nowMs, doingUntil(work, nowMs));
}

function tick(work: Work, nowMs: number): void {
  const { draft, config } = work;
  if (draft.atMs === null) {
    enter(work, nowMs);
    return;
  }
  if (nowMs - draft.atMs > LONGEST_GAP_MS) pass(work, nowMs, 'unknown');
  for (;;) {
    const shift = draft.shift ?? draft.next;
    if (!shift || shift.toMs + SETTLE_MS > nowMs) break;
    passTo(work, shift.toMs);
    if (draft.shift === null) break;
    closeAt(work, shift.toMs, doingUntil(work, shift.toMs));
  }
  const stop = draft.open;
  if (config.running === undefined || !stop || stop.isLong || draft.doing !== 'stop') return;
  const untilMs = Math.min(nowMs, draft.shift?.toMs ?? nowMs);
  if (untilMs > draft.atMs && doingUntil(work, untilMs) === 'stop') pass(work, untilMs, 'stop');
}

function finish(work: Work, endMs: number): void {
  const { shift } = work.draft;
  if (!shift) return;
  const dueMs = work.config.silenceMs ?? SHORT_SILENCE_MS;
  if (shift.toMs <= endMs + dueMs) closeAt(work, shift.toMs, doingUntil(work, shift.toMs));
}

/** Takes the readings of one record. */
function take(work: Work, all: readonly Reading[], clockKnown: boolean): void {
  const { draft, config } = work;
  const readings = all.filter((reading) => !(draft.seenMonoMs[reading.tag]! >= reading.monoMs) && !isOld(reading));
  const [first] = readings;
  if (!first) return;
  const seen = { ...draft.seenMonoMs };
  for (const { tag, monoMs } of readings) seen[tag] = monoMs;
  draft.seenMonoMs = seen;
  // Nobody knows in which shift it was: the time stays without data, and the counter goes on once the clock is known.
  if (!clockKnown) return;
  const isStepped = place(work, first);
  const atMs = Math.max(first.wallMs, draft.atMs!);
  const isGap = isStepped || doingUntil(work, atMs) !== draft.doing;
  if (config.running === undefined) takePulses(work, readings, atMs, isGap);
  else takeSignal(work, readings, atMs, isGap);
}

/** The last value that a busy device was known to have is no reading of now. */
function isOld(reading: Reading): boolean {
  return reading.quality === 'uncertain' && reading.why === 'last-usable';
}

/** Begins the accounts where there are none, or none that can be right. Says whether the clock was set forward. */
function place(work: Work, { wallMs, monoMs }: Reading): boolean {
  const { draft } = work;
  if (draft.atMs !== null && draft.atMs - wallMs > ANEW_MS) {
    draft.shift = null;
    draft.open = null;
    draft.stops = [];
    draft.atMs = null;
  }
  if (draft.atMs === null) {
    draft.known = null;
    draft.doing = 'unknown';
    enter(work, wallMs);
  }
  const { known } = draft;
  const stepMs = known?.monoMs == null ? 0 : wallMs - known.wallMs - (monoMs - known.monoMs);
  if (Math.abs(stepMs) > STEP_MS) doubt(draft, 'clock-stepped');
  return stepMs > STEP_MS;
}

/** A machine with a running signal: what it said last holds until it says something else. */
function takeSignal(work: Work, readings: readonly Reading[], atMs: number, isGap: boolean): void {
  const { draft, config } = work;
  const wasStopped = draft.doing === 'stop' && draft.open?.isLong === true;
  pass(work, atMs, isGap ? 'unknown' : draft.doing);
  const running = readings.find(({ tag }) => tag === config.running);
  const isOn = running && truthOf(running);
  const counter = readings.find(({ tag }) => tag === config.count.tag);
  const value = counter && numberOf(counter);
  const counted = counter && value !== undefined ? count(work, config.count, counter, value) : undefined;
  if (counted && counted.by > 0 && wasStopped && isOn !== true) doubt(draft, 'counted-while-stopped');
  book(work, readings, counted);
  const good = readings.find(({ quality }) => quality !== 'bad');
  if (good) draft.known = { wallMs: good.wallMs, monoMs: good.monoMs };
  if (isOn === true) {
    endStop(work);
    draft.doing = 'run';
  } else if (isOn === false) {
    if (!draft.open) beginStop(work);
    draft.doing = 'stop';
  } else if (running || isGap) draft.doing = 'unknown';
}

/** A machine that runs while it counts: whether it did since the reading before, this one says. */
function takePulses(work: Work, readings: readonly Reading[], atMs: number, isGap: boolean): void {
  const { draft, config } = work;
  const counter = readings.find(({ tag }) => tag === config.count.tag);
  const value = counter && numberOf(counter);
  if (!counter || value === undefined) {
    if (counter) {
      pass(work, atMs, 'unknown');
      draft.doing = 'unknown';
    }
    book(work, readings, undefined);
    return;
  }
  const before = draft.doing;
  const counted = count(work, config.count, counter, value);
  const moved: Doing = counted.isKnown ? (counted.by > 0 ? 'run' : 'stop') : before;
  const doing: Doing = isGap || before === 'unknown' ? 'unknown' : moved;
  if (counted.by > 0) endStop(work);
  if (doing === 'stop' && !draft.open) beginStop(work);
  pass(work, atMs, doing);
  book(work, readings, counted);
  draft.known = { wallMs: counter.wallMs, monoMs: counter.monoMs };
  // What was not known up to now is so from now on: the next reading says whether the machine ran.
  draft.doing = doing === 'unknown' ? (draft.open ? 'stop' : 'run') : doing;
}

/** Puts what a record says to the accounts: parts are of the job before it, but for those of a counter that began again. */
function book(work: Work, readings: readonly Reading[], counted: Counted | undefined): void {
  if (counted && !counted.isReset) addParts(work, counted.by);
  for (const reading of readings) takeValue(work, reading);
  if (counted?.isReset) addParts(work, counted.by);
}

function takeValue(work: Work, reading: Reading): void {
  const { draft, config } = work;
  const { tag } = reading;
  const { idealCycle, second } = config;
  if (tag === config.job) takeJob(work, reading);
  if (idealCycle.by === 'tag' && tag === idealCycle.tag) {
    const value = numberOf(reading);
    if (value !== undefined && value > 0) draft.idealTagMs = value * idealCycle.unitMs;
  }
  if (tag === config.reason) {
    draft.code = reading.quality === 'bad' ? null : codeOf(config, reading.value);
    if (draft.code !== null) codeOpen(work, draft.code, 'tag');
  }
  const value = tag === second?.tag || tag === config.energy?.tag ? numberOf(reading) : undefined;
  if (value === undefined) return;
  if (second && tag === second.tag) addSecond(work, count(work, second, reading, value).by);
  if (tag === config.energy?.tag) meter(work, value);
}

function takeJob({ draft, config, events }: Work, reading: Reading): void {
  if (reading.quality === 'bad') return;
  const text = String(reading.value).trim().slice(0, LONGEST_TEXT);
  const job = text === '' ? null : text;
  const before = draft.job;
  if (job === before) return;
  draft.job = job;
  const { tally } = draft;
  const isFirst = tally.count === 0;
  draft.tally = {
    ...tally,
    job: isFirst ? job : tally.job,
    hasOneJob: isFirst || (tally.hasOneJob && tally.job === job),
  };
  const message = `${config.id}: ${job === null ? 'no job' : `job ${job}`}`;
  events.push({
    kind: 'production',
    machine: config.id,
    change: 'job',
    from: draft.atMs!,
    to: null,
    reason: null,
    stop: null,
    job,
    before,
    message,
  });
}

/** Longest code or job that is kept, characters. */
const LONGEST_TEXT = 64;

/** An alarm that is the reason of stops was raised or has ended. */
function hear(work: Work, alarm: string, isActive: boolean, atMs: number): void {
  const { draft, config } = work;
  const untilMs = isActive ? null : atMs;
  const known = draft.alarms[alarm];
  if (isActive ? known === null : known !== null) return;
  draft.alarms = { ...draft.alarms, [alarm]: untilMs };
  const stop = draft.open;
  if (!isActive || !stop || stop.code !== null || atMs - stop.fromMs > config.microStopMs) return;
  const rule = config.reasonOf.find((each) => each.alarm === alarm);
  if (rule) codeOpen(work, rule.code, 'alarm');
}

function truthOf(reading: Reading): boolean | undefined {
  if (reading.quality === 'bad' || typeof reading.value === 'string') return undefined;
  return Boolean(reading.value);
}

function numberOf(reading: Reading): number | undefined {
  if (reading.quality === 'bad' || typeof reading.value === 'string') return undefined;
  const number = Number(reading.value);
  return Number.isFinite(number) ? number : undefined;
}

/** The code that a tag says, a number or a text such as a barcode; null: none. */
function codeOf({ reasons }: ProductionConfig, value: Value): string | null {
  const text = String(typeof value === 'boolean' ? Number(value) : value)
    .trim()
    .slice(0, LONGEST_TEXT);
  if (Object.hasOwn(reasons, text)) return text;
  const named = Object.entries(reasons).find(([, { name }]) => name === text);
  if (named) return named[0];
  return text === '' || text === '0' ? null : text;
}
