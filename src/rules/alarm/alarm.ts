/** The rule of one alarm: readings, time and orders in, state and events out. */
import type { AlarmConfig } from '../../core/alarm.ts';
import type { AlarmState } from '../../core/event.ts';
import type { Instant, Reading } from '../../core/reading.ts';
import type { Command, CommandStep, Finding, Rule, Step, Tick } from '../rule.ts';
import { isFresh, isSame, type Judge, judgeOf, remember, valueKey } from './condition.ts';
import { alarmEvent } from './describe.ts';
import { instrumentsAfter, isAnotherFault } from './instrument.ts';
import { type AlarmAction, transition } from './lifecycle.ts';
import { type AlarmRuleState, type FleetingAlarm, initialState, type KeptAlarm, restoredState } from './state.ts';

/** An alarm while one input is worked on. */
interface Draft {
  readonly config: AlarmConfig;
  readonly judge: Judge;
  kept: KeptAlarm;
  now: FleetingAlarm;
  readonly findings: Finding[];
}

/**
 * One alarm to ISA-18.2 / IEC 62682.
 *
 * - Limits are strict; the deadband counts only once active; a delay of d fires at start + d, by timer, and a condition
 *   that lasted exactly d has lasted long enough. Between readings the value is held.
 * - A bad reading of a limit alarm stops its delays and changes nothing else; see `instrumentAlarms` for what is raised then.
 * - A reading that is not newer than the last one evaluated is not evaluated. Uncertain ones are, and the event says so.
 * - After a restart everything is as it was, without an event; delays and rates begin anew; shelving ends by wall time,
 *   but lasts no longer than was ordered, whatever the wall clock says.
 */
export function alarmRule(config: AlarmConfig): Rule<AlarmRuleState> {
  const judge = judgeOf(config.condition, config.deadband);
  const draftOf = ({ kept, now }: AlarmRuleState): Draft => ({ config, judge, kept, now, findings: [] });
  const { condition } = config;
  const watched = condition.kind === 'instrument' ? condition.tags : [config.tag];
  const tags = config.while ? [...new Set([config.while.tag, ...watched])] : watched;
  const stepRecord = (state: AlarmRuleState, readings: readonly Reading[]): Step<AlarmRuleState> => {
    const draft = draftOf(state);
    passTime(draft, readings[0]!);
    for (const reading of readings) if (reading.tag === config.while?.tag) readGate(draft, reading);
    readInstruments(draft, readings);
    return finished(draft, state);
  };
  return {
    id: config.id,
    tags,
    initial: initialState(config),
    ...(condition.kind === 'instrument' && { stepRecord }),
    step(state: AlarmRuleState, input: Reading | Tick): Step<AlarmRuleState> {
      if (condition.kind === 'instrument' && !('kind' in input)) return stepRecord(state, [input]);
      const draft = draftOf(state);
      passTime(draft, input);
      if (!('kind' in input)) {
        if (input.tag === config.while?.tag) readGate(draft, input);
        if (input.tag === config.tag) readTag(draft, input);
      }
      return finished(draft, state);
    },
    command(state: AlarmRuleState, command: Command): CommandStep<AlarmRuleState> {
      const draft = draftOf(state);
      passTime(draft, command);
      const why = obey(draft, command);
      return { ...finished(draft, state), refused: why === undefined ? undefined : `${config.id} ${why}` };
    },
    kept: ({ kept }: AlarmRuleState) => kept,
    restore: (stored: unknown) => restoredState(config, stored),
  };
}

function finished(draft: Draft, before: AlarmRuleState): Step<AlarmRuleState> {
  driveOutput(draft);
  const { kept, now, findings } = draft;
  const state = kept === before.kept && now === before.now ? before : { kept, now };
  return { state, findings, wakeAtMonoMs: nextDue(draft)?.monoMs };
}

// ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type Due = { readonly what: 'delay' | 'stale' | 'shelf'; readonly monoMs: number };

