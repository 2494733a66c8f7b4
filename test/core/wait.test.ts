import { describe, expect, it } from 'vitest';
import { within } from '../../src/core/clock.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';

const forever = () => new Promise<string>(() => {});

describe('a bounded wait', () => {
  it('gives what the work gives, and leaves no timer behind', async () => {
    const clock = new SimulatedClock();
    expect(await within(clock, 1000, async () => 'done', expect.unreachable)).toBe('done');
    await clock.advance(2000);
  });

  it('gives or throws what is said for the deadline, and tells the work', async () => {
    const clock = new SimulatedClock();
    let told: AbortSignal | undefined;
    const work = (signal: AbortSignal) => {
      told = signal;
      return forever();
    };
    const late = within(clock, 1000, work, () => 'late');
    const thrown = within(clock, 1000, forever, () => {
      throw new Error('too late');
    });
    const refused = expect(thrown).rejects.toThrow('too late');
    await clock.advance(1000);
    expect(await late).toBe('late');
    await refused;
    expect(told?.aborted).toBe(true);
  });

  it('ends with the reason of the outer signal', async () => {
    const end = new AbortController();
    const waiting = within(new SimulatedClock(), 1000, forever, () => 'late', end.signal);
    end.abort(new Error('the gateway stops'));
    await expect(waiting).rejects.toThrow('the gateway stops');
  });
});
