import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  breaksOf,
  type ChartAnswer,
  columnsOf,
  countsAsSamples,
  marksOf,
  type Sample,
} from '../../src/api/chart/chart.ts';
import { MARK } from '../../src/core/reading.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway, SIX, TAGS } from '../double/fake-gateway.ts';

const RUNS = { numRuns: Number(process.env.MILLGATE_PROPERTY_RUNS ?? 100) };

const good = (atMs: number, value = 1): Sample => ({
  ...{ fromMs: atMs, toMs: atMs, count: 1, bad: 0 },
  ...{ min: value, max: value, mean: value },
});
const bad = (atMs: number, why = 'timeout'): Sample => ({ fromMs: atMs, toMs: atMs, count: 0, bad: 1, why });

describe('breaks', () => {
  it('go from the last usable reading to the next, with the reason of the first bad one', () => {
    const samples = [good(0), good(1000), bad(2000), bad(3000, 'offline'), good(4000)];
    expect(breaksOf(samples, { fromMs: 0, toMs: 5000 }, 3000)).toEqual([{ fromMs: 1000, toMs: 4000, why: 'timeout' }]);
  });

  it('are where nothing came for too long, at both edges, too, and nowhere for a tag that reports changes only', () => {
    const samples = [good(10_000), good(11_000), good(30_000)];
    const range = { fromMs: 0, toMs: 60_000 };
    expect(breaksOf(samples, range, 3000).map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
      [0, 10_000],
      [11_000, 30_000],
      [30_000, 60_000],
    ]);
    expect(breaksOf(samples, range, undefined)).toEqual([]);
    expect(breaksOf(samples, range, undefined, [20_000])).toEqual([{ fromMs: 11_000, toMs: 30_000, why: undefined }]);
    expect(breaksOf([], range, 3000)).toEqual([{ fromMs: 0, toMs: 60_000, why: undefined }]);
  });
});

/** A minute of readings each second with random outages: silent or bad ones. */
const outages = fc.array(fc.tuple(fc.integer({ min: 0, max: 580 }), fc.integer({ min: 4, max: 60 }), fc.boolean()), {
  maxLength: 6,
});

describe('columns', () => {
  it('are never joined across an outage, whatever the outages and the width', () => {
    fc.assert(
      fc.property(outages, fc.integer({ min: 10, max: 600 }), (gaps, most) => {
        const range = { fromMs: 0, toMs: 600_000 };
        const samples = Array.from({ length: 600 }, (_, second) => second).flatMap((second) => {
          const gap = gaps.find(([from, length]) => second >= from && second < from + length);
          return gap === undefined ? [good(second * 1000)] : gap[2] ? [bad(second * 1000)] : [];
        });
        const columns = columnsOf(samples, breaksOf(samples, range, 3000), range, most);
        const out = (second: number) => gaps.some(([from, length]) => second >= from && second < from + length);
        for (const [index, { t, joined }] of columns.entries()) {
          if (!joined) continue;
          const seconds = range.toMs / most / 2000;
          const between = { from: Math.ceil(columns[index - 1]!.t / 1000), to: Math.floor(t / 1000) };
          for (let second = between.from; second <= between.to; second++)
            expect([seconds, second, out(second)]).toEqual([seconds, second, false]);
        }
      }),
      RUNS,
    );
  });

  it('keep every spike, and all that they count', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 10, max: 50 }),
        (values, most) => {
          const samples = values.map((value, index) => good(index * 1000, value));
          const range = { fromMs: 0, toMs: values.length * 1000 };
          const columns = columnsOf(samples, [], range, most);
          expect(Math.max(...columns.map(({ max }) => max))).toBe(Math.max(...values));
          expect(Math.min(...columns.map(({ min }) => min))).toBe(Math.min(...values));
          expect(columns.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
          expect(columns.length).toBeLessThanOrEqual(most);
          for (const { min, mean, max } of columns) {
            expect(mean).toBeGreaterThanOrEqual(min - 1e-6);
            expect(mean).toBeLessThanOrEqual(max + 1e-6);
          }
        },
      ),
      RUNS,
    );
  });
});

