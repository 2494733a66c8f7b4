/** Takes out of a configuration what decides what is made of readings. */
import { type Config, tagsOf } from '../config/config.ts';
import type { RuleConfig } from '../rules/rule-set.ts';

/** What of a configuration decides what is made of readings. */
export function ruleConfigOf(config: Config): RuleConfig {
  const { derived, alarms, spc, production, maintenance, parts, inventory } = config;
  const all = tagsOf(config);
  return {
    alarms,
    spc,
    production,
    maintenance,
    parts,
    inventory,
    derived: derived.map(({ tag: { tag, min, max }, expression }) => {
      const { id, device, name } = tag;
      return { id, device, name, expression, min, max };
    }),
    counters: new Set(all.filter(({ counter }) => counter).map(({ tag }) => tag.id)),
    // Without a deadband every reading is sent, so that a heartbeat adds nothing.
    policies: new Map(
      all.flatMap(({ tag, deadband, heartbeatMs }) =>
        deadband === undefined ? [] : [[tag.id, { deadband, heartbeatMs }] as const],
      ),
    ),
  };
}
