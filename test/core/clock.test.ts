import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../src/core/backoff.ts';
import { sleepOn } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';

describe('the simulated clock', () => {
  it('fires timers in order of their due time, then of their making', async () => {
    const clock = new SimulatedClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push('late'));
    clock.after(10, () => fired.push('first'));
    clock.after(10, () => fired.push('second'));
    const cancel = clock.after(15, () => fired.push('never'));
    cancel();
    await clock.advance(20);
    expect(fired).toEqual(['first', 'second', 'late']);
    expect(clock.monoMs()).toBe(20);
  });

  it('steps the wall clock without touching timers or the monotonic clock', async () => {
    const clock = new SimulatedClock(1_000_000);
    const slept = clock.sleep(1000);
    clock.stepWall(20 * 365 * 86_400_000);
    await clock.advance(1000);
    await slept;
    expect(clock.monoMs()).toBe(1000);
    expect(clock.wallMs()).toBe(1_000_000 + 1000 + 20 * 365 * 86_400_000);
  });

  it.each(['everything', 'promises'] as const)('lets %s go on between timers', async (waitsFor) => {
    const clock = new SimulatedClock(0, waitsFor);
    const seenMs: number[] = [];
    const chain = async () => {
      await clock.sleep(10);
      for (let link = 0; link < 50; link++) await Promise.resolve().then(() => {});
      seenMs.push(clock.monoMs());
      await clock.sleep(5);
      seenMs.push(clock.monoMs());
    };
    const chained = chain();
    clock.after(11, () => seenMs.push(-1));
    await clock.advance(20);
    await chained;
    expect(seenMs).toEqual([10, -1, 15]);
  });

  it('ends a sleep with the reason of its signal and leaves no timer behind', async () => {
    const clock = new SimulatedClock();
    const abort = new AbortController();
    const sleeping = sleepOn(clock, 1000, abort.signal);
    abort.abort(new Error('stopping'));
    await expect(sleeping).rejects.toThrow('stopping');
    expect(clock.waiting).toBe(0);
  });
});

describe('backoff', () => {
  it('spreads over [min, min·2ⁿ⁺¹] and never exceeds its maximum', () => {
    const random = seededRandom(1);
    for (let attempt = 0; attempt < 40; attempt++) {
      const delayMs = backoffMs(attempt, { minMs: 100, maxMs: 5000 }, random());
      expect(delayMs).toBeGreaterThanOrEqual(100);
      expect(delayMs).toBeLessThanOrEqual(Math.min(5000, 100 * 2 ** Math.min(attempt + 1, 30)));
    }
  });
});
