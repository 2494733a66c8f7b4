import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChartAnswer } from '../../src/api/chart/chart.ts';
import type { AlarmView } from '../../src/api/rules-view.ts';
import type { ProductionReport } from '../../src/core/production/production.ts';
import { gapAt, linesOf, sparkPieces } from '../../src/web/chart-data.ts';
import { after, inOrder, NO_PLANT, type Told, worthOf } from '../../src/web/plant-state.ts';
import { lossesOf, stopsByReason } from '../../src/web/report-sums.ts';
import { ageText, numberText, plain, plantTime, spanText, valueText } from '../../src/web/shown.ts';
import { createEventCutter } from '../../src/web/sse.ts';
import { OIL_HOT, SIX } from '../double/fake-gateway.ts';

const RUNS = { numRuns: Number(process.env.MILLGATE_PROPERTY_RUNS ?? 100) };

const reading = (value: number, t = SIX) => ({ tag: 'oven/temp', t, quality: 'good', value }) as const;

describe('the plant', () => {
  it('is what was told last, and a new snapshot forgets what was before', () => {
    const told: Told[] = [
      { kind: 'link', link: { state: 'live' } },
      { kind: 'snapshot', readings: [reading(1)] },
      { kind: 'alarms', alarms: [OIL_HOT], gone: [] },
      { kind: 'readings', readings: [reading(2), { tag: 'oven/temp', t: SIX, quality: 'bad', why: 'timeout' }] },
      { kind: 'event', event: { seq: 4, t: SIX, kind: 'audit' } },
      { kind: 'event', event: { seq: 4, t: SIX, kind: 'audit' } },
    ];
    const plant = told.reduce(after, NO_PLANT);
    expect(plant.readings.get('oven/temp')).toMatchObject({ quality: 'bad' });
    expect(plant.recent.get('oven/temp')).toEqual([1, 2, null]);
    expect(plant.events).toHaveLength(1);
    const anew = after(plant, { kind: 'snapshot', readings: [] });
    expect([anew.readings.size, anew.alarms.size, anew.events.length]).toEqual([0, 0, 1]);
  });

  it('begins with what was read last, which the stream replaces', () => {
    const first = after(NO_PLANT, { kind: 'first', readings: [reading(1)] });
    expect(first.readings.get('oven/temp')).toMatchObject({ value: 1 });
    const live = after(first, { kind: 'snapshot', readings: [reading(2)] });
    expect(after(live, { kind: 'first', readings: [reading(1)] }).readings.get('oven/temp')).toMatchObject({
      value: 2,
    });
  });

  it('shows alarms by what a person should take first', () => {
    const alarm = (id: string, over: Partial<AlarmView>): AlarmView => ({ ...OIL_HOT, id, firstOut: false, ...over });
    const alarms = [
      alarm('normal', { state: 'normal', priority: 'critical' }),
      alarm('low', { priority: 'low' }),
      alarm('acked', { state: 'acked' }),
      alarm('first', { firstOut: true }),
      alarm('newer', { sinceMs: SIX }),
      alarm('critical', { priority: 'critical', state: 'acked' }),
    ];
    expect(inOrder(alarms).map(({ id }) => id)).toEqual(['critical', 'first', 'newer', 'acked', 'low', 'normal']);
  });

  it('takes no value for live that is bad, or older than its tag is reported', () => {
    expect(worthOf(undefined, 0, 1000)).toBe('none');
    expect(worthOf(reading(1), 5999, 1000)).toBe('good');
    expect(worthOf(reading(1), 6001, 1000)).toBe('old');
    expect(worthOf(reading(1), 86_400_000, undefined)).toBe('good');
    expect(worthOf({ tag: 'a/b', t: 0, quality: 'bad', why: 'timeout' }, 0, 1000)).toBe('bad');
  });
});

/** Columns with random joins and qualities. */
const columns = fc
  .array(fc.tuple(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.boolean(), fc.boolean()), { maxLength: 40 })
  .map((made): ChartAnswer['columns'] => ({
    t: made.map((_, index) => SIX + index * 1000),
    min: made.map(([value]) => value - 1),
    max: made.map(([value]) => value + 1),
    mean: made.map(([value]) => value),
    count: made.map(() => 1),
    joined: made.map(([, joined], index) => +(joined && index > 0)),
    uncertain: made.map(([, , uncertain]) => +uncertain),
  }));

