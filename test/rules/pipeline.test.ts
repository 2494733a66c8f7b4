import { describe, expect, it } from 'vitest';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import { type DeviceRecord, type Field, Fields } from '../../src/core/reading.ts';
import { alarmRule } from '../../src/rules/alarm/alarm.ts';
import { instrumentAlarms } from '../../src/rules/alarm/instrument.ts';
import { type Judged, Pipeline } from '../../src/rules/pipeline.ts';
import { ReportFilter } from '../../src/rules/report.ts';
import type { Rule } from '../../src/rules/rule.ts';
import { alarm } from './alarm/harness.ts';

const good = (name: string, value: number | boolean): Field => ({ name, quality: 'good', value });
const at = (second: number) => ({ monoMs: second * 1000, wallMs: second * 1000 });
const record = (second: number, ...fields: Field[]): DeviceRecord => {
  return { device: 'press-1', at: at(second), clockKnown: true, simulated: false, fields: Fields.of(fields) };
};
const rulesOf = (alarms: readonly AlarmConfig[]) =>
  [...alarms, ...instrumentAlarms(alarms, () => [])].map((config) => alarmRule(config) as Rule);
const pipelineOf = (alarms: readonly AlarmConfig[], stored: ReadonlyMap<string, string> = new Map()) =>
  new Pipeline(rulesOf(alarms), new ReportFilter(new Map()), stored);

/** States as the store gives them back. */
const texts = (states: ReadonlyMap<string, unknown>) =>
  new Map([...states].map(([key, state]) => [key, JSON.stringify(state)]));

/** `id change` of events and `tag=value` of outputs. */
function told({ findings }: Judged): string[] {
  return findings.map(({ finding }) => {
    if (finding.kind === 'set') return `${finding.tag}=${finding.to}`;
    return finding.body.kind === 'alarm' ? `${finding.body.id} ${finding.body.change}` : finding.body.kind;
  });
}

describe('the pipeline', () => {
  it('wants its first tick at once, then when the first timer is due', () => {
    const pipeline = pipelineOf([alarm({ onDelayMs: 5000 }), alarm({ id: 'slow', onDelayMs: 9000 })]);
    expect(pipeline.nextWakeMs()).toBe(Number.NEGATIVE_INFINITY);
    pipeline.tick(at(0), true);
    expect(pipeline.nextWakeMs()).toBeUndefined();
    pipeline.accept(record(1, good('oil-temp', 81)));
    expect(pipeline.nextWakeMs()).toBe(6000);
    expect(told(pipeline.tick(at(6), true))).toEqual(['oil-hot raised']);
    expect(pipeline.nextWakeMs()).toBe(10_000);
  });

  it('dates what a timer does by when it fell due, also when a reading is what notices', () => {
    const pipeline = pipelineOf([alarm({ onDelayMs: 5000 })]);
    pipeline.accept(record(1, good('oil-temp', 81)));
    const { findings } = pipeline.accept(record(60, good('oil-temp', 70)));
    expect(findings.map(({ at: { monoMs } }) => monoMs)).toEqual([6000, 60_000]);
  });

  it('lets a gate in the same record close before the value behind it is judged', () => {
    const pipeline = pipelineOf([alarm({ while: { tag: 'press-1/running', equals: undefined } })]);
    expect(told(pipeline.accept(record(1, good('oil-temp', 81), good('running', false))))).toEqual([]);
    expect(told(pipeline.accept(record(2, good('oil-temp', 81), good('running', true))))).toEqual(['oil-hot raised']);
  });

  it('gives orders to the alarm they name, and says why one cannot be carried out', () => {
    const pipeline = pipelineOf([alarm()]);
    pipeline.accept(record(1, good('oil-temp', 81)));
    const acked = pipeline.command('oil-hot', { do: 'ack', occurrence: 1 }, 'anna', at(2), true);
    expect([told(acked), acked.refused, acked.states.has('oil-hot')]).toEqual([['oil-hot acked'], undefined, true]);
    expect(pipeline.command('oil-cold', { do: 'reset' }, 'anna', at(3), true).refused).toMatch(
      /there is no alarm oil-cold/,
    );
  });

  it('puts an output back only when the last alarm lets go of it', () => {
    const set = { tag: 'door/lamp', to: true, back: false };
    const hotter = alarm({ id: 'hotter', condition: { kind: 'above', limit: 90 }, set });
    const pipeline = pipelineOf([alarm({ set }), hotter]);
    const writes = [70, 95, 85, 70].map((value, second) =>
      told(pipeline.accept(record(second, good('oil-temp', value)))).filter((text) => text.includes('=')),
    );
    expect(writes).toEqual([['door/lamp=false'], ['door/lamp=true'], [], ['door/lamp=false']]);
  });

  it('commits the states that changed, and goes on from them without a second occurrence', () => {
    const before = pipelineOf([alarm()]).accept(record(1, good('oil-temp', 81)));
    const after = pipelineOf([alarm()], texts(before.states));
    expect(told(after.tick(at(0), true))).toEqual([]);
    const judged = after.accept(record(1, good('oil-temp', 82)));
    expect([told(judged), judged.states.size]).toEqual([[], 0]);
  });
});

describe('the cost of alarms', () => {
  it('2,000 alarms at one reading a second each: measured and printed', () => {
    const alarms = Array.from({ length: 2000 }, (_, index) =>
      alarm({ id: `alarm-${index}`, tag: `press-1/t${index}`, onDelayMs: index % 2 ? 5000 : 0 }),
    );
    const pipeline = pipelineOf(alarms);
    const seconds = 120;
    let raised = 0;
    const startMs = performance.now();
    for (let second = 0; second < seconds; second++) {
      const fields = alarms.map((_, index) =>
        good(`t${index}`, (second * 7 + index) % 600 === 0 ? 90 : 50 + (second % 20)),
      );
      const judged = pipeline.accept(record(second, ...fields));
      pipeline.tick(at(second + 0.5), true);
      raised += judged.findings.length;
    }
    const perSecondMs = (performance.now() - startMs) / seconds;
    const share = `${perSecondMs.toFixed(2)} ms a second, ${(perSecondMs / 10).toFixed(2)} % of a core`;
    console.log(`2,000 alarms and one for their instruments: ${share}; a day ${(perSecondMs * 86.4).toFixed(0)} s`);
    expect(raised).toBeGreaterThan(0);
  });
});
