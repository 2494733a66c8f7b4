import { describe, expect, it } from 'vitest';
import type { Reading, Value } from '../../../src/core/reading.ts';
import type { SpcConfig } from '../../../src/core/spc.ts';
import type { Tick } from '../../../src/rules/rule.ts';
import { spcRule } from '../../../src/rules/spc/rule.ts';
import { partsOf, type SpcState } from '../../../src/rules/spc/state.ts';
import { chartOf } from './configs.ts';

const WEIGHT = 'gauge/weight';

/** A reading at a second of both clocks; null is bad. */
function at(second: number, value: Value | null, tag = WEIGHT): Reading {
  const when = { tag, wallMs: 1_763_899_200_000 + second * 1000, monoMs: second * 1000 };
  return value === null ? { ...when, quality: 'bad', why: 'timeout' } : { ...when, quality: 'good', value };
}

function tick(second: number): Tick {
  return { kind: 'tick', wallMs: 1_763_899_200_000 + second * 1000, monoMs: second * 1000 };
}

/** The last point as `number: value/size`, after each input; bad or missing ones as `number: –`. */
function points(
  config: SpcConfig,
  inputs: readonly (Reading | Tick)[],
): { shown: string[]; wakes: (number | undefined)[] } {
  const rule = spcRule(config);
  let state: SpcState = rule.initial;
  const wakes: (number | undefined)[] = [];
  const shown = inputs.map((input) => {
    const step = rule.step(state, input);
    wakes.push(step.wakeAtMonoMs);
    state = step.state;
    const { last } = state.chart;
    return `${state.point}: ${last ? `${last.value}/${last.size}` : '–'}`;
  });
  return { shown, wakes };
}

describe('subgroups by time', () => {
  const config = chartOf({ chart: 'xbar-s', subgroup: { by: 'time', everyMs: 10_000 } });

  it('a period begins with the first reading and is closed by a tick', () => {
    const { shown, wakes } = points(config, [at(0, 1), at(3, 2), at(9, 3), tick(10), at(11, 5), at(12, 6), tick(20)]);
    expect(shown).toEqual(['0: –', '0: –', '0: –', '1: 2/3', '1: 2/3', '1: 2/3', '2: 5.5/2']);
    expect(wakes).toEqual([10_000, 10_000, 10_000, undefined, 20_000, 20_000, undefined]);
  });

  it('or by the next reading; periods without readings are missing points', () => {
    expect(points(config, [at(0, 1), at(3, 2), at(35, 3), at(36, 5), at(41, 1)]).shown).toEqual([
      ...['0: –', '0: –'],
      ...['3: –', '3: –'],
      '4: 4/2',
    ]);
    expect(points(config, [at(0, 1), at(3, 2), tick(10), at(35, 3)]).shown.at(-1)).toBe('3: –');
  });

  it('a period with one usable reading is a missing point', () => {
    expect(points(config, [at(0, 1), at(3, null), tick(10)]).shown.at(-1)).toBe('1: –');
  });

  it('after a restart the period ends by the wall clock; one that cannot be believed ends it', () => {
    const rule = spcRule(config);
    const open = [at(0, 1), at(3, 2)].reduce((state, reading) => rule.step(state, reading).state, rule.initial);
    const restored = rule.restore(JSON.parse(JSON.stringify(open)));
    const started = rule.step(restored, { ...tick(5), monoMs: 77 });
    expect(started.wakeAtMonoMs).toBe(5077);
    const in1970 = rule.step(restored, { kind: 'tick', wallMs: 5000, monoMs: 77 });
    expect(in1970.state).toMatchObject({ point: 1, chart: { last: { value: 1.5, size: 2 } } });
  });
});

