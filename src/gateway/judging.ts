/** Runs the rules over what is polled, and keeps their states in the store. */
import { type Config, tagsOf } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { DeviceRecord, TagId } from '../core/reading.ts';
import { MEASURES_KEY } from '../rules/alarm/alarm-measures.ts';
import { type EngineParts, RuleEngine } from '../rules/engine.ts';
import { createRuleSet, type RuleConfig, type RuleSet } from '../rules/rule-set.ts';
import { begunAnew, succeed } from '../rules/succession.ts';

/** What rules are run with. */
interface JudgingParts extends Pick<EngineParts, 'commit' | 'drive' | 'onReadings'> {
  readonly clock: Clock;
}

/** The rules at work. Records are judged in the order they come in, each once, by the rules that are in force then. */
export interface Judging {
  engine(): RuleEngine;
  accept(record: DeviceRecord): void;
  start(): void;
  /**
   * Puts the rules of another configuration in force, between two records. Rules that are the same go on as they stand.
   *
   * @param changed tags whose values mean something else than before, or that are gone
   * @returns states of the rules before, and which of them the new rules will overwrite though they made no use of them
   */
  swap(config: Config, memory: RuleMemory, changed: ReadonlySet<TagId>): Left;
  stop(): void;
}

/** What rules leave behind: states by key, JSON texts. */
interface Left {
  readonly texts: ReadonlyMap<string, string>;
  readonly overwritten: ReadonlyMap<string, string>;
}

/**
 * States by key, JSON texts: `stored` of rules that are not running now; `kept` to be preferred where rules began anew
 * meanwhile.
 */
interface RuleMemory {
  readonly stored: ReadonlyMap<string, string>;
  readonly kept: ReadonlyMap<string, string>;
}

/** The rules of a configuration, going on from stored states. */
export function createJudging(config: Config, stored: ReadonlyMap<string, string>, parts: JudgingParts): Judging {
  let rules: RuleSet = createRuleSet(ruleConfigOf(config), stored);
  let engine = new RuleEngine({ ...parts, rules, measured: stored.get(MEASURES_KEY) });
  return {
    engine: () => engine,
    accept: (record) => engine.accept(record),
    start: () => engine.start(),
    swap(next, memory, changed) {
      const succession = succeed(rules, ruleConfigOf(next), memory, changed);
      const before = engine;
      before.stop();
      const left = { texts: rules.pipeline.texts(), overwritten: begunAnew(rules, succession.rules) };
      rules = succession.rules;
      engine = new RuleEngine({ ...parts, rules }, { engine: before, succession });
      engine.start();
      return left;
    },
    stop: () => engine.stop(),
  };
}

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
