import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { afterDeadline, backoffMs, clockTrust, sleepOn, underBoth, untilKnown } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';

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
  const trustIn = (over: Partial<{ wallMs: number; synchronized: boolean; hasHost: boolean }>) => {
    const world = { wallMs: NOW, synchronized: false, hasHost: false, ...over };
    const known = clockTrust({
      wallMs: () => world.wallMs,
      isSynchronized: () => world.synchronized,
      hasHost: () => world.hasHost,
    });
    return { world, known };
  };

  it('is never there before 2025, whatever else speaks for it', () => {
    expect(trustIn({ wallMs: 45_000, synchronized: true, hasHost: true }).known()).toBe(false);
  });

  it('is there once something that compares clocks has set it, and stays', () => {
    const { world, known } = trustIn({});
    expect(known()).toBe(false);
    world.synchronized = true;
    expect(known()).toBe(true);
    world.synchronized = false;
    expect(known()).toBe(true);
  });

  it('is there in a container, whose host keeps the time', () => {
    expect(trustIn({ hasHost: true }).known()).toBe(true);
  });

  it('does not come with time: a clock that nothing set is as wrong after a week as after a minute', () => {
    const { world, known } = trustIn({});
    world.wallMs += 7 * 86_400_000;
    expect(known()).toBe(false);
  });

  it('comes back when a clock that showed 1970 is set right, and one decades ahead as well', () => {
    const { world, known } = trustIn({ wallMs: 45_000 });
    expect(known()).toBe(false);
    Object.assign(world, { wallMs: NOW + 20 * 365 * 86_400_000 });
    expect(known()).toBe(false);
    Object.assign(world, { wallMs: NOW, synchronized: true });
    expect(known()).toBe(true);
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

describe('work under two signals', () => {
  const long = () => new AbortController();

  it('leaves nothing with the signals when it is over, however it ends', async () => {
    const [one, other] = [long(), long()];
    for (let scan = 0; scan < 100; scan++) await underBoth(one.signal, other.signal, async () => scan);
    await underBoth(one.signal, other.signal, () => Promise.reject(new Error('no'))).catch(() => {});
    for (const { signal } of [one, other]) expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it.each([0, 1])('is aborted by signal %i, before it begins and while it runs', async (place) => {
    for (const isBefore of [true, false]) {
      const both = [long(), long()] as const;
      if (isBefore) both[place]!.abort(new Error('end'));
      const ended = underBoth(both[0].signal, both[1].signal, async (signal) => {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return (signal.reason as Error).message;
      });
      if (!isBefore) both[place]!.abort(new Error('end'));
      expect(await ended).toBe('end');
    }
  });
});
