import { describe, expect, it } from 'vitest';
import { deadlineMs, SHORTEST_TIMEOUT_MS } from '../../../../hal/modbus/device.ts';
import { afterDeadline, atInstant, silenceMsOf } from '../../../../hal/modbus/line/timing.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { SimulatedClock } from '../../../../src/core/simulated-clock.ts';

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

/** A host that does nothing at all until `untilMs`. */
class StalledClock extends SimulatedClock {
  private readonly untilMs: number;
  constructor(untilMs: number) {
    super();
    this.untilMs = untilMs;
  }
  override after(ms: number, callback: () => void): () => void {
    return super.after(Math.max(ms, this.untilMs - this.monoMs()), callback);
  }
}

describe('the end of a wait', () => {
  const endOf = async (clock: SimulatedClock, deadlineMs: number): Promise<number> => {
    let endedMs = Number.NaN;
    afterDeadline(clock, deadlineMs, () => {
      endedMs = clock.monoMs();
    });
    await clock.advance(10_000);
    return endedMs;
  };

  it('leaves the host a moment for bytes that are here', async () => {
    expect(await endOf(new SimulatedClock(), 100)).toBe(105);
  });

  it('gives the bytes as long as the host stood still, and no more than the deadline again', async () => {
    expect(await endOf(new StalledClock(160), 100)).toBe(160 + 60 + 5);
    expect(await endOf(new StalledClock(5000), 100)).toBe(5000 + 100 + 5);
  });

  it('can be called off, before the deadline and after it', async () => {
    const clock = new SimulatedClock();
    const ended: string[] = [];
    const cancel = afterDeadline(clock, 100, () => ended.push('early'));
    cancel();
    const cancelLate = afterDeadline(clock, 100, () => ended.push('late'));
    await clock.advance(102);
    cancelLate();
    await clock.advance(100);
    expect(ended).toEqual([]);
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
