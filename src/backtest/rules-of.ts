/** Takes out of a configuration the rules that a backtest runs. */
import type { Config } from '../config/config.ts';
import { tagsIn } from '../core/expression.ts';
import type { TagId } from '../core/reading.ts';
import { ruleConfigOf as liveRulesOf } from '../gateway/rule-config.ts';
import type { RuleConfig } from '../rules/rule-set.ts';

/**
 * The rules of a configuration for recorded readings. A computed tag that was recorded without the tags it is computed
 * from is taken as it was recorded.
 *
 * @param recorded tags there are readings of; undefined: all that the configuration reads
 */
export function ruleConfigOf(config: Config, recorded: ReadonlySet<TagId> | undefined): RuleConfig {
  const rules = liveRulesOf(config);
  if (!recorded) return rules;
  const available = new Set(recorded);
  const derived = rules.derived.filter(({ id, expression }) => {
    const isComputed = tagsIn(expression).every((tag) => available.has(tag)) || !recorded.has(id);
    available.add(id);
    return isComputed;
  });
  return { ...rules, derived };
}
