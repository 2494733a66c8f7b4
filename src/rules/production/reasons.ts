/** What a person says of a stop, be it of a shift that is over: its reason, where it is to be split, and that two are one. */
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
  /** Reports of past shifts, oldest first, from the first that has one of the stops to the last; undefined: not looked up yet. */
  readonly past?: readonly ProductionReport[] | undefined;
}

/** Why an order is refused, and what to do instead. `pastOf`: past shifts may have these stops; their reports are wanted. */
export interface Refusal {
  readonly refused: string;
  readonly pastOf?: readonly number[];
}

/** Of the reports of a machine, oldest first, those that an order needs which was refused with `pastOf`. */
export function pastReports(all: readonly ProductionReport[], stops: readonly number[]): readonly ProductionReport[] {
  const hasOne = (report: ProductionReport): boolean => report.stops.some(({ n }) => stops.includes(n));
  const first = all.findIndex(hasOne);
  return first === -1 ? [] : all.slice(first, all.findLastIndex(hasOne) + 1);
}

/** A stop with all its parts: of the shift that runs, and of those that are over. */
interface Whole {
  readonly n: number;
  readonly running: Stop | undefined;
  /** Oldest first. */
  readonly past: readonly ReportedStop[];
  /** Of the shift in which it was last; null where there were several. */
  readonly job: string | null;
}

/** Who ordered what, by its code. */
interface Coded extends Coding {
  readonly code: string;
}

/** Gives a stop its reason; undefined when that is done. */
export function codeStop(work: Work, order: Coding): Refusal | undefined {
  const { draft, config } = work;
  const code = codeNamed(config, order.code);
  if (code === undefined) return { refused: noReason(config, order.code) };
  const n = order.stop ?? draft.open?.n ?? lastNumber(draft);
  if (!n) return { refused: `${config.id} has no stop that could be given a reason` };
  const wanted = order.join === undefined ? [n] : [n, order.join];
  const reports = reportsFor(draft, wanted, order.past);
  const lists = `millgate oee ${config.id} lists the stops`;
  if (!reports) return { refused: `${config.id} has no stop ${n}: ${lists}`, pastOf: wanted };
  const wholes = wanted.map((each) => wholeOf(draft, each, reports));
  const missing = wholes.find(({ running, past }) => !running && past.length === 0);
  if (missing) return { refused: `${config.id} has no stop ${missing.n}: ${lists}` };
  const coded = { ...order, code };
  const [whole, next] = wholes;
  if (next) return joinStops(work, whole!, next, reports, coded);
  if (order.fromMs !== undefined) return splitStop(work, whole!, order.fromMs, reports, coded);
  return codeWhole(work, whole!, reports, coded);
}

/** The reports that may have a part of these stops; undefined: those of the past are wanted first. */
function reportsFor(
  draft: Draft,
  wanted: readonly number[],
  past: readonly ProductionReport[] | undefined,
): readonly ProductionReport[] | undefined {
  const { last } = draft;
  if (past) return !last || past.some(({ from }) => from === last.from) ? past : [...past, last];
  if (wanted.every((n) => runningOf(draft, n)?.beforeMs === 0)) return [];
  const isOfLast = (n: number): boolean => last?.stops.some((stop) => stop.n === n && stop.from > last.from) === true;
  return last && wanted.every((n) => !runningOf(draft, n) && isOfLast(n)) ? [last] : undefined;
}

function wholeOf(draft: Draft, n: number, reports: readonly ProductionReport[]): Whole {
  const past = reports.flatMap(({ stops }) => stops.filter((stop) => stop.n === n));
  const job = reports.findLast(({ stops }) => stops.some((stop) => stop.n === n))?.job ?? null;
  return { n, running: runningOf(draft, n), past, job };
}

function runningOf({ open, stops }: Draft, n: number): Stop | undefined {
  return open?.n === n ? open : stops.find((stop) => stop.n === n);
}

/** When a stop began and ended, or up to when it is known. */
function boundsOf({ running, past }: Whole): readonly [fromMs: number, toMs: number] {
  return [past[0]?.from ?? running!.partMs ?? running!.fromMs, running?.toMs ?? past.at(-1)!.to];
}

