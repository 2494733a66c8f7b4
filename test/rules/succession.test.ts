import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import { parseExpression } from '../../src/core/expression.ts';
import { type DeviceRecord, Fields } from '../../src/core/reading.ts';
import { SPC_DEFAULTS, type SpcConfig } from '../../src/core/spc.ts';
import type { Judged } from '../../src/rules/pipeline.ts';
import { createRuleSet, type RuleConfig, type RuleSet } from '../../src/rules/rule-set.ts';
import { begunAnew, succeed } from '../../src/rules/succession.ts';
import { alarm as alarmOf } from './alarm/harness.ts';

const NOTHING = { stored: new Map<string, string>(), kept: new Map<string, string>() };
const NO_TAGS: ReadonlySet<string> = new Set();

function alarm(id: string, over: Partial<AlarmConfig>): AlarmConfig {
  return alarmOf({ id, tag: 'press-1/oil', condition: { kind: 'above', limit: 75 }, ...over });
}

const SHAFT: SpcConfig = {
  ...{ id: 'shaft', tag: 'press-1/oil', chart: 'i-mr', subgroup: { by: 'count', size: 1 }, inspected: undefined },
  ...{ limits: { from: 'baseline', points: 10 }, rules: ['N1', 'N2'], spec: undefined, priority: 'medium' },
  ...SPC_DEFAULTS,
};

function derived(name: string, text: string) {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return { id: `press-1/${name}`, device: 'press-1', name, expression: parsed.value, min: undefined, max: undefined };
}

const LAMP = { tag: 'door/lamp', to: true, back: false };

const CONFIG: RuleConfig = {
  alarms: [
    alarm('hot', { onDelayMs: 2500, offDelayMs: 1500, set: LAMP }),
    alarm('fast', { condition: { kind: 'rateAbove', limit: 5, perMs: 3000 }, deadband: 0 }),
    alarm('average', { tag: 'press-1/mean', condition: { kind: 'above', limit: 70 } }),
    alarm('silent', { condition: { kind: 'stale', afterMs: 4000 }, deadband: 0 }),
  ],
  spc: [SHAFT],
  maintenance: [],
  derived: [derived('mean', 'mean(press-1/oil, 5s)'), derived('total', 'integral(press-1/oil, 1h)')],
  counters: new Set(),
  policies: new Map([['press-1/oil', { deadband: 1.5, heartbeatMs: 6000 }]]),
};

function record(monoMs: number, value: number | undefined): DeviceRecord {
  const at = { monoMs, wallMs: 1_700_000_000_000 + monoMs };
  const field =
    value === undefined
      ? ({ name: 'oil', quality: 'bad', why: 'timeout' } as const)
      : ({ name: 'oil', quality: 'good', value } as const);
  return { device: 'press-1', at, clockKnown: true, simulated: false, fields: Fields.of([field]) };
}

/** What is stored, found and kept of a judgement, comparable. */
function told({ records, findings, states }: Judged): unknown {
  return { records, findings, states: [...states].sort(([a], [b]) => (a < b ? -1 : 1)) };
}

function start(config: RuleConfig): RuleSet {
  const rules = createRuleSet(config, new Map());
  rules.pipeline.tick({ monoMs: 0, wallMs: 1_700_000_000_000 }, true);
  return rules;
}

/** Feeds values a second apart. */
function feed(rules: RuleSet, values: readonly number[], fromS: number): Judged[] {
  return values.map((value, index) => rules.pipeline.accept(record((fromS + index) * 1000, value)));
}

const events = (judged: readonly Judged[]) =>
  judged.flatMap(({ findings }) =>
    findings.flatMap(({ finding }) =>
      finding.kind === 'event' && finding.body.kind === 'alarm'
        ? [`${finding.body.id} ${finding.body.change} ${finding.body.occurrence}`]
        : [],
    ),
  );

