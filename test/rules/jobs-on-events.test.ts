/** Events of alarms and charts say which job the machine worked on, where its parts are counted on the same device. */
import { expect, it } from 'vitest';
import { runBacktest } from '../../src/backtest/run.ts';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import { type DeviceRecord, Fields, type Value } from '../../src/core/reading.ts';
import type { RuleConfig } from '../../src/rules/rule-set.ts';
import { MONDAY, machineConfig } from './production/machine.ts';

const NOTHING = { unit: undefined, deadband: 0, onDelayMs: 0, offDelayMs: 0, latch: false, ack: false };

function hot(device: string): AlarmConfig {
  return {
    ...{ id: `${device}-hot`, tag: `${device}/oil`, condition: { kind: 'above', limit: 75 }, priority: 'low' },
    ...{ ...NOTHING, message: undefined, while: undefined, set: undefined, maxShelveMs: 0 },
  };
}

function record(second: number, device: string, said: Readonly<Record<string, Value>>): DeviceRecord {
  const at = MONDAY + second * 1000;
  const fields = Object.entries(said).map(([name, value]) => ({ name, quality: 'good', value }) as const);
  return { device, at: { wallMs: at, monoMs: at }, clockKnown: true, simulated: false, fields: Fields.of(fields) };
}

it('names the job of the moment, and none of another device or before one is known', () => {
  const rules: RuleConfig = {
    ...{ alarms: [hot('press-1'), hot('oven')], spc: [], production: [machineConfig()], maintenance: [] },
    ...{ derived: [], counters: new Set(), policies: new Map() },
  };
  const { events } = runBacktest(rules, [
    record(0, 'press-1', { oil: 80 }),
    record(1, 'press-1', { oil: 60, job: 'A100' }),
    record(2, 'press-1', { oil: 80 }),
    record(3, 'oven', { oil: 80 }),
    record(4, 'press-1', { oil: 60, job: '' }),
  ]);
  const told = events.flatMap(({ body }) => (body.kind === 'alarm' ? [[body.id, body.change, body.job]] : []));
  expect(told).toEqual([
    ['press-1-hot', 'raised', undefined],
    ['press-1-hot', 'cleared', 'A100'],
    ['press-1-hot', 'raised', 'A100'],
    ['oven-hot', 'raised', undefined],
    ['press-1-hot', 'cleared', undefined],
  ]);
});
