import type { Table } from './map/address.ts';
import type { ReadBlock } from './map/plan.ts';
import type { Range, Ranges } from './ranges.ts';

/** Refusals in a row, and the time from the first to the last of them, before a register that worked is written off. */
export const STRIKES = 5;
export const STRIKES_SPAN_MS = 30_000;

/** First and longest wait before a hole or a cut is tried again. */
export const PROBE_MIN_MS = 60_000;
export const PROBE_MAX_MS = 3_600_000;

/** With several cuts of one table due, each is lifted for this long in turn: were all lifted, one bad gap would hide the rest. */
export const PROBE_TURN_MS = 10_000;

/** Most cuts, holes, doubts and readable ranges kept of one table; more are not learned. */
export const MAX_ENTRIES = 512;
/** Most (unit, table) pairs remembered: 247 units of 4 tables fit. */
export const MAX_TABLES = 1024;

/** A place that is left out until `probeAtMs`, and how long it is left out after the next refusal. */
export interface Barrier extends Range {
  readonly probeAtMs: number;
  readonly delayMs: number;
  /** What was refused when the barrier was made. */
  readonly within: Range;
}

/** Refusals in a row of something that worked before. */
export interface Doubt extends Range {
  readonly strikes: number;
  readonly sinceMs: number;
}

/** What is known of one table of one unit. */
export interface TableMemory {
  readonly unit: number;
  readonly table: Table;
  readonly worked: Ranges;
  /** Tags that are refused by themselves. */
  readonly holes: readonly Barrier[];
  /** Places that no request may pass over; `start` equals `end`. */
  readonly cuts: readonly Barrier[];
  readonly doubts: readonly Doubt[];
}

/** Everything learned of the devices of one line. Immutable; JSON-serialisable through `toStored`. */
export interface HoleMemory {
  readonly tables: ReadonlyMap<string, TableMemory>;
}

/** What of a request matters here. */
export type AskedBlock = Pick<ReadBlock, 'unit' | 'table' | 'start' | 'count' | 'members' | 'values'>;

/** Nothing learned yet. */
export const noHoles: HoleMemory = { tables: new Map() };