describe('rules that are succeeded by rules', () => {
  it('judge exactly as if nothing had happened when they are the same, wherever the change comes', () => {
    const step = fc.record({
      value: fc.oneof(fc.double({ min: 50, max: 100, noNaN: true }), fc.constant(undefined)),
      gapMs: fc.integer({ min: 200, max: 6000 }),
      changes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const still = start(CONFIG);
        let changing = start(CONFIG);
        let nowMs = 0;
        for (const { value, gapMs, changes } of steps) {
          nowMs += gapMs;
          if (changes) changing = succeed(changing, structuredClone(CONFIG), NOTHING, NO_TAGS).rules;
          const reading = record(nowMs, value);
          expect(told(changing.pipeline.accept(reading))).toEqual(told(still.pipeline.accept(reading)));
          expect(changing.pipeline.nextWakeMs()).toBe(still.pipeline.nextWakeMs());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keep occurrence and acknowledgement of an alarm whose limit was changed', () => {
    const before = start({ ...CONFIG, alarms: [alarm('hot', {})] });
    expect(events(feed(before, [70, 80], 1))).toEqual(['hot raised 1']);
    const at = { monoMs: 3000, wallMs: 1_700_000_003_000 };
    before.pipeline.command('hot', { do: 'ack', occurrence: 1 }, 'ann', at, true);
    const after = { ...CONFIG, alarms: [alarm('hot', { condition: { kind: 'above', limit: 78 } })] };
    const { rules, same } = succeed(before, after, NOTHING, NO_TAGS);
    expect(same.has('hot')).toBe(false);
    expect(events(feed(rules, [81, 70, 90], 4))).toEqual(['hot cleared 1', 'hot raised 2']);
  });

  it('go on when only the words for the values of a tag were changed', () => {
    const before = start({ ...CONFIG, alarms: [alarm('hot', { onDelayMs: 2500, shown: { labels: { 1: 'on' } } })] });
    feed(before, [90, 90], 1);
    const relabelled = { ...CONFIG, alarms: [alarm('hot', { onDelayMs: 2500, shown: { labels: { 1: 'running' } } })] };
    const { rules, same } = succeed(before, relabelled, NOTHING, NO_TAGS);
    expect(same.has('hot')).toBe(true);
    expect(events(feed(rules, [90, 90], 3))).toEqual(['hot raised 1']);
  });

  it('let go of the output of an alarm that is no more, and of none that still holds it', () => {
    const two = { ...CONFIG, alarms: [alarm('hot', { set: LAMP }), alarm('hotter', { set: LAMP })] };
    const before = start(two);
    feed(before, [90], 1);
    const one = succeed(before, { ...CONFIG, alarms: [alarm('hotter', { set: LAMP })] }, NOTHING, NO_TAGS);
    expect(one.released).toEqual([]);
    const none = succeed(one.rules, { ...CONFIG, alarms: [] }, NOTHING, NO_TAGS);
    expect(none.released).toEqual([expect.objectContaining({ tag: 'door/lamp', to: false, holds: false })]);
  });

  it('begin windows and rates anew on a tag that means something else, but not totals', () => {
    const before = start(CONFIG);
    feed(before, [60, 60, 60], 1);
    const { rules, same } = succeed(before, CONFIG, NOTHING, new Set(['press-1/oil']));
    expect([...same].filter((id) => !id.includes('instrument'))).toEqual([]);
    const [first] = feed(rules, [600], 5);
    const fields = first!.readings[0]!.fields;
    expect([...fields].find(({ name }) => name === 'mean')).toMatchObject({ value: 600 });
    expect(rules.pipeline.texts().get('totals:press-1/total')).toBe(
      before.pipeline.texts().get('totals:press-1/total'),
    );
  });

  it('come back to the baseline they had when a trial had begun another', () => {
    const before = start(CONFIG);
    feed(before, [60, 61, 60, 61, 60, 61, 60, 61, 60, 61, 60], 1);
    const baseline = before.pipeline.texts().get('spc:shaft:frozen')!;
    expect(JSON.parse(baseline)).toMatchObject({ version: 1 });
    const other = {
      ...CONFIG,
      spc: [{ ...SHAFT, subgroup: { by: 'count', size: 5 } as const, chart: 'xbar-r' as const }],
    };
    const trial = succeed(before, other, NOTHING, NO_TAGS);
    const kept = begunAnew(before, trial.rules);
    expect([...kept.keys()]).toEqual(['spc:shaft', 'spc:shaft:frozen']);
    feed(trial.rules, [60, 61, 60, 61, 60, 61], 20);
    const back = succeed(trial.rules, CONFIG, { ...NOTHING, kept }, NO_TAGS);
    expect(JSON.parse(back.rules.pipeline.texts().get('spc:shaft:frozen')!)).toMatchObject({
      version: 1,
      baseline: JSON.parse(baseline).baseline,
    });
  });

  it('take the stored state of an alarm that comes back', () => {
    const before = start({ ...CONFIG, alarms: [alarm('hot', {})] });
    feed(before, [90], 1);
    const stored = before.pipeline.texts();
    const without = succeed(before, { ...CONFIG, alarms: [] }, NOTHING, NO_TAGS).rules;
    const back = succeed(without, { ...CONFIG, alarms: [alarm('hot', {})] }, { ...NOTHING, stored }, NO_TAGS).rules;
    expect(events(feed(back, [91, 60, 92], 5))).toEqual(['hot returned 1', 'hot raised 2']);
  });
});
