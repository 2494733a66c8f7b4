import { describe, expect, it } from 'vitest';
import { A_PERCENT_EACH, torture } from '../../double/modbus-torture.ts';

describe('a bus where one transaction in four goes wrong', () => {
  it.each(['rtu', 'mbap'] as const)('%s: no value is ever that of another question', async (framing) => {
    const result = await torture({ seed: 20_251, transactions: 20_000, framing });

    expect(result.misattributed).toBe(0);
    expect(result.good).toBeGreaterThan(10_000);
    expect(Object.keys(result.happened).sort()).toHaveLength(12);
  });
});

describe('a line that loses or garbles three transactions in a hundred', () => {
  it.each([
    ['rtu', 0, 16, 1.2],
    ['rtu', 1, 16, 0.2],
    ['rtu', 0, 0, 1.2],
    ['rtu', 1, 0, 0.25],
    ['mbap', 0, 16, 1.2],
  ] as const)(
    '%s with %i retries, maxGap %i: a fault costs one reading at most',
    async (framing, retries, maxGap, most) => {
      const result = await torture({ seed: 7, transactions: 10_000, framing, shares: A_PERCENT_EACH, retries, maxGap });

      expect(result.misattributed).toBe(0);
      expect(result.lostPerFault).toBeLessThanOrEqual(most);
    },
  );
});
