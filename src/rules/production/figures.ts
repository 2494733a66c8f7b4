/** Makes production reports: the one function from which every number of production comes, and the sum of several. */
import type {
  ProductionConfig,
  ProductionDoubt,
  ProductionReport,
  ReportedHour,
  ReportedStop,
  StopKind,
} from '../../core/production/production.ts';
import { breakWithin, type ShiftSpan } from './shifts.ts';
import { type Folded, NOTHING_FOLDED, type Stop, type Tally } from './state.ts';

/** What a stop is, by its length and the reason it was given. */
export function kindOf({ reasons }: ProductionConfig, { isLong, code }: Stop): StopKind {
  if (!isLong) return 'micro';
  return (code === null ? undefined : reasons[code]?.kind) ?? 'unplanned';
}

/** The name of a reason; a code that the file does not have stands for itself. */
export function reasonName({ reasons }: Pick<ProductionConfig, 'reasons'>, code: string | null): string | null {
  return code === null ? null : (reasons[code]?.name ?? code);
}

/** What there is of a shift. */
interface ShiftFigures {
  readonly shift: ShiftSpan;
  /** Its end, or now. */
  readonly toMs: number;
  readonly tally: Tally;
  readonly stops: readonly Stop[];
  /** The ideal cycle where nothing was counted. */
  readonly idealMs: number | null;
}

/** The report of a shift, or of as much of it as is over. */
export function shiftReport(config: ProductionConfig, figures: ShiftFigures): ProductionReport {
  const { shift, toMs, tally, stops, idealMs } = figures;
  const { energy } = config;
  const several = tally.timed > 0 ? tally.timedMs / tally.timed : null;
  const idealCycleMs = tally.idealMs ?? several ?? idealMs;
  const isPriced = energy !== undefined && energy.tariff.length > 0;
  return reportOf({
    machine: config.id,
    from: shift.fromMs,
    to: toMs,
    shift: shift.name,
    job: tally.hasOneJob ? tally.job : null,
    plannedMs: toMs - shift.fromMs,
    breakMs: breakWithin(shift.breaks, shift.fromMs, toMs),
    noDataMs: tally.noDataMs,
    count: tally.count,
    good: goodOf(config, tally),
    idealCycleMs,
    energyKwh: tally.kwh === null ? null : tidy(tally.kwh),
    folded: tally.folded,
    uncertain: tally.uncertain,
    stops: stops.map((stop) => ({
      n: stop.n,
      from: stop.partMs ?? stop.fromMs,
      to: stop.toMs,
      ms: stop.ms,
      kind: kindOf(config, stop),
      reason: reasonName(config, stop.code),
    })),
    energyCost: isPriced ? tidy(tally.cost) : null,
    energyCurrency: isPriced ? energy.currency : null,
    hours: hoursOf(config, figures, idealCycleMs),
  });
}

function goodOf({ second: counter }: ProductionConfig, { count, second }: { count: number; second: number }): number {
  return counter?.counts === 'good' ? second : count - second;
}

const HOUR_MS = 3_600_000;

/** Targets are whole parts that add up to that of the shift. */
function hoursOf(config: ProductionConfig, figures: ShiftFigures, idealMs: number | null): ReportedHour[] {
  const { shift, toMs, tally } = figures;
  const { targetPerSecond } = config;
  const perMs = targetPerSecond !== undefined ? targetPerSecond / 1000 : idealMs === null ? null : 1 / idealMs;
  const targetUntil = (ms: number): number =>
    Math.round((ms - shift.fromMs - breakWithin(shift.breaks, shift.fromMs, ms)) * (perMs ?? 0));
  const hours: ReportedHour[] = [];
  for (let from = shift.fromMs; from < toMs; from += HOUR_MS) {
    const to = Math.min(from + HOUR_MS, toMs);
    const counted = tally.hours[hours.length] ?? { count: 0, second: 0 };
    const target = perMs === null ? null : targetUntil(to) - targetUntil(from);
    hours.push({ from, to, target, count: counted.count, good: goodOf(config, counted) });
  }
  return hours;
}

