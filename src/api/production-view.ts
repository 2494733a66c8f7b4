/** What the API needs of production, as types: reports of machines, and reasons of stops. */
import type { ProductionComparison, ProductionReport, StopReason } from '../core/production/production.ts';
import type { Orderer } from './rules-view.ts';

/** A span of shifts: those that begin in a month (`2026-11`), or that have any time between two instants, UTC ms. */
export type ShiftsQuery =
  | { readonly by: 'month'; readonly month: string }
  | { readonly by: 'span'; readonly fromMs: number; readonly toMs: number };

/** Which report is wanted: of the shift that runs, of one by its name and local day, or of several together. */
export type ProductionQuery =
  | { readonly by: 'now' }
  | { readonly by: 'shift'; readonly shift: string; readonly date: string }
  | ShiftsQuery;

/** What a person says of a stop. */
interface StopOrder extends Orderer {
  /** Code or name of the reason. */
  readonly code: string;
  /** Number of the stop; undefined: the one that goes on, or else the last. */
  readonly stop: number | undefined;
  /** Splits the stop there, UTC ms; the reason is that of the part from then on. */
  readonly fromMs: number | undefined;
  /** Joins the stop with the next one, whose number this is. */
  readonly join: number | undefined;
}

/** A reason with its code. */
export interface CodedReason extends StopReason {
  readonly code: string;
}

/** What of production the API serves. What is asked of an unknown machine, or is not there, rejects with a `Fault`. */
export interface ProductionView {
  machines(): readonly string[];
  /** The reasons that a stop of a machine may be given, as the file has them. */
  reasons(name: string): readonly CodedReason[];
  report(name: string, query: ProductionQuery): Promise<ProductionReport>;
  /** One report a shift, oldest first. */
  shifts(name: string, query: ShiftsQuery): Promise<readonly ProductionReport[]>;
  /** Months, such as `2026-11`. */
  compare(name: string, month: string, against: string): Promise<ProductionComparison>;
  /** On the disk when it resolves. */
  code(name: string, order: StopOrder): Promise<void>;
}
