/** What the views make of the reports of production and maintenance. Pure functions. */
import { lossBridge } from '../core/production/loss-bridge.ts';
import type { ProductionReport, ReportedStop } from '../core/production/production.ts';

/** One loss on the way from the time that was planned to good parts. */
interface Loss {
  readonly name: string;
  readonly ms: number;
  /** The same as parts that were not made; null without an ideal cycle. */
  readonly parts: number | null;
}

/** The losses on the bridge from the planned time to the good parts, as in every report, the largest first. */
export function lossesOf(report: ProductionReport): Loss[] {
  return lossBridge(report)
    .filter(({ kind, name, ms }) => kind === 'loss' && name !== 'breaks' && ms > 0)
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