/** Lets everything happen that falls due up to an instant, in the order it falls due. */
function passTime(draft: Draft, at: Instant): void {
  if (!draft.now.started) start(draft, at);
  for (let due = nextDue(draft); due && due.monoMs <= at.monoMs; due = nextDue(draft)) {
    const then: Instant = { monoMs: due.monoMs, wallMs: Math.round(at.wallMs - (at.monoMs - due.monoMs)) };
    if (due.what === 'delay') endDelay(draft, then);
    else if (due.what === 'shelf') apply(draft, 'unshelve', {});
    else {
      draft.now = { ...draft.now, freshMonoMs: undefined };
      conditionIs(draft, true, then);
    }
  }
}

/** The next timer; where two fall together, the condition is settled before a shelving ends. */
function nextDue({ config, kept, now }: Draft): Due | undefined {
  let next: Due | undefined;
  if (kept.pending && now.pendingSince) {
    const delayMs = kept.pending === 'on' ? config.onDelayMs : config.offDelayMs;
    next = { what: 'delay', monoMs: now.pendingSince.monoMs + delayMs };
  }
  if (config.condition.kind === 'stale' && now.freshMonoMs !== undefined) {
    const monoMs = now.freshMonoMs + config.condition.afterMs;
    if (!next || monoMs < next.monoMs) next = { what: 'stale', monoMs };
  }
  if (now.shelvedUntilMonoMs !== undefined && (!next || now.shelvedUntilMonoMs < next.monoMs))
    next = { what: 'shelf', monoMs: now.shelvedUntilMonoMs };
  return next;
}

/** The first input after the start: gives restored timers their place on this clock. */
function start(draft: Draft, at: Instant): void {
  const { config, kept } = draft;
  const { kind } = config.condition;
  if (kind === 'stale' && kept.pending) draft.kept = { ...kept, pending: undefined };
  if (kind === 'changed' && kept.active && !kept.pending) draft.kept = { ...kept, pending: 'off' };
  const { shelf } = draft.kept;
  const shelvedForMs = shelf && Math.min(Math.max(shelf.untilWallMs - at.wallMs, 0), shelf.forMs);
  draft.now = {
    ...draft.now,
    started: true,
    pendingSince: draft.kept.pending && { monoMs: at.monoMs, wallMs: at.wallMs },
    freshMonoMs: kind === 'stale' ? at.monoMs : undefined,
    shelvedUntilMonoMs: shelvedForMs === undefined ? undefined : at.monoMs + shelvedForMs,
  };
  driveOutput(draft);
  if (!config.while && kept.gated) gateIs(draft, false, at);
}

// ── Readings ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A bad gate says nothing: it stays as it was last known, and open until it is known. */
function readGate(draft: Draft, reading: Reading): void {
  const { gateMonoMs } = draft.now;
  if (gateMonoMs !== undefined && reading.monoMs <= gateMonoMs) return;
  draft.now = { ...draft.now, gateMonoMs: reading.monoMs };
  if (reading.quality === 'bad') return;
  const { value } = reading;
  const wanted = draft.config.while?.equals;
  gateIs(draft, wanted === undefined ? value === false || isSame(value, 0) : !isSame(value, wanted), reading);
}

/** Edges of the gate are no events of a normal alarm, and what stands unacknowledged or latched is left standing. */
function gateIs(draft: Draft, closed: boolean, at: Instant): void {
  if (draft.kept.gated === closed) return;
  draft.kept = { ...draft.kept, gated: closed };
  if (closed) suppress(draft);
  else open(draft, at);
}

/** Behind a closed gate an active alarm goes silent once nobody has to acknowledge or reset it. */
function suppress(draft: Draft): void {
  const { kept, config } = draft;
  if (kept.gated && kept.state === 'acked' && !config.latch) apply(draft, 'suppress', {});
}

