import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTrend, TREND_MS } from '../../../src/cli/terminal/sparkline.ts';

const QUARTER_MS = 15_000;
const good = (value: number | boolean | string) => ({ quality: 'good', value }) as const;

/** The trend of values that were read a quarter of a minute apart, as it is seen at the last. */
function trendOf(values: readonly (number | boolean | string)[]): string {
  const trend = createTrend();
  for (const [index, value] of values.entries()) trend.add(good(value), index * QUARTER_MS);
  return trend.text((values.length - 1) * QUARTER_MS);
}

describe('the trend of the last three minutes', () => {
  it.each([
    [[0, 1, 2, 3, 4, 5, 6, 7], '    ▁▂▃▄▅▆▇█'],
    [[20.1, 20.1, 20.1], '         ▄▄▄'],
    [[0, 0], '          ▁▁'],
    [[false, true, false], '         ▁█▁'],
    [['no', 'number'], '            '],
    [[], '            '],
  ])('of %j is "%s"', (values, shown) => {
    expect(trendOf(values)).toBe(shown);
  });

  it('has a cross where there were only bad readings, and nothing where there were none', () => {
    const trend = createTrend();
    trend.add(good(1), 0);
    trend.add({ quality: 'bad' }, QUARTER_MS);
    trend.add(good(2), 3 * QUARTER_MS);
    trend.add({ quality: 'bad' }, 3 * QUARTER_MS);
    expect(trend.text(3 * QUARTER_MS)).toBe('        ▁× █');
  });

  it('forgets what is older', () => {
    const trend = createTrend();
    trend.add(good(1), 0);
    expect(trend.text(TREND_MS)).toBe(' '.repeat(12));
  });

  it('is twelve columns wide whatever comes in whatever order', () => {
    const reading = fc.record({
      value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
      atMs: fc.integer({ min: 0, max: 2 * TREND_MS }),
      quality: fc.constantFrom('good' as const, 'uncertain' as const, 'bad' as const),
    });
    fc.assert(
      fc.property(fc.array(reading), (readings) => {
        const trend = createTrend();
        for (const { atMs, ...rest } of readings) trend.add(rest, atMs);
        expect(trend.text(2 * TREND_MS)).toMatch(/^[ ×▁▂▃▄▅▆▇█]{12}$/);
      }),
    );
  });
});
