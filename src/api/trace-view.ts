/** What the API needs of parts, corrections and stocks, as types. */
import type { StockReport } from '../core/rules/scanned.ts';
import type { PartRecord } from '../trace/corrections.ts';
import type { LotRun } from '../trace/genealogy.ts';

/** A correction of the record of a part, which is a record of its own. */
interface CorrectionOrder {
  /** Its number in the chain. */
  readonly record: number;
  readonly member: string;
  readonly to: string | null;
  readonly by: string;
  readonly comment: string;
}

/** How many parts a station judged since the start. */
export interface PartCounts {
  readonly station: string;
  readonly pass: number;
  readonly fail: number;
  readonly incomplete: number;
}

/** What of parts and stocks the API serves. Orders are on the disk when they resolve; they reject with a `Fault`. */
export interface TraceView {
  /** Records of parts, oldest first; without a serial number of all parts. */
  parts(query: { readonly serial: string | undefined; readonly fromMs: number }): Promise<readonly PartRecord[]>;
  /** Runs of lots, oldest first; without a lot all of them. @throws Fault where no machine and no station says which lot it makes */
  lots(query: { readonly lot: string | undefined; readonly fromMs: number | undefined }): Promise<readonly LotRun[]>;
  correct(order: CorrectionOrder): Promise<void>;
  /** Parts that each station judged since the start. */
  partCounts(): readonly PartCounts[];
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
