import { describe, expect, it } from 'vitest';
import { deadlineMs, SHORTEST_TIMEOUT_MS } from '../../../../hal/modbus/device.ts';
import { atInstant, silenceMsOf } from '../../../../hal/modbus/line/timing.ts';
import { systemClock } from '../../../../src/core/clock.ts';

describe('the silence between frames', () => {
  it('is 3.5 characters of 11 bits up to 19,200 baud, and 1.75 ms above', () => {
    expect(silenceMsOf(1200)).toBeCloseTo(32.083333, 5);
    expect(silenceMsOf(9600)).toBeCloseTo(4.010417, 5);
    expect(silenceMsOf(19_200)).toBeCloseTo(2.005208, 5);
    expect(silenceMsOf(115_200)).toBe(1.75);
  });

  it('is never cut short by a timer that fires early', async () => {
    for (const waitMs of [0, 0.4, 1.75, 2.005]) {
      const dueMs = systemClock.monoMs() + waitMs;
      const firedMs = await new Promise<number>((resolve) => {
        atInstant(systemClock, dueMs, () => resolve(systemClock.monoMs()));
      });
      expect(firedMs).toBeGreaterThanOrEqual(dueMs - 1e-6);
    }
  });
});

describe('the deadline of a block', () => {
  it('is the configured one until the block was answered often enough, then three times its slowest answer', () => {
    expect(deadlineMs(1000, undefined)).toBe(1000);
    expect(deadlineMs(1000, { slowestMs: 30, answers: 15 })).toBe(1000);
    expect(deadlineMs(1000, { slowestMs: 30, answers: 16 })).toBe(90);
  });

  it('stays within its bounds, whatever the device does', () => {
    expect(deadlineMs(1000, { slowestMs: 0.2, answers: 99 })).toBe(SHORTEST_TIMEOUT_MS);
    expect(deadlineMs(1000, { slowestMs: 900, answers: 99 })).toBe(1000);
  });
});