/** The report of a machine of which nothing is known. */
export function emptyReport({ id }: ProductionConfig, atMs: number): ProductionReport {
  return reportOf({
    machine: id,
    from: atMs,
    to: atMs,
    shift: null,
    job: null,
    plannedMs: 0,
    breakMs: 0,
    noDataMs: 0,
    count: 0,
    good: 0,
    idealCycleMs: null,
    energyKwh: null,
    folded: NOTHING_FOLDED,
    uncertain: [],
    stops: [],
    energyCost: null,
    energyCurrency: null,
    hours: [],
  });
}

/** What a report is worked out from. */
interface Basis
  extends Pick<
    ProductionReport,
    | 'machine'
    | 'from'
    | 'to'
    | 'shift'
    | 'job'
    | 'plannedMs'
    | 'breakMs'
    | 'noDataMs'
    | 'count'
    | 'good'
    | 'idealCycleMs'
    | 'energyKwh'
    | 'uncertain'
    | 'stops'
    | 'energyCost'
    | 'energyCurrency'
    | 'hours'
  > {
  readonly folded: Folded;
}

function reportOf(basis: Basis): ProductionReport {
  const { machine, from, to, shift, job, plannedMs, breakMs, noDataMs, count, good, idealCycleMs, stops } = basis;
  const sums = stops.reduce(withStop, basis.folded);
  const { microStops, microStopMs, failures, unplannedMs, unknownMs, setupMs } = sums;
  const busyMs = plannedMs - breakMs - sums.plannedMs;
  const runMs = busyMs - setupMs - unplannedMs - noDataMs;
  const availability = ratio(runMs, busyMs);
  const performance = idealCycleMs === null ? null : ratio(idealCycleMs * count, runMs);
  const quality = ratio(good, count);
  const isWhole = availability !== null && performance !== null && quality !== null;
  const reject = count - good;
  return {
    machine,
    from,
    to,
    shift,
    job,
    plannedMs,
    breakMs,
    busyMs,
    runMs,
    setupMs,
    unplannedMs,
    microStopMs,
    microStops,
    unknownMs,
    unknownShare: ratio(unknownMs, unplannedMs),
    noDataMs,
    count,
    good,
    reject,
    idealCycleMs,
    availability,
    performance,
    quality,
    oee: isWhole ? availability * performance * quality : null,
    failures,
    mttrMs: ratio(unplannedMs, failures),
    mtbfMs: ratio(runMs, failures),
    energyKwh: basis.energyKwh,
    uncertain: doubts(basis.uncertain, performance, reject < 0 || good < 0),
    stops,
    energyCost: basis.energyCost,
    energyCurrency: basis.energyCurrency,
    kwhPerGood: basis.energyKwh === null || good <= 0 ? null : tidy(basis.energyKwh / good),
    hours: basis.hours,
  };
}

