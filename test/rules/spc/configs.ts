import type { Reading } from '../../../src/core/reading.ts';
import {
  NELSON_RULES,
  type RunRule,
  SPC_DEFAULTS,
  type SpcConfig,
  WESTERN_ELECTRIC_RULES,
} from '../../../src/core/spc.ts';
import { judgeSeries } from '../../../src/rules/spc/judge.ts';
import type { ShortWindows } from '../../../src/rules/spc/runs.ts';

/** A chart of individual readings with Nelson's rules; `over` replaces parts of it. */
export function chartOf(over: Partial<SpcConfig> = {}): SpcConfig {
  return {
    id: 'shaft',
    tag: 'gauge/weight',
    chart: 'i-mr',
    subgroup: { by: 'count', size: 1 },
    inspected: undefined,
    limits: { from: 'given', center: 0, sigma: 1 },
    rules: NELSON_RULES,
    spec: undefined,
    priority: 'medium',
    ...SPC_DEFAULTS,
    ...over,
  };
}

/** Readings of a tag, one a second; null is a bad one. */
export function readingsOf(values: readonly (number | null)[], tag = 'gauge/weight'): Reading[] {
  return values.map((value, index) => {
    const at = { tag, wallMs: 1_763_899_200_000 + index * 1000, monoMs: 5000 + index * 1000 };
    return value === null ? { ...at, quality: 'bad', why: 'timeout' } : { ...at, quality: 'good', value };
  });
}

/** The points (from 1) at which each rule holds, for values in units of σ around 0; null is a bad point. */
export function flagged(values: readonly (number | null)[], center = 0, sigma = 1, short?: ShortWindows) {
  const points = values.map((value) => (value === null ? null : { value, size: 1, spread: null, squares: 0 }));
  const judged = judgeSeries(
    chartOf({ rules: [...NELSON_RULES, ...WESTERN_ELECTRIC_RULES] }),
    { center, sigma },
    points,
    short,
  );
  const at = (rule: RunRule, firstOnly = false) =>
    judged.flatMap((point, index) =>
      point?.flags.some((flag) => flag.rule === rule && (flag.first || !firstOnly)) ? [index + 1] : [],
    );
  return at;
}