describe('subgroups by a trigger', () => {
  const config = chartOf({ chart: 'xbar-s', subgroup: { by: 'trigger', tag: 'press-1/parts' } });
  const parts = (second: number, value: Value | null) => at(second, value, 'press-1/parts');

  it('close when the number changes, not when it is read again or bad', () => {
    const { shown } = points(config, [parts(0, 7n), at(1, 1), at(2, 3), parts(3, 7n), parts(4, null), parts(5, 8n)]);
    expect(shown).toEqual(['0: –', '0: –', '0: –', '0: –', '0: –', '1: 2/2']);
  });

  it('of a truth value close when it becomes true', () => {
    const inputs = [
      parts(0, false),
      at(1, 1),
      at(2, 3),
      parts(3, true),
      at(4, 5),
      at(5, 7),
      parts(6, false),
      parts(7, true),
    ];
    expect(points(config, inputs).shown.slice(3)).toEqual(['1: 2/2', '1: 2/2', '1: 2/2', '1: 2/2', '2: 6/2']);
  });

  it('too large for a range chart: not judged, and that is said', () => {
    const rule = spcRule({ ...config, chart: 'xbar-r' });
    const inputs = [parts(0, 1), ...Array.from({ length: 26 }, (_, index) => at(index + 1, index)), parts(30, 2)];
    let state = rule.initial;
    const events = inputs.flatMap((input) => {
      const step = rule.step(state, input);
      state = step.state;
      return step.findings;
    });
    expect(events).toMatchObject([
      { kind: 'event', body: { kind: 'quality', what: 'spc-subgroup-too-large', point: 1 } },
    ]);
    expect(state).toMatchObject({ point: 1, chart: { last: null } });
  });
});

describe('counts', () => {
  it('of changing sizes take the size that came before them; a bad size makes a missing point', () => {
    const limits = { from: 'given', center: 0.1, sigma: undefined } as const;
    const config = chartOf({ chart: 'p', inspected: { by: 'tag', tag: 'line/inspected' }, limits });
    const size = (second: number, value: Value | null) => at(second, value, 'line/inspected');
    expect(spcRule(config).tags).toEqual(['line/inspected', WEIGHT]);
    const inputs = [at(0, 1), size(1, 50), at(1, 5), size(2, 20n), at(2, 5), size(3, null), at(3, 5)];
    expect(points(config, inputs).shown).toEqual([
      '1: –',
      '1: –',
      '2: 0.1/50',
      '2: 0.1/50',
      '3: 0.25/20',
      '3: 0.25/20',
      '4: –',
    ]);
  });

  it('that cannot be are bad points', () => {
    const limits = { from: 'given', center: 0.1, sigma: undefined } as const;
    const config = chartOf({ chart: 'p', inspected: { by: 'size', size: 10 }, limits });
    expect(points(config, [at(0, 11), at(1, -1), at(2, 10)]).shown).toEqual(['1: –', '2: –', '3: 1/10']);
  });

  it('of items: true is nonconforming; an np chart needs every item', () => {
    const limits = { from: 'given', center: 1, sigma: undefined } as const;
    const config = chartOf({ chart: 'np', subgroup: { by: 'count', size: 4 }, inspected: { by: 'item' }, limits });
    const items = [true, false, false, true, true, null, false, false].map((item, index) => at(index, item));
    expect(points(config, items).shown.filter((_, index) => index % 4 === 3)).toEqual(['1: 2/4', '2: –']);
    const p = { ...config, chart: 'p', limits: { ...limits, center: 0.5 } } as const;
    expect(points(p, items).shown.filter((_, index) => index % 4 === 3)).toEqual(['1: 0.5/4', `2: ${1 / 3}/3`]);
  });
});

