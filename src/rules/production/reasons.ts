/** What a person says of a stop: its reason, where it is to be split, and that two are one. */
import type { ProductionConfig, ProductionReport, ReportedStop } from '../../core/production/production.ts';
import { reasonName, withStops } from './figures.ts';
import { type Draft, list, stopAfterMs, tellStop, type Work } from './partition.ts';
import { breakWithin } from './shifts.ts';
import type { Stop } from './state.ts';

/** What a person orders of a stop. */
export interface Coding {
  /** Code or name of the reason. */
  readonly code: string;
  /** Number of the stop; undefined: the one that goes on, or else the last. */
  readonly stop?: number | undefined;
  /** Splits the stop here, UTC ms: the reason is that of the part from then on. */
  readonly fromMs?: number | undefined;
  /** Joins the stop with the one of this number, which comes next. */
  readonly join?: number | undefined;
  readonly by: string;
  readonly comment?: string | undefined;
  /** The report of a past shift that has the stop, where the machine does not remember it any more. */
  readonly past?: ProductionReport | undefined;
}

/** Why an order is refused, and what to do instead. `unknownStop`: a past shift may have it. */
export interface Refusal {
  readonly refused: string;
  readonly unknownStop?: number;
}

/** Gives a stop its reason; undefined when that is done. */
export function codeStop(work: Work, order: Coding): Refusal | undefined {
  const { draft, config } = work;
  const code = codeNamed(config, order.code);
  if (code === undefined) return { refused: noReason(config, order.code) };
  const n = order.stop ?? draft.open?.n ?? lastNumber(draft);
  if (!n) return { refused: `${config.id} has no stop that could be given a reason` };
  if (order.join !== undefined) return joinStops(work, n, order.join, code, order);
  if (order.fromMs !== undefined) return splitStop(work, n, order.fromMs, code, order);
  const found = stopOf(draft, n);
  const revised = reportWith(draft, n, order.past);
  if (!found && !revised)
    return { refused: `${config.id} has no stop ${n}: millgate oee ${config.id} lists the stops`, unknownStop: n };
  const before = found ? reasonName(config, found.code) : revised!.stops.find((stop) => stop.n === n)!.reason;
  if (found) {
    const coded: Stop = { ...found, code, by: 'person' };
    replace(draft, coded);
    tellStop(work, coded, 'coded', { before, operator: order.by });
  }
  if (revised) revise(work, revised, n, code, found ? undefined : { before, operator: order.by });
  return done(work, n, code, before, order);
}

/** The code of a reason that is given by its code or its name. */
function codeNamed({ reasons }: ProductionConfig, text: string): string | undefined {
  if (Object.hasOwn(reasons, text)) return text;
  return Object.entries(reasons).find(([, { name }]) => name === text)?.[0];
}

function noReason({ id, reasons }: ProductionConfig, text: string): string {
  const known = Object.entries(reasons).map(([code, { name }]) => `${code} ${name}`);
  const which = known.length === 0 ? 'write them under reasons: in the file' : `the reasons are ${known.join(', ')}`;
  return `${id} has no reason ${JSON.stringify(text.slice(0, 60))}: ${which}`;
}

function lastNumber({ stops, last }: Draft): number | undefined {
  return stops.at(-1)?.n ?? last?.stops.at(-1)?.n;
}

function stopOf({ open, stops }: Draft, n: number): Stop | undefined {
  return open?.n === n ? open : stops.find((stop) => stop.n === n);
}

function reportWith({ last }: Draft, n: number, past: ProductionReport | undefined): ProductionReport | undefined {
  return [last, past].find((report) => report?.stops.some((stop) => stop.n === n)) ?? undefined;
}

function replace(draft: Draft, stop: Stop): void {
  if (draft.open?.n === stop.n) draft.open = stop;
  else draft.stops = draft.stops.map((each) => (each.n === stop.n ? stop : each));
}

