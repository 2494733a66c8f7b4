/** Says in plain words what each machine of `production:` will count, and what of it is missing for its figures. */
import type { LocalSpan, ProductionConfig, ShiftPlan } from '../../core/production/production.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { TagConfig } from '../config.ts';

/** What will be counted of a machine, one sentence a subject. */
export interface MachineForecast {
  readonly machine: string;
  readonly says: readonly string[];
}

/** Something of a machine that may not be meant so. */
interface MachineDoubt {
  readonly rule: string;
  readonly why: string;
  readonly remedy: string;
}

const MINUTE_MS = 60_000;

/** What will be counted of a machine. */
export function machineForecast(machine: ProductionConfig): MachineForecast {
  const says = [countText(machine), runText(machine), idealText(machine), ...shiftTexts(machine), reasonText(machine)];
  return { machine: machine.id, says: [...says, ...energyText(machine), ...dataText(machine)] };
}

function countText({ count, second }: ProductionConfig): string {
  const round = count.modulus === undefined ? '' : ` (from ${count.modulus - 1} it goes on with 0)`;
  const parts = `Parts are what ${count.tag} counts${round}`;
  if (!second) return `${parts}; all of them are good.`;
  return second.counts === 'good'
    ? `${parts}; ${second.tag} counts the good ones.`
    : `${parts}; good are those that ${second.tag} does not count as rejects.`;
}

function runText({ running, count, microStopMs }: ProductionConfig): string {
  const stop = formatDuration(microStopMs);
  return running === undefined
    ? `It runs while ${count.tag} counts; ${stop} without a part is a stop, and a shorter pause a micro-stop.`
    : `It runs while ${running} is on; off for ${stop} is a stop, and for less a micro-stop.`;
}

function idealText({ idealCycle, shifts, job, targetPerSecond }: ProductionConfig): string {
  const target =
    targetPerSecond === undefined ? '' : ` The target is ${rounded(targetPerSecond * 3600)} parts an hour.`;
  switch (idealCycle.by) {
    case 'fixed': {
      const [shift] = shifts;
      const most = shift
        ? `: at most ${rounded(workMin(shift) * (MINUTE_MS / idealCycle.ms))} in the shift ${shift.name}`
        : '';
      return `At best a part takes ${formatDuration(idealCycle.ms)}${most}.${target}`;
    }
    case 'tag':
      return `At best a part takes what ${idealCycle.tag} says.${target}`;
    case 'job': {
      const cycles = Object.entries(idealCycle.ms).map(([name, ms]) => `${formatDuration(ms)} of job ${name}`);
      return `At best a part takes ${listed(cycles)}, by what ${job} says.${target}`;
    }
    case 'nobody':
      return `How long a part takes at best is not said: performance and OEE stay unknown.${target}`;
  }
}

function shiftTexts({ shifts, timezone }: ProductionConfig): string[] {
  return shifts.map((shift) => {
    const { name, days, breaks, fromMin, toMin } = shift;
    const pauses =
      breaks.length === 0
        ? 'without a break'
        : `with ${breaks.length === 1 ? 'a break' : 'breaks'} from ${listed(breaks.map(spanText))}`;
    const work = formatDuration(workMin(shift) * MINUTE_MS);
    return `Shift ${name}, ${daysText(days)}: ${spanText({ fromMin, toMin })} (${timezone}), ${pauses}, ${work} of work.`;
  });
}

function reasonText({ reason, reasonOf, reasons }: ProductionConfig): string {
  const alarms = [...new Set(reasonOf.map(({ alarm }) => `alarm ${alarm}`))];
  const from = [...(reason === undefined ? [] : [reason]), ...alarms, 'people'];
  return `Why it stands is said by ${listed(from)}; there are ${Object.keys(reasons).length} reasons.`;
}

function energyText({ energy }: ProductionConfig): string[] {
  if (!energy) return [];
  const prices = [...new Set(energy.tariff.map(({ price }) => price))];
  const cost =
    prices.length === 0 ? 'what it costs is not said' : `a kWh costs ${listed(prices.map(String))} ${energy.currency}`;
  return [`Energy is what ${energy.tag} counts; ${cost}. What is used outside of shifts is base load.`];
}

function dataText({ silenceMs }: ProductionConfig): string[] {
  return silenceMs === undefined
    ? []
    : [`Where nothing is read for ${formatDuration(silenceMs)}, the time has no data.`];
}

/** What of a machine may not be meant so. */
export function machineDoubts(machine: ProductionConfig, tags: ReadonlyMap<string, TagConfig>): MachineDoubt[] {
  const rule = `production.${machine.id}`;
  const { count, running, microStopMs, reasons, idealCycle } = machine;
  const doubts: MachineDoubt[] = [];
  const state = tags.get(running ?? count.tag);
  if (state?.everyMs !== undefined && state.everyMs > microStopMs / 2)
    doubts.push({
      rule,
      why: `${state.tag.id} is read every ${formatDuration(state.everyMs)}, and a stop is one after ${formatDuration(microStopMs)}: stops are seen late, or not at all`,
      remedy: 'read it at least five times within microStop',
    });
  if (tags.get(count.tag)?.counter === false)
    doubts.push({
      rule,
      why: `${count.tag} is not marked as a counter, so that it is not known where it goes on with 0`,
      remedy: 'write counter: true with that tag',
    });
  if (Object.keys(reasons).length === 0)
    doubts.push({ rule, why: 'has no reasons: all its stops stay unknown', remedy: 'write reasons: {10: jam, …}' });
  if (idealCycle.by === 'nobody')
    doubts.push({ rule, why: 'has no ideal cycle: its OEE stays unknown', remedy: 'write idealCycle: 2.4s' });
  return doubts;
}

const DAY_NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function daysText(days: readonly number[]): string {
  if (days.length === 7) return 'every day';
  const [first, last] = [days[0]!, days.at(-1)!];
  const isRun = days.length > 2 && last - first === days.length - 1;
  return isRun ? `${DAY_NAMES[first]}-${DAY_NAMES[last]}` : listed(days.map((day) => DAY_NAMES[day]!));
}

function spanText({ fromMin, toMin }: LocalSpan): string {
  return `${timeText(fromMin)} to ${timeText(toMin)}`;
}

function timeText(minutes: number): string {
  const inDay = minutes % 1440;
  return `${String(Math.floor(inDay / 60)).padStart(2, '0')}:${String(inDay % 60).padStart(2, '0')}`;
}

/** Minutes of a shift without its breaks, in a night in which no clock is set. */
function workMin({ fromMin, toMin, breaks }: ShiftPlan): number {
  return toMin - fromMin - breaks.reduce((sum, each) => sum + each.toMin - each.fromMin, 0);
}

function listed(all: readonly string[]): string {
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}

function rounded(value: number): string {
  return String(Math.floor(value + 1e-9));
}
