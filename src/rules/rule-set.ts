/** Makes all rules of a configuration, for the gateway, backtests and simulations alike. */
import type { AlarmConfig } from '../core/alarm.ts';
import type { EventBody } from '../core/event.ts';
import { tagsIn } from '../core/expression.ts';
import type { ProductionConfig } from '../core/production/production.ts';
import { splitTagId, type TagId } from '../core/reading.ts';
import type { MaintenanceConfig } from '../core/rules/maintenance.ts';
import type { InventoryConfig, PartsConfig } from '../core/rules/scanned.ts';
import type { SpcConfig } from '../core/spc.ts';
import { alarmRule } from './alarm/alarm.ts';
import { instrumentAlarms } from './alarm/instrument.ts';
import { Derivation, type DerivedTag } from './derivation.ts';
import { type MaintenanceRule, maintenanceRule } from './maintenance/maintenance-rule.ts';
import { Pipeline } from './pipeline.ts';
import { type ProductionRule, productionRule } from './production/rule.ts';
import type { ProductionState } from './production/state.ts';
import { ReportFilter, type ReportPolicy } from './report.ts';
import type { Rule } from './rule.ts';
import { partRule } from './scanned/part-rule.ts';
import { type StockRule, stockRule } from './scanned/stock-rule.ts';
import { type SpcRule, spcRule } from './spc/rule.ts';

/** The parts of a configuration that decide what is made of readings. */
export interface RuleConfig {
  readonly alarms: readonly AlarmConfig[];
  readonly spc: readonly SpcConfig[];
  /** Machines whose production is counted; absent: none. */
  readonly production?: readonly ProductionConfig[];
  readonly maintenance: readonly MaintenanceConfig[];
  /** Stations at which parts are judged, and stocks that are counted; absent: none. */
  readonly parts?: readonly PartsConfig[];
  readonly inventory?: readonly InventoryConfig[];
  /** Each after those it is computed from. */
  readonly derived: readonly DerivedTag[];
  /** Tags that only grow. */
  readonly counters: ReadonlySet<TagId>;
  /** Tags that are not always reported. */
  readonly policies: ReadonlyMap<TagId, ReportPolicy>;
}

/** An item of maintenance with its rule; the key is that of its state, as an alarm may have the same name. */
interface MaintenanceItem {
  readonly config: MaintenanceConfig;
  readonly key: string;
  readonly rule: MaintenanceRule;
}

/** A machine whose production is counted, with the key of its rule. */
interface Machine {
  readonly config: ProductionConfig;
  readonly key: string;
  readonly rule: ProductionRule;
}

/** Everything that judges, ready to go on from what was stored. */
export interface RuleSet {
  readonly config: RuleConfig;
  readonly derivation: Derivation | undefined;
  readonly pipeline: Pipeline;
  /** Those of the file, and one for the instruments of each device they need. */
  readonly alarms: readonly AlarmConfig[];
  readonly charts: readonly { readonly config: SpcConfig; readonly key: string; readonly rule: SpcRule }[];
  readonly machines: readonly Machine[];
  readonly maintenance: readonly MaintenanceItem[];
  /** An event with the job that its machine worked on, where a job is counted for the device of its tag. */
  readonly withJob: (body: EventBody) => EventBody;
  readonly stations: readonly { readonly config: PartsConfig; readonly key: string; readonly rule: Rule }[];
  readonly stocks: readonly { readonly config: InventoryConfig; readonly key: string; readonly rule: StockRule }[];
}

/** The key of a chart among the rules: an alarm may have the same name. */
function chartKey(name: string): string {
  return `spc:${name}`;
}

/** The same rules for the running gateway, for `backtest` and for the simulation. */
export function createRuleSet(config: RuleConfig, stored: ReadonlyMap<string, string>): RuleSet {
  const charts = config.spc.map((chart) => {
    const key = chartKey(chart.id);
    return { config: chart, key, rule: { ...spcRule(chart), id: key } };
  });
  const maintenance = config.maintenance.map((item) => {
    const key = `maintenance:${item.id}`;
    return { config: item, key, rule: { ...maintenanceRule(item), id: key } };
  });
  const machines = (config.production ?? []).map((machine) => {
    const key = `production:${machine.id}`;
    return { config: machine, key, rule: { ...productionRule(machine), id: key } };
  });
  const stations = (config.parts ?? []).map((station) => {
    const key = `parts:${station.id}`;
    return { config: station, key, rule: { ...partRule(station), id: key } as unknown as Rule };
  });
  const stocks = (config.inventory ?? []).map((stock) => {
    const key = `inventory:${stock.id}`;
    return { config: stock, key, rule: { ...stockRule(stock), id: key } };
  });
  const inputs = new Map(config.derived.map(({ id, expression }) => [id, tagsIn(expression)]));
  const alarms = [...config.alarms, ...instrumentAlarms(config.alarms, (tag) => inputs.get(tag) ?? [])];
  const rules = [
    ...alarms.map((alarm) => alarmRule(alarm) as Rule),
    ...charts.map(({ rule }) => rule as unknown as Rule),
    ...machines.map(({ rule }) => rule as unknown as Rule),
    ...maintenance.map(({ rule }) => rule),
    ...stations.map(({ rule }) => rule),
    ...stocks.map(({ rule }) => rule as unknown as Rule),
  ];
  const derivation = config.derived.length > 0 ? new Derivation(config.derived, config.counters, stored) : undefined;
  const pipeline = new Pipeline(rules, new ReportFilter(config.policies), stored, derivation);
  const withJob = jobsOf(machines, [...charts, ...maintenance], pipeline);
  return { config, derivation, pipeline, alarms, charts, machines, maintenance, stations, stocks, withJob };
}

/** Says of an event of an alarm, a chart or a condition which job the machine worked on: the one whose parts are counted on the same device. */
function jobsOf(
  machines: readonly Machine[],
  judged: readonly { readonly config: { readonly id: string; readonly tag: TagId } }[],
  pipeline: Pipeline,
): RuleSet['withJob'] {
  const deviceOf = (tag: TagId): string => splitTagId(tag)?.device ?? tag;
  const byDevice = new Map(
    machines.flatMap(({ config: { job, count }, key }) => (job === undefined ? [] : [[deviceOf(count.tag), key]])),
  );
  if (byDevice.size === 0) return (body) => body;
  const tags = new Map(judged.map(({ config: { id, tag } }) => [id, tag]));
  return (body) => {
    if (body.kind !== 'alarm' && body.kind !== 'spc' && body.kind !== 'maintenance') return body;
    const tag = body.kind === 'alarm' ? body.tag : tags.get(body.id);
    const key = tag === undefined ? undefined : byDevice.get(deviceOf(tag));
    const job = key === undefined ? null : (pipeline.stateOf(key) as ProductionState).job;
    return job === null ? body : { ...body, job };
  };
}
