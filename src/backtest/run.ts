/** Runs the rules of a configuration over recorded readings on a simulated clock. */
import type { GatewayEvent } from '../core/event.ts';
import type { Instant } from '../core/reading.ts';
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import type { Judged } from '../rules/pipeline.ts';
import { createRuleSet, type RuleConfig, type RuleSet } from '../rules/rule-set.ts';
import type { SpcState } from '../rules/spc/state.ts';
import type { Played } from './records.ts';
import { type RuleSummary, summarise } from './summary.ts';

/** What rules would have said of a series of readings. */
export interface BacktestResult {
  readonly events: readonly GatewayEvent[];
  readonly summary: readonly RuleSummary[];
  /** Reports of maintenance at the end, in the order of the file. */
  readonly maintenance: readonly MaintenanceReport[];
  readonly readings: number;
  /** UTC ms of the first and the last reading; undefined when there were none. */
  readonly span: { readonly fromMs: number; readonly toMs: number } | undefined;
}

/**
 * Runs the rules of a configuration over readings, as they would have run live: the same code, with the time of the
 * readings for a clock, timers and all. Nobody acknowledges or resets anything. Time ends with the last reading: a
 * delay that would have ended later is not known to have.
 */
export function runBacktest(config: RuleConfig, played: Iterable<Played>): BacktestResult {
  // What is stored of a record does not matter here, so that nothing is left out.
  const judging: RuleConfig = { ...config, policies: new Map() };
  const states = new Map<string, unknown>();
  const events: GatewayEvent[] = [];
  let rules: RuleSet = createRuleSet(judging, new Map());
  let readings = 0;
  let first: Instant | undefined;
  let last: Instant | undefined;
  const take = ({ findings, states: changed }: Judged): void => {
    for (const { finding, at, clockKnown } of findings)
      if (finding.kind === 'event') events.push({ ...at, clockKnown, body: finding.body });
    for (const [key, state] of changed) states.set(key, state);
  };
  for (const each of played) {
    if (each === 'restart') {
      if (last) take(rules.pipeline.tick(last, true));
      const stored = new Map([...states].map(([key, state]) => [key, JSON.stringify(state)]));
      rules = createRuleSet(judging, stored);
      continue;
    }
    readings += each.fields.length;
    first ??= each.at;
    if (!last || each.at.monoMs >= last.monoMs) last = each.at;
    take(rules.pipeline.accept(each));
  }
  if (last) take(rules.pipeline.tick(last, true));
  if (last)
    for (const item of rules.maintenance)
      take(rules.pipeline.change(item.key, (state) => item.rule.end(state, last!), last, true));
  const span = first && last && { fromMs: first.wallMs, toMs: last.wallMs };
  const points = new Map(
    rules.charts.map(({ config: { id }, key }) => [id, (rules.pipeline.stateOf(key) as SpcState).point]),
  );
  const maintenance = rules.maintenance.map(({ key, rule }) => rule.report(rules.pipeline.stateOf(key)));
  return { events, maintenance, summary: summarise(rules, points, events, span?.toMs ?? 0), readings, span };
}
