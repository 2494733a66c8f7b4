/** What the views make of the reports of production and maintenance. Pure functions. */
import type { ProductionReport, ReportedStop } from '../core/production/production.ts';

/** One loss on the way from the time that was planned to good parts. */
interface Loss {
  readonly name: string;
  readonly ms: number;
  /** The same as parts that were not made; null without an ideal cycle. */
  readonly parts: number | null;
}

/** The losses between the time a machine was to be busy and the good parts it made, the largest first. */
export function lossesOf(report: ProductionReport): Loss[] {
  const { setupMs, unplannedMs, microStopMs, noDataMs, runMs, count, reject, idealCycleMs } = report;
  const cycle = idealCycleMs !== null && idealCycleMs > 0 ? idealCycleMs : undefined;
  const slowMs = cycle === undefined ? 0 : Math.max(0, runMs - microStopMs - cycle * count);
  const all: [string, number][] = [
    ['stops, not planned', unplannedMs],
    ['set-up', setupMs],
    ['micro-stops', microStopMs],
    ['running slowly', slowMs],
    ['rejects', cycle === undefined ? 0 : reject * cycle],
    ['no data', noDataMs],
  ];
  return all
    .filter(([, ms]) => ms > 0)
    .map(([name, ms]) => ({ name, ms, parts: cycle === undefined ? null : Math.round(ms / cycle) }))
    .sort((one, other) => other.ms - one.ms);
}

/** Sums the stops by reason, the longest first. */
export function stopsByReason(stops: readonly ReportedStop[]): { reason: string; ms: number; times: number }[] {
  const sums = new Map<string, { reason: string; ms: number; times: number }>();
  for (const { kind, reason, ms } of stops) {
    if (kind === 'micro' || kind === 'planned') continue;
    const name = reason === null ? 'not coded' : String(reason);
    const sum = sums.get(name) ?? { reason: name, ms: 0, times: 0 };
    sums.set(name, { reason: name, ms: sum.ms + ms, times: sum.times + 1 });
  }
  return [...sums.values()].sort((one, other) => other.ms - one.ms);
}

/** The reports in an answer, by whichever name the list has; undefined where it has none. */
export function listIn<T>(answer: unknown, name: string): readonly T[] | undefined {
  const list = Array.isArray(answer) ? answer : (answer as Readonly<Record<string, unknown>> | undefined)?.[name];
  if (Array.isArray(list)) return list as readonly T[];
  return typeof list === 'object' && list !== null ? (Object.values(list) as T[]) : undefined;
}
