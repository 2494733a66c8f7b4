/** Makes the rules of all alarms of a file, with one instrument alarm for each tag they watch. */
import type { AlarmConfig } from '../../core/alarm.ts';
import { DEFAULT_MAX_SHELVE_MS } from '../../core/alarm.ts';
import type { Priority } from '../../core/event.ts';
import type { TagId } from '../../core/reading.ts';
import type { Rule } from '../rule.ts';
import { alarmRule } from './alarm.ts';

const PRIORITIES: readonly Priority[] = ['low', 'medium', 'high', 'critical'];

/** The id of a tag's instrument alarm: `press-1.oil-temp:instrument`, which no alarm of the file can have. */
export function instrumentIdOf(tag: TagId): string {
  return `${tag.replace('/', '.')}:instrument`;
}

/** The rules of a file's alarms, and for each tag they watch one for its instrument. */
export function alarmRules(alarms: readonly AlarmConfig[]): Rule[] {
  return [...alarms, ...instrumentAlarms(alarms)].map((config) => alarmRule(config) as Rule);
}

/**
 * One instrument alarm for each tag that has an alarm on its value, however many those are: a dead sensor is one fault.
 * It is as important as the most important of them, waits as long as the quickest of them may, is suppressed only when
 * all of them are by the same gate, and needs no acknowledgement. An alarm on stale readings tells of a dead instrument
 * by itself.
 */
export function instrumentAlarms(alarms: readonly AlarmConfig[]): AlarmConfig[] {
  const byTag = new Map<TagId, AlarmConfig[]>();
  for (const alarm of alarms) {
    if (alarm.condition.kind === 'stale' || alarm.condition.kind === 'instrument') continue;
    byTag.set(alarm.tag, [...(byTag.get(alarm.tag) ?? []), alarm]);
  }
  return [...byTag].map(([tag, watching]) => {
    const gates = watching.map((alarm) => alarm.while);
    const [gate] = gates;
    const shared = gates.every((other) => other?.tag === gate?.tag && other?.equals === gate?.equals);
    return {
      id: instrumentIdOf(tag),
      tag,
      condition: { kind: 'instrument' },
      unit: watching[0]?.unit,
      deadband: 0,
      onDelayMs: Math.min(...watching.map(({ onDelayMs }) => onDelayMs)),
      offDelayMs: 0,
      priority: PRIORITIES[Math.max(...watching.map(({ priority }) => PRIORITIES.indexOf(priority)))]!,
      latch: false,
      ack: false,
      message: undefined,
      while: shared ? gate : undefined,
      set: undefined,
      maxShelveMs: DEFAULT_MAX_SHELVE_MS,
    };
  });
}