function reasonOf({ reasons }: ProductionConfig, { running, past }: Whole): string | null {
  return running ? reasonName({ reasons }, running.code) : past.at(-1)!.reason;
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

/** Gives all parts of a stop a reason. */
function codeWhole(work: Work, whole: Whole, reports: readonly ProductionReport[], order: Coded): undefined {
  const { draft, config } = work;
  const { n, running } = whole;
  const before = reasonOf(config, whole);
  if (running) replace(draft, { ...running, code: order.code, by: 'person' });
  tellCoded(work, whole, n, order, { before });
  const stops = (own: readonly ReportedStop[]) =>
    own.map((stop) => (stop.n === n ? recoded(config, stop, order.code) : stop));
  revise(work, reports, stops, `stop ${n} is ${reasonName(config, order.code)}`);
  return done(work, n, before, order);
}

/** A short stop stays a micro-stop, whatever its reason. */
function recoded({ reasons }: ProductionConfig, stop: ReportedStop, code: string): ReportedStop {
  const kind = stop.kind === 'micro' ? 'micro' : (reasons[code]?.kind ?? 'unplanned');
  return { ...stop, reason: reasonName({ reasons }, code), kind };
}

function replace(draft: Draft, stop: Stop): void {
  if (draft.open?.n === stop.n) draft.open = stop;
  else draft.stops = draft.stops.map((each) => (each.n === stop.n ? stop : each));
}

/** Tells of a stop that got its reason, where it stands now. */
function tellCoded(work: Work, whole: Whole, n: number, order: Coded, detail: Readonly<Record<string, unknown>>): void {
  const { config, draft, events } = work;
  const running = runningOf(draft, n);
  if (running) {
    tellStop(work, running, 'coded', { ...detail, operator: order.by });
    return;
  }
  const [from, to] = boundsOf(whole);
  const reason = reasonName(config, order.code);
  const about = { kind: 'production', machine: config.id, change: 'coded', from, to, reason, stop: n } as const;
  const { job } = whole;
  events.push({
    ...about,
    by: 'person',
    job,
    ...detail,
    operator: order.by,
    message: `${config.id} stop ${n}: ${reason}`,
  });
}

/** Tells of the past shifts whose stops are others now again, each with its new report. */
function revise(
  { config, draft, events }: Work,
  reports: readonly ProductionReport[],
  change: (stops: readonly ReportedStop[], report: ProductionReport) => readonly ReportedStop[],
  what: string,
): void {
  for (const report of reports) {
    const stops = change(report.stops, report);
    if (stops.length === report.stops.length && stops.every((stop, index) => stop === report.stops[index])) continue;
    const next = withStops(report, stops);
    if (draft.last?.from === report.from) draft.last = next;
    const { from, to, shift, job } = report;
    const about = { kind: 'production', machine: config.id, change: 'shift', from, to } as const;
    const message = `${config.id}: shift ${shift} of the past has a new report: ${what}`;
    events.push({ ...about, reason: null, stop: null, shift, job, revised: true, report: next, message });
  }
}

/** Cuts a stop in two: the second part is a stop of its own, with the reason. */
function splitStop(
  work: Work,
  whole: Whole,
  atMs: number,
  reports: readonly ProductionReport[],
  order: Coded,
): Refusal | undefined {
  const { draft, config, calendar } = work;
  const { n, running } = whole;
  const number = draft.n + 1;
  const breaksOf = ({ from }: ProductionReport) => {
    const span = calendar.at(from);
    return span?.fromMs === from ? span.breaks : [];
  };
  const cut = (stop: ReportedStop, report: ProductionReport): readonly ReportedStop[] => {
    const { from, to, ms } = stop;
    if (stop.n !== n || to <= atMs) return [stop];
    const second = recoded(config, { ...stop, n: number }, order.code);
    if (from >= atMs) return [second];
    const firstMs = Math.min(ms, atMs - from - breakWithin(breaksOf(report), from, atMs));
    return [
      { ...stop, to: atMs, ms: firstMs },
      { ...second, from: atMs, ms: ms - firstMs },
    ];
  };
  const change = (stops: readonly ReportedStop[], report: ProductionReport) =>
    stops.flatMap((stop) => cut(stop, report)).filter((stop) => stop.ms > 0 || stop.n !== number);
  const cutPast = reports.flatMap((report) => change(report.stops, report));
  const msIn = (which: number) => cutPast.reduce((sum, stop) => sum + (stop.n === which ? stop.ms : 0), 0);
  const halves = running && cutRunning(draft, running, atMs, [msIn(n), msIn(number)]);
  const firstMs = msIn(n) + (halves?.first?.ms ?? 0);
  const secondMs = msIn(number) + (halves?.second?.ms ?? 0);
  const [fromMs, toMs] = boundsOf(whole);
  if (atMs <= fromMs || atMs >= toMs || firstMs <= 0 || secondMs <= 0)
    return { refused: `that time is not within stop ${n}: name one between its beginning and its end` };
  draft.n = number;
  const before = reasonOf(config, whole);
  if (halves) putHalves(work, n, halves.first, { ...halves.second, n: number, code: order.code, by: 'person' });
  const second = { ...whole, n: number, running: undefined, past: cutPast.filter((stop) => stop.n === number) };
  tellCoded(work, second, number, order, { before, splitFrom: n });
  revise(work, reports, change, `stop ${n} was split`);
  return done(work, number, before, order, { splitFrom: n });
}

interface Halves {
  /** Undefined: all of it that is in the running shift comes after the cut. */
  readonly first: Stop | undefined;
  readonly second: Stop;
}

/** The two parts of a stop of the running shift. @param pastMs what past shifts have of the one and of the other */
function cutRunning(
  { shift }: Draft,
  stop: Stop,
  atMs: number,
  [firstBeforeMs, secondBeforeMs]: readonly [number, number],
): Halves {
  // Of a stop that was carried over, this shift may have nothing yet.
  const fromMs = stop.partMs ?? (stop.beforeMs > 0 ? stop.toMs : stop.fromMs);
  if (fromMs >= atMs) return { first: undefined, second: { ...stop, fromMs: atMs, beforeMs: secondBeforeMs } };
  const firstMs = Math.min(stop.ms, atMs - fromMs - breakWithin(shift?.breaks ?? [], fromMs, atMs));
  const second = { ...stop, fromMs: atMs, partMs: atMs, ms: stop.ms - firstMs, beforeMs: 0 };
  return { first: { ...stop, toMs: atMs, ms: firstMs, beforeMs: firstBeforeMs }, second };
}

function putHalves(work: Work, n: number, first: Stop | undefined, second: Stop): void {
  const { draft } = work;
  if (draft.open?.n !== n) {
    const halves = first ? [first, second] : [second];
    draft.stops = draft.stops.flatMap((each) => (each.n === n ? halves : [each]));
    return;
  }
  draft.open = second;
  if (first) list(work, first);
}

/** Makes one stop of two that follow one another; what the machine ran between them stays run time. */
function joinStops(
  work: Work,
  whole: Whole,
  next: Whole,
  reports: readonly ProductionReport[],
  order: Coded,
): Refusal | undefined {
  const { draft, config } = work;
  const { n } = whole;
  const isOne = (stop: { readonly n: number }) => stop.n === n || stop.n === next.n;
  const running = draft.open && draft.open.n > 0 ? [...draft.stops, draft.open] : draft.stops;
  const inOrder = [...reports.flatMap(({ stops }) => stops), ...running].map((stop) => stop.n);
  if (n === next.n || inOrder[inOrder.lastIndexOf(n) + 1] !== next.n)
    return { refused: `stops ${n} and ${next.n} do not follow one another` };
  const past = [...whole.past, ...next.past];
  const own = running.filter(isOne);
  const pastMs = past.reduce((sum, { ms }) => sum + ms, 0);
  const ms = own.reduce((sum, stop) => sum + stop.ms, 0);
  const wasLong = own.some(({ isLong }) => isLong) || past.some(({ kind }) => kind !== 'micro');
  const isLong = wasLong || pastMs + ms >= stopAfterMs(work);
  const before = reasonOf(config, whole);
  const details = { joined: next.n, joinedBefore: reasonOf(config, next) };
  const [first] = own;
  if (first) {
    const { toMs } = own.at(-1)!;
    const fromMs = past.length > 0 ? boundsOf(whole)[0] : first.fromMs;
    const joined: Stop = { ...first, n, fromMs, toMs, ms, beforeMs: pastMs, isLong, code: order.code, by: 'person' };
    const isOpen = draft.open !== null && isOne(draft.open);
    const others = draft.stops.flatMap((each) => (!isOne(each) ? [each] : each === first && !isOpen ? [joined] : []));
    draft.stops = others;
    if (isOpen) draft.open = joined;
  }
  tellCoded(work, { ...whole, running: undefined, past }, n, order, { before, ...details });
  const change = (stops: readonly ReportedStop[]) => joinedIn(config, stops, isOne, { n, isLong, code: order.code });
  revise(work, reports, change, `stops ${n} and ${next.n} are one`);
  return done(work, n, before, order, details);
}

function joinedIn(
  config: ProductionConfig,
  stops: readonly ReportedStop[],
  isOne: (stop: ReportedStop) => boolean,
  { n, isLong, code }: { readonly n: number; readonly isLong: boolean; readonly code: string },
): readonly ReportedStop[] {
  const own = stops.filter(isOne);
  const [first] = own;
  if (!first) return stops;
  const ms = own.reduce((sum, stop) => sum + stop.ms, 0);
  const kind = isLong ? 'unplanned' : 'micro';
  const joined = recoded(config, { ...first, n, to: own.at(-1)!.to, ms, kind }, code);
  return stops.flatMap((stop) => (stop === first ? [joined] : isOne(stop) ? [] : [stop]));
}

/** The audit of it, with the value before. */
function done(
  { config, events }: Work,
  stop: number,
  before: string | null,
  { by, comment, code }: Coded,
  details: Readonly<Record<string, unknown>> = {},
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
    ...details,
    message: `${config.id} stop ${stop}: ${reason} by ${by} (before: ${before ?? 'no reason'})`,
  });
}
