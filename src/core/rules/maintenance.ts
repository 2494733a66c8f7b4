/** Maintenance as the words of the whole program: what is watched, and the report of it. */
import type { Gate } from '../alarm.ts';
import type { TagId } from '../reading.ts';

/** Groups and mounts of ISO 10816-3:2009: 1 is above 300 kW, 2 from 15 to 300 kW. */
export interface VibrationClass {
  readonly group: 1 | 2;
  readonly mount: 'rigid' | 'flexible';
}

/** Zones of ISO 10816-3: A new, B long-term operation, C limited operation, D damage. */
export type Zone = 'A' | 'B' | 'C' | 'D';

/** A condition that creeps towards a limit: means of a tag, and the line through them. */
export interface LimitMaintenance {
  readonly kind: 'limit';
  /** Unique among the items of maintenance. */
  readonly id: string;
  readonly tag: TagId;
  readonly unit: string | undefined;
  /** Whether the value falls to its limit instead of rising to it. */
  readonly falling: boolean;
  /** In the unit of the tag, or as a multiple of the item's own baseline: the median of the means of its first time. */
  readonly limit: number | { readonly ratio: number; readonly baselineMs: number };
  readonly zones: VibrationClass | undefined;
  /** Length of the window of the trend, and of each mean in it, ms. */
  readonly trendMs: number;
  readonly perMs: number;
  /** It is due this long before the limit may be reached, ms. */
  readonly warnMs: number;
  /** Readings count only while it is open, so that equal is compared with equal. */
  readonly while: Gate | undefined;
}

/** Work that is due after so much use. */
export interface UsageMaintenance {
  /** Time in which the tag is on (ms), or what the tag counts: of a truth value, how often it comes on. */
  readonly kind: 'runtime' | 'cycles';
  readonly id: string;
  readonly tag: TagId;
  /** The interval: ms or cycles. */
  readonly every: number;
  /** It is due this much before the end of the interval, ms or cycles; undefined: at its end. */
  readonly warn: number | undefined;
  /** Scan period of the tag, ms; undefined where it is told of when it changes only. */
  readonly everyMs: number | undefined;
  /** Of cycles: whether the tag is a truth value, and where a counter starts again from 0. */
  readonly isSwitch: boolean;
  readonly modulus: number | undefined;
}

/** One item of maintenance, checked and complete. */
export type MaintenanceConfig = LimitMaintenance | UsageMaintenance;

/** How an item stands: nothing to do, to be planned, or too late. */
export type MaintenanceState = 'ok' | 'due' | 'overdue';

/** The report of an item, the same in events, on the API, in the command and in a backtest. Times are UTC ms. */
export interface MaintenanceReport {
  readonly id: string;
  readonly kind: MaintenanceConfig['kind'];
  /** Of a limit: the newest mean. */
  readonly value: number | null;
  readonly zone: Zone | null;
  readonly limit: number | null;
  /** Theil–Sen slope with its 95 % interval, in units of the tag a day. */
  readonly slopePerDay: number | null;
  readonly slopeLow: number | null;
  readonly slopeHigh: number | null;
  /** When the line reaches the limit, and the earliest and latest by the interval of the slope. */
  readonly reachesAt: number | null;
  readonly earliest: number | null;
  readonly latest: number | null;
  /** Of an interval of use: when it ends at the pace so far, or ended. */
  readonly dueAt: number | null;
  /** ms or cycles. */
  readonly used: number | null;
  readonly every: number | null;
  readonly state: MaintenanceState;
  /** Means in the window of the trend, or readings that were counted. */
  readonly samples: number;
  /** Why something is not said; null when all is. */
  readonly why: string | null;
}
