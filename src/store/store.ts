/** The contract of the store: what can be committed, read, settled and asked. */
import type { GatewayEvent } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { LOSSES } from '../core/quality.ts';
import type { DeviceRecord } from '../core/reading.ts';

/** The two numbered streams. Each has sequence numbers of its own, from 1, without unexplained gaps. */
export type Stream = 'readings' | 'events';

/**
 * Why a range is not there any more, or never was. `corrupt` counts what was given and cannot be read, `memory-full` what
 * was dropped before it was written. `skipped` numbers were passed over because nothing says how far the lost ones went.
 * `unsealed` is no loss to any uplink: quality records that were delivered left the store before a checkpoint that covers
 * them was.
 */
export type LossCause = keyof typeof LOSSES;

/**
 * A range that the gateway gave up, kept for ever. For `quarantined`, `uplink` is the one that refused it. Entries that
 * were told of are merged where they touch and agree in stream, cause and uplink.
 */
export interface LedgerEntry extends SeqRange {
  /** Rises in the order of entry, so that a reader can remember how far it told of them; a merged entry has its last. */
  readonly id: number;
  readonly stream: Stream;
  readonly count: number;
  readonly cause: LossCause;
  readonly uplink?: string;
  /** UTC ms of the first and the last record lost, where known. */
  readonly firstWallMs?: number;
  readonly lastWallMs?: number;
  /** UTC ms when it was entered. */
  readonly enteredWallMs: number;
  readonly detail?: string;
}

/** What is written in one transaction. */
export interface CommitBatch {
  readonly records: readonly DeviceRecord[];
  readonly events: readonly GatewayEvent[];
  /** States of rules and counters that changed, by key; values are JSON texts. Null removes a key. */
  readonly states: ReadonlyMap<string, string | null>;
  /** Records dropped before they were numbered, because the disk stalled and the memory ring was full. */
  readonly dropped?: { readonly count: number; readonly firstWallMs: number; readonly lastWallMs: number };
  /** Events that were dropped in the same way. */
  readonly droppedEvents?: CommitBatch['dropped'];
}

/** What `commit` gave: numbers of the first record and the first event. Durable when it resolves. */
export interface Receipt {
  readonly readings: SeqRange;
  readonly events: SeqRange;
}

/**
 * Consecutive records out of the store. `records[i]` has number `from + i`, where `from` is later than what was asked for
 * when that is not stored any more. Empty when what was asked for is past the head.
 */
interface StoredRecords {
  readonly from: number;
  readonly records: readonly DeviceRecord[];
  /** Where to go on. Greater than `from + records.length` when what follows is not stored any more. */
  readonly next: number;
}

/** One record as a JSON object on the wire: UTF-8 from `start` to `end` of a page that holds its neighbours too. */
export interface RecordText {
  /** Texts in the order of their numbers, a comma between them. */
  readonly page: Uint8Array;
  readonly start: number;
  /** Excluded; equal to `start` for a record that has no form in JSON. */
  readonly end: number;
  /** How many readings the record holds. */
  readonly fields: number;
  /** Time of the record, UTC ms. */
  readonly wallMs: number;
}

/** Consecutive records as text; see {@link StoredRecords}. */
export interface StoredTexts {
  readonly from: number;
  readonly texts: readonly RecordText[];
  readonly next: number;
}

/** Consecutive events; see {@link StoredRecords}. */
interface StoredEvents {
  readonly from: number;
  readonly events: readonly GatewayEvent[];
  readonly next: number;
}

/** What an uplink has not yet been confirmed, as ranges in order; the last is open (`to` = Infinity). */
export type Pending = readonly SeqRange[];

/** Ledger entries of one stream, cause and uplink together. */
export interface LossSum {
  readonly stream: Stream;
  readonly cause: LossCause;
  readonly uplink?: string;
  readonly count: number;
}

/**
 * Where the numbers of one stream went, for one uplink:
 * produced = delivered + waiting + evicted + quarantined + lost + skipped, if and only if nothing is unexplained.
 */
