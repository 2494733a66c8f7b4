/** When the shifts of a machine are: local times of the plant, through midnight and daylight saving, as instants. */
import type { ShiftPlan } from '../../core/production/production.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** How many days a calendar is searched for the next shift: one that is every week is found. */
const SEARCHED_DAYS = 9;

/** One shift as it takes place, UTC ms. JSON. */
export interface ShiftSpan {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** In order, within the shift, not overlapping. */
  readonly breaks: readonly Span[];
}

/** From, to, UTC ms. */
type Span = readonly [fromMs: number, toMs: number];

/** The shifts of a machine. */
export type ShiftCalendar = ReturnType<typeof shiftCalendar>;

/** A calendar of shifts in a time zone (IANA). Its shifts do not overlap. */
export function shiftCalendar(plans: readonly ShiftPlan[], timezone: string) {
  const offset = offsetsOf(timezone);
  const spansOf = (day: number): ShiftSpan[] =>
    plans
      .filter(({ days }) => days.includes(new Date(day).getUTCDay()))
      .map((plan) => spanOn(day, plan, offset))
      .filter(({ fromMs, toMs }) => toMs > fromMs);
  return {
    /** The shift in which an instant is, or else the next; undefined when there is none within a week. */
    at(ms: number): ShiftSpan | undefined {
      const today = floorDay(ms + offset(ms));
      let found: ShiftSpan | undefined;
      // A shift may have begun the day before yesterday, where it takes a day and the clocks were set back.
      for (let day = today - 2 * DAY_MS; day <= today + SEARCHED_DAYS * DAY_MS; day += DAY_MS) {
        if (found && day > floorDay(found.fromMs + offset(found.fromMs))) break;
        for (const span of spansOf(day)) if (span.toMs > ms && (!found || span.fromMs < found.fromMs)) found = span;
      }
      return found;
    },
    /** The shift of a name that begins on a local day (`2026-11-30`); undefined when there is none. */
    on: (day: string, name: string): ShiftSpan | undefined =>
      spansOf(Date.parse(`${day}T00:00Z`)).find((span) => span.name === name),
    /** Local midnight of a day (`2026-11-30`), UTC ms. */
    midnight: (day: string): number => utcOf(Date.parse(`${day}T00:00Z`), offset),
  };
}

function floorDay(localMs: number): number {
  return Math.floor(localMs / DAY_MS) * DAY_MS;
}

type Offset = (utcMs: number) => number;

function spanOn(day: number, { name, fromMin, toMin, breaks }: ShiftPlan, offset: Offset): ShiftSpan {
  const fromMs = utcOf(day + fromMin * MINUTE_MS, offset);
  const toMs = utcOf(day + toMin * MINUTE_MS, offset);
  let endMs = fromMs;
  const clipped = breaks.flatMap((each): Span[] => {
    // A break is as long in the nights in which clocks are set as in any other; no time is in two of them.
    const beginMs = Math.max(utcOf(day + each.fromMin * MINUTE_MS, offset), endMs);
    endMs = Math.min(beginMs + (each.toMin - each.fromMin) * MINUTE_MS, toMs);
    return endMs > beginMs ? [[beginMs, endMs]] : [];
  });
  return { name, fromMs, toMs, breaks: clipped };
}

/**
 * The instant of a local time, given as if it were UTC. One that comes twice is taken the first time; one that is left out
 * is as much later as the clocks are set forward.
 */
function utcOf(localMs: number, offset: Offset): number {
  const before = offset(localMs - DAY_MS);
  if (offset(localMs - before) === before) return localMs - before;
  const after = offset(localMs + DAY_MS);
  return offset(localMs - after) === after ? localMs - after : localMs - before;
}

/** How far the clocks of a zone are ahead of UTC at an instant, ms; made of what the runtime knows of the zone. */
export function offsetsOf(timezone: string): Offset {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const known = new Map<number, number>();
  return (utcMs) => {
    // Clocks are set on quarters of an hour.
    const quarter = Math.floor(utcMs / (15 * MINUTE_MS));
    const memorised = known.get(quarter);
    if (memorised !== undefined) return memorised;
    const atMs = quarter * 15 * MINUTE_MS;
    const part = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const local = Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute, part.second);
    if (known.size > 1000) known.clear();
    known.set(quarter, local - atMs);
    return local - atMs;
  };
}

/** How much of a span is in breaks, ms. */
export function breakWithin(breaks: readonly Span[], fromMs: number, toMs: number): number {
  let sum = 0;
  for (const [from, to] of breaks) sum += Math.max(0, Math.min(to, toMs) - Math.max(from, fromMs));
  return sum;
}

/** The first and the last instant of a span that are not in a break; undefined when all of it is. */
export function outsideBreaks(breaks: readonly Span[], fromMs: number, toMs: number): Span | undefined {
  let [first, last] = [fromMs, toMs];
  for (const [from, to] of breaks) if (from <= first && first < to) first = to;
  for (const [from, to] of breaks.toReversed()) if (from < last && last <= to) last = from;
  return first < last ? [first, last] : undefined;
}