/** The gate opens: what holds now has to last for the on-delay from here on, as if it had just begun. */
function open(draft: Draft, at: Instant): void {
  const { state, active, pending } = draft.kept;
  const stands = state === 'unacked' || state === 'acked';
  if (!stands && (active || pending === 'on')) {
    const holds = pending !== 'off';
    stopDelay(draft);
    const { onDelayMs } = draft.config;
    if (!holds || onDelayMs > 0) draft.kept = { ...draft.kept, active: false, sinceWallMs: undefined };
    if (holds && onDelayMs > 0) startDelay(draft, 'on', at);
  }
  if (state === 'suppressed') apply(draft, 'unsuppress', {});
  else if (!stands && draft.kept.active) apply(draft, 'alarm', { since: draft.kept.sinceWallMs });
}

function readTag(draft: Draft, reading: Reading): void {
  const { config, judge, now } = draft;
  const { condition } = config;
  if (now.reading && reading.monoMs <= now.reading.monoMs) return;
  const holds = judge(reading, { active: draft.kept.active, samples: now.samples, last: draft.kept.last });
  // Written out: this runs for every reading, and a spread takes ten times as long.
  draft.now = {
    started: now.started,
    reading,
    gateMonoMs: now.gateMonoMs,
    pendingSince: now.pendingSince,
    freshMonoMs: condition.kind === 'stale' && isFresh(reading) ? reading.monoMs : now.freshMonoMs,
    shelvedUntilMonoMs: now.shelvedUntilMonoMs,
    samples: condition.kind === 'rateAbove' ? remember(now.samples, reading, condition.perMs) : now.samples,
    holding: now.holding,
  };
  if (condition.kind === 'changed') {
    if (reading.quality === 'bad') return;
    const last = valueKey(reading.value);
    if (last !== draft.kept.last) draft.kept = { ...draft.kept, last };
    if (holds) changed(draft, reading);
  } else if (holds !== undefined) conditionIs(draft, holds, reading);
  else if (reading.quality === 'bad' && condition.kind !== 'stale') stopDelay(draft);
}

/** The readings of one record of an instrument alarm. A sensor that fails while others are told of is told of, too. */
function readInstruments(draft: Draft, readings: readonly Reading[]): void {
  const { kept, now, config } = draft;
  const [at] = readings;
  const { condition } = config;
  if (condition.kind !== 'instrument' || !at || (now.reading && at.monoMs < now.reading.monoMs)) return;
  const before = kept.instruments ?? [];
  const own = config.while ? readings.filter(({ tag }) => tag !== config.while?.tag) : readings;
  const after = instrumentsAfter(before, own);
  draft.now = { ...now, reading: at };
  if (after !== before) draft.kept = { ...kept, instruments: [...after] };
  const stands = kept.state === 'unacked' || kept.state === 'acked';
  if (stands && !kept.gated && before.length > 0 && isAnotherFault(before, after)) {
    apply(draft, 'return', {});
    apply(draft, 'alarm', { since: at.wallMs });
  }
  conditionIs(draft, after.length > 0, at);
}

/** A condition that lasts: starts and stops the delays. */
function conditionIs(draft: Draft, holds: boolean, at: Instant): void {
  const { kept, config } = draft;
  if (holds === kept.active) {
    stopDelay(draft);
    return;
  }
  const delayMs = holds ? config.onDelayMs : config.offDelayMs;
  if (kept.pending === undefined) startDelay(draft, holds ? 'on' : 'off', at);
  if (delayMs === 0) endDelay(draft, at);
}

/** A change is over as soon as it was; the off-delay counts from the last one. */
function changed(draft: Draft, at: Instant): void {
  if (!draft.kept.active) {
    startDelay(draft, 'on', at);
    endDelay(draft, at);
  }
  startDelay(draft, 'off', at);
  if (draft.config.offDelayMs === 0) endDelay(draft, at);
}

function startDelay(draft: Draft, pending: 'on' | 'off', { monoMs, wallMs }: Instant): void {
  draft.kept = { ...draft.kept, pending };
  draft.now = { ...draft.now, pendingSince: { monoMs, wallMs } };
}

function stopDelay(draft: Draft): void {
  if (draft.kept.pending === undefined) return;
  const { pending: _pending, ...kept } = draft.kept;
  draft.kept = kept;
  draft.now = { ...draft.now, pendingSince: undefined };
}

