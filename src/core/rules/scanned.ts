/** Parts and stock as the words of the whole program: what is scanned, the results of a part, and the levels of a stock. */
import type { TagId, Value } from '../reading.ts';

/** A tag that holds what a barcode or RFID reader read. */
export interface ScanSource {
  readonly tag: TagId;
  /** Whether the tag is asked for again and again, so that only a new code is a scan; else each reading is one. */
  readonly isPolled: boolean;
}

/** One result of a part: the last reading of its tag while the part is there, within limits or equal to a value. */
export interface ResultConfig {
  readonly name: string;
  readonly tag: TagId;
  readonly unit: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly equals: Value | undefined;
}

/** A station at which parts with a serial number are judged, checked and complete. */
export interface PartsConfig {
  /** Unique among the stations. */
  readonly id: string;
  readonly serial: ScanSource;
  readonly results: readonly ResultConfig[];
  /** A part is finished when this comes on, or counts; undefined: when each of its results was read. */
  readonly done: TagId | undefined;
  /** What it is made for, such as an order or a lot. */
  readonly job: TagId | undefined;
  /** A part that is not finished within this time is recorded as it is. */
  readonly withinMs: number;
  /** What the reader says when it read nothing, in capitals. */
  readonly noRead: readonly string[];
}

/** How a result was judged; `missing`: it was not read, or what was read was bad. */
export type ResultVerdict = 'pass' | 'fail' | 'missing';

/** One result in the record of a part. */
export interface PartValue {
  readonly name: string;
  readonly tag: TagId;
  readonly value: Value | null;
  readonly unit?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly equals?: Value | undefined;
  readonly verdict: ResultVerdict;
}

/** An article that is kept in stock. */
export interface StockItem {
  /** What is scanned; with `*` at its end whatever begins so. */
  readonly code: string;
  readonly name: string | undefined;
  /** Below it a reorder is due; undefined: never. */
  readonly minimum: number | undefined;
  /** A reorder is over at this level. */
  readonly restocked: number;
  /** Pieces that one scan stands for. */
  readonly perScan: number;
  /** Pieces at the first start. */
  readonly start: number;
}

/** A stock that is counted by scans, checked and complete. */
export interface InventoryConfig {
  /** Unique among the stocks. */
  readonly id: string;
  readonly in: ScanSource | undefined;
  readonly out: ScanSource | undefined;
  /** The same code again within this time is the same scan, ms. */
  readonly repeatMs: number;
  readonly items: readonly StockItem[];
  readonly noRead: readonly string[];
}

/** The level of an article, the same in the API, the command, and a backtest. */
export interface StockLevel {
  readonly code: string;
  readonly name: string | null;
  readonly level: number;
  readonly minimum: number | null;
  /** Whether a reorder is due. */
  readonly reorder: boolean;
  /** Pieces that came in and went out since the first start. */
  readonly in: number;
  readonly out: number;
  /** UTC ms of the last scan or correction; null: none yet. */
  readonly at: number | null;
}

/** A stock with the levels of its articles, in the order of the file. */
export interface StockReport {
  readonly inventory: string;
  readonly items: readonly StockLevel[];
  /** Scans of codes that are not in the file, and scans in which nothing was read. */
  readonly unknown: number;
  readonly unread: number;
}
