/** The urgent lane of a channel is bounded, and says so in a way that the API can pass on. */
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { UrgentLane } from '../../src/poll/urgent.ts';

describe('the urgent lane', () => {
  it('refuses the 65th who waits, as a service that is busy for the moment', async () => {
    const lane = new UrgentLane();
    const signal = () => new AbortController().signal;
    const waiting = Array.from({ length: 64 }, () => lane.add('line-a', async () => 1, signal()));
    await expect(lane.add('line-a', async () => 1, signal())).rejects.toMatchObject({
      code: EXIT.unavailable,
      what: 'line-a: 64 requests are waiting already',
      remedy: expect.stringContaining('in one request'),
    });
    lane.refuseAll(new Error('stopped'));
    for (const answer of waiting) await expect(answer).rejects.toThrow('stopped');
  });
});
