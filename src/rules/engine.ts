/** The rules at work: what was polled in, what is to be committed and shown out. */
import type { AlarmConfig } from '../core/alarm.ts';
import { type Clock, instantOf } from '../core/clock.ts';
import type { EventBody, GatewayEvent } from '../core/event.ts';
import type { ProductionReport } from '../core/production/production.ts';
import type { DeviceRecord, TagId, Value } from '../core/reading.ts';
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import type { StockReport } from '../core/rules/scanned.ts';
import {
  type AlarmMeasures,
  chattering,
  firstOut,
  keptMeasures,
  MEASURES_KEY,
  measure,
  measuresAt,
  measuresOf,
  restoredMeasures,
  staleAlarms,
} from './alarm/alarm-measures.ts';
import { type AlarmStatus, alarmStatus } from './alarm/describe.ts';
import type { AlarmRuleState } from './alarm/state.ts';
import { ChartMemory, type ChartPoint, edgeLines } from './chart-memory.ts';
import type { Demand } from './outputs.ts';
import type { Judged } from './pipeline.ts';
import { emptyReport } from './production/figures.ts';
import type { Coding, Refusal } from './production/reasons.ts';
import type { ShiftCalendar } from './production/shifts.ts';
import type { ProductionState } from './production/state.ts';
import type { Order } from './rule.ts';
import type { RuleSet } from './rule-set.ts';
import type { StockOrder, StockState } from './scanned/stock-rule.ts';
import type { Changed, SpcRule, SpcStatus } from './spc/rule.ts';
import type { SpcState } from './spc/state.ts';
import type { Succession } from './succession.ts';

/** What the engine hands on: everything of one input, to be committed as one. */
export interface Verdict {
  readonly records: readonly DeviceRecord[];
  readonly events: readonly GatewayEvent[];
  readonly states: ReadonlyMap<string, unknown>;
}

/** Where the engine lives. */
export interface EngineParts {
  readonly rules: RuleSet;
  readonly clock: Clock;
  /** What was measured of the alarms before the start, as it was stored. */
  readonly measured?: string | undefined;
  /** Gets everything that was read or computed, whether it is news or not. */
  readonly onReadings: (record: DeviceRecord) => void;
  readonly commit: (verdict: Verdict) => void;
  /** Drives an output for the rule `by`; after the commit, and without waiting. */
  readonly drive: (tag: TagId, value: Value, by: string) => void;
}

/** An alarm as it stands, with what is measured of it. */
export interface MeasuredAlarm extends AlarmStatus {
  readonly chattering: boolean;
  /** Active for more than a day. */
  readonly stale: boolean;
  /** Came first of the alarms of its device that stand. */
  readonly firstOut: boolean;
}

/** All alarms, with what is measured of them together. */
interface AlarmOverview {
  readonly alarms: readonly MeasuredAlarm[];
  /** Monotonic ms since when more alarms come than anybody can answer; undefined: no flood. */
  readonly floodSinceMs: number | undefined;
}

/** A chart as it stands, with its last points. */
export interface ChartOverview {
  readonly tag: TagId;
  readonly chart: string;
  readonly status: SpcStatus;
  readonly lines: { readonly center: number; readonly lcl: number; readonly ucl: number } | undefined;
  readonly points: readonly ChartPoint[];
}

/** A machine's production as it stands. */
interface MachineOverview {
  /** Of the shift that runs, or else of the last one. */
  readonly report: ProductionReport;
  readonly isRunning: boolean;
  /** What is said of a span of which nothing is known. */
  readonly empty: ProductionReport;
  readonly shiftOn: ShiftCalendar['on'];
  readonly midnight: ShiftCalendar['midnight'];
}

/** Who orders something, as it goes into the journal. */
export interface Orderer {
  readonly by: string;
  readonly comment?: string | undefined;
}

/** An engine whose rules were succeeded by others: it was stopped, and what it measured goes on. */
interface Predecessor {
  readonly engine: RuleEngine;
  readonly succession: Succession;
}

/** Runs the rules in real time: readings in, timers by the clock, orders by operators. */
export class RuleEngine {
  private readonly parts: EngineParts;
  private readonly byId: ReadonlyMap<string, AlarmConfig>;
  private readonly memories = new Map<string, ChartMemory>();
  private measures: AlarmMeasures;
  private armedMs: number | undefined;
  private disarm: (() => void) | undefined;
  private isOver = false;

  private readonly released: readonly Demand[];