export interface StreamAccount {
  readonly stream: Stream;
  /** Undefined for a store without uplinks: then `delivered` is what was let go by age, `waiting` what is stored. */
  readonly uplink: string | undefined;
  /** For an uplink that was added later: from the first number that was stored when it was. */
  readonly produced: number;
  readonly delivered: number;
  /** Stored, and still to be delivered. */
  readonly waiting: number;
  readonly evicted: number;
  readonly quarantined: number;
  /** Corrupt on disk, or dropped because the memory was full. */
  readonly lost: number;
  readonly skipped: number;
  /** Numbers that are still to be delivered, and can neither be read nor are in the ledger; none when all is well. */
  readonly unexplained: readonly SeqRange[];
}

/** An uplink whose cursors went because the configuration has it no more, and what it had still to be given. */
export interface ForgottenUplink {
  readonly uplink: string;
  readonly records: number;
  readonly events: number;
}

/** Size and time of what is stored, and the account of every number. */
export interface StoreStatus {
  readonly epoch: string;
  /** The next number of each stream. */
  readonly next: Record<Stream, number>;
  /** The oldest number still stored of each stream; equal to `next` when there is none. */
  readonly oldest: Record<Stream, number>;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly segments: number;
  readonly commits: number;
  /** Bytes handed to SQLite since the start. */
  readonly bytesWritten: number;
  readonly lastCommitMs: number | undefined;
  /** UTC ms of the earliest and of the latest stored record, as they were stamped. */
  readonly oldestWallMs: number | undefined;
  readonly newestWallMs: number | undefined;
  /** Numbers that can be read. */
  readonly stored: Record<Stream, readonly SeqRange[]>;
  /** What each uplink has still to be given, up to `next`. */
  readonly pending: Readonly<Record<string, Record<Stream, readonly SeqRange[]>>>;
  readonly accounts: readonly StreamAccount[];
  /** The whole ledger, summed. */
  readonly losses: readonly LossSum[];
  /** Its newest entries, at most {@link STATUS_ENTRIES}; `ledger` has all. */
  readonly ledger: readonly LedgerEntry[];
  /** Set while commits fail: what the disk said, and what to do. */
  readonly trouble: string | undefined;
}

/** How many ledger entries the status shows. */
export const STATUS_ENTRIES = 20;

/** How many ledger entries are given at once. */
export const LEDGER_PAGE = 1000;

/** How much text `peekTexts` gives at once; a record more than that, since at least one is given. */
export const TEXTS_BYTES = 256 * 1024;

/** A question to the history: readings of one tag, oldest first. Times are UTC ms, `to` excluded. */
export interface HistoryQuery {
  readonly tag: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
  /** Continue after this number: pages are read by key, so that no reader holds up the writer. */
  readonly afterSeq?: number;
}

/** One page of history. `next` is what to pass as `afterSeq`; undefined at the end. */
export interface HistoryPage {
  readonly points: readonly {
    readonly seq: number;
    readonly wallMs: number;
    readonly quality: 'good' | 'uncertain' | 'bad';
    readonly value?: number | bigint | boolean | string;
    readonly why?: string;
    /** Bits of `MARK` for a simulated or an unsynced reading; absent where there is nothing to say. */
    readonly marks?: number;
  }[];
  readonly next: number | undefined;
}

/** A question for whole records, of all devices, in the order of their numbers. Times are UTC ms, `toMs` excluded. */
export interface RecordQuery {
  readonly fromMs: number;
  readonly toMs: number;
  /** Records looked at. */
  readonly limit: number;
  /** From the page before. */
  readonly after?: RecordCursor;
}

/** Where to go on, and the number at which the first page found the end. */
export interface RecordCursor {
  readonly seq: number;
  readonly until: number;
}

/** One page of records; `next` is undefined at the end. */
export interface RecordPage {
  readonly records: readonly { readonly seq: number; readonly record: DeviceRecord }[];
  readonly next: RecordCursor | undefined;
}

/** A question to the roll-ups of one tag. Times are UTC ms. */
export interface RollupQuery {
  readonly tag: string;
  readonly fromMs: number;
  /** Excluded. */
  readonly toMs: number;
  /** Length of each point: a whole number of minutes, ms. Points begin at multiples of it since 1970. */
  readonly everyMs: number;
  /** Points at most, empty ones included. */
  readonly limit: number;
}

