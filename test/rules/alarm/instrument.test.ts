/** Instrument alarms: one a device, naming the tags, and one for a dead gate. */
import { describe, expect, it } from 'vitest';
import type { AlarmConfig } from '../../../src/core/alarm.ts';
import type { Failure } from '../../../src/core/quality.ts';
import { type Field, Fields } from '../../../src/core/reading.ts';
import { createRuleSet, type RuleSet } from '../../../src/rules/rule-set.ts';
import { type AlarmEvent, alarm } from './harness.ts';

const good = (name: string): Field => ({ name, quality: 'good', value: 50 });
const bad = (name: string, why: Failure = 'timeout'): Field => ({ name, quality: 'bad', why });
const TAGS = ['oil-temp', 'pressure', 'level'];
const alarms = TAGS.map((name) => alarm({ id: `${name}-high`, tag: `press-1/${name}` }));

/** The rules of alarms, with records of one device a second each. */
class Plant {
  readonly seen: AlarmEvent[] = [];
  rules: RuleSet;
  private readonly states = new Map<string, string>();
  private second = 0;
  private readonly alarms: readonly AlarmConfig[];

  constructor(alarms: readonly AlarmConfig[]) {
    this.alarms = alarms;
    this.rules = this.start();
  }

  start(): RuleSet {
    const config = {
      alarms: this.alarms,
      spc: [],
      maintenance: [],
      derived: [],
      counters: new Set<string>(),
      policies: new Map(),
    };
    this.rules = createRuleSet(config, this.states);
    return this.rules;
  }

  reads(device: string, ...fields: Field[]): string[] {
    const at = { monoMs: ++this.second * 1000, wallMs: this.second * 1000 };
    const record = { device, at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
    const { findings, states } = this.rules.pipeline.accept(record);
    for (const [key, state] of states) this.states.set(key, JSON.stringify(state));
    const events = findings.flatMap(({ finding }) => (finding.kind === 'event' ? [finding.body] : []));
    const own = events.filter((body): body is AlarmEvent => body.kind === 'alarm');
    this.seen.push(...own);
    return own.map(({ id, change, message }) => `${id} ${change}: ${message}`);
  }
}

describe('the instrument alarm of a device', () => {
  it('is one for a dead device, and names its tags', () => {
    const plant = new Plant(alarms);
    expect(plant.reads('press-1', ...TAGS.map((name) => bad(name)))).toEqual([
      'press-1:instrument raised: press-1 cannot be read (no answer before the deadline): oil-temp, pressure, level',
    ]);
    expect(plant.seen[0]).toMatchObject({ tag: 'press-1/oil-temp', tags: TAGS.map((name) => `press-1/${name}`) });
    expect(plant.reads('press-1', ...TAGS.map((name) => bad(name, 'offline')))).toEqual([]);
    expect(plant.reads('press-1', good('oil-temp'))).toEqual([]);
    expect(plant.reads('press-1', good('pressure'), good('level'))).toEqual([
      expect.stringContaining('press-1:instrument cleared'),
    ]);
  });

  it('is another one for another device', () => {
    const plant = new Plant([...alarms, alarm({ id: 'oven-hot', tag: 'oven/temp' })]);
    plant.reads('press-1', bad('level'));
    plant.reads('oven', bad('temp'));
    expect(plant.seen.map(({ id }) => id)).toEqual(['press-1:instrument', 'oven:instrument']);
  });

  it('is raised anew when another sensor fails, once a sensor, so that none hides behind the first', () => {
    const plant = new Plant(alarms);
    plant.reads('press-1', bad('level', 'sensor-failure'));
    expect(plant.reads('press-1', bad('pressure', 'sensor-failure'))).toEqual([
      expect.stringContaining('press-1:instrument cleared'),
      expect.stringMatching(/press-1:instrument raised: .*level, pressure$/),
    ]);
    for (const field of [good('pressure'), bad('pressure', 'sensor-failure'), bad('oil-temp')])
      expect(plant.reads('press-1', field)).toEqual([]);
  });

  it('is as it was after a restart, and ends only when the tag that failed is read', () => {
    const plant = new Plant(alarms);
    plant.reads('press-1', bad('level'));
    plant.start();
    expect(plant.reads('press-1', good('oil-temp'), good('pressure'))).toEqual([]);
    expect(plant.reads('press-1', bad('level'))).toEqual([]);
    expect(plant.reads('press-1', good('level'))).toEqual([expect.stringContaining('cleared')]);
  });

  it('tells of a dead gate, which silences its alarm', () => {
    const gated = alarm({ while: { tag: 'plc/running', equals: undefined } });
    const plant = new Plant([gated]);
    plant.reads('plc', { name: 'running', quality: 'good', value: false });
    expect(plant.reads('plc', bad('running'))).toEqual([expect.stringContaining('plc:instrument raised')]);
    expect(plant.reads('press-1', bad('oil-temp'))).toEqual([]);
    const own = new Plant([alarm({ while: { tag: 'press-1/running', equals: undefined } })]);
    own.reads('press-1', { name: 'running', quality: 'good', value: false });
    expect(own.reads('press-1', bad('running'))).toEqual([expect.stringContaining('press-1:instrument raised')]);
  });

  it('names what a computed tag is computed from, not the computed tag of another device', () => {
    const derived = {
      ...{ id: 'oven/sum', device: 'oven', name: 'sum', min: undefined, max: undefined },
      expression: { kind: 'tag' as const, tag: 'press-1/level' },
    };
    const config = { spc: [], maintenance: [], counters: new Set<string>(), policies: new Map() };
    const watching = [alarm({ tag: 'oven/sum' })];
    const { alarms: all } = createRuleSet({ ...config, alarms: watching, derived: [derived as never] }, new Map());
    expect(all.slice(1).map(({ id }) => id)).toEqual(['press-1:instrument']);
  });
});
