import { describe, expect, it } from 'vitest';
import { PLACE, simulate } from './simulate.ts';

const HOURS = Number(process.env.HOURS ?? 3);
const SEEDS = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 36 }, (_, index) => index + 1);

describe('the whole gateway, whatever happens to it', () => {
  it.each(SEEDS)('seed %i: nothing is lost, wrong, out of order or unexplained', async (seed) => {
    const { violations, story, ...sums } = await simulate({ seed, place: PLACE, hours: HOURS });
    expect(violations, `SEED=${seed} HOURS=${HOURS} npx vitest run test/simulation\n${story.join('\n')}`).toEqual([]);
    expect(sums.lost).toBe(0);
    expect(sums.produced).toBeGreaterThan(0);
  });
});
