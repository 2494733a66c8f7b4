import type { GatewayEvent } from '../core/event.ts';
import type { DeviceRecord } from '../core/reading.ts';

/** The two numbered streams. Each has sequence numbers of its own, from 1, without unexplained gaps. */
export type Stream = 'readings' | 'events';

/** A half-open range of sequence numbers, `from` included, `to` not. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** Why a range is not there any more, or never was. */
export type LossCause = 'evicted' | 'quarantined' | 'corrupt' | 'memory-full';

/** A range that the gateway gave up, kept for ever. For `quarantined`, `uplink` is the one that refused it. */
export interface LedgerEntry extends SeqRange {
  /** Numbered from 1 in the order of entry, so that a reader can remember how far it told of them. */
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
export interface StoredRecords {
  readonly from: number;
  readonly records: readonly DeviceRecord[];
  /** Where to go on. Greater than `from + records.length` when what follows is not stored any more. */
  readonly next: number;
}

/** Consecutive events; see {@link StoredRecords}. */
export interface StoredEvents {
  readonly from: number;
  readonly events: readonly GatewayEvent[];
  readonly next: number;
}

/** What an uplink has not yet been confirmed, as ranges in order; the last is open (`to` = Infinity). */
export type Pending = readonly SeqRange[];

/** Size and time of what is stored. */
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
  readonly ledger: readonly LedgerEntry[];
  /** Set while commits fail: what the disk said, and what to do. */
  readonly trouble: string | undefined;
}

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
  }[];
  readonly next: number | undefined;
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
  peekEvents(from: number, limit: number): Promise<StoredEvents>;
  /** What `uplink` still has to deliver; everything that is stored when it is new. */
  pending(uplink: string, stream: Stream): Promise<Pending>;
  settle(uplink: string, stream: Stream, pending: Pending): Promise<void>;
  /** Enters a range that an uplink refused for good. */
  quarantine(entry: Omit<LedgerEntry, 'id' | 'enteredWallMs' | 'cause'>): Promise<void>;
  /** All ledger entries, in the order of their ids; for `gap` events remember the last id that was told of. */
  ledger(): Promise<readonly LedgerEntry[]>;
  /** The states last committed, by key. */
  states(): Promise<ReadonlyMap<string, string>>;
  history(query: HistoryQuery): Promise<HistoryPage>;
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