  /** @param before whose place it takes; none at the start */
  constructor(parts: EngineParts, before?: Predecessor) {
    this.parts = parts;
    this.byId = new Map(parts.rules.alarms.map((alarm) => [alarm.id, alarm]));
    for (const { config, key } of parts.rules.charts) {
      const known = before?.succession.same.has(key) ? before.engine.memories.get(key) : undefined;
      this.memories.set(key, known ?? new ChartMemory(config, parts.rules.pipeline.stateOf(key) as SpcState));
    }
    this.measures = before
      ? measuresOf(before.engine.measures, (id) => this.byId.has(id))
      : restoredMeasures(
          parts.measured,
          parts.rules.alarms.map((alarm) => this.statusOf(alarm)),
          instantOf(parts.clock),
        );
    this.released = before?.succession.released ?? [];
  }

  /** Begins restored timers and shows restored alarms on their outputs; lets go of those that no rule holds any more. */
  start(): void {
    for (const { tag, to, by } of this.released) this.parts.drive(tag, to, by);
    this.tick();
  }

  /** Ends the timers. What comes in later is judged all the same. */
  stop(): void {
    this.isOver = true;
    this.disarm?.();
    this.disarm = undefined;
  }

  /** Judges a record as it was read. */
  accept(record: DeviceRecord): void {
    this.settle(this.parts.rules.pipeline.accept(record));
  }

  /** Carries out an operator's order; gives why not, with what to do instead. */
  order(id: string, order: Order, { by, comment }: Orderer): string | undefined {
    const { clock, rules } = this.parts;
    const at = instantOf(clock);
    const commanded = rules.pipeline.command(id, order, by, at, clock.known(), comment);
    const given = comment === undefined ? {} : { comment };
    const audit: GatewayEvent = {
      ...at,
      clockKnown: clock.known(),
      body: { kind: 'audit', what: `alarm-${order.do}`, id, by, ...given, message: `${id}: ${order.do} by ${by}` },
    };
    this.settle(commanded, commanded.refused === undefined ? [audit] : []);
    return commanded.refused;
  }

  /** Begins a new baseline of a chart; gives why not, with what to do instead. */
  rebase(name: string, asked: Orderer): string | undefined {
    return this.changeChart(name, (rule, state) => rule.rebase(state, asked));
  }

  /** Takes points with an assigned cause out of the baseline of a chart; gives why not, with what to do instead. */
  exclude(name: string, points: readonly number[], asked: Orderer): string | undefined {
    return this.changeChart(name, (rule, state) => rule.exclude(state, points, asked));
  }

  private changeChart(name: string, work: (rule: SpcRule, state: SpcState) => Changed): string | undefined {
    const chart = this.parts.rules.charts.find(({ config }) => config.id === name);
    if (!chart) return `there is no chart ${name}`;
    const { clock, rules } = this.parts;
    const changed = rules.pipeline.change(
      chart.key,
      (state) => work(chart.rule, state as SpcState),
      instantOf(clock),
      clock.known(),
    );
    this.settle(changed);
    return changed.refused;
  }

  /** The work of an item of maintenance was done; gives why not, with what to do instead. */
  maintenanceDone(name: string, asked: Orderer): string | undefined {
    const item = this.parts.rules.maintenance.find(({ config }) => config.id === name);
    if (!item) return `there is no item of maintenance ${name}`;
    const { clock, rules } = this.parts;
    const at = instantOf(clock);
    const changed = rules.pipeline.change(item.key, (state) => item.rule.done(state, at, asked), at, clock.known());
    const audit: EventBody = {
      kind: 'audit',
      what: 'maintenance-done',
      id: name,
      ...asked,
      message: `${name}: done, says ${asked.by}`,
    };
    this.settle(changed, [{ ...at, clockKnown: clock.known(), body: audit }]);
    return changed.refused;
  }

  /** The reports of all items of maintenance, in the order of the file. */
  maintenance(): MaintenanceReport[] {
    const { maintenance, pipeline } = this.parts.rules;
    return maintenance.map(({ key, rule }) => rule.report(pipeline.stateOf(key)));
  }

  /** The levels of all stocks, in the order of the file. */
  inventory(): StockReport[] {
    const { stocks, pipeline } = this.parts.rules;
    return stocks.map(({ key, rule }) => rule.report(pipeline.stateOf(key) as StockState));
  }

  /** Sets the level of an article to what was counted; gives why not, with what to do instead. */
  setStock(name: string, order: StockOrder): string | undefined {
    const stock = this.parts.rules.stocks.find(({ config }) => config.id === name);
    if (!stock) return `there is no stock ${name}`;
    const { clock, rules } = this.parts;
    const at = instantOf(clock);
    const work = (state: unknown) => {
      const { refused, ...step } = stock.rule.set(state as StockState, order, at);
      return refused === undefined ? step : { refused };
    };
    const changed = rules.pipeline.change(stock.key, work, at, clock.known());
    this.settle(changed);
    return changed.refused;
  }

