/** Gathers readings and findings into commits, and waits for the disk in their place. */
import { backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Random } from '../core/random.ts';
import type { DeviceRecord } from '../core/reading.ts';
import { stampedEvents, stampedRecords } from './format/restamp.ts';
import { type CommitBatch, type Receipt, type Store, StoreTrouble } from './store.ts';

/** A commit is cut at this size, so that none holds the disk or the worker for long. */
const BATCH_RECORDS = 5000;
const BATCH_BYTES = 2 * 1024 * 1024;

/** Bounds of what is held in memory while the disk stalls. */
const HELD_RECORDS = 50_000;
const HELD_BYTES = 24 * 1024 * 1024;

/** A commit under way for longer is trouble to be told of. */
const STALL_MS = 5000;

/** The disk is asked again after this. */
const RETRY = { minMs: 250, maxMs: 10_000 };

/** How long closing waits for the disk. */
const CLOSE_MS = 5000;

/** What a committer is made with. */
export interface CommitterOptions {
  readonly store: Pick<Store, 'commit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Readings wait at most this long for their commit, ms. */
  readonly commitEveryMs: number;
  /** Called after each commit is durable, in order: what was committed, and its numbers. */
  readonly onCommitted: (receipt: Receipt, batch: CommitBatch) => void;
  /** Called once when the store failed in a way that asking again cannot mend: the process has to end. */
  readonly onFailed: (error: unknown) => void;
  /** How many records are held while the disk stalls. Default 50,000. */
  readonly heldRecords?: number;
  /** About how many bytes of memory they may take. Default 24 MB. */
  readonly heldBytes?: number;
}

/** What is held, and why. */
interface CommitterStatus {
  /** Records in memory that are not on the disk yet. */
  readonly heldRecords: number;
  readonly heldEvents: number;
  /** Records dropped since the start because the memory was full. All of them are in the ledger, or will be. */
  readonly droppedRecords: number;
  readonly commits: number;
  /** Since when a commit is under way, monotonic ms; undefined when none is. */
  readonly commitSinceMs: number | undefined;
  /** Set while commits fail or stall: what the disk said, and what to do. */
  readonly trouble: string | undefined;
}

/** Gathers what the loops make into commits. Never throws, never waits, never grows beyond its bounds. */
export interface Committer {
  /** Takes a record; when the memory is full the oldest record is dropped and counted. */
  accept(record: DeviceRecord): void;
  /** Takes events, which are committed at once and never dropped. */
  acceptEvents(events: readonly GatewayEvent[]): void;
  /**
   * Takes what one input led to: all of it is in one commit, at once when there are events. Only while the disk stalls
   * and more records wait than fit into a commit do events and states go ahead of the records that caused them.
   */
  acceptJudged(judged: JudgedInput): void;
  /** Sets a state, or removes it with null; committed together with what was accepted before. */
  setState(key: string, json: string | null): void;
  /** Resolves when everything accepted so far is durable, however long the disk takes; rejects when the store failed. */
  flush(): Promise<void>;
  status(): CommitterStatus;
  /** Commits what is held and ends; gives up after five seconds and logs what was lost. Idempotent. */
  close(): Promise<void>;
}

/** What one input led to; see {@link Committer.acceptJudged}. */
interface JudgedInput {
  readonly records: readonly DeviceRecord[];
  readonly events: readonly GatewayEvent[];
  /** States that changed, by key: values that become JSON texts, and do not change any more. */
  readonly states: ReadonlyMap<string, unknown>;
}

/** A state that waits: its text, or a value that becomes one when it is committed, as most are replaced before. */
type WaitingState = { readonly text: string | null } | { readonly value: unknown };

interface Dropped {
  count: number;
  firstWallMs: number;
  lastWallMs: number;
}

/** A committer on a store; see {@link Committer}. */
export function createCommitter(options: CommitterOptions): Committer {
  return new GroupCommitter(options);
}

