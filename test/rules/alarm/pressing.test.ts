/** Two days of a pressing line whose gate moves every ten seconds, with a pump that fails, a dead sensor and a restart. */
import { describe, expect, it } from 'vitest';
import { type Field, Fields } from '../../../src/core/reading.ts';
import { firstOut, measure, restoredMeasures } from '../../../src/rules/alarm/alarm-measures.ts';
import type { Judged } from '../../../src/rules/pipeline.ts';
import { createRuleSet, type RuleSet } from '../../../src/rules/rule-set.ts';
import { type AlarmEvent, alarm } from './harness.ts';

const NO_MEASURES = restoredMeasures(undefined, [], { wallMs: 0, monoMs: 0 });

const HOUR = 3600;
const STEP = 2;
const gate = { tag: 'press-1/running', equals: undefined };
const alarms = [
  alarm({
    ...{ id: 'oil-hot', tag: 'press-1/oil', condition: { kind: 'above', limit: 75 }, latch: true, while: gate },
    set: { tag: 'press-1/stop', to: true, back: false },
  }),
  alarm({ id: 'low', tag: 'press-1/pressure', condition: { kind: 'below', limit: 100 }, onDelayMs: 3000, while: gate }),
  alarm({ id: 'cold', tag: 'press-1/oil', condition: { kind: 'below', limit: 10 }, ack: false, while: gate }),
];

/** The line: what it reads, what its operator does, and what was said of it. */
class Line {
  readonly events: { readonly second: number; readonly event: AlarmEvent }[] = [];
  readonly first: string[] = [];
  private readonly states = new Map<string, string>();
  private rules: RuleSet = this.start();
  private measures = NO_MEASURES;
  stop = false;

  start(): RuleSet {
    const config = { alarms, spc: [], maintenance: [], derived: [], counters: new Set<string>(), policies: new Map() };
    this.rules = createRuleSet(config, this.states);
    return this.rules;
  }

  stateOf(id: string): string {
    return (this.rules.pipeline.stateOf(id) as { kept: { state: string } }).kept.state;
  }

  read(second: number): void {
    const at = { monoMs: second * 1000, wallMs: second * 1000 };
    const inStroke = second % 20 >= 10;
    const isBroken = second >= 10 * HOUR && second < 11 * HOUR;
    const isDead = second >= 30 * HOUR && second < 32 * HOUR;
    const number = (name: string, value: number): Field => ({ name, quality: 'good', value });
    const fields: Field[] = [
      { name: 'running', quality: 'good', value: inStroke },
      // The pump turns with the press: its pressure is up one reading after the gate opens.
      number('pressure', inStroke && !isBroken && second % 20 > 10 ? 180 : 20),
      isDead
        ? { name: 'oil', quality: 'bad', why: 'sensor-failure' }
        : number('oil', isBroken && second > 10 * HOUR + 60 ? 90 : 60),
    ];
    this.take(
      second,
      this.rules.pipeline.accept({
        device: 'press-1',
        at,
        clockKnown: true,
        simulated: false,
        fields: Fields.of(fields),
      }),
    );
  }

  /** Goes round each quarter of an hour, acknowledges what it finds, and resets what can be reset. */
  operate(second: number): void {
    const at = { monoMs: second * 1000, wallMs: second * 1000 };
    for (const { id } of alarms) {
      const { occurrence, state } = (this.rules.pipeline.stateOf(id) as { kept: { occurrence: number; state: string } })
        .kept;
      if (state.endsWith('unacked'))
        this.take(second, this.rules.pipeline.command(id, { do: 'ack', occurrence }, 'ann', at, true));
      if (this.stateOf(id) === 'latched-acked')
        this.take(second, this.rules.pipeline.command(id, { do: 'reset' }, 'ann', at, true));
    }
  }

  private take(second: number, { findings, states }: Judged): void {
    for (const [key, state] of states) this.states.set(key, JSON.stringify(state));
    for (const { finding, at } of findings) {
      if (finding.kind === 'set') this.stop = finding.to === true;
      else if (finding.body.kind === 'alarm') {
        this.measures = measure(this.measures, finding.body, at.monoMs);
        const first = firstOut(this.measures).get('press-1');
        if (first !== undefined && this.first.at(-1) !== first) this.first.push(first);
        this.events.push({ second, event: finding.body });
      }
    }
  }
}

describe('a pressing line', () => {
  it('of 48 hours has few events, the right first alarm, and nothing that stands unseen', () => {
    const line = new Line();
    for (let second = 0; second < 48 * HOUR; second += STEP) {
      if (second === 20 * HOUR) line.start();
      line.read(second);
      expect(line.stop).toBe(!['normal', 'suppressed'].includes(line.stateOf('oil-hot')));
      if (second % 900 === 0) line.operate(second);
    }
    console.log(`a pressing line, 48 h, ${(48 * HOUR) / 10} edges of its gate: ${line.events.length} events`);
    expect(line.events.length).toBeLessThan(200);
    expect(line.first).toEqual(['low', 'press-1:instrument']);
    const [first] = line.events;
    expect(first).toMatchObject({ second: 10 * HOUR + 14, event: { id: 'low', change: 'raised' } });
    for (const { id, ack } of alarms) {
      const own = line.events.filter(({ event }) => event.id === id).map(({ event }) => event);
      for (const [index, { was, state, by }] of own.entries()) {
        // Nobody's back is turned: an occurrence ends in an acknowledgement of a person.
        if (ack && `${was}`.endsWith('unacked') && !state.endsWith('unacked')) expect(by).toBe('ann');
        if (index > 0) expect(was).toBe(own[index - 1]!.state);
      }
      expect(['normal', 'suppressed']).toContain(line.stateOf(id));
    }
    expect(
      line.events.filter(({ event }) => event.id === 'press-1:instrument').map(({ event }) => event.change),
    ).toEqual(['raised', 'cleared']);
  }, 60_000);
});
