import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../../src/core/event.ts';
import type { Reading } from '../../../src/core/reading.ts';
import type { SpcConfig } from '../../../src/core/spc.ts';
import { judgeSeries } from '../../../src/rules/spc/judge.ts';
import { type SpcRule, spcRule } from '../../../src/rules/spc/rule.ts';
import type { SpcState } from '../../../src/rules/spc/state.ts';
import { chartOf, readingsOf } from './configs.ts';
import { oracle } from './oracles.ts';

interface Run {
  readonly state: SpcState;
  readonly events: readonly EventBody[];
}

/** Plays readings; `restartAfter` stores the state as JSON after that many and goes on with a clock that began anew. */
function play(rule: SpcRule, readings: readonly Reading[], from = rule.initial, restartAfter?: number): Run {
  let state = from;
  const events: EventBody[] = [];
  let offsetMs = 0;
  readings.forEach((reading, index) => {
    if (index === restartAfter) {
      state = rule.restore(JSON.parse(JSON.stringify(state)));
      offsetMs = -reading.monoMs;
    }
    const step = rule.step(state, { ...reading, monoMs: reading.monoMs + offsetMs });
    state = step.state;
    for (const finding of step.findings) if (finding.kind === 'event') events.push(finding.body);
  });
  return { state, events };
}

/** Rule and point of every spc event. */
function signals(events: readonly EventBody[]): string[] {
  return events.flatMap((event) => (event.kind === 'spc' ? [`${event.rule}@${event.point}`] : []));
}

const OUT_AT_4 = [
  34.05, 34.4, 33.59, 35.96, 34.7, 33.51, 33.79, 34.04, 34.52, 33.75, 33.27, 33.71, 34.03, 34.58, 34.02,
];