describe('a polled register with a trigger', () => {
  const parts = (second: number, value: Value) => at(second, value, 'press-1/parts');
  const byPart = { by: 'trigger', tag: 'press-1/parts' } as const;

  for (const chart of ['i-mr', 'ewma', 'cusum'] as const)
    it(`${chart}: the last reading before it is the point, however often it was polled`, () => {
      const config = chartOf({ chart, subgroup: byPart, rules: [] });
      const { shown } = points(config, [
        parts(0, 1),
        at(1, 5),
        at(2, 6),
        parts(3, 2),
        at(4, 7),
        at(5, null),
        parts(6, 3),
      ]);
      expect(shown.filter((_, index) => index === 3 || index === 6)).toEqual(['1: 6/1', '2: 7/1']);
    });

  it('a period of single values takes the last reading, too', () => {
    const config = chartOf({ subgroup: { by: 'time', everyMs: 10_000 } });
    expect(points(config, [at(0, 1), at(3, 2), tick(10), at(11, 5), tick(20)]).shown.at(-1)).toBe('2: 5/1');
  });

  it('signals the same, however often each part is polled', () => {
    const signals = (polls: number, subgroup: SpcConfig['subgroup']) => {
      const rule = spcRule(chartOf({ subgroup, rules: ['N1', 'N2', 'N5'] }));
      let state = rule.initial;
      let found = 0;
      for (let part = 0, second = 0; part < 500; part++) {
        const value = Math.sin(part * 1.7) + Math.sin(part * 0.9) + Math.cos(part * 0.31) * 1.2;
        for (const reading of [...Array.from({ length: polls }, () => at(second++, value)), parts(second++, part)]) {
          const step = rule.step(state, reading);
          state = step.state;
          found += step.findings.length;
        }
      }
      return found;
    };
    const once = signals(1, byPart);
    expect(once).toBeGreaterThan(0);
    expect(signals(7, byPart)).toBe(once);
    expect(signals(7, { by: 'count', size: 1 })).toBeGreaterThan(3 * once);
  });

  const limits = { from: 'given', center: 4, sigma: undefined } as const;

  const COUNTER = { tag: WEIGHT, modulus: undefined };

  it('a counter that rolls over at its wrap goes on counting', () => {
    const counters = [{ tag: WEIGHT, modulus: 10_000 }];
    const config = chartOf({ chart: 'c', inspected: { by: 'size', size: 1 }, limits, counters });
    expect(points(config, [at(0, 9_990), at(1, 9_997), at(2, 2)]).shown).toEqual(['0: –', '1: 7/1', '2: 5/1']);
  });

  it('a counter goes on from where it stood before a restart', () => {
    const config = chartOf({ chart: 'c', inspected: { by: 'size', size: 1 }, limits, counters: [COUNTER] });
    const afterRestart = (over: Partial<SpcConfig>, offMs: number): readonly string[] => {
      const rule = spcRule({ ...config, ...over });
      const before = [at(0, 100), at(1, 103)].reduce((state, input) => rule.step(state, input).state, rule.initial);
      const { moving, frozen } = JSON.parse(JSON.stringify(partsOf(before, undefined)));
      const shown: string[] = [];
      // The monotonic clock begins again; the wall clock goes on.
      [at(2, 107), at(3, 108), at(12, 108)].reduce(
        (state, input) => {
          const next = rule.step(state, { ...input, monoMs: input.monoMs - 1500, wallMs: input.wallMs + offMs }).state;
          shown.push(`${next.point}: ${next.chart.last?.value ?? '–'}`);
          return next;
        },
        rule.restore(moving, frozen),
      );
      return shown;
    };
    expect(afterRestart({}, 0)).toEqual(['2: 4', '3: 1', '4: 0']);
    const byTime = { subgroup: { by: 'time', everyMs: 10_000 } } as const;
    expect(afterRestart(byTime, 0)).toEqual(['0: –', '0: –', '1: 8']);
  });

  it('what a counter counted while it could not be read is of no point', () => {
    const config = chartOf({ chart: 'c', inspected: { by: 'size', size: 1 }, limits, counters: [COUNTER] });
    // Each reading a point: the bad ones are missing points, and the step over them is of three readings.
    const each = [at(0, 100), at(1, 104), at(2, null), at(3, null), at(4, 116), at(5, 120)];
    expect(points(config, each).shown).toEqual(['0: –', '1: 4/1', '2: –', '3: –', '3: –', '4: 4/1']);
    // A period: what came over its end is of neither; within one nothing is lost.
    const byTime = { ...config, subgroup: { by: 'time', everyMs: 10_000 } } as const;
    const within = [at(0, 100), at(1, 101), at(3, null), at(5, 105), at(10, 110), at(11, 111), tick(21)];
    expect(points(byTime, within).shown.slice(-2)).toEqual(['1: 10/1', '2: 1/1']);
    const over = [at(0, 100), at(1, 101), at(8, null), at(19, null), at(24, 124), at(28, 128), tick(31)];
    expect(points(byTime, over).shown.at(-1)).toBe('3: 4/1');
  });

  it('a counter on a c chart counts by its differences, also when it began again', () => {
    const config = chartOf({ ...{ chart: 'c', inspected: { by: 'size', size: 1 }, limits }, counters: [COUNTER] });
    const lots = { ...config, subgroup: byPart };
    const polled = [
      at(0, 100),
      parts(0, 1),
      at(1, 103),
      at(2, 104),
      parts(3, 2),
      at(4, 104),
      parts(5, 3),
      at(6, 2),
      parts(7, 4),
    ];
    expect(points(lots, polled).shown.filter((_, index) => [4, 6, 8].includes(index))).toEqual([
      '1: 4/1',
      '2: 0/1',
      '3: 2/1',
    ]);
    expect(points(config, [at(0, 100), at(1, 103)]).shown).toEqual(['0: –', '1: 3/1']);
  });

  it('an inspected number that is a counter is taken as a difference, too', () => {
    const inspected = { by: 'tag', tag: 'line/inspected' } as const;
    const config = chartOf({
      chart: 'p',
      inspected,
      subgroup: byPart,
      counters: [COUNTER, { tag: inspected.tag, modulus: undefined }],
      limits: { ...limits, center: 0.1 },
    });
    const size = (second: number, value: Value) => at(second, value, inspected.tag);
    const inputs = [
      size(0, 500),
      at(0, 20),
      parts(0, 1),
      size(1, 540),
      at(1, 24),
      size(2, 550),
      at(2, 25),
      parts(3, 2),
    ];
    expect(points(config, inputs).shown.at(-1)).toBe('1: 0.1/50');
  });

  it('a count above its size is told once, until one can be judged again', () => {
    const rule = spcRule(
      chartOf({ chart: 'np', inspected: { by: 'size', size: 10 }, limits: { ...limits, center: 1 } }),
    );
    let state = rule.initial;
    const told = [11, 12, 1, 13].flatMap((value, second) => {
      const step = rule.step(state, at(second, value));
      state = step.state;
      return step.findings.map((finding) => finding.kind === 'event' && 'what' in finding.body && finding.body.what);
    });
    expect(told).toEqual(['spc-count-above-size', 'spc-count-above-size']);
  });
});

describe('what is written of a chart', () => {
  it('is its limits and baseline when they change, and the rest with each point or once a minute', () => {
    const config = chartOf({
      chart: 'xbar-s',
      subgroup: { by: 'count', size: 150 },
      limits: { from: 'baseline', points: 10 },
    });
    const rule = spcRule(config);
    let [state, saved, moving, frozen] = [rule.initial, rule.initial, 0, 0];
    for (let second = 0; second < 150 * 12; second++) {
      state = rule.step(state, at(second, second % 7)).state;
      const parts = rule.parts!(state, saved);
      if (parts.moving || parts.frozen) saved = state;
      moving += parts.moving ? 1 : 0;
      frozen += parts.frozen ? 1 : 0;
      if (parts.moving) expect(JSON.stringify(parts.moving).length).toBeLessThan(1200);
    }
    expect([moving, frozen]).toEqual([12 * 3, 10]);
    const { moving: last, frozen: kept } = rule.parts!(state, undefined);
    const restored = rule.restore(JSON.parse(JSON.stringify(last)), JSON.parse(JSON.stringify(kept)));
    expect({ ...restored, collecting: 0 }).toEqual({ ...state, collecting: 0 });
  });
});
