/** Hands the states of rules over to those of a changed configuration. */
import { isDeepStrictEqual } from 'node:util';
import type { AlarmConfig } from '../core/alarm.ts';
import { tagsIn } from '../core/expression.ts';
import type { TagId } from '../core/reading.ts';
import { alarmRule } from './alarm/alarm.ts';
import type { DerivedTag } from './derivation.ts';
import type { Demand } from './outputs.ts';
import { createRuleSet, type RuleConfig, type RuleSet } from './rule-set.ts';

/** Rules of a new configuration that go on where those of the old one stood. */
export interface Succession {
  readonly rules: RuleSet;
  /** Rules that were taken over as they are: alarms by id, charts by key. */
  readonly same: ReadonlySet<string>;
  /** What outputs have to be set to because the rules that held them are no more. */
  readonly released: readonly Demand[];
}

/**
 * Makes the rules of another configuration without a break. A rule that is the same, on tags that mean the same, goes on
 * with its delays, windows and counts; any other begins from its stored state, as after a restart. Nothing may be given
 * to the old rules afterwards.
 *
 * @param config the new configuration
 * @param memory.stored states by key, JSON texts, for rules that are not running now
 * @param memory.kept states that rules had when they last ran, should what runs now be of no use to them
 * @param changed tags whose values mean something else than before, or that are gone
 */
export function succeed(
  before: RuleSet,
  config: RuleConfig,
  { stored, kept }: { readonly stored: ReadonlyMap<string, string>; readonly kept: ReadonlyMap<string, string> },
  changed: ReadonlySet<TagId>,
): Succession {
  const unsteady = withDerived(before.config.derived, config.derived, changed);
  const rules = createRuleSet(config, withKept(new Map([...stored, ...before.pipeline.texts()]), kept));
  const derivedIds = new Set(config.derived.map(({ id }) => id));
  const sameDerived = new Set(
    [...derivedIds].filter((id) => !unsteady.has(id) && sameCounters(id, before.config, config)),
  );
  if (before.derivation) rules.derivation?.takeOver(before.derivation, sameDerived, (tag) => !unsteady.has(tag));
  const same = sameRules(before, rules, unsteady);
  const released = rules.pipeline.takeOver(before.pipeline, same, releasedBy(before, rules));
  return { rules, same, released };
}

/**
 * States with those in `kept` where what was stored since is of another series of points or another formula: then it
 * does not go on from what was kept, but began anew.
 */
export function withKept(
  stored: ReadonlyMap<string, string>,
  kept: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const all = new Map(stored);
  for (const [key, text] of kept) {
    const now = all.get(key);
    if (now === undefined || originOf(now) !== originOf(text)) all.set(key, text);
  }
  return all;
}

/** States of the rules before that the rules after made no use of, but began anew: they would be overwritten. */
export function begunAnew(before: RuleSet, after: RuleSet): ReadonlyMap<string, string> {
  const now = after.pipeline.texts();
  return new Map(
    [...before.pipeline.texts()].filter(([key, text]) => {
      const successor = now.get(key);
      return successor !== undefined && originOf(successor) !== originOf(text);
    }),
  );
}

/** What a state was made of, where it says so: a chart its series, totals their formula. */
function originOf(text: string): unknown {
  try {
    const state = JSON.parse(text) as { series?: unknown; of?: unknown } | null;
    return state?.series ?? state?.of;
  } catch {
    return undefined;
  }
}

/** The changed tags and every computed tag that is made of them, or by another formula, or is no more. */
function withDerived(
  before: readonly DerivedTag[],
  after: readonly DerivedTag[],
  changed: ReadonlySet<TagId>,
): ReadonlySet<TagId> {
  const unsteady = new Set(changed);
  const known = new Map(before.map((tag) => [tag.id, tag]));
  for (const { id } of before) if (!after.some((tag) => tag.id === id)) unsteady.add(id);
  // Each comes after those it is computed from.
  for (const { id, expression } of after)
    if (
      !isDeepStrictEqual(known.get(id)?.expression, expression) ||
      tagsIn(expression).some((input) => unsteady.has(input))
    )
      unsteady.add(id);
  return unsteady;
}

/** Whether the inputs of a formula are counters exactly where they were. */
function sameCounters(id: TagId, before: RuleConfig, after: RuleConfig): boolean {
  const expression = after.derived.find((tag) => tag.id === id)?.expression;
  return !!expression && tagsIn(expression).every((input) => before.counters.has(input) === after.counters.has(input));
}

/** Whether an alarm judges as before; how its values are written for a person does not matter. */
function isSameAlarm(before: AlarmConfig | undefined, after: AlarmConfig): boolean {
  return before !== undefined && isDeepStrictEqual({ ...before, shown: undefined }, { ...after, shown: undefined });
}

function sameRules(before: RuleSet, after: RuleSet, unsteady: ReadonlySet<TagId>): ReadonlySet<string> {
  const same = new Set<string>();
  for (const alarm of after.alarms) {
    const known = before.alarms.find(({ id }) => id === alarm.id);
    if (isSameAlarm(known, alarm) && !alarmRule(alarm).tags.some((tag) => unsteady.has(tag))) same.add(alarm.id);
  }
  for (const list of ['charts', 'maintenance', 'machines', 'stations', 'stocks'] as const)
    for (const { config, key, rule } of after[list]) {
      const known = before[list].find((each) => each.key === key);
      if (isDeepStrictEqual(known?.config, config) && !rule.tags.some((tag) => unsteady.has(tag))) same.add(key);
    }
  return same;
}

/** Outputs that alarms held which no longer do: each goes back to what the file said it goes back to. */
function releasedBy(before: RuleSet, after: RuleSet): Demand[] {
  return before.alarms.flatMap(({ id, set }): Demand[] => {
    const now = after.alarms.find((alarm) => alarm.id === id)?.set;
    if (!set || now?.tag === set.tag) return [];
    return [{ kind: 'set', tag: set.tag, to: set.back, by: id, holds: false }];
  });
}