describe('a chart as a rule', () => {
  it('says what the wire wants of a signal', () => {
    const { events } = play(spcRule(chartOf({ rules: ['N1'] })), readingsOf([0.5, 3.5, 3.6, 0.5]));
    expect(signals(events)).toEqual(['N1@2']);
    expect(events[0]).toMatchObject({
      ...{ kind: 'spc', id: 'shaft', chart: 'i-mr', rule: 'N1', point: 2, value: 3.5, center: 0, lcl: -3, ucl: 3 },
      ...{ limits: 1, phase: 2, priority: 'medium', tag: 'gauge/weight' },
    });
  });

  it('an excursion is one signal, in the events and in the status, also over a restart; drawn are the points that are out', () => {
    const rule = spcRule(chartOf({ rules: ['N1'] }));
    const out = readingsOf([0.5, 3.5, 0.5, 3.6, 0.4]);
    for (const restartAfter of [undefined, 2, 3]) {
      const { state, events } = play(rule, out, rule.initial, restartAfter);
      expect(signals(events)).toEqual(['N1@2']);
      expect(rule.status(state).signals).toEqual(['N1']);
      expect(state.chart.held).toEqual([]);
    }
    expect(rule.status(play(rule, readingsOf([3.5, 0.5, -0.1])).state).signals).toEqual([]);
  });

  it('averages and sums have one signal until they come back to the center', () => {
    const averages = spcRule(chartOf({ chart: 'ewma', rules: [], lambda: 1 }));
    expect(signals(play(averages, readingsOf([4, 1, 4, -0.1, 4])).events)).toEqual(['EWMA@1', 'EWMA@5']);
    const sums = spcRule(chartOf({ chart: 'cusum', rules: [] }));
    expect(signals(play(sums, readingsOf([6, -1, 3, -9, 6])).events)).toEqual(['CUSUM+@1', 'CUSUM-@4', 'CUSUM+@5']);
  });

  it('phase I collects, freezes its limits, and judges the baseline itself', () => {
    const wanted = oracle<Record<string, { input: { x: number[]; newx: number[] } }>>('imr_viscosity_boiler.json');
    const { x, newx } = wanted.viscosity_phase2!.input;
    const rule = spcRule(chartOf({ limits: { from: 'baseline', points: 20 } }));
    const { state, events } = play(rule, readingsOf([...x, ...newx]));
    expect(signals(events)).toEqual(['N1@4', 'R1@4', 'N6@29', 'N2@33']);
    expect(events[0]).toMatchObject({ kind: 'audit', what: 'spc-limits', limits: 1, points: 20 });
    expect(events.map((event) => (event.kind === 'spc' ? event.phase : 0))).toEqual([0, 1, 1, 2, 2]);
    expect(state.limits).toMatchObject({
      version: 1,
      source: 'baseline',
      points: 20,
      center: expect.closeTo(34.088, 9),
    });
  });

  it('a bad reading is a bad point of individuals: it has a number and breaks runs', () => {
    const half = Array.from({ length: 8 }, () => 0.5);
    const rule = spcRule(chartOf({ rules: ['N2', 'N1'] }));
    expect(signals(play(rule, readingsOf([...half, null, ...half])).events)).toEqual([]);
    expect(signals(play(rule, readingsOf([...half, null, 4])).events)).toEqual(['N1@10']);
  });

  it('a doubtful value counts only when it was measured', () => {
    const rule = spcRule(chartOf());
    const [reading] = readingsOf([4]);
    const doubtful = (why: 'out-of-range' | 'last-usable'): Reading => ({
      ...{ tag: reading!.tag, wallMs: 1, monoMs: 1 },
      ...{ quality: 'uncertain', value: 4, why },
    });
    expect(signals(play(rule, [doubtful('out-of-range')]).events)).toEqual(['N1@1']);
    expect(signals(play(rule, [doubtful('last-usable')]).events)).toEqual([]);
  });

  it('a late or repeated reading is not evaluated', () => {
    const rule = spcRule(chartOf());
    const [first, second] = readingsOf([0.5, 0.5]);
    const { state } = play(rule, [first!, second!]);
    expect(rule.step(state, { ...second!, quality: 'good', value: 9 })).toMatchObject({ state, findings: [] });
    expect(rule.step(state, { ...first!, quality: 'good', value: 9 }).state).toBe(state);
  });

  it('a bad reading leaves a subgroup smaller, and the point has the σ of its size', () => {
    const config = chartOf({ chart: 'xbar-r', subgroup: { by: 'count', size: 5 }, rules: ['N1'] });
    const { events, state } = play(spcRule(config), readingsOf([1.6, 1.6, null, 1.6, 1.6, 1, null, null, null, null]));
    expect(events).toMatchObject([{ rule: 'N1', point: 1, value: 1.6, ucl: 1.5 }]);
    expect(state.point).toBe(2);
    expect(state.chart.last).toBeNull();
  });

  it('a baseline that does not vary gives no limits, and says why', () => {
    const rule = spcRule(chartOf({ limits: { from: 'baseline', points: 10 } }));
    const { events, state } = play(rule, readingsOf(Array.from({ length: 10 }, () => 7)));
    expect(events).toMatchObject([{ kind: 'quality', what: 'spc-baseline-without-spread' }]);
    expect(state.limits).toBeNull();
    expect(state.baseline).toEqual([]);
  });

  it('a baseline that its own limits do not hold is one event in place of a signal for each point', () => {
    const wave = Array.from({ length: 100 }, (_, index) => 230 + 5 * Math.sin(index / 15) + 0.01 * (index % 2));
    const given = { chart: 'xbar-r', subgroup: { by: 'count', size: 5 } } as const;
    const rule = spcRule(chartOf({ ...given, limits: { from: 'baseline', points: 20 } }));
    const { events, state } = play(rule, readingsOf(wave));
    expect(events).toMatchObject([
      { kind: 'audit', what: 'spc-limits' },
      { kind: 'quality', what: 'spc-baseline-not-in-control', id: 'shaft', points: 20, limits: 1 },
    ]);
    expect(events[1]!.outside).toBeGreaterThan(10);
    expect(events[1]!.message).toContain('subgroup: {every: 10s}');
    expect(state.limits).toMatchObject({ version: 1 });
  });

  it('a baseline that differs in the last bit of its doubles does not vary; that is said once, however long it lasts', () => {
    for (const over of [{}, { chart: 'xbar-r', subgroup: { by: 'count', size: 5 } }] as const) {
      const rule = spcRule(chartOf({ limits: { from: 'baseline', points: 10 }, ...over }));
      const tares = [1.3, 2.7, 5.9, 20.2];
      const net = Array.from({ length: 500 }, (_, index) => 10.1 + tares[(index * 7) % 4]! - tares[(index * 7) % 4]!);
      expect(new Set(net).size).toBeGreaterThan(1);
      const { events, state } = play(rule, readingsOf(net));
      expect(events).toMatchObject([{ what: 'spc-baseline-without-spread' }]);
      expect(state.limits).toBeNull();
    }
  });

  it('capability is shown in control, and withheld after a signal', () => {
    const spec = { lsl: -5, target: 0, usl: 5 };
    const rule = spcRule(chartOf({ rules: ['N1'], spec }));
    const calm = Array.from({ length: 40 }, (_, index) => ((index * 7) % 10) / 5 - 0.9);
    const good = play(rule, readingsOf(calm));
    expect(rule.status(good.state).capability).toMatchObject({ status: 'published', sample: { readings: 40 } });
    const bad = play(rule, readingsOf([...calm, 4, ...calm.slice(0, 10)]));
    expect(rule.status(bad.state).capability).toMatchObject({
      status: 'withheld',
      // The way back from point 41 is a moving range beyond its limit.
      reasons: [
        { why: 'out-of-control', point: 42, rule: 'R1' },
        { why: 'too-few-readings', readings: 9 },
      ],
    });
    expect(rule.status(bad.state, true).capability.status).toBe('provisional');
  });
});

