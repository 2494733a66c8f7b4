/** Reports of several shifts, months beside one another, and the way from planned time to good parts. */
import { describe, expect, it } from 'vitest';
import { lossBridge } from '../../../src/core/production/loss-bridge.ts';
import type { ProductionReport } from '../../../src/core/production/production.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { compareSpans } from '../../../src/rules/production/compare.ts';
import { emptyReport, summedReport } from '../../../src/rules/production/figures.ts';
import { HOUR, MIN, MONDAY, machineConfig } from './machine.ts';

const EMPTY = emptyReport(machineConfig(), MONDAY);

function shift(over: Partial<ProductionReport>): ProductionReport {
  return {
    ...EMPTY,
    shift: 'early',
    idealCycleMs: 2000,
    plannedMs: 8 * HOUR,
    busyMs: 8 * HOUR,
    runMs: 8 * HOUR,
    ...over,
  };
}

describe('several shifts', () => {
  it('are put together by their sums, and a stop over the end of one is one stop', () => {
    const stop = (from: number, ms: number) => ({
      n: 3,
      from,
      to: from + ms,
      ms,
      kind: 'unplanned' as const,
      reason: null,
    });
    const first = shift({
      ...{ from: MONDAY, to: MONDAY + 8 * HOUR, runMs: 7 * HOUR, unplannedMs: HOUR, unknownMs: HOUR, failures: 1 },
      ...{ count: 100, good: 90, reject: 10, stops: [stop(MONDAY + 7 * HOUR, HOUR)] },
    });
    const second = shift({
      ...{ from: MONDAY + 8 * HOUR, to: MONDAY + 16 * HOUR, shift: 'late', runMs: 6 * HOUR, unplannedMs: 2 * HOUR },
      ...{ unknownMs: 2 * HOUR, failures: 1, count: 300, good: 300, stops: [stop(MONDAY + 8 * HOUR, 2 * HOUR)] },
    });
    const sum = summedReport([first, second], EMPTY);
    expect(sum).toMatchObject({
      ...{ shift: null, from: MONDAY, to: MONDAY + 16 * HOUR, plannedMs: 16 * HOUR, runMs: 13 * HOUR, failures: 1 },
      ...{ unplannedMs: 3 * HOUR, quality: 390 / 400, availability: 13 / 16, mttrMs: 3 * HOUR },
      stops: [{ n: 3, from: MONDAY + 7 * HOUR, to: MONDAY + 10 * HOUR, ms: 3 * HOUR }],
    });
    expect(summedReport([first], EMPTY)).toBe(first);
    expect(summedReport([], EMPTY)).toBe(EMPTY);
  });

  it('are better than others only where it is more than chance', () => {
    const month = (seed: number, meanMin: number): ProductionReport[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 40 }, () => {
        const unplannedMs = Math.round(random() * 2 * meanMin * MIN);
        return shift({ unplannedMs, runMs: 8 * HOUR - unplannedMs, count: 10_000, good: 9900, reject: 100 });
      });
    };
    const verdictOf = (one: ProductionReport[], other: ProductionReport[]) =>
      compareSpans(one, other).rates.find(({ name }) => name === 'downtime')!.verdict;
    expect(verdictOf(month(1, 30), month(2, 60))).toBe('better');
    expect(verdictOf(month(1, 60), month(2, 30))).toBe('worse');
    expect(verdictOf(month(1, 30).slice(0, 7), month(2, 60))).toBe('unknown');
    let wrong = 0;
    for (let seed = 1; seed <= 200; seed++) if (verdictOf(month(seed, 40), month(seed + 1000, 40)) !== 'same') wrong++;
    // Of months that do not differ one of twenty is called different.
    expect(wrong).toBeLessThan(20);
  });

  it('lose parts step by step down to exactly the good ones', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const part = (most: number) => Math.round(random() * most);
      const [breakMs, setupMs, unplannedMs, noDataMs] = [part(HOUR), part(HOUR), part(HOUR), part(HOUR)];
      const busyMs = 8 * HOUR - breakMs - part(HOUR);
      const count = part(20_000);
      const reject = part(count);
      const runMs = busyMs - setupMs - unplannedMs - noDataMs;
      const idealCycleMs = 500 + part(3000);
      const report = shift({
        breakMs,
        setupMs,
        unplannedMs,
        noDataMs,
        busyMs,
        runMs,
        count,
        reject,
        good: count - reject,
        idealCycleMs,
      });
      const steps = lossBridge({ ...report, unknownMs: part(unplannedMs), microStopMs: part(10 * MIN) });
      const losses = steps.filter(({ kind }) => kind === 'loss').reduce((sum, { parts }) => sum + parts!, 0);
      expect(steps[0]!.parts! - losses, `seed ${seed}`).toBe(count - reject);
      expect(steps.at(-1)).toMatchObject({ name: 'good parts', parts: count - reject });
    }
  });
});
