/** What the API needs of the rules, as types: alarms, orders and control charts. */
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import type { MeasuredAlarm, Orderer } from '../rules/engine.ts';
import type { Order } from '../rules/rule.ts';

export type { MeasuredAlarm as AlarmView, Orderer } from '../rules/engine.ts';
export type { Order as AlarmOrder } from '../rules/rule.ts';

/** All alarms in the API. `floodForMs`: how long more of them come than anybody can answer; undefined: they do not. */
export interface AlarmsView {
  readonly alarms: readonly MeasuredAlarm[];
  readonly floodForMs: number | undefined;
}

/** Words of {@link Order}. */
export const ALARM_ORDERS = ['ack', 'shelve', 'unshelve', 'reset', 'out-of-service', 'in-service'] as const;

/** A question to the journal: events from a time on, or from a number on, oldest first. */
export interface EventQuery {
  /** UTC ms; undefined: the last ones. */
  readonly fromMs: number | undefined;
  /** Continue after this number. */
  readonly afterSeq: number | undefined;
  readonly limit: number;
}

/** One page of the journal, each event as on the wire. `next` is the `after` of the next page; absent at the end. */
export interface EventsPage {
  readonly events: readonly JsonEvent[];
  readonly next: number | undefined;
}

/** An event as on the wire. */
export interface JsonEvent {
  readonly seq: number;
  readonly t: number;
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** One point of a control chart. Lines are absent while the baseline is collected; a bad or missing point has no value. */
interface ChartPointView {
  readonly point: number;
  readonly value: number | null;
  readonly center?: number;
  readonly lcl?: number;
  readonly ucl?: number;
  readonly rules: readonly string[];
}

/** A control chart in the API. */
export interface ChartView {
  readonly id: string;
  readonly tag: string;
  readonly chart: string;
  readonly unit: string | undefined;
  /** 1: the baseline is collected; 2: points are judged by frozen limits. */
  readonly phase: 1 | 2;
  readonly baseline: { readonly collected: number; readonly needed: number };
  /** Version of the limits; undefined in phase 1. */
  readonly limits: number | undefined;
  readonly lines: { readonly center: number; readonly lcl: number; readonly ucl: number } | undefined;
  /** Rules that hold at the last point. */
  readonly signals: readonly string[];
  readonly capability: CapabilityView;
  readonly points: readonly ChartPointView[];
  /** The chart as text, as wide and high as was asked for; undefined: not asked for. */
  readonly text: string | undefined;
}

/** An index with its confidence interval (95 %). */
export interface IndexView {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What a process can do, or why that is not said. */
export interface CapabilityView {
  readonly status: 'published' | 'provisional' | 'withheld';
  readonly reasons: readonly string[];
  /** Cp, Cpk and the like, by their names in lower case. */
  readonly indices: Readonly<Record<string, IndexView>>;
}

/** What of the rules the API serves. Orders are on the disk when they resolve; they reject with a `Fault` that says why they are refused. */
export interface RulesView {
  alarms(): AlarmsView;
  orderAlarm(id: string, order: Order, orderer: Orderer): Promise<void>;
  events(query: EventQuery): Promise<EventsPage>;
  /** Undefined when there is no chart of this name. `size`: draw it too, in characters. */
  chart(name: string, size?: { readonly columns: number; readonly rows: number }): ChartView | undefined;
  charts(): readonly string[];
  /** The reports of maintenance, in the order of the file. */
  maintenance(): readonly MaintenanceReport[];
  /** The work of an item was done: it begins anew. */
  maintenanceDone(name: string, orderer: Orderer): Promise<void>;
  rebaseChart(name: string, orderer: Orderer): Promise<void>;
  /** Takes points out of the baseline of a chart, which gives it new limits. */
  excludePoints(name: string, points: readonly number[], orderer: Orderer): Promise<void>;
}
