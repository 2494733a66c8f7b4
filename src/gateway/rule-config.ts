/** Takes out of a configuration what decides what is made of readings. */
import type { Config, TagConfig } from '../config/config.ts';
import type { RuleConfig } from '../rules/rule-set.ts';

/** What of a configuration decides what is made of readings. */
export function ruleConfigOf({ channels, derived, alarms, spc }: Config): RuleConfig {
  const read = channels.flatMap(({ devices }) => devices.flatMap((device) => device.tags));
  const all: readonly TagConfig[] = [...read, ...derived.map(({ tag }) => tag)];
  const exceptional = all.filter(({ deadband, heartbeatMs }) => deadband !== undefined || heartbeatMs !== undefined);
  return {
    alarms,
    spc,
    derived: derived.map(({ tag: { tag, min, max }, expression }) => {
      const { id, device, name } = tag;
      return { id, device, name, expression, min, max };
    }),
    counters: new Set(read.filter(({ counter }) => counter).map(({ tag }) => tag.id)),
    policies: new Map(exceptional.map(({ tag, deadband, heartbeatMs }) => [tag.id, { deadband, heartbeatMs }])),
  };
}