describe('days, of which only counts by the minute and points by the hour are known', () => {
  /** Readings a second each minute, less those in gaps (seconds from, seconds long). */
  const counted = (minutes: number, gaps: readonly (readonly [number, number])[], perMinute = 60) => {
    const counts = new Float64Array(minutes).fill(perMinute);
    for (const [from, long] of gaps)
      for (let minute = Math.floor(from / 60); minute < Math.min(minutes, (from + long) / 60); minute++) {
        const seconds = Math.min(from + long, (minute + 1) * 60) - Math.max(from, minute * 60);
        counts[minute]! -= (seconds * perMinute) / 60;
      }
    return {
      firstMs: 0,
      everyMs: 60_000,
      counts: Uint32Array.from(counts, (count) => Math.max(0, Math.round(count))),
      bads: new Uint32Array(minutes),
    };
  };

  it('has no column joined across one of a hundred random sets of gaps, from seven seconds to days', () => {
    const gap = fc.tuple(fc.integer({ min: 0, max: 430_000 }), fc.integer({ min: 7, max: 100_000 }));
    fc.assert(
      fc.property(fc.array(gap, { minLength: 1, maxLength: 8 }), (gaps) => {
        const minutes = 7200;
        const range = { fromMs: 0, toMs: minutes * 60_000 };
        const given = counted(minutes, gaps);
        const breaks = breaksOf(countsAsSamples(given, range, 1000, 6000), range, 6000);
        const points = Array.from({ length: 100 }, (_, place): Sample => {
          const count = given.counts.subarray(place * 72, place * 72 + 72).reduce((sum, one) => sum + one, 0);
          return { ...good(place * 72 * 60_000), toMs: (place + 1) * 72 * 60_000, count };
        }).filter(({ count }) => count > 0);
        const columns = columnsOf(points, breaks, range, 100);
        const crossed = columns.filter(({ t, joined }, index) => {
          const [since, until] = [(columns[index - 1]?.t ?? 0) / 1000, t / 1000];
          return joined && gaps.some(([from, long]) => from < until && from + long > since && from < minutes * 60);
        });
        expect(crossed).toEqual([]);
      }),
      RUNS,
    );
  });

  it('is whole where a line makes fewer scans than it should, and where a minute has only begun', () => {
    const range = { fromMs: 0, toMs: 100 * 60_000 - 40_000 };
    const late = counted(100, [], 41);
    late.counts[99] = 12;
    late.counts[50] = 38;
    expect(breaksOf(countsAsSamples(late, range, 1000, 6000), range, 6000)).toEqual([]);
  });

  it('has one gap where whole minutes are between two that are not whole', () => {
    const range = { fromMs: 0, toMs: 600_000 };
    const breaks = breaksOf(countsAsSamples(counted(10, [[150, 200]]), range, 1000, 6000), range, 6000);
    expect(breaks).toEqual([{ fromMs: 120_000, toMs: 360_000, why: undefined }]);
  });
});

