import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkSpc, type SpcContext, spcShape } from '../../../src/config/sections/section-spc.ts';

const CONTEXT: SpcContext = {
  tags: new Map([
    ['gauge/weight', 'number'],
    ['line/rejects', 'number'],
    ['line/inspected', 'number'],
    ['line/total', 'number'],
    ['line/parts', 'number'],
    ['line/reject', 'bool'],
    ['line/batch', 'text'],
  ]),
  everyMsOf: () => 1000,
  counterOf: (tag) => (tag === 'line/total' ? { modulus: 10_000 } : undefined),
};

/** The chart as `check` takes it: shape first, then what depends on several keys. Problems as `path: message`. */
function check(chart: Record<string, unknown>) {
  const parsed = z.strictObject(spcShape).safeParse(chart);
  if (!parsed.success) return parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  const checked = checkSpc('shaft', parsed.data, CONTEXT);
  return checked.ok ? checked.value : checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

const weight = (over: Record<string, unknown>) => check({ tag: 'gauge/weight', chart: 'i-mr', ...over });

describe('spc charts of a good file', () => {
  it('the example of the handbook', () => {
    const spec = { lsl: 9.95, target: 10, usl: 10.05 };
    expect(
      weight({ chart: 'xbar-r', subgroup: 5, limits: { baseline: 25 }, spec, rules: 'nelson', priority: 'medium' }),
    ).toEqual({
      ...{
        id: 'shaft',
        tag: 'gauge/weight',
        chart: 'xbar-r',
        subgroup: { by: 'count', size: 5 },
        inspected: undefined,
      },
      ...{ limits: { from: 'baseline', points: 25 }, spec, priority: 'medium' },
      rules: ['N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8'],
      ...{ lambda: 0.2, width: 3, slack: 0.5, decision: 5, headStart: 0 },
    });
  });

  it('rules by set, number or name, each once', () => {
    expect(weight({ rules: 'western-electric' })).toMatchObject({ rules: ['WE1', 'WE2', 'WE3', 'WE4'] });
    expect(weight({ rules: [1, 2, 5, 'N1', 'WE4'] })).toMatchObject({ rules: ['N1', 'N2', 'N5', 'WE4'] });
  });

  it('subgroups by count, time and trigger', () => {
    expect(weight({ chart: 'xbar-s', subgroup: '10m' })).toMatchObject({ subgroup: { by: 'time', everyMs: 600_000 } });
    expect(weight({ chart: 'xbar-s', subgroup: { trigger: 'line/batch' } })).toMatchObject({
      subgroup: { by: 'trigger', tag: 'line/batch' },
    });
  });

  it('counts: in a fixed number, in one read, or item by item', () => {
    const rejects = (over: Record<string, unknown>) => check({ tag: 'line/rejects', chart: 'p', ...over });
    expect(rejects({ size: 50 })).toMatchObject({
      inspected: { by: 'size', size: 50 },
      subgroup: { by: 'count', size: 1 },
    });
    expect(rejects({ subgroup: 50 })).toMatchObject({ inspected: { by: 'size', size: 50 }, subgroup: { size: 1 } });
    expect(rejects({ size: 'line/inspected' })).toMatchObject({ inspected: { by: 'tag', tag: 'line/inspected' } });
    expect(check({ tag: 'line/reject', chart: 'np', subgroup: 50 })).toMatchObject({
      inspected: { by: 'item' },
      subgroup: { by: 'count', size: 50 },
    });
    expect(rejects({ chart: 'c' })).toMatchObject({ inspected: { by: 'size', size: 1 } });
  });

  it('given limits, one-sided specifications, and the designs of charts with memory', () => {
    expect(weight({ limits: { center: 10, sigma: 0.1 } })).toMatchObject({
      limits: { from: 'given', center: 10, sigma: 0.1 },
    });
    expect(weight({ spec: { usl: 11 } })).toMatchObject({ spec: { lsl: undefined, target: undefined, usl: 11 } });
    expect(weight({ chart: 'ewma', lambda: 1 })).toMatchObject({ lambda: 1, rules: [] });
    expect(weight({ chart: 'cusum', k: 0.25, h: 8, headStart: 4 })).toMatchObject({
      slack: 0.25,
      decision: 8,
      headStart: 4,
    });
  });
});

describe('what is refused, with what to write instead', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an unknown tag', { tag: 'gauge/wieght' }, 'tag: there is no tag gauge/wieght; did you mean gauge/weight?'],
    [
      'a text',
      { tag: 'line/batch' },
      'tag: line/batch is a text, and a control chart needs numbers: name a tag that is a number',
    ],
    [
      'a truth value on a chart of numbers',
      { tag: 'line/reject' },
      'tag: line/reject is true or false: write chart: p or chart: np, or name a tag that is a number',
    ],
    [
      'subgroups of one with a range',
      { chart: 'xbar-r', subgroup: 1 },
      'subgroup: one reading has no range: write subgroup: 2 to 25, for example 5, or use chart: i-mr for individual readings',
    ],
    ['no subgroup with a range', { chart: 'xbar-r' }, 'subgroup: is missing: write subgroup: 2 to 25'],
    [
      'a range of too many',
      { chart: 'xbar-r', subgroup: 26 },
      'subgroup: an xbar-r chart takes at most 25 readings per subgroup: use chart: xbar-s',
    ],
    [
      'a period with too many for a range',
      { chart: 'xbar-r', subgroup: '1m' },
      'subgroup: a period of 1m has 60 readings of gauge/weight, which is read every 1s. An xbar-r chart takes at most 25 per subgroup: use chart: xbar-s, or a shorter period',
    ],
    [
      'subgroups on individuals',
      { subgroup: 5 },
      'subgroup: an i-mr chart takes one reading per point: use chart: xbar-r for groups of 5, or write subgroup: 10m or subgroup: {trigger: TAG}',
    ],
    [
      'limits the wrong way round',
      { spec: { lsl: 11, usl: 10 } },
      'spec.lsl: lsl (11) must be below usl (10): exchange the two if they were mixed up',
    ],
    [
      'equal limits',
      { spec: { lsl: 10, usl: 10 } },
      'spec.lsl: lsl (10) must be below usl (10): exchange the two if they were mixed up',
    ],
    [
      'a target outside',
      { spec: { lsl: 9, target: 12, usl: 11 } },
      'spec.target: target 12 is above usl 11: write a target between the limits',
    ],
    [
      'a specification without limits',
      { spec: { target: 12 } },
      'spec: a specification needs a limit: write lsl, usl or both',
    ],
    ['a baseline too small', { limits: { baseline: 5 } }, 'too small: limits need at least 10 points'],
    ['λ of 0', { chart: 'ewma', lambda: 0 }, 'lambda: must be above 0 and at most 1; 0.2 is usual'],
    ['λ above 1', { chart: 'ewma', lambda: 1.1 }, 'lambda: must be above 0 and at most 1; 0.2 is usual'],
    [
      'run rules on averages',
      { chart: 'ewma', rules: 'nelson' },
      'rules: an ewma chart has no run rules, because each of its points depends on those before; it signals by its own limits: remove rules',
    ],
    [
      'run rules on sums',
      { chart: 'cusum', rules: [1] },
      'rules: a cusum chart has no run rules, because each of its points depends on those before; it signals by its own limits: remove rules',
    ],
    [
      'a key of another chart',
      { lambda: 0.2 },
      'lambda: lambda is for ewma charts, and this one is i-mr: remove lambda',
    ],
    ['given limits without σ', { limits: { center: 10 } }, 'limits.sigma: is missing'],
    [
      'a proportion without the number inspected',
      { tag: 'line/rejects', chart: 'p' },
      'size: is missing: write how many items were inspected for each reading of line/rejects, for example size: 50, or the tag that holds that number',
    ],
    [
      'np with changing numbers',
      { tag: 'line/rejects', chart: 'np', size: 'line/inspected' },
      'size: an np chart inspects the same number of items each time: write that number, for example size: 50, or use chart: p',
    ],
    [
      'a capability of counts',
      { tag: 'line/rejects', chart: 'c', spec: { usl: 4 } },
      'spec: a c chart counts, and a specification needs measured values: remove spec',
    ],
    [
      'a proportion above one',
      { tag: 'line/rejects', chart: 'p', size: 50, limits: { center: 1.5 } },
      'limits.center: on a p chart the center must be above 0 and below 1; got 1.5',
    ],
    [
      'a trigger that is the tag',
      { chart: 'xbar-s', subgroup: { trigger: 'gauge/weight' } },
      'subgroup.trigger: the trigger must be a different tag from the charted one: name, for example, a part counter',
    ],
    [
      'a head start that is a signal',
      { chart: 'cusum', headStart: 5 },
      'headStart: headStart must be less than h (5); half of h is usual: write 2.5',
    ],
  ])('%s', (_what, chart, wanted) => {
    const problems = weight(chart);
    expect(problems).toBeInstanceOf(Array);
    expect((problems as string[]).join('\n')).toContain(wanted);
  });

  it('everything at once', () => {
    expect(weight({ chart: 'cusum', rules: 'nelson', lambda: 0.1, spec: { lsl: 2, usl: 1 } })).toHaveLength(3);
  });
});

