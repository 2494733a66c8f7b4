import { describe, expect, it } from 'vitest';
import { directionOf, medianOf, type Point, theilSen } from '../../../src/rules/maintenance/theil-sen.ts';

/** Points at hours after a start, as pairs. */
function at(pairs: readonly (readonly [number, number])[]): Point[] {
  return pairs.map(([hour, value]) => [1_700_010_800_000 + hour * 3_600_000, value]);
}

/** Slopes and intervals of SciPy 1.17, `scipy.stats.theilslopes(…, 0.95, method='separate')`. */
const DISTINCT = at([
  [0, 1.992693],
  [3, 2.032569],
  [6, 1.978406],
  [7, 1.997082],
  [8, 2.033143],
  [10, 2.025744],
  [12, 2.012746],
  [15, 2.032603],
  [18, 1.930155],
  [19, 2.046473],
  [22, 1.989544],
  [23, 1.969108],
  [24, 2.028293],
  [27, 2.043516],
  [30, 2.011657],
  [31, 1.993541],
  [32, 2.02745],
  [33, 2.025918],
  [34, 2.070501],
  [37, 2.053256],
  [39, 2.038314],
  [41, 2.067516],
  [42, 2.028834],
  [44, 2.00889],
  [45, 2.055022],
]);

const TIED = at([
  [0, 1.98],
  [2, 2.05],
  [5, 1.97],
  [6, 2.02],
  [7, 1.97],
  [9, 2.05],
  [11, 2.01],
  [13, 2.0],
  [15, 1.96],
  [16, 2.06],
  [18, 2.04],
  [21, 2.04],
  [22, 2.05],
  [25, 2.03],
  [26, 2.0],
  [27, 2.0],
  [30, 2.0],
  [31, 2.07],
  [34, 1.98],
  [35, 2.01],
  [37, 2.02],
  [40, 2.04],
  [43, 2.05],
  [45, 2.0],
  [46, 1.99],
  [47, 2.04],
  [50, 2.08],
  [52, 2.07],
  [53, 2.05],
  [56, 2.04],
  [59, 2.06],
  [62, 2.04],
  [64, 2.08],
  [67, 2.03],
  [69, 2.06],
  [71, 2.06],
  [74, 2.08],
  [76, 2.07],
  [79, 2.14],
  [81, 2.11],
]);

describe('the Theil–Sen line', () => {
  it.each([
    ['of values that differ', DISTINCT, [0.02262882828, 0.000721333333, 0.04532689655]],
    ['of values that are tied', TIED, [0.02526315789, 0.01333333333, 0.03512195122]],
  ])('%s is that of SciPy', (_what, points, [slope, low, high]) => {
    const line = theilSen(points)!;
    expect(line.slopePerDay).toBeCloseTo(slope!, 9);
    expect(line.low).toBeCloseTo(low!, 9);
    expect(line.high).toBeCloseTo(high!, 9);
    expect(directionOf(points)).toBe(1);
  });

  it('goes through the median time and the median value, and odd points do not bend it', () => {
    const straight = at(Array.from({ length: 21 }, (_, hour) => [hour, hour === 4 ? 900 : 5 - hour / 24]));
    const line = theilSen(straight)!;
    expect(line.slopePerDay).toBeCloseTo(-1, 9);
    expect(line.medianMs).toBe(1_700_010_800_000 + 10 * 3_600_000);
    expect(directionOf(straight)).toBe(-1);
  });

  it('is not drawn through fewer than ten points, and has no direction where all are the same', () => {
    expect(theilSen(DISTINCT.slice(0, 9))).toBeUndefined();
    const flat = at(Array.from({ length: 12 }, (_, hour) => [hour, 2]));
    expect([directionOf(flat), theilSen(flat)?.slopePerDay]).toEqual([0, 0]);
  });

  it('says the same direction with the slopes and without', () => {
    for (let count = 10; count <= TIED.length; count++) {
      const points = TIED.slice(0, count);
      const { low, high } = theilSen(points)!;
      expect(directionOf(points)).toBe(low > 0 ? 1 : high < 0 ? -1 : 0);
    }
  });

  it('takes the mean of both middle values', () => {
    expect([medianOf(Float64Array.of(3, 1, 2)), medianOf(Float64Array.of(4, 1, 3, 2))]).toEqual([2, 2.5]);
  });
});