describe('changes that a technician orders', () => {
  const rule = spcRule(chartOf({ rules: ['N1'], limits: { from: 'baseline', points: 15 } }));
  const asked = { by: 'ana', comment: 'new tool' };

  it('rebase begins phase I again; the new limits have a new version and the order is audited', () => {
    const before = play(rule, readingsOf(OUT_AT_4));
    const rebased = rule.rebase(before.state, asked);
    if (rebased.refused !== undefined) throw new Error(rebased.refused);
    expect(rebased.findings).toMatchObject([{ body: { kind: 'audit', what: 'spc-rebase', by: 'ana', limits: 1 } }]);
    expect(rule.status(rebased.state)).toMatchObject({ phase: 1, point: 15, baseline: { collected: 0, needed: 15 } });
    const more = readingsOf([...OUT_AT_4, ...OUT_AT_4.map((value) => value + 10)]).slice(15);
    const after = play(rule, more, rebased.state);
    expect(after.state.limits).toMatchObject({ version: 2, points: 15 });
    expect(signals(after.events)).toEqual(signals(before.events).map((signal) => signal.replace('@4', '@19')));
  });

  it('excluded points take no part: limits narrow, and moving ranges across the gap are not made', () => {
    const before = play(rule, readingsOf(OUT_AT_4));
    const changed = rule.exclude(before.state, [4], asked);
    if (changed.refused !== undefined) throw new Error(changed.refused);
    expect(changed.findings).toMatchObject([
      { body: { kind: 'audit', what: 'spc-exclude', points: [4], by: 'ana' } },
      { body: { kind: 'audit', what: 'spc-limits', limits: 2, points: 14, excluded: [4] } },
    ]);
    expect(signals(changed.findings.flatMap((finding) => (finding.kind === 'event' ? [finding.body] : [])))).toEqual(
      [],
    );
    const ranges = OUT_AT_4.slice(1).map((value, index) => Math.abs(value - OUT_AT_4[index]!));
    const kept = ranges.filter((_, index) => index !== 2 && index !== 3);
    const sigma = kept.reduce((sum, range) => sum + range, 0) / kept.length / 1.1283791670955126;
    expect(changed.state.limits!.sigma).toBeCloseTo(sigma, 12);
  });

  it('what cannot be done is refused with what to do instead', () => {
    const before = play(rule, readingsOf(OUT_AT_4));
    expect(rule.exclude(before.state, [99], asked).refused).toContain(
      'point 99 is not in the baseline of shaft, which is 1–15',
    );
    expect(rule.exclude(before.state, [1, 2, 3, 4, 5, 6], asked).refused).toContain('order a rebase instead');
    expect(rule.exclude(rule.initial, [1], asked).refused).toContain('0 of 15');
    const given = spcRule(chartOf());
    expect(given.rebase(given.initial, asked).refused).toContain('given in the file');
    expect(given.exclude(given.initial, [1], asked).refused).toContain('no baseline');
  });
});