class GroupCommitter implements Committer {
  private readonly options: CommitterOptions;
  private readonly maxRecords: number;
  private readonly maxBytes: number;
  private records: { record: DeviceRecord; bytes: number }[] = [];
  private bytes = 0;
  private events: GatewayEvent[] = [];
  private states = new Map<string, WaitingState>();
  private dropped: Dropped | undefined;
  /** Records and events handed to the store, whose commit is under way. */
  private underWay: CommitBatch | undefined;
  private underWaySinceMs = 0;
  private cancelTimer: (() => void) | undefined;
  private failures = 0;
  private trouble: string | undefined;
  private isOver = false;
  private droppedRecords = 0;
  private commits = 0;
  private waiters: { resolve(): void; reject(error: unknown): void }[] = [];
  private closing: Promise<void> | undefined;

  constructor(options: CommitterOptions) {
    this.options = options;
    this.maxRecords = options.heldRecords ?? HELD_RECORDS;
    this.maxBytes = options.heldBytes ?? HELD_BYTES;
  }

  accept(record: DeviceRecord): void {
    if (this.isOver) return;
    this.hold(record);
    this.scheduleHeld();
  }

  acceptJudged({ records, events, states }: JudgedInput): void {
    if (this.isOver) return;
    for (const record of records) this.hold(record);
    for (const [key, value] of states) this.states.set(key, { value });
    this.events.push(...events);
    if (events.length > 0) this.schedule(0, true);
    else this.scheduleHeld();
  }

  acceptEvents(events: readonly GatewayEvent[]): void {
    if (this.isOver || events.length === 0) return;
    this.events.push(...events);
    this.schedule(0, true);
  }

  setState(key: string, json: string | null): void {
    if (this.isOver) return;
    this.states.set(key, { text: json });
    this.schedule(this.options.commitEveryMs, false);
  }