describe('every chart takes every form of subgroup', () => {
  const tags: Record<string, Record<string, unknown>> = {
    ...Object.fromEntries(['i-mr', 'xbar-r', 'xbar-s', 'ewma', 'cusum'].map((chart) => [chart, {}])),
    p: { tag: 'line/rejects', size: 50 },
    np: { tag: 'line/rejects', size: 50 },
    c: { tag: 'line/rejects' },
    u: { tag: 'line/rejects', size: 'line/inspected' },
  };
  for (const [chart, over] of Object.entries(tags))
    it(`${chart}: {every: 20s}, 20s and {trigger: TAG}`, () => {
      const time = { subgroup: { by: 'time', everyMs: 20_000 } };
      expect(weight({ chart, ...over, subgroup: { every: '20s' } })).toMatchObject(time);
      expect(weight({ chart, ...over, subgroup: '20s' })).toMatchObject(time);
      expect(weight({ chart, ...over, subgroup: { trigger: 'line/parts' } })).toMatchObject({
        subgroup: { by: 'trigger', tag: 'line/parts' },
      });
    });

  it('np of items takes a trigger, too, and a counter is known as one', () => {
    expect(weight({ tag: 'line/reject', chart: 'np', subgroup: { trigger: 'line/parts' } })).toMatchObject({
      inspected: { by: 'item' },
    });
    expect(weight({ tag: 'line/total', chart: 'c', subgroup: '20s' })).toMatchObject({
      counters: [{ tag: 'line/total', modulus: 10_000 }],
    });
  });
});