describe('the lines of a chart', () => {
  it('have a break before each column that is not joined, and nowhere else; every value is on one of them', () => {
    fc.assert(
      fc.property(columns, (made) => {
        const [t, min, max, good, uncertain] = linesOf({ columns: made });
        const at = made.t.map((ms) => t.indexOf(ms / 1000));
        for (const [index, place] of at.entries()) {
          expect(good[place] ?? uncertain[place]).toBe(made.mean[index]);
          expect(made.uncertain[index] ? uncertain[place] : good[place]).toBe(made.mean[index]);
          if (index === 0) continue;
          const between = [min, max, good, uncertain].flatMap((line) => line.slice(at[index - 1]! + 1, place));
          expect(between).toEqual(made.joined[index] ? [] : [null, null, null, null]);
        }
        expect([...t].sort((a, b) => a - b)).toEqual(t);
        expect(t).toHaveLength(min.length);
      }),
      RUNS,
    );
  });

  it('know the gap under the pointer, and sparklines end at what is missing', () => {
    const gap = { from: 10, to: 20, why: 'timeout', words: 'no answer' };
    expect([gapAt([gap], 15), gapAt([gap], 20)]).toEqual([gap, undefined]);
    expect(sparkPieces([1, 2, null, 3, 4])).toHaveLength(2);
    expect(sparkPieces([1])).toEqual([]);
  });
});

describe('server-sent events', () => {
  it('are the same however the text is cut', () => {
    const text = 'event: readings\nid: e.7\ndata: {"a":1}\n\n: alive\n\nevent: status\ndata: 1\ndata: 2\n\n';
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts, text.length].sort((a, b) => a - b);
        const cut = createEventCutter();
        const events = places.slice(1).flatMap((to, index) => cut(text.slice(places[index], to)));
        expect(events).toEqual([
          { name: 'readings', data: '{"a":1}', id: 'e.7' },
          { name: 'status', data: '1\n2', id: undefined },
        ]);
      }),
      RUNS,
    );
  });
});

describe('words', () => {
  it('show values with their labels and sensible digits', () => {
    expect(valueText(1, { labels: { 1: 'running' } })).toBe('running');
    expect([valueText(true), valueText('9223372036854775808'), numberText(45.234567), numberText(0.001234567)]).toEqual(
      ['on', '9223372036854775808', '45.23', '0.001235'],
    );
    expect([numberText(12.5, 2), numberText(1e9 + 0.5), numberText(7)]).toEqual(['12.50', '1.000e+9', '7']);
  });

  it('show neither hidden marks nor those that turn the direction of text', () => {
    expect(plain('A\u202eB\u200bC\u0000\u2066')).toBe('A▯B▯C▯▯');
    expect(plain('<script>alert(1)</script>')).toBe('<script>alert(1)</script>');
    expect(plain('x'.repeat(1000))).toHaveLength(201);
  });

  it('show spans, ages, and times in the zone of the plant through the change of the clock', () => {
    expect([4200, 1000, 200_000, 3_600_000, 450_000_000].map(spanText)).toEqual([
      '4.2 s',
      '1 s',
      '3 min 20 s',
      '1 h',
      '5 d 5 h',
    ]);
    expect([-5000, 1999, 59_000].map(ageText)).toEqual(['now', 'now', '59 s']);
    const london = plantTime('Europe/London');
    expect(london.full(Date.UTC(2026, 2, 29, 0, 59, 59))).toBe('2026-03-29 00:59:59 GMT');
    expect(london.full(Date.UTC(2026, 2, 29, 1))).toBe('2026-03-29 02:00:00 BST');
    expect([1000, 60_000, 86_400_000].map((apart) => london.mark(SIX, apart))).toEqual(['06:00:00', '06:00', '11-24']);
    expect(plantTime('Not/AZone').clock(SIX)).toMatch(/^\d\d:\d\d:\d\d$/);
  });

  it('name losses in time and parts, and stops by reason', () => {
    const report = {
      ...{ setupMs: 60_000, unplannedMs: 120_000, microStopMs: 10_000, noDataMs: 0, runMs: 1_000_000 },
      ...{ plannedMs: 1_300_000, breakMs: 120_000, busyMs: 1_180_000, unknownMs: 30_000 },
      ...{ count: 400, reject: 4, good: 396, idealCycleMs: 2000 },
    } as ProductionReport;
    expect(lossesOf(report).map(({ name, ms, parts }) => [name, ms, parts])).toEqual([
      ['slower than ideal', 190_000, 95],
      ['stops with a reason', 90_000, 45],
      ['setup', 60_000, 30],
      ['stops without a reason', 30_000, 15],
      ['micro-stops', 10_000, 5],
      ['rejects', 8000, 4],
    ]);
    const stop = { n: 1, from: 0, to: 1, ms: 5, kind: 'unplanned' } as const;
    const sums = stopsByReason([
      { ...stop, reason: 'jam' },
      { ...stop, reason: null, ms: 20 },
      { ...stop, reason: 'jam', kind: 'micro' },
    ]);
    expect(sums.map(({ reason, ms, times }) => [reason, ms, times])).toEqual([
      ['not coded', 20, 1],
      ['jam', 5, 1],
    ]);
  });
});
