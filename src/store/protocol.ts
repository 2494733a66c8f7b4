/** The messages between the store's thread and its callers, as types. */
import type { Fault } from '../core/errors.ts';
import type { ChainPlaces } from '../core/event.ts';
import type { WallOffset } from './format/restamp.ts';
import type { Machine } from './repair/restored.ts';
import type { MergedMinutes } from './rollup/rollup.ts';
import type { RollupCursor } from './rollup/rollup-files.ts';
import type {
  CommitBatch,
  ForgottenUplink,
  HistoryPage,
  HistoryQuery,
  LedgerEntry,
  Pending,
  Receipt,
  StoreStatus,
  Stream,
} from './store.ts';

/** Both clocks of the caller; the engine has none of its own. */
export interface Now {
  readonly wallMs: number;
  readonly monoMs: number;
}

/** A commit with its records and events already encoded, so that the engine never looks into them. */
export interface EncodedCommit {
  readonly readings:
    | {
        readonly count: number;
        readonly minWallMs: number;
        readonly maxWallMs: number;
        readonly body: Uint8Array<ArrayBuffer>;
      }
    | undefined;
  readonly events:
    | { readonly count: number; readonly body: Uint8Array; readonly chain: ChainPlaces | undefined }
    | undefined;
  readonly states: readonly (readonly [string, string | null])[];
  readonly dropped: CommitBatch['dropped'];
  readonly droppedEvents: CommitBatch['droppedEvents'];
}

/** One stored body, inflated: the records or events of one commit, the first of which has number `first`. */
export interface Piece {
  readonly first: number;
  readonly count: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Bodies that cover consecutive numbers from `from` on; `next` is where to go on. */
export interface Pieces {
  readonly from: number;
  readonly pieces: readonly Piece[];
  readonly next: number;
}

/** Records as JSON; the commas between them belong to none. Columns, so that they cross to another thread in one piece. */
export interface Texts {
  readonly from: number;
  readonly next: number;
  readonly page: Uint8Array<ArrayBuffer>;
  /** Where each record ends on the page; each begins one byte after the end of the one before, the first at 0. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly fields: Uint32Array<ArrayBuffer>;
  readonly wallMs: Float64Array<ArrayBuffer>;
}

/** A slice of history; all numbers up to `scannedTo` were looked at, or everything where it is undefined. */
export interface HistorySlice {
  readonly points: HistoryPage['points'];
  readonly scannedTo: number | undefined;
}

/** A slice of roll-ups; cells and minutes can come in parts and in any order. */
export interface RollupSlice extends MergedMinutes {
  readonly next: RollupCursor | undefined;
}

/** What the engine answers to, by name. All of it is data, so that it can cross to another thread. */
export interface Calls {
  commit: { ask: EncodedCommit; answer: Receipt };
  peek: { ask: { stream: Stream; from: number; limit: number }; answer: Pieces };
  /** `offset`: what the caller knows of this run's clock, whether or not it was noted already. */
  texts: { ask: { from: number; limit: number; offset: WallOffset | undefined }; answer: Texts };
  pending: { ask: { uplink: string; stream: Stream }; answer: Pending };
  settle: { ask: { uplink: string; stream: Stream; pending: Pending }; answer: undefined };
  /** Says what became known of this run's clock; again when more records turn out to need it. */
  restamp: { ask: WallOffset; answer: undefined };
  /** Makes cursors durable. */
  flush: { ask: undefined; answer: undefined };
  quarantine: { ask: Omit<LedgerEntry, 'id' | 'enteredWallMs' | 'cause'>; answer: undefined };
  keepUplinks: { ask: { names: readonly string[]; witnesses: readonly string[] }; answer: readonly ForgottenUplink[] };
  ledger: { ask: number; answer: readonly LedgerEntry[] };
  states: { ask: undefined; answer: ReadonlyMap<string, string> };
  history: { ask: HistoryQuery; answer: HistorySlice };
  rollups: {
    ask: {
      readonly tag: string;
      readonly span: { readonly first: number; readonly last: number };
      /** Minutes a cell. */
      readonly every: number;
      readonly after: RollupCursor | undefined;
    };
    answer: RollupSlice;
  };
  /** The number of the first record that can be of this time, UTC ms, or later. */
  seek: { ask: number; answer: number };
  status: { ask: undefined; answer: StoreStatus };
  close: { ask: undefined; answer: undefined };
}

/** Name of a call. */
export type CallName = keyof Calls;

/** One question to the engine. */
type Ask = { [Name in CallName]: { readonly name: Name; readonly ask: Calls[Name]['ask'] } }[CallName];

/** What the engine is opened with. */
export interface EngineOptions {
  /** Folder of the store. */
  readonly path: string;
  readonly maxBytes: number;
  readonly cursorEveryMs: number;
  readonly replayMs: number;
  /** Where the store is opened; one that was last opened elsewhere is a copy. */
  readonly machine: Machine;
}

/** What opening found; the log lines are for the technician. */
export interface Opened {
  readonly epoch: string;
  readonly offsets: readonly WallOffset[];
  readonly notices: readonly string[];
}

/** To the worker. */
export type ToWorker =
  | { readonly kind: 'open'; readonly id: number; readonly options: EngineOptions; readonly now: Now }
  | { readonly kind: 'ask'; readonly id: number; readonly now: Now; readonly question: Ask };

/** From the worker. */
export type FromWorker =
  | { readonly id: number; readonly ok: true; readonly answer: unknown; readonly notices: readonly string[] }
  | { readonly id: number; readonly ok: false; readonly error: WireError; readonly notices: readonly string[] };

/** An error as data. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly fault: Pick<Fault, 'what' | 'remedy' | 'code'> | undefined;
  readonly stack: string | undefined;
}

/**
 * Where calls go: an engine in this thread, or one in another. Answers come in the order of the calls, save those
 * of reads that wait until a damaged segment was saved.
 */
export interface Backend {
  readonly epoch: string;
  /** What became known of clocks in earlier runs. */
  readonly offsets: readonly WallOffset[];
  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer']>;
  /** Closes the engine and whatever it runs in. */
  close(): Promise<void>;
}
