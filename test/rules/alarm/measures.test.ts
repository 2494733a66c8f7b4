import { describe, expect, it } from 'vitest';
import type { AlarmState } from '../../../src/core/event.ts';
import { firstOut, measure, restoredMeasures, staleAlarms } from '../../../src/rules/alarm/alarm-measures.ts';
import { alarmStatus } from '../../../src/rules/alarm/describe.ts';
import { type AlarmEvent, alarm, Bench, EPOCH_MS } from './harness.ts';

const NO_MEASURES = restoredMeasures(undefined, [], { wallMs: 0, monoMs: 0 });

function event(id: string, state: AlarmState, tag = `press-1/${id}`): AlarmEvent {
  return { kind: 'alarm', id, tag, occurrence: 1, change: 'raised', state, priority: 'low', message: '' };
}

describe('measures', () => {
  it('the first alarm of a device stays the first until all of them are normal', () => {
    const steps: [AlarmEvent, string | undefined][] = [
      [event('pump', 'unacked'), 'pump'],
      [event('oil', 'unacked'), 'pump'],
      [event('pump', 'normal'), 'pump'],
      [event('door', 'unacked', 'gate/door'), 'pump'],
      [event('oil', 'normal'), undefined],
      [event('oil', 'unacked'), 'oil'],
    ];
    let measures = NO_MEASURES;
    for (const [index, [one, first]] of steps.entries()) {
      measures = measure(measures, one, index);
      expect(firstOut(measures).get('press-1')).toBe(first);
    }
  });

  it('an alarm is stale when it was active for more than 24 h', () => {
    const bench = new Bench(alarm()).read(0, 81);
    const status = alarmStatus(bench.config, bench.state);
    expect(staleAlarms([status], EPOCH_MS + 86_400_000)).toEqual([]);
    expect(staleAlarms([status], EPOCH_MS + 86_400_001)).toEqual([status]);
  });
});
