import { describe, expect, it } from 'vitest';
import { torture } from '../../double/modbus-torture.ts';

describe('a bus where one transaction in four goes wrong', () => {
  it.each(['rtu', 'mbap'] as const)('%s: no value is ever that of another question', async (framing) => {
    const result = await torture({ seed: 20_251, transactions: 20_000, framing });

    expect(result.misattributed).toBe(0);
    expect(result.good).toBeGreaterThan(10_000);
    expect(Object.keys(result.happened).sort()).toHaveLength(12);
  });
});
