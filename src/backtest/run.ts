/** Runs the rules of a configuration over recorded readings on a simulated clock. */
import type { GatewayEvent } from '../core/event.ts';
import type { ProductionReport } from '../core/production/production.ts';
import type { Instant } from '../core/reading.ts';
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import type { StockReport } from '../core/rules/scanned.ts';
import type { Judged } from '../rules/pipeline.ts';
import { emptyReport, summedReport } from '../rules/production/figures.ts';
import type { ProductionState } from '../rules/production/state.ts';
import { createRuleSet, type RuleConfig, type RuleSet } from '../rules/rule-set.ts';
import type { StockState } from '../rules/scanned/stock-rule.ts';
import type { SpcState } from '../rules/spc/state.ts';
import type { Played } from './records.ts';
import { type RuleSummary, summarise } from './summary.ts';

/** What rules would have said of a series of readings. */
export interface BacktestResult {
  readonly events: readonly GatewayEvent[];
  readonly summary: readonly RuleSummary[];
  /** Of each machine all shifts that the readings are of, by its name. */
  readonly production: Readonly<Record<string, ProductionReport>>;
  /** Reports of maintenance at the end, in the order of the file. */
  readonly maintenance: readonly MaintenanceReport[];
  /** Levels of stocks at the end, in the order of the file. */
  readonly inventory: readonly StockReport[];
  readonly readings: number;
  /** UTC ms of the first and the last reading; undefined when there were none. */
  readonly span: { readonly fromMs: number; readonly toMs: number } | undefined;
}

/**
 * Runs the rules of a configuration over readings, as they would have run live: the same code, with the time of the
 * readings for a clock, timers and all. Nobody acknowledges or resets anything. Time ends with the last reading: a
 * delay that would have ended later is not known to have. Only a shift that ends before the next reading was due is closed.
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
      if (finding.kind === 'event') events.push({ ...at, clockKnown, body: rules.withJob(finding.body) });
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
  if (last) {
    take(rules.pipeline.tick(last, true));
    const { wallMs } = last;
    for (const { key, rule } of rules.machines)
      take(rules.pipeline.change(key, (state) => rule.finish(state as ProductionState, wallMs), last, true));
    for (const { key, rule } of rules.maintenance)
      take(rules.pipeline.change(key, (state) => rule.end(state, last!), last, true));
  }
  const span = first && last && { fromMs: first.wallMs, toMs: last.wallMs };
  const points = new Map(
    rules.charts.map(({ config: { id }, key }) => [id, (rules.pipeline.stateOf(key) as SpcState).point]),
  );
  const summary = summarise(rules, points, events, span?.toMs ?? 0);
  const production = productionOf(rules, events, span?.toMs ?? 0);
  const maintenance = rules.maintenance.map(({ key, rule }) => rule.report(rules.pipeline.stateOf(key)));
  const inventory = rules.stocks.map(({ key, rule }) => rule.report(rules.pipeline.stateOf(key) as StockState));
  return { events, summary, production, maintenance, inventory, readings, span };
}

/** The shifts that are over, and what there is of one that is not. */
function productionOf(
  { machines, pipeline }: RuleSet,
  events: readonly GatewayEvent[],
  endMs: number,
): Record<string, ProductionReport> {
  const reports = new Map<string, ProductionReport[]>();
  for (const { body } of events)
    if (body.kind === 'production' && body.report)
      reports.set(body.machine, [...(reports.get(body.machine) ?? []), body.report]);
  return Object.fromEntries(
    machines.map(({ config, key, rule }) => {
      const state = pipeline.stateOf(key) as ProductionState;
      const isOver = !rule.isRunning(state, endMs);
      const open = isOver ? [] : [rule.report(state, endMs)];
      return [config.id, summedReport([...(reports.get(config.id) ?? []), ...open], emptyReport(config, endMs))];
    }),
  );
}
