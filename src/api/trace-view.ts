/** What the API needs of parts, corrections and stocks, as types. */
import type { StockReport } from '../core/rules/scanned.ts';
import type { PartRecord } from '../trace/corrections.ts';

/** A correction of the record of a part, which is a record of its own. */
interface CorrectionOrder {
  /** Its number in the chain. */
  readonly record: number;
  readonly member: string;
  readonly to: string | null;
  readonly by: string;
  readonly comment: string;
}

/** What of parts and stocks the API serves. Orders are on the disk when they resolve; they reject with a `Fault`. */
export interface TraceView {
  /** Records of parts, oldest first; without a serial number of all parts. */
  parts(query: { readonly serial: string | undefined; readonly fromMs: number }): Promise<readonly PartRecord[]>;
  correct(order: CorrectionOrder): Promise<void>;
  inventory(): readonly StockReport[];
  /** Sets the level of an article of a stock to what was counted. */
  setStock(
    name: string,
    order: {
      readonly code: string;
      readonly level: number;
      readonly by: string;
      readonly comment?: string | undefined;
    },
  ): Promise<void>;
}