/** The condition has lasted: the alarm becomes active, or is active no longer. */
function endDelay(draft: Draft, at: Instant): void {
  const active = draft.kept.pending === 'on';
  const sinceWallMs = (draft.now.pendingSince ?? at).wallMs;
  stopDelay(draft);
  draft.kept = { ...draft.kept, active, sinceWallMs: active ? sinceWallMs : undefined };
  if (active && draft.kept.gated) return;
  apply(draft, active ? 'alarm' : 'return', { since: sinceWallMs });
}

// ── Operators ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Carries out an order; gives the reason when it cannot be. */
function obey(draft: Draft, command: Command): string | undefined {
  const details = { by: command.by, ...(command.comment === undefined ? {} : { comment: command.comment }) };
  switch (command.do) {
    case 'ack': {
      const { occurrence } = draft.kept;
      if (command.occurrence === occurrence) return apply(draft, 'ack', details);
      return `is at occurrence ${occurrence}, not ${command.occurrence}: look at it again, then acknowledge it`;
    }
    case 'shelve':
      return shelve(draft, command.forMs, command, details);
    case 'unshelve':
    case 'in-service':
    case 'reset':
    case 'out-of-service':
      return apply(draft, command.do, details);
  }
}

function shelve(draft: Draft, forMs: number, at: Instant, details: object): string | undefined {
  const { maxShelveMs } = draft.config;
  if (!(forMs > 0 && forMs <= maxShelveMs))
    return `can be shelved for at most ${maxShelveMs / 60_000} minutes and for more than 0: choose a time in between`;
  const untilWallMs = Math.round(at.wallMs + forMs);
  const why = apply(draft, 'shelve', { ...details, until: untilWallMs });
  if (why !== undefined) return why;
  draft.kept = { ...draft.kept, shelf: { untilWallMs, forMs } };
  draft.now = { ...draft.now, shelvedUntilMonoMs: at.monoMs + forMs };
  return undefined;
}

/** Makes a transition with its event; gives the reason when there is none. */
function apply(draft: Draft, action: AlarmAction, details: object): string | undefined {
  const { config, kept } = draft;
  const { latch, ack } = config;
  const made = transition(kept.state, action, { latch, ack, active: kept.active && !kept.gated, before: kept.before });
  if (!made.ok) return made.why;
  const { to: state, change, before } = made;
  const occurrence = kept.occurrence + (state === 'unacked' ? 1 : 0);
  const { shelf: _shelf, before: _before, raised: _raised, ...others } = kept;
  const raised = raisedBy(draft, state);
  const rest = raised === undefined ? others : { ...others, raised };
  draft.kept = before === undefined ? { ...rest, state, occurrence } : { ...rest, state, occurrence, before };
  if (draft.now.shelvedUntilMonoMs !== undefined) draft.now = { ...draft.now, shelvedUntilMonoMs: undefined };
  const news = { change, was: kept.state, state, occurrence, details: { ...details } };
  draft.findings.push({ kind: 'event', body: alarmEvent(config, news, draft) });
  suppress(draft);
  return undefined;
}

/** What is remembered of the annunciation: a value that moves on does not change what it was raised for. */
function raisedBy({ kept, now: { reading } }: Draft, state: AlarmState): KeptAlarm['raised'] {
  if (state === 'normal') return undefined;
  if (state !== 'unacked' || !reading || reading.quality === 'bad' || !kept.active) return kept.raised;
  const { value, wallMs } = reading;
  if (typeof value !== 'number' && typeof value !== 'boolean') return undefined;
  return { wallMs: kept.sinceWallMs ?? wallMs, value };
}

/** Tells the output, when the alarm is to be shown otherwise than before; once at the start in any case. */
function driveOutput(draft: Draft): void {
  const { set, id } = draft.config;
  const { state } = draft.kept;
  const holds = state === 'unacked' || state === 'acked' || state === 'latched-unacked' || state === 'latched-acked';
  if (!set || draft.now.holding === holds) return;
  draft.now = { ...draft.now, holding: holds };
  draft.findings.push({ kind: 'set', tag: set.tag, to: holds ? set.to : set.back, by: id, holds });
}
