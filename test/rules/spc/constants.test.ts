import { describe, expect, it } from 'vitest';
import { c4, d2, d3 } from '../../../src/rules/spc/constants.ts';
import { logGamma, normalCdf } from '../../../src/rules/spc/distribution.ts';
import { oracle, relativeError } from './oracles.ts';

const SIZES = Array.from({ length: 24 }, (_, index) => index + 2);

/** The mean range, ∫ 1 − Φⁿ − (1−Φ)ⁿ: the trapezoid rule converges exponentially on such integrands. */
function meanRange(size: number): number {
  const width = 1 / 32;
  let sum = 0;
  for (let x = -12; x <= 12; x += width) sum += 1 - normalCdf(x) ** size - normalCdf(-x) ** size;
  return sum * width;
}

describe('factors of control charts', () => {
  it('agree with the oracle for every subgroup size', () => {
    // The oracle's own integration of d3 is good to 1e-7 at n = 25; ours has 17 digits.
    const { table } = oracle<{ table: Record<string, number>[] }>('constants.json');
    expect(table.map(({ n }) => n)).toEqual(SIZES);
    for (const row of table) {
      for (const [name, factor] of Object.entries({ d2, d3, c4 }))
        expect(relativeError(factor(row.n!), row[name]!), `${name} of ${row.n}`).toBeLessThan(1e-6);
    }
  });

  it('d2 is the integral of the distribution of the range', () => {
    for (const size of SIZES) expect(relativeError(d2(size), meanRange(size))).toBeLessThan(1e-14);
  });

  it('d3 of two values is √(2 − 4/π)', () => {
    expect(relativeError(d3(2), Math.sqrt(2 - 4 / Math.PI))).toBeLessThan(1e-15);
  });

  it('c4 is the quotient of gamma functions, far beyond the tables too', () => {
    for (const size of [...SIZES, 100, 1001, 9999]) {
      const direct = Math.sqrt(2 / (size - 1)) * Math.exp(logGamma(size / 2) - logGamma((size - 1) / 2));
      expect(relativeError(c4(size), direct)).toBeLessThan(1e-10);
    }
    expect(relativeError(c4(2), Math.sqrt(2 / Math.PI))).toBeLessThan(1e-15);
  });

  it('sizes without factors are refused', () => {
    expect(() => d2(1)).toThrow('2 to 25');
    expect(() => d3(26)).toThrow('not for 26');
    expect(() => c4(1)).toThrow('from 2 values');
  });
});