function doubts(
  known: readonly ProductionDoubt[],
  performance: number | null,
  isImpossible: boolean,
): readonly ProductionDoubt[] {
  const all = new Set(known);
  if (performance !== null && performance > 1) all.add('performance-above-1');
  if (isImpossible) all.add('good-above-count');
  return [...all];
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** Sums with one stop more. */
export function withStop(sums: Folded, { ms, kind, reason }: Pick<ReportedStop, 'ms' | 'kind' | 'reason'>): Folded {
  switch (kind) {
    case 'micro':
      return { ...sums, microStops: sums.microStops + 1, microStopMs: sums.microStopMs + ms };
    case 'setup':
      return { ...sums, setupMs: sums.setupMs + ms };
    case 'planned':
      return { ...sums, plannedMs: sums.plannedMs + ms };
    case 'unplanned':
      return {
        ...sums,
        failures: sums.failures + 1,
        unplannedMs: sums.unplannedMs + ms,
        unknownMs: sums.unknownMs + (reason === null ? ms : 0),
      };
  }
}

/** What of a report's sums is not in its list of stops. */
function foldedOf(report: ProductionReport): Folded {
  const listed = report.stops.reduce(withStop, NOTHING_FOLDED);
  return {
    microStops: report.microStops - listed.microStops,
    microStopMs: report.microStopMs - listed.microStopMs,
    failures: report.failures - listed.failures,
    unplannedMs: report.unplannedMs - listed.unplannedMs,
    unknownMs: report.unknownMs - listed.unknownMs,
    setupMs: report.setupMs - listed.setupMs,
    plannedMs: report.plannedMs - report.breakMs - report.busyMs - listed.plannedMs,
  };
}

/** The report with other stops: of those that were listed, coded or split. */
export function withStops(report: ProductionReport, stops: readonly ReportedStop[]): ProductionReport {
  return reportOf({ ...report, folded: foldedOf(report), stops, uncertain: report.uncertain });
}

/**
 * The report of a span of several shifts: every figure from sums, never from ratios. A stop that went on over the end of
 * a shift is one stop.
 *
 * @param reports of one machine, in the order of their times; one alone is given back as it is
 * @param empty what to say where there is none
 */
export function summedReport(reports: readonly ProductionReport[], empty: ProductionReport): ProductionReport {
  const [first, ...others] = reports;
  if (!first) return empty;
  if (others.length === 0) return first;
  const sum = (of: (report: ProductionReport) => number): number => reports.reduce((all, each) => all + of(each), 0);
  const folded = reports.map(foldedOf).reduce((all, each) => ({
    microStops: all.microStops + each.microStops,
    microStopMs: all.microStopMs + each.microStopMs,
    failures: all.failures + each.failures,
    unplannedMs: all.unplannedMs + each.unplannedMs,
    unknownMs: all.unknownMs + each.unknownMs,
    setupMs: all.setupMs + each.setupMs,
    plannedMs: all.plannedMs + each.plannedMs,
  }));
  const sumKnown = (of: (report: ProductionReport) => number | null): number | null => {
    const known = reports.map(of).filter((value) => value !== null);
    return known.length === 0 ? null : tidy(known.reduce((all, value) => all + value, 0));
  };
  return reportOf({
    machine: first.machine,
    from: first.from,
    to: Math.max(...reports.map(({ to }) => to)),
    shift: sameIn(reports, ({ shift }) => shift),
    job: sameIn(reports, ({ job }) => job),
    plannedMs: sum(({ plannedMs }) => plannedMs),
    breakMs: sum(({ breakMs }) => breakMs),
    noDataMs: sum(({ noDataMs }) => noDataMs),
    count: sum(({ count }) => count),
    good: sum(({ good }) => good),
    idealCycleMs: idealOf(reports),
    energyKwh: sumKnown(({ energyKwh }) => energyKwh),
    folded,
    uncertain: [...new Set(reports.flatMap(({ uncertain }) => uncertain))].filter((why) => !FOLLOWING.has(why)),
    stops: joined(reports.flatMap(({ stops }) => stops)),
    energyCost: sumKnown(({ energyCost }) => energyCost),
    energyCurrency: sameIn(reports, ({ energyCurrency }) => energyCurrency),
    hours: [],
  });
}

/** Doubts that follow from the figures of a report, and are found again in its sum. */
const FOLLOWING: ReadonlySet<ProductionDoubt> = new Set(['performance-above-1', 'good-above-count']);

function sameIn<T>(reports: readonly ProductionReport[], of: (report: ProductionReport) => T): T | null {
  const value = of(reports[0]!);
  return reports.every((report) => of(report) === value) ? value : null;
}

/** The ideal cycle of several reports: theirs where they agree, else the mean by parts. */
function idealOf(reports: readonly ProductionReport[]): number | null {
  const same = sameIn(reports, ({ idealCycleMs }) => idealCycleMs);
  if (same !== null) return same;
  let [parts, ms] = [0, 0];
  for (const { count, idealCycleMs } of reports) {
    if (idealCycleMs === null) continue;
    parts += count;
    ms += count * idealCycleMs;
  }
  return parts === 0 ? null : ms / parts;
}

function joined(stops: readonly ReportedStop[]): ReportedStop[] {
  const byNumber = new Map<number, ReportedStop>();
  for (const stop of stops) {
    const known = byNumber.get(stop.n);
    // What was coded last holds for all of it; a micro-stop that became long in the next shift is a stop.
    byNumber.set(stop.n, known ? { ...stop, from: known.from, ms: known.ms + stop.ms } : stop);
  }
  return [...byNumber.values()];
}

/** Without the noise of sums of fractions. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}
