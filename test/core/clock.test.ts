import { describe, expect, it } from 'vitest';
import { clockTrust, sleepOn, untilKnown } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { backoffMs } from '../../src/core/wait.ts';

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

describe('trust in the wall clock of a machine', () => {
  const NOW = Date.UTC(2026, 10, 23);
  const trustIn = (over: Partial<{ wallMs: number; synchronized: boolean; keepsTime: boolean; upMs: number }>) => {
    const world = { wallMs: NOW, synchronized: false, keepsTime: false, upMs: 30_000, ...over };
    const evidence = {
      wallMs: () => world.wallMs,
      isSynchronized: () => world.synchronized,
      keepsTime: () => world.keepsTime,
      uptimeMs: () => world.upMs,
    };
    return { world, trust: clockTrust(evidence) };
  };

  it('is never there before 2025, whatever else speaks for it', () => {
    const { trust } = trustIn({ wallMs: 45_000, synchronized: true, keepsTime: true, upMs: 1e9 });
    expect(trust.known()).toBe(false);
  });

  it('is there once the time service has set it', () => {
    const { world, trust } = trustIn({});
    expect(trust.known()).toBe(false);
    world.synchronized = true;
    expect(trust.known()).toBe(true);
    world.synchronized = false;
    expect(trust.known()).toBe(true);
  });

  it('is there with a clock that runs while the machine is off, unless it is behind what is stored', () => {
    expect(trustIn({ keepsTime: true }).trust.known()).toBe(true);
    const { world, trust } = trustIn({ keepsTime: true });
    trust.notBefore(NOW + 1);
    expect(trust.known()).toBe(false);
    world.wallMs = NOW + 2;
    expect(trust.known()).toBe(true);
  });

  it('does not stay away for ever where there is no time service: after ten minutes the clock is taken as it is', () => {
    const { world, trust } = trustIn({});
    trust.notBefore(NOW + 1e12);
    world.upMs = 599_999;
    expect(trust.known()).toBe(false);
    world.upMs = 600_000;
    expect(trust.known()).toBe(true);
  });

  it('is waited for, but not for ever', async () => {
    const clock = new SimulatedClock();
    clock.setKnown(false);
    const { signal } = new AbortController();
    let waited = '';
    void untilKnown(clock, 60_000, signal).then(() => (waited += 'known in time;'));
    await clock.advance(5000);
    clock.setKnown(true);
    await clock.advance(1000);
    clock.setKnown(false);
    void untilKnown(clock, 60_000, signal).then(() => (waited += 'never known;'));
    await clock.advance(59_000);
    expect(waited).toBe('known in time;');
    await clock.advance(1000);
    expect(waited).toBe('known in time;never known;');
  });
});