describe('a restart', () => {
  const value = fc.oneof(
    // Readings are taken to twelve digits.
    {
      weight: 8,
      arbitrary: fc.double({ min: -4, max: 4, noNaN: true }).map((value) => Number(value.toPrecision(12)) + 0),
    },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 3, null) },
  );
  const charts: SpcConfig[] = [
    chartOf(),
    chartOf({ limits: { from: 'baseline', points: 10 } }),
    chartOf({ chart: 'xbar-r', subgroup: { by: 'count', size: 3 } }),
    chartOf({ chart: 'xbar-s', subgroup: { by: 'count', size: 4 }, limits: { from: 'baseline', points: 10 } }),
    chartOf({ chart: 'xbar-s', subgroup: { by: 'time', everyMs: 4500 } }),
    chartOf({ chart: 'ewma', rules: [] }),
    chartOf({ chart: 'cusum', rules: [], decision: 2 }),
  ];

  it.each(charts.map((config) => ({ config, name: `${config.chart}, ${config.subgroup.by}, ${config.limits.from}` })))(
    'anywhere changes nothing: $name',
    ({ config }) => {
      const rule = spcRule(config);
      fc.assert(
        fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), fc.nat(60), (values, at) => {
          const readings = readingsOf(values);
          const through = play(rule, readings);
          const broken = play(rule, readings, rule.initial, at % values.length);
          expect(broken.events).toEqual(through.events);
          const clockless = (state: SpcState) => ({
            ...state,
            collecting: { ...state.collecting, seenMonoMs: 0, period: 0 },
          });
          expect(clockless(broken.state)).toEqual(clockless(through.state));
        }),
        { numRuns: 100 },
      );
    },
  );

  it('does not turn the sign of a zero: a mean below what a double holds is zero', () => {
    const rule = spcRule(charts[3]!);
    const { state } = play(rule, readingsOf([4, -4, -5e-324, 0]));
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });

  it('live signals are those of the whole series judged at once', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 80 }), (values) => {
        const config = chartOf();
        const points = values.map((each, index) => {
          const before = values[index - 1] ?? null;
          const spread = before === null || each === null ? null : Math.abs(each - before);
          return each === null ? null : { value: each, size: 1, spread, squares: 0 };
        });
        const batch = judgeSeries(config, { center: 0, sigma: 1 }, points).flatMap((point, index) =>
          (point?.flags ?? []).filter(({ first }) => first).map(({ rule }) => `${rule}@${index + 1}`),
        );
        expect(signals(play(spcRule(config), readingsOf(values)).events)).toEqual(batch);
      }),
      { numRuns: 300 },
    );
  });

  it('a state that cannot be read, or of other points, gives a fresh one whose versions go on', () => {
    const rule = spcRule(chartOf({ limits: { from: 'baseline', points: 15 } }));
    const { state } = play(rule, readingsOf(OUT_AT_4));
    expect(rule.restore('nonsense')).toEqual(rule.initial);
    expect(rule.restore({ version: 3 })).toEqual({ ...rule.initial, version: 3 });
    const other = spcRule(chartOf({ tag: 'gauge/length', limits: { from: 'baseline', points: 15 } }));
    expect(other.restore(state)).toEqual({ ...other.initial, version: 1 });
  });

  it('another baseline length keeps frozen limits; other given limits are a new version', () => {
    const rule = spcRule(chartOf({ limits: { from: 'baseline', points: 15 } }));
    const { state } = play(rule, readingsOf(OUT_AT_4));
    expect(spcRule(chartOf({ limits: { from: 'baseline', points: 30 } })).restore(state).limits).toEqual(state.limits);
    const given = spcRule(chartOf({ limits: { from: 'given', center: 34, sigma: 0.5 } }));
    expect(given.restore(state).limits).toMatchObject({ version: 2, source: 'given', center: 34, sigma: 0.5 });
    expect(given.restore(given.initial).limits).toEqual(given.initial.limits);
  });
});