describe('the route of charts', () => {
  it('says why there is nothing in a gap: a quality word, a loss of the ledger, a stop, or that it is not known', async () => {
    const tags = TAGS.map((tag) => ({ ...tag, reportMs: 1000 }));
    const point = (seconds: number) =>
      ({ seq: seconds, wallMs: SIX + seconds * 1000, quality: 'good', value: seconds }) as const;
    const failed = { seq: 5, wallMs: SIX + 5000, quality: 'bad', why: 'timeout' } as const;
    const points = [point(3), point(4), failed, point(6), point(60), point(120), point(180)];
    const view = fakeGateway({
      tags: () => tags,
      history: async ({ fromMs, toMs }) => ({
        points: points.filter(({ wallMs }) => wallMs >= fromMs && wallMs < toMs),
        next: undefined,
      }),
      events: async () => ({
        events: [{ seq: 1, t: SIX + 119_000, kind: 'lifecycle', what: 'started', message: '' }],
        next: undefined,
      }),
      ledger: async (since) => {
        const [entry] = (await fakeGateway().status()).store.ledger;
        const lost = { ...entry!, id: 7, firstWallMs: SIX + 20_000, lastWallMs: SIX + 30_000 };
        return since < 7 ? [lost] : [];
      },
    });
    const where = await serve(view);
    const path = `/api/v1/tags/press-1/oil-temp/chart?from=${SIX}&to=${SIX + 181_000}&columns=181`;
    const { body } = await ask(where, path);
    const { gaps, columns } = body as { gaps: { why: string }[]; columns: { joined: number[]; t: number[] } };
    expect(gaps.map(({ why }) => why)).toEqual(['timeout', 'lost', 'stopped', 'unknown']);
    expect(columns.joined).toEqual([0, 1, 0, 0, 0, 0]);
  });

  it('marks what is simulated, of an unknown clock, uncertain or late, and says where', async () => {
    const point = (seq: number, seconds: number, more = {}) =>
      ({ seq, wallMs: SIX + seconds * 1000, quality: 'good', value: 1, ...more }) as const;
    const { simulated, unsynced } = MARK;
    const points = [
      ...[point(1, 1, { marks: simulated }), point(2, 2, { marks: simulated | unsynced }), point(3, 40)],
      ...[point(4, 20), point(5, 21), { ...point(6, 41), quality: 'uncertain', why: 'stuck' } as const],
    ];
    const view = fakeGateway({ history: async () => ({ points, next: undefined }) });
    const path = `/api/v1/tags/press-1/oil-temp/chart?from=${SIX}&to=${SIX + 60_000}&columns=60`;
    const { body } = await ask(await serve(view), path);
    const { marks, columns } = body as ChartAnswer;
    expect(marks.map(({ mark, from, to }) => [mark, from - SIX, to - SIX])).toEqual([
      ['simulated', 1000, 2000],
      ['unsynced', 2000, 2000],
      ['late', 20_000, 21_000],
    ]);
    expect(columns.uncertain).toEqual([0, 0, 0, 0, 0, 1]);
  });

  it('calls a text no gap, neither by readings nor by roll-ups, which have no texts', async () => {
    const tags = TAGS.map((tag) => ({
      ...{ ...tag, reportMs: 1000 },
      last: { tag: tag.tag, wallMs: SIX, monoMs: 1, quality: 'good', value: 'A100' } as const,
    }));
    const points = Array.from({ length: 60 }, (_, second) => ({
      ...({ seq: second, wallMs: SIX + second * 1000, quality: 'good', value: 'A100' } as const),
    }));
    const empty = { counts: new Uint32Array(100), bads: new Uint32Array(100) };
    const view = fakeGateway({
      tags: () => tags,
      history: async () => ({ points, next: undefined }),
      rollups: async ({ fromMs, everyMs }) => ({
        ...{ points: [], next: undefined },
        counted: { firstMs: fromMs, everyMs, ...empty },
      }),
    });
    const where = await serve(view);
    for (const hours of [1 / 60, 24]) {
      const to = SIX + 60_000;
      const path = `/api/v1/tags/press-1/oil-temp/chart?from=${to - hours * 3_600_000}&to=${to}`;
      expect((await ask(where, path)).body).toMatchObject({ columns: { t: [] }, gaps: [] });
    }
  });

  it('has a bounded number of marks, which leave no marked column out', () => {
    const samples = Array.from({ length: 2000 }, (_, index) => ({ ...good(index * 1000), marks: index % 3 ? 0 : 15 }));
    const range = { fromMs: 0, toMs: 2_000_000 };
    const marks = marksOf(columnsOf(samples, [], range, 2000));
    expect(marks.length).toBeLessThanOrEqual(300);
    for (const kind of ['simulated', 'unsynced', 'late'])
      for (let ms = 0; ms < 2_000_000; ms += 3000)
        expect(marks.some(({ mark, from, to }) => mark === kind && from <= ms && to >= ms)).toBe(true);
  });

  it('takes roll-ups for a long range, and refuses one that is empty', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    const long = await ask(
      where,
      `/api/v1/tags/press-1/oil-temp/chart?from=${SIX - 30 * 86_400_000}&to=${SIX + 120_000}`,
    );
    expect(long.body).toMatchObject({ source: 'minutes', columns: { min: [45], max: [46.5], count: [59] } });
    expect(view.asked.rollups).toMatchObject([{ everyMs: 70 * 60_000 }]);
    expect((await ask(where, '/api/v1/tags/press-1/oil-temp/chart?from=5&to=5')).status).toBe(400);
  });
});