/** The report of a shift that is over, told of again with the reason of one of its stops. */
function revise(
  { config, draft, events }: Work,
  report: ProductionReport,
  n: number,
  code: string,
  coded: Readonly<Record<string, unknown>> | undefined,
): void {
  const reason = reasonName(config, code);
  const kind = config.reasons[code]?.kind ?? 'unplanned';
  const stops = report.stops.map((stop): ReportedStop => {
    return stop.n === n ? { ...stop, reason, kind: stop.kind === 'micro' ? 'micro' : kind } : stop;
  });
  const next = withStops(report, stops);
  if (draft.last?.from === report.from) draft.last = next;
  const { from, to } = stops.find((stop) => stop.n === n)!;
  const about = { kind: 'production', machine: config.id } as const;
  if (coded) {
    const message = `${config.id} stop ${n}: ${reason}`;
    events.push({ ...about, change: 'coded', from, to, reason, stop: n, by: 'person', ...coded, message });
  }
  const message = `${config.id}: shift ${report.shift} of the past has a new report: stop ${n} is ${reason}`;
  const { shift, job } = report;
  events.push({
    ...about,
    change: 'shift',
    from: report.from,
    to: report.to,
    reason: null,
    stop: null,
    shift,
    job,
    revised: true,
    report: next,
    message,
  });
}

/** Cuts a stop of the running shift in two: the second part is a stop of its own, with the reason. */
function splitStop(work: Work, n: number, atMs: number, code: string, order: Coding): Refusal | undefined {
  const { draft, config } = work;
  const stop = stopOf(draft, n);
  if (!stop)
    return { refused: `stop ${n} is not one of the running shift: it can be given a reason, but not be split` };
  const fromMs = stop.partMs ?? stop.fromMs;
  if (atMs <= fromMs || atMs >= stop.toMs)
    return { refused: `that time is not within stop ${n}: name one between its beginning and its end` };
  const firstMs = Math.min(stop.ms, atMs - fromMs - breakWithin(draft.shift?.breaks ?? [], fromMs, atMs));
  const first: Stop = { ...stop, toMs: atMs, ms: firstMs };
  const second: Stop = {
    ...stop,
    n: ++draft.n,
    fromMs: atMs,
    partMs: atMs,
    ms: stop.ms - firstMs,
    beforeMs: 0,
    code,
    by: 'person',
  };
  if (draft.open?.n === n) {
    draft.open = second;
    list(work, first);
  } else draft.stops = draft.stops.flatMap((each) => (each.n === n ? [first, second] : [each]));
  const before = reasonName(config, stop.code);
  tellStop(work, second, 'coded', { before, operator: order.by, splitFrom: n });
  return done(work, second.n, code, before, order);
}

/** Makes one stop of two that follow one another; what the machine ran between them stays run time. */
function joinStops(work: Work, n: number, other: number, code: string, order: Coding): Refusal | undefined {
  const { draft, config } = work;
  const all = draft.open && draft.open.n > 0 ? [...draft.stops, draft.open] : [...draft.stops];
  const at = all.findIndex((stop) => stop.n === n);
  const [first, second] = [all[at], all[at + 1]];
  if (!first || !second || second.n !== other)
    return { refused: `stops ${n} and ${other} do not follow one another in the running shift` };
  const ms = first.ms + second.ms;
  const isLong = first.isLong || second.isLong || first.beforeMs + ms >= stopAfterMs(work);
  const joined: Stop = { ...first, toMs: second.toMs, ms, isLong, code, by: 'person' };
  draft.stops = draft.stops.filter((stop) => stop.n !== second.n);
  if (draft.open?.n === second.n) {
    draft.open = joined;
    draft.stops = draft.stops.filter((stop) => stop.n !== n);
  } else replace(draft, joined);
  const before = reasonName(config, first.code);
  tellStop(work, joined, 'coded', { before, operator: order.by, joined: other });
  return done(work, n, code, before, order);
}

/** The audit of it, with the value before. */
function done(
  { config, events }: Work,
  stop: number,
  code: string,
  before: string | null,
  { by, comment }: Coding,
): undefined {
  const reason = reasonName(config, code);
  events.push({
    kind: 'audit',
    what: 'stop-reason',
    machine: config.id,
    stop,
    reason,
    before,
    by,
    ...(comment !== undefined && { comment }),
    message: `${config.id} stop ${stop}: ${reason} by ${by} (before: ${before ?? 'no reason'})`,
  });
}