  /** Every alarm, in the order of the file. */
  alarms(): AlarmOverview {
    const { clock, rules } = this.parts;
    const nowMs = clock.monoMs();
    this.measures = measuresAt(this.measures, nowMs);
    const all = rules.alarms.map((alarm) => this.statusOf(alarm));
    const noisy = new Set(chattering(this.measures, nowMs));
    const old = new Set(staleAlarms(all, clock.wallMs()));
    const first = new Set(firstOut(this.measures).values());
    return {
      floodSinceMs: this.measures.flood?.sinceMs,
      alarms: all.map((status) => ({
        ...status,
        chattering: noisy.has(status.id),
        stale: old.has(status),
        firstOut: first.has(status.id),
      })),
    };
  }

  /** A chart by its name; undefined when there is none. */
  chart(name: string): ChartOverview | undefined {
    const { charts, pipeline } = this.parts.rules;
    const chart = charts.find(({ config }) => config.id === name);
    if (!chart) return undefined;
    const { config, key, rule } = chart;
    const status = rule.status(pipeline.stateOf(key) as SpcState, true);
    const points = this.memories.get(key)!.all();
    return { tag: config.tag, chart: config.chart, status, lines: edgeLines(config, status.limits, points), points };
  }

  /** Names of the charts. */
  chartNames(): string[] {
    return this.parts.rules.charts.map(({ config }) => config.id);
  }

  /** A machine by its name, as it stands now; undefined when there is none. */
  machine(name: string): MachineOverview | undefined {
    const { machines, pipeline } = this.parts.rules;
    const machine = machines.find(({ config }) => config.id === name);
    if (!machine) return undefined;
    const { config, key, rule } = machine;
    const state = pipeline.stateOf(key) as ProductionState;
    const nowMs = this.parts.clock.wallMs();
    const { on: shiftOn, midnight } = rule.calendar;
    const isRunning = rule.isRunning(state, nowMs);
    return { report: rule.report(state, nowMs), isRunning, empty: emptyReport(config, nowMs), shiftOn, midnight };
  }

  /** Names of the machines whose production is counted. */
  machineNames(): string[] {
    return this.parts.rules.machines.map(({ config }) => config.id);
  }

  /** Gives a stop of a machine its reason; gives why not, with what to do instead. */
  codeStop(name: string, order: Coding): Refusal | undefined {
    const { clock, rules } = this.parts;
    const machine = rules.machines.find(({ config }) => config.id === name);
    if (!machine) return { refused: `there is no machine ${name}` };
    const at = instantOf(clock);
    let refusal: Refusal | undefined;
    const work = (state: unknown) => {
      const coded = machine.rule.code(state as ProductionState, order, at);
      if (coded.refused !== undefined) refusal = coded;
      return coded;
    };
    this.settle(rules.pipeline.change(machine.key, work, at, clock.known()));
    return refusal;
  }

  private statusOf(alarm: AlarmConfig): AlarmStatus {
    return alarmStatus(alarm, this.parts.rules.pipeline.stateOf(alarm.id) as AlarmRuleState);
  }

  private tick(): void {
    const { clock, rules } = this.parts;
    this.settle(rules.pipeline.tick(instantOf(clock), clock.known()));
  }

  private settle({ readings, records, findings, states: changed }: Judged, audits: readonly GatewayEvent[] = []): void {
    const { onReadings, commit, drive, clock } = this.parts;
    const measuredBefore = this.measures;
    for (const record of readings) onReadings(record);
    const events: GatewayEvent[] = [];
    for (const { finding, at, clockKnown } of findings) {
      if (finding.kind !== 'event') continue;
      events.push({ ...at, clockKnown, body: this.parts.rules.withJob(finding.body) });
      if (finding.body.kind === 'alarm' && this.byId.has(finding.body.id))
        this.measures = measure(this.measures, finding.body, at.monoMs);
    }
    events.push(...audits);
    const states =
      this.measures === measuredBefore
        ? changed
        : new Map([...changed, [MEASURES_KEY, keptMeasures(this.measures, instantOf(clock))] as const]);
    if (records.length > 0 || events.length > 0 || states.size > 0) commit({ records, events, states });
    for (const [key] of changed) this.memories.get(key)?.note(this.parts.rules.pipeline.stateOf(key) as SpcState);
    for (const { finding } of findings) if (finding.kind === 'set') drive(finding.tag, finding.to, finding.by);
    this.arm();
  }

  /** Sets the timer to the next time that a rule waits for. */
  private arm(): void {
    const nextMs = this.parts.rules.pipeline.nextWakeMs();
    if (nextMs === this.armedMs && this.disarm) return;
    this.disarm?.();
    this.disarm = undefined;
    this.armedMs = nextMs;
    if (nextMs === undefined || this.isOver) return;
    const { clock } = this.parts;
    this.disarm = clock.after(Math.max(0, nextMs - clock.monoMs()), () => {
      this.disarm = undefined;
      this.tick();
    });
  }
}
