import { describe, expect, it } from 'vitest';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import { type Field, Fields, type Value } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { SPC_DEFAULTS, type SpcConfig } from '../../src/core/spc.ts';
import { RuleEngine, type Verdict } from '../../src/rules/engine.ts';
import { createRuleSet } from '../../src/rules/rule-set.ts';
import { alarm } from './alarm/harness.ts';

const SIX = Date.UTC(2025, 10, 24, 6);

const CHART: SpcConfig = {
  id: 'oil-hot',
  tag: 'press-1/oil-temp',
  chart: 'i-mr',
  subgroup: { by: 'count', size: 1 },
  inspected: undefined,
  limits: { from: 'baseline', points: 10 },
  rules: ['N1'],
  spec: undefined,
  priority: 'medium',
  ...SPC_DEFAULTS,
};

/** An engine on a clock that the test moves; what it would commit is kept, and given back at a restart. */
class Bench {
  readonly clock = new SimulatedClock(SIX);
  readonly committed: Verdict[] = [];
  readonly driven: string[] = [];
  readonly seen: string[] = [];
  engine: RuleEngine;
  private readonly config: { readonly alarms: readonly AlarmConfig[]; readonly spc: readonly SpcConfig[] };

  constructor(alarms: readonly AlarmConfig[], spc: readonly SpcConfig[] = []) {
    this.config = { alarms, spc };
    this.engine = this.start();
  }

  /** Begins anew from what was committed. */
  start(): RuleEngine {
    const stored = new Map<string, string>();
    for (const { states } of this.committed) for (const [key, state] of states) stored.set(key, JSON.stringify(state));
    const config = { ...this.config, maintenance: [], derived: [], counters: new Set<string>(), policies: new Map() };
    this.engine = new RuleEngine({
      rules: createRuleSet(config, stored),
      clock: this.clock,
      measured: stored.get('alarm-measures'),
      onReadings: ({ fields }) => this.seen.push(...[...fields].map(({ name }) => name)),
      commit: (verdict) => this.committed.push(verdict),
      drive: (tag, value, by) => this.driven.push(`${tag}=${value} by ${by}`),
    });
    this.engine.start();
    return this.engine;
  }

  read(value: Value, name = 'oil-temp'): void {
    const at = { wallMs: this.clock.wallMs(), monoMs: this.clock.monoMs() };
    const field: Field = { name, quality: 'good', value };
    this.engine.accept({ device: 'press-1', at, clockKnown: true, simulated: false, fields: Fields.of([field]) });
  }

  /** Events as `second id change`. */
  events(): string[] {
    return this.committed.flatMap(({ events }) =>
      events.map(({ wallMs, body }) => {
        const second = (wallMs - SIX) / 1000;
        if (body.kind === 'alarm') return `${second} ${body.id} ${body.change}`;
        return `${second} ${body.kind} ${'what' in body ? body.what : ''}`.trim();
      }),
    );
  }
}

