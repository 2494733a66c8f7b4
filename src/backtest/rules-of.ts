/** Takes out of a configuration the rules that a backtest runs. */
import type { Config } from '../config/config.ts';
import { tagsIn } from '../core/expression.ts';
import type { ProductionConfig } from '../core/production/production.ts';
import type { TagId } from '../core/reading.ts';
import { ruleConfigOf as liveRulesOf } from '../gateway/rule-config.ts';
import type { RuleConfig } from '../rules/rule-set.ts';
import type { ReadingColumns } from './readings-file.ts';

/**
 * The rules of a configuration for recorded readings. A computed tag that was recorded without the tags it is computed
 * from is taken as it was recorded.
 *
 * @param recorded tags there are readings of; undefined: all that the configuration reads
 * @param readings of a file, whose pace tells what is a gap in it; undefined: those of the store
 */
export function ruleConfigOf(
  config: Config,
  recorded: ReadonlySet<TagId> | undefined,
  readings?: ReadingColumns,
): RuleConfig {
  const live = liveRulesOf(config);
  const production = config.production.map((machine) => ({
    ...machine,
    silenceMs: silenceOf(live.policies, machine, readings),
  }));
  const rules = { ...live, production };
  if (!recorded) return rules;
  const available = new Set(recorded);
  const derived = rules.derived.filter(({ id, expression }) => {
    const isComputed = tagsIn(expression).every((tag) => available.has(tag)) || !recorded.has(id);
    available.add(id);
    return isComputed;
  });
  return { ...rules, derived };
}

/** Readings of a file that are so many times further apart than nine of ten are have a gap between them. */
const PACES_OF_A_GAP = 3;

/**
 * How long a machine may be silent in recorded readings before its time has no data. A tag with a deadband is stored when
 * it moves only; a file has a pace of its own, whatever the period in the configuration.
 */
function silenceOf(
  policies: RuleConfig['policies'],
  machine: ProductionConfig,
  readings: ReadingColumns | undefined,
): number | undefined {
  const { running, count, silenceMs } = machine;
  if (silenceMs === undefined) return undefined;
  const policy = policies.get(running ?? count.tag);
  if (policy)
    return policy.heartbeatMs === undefined ? undefined : Math.max(silenceMs, PACES_OF_A_GAP * policy.heartbeatMs);
  if (!readings) return silenceMs;
  const { second, reason, job, energy } = machine;
  const tags = running === undefined ? [count.tag] : [running, count.tag, second?.tag, reason, job, energy?.tag];
  return Math.max(silenceMs, PACES_OF_A_GAP * paceOf(readings, new Set(tags)));
}

/** The time between two instants at which some of the tags were read that nine of ten are not longer than, ms. */
function paceOf(readings: ReadingColumns, tags: ReadonlySet<TagId | undefined>): number {
  const instants = new Set<number>();
  for (let index = 0; index < readings.length; index++) {
    const { device, name } = readings.tagAt(index);
    if (tags.has(`${device}/${name}`)) instants.add(readings.timeAt(index));
  }
  const times = Float64Array.from(instants).sort();
  const gaps = times
    .subarray(1)
    .map((at, index) => at - times[index]!)
    .sort();
  return gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * 0.9))] ?? 0;
}