  flush(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => this.waiters.push({ resolve, reject }));
    this.schedule(0, true);
    return done;
  }

  status(): CommitterStatus {
    const stalledMs = this.underWay ? this.options.clock.monoMs() - this.underWaySinceMs : 0;
    const stall =
      stalledMs >= STALL_MS
        ? `The disk has not answered for ${formatDuration(stalledMs)}; readings are held in memory. Check it (dmesg, iostat).`
        : undefined;
    return {
      heldRecords: this.records.length + (this.underWay?.records.length ?? 0),
      heldEvents: this.events.length + (this.underWay?.events.length ?? 0),
      droppedRecords: this.droppedRecords,
      commits: this.commits,
      commitSinceMs: this.underWay && this.underWaySinceMs,
      trouble: this.trouble ?? stall,
    };
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const { clock, log } = this.options;
    const ended = new AbortController();
    if (!this.isOver) {
      const flushed = this.flush().catch(() => {});
      await Promise.race([flushed, clock.sleep(CLOSE_MS, ended.signal).catch(() => {})]);
    }
    ended.abort();
    this.isOver = true;
    this.cancelTimer?.();
    const { heldRecords, heldEvents } = this.status();
    if (heldRecords + heldEvents > 0)
      log.error(
        `${heldRecords} records and ${heldEvents} events could not be written before the end: ${this.status().trouble ?? 'the disk is too slow'}`,
      );
  }

  private hold(record: DeviceRecord): void {
    const bytes = sizeInMemory(record);
    this.records.push({ record, bytes });
    this.bytes += bytes;
    this.dropOldest();
  }

  private scheduleHeld(): void {
    const isFull = this.records.length >= BATCH_RECORDS || this.bytes >= BATCH_BYTES;
    this.schedule(isFull ? 0 : this.options.commitEveryMs, isFull);
  }

  /** The next commit, in `ms` at the latest; `isUrgent` brings a waiting one forward, unless the disk just refused. */
  private schedule(ms: number, isUrgent: boolean): void {
    if (this.underWay || this.isOver || this.isIdle()) return;
    if (this.cancelTimer && (!isUrgent || this.failures > 0)) return;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (ms === 0 && isUrgent) {
      this.commit();
      return;
    }
    this.cancelTimer = this.options.clock.after(ms, () => {
      this.cancelTimer = undefined;
      this.commit();
    });
  }

  private commit(): void {
    const batch = this.take();
    this.underWay = batch;
    this.underWaySinceMs = this.options.clock.monoMs();
    this.options.store.commit(batch).then(
      (receipt) => this.succeed(receipt, batch),
      (error: unknown) => this.fail(error, batch),
    );
  }

  private take(): CommitBatch {
    let size = 0;
    let bytes = 0;
    while (size < this.records.length && size < BATCH_RECORDS && bytes < BATCH_BYTES)
      bytes += this.records[size++]!.bytes;
    const records = stampedRecords(
      this.records.splice(0, size).map(({ record }) => record),
      this.options.clock,
    );
    this.bytes -= bytes;
    const batch: CommitBatch = {
      records,
      events: stampedEvents(this.events, this.options.clock),
      states: new Map([...this.states].map(([key, state]) => [key, textOf(state)])),
      ...(this.dropped && { dropped: this.dropped }),
    };
    this.events = [];
    this.states = new Map();
    this.dropped = undefined;
    return batch;
  }

  private succeed(receipt: Receipt, batch: CommitBatch): void {
    this.underWay = undefined;
    this.commits++;
    if (this.trouble) this.options.log.info('the disk takes commits again');
    this.failures = 0;
    this.trouble = undefined;
    this.options.onCommitted(receipt, batch);
    if (this.isIdle()) {
      for (const { resolve } of this.waiters.splice(0)) resolve();
      return;
    }
    const isUrgent = this.waiters.length > 0 || this.events.length > 0 || this.records.length >= BATCH_RECORDS;
    this.schedule(isUrgent ? 0 : this.options.commitEveryMs, isUrgent);
  }

  /** Puts everything back to where it was, in order, and asks again later. */
  private fail(error: unknown, batch: CommitBatch): void {
    this.underWay = undefined;
    const returned = batch.records.map((record) => ({ record, bytes: sizeInMemory(record) }));
    this.records = [...returned, ...this.records];
    this.bytes += returned.reduce((sum, { bytes }) => sum + bytes, 0);
    this.events = [...batch.events, ...this.events];
    const states = [...batch.states].map(([key, text]): [string, WaitingState] => [key, { text }]);
    this.states = new Map([...states, ...this.states]);
    if (batch.dropped) this.countDropped(batch.dropped.count, batch.dropped.firstWallMs, batch.dropped.lastWallMs);
    this.dropOldest();
    this.trouble = messageOf(error);
    if (!(error instanceof StoreTrouble)) {
      if (!this.isOver) this.options.onFailed(error);
      this.isOver = true;
      for (const { reject } of this.waiters.splice(0)) reject(error);
      return;
    }
    this.options.log.warn(this.trouble);
    const waitMs = backoffMs(this.failures++, RETRY, this.options.random());
    if (!this.isOver) this.schedule(waitMs, false);
  }

  private dropOldest(): void {
    let count = 0;
    while (
      count < this.records.length - 1 &&
      (this.records.length - count > this.maxRecords || this.bytes > this.maxBytes)
    ) {
      const { record, bytes } = this.records[count++]!;
      this.bytes -= bytes;
      this.droppedRecords++;
      this.countDropped(1, record.at.wallMs, record.at.wallMs);
    }
    if (count > 0) this.records.splice(0, count);
  }

  private countDropped(count: number, firstWallMs: number, lastWallMs: number): void {
    this.dropped ??= { count: 0, firstWallMs, lastWallMs };
    this.dropped.count += count;
    this.dropped.firstWallMs = Math.min(this.dropped.firstWallMs, firstWallMs);
    this.dropped.lastWallMs = Math.max(this.dropped.lastWallMs, lastWallMs);
  }

  private isIdle(): boolean {
    return (
      this.records.length === 0 &&
      this.events.length === 0 &&
      this.states.size === 0 &&
      this.dropped === undefined &&
      this.underWay === undefined
    );
  }
}

function textOf(state: WaitingState): string | null {
  return 'text' in state ? state.text : JSON.stringify(state.value);
}

/** About how much memory a record takes. */
function sizeInMemory(record: DeviceRecord): number {
  let bytes = 200;
  for (const field of record.fields) {
    bytes += 100;
    if (field.quality !== 'bad' && typeof field.value === 'string') bytes += field.value.length * 2;
  }
  return bytes;
}