describe('the engine of rules', () => {
  it('hands on a reading, its events and the states behind them as one', () => {
    const bench = new Bench([alarm()]);
    bench.read(81);
    const last = bench.committed.at(-1)!;
    expect(last.records).toHaveLength(1);
    expect(last.events).toMatchObject([{ wallMs: SIX, body: { kind: 'alarm', change: 'raised' } }]);
    expect([...last.states.keys()]).toEqual(['oil-hot', 'alarm-measures']);
    expect(bench.seen).toEqual(['oil-temp']);
  });

  it('ends delays by the clock, without a reading, at the time they fall due', async () => {
    const bench = new Bench([alarm({ onDelayMs: 5000 }), alarm({ id: 'later', onDelayMs: 9000 })]);
    await bench.clock.advance(1000);
    bench.read(81);
    await bench.clock.advance(60_000);
    expect(bench.events()).toEqual(['6 oil-hot raised', '10 later raised']);
    expect(bench.clock.waiting).toBe(0);
  });

  it('waits for nothing once it is stopped', async () => {
    const bench = new Bench([alarm({ onDelayMs: 5000 })]);
    bench.read(81);
    bench.engine.stop();
    await bench.clock.advance(60_000);
    expect(bench.events()).toEqual([]);
    expect(bench.clock.waiting).toBe(0);
  });

  it('carries out orders and keeps who gave them', () => {
    const bench = new Bench([alarm()]);
    bench.read(81);
    expect(bench.engine.order('oil-hot', { do: 'ack', occurrence: 2 }, { by: 'ann' })).toMatch(/is at occurrence 1/);
    expect(bench.engine.order('oil-hot', { do: 'ack', occurrence: 1 }, { by: 'ann', comment: 'seen' })).toBeUndefined();
    expect(bench.events()).toEqual(['0 oil-hot raised', '0 oil-hot acked', '0 audit alarm-ack']);
    expect(bench.committed.at(-1)!.events.at(-1)!.body).toMatchObject({ by: 'ann', comment: 'seen', id: 'oil-hot' });
    expect(bench.engine.alarms().alarms[0]).toMatchObject({
      id: 'oil-hot',
      state: 'acked',
      occurrence: 1,
      firstOut: true,
    });
  });

  it('goes on after a restart without a second occurrence, and shows the alarm on its output again', () => {
    const set = { tag: 'door/lamp', to: true, back: false };
    const bench = new Bench([alarm({ set })]);
    bench.read(81);
    bench.start();
    expect(bench.engine.alarms().alarms[0]).toMatchObject({ state: 'unacked', occurrence: 1 });
    bench.read(82);
    expect(bench.events()).toEqual(['0 oil-hot raised']);
    expect(bench.driven).toEqual([
      'door/lamp=false by oil-hot',
      'door/lamp=true by oil-hot',
      'door/lamp=true by oil-hot',
    ]);
  });

  it('tells chattering and floods', async () => {
    const alarms = Array.from({ length: 12 }, (_, index) => alarm({ id: `a${index}` }));
    const bench = new Bench(alarms);
    for (const value of [81, 70, 81, 70, 81]) {
      await bench.clock.advance(1000);
      bench.read(value);
    }
    const { alarms: all, floodSinceMs } = bench.engine.alarms();
    expect(floodSinceMs).toBe(1000);
    expect(all[0]).toMatchObject({ chattering: true });
  });

  it('knows of floods, chattering and what came first also after a restart, when they are wanted', async () => {
    const bench = new Bench(Array.from({ length: 12 }, (_, index) => alarm({ id: `a${index}`, ack: false })));
    for (const value of [81, 70, 81, 70]) {
      await bench.clock.advance(1000);
      bench.read(value);
    }
    bench.read(81, 'pressure');
    await bench.clock.advance(1000);
    bench.read(81);
    const measured = ({ engine }: Bench) => {
      const { alarms, floodSinceMs } = engine.alarms();
      return [floodSinceMs, alarms.map(({ id, chattering, firstOut, state }) => ({ id, chattering, firstOut, state }))];
    };
    const [before, told] = [bench.engine.alarms(), measured(bench)];
    bench.start();
    await bench.clock.advance(1000);
    expect(measured(bench)).toEqual(told);
    expect(before).toMatchObject({ floodSinceMs: 1000 });
    expect(before.alarms.filter(({ firstOut }) => firstOut).map(({ id }) => id)).toEqual(['a0']);
    expect(before.alarms[0]).toMatchObject({ chattering: true });
    await bench.clock.advance(600_000);
    bench.start();
    expect(bench.engine.alarms().floodSinceMs).toBeUndefined();
  });

  it('keeps charts apart from alarms of the same name, draws them, and begins baselines anew', async () => {
    const bench = new Bench([alarm()], [CHART]);
    for (const value of [50, 51, 49, 50, 52, 48, 50, 51, 49, 50, 60]) {
      await bench.clock.advance(1000);
      bench.read(value);
    }
    const chart = bench.engine.chart('oil-hot')!;
    expect(chart.status).toMatchObject({ phase: 2, point: 11, signals: ['N1', 'R1'] });
    expect(chart.points).toHaveLength(11);
    expect(chart.points.at(-1)).toMatchObject({ point: 11, value: 60, rules: ['N1', 'R1'], center: 50 });
    expect(bench.engine.alarms().alarms[0]).toMatchObject({ id: 'oil-hot', state: 'normal' });
    bench.start();
    expect(bench.engine.chart('oil-hot')!.status).toMatchObject({ phase: 2, point: 11, limits: { version: 1 } });
    expect(bench.engine.rebase('oil-hot', { by: 'ann' })).toBeUndefined();
    expect(bench.events().at(-1)).toBe('11 audit spc-rebase');
    expect(bench.engine.chart('oil-hot')!.status).toMatchObject({ phase: 1, point: 11 });
    expect(bench.engine.rebase('nothing', { by: 'ann' })).toMatch(/no chart/);
    expect(bench.engine.chart('nothing')).toBeUndefined();
  });
});
