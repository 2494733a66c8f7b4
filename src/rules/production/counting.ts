/** Counts parts and energy: what a reading of a counter adds to the shift, and to which of its figures. */
import { type CounterState, countOn } from '../../core/counter.ts';
import type { CounterTag } from '../../core/production/production.ts';
import type { Reading } from '../../core/reading.ts';
import { doubt, idealNow, type Work } from './partition.ts';
import { breakWithin } from './shifts.ts';
import type { Counting, Tally } from './state.ts';

/** Most pieces that are believed where the file does not say: so many in an ideal cycle. */
const PIECES_A_CYCLE = 2;

/** A meter that was last read so long before a shift began has counted what was not used in it. */
const UNREAD_METER_MS = 5 * 60_000;

const HOUR_MS = 3_600_000;

/** What a reading of a counter adds. `isKnown`: whether it tells how many came since the reading before. */
export interface Counted {
  readonly by: number;
  readonly isKnown: boolean;
  /** Whether the counter began again. */
  readonly isReset: boolean;
}

/** Takes a good reading of a counter; what it is worth goes to nobody yet. */
export function count(work: Work, { tag, modulus }: CounterTag, reading: Reading, value: number): Counted {
  const { draft } = work;
  const known = draft.counters[tag];
  const { monoMs, wallMs } = reading;
  const before = known && (known.isOld ? broughtOver(known, reading) : known.state);
  const { state, step } = countOn(before, value, monoMs, { modulus, maxPerSecond: maxPerSecond(work) });
  // A spike leaves the state where it was, in time, too.
  const atWallMs = step.kind === 'spike' && known ? known.atWallMs : wallMs;
  draft.counters = { ...draft.counters, [tag]: { state, atWallMs } };
  if (step.kind === 'spike') doubt(draft, 'counter-spike');
  if (step.kind === 'reset') doubt(draft, 'counter-reset');
  if (step.kind === 'counted' && step.isLowerBound) doubt(draft, 'counter-ambiguous');
  const by = step.kind === 'counted' || step.kind === 'reset' ? step.by : 0;
  return { by, isKnown: step.kind === 'counted' || step.kind === 'reset', isReset: step.kind === 'reset' };
}

/** A counter from before the start, on the monotonic clock of now. */
function broughtOver({ state, atWallMs }: Counting, { wallMs, monoMs }: Reading): CounterState {
  const shiftMs = monoMs - Math.max(0, wallMs - atWallMs) - state.atMs;
  const { rejected } = state;
  return {
    ...state,
    atMs: state.atMs + shiftMs,
    ...(rejected && { rejected: { ...rejected, atMs: rejected.atMs + shiftMs } }),
  };
}

function maxPerSecond({ config, draft }: Work): number | undefined {
  if (config.maxPerSecond !== undefined) return config.maxPerSecond;
  const idealMs = idealNow(config, draft);
  return idealMs === null ? undefined : (PIECES_A_CYCLE * 1000) / idealMs;
}

/** Adds parts to the shift in which they were read; outside of shifts nobody counts them. */
export function addParts({ config, draft }: Work, by: number): void {
  const { shift, tally } = draft;
  if (by === 0 || !shift) return;
  const idealMs = idealNow(config, draft);
  const isTimed = idealMs !== null;
  draft.tally = {
    ...tally,
    count: tally.count + by,
    idealMs: tally.timed === 0 || tally.idealMs === idealMs ? idealMs : null,
    timed: tally.timed + (isTimed ? by : 0),
    timedMs: tally.timedMs + (isTimed ? by * idealMs : 0),
    hours: withHour(draft, by, 0),
  };
  if (!isTimed && config.idealCycle.by !== 'nobody') doubt(draft, 'ideal-cycle-unknown');
  // What is read at the moment a break begins or ends was made outside of it.
  if (breakWithin(shift.breaks, draft.atMs! - 1, draft.atMs! + 1) === 2) doubt(draft, 'counted-in-break');
}

/** Adds good parts, or rejects, to the shift. */
export function addSecond({ draft }: Work, by: number): void {
  const { tally } = draft;
  if (by !== 0 && draft.shift) draft.tally = { ...tally, second: tally.second + by, hours: withHour(draft, 0, by) };
}

/** The hours of the shift with what was counted now: what is read at the end of an hour was made in it. */
function withHour({ shift, atMs, tally }: Work['draft'], count: number, second: number): Tally['hours'] {
  const now = Math.max(0, Math.floor((atMs! - 1 - shift!.fromMs) / HOUR_MS));
  const hours = [...tally.hours];
  while (hours.length <= now) hours.push({ count: 0, second: 0 });
  const known = hours[now]!;
  hours[now] = { count: known.count + count, second: known.second + second };
  return hours;
}

/** Takes a reading of the energy meter, kWh. Its price is that of the time since the reading before. */
export function meter({ draft, tariff }: Work, kwh: number): void {
  const { meterKwh: before, meterAtMs, shift, tally, base } = draft;
  const atMs = draft.atMs!;
  draft.meterKwh = kwh;
  draft.meterAtMs = atMs;
  if (before === null) return;
  const used = kwh - before;
  if (used < 0) {
    doubt(draft, 'energy-reset');
    return;
  }
  const cost = used * tariff(meterAtMs ?? atMs, atMs);
  if (!shift) {
    draft.base = { ...base, kwh: base.kwh + used, cost: base.cost + cost };
    return;
  }
  draft.tally = { ...tally, kwh: (tally.kwh ?? 0) + used, cost: tally.cost + cost };
  if (used > 0 && meterAtMs !== null && shift.fromMs - meterAtMs > UNREAD_METER_MS) doubt(draft, 'energy-over-gap');
}
