import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answered, deadlineMs, noResponseTimes, SHORTEST_TIMEOUT_MS, timedOut } from '../../../../hal/modbus/device.ts';
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

describe('the deadline of a device', () => {
  const after = (count: number, elapsedMs: number) =>
    Array.from({ length: count }).reduce<typeof noResponseTimes>(
      (times) => answered(times, elapsedMs),
      noResponseTimes,
    );

  it('is the configured one until the device has proved itself, and again after a timeout', () => {
    expect(deadlineMs(after(15, 30), 1000)).toBe(1000);
    expect(deadlineMs(after(40, 30), 1000)).toBeLessThan(110);
    expect(deadlineMs(timedOut(after(40, 30)), 1000)).toBe(1000);
  });

  it('stays within its bounds and above twice the slowest answer of late, whatever the device does', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { maxLength: 60 }), (elapsed) => {
        const times = elapsed.reduce(answered, noResponseTimes);
        const chosenMs = deadlineMs(times, 1000);
        const last = elapsed.at(-1) ?? 0;
        return chosenMs >= SHORTEST_TIMEOUT_MS && chosenMs <= 1000 && chosenMs >= Math.min(1000, 2 * last);
      }),
    );
  });
});
