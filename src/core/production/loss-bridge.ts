/** The loss bridge of a production report: from planned time, loss by loss, to the good parts, in time and in parts. */
import type { ProductionReport } from './production.ts';

/** One step of the bridge. */
export interface BridgeStep {
  readonly name: string;
  /** A level is what is left; a loss what is taken away. */
  readonly kind: 'level' | 'loss';
  readonly ms: number;
  /** At the ideal cycle; null: it is not known. Whole parts, so that the losses add up to the difference of the levels. */
  readonly parts: number | null;
}

/** The bridge of a report; it begins with the planned time and ends exactly at the good parts. */
export function lossBridge(report: ProductionReport): readonly BridgeStep[] {
  const { plannedMs, breakMs, busyMs, runMs, setupMs, unplannedMs, unknownMs, noDataMs, microStopMs } = report;
  const ideal = report.idealCycleMs;
  const losses: readonly (readonly [name: string, ms: number, level?: string])[] = [
    ['breaks', breakMs],
    ['planned stops', plannedMs - breakMs - busyMs, 'busy time'],
    ['without data', noDataMs],
    ['setup', setupMs],
    ['stops with a reason', unplannedMs - unknownMs],
    ['stops without a reason', unknownMs, 'run time'],
    ['micro-stops', microStopMs],
    ['slower than ideal', ideal === null ? 0 : runMs - microStopMs - report.count * ideal, 'parts'],
    ['rejects', ideal === null ? 0 : report.reject * ideal, 'good parts'],
  ];
  const partsOf = (ms: number): number | null => (ideal === null ? null : Math.round(ms / ideal));
  // What was counted is known, and not worked out from time.
  const counted: Readonly<Record<string, number>> = { 'slower than ideal': report.count, rejects: report.good };
  let leftMs = plannedMs;
  let left = partsOf(plannedMs);
  const steps: BridgeStep[] = [{ name: 'planned time', kind: 'level', ms: leftMs, parts: left }];
  for (const [name, ms, level] of losses) {
    leftMs -= ms;
    const after = ideal === null ? null : (counted[name] ?? partsOf(leftMs));
    steps.push({ name, kind: 'loss', ms, parts: left === null || after === null ? null : left - after });
    left = after;
    if (level !== undefined) steps.push({ name: level, kind: 'level', ms: leftMs, parts: left });
  }
  return steps;
}

/** Time lost by reason, the longest first; null: without a reason. */
export function paretoOf({ stops }: Pick<ProductionReport, 'stops'>): readonly {
  readonly reason: string | null;
  readonly ms: number;
  readonly stops: number;
}[] {
  const byReason = new Map<string | null, { ms: number; stops: number }>();
  for (const { kind, reason, ms } of stops) {
    if (kind === 'micro') continue;
    const known = byReason.get(reason) ?? { ms: 0, stops: 0 };
    byReason.set(reason, { ms: known.ms + ms, stops: known.stops + 1 });
  }
  return [...byReason].map(([reason, sums]) => ({ reason, ...sums })).sort((a, b) => b.ms - a.ms);
}