/** One page of roll-ups; without the points that have no readings. `next` is where to go on, UTC ms. */
export interface RollupPage {
  readonly points: readonly {
    readonly wallMs: number;
    /** Values, good and uncertain. */
    readonly count: number;
    readonly bad: number;
    /** Undefined where no reading has a value. */
    readonly min?: number;
    readonly max?: number;
    readonly mean?: number;
    /** Bits of `MARK`; absent where there is nothing to say. */
    readonly marks?: number;
  }[];
  /** How many readings there are by the minute, where the span is not of years: gaps are shorter than points. */
  readonly counted: ReadingCounts;
  readonly next: number | undefined;
}

/** Readings by time, one number a unit of `everyMs` from `firstMs` (UTC ms) on: those with a value, and bad ones. */
export interface ReadingCounts {
  readonly firstMs: number;
  readonly everyMs: number;
  readonly counts: Uint32Array;
  readonly bads: Uint32Array;
}

/**
 * Everything that must not be lost.
 *
 * Rules, kept by `test/contract/store.ts`:
 * 1. `commit` resolves only when the batch survives a power cut; it is all there or not at all. Commits are numbered in
 *    the order of the calls. It rejects with `StoreTrouble` when the disk refused; then nothing was numbered.
 * 2. A number is never given twice in an epoch. A number that cannot be read any more is in the ledger, unless every
 *    uplink has confirmed it.
 * 3. `settle` says what an uplink still has to deliver; it becomes durable with a later commit or within `cursorEveryMs`,
 *    so that after a crash some records are sent again, never skipped. Records below every uplink's pending ranges may be
 *    forgotten once the replay window passed.
 * 4. Nothing here blocks the caller's thread on the disk.
 */
export interface Store {
  readonly epoch: string;
  commit(batch: CommitBatch): Promise<Receipt>;
  /** Records from `from` on, at most `limit`. */
  peek(from: number, limit: number): Promise<StoredRecords>;
  /**
   * As `peek`, and at most about {@link TEXTS_BYTES} of text: written where the store works, so that sending a backlog
   * costs the caller's thread next to nothing.
   */
  peekTexts(from: number, limit: number): Promise<StoredTexts>;
  peekEvents(from: number, limit: number): Promise<StoredEvents>;
  /** What `uplink` still has to deliver; everything that is stored when it is new. */
  pending(uplink: string, stream: Stream): Promise<Pending>;
  settle(uplink: string, stream: Stream, pending: Pending): Promise<void>;
  /** Enters a range that an uplink refused for good. */
  quarantine(entry: Omit<LedgerEntry, 'id' | 'enteredWallMs' | 'cause'>): Promise<void>;
  /**
   * Ledger entries after `sinceId` (default: from the first), in the order of their ids, at most {@link LEDGER_PAGE}; go
   * on after the last id given.
   */
  ledger(sinceId?: number): Promise<readonly LedgerEntry[]>;
  /**
   * Says which uplinks there are. Cursors of others go. From now on, what no uplink waits for is let go by age without
   * being a loss; until this is called, a store without cursors counts everything as undelivered.
   *
   * @param witnesses those that take events, and with them the checkpoints of quality records; default: all
   */
  keepUplinks(names: readonly string[], witnesses?: readonly string[]): Promise<readonly ForgottenUplink[]>;
  /** The states last committed, by key. */
  states(): Promise<ReadonlyMap<string, string>>;
  history(query: HistoryQuery): Promise<HistoryPage>;
  /** The number from which to `peek` for records of `wallMs` (UTC ms) or later; some before it can come too. */
  seek(wallMs: number): Promise<number>;
  /** Minimum, maximum, mean and counts; they reach further back than the readings. Throws `RangeError` for half minutes. */
  rollups(query: RollupQuery): Promise<RollupPage>;
  status(): Promise<StoreStatus>;
  /** Commits what was handed in, writes the cursors, gives the lock back. Idempotent. */
  close(): Promise<void>;
}

/** The disk refused a commit. `message` says what it said and what to do. */
export class StoreTrouble extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreTrouble';
  }
}
