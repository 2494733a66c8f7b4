import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { createReconnect, type Ending } from '../../src/uplink/reconnect.ts';

const LINE: Ending = { reason: 'broker:1883 does not answer.', how: 'line', lastedMs: 0 };

describe('after an ending', () => {
  it('a refusal is asked again ever more rarely, up to a minute; a lost line is not', async () => {
    const clock = new SimulatedClock();
    const reconnect = createReconnect(clock, () => 1);
    const delays = Array.from({ length: 9 }, () => reconnect.after({ ...LINE, how: 'refused' }).delayMs);
    expect(delays).toEqual([1500, 3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000, 60_000]);
    expect(reconnect.after(LINE).delayMs).toBe(1500);
  });

  it('a takeover is answered slowly, and full jitter is kept', () => {
    const clock = new SimulatedClock();
    const shortest = createReconnect(clock, () => 0).after({ ...LINE, how: 'takeover' }).delayMs;
    const longest = createReconnect(clock, () => 1).after({ ...LINE, how: 'takeover' }).delayMs;
    expect([shortest, longest]).toEqual([30_000, 60_000]);
    expect(createReconnect(clock, () => 0).after(LINE).delayMs).toBe(500);
  });

  it('a weekend without broker, name and line is a handful of lines', async () => {
    const clock = new SimulatedClock();
    const reconnect = createReconnect(clock, () => 0.5);
    const reasons = [
      'the name is not known.',
      'the name could not be looked up.',
      'there is no way to it.',
      'no answer.',
    ];
    let lines = 0;
    for (let round = 0; clock.monoMs() < 60 * 3_600_000; round++) {
      const { delayMs, line } = reconnect.after({ ...LINE, reason: reasons[round % reasons.length]! });
      if (line !== undefined) lines++;
      await clock.advance(delayMs + 20_000);
    }
    expect(lines).toBeGreaterThan(3);
    expect(lines).toBeLessThanOrEqual(8);
  });
});
