/** Compares two spans of production by their rates, with an interval: what is no more than chance is not called better. */
import type { ProductionComparison, ProductionReport } from '../../core/production/production.ts';

/** Fewer shifts than this on a side say nothing of how much shifts differ. */
const FEWEST_SHIFTS = 8;

/** 97.5 % of the normal distribution: the interval is one of 95 %. */
const Z = 1.96;

interface Rate {
  readonly name: ProductionComparison['rates'][number]['name'];
  readonly isMoreBetter: boolean;
  readonly part: (report: ProductionReport) => number;
  readonly whole: (report: ProductionReport) => number;
}

const RATES: readonly Rate[] = [
  { name: 'oee', isMoreBetter: true, part: idealGoodMs, whole: ({ busyMs }) => busyMs },
  { name: 'availability', isMoreBetter: true, part: ({ runMs }) => runMs, whole: ({ busyMs }) => busyMs },
  { name: 'downtime', isMoreBetter: false, part: ({ unplannedMs }) => unplannedMs, whole: ({ busyMs }) => busyMs },
  { name: 'rejects', isMoreBetter: false, part: ({ reject }) => reject, whole: ({ count }) => count },
];

function idealGoodMs({ good, idealCycleMs }: ProductionReport): number {
  return good * (idealCycleMs ?? 0);
}

/**
 * Compares the shifts of two spans. Each rate is a ratio of sums, Σpart/Σwhole, whose variance is that of the shifts
 * around it (the linearised ratio estimator, Cochran, Sampling Techniques, 3rd edition, section 6.4); the difference is
 * better or worse only where its interval of 95 % excludes 0. With fewer than 8 shifts on a side nothing is said.
 */
export function compareSpans(
  reports: readonly ProductionReport[],
  against: readonly ProductionReport[],
): ProductionComparison {
  const [now, before] = [worked(reports), worked(against)];
  const isEnough = now.length >= FEWEST_SHIFTS && before.length >= FEWEST_SHIFTS;
  const rates = RATES.map((rate): ProductionComparison['rates'][number] => {
    const [one, other] = [ratioOf(now, rate), ratioOf(before, rate)];
    const { name } = rate;
    if (!one || !other) return { name, value: null, against: null, low: null, high: null, verdict: 'unknown' };
    const both = { name, value: one.ratio, against: other.ratio };
    if (!isEnough) return { ...both, low: null, high: null, verdict: 'unknown' };
    const difference = one.ratio - other.ratio;
    const reach = Z * Math.sqrt(one.variance + other.variance);
    const [low, high] = [difference - reach, difference + reach];
    const isClear = low > 0 || high < 0;
    const verdict = isClear ? (difference > 0 === rate.isMoreBetter ? 'better' : 'worse') : 'same';
    return { ...both, low, high, verdict };
  });
  return { shifts: now.length, againstShifts: before.length, rates };
}

/** Shifts in which anything was to be made. */
function worked(reports: readonly ProductionReport[]): readonly ProductionReport[] {
  return reports.filter(({ busyMs, noDataMs }) => busyMs > noDataMs);
}

function ratioOf(
  reports: readonly ProductionReport[],
  { part, whole }: Rate,
): { readonly ratio: number; readonly variance: number } | undefined {
  const [parts, wholes] = [reports.map(part), reports.map(whole)];
  const total = sumOf(wholes);
  if (total <= 0) return undefined;
  const ratio = sumOf(parts) / total;
  const n = reports.length;
  const squares = sumOf(parts.map((each, index) => (each - ratio * wholes[index]!) ** 2));
  return { ratio, variance: n < 2 ? Number.POSITIVE_INFINITY : (n / (n - 1)) * (squares / total ** 2) };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
