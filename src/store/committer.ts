/** Gathers readings and findings into commits, and waits for the disk in their place. */

import { backoffMs, type Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { type GatewayEvent, storableEvent } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Random } from '../core/random.ts';
import type { DeviceRecord } from '../core/reading.ts';
import { stampedEvents, stampedRecords } from './format/restamp.ts';
import { type CommitBatch, type Receipt, type Store, StoreTrouble } from './store.ts';

/** A commit is cut at this size, so that none holds the disk or the worker for long. */
const BATCH_RECORDS = 5000;
const BATCH_BYTES = 2 * 1024 * 1024;
const BATCH_EVENTS = 1000;

/** Bounds of what is held in memory while the disk stalls. */
const HELD_RECORDS = 50_000;
const HELD_BYTES = 24 * 1024 * 1024;
const HELD_EVENTS = 10_000;

/** What comes after a pause waits so long for the rest of its scan, so that one commit holds all of it. */
const GATHER_MS = 50;

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
  /** Readings are committed so often, and wait at most this long for their commit, ms. */
  readonly commitEveryMs: number;
  /** Called after each commit is durable, in order: what was committed, and its numbers. */
  readonly onCommitted: (receipt: Receipt, batch: CommitBatch) => void;
  /** Called once when the store failed in a way that asking again cannot mend: the process has to end. */
  readonly onFailed: (error: unknown) => void;
  /** Called when the disk begins to refuse or stand still, with what to say of it, and with nothing once that is over. */
  readonly onTrouble?: (trouble: string | undefined) => void;
  /** Links events to what was committed before them, with a state that is in the same commit; called once a commit. */
  readonly link?: (events: readonly GatewayEvent[]) => LinkedEvents;
  /** How many records are held while the disk stalls. Default 50,000. */
  readonly heldRecords?: number;
  /** About how many bytes of memory they may take. Default 24 MB. */
  readonly heldBytes?: number;
  /** How many events are held meanwhile. Default 10,000. */
  readonly heldEvents?: number;
}

/** Events as they are committed, and the states that belong to them. */
interface LinkedEvents {
  readonly events: readonly GatewayEvent[];
  readonly states: ReadonlyMap<string, string>;
}

/** What is held, and why. */
interface CommitterStatus {
  /** Records in memory that are not on the disk yet. */
  readonly heldRecords: number;
  readonly heldEvents: number;
  /** Records dropped since the start because the memory was full. All of them are in the ledger, or will be. */
  readonly droppedRecords: number;
  readonly droppedEvents: number;
  readonly commits: number;
  /** Since when a commit is under way, monotonic ms; undefined when none is. */
  readonly commitSinceMs: number | undefined;
  /** Set while commits fail or stall: what the disk said, and what to do. */
  readonly trouble: string | undefined;
  /** Set once nothing could be written for five seconds. */
  readonly standstill: Standstill | undefined;
}

/** A disk that takes nothing, whether it refuses or does not answer. */
interface Standstill {
  /** Since when, UTC ms. */
  readonly sinceMs: number;
  /**
   * How much longer what comes can be held, at the rate of the standstill so far, ms; 0 when the oldest is dropped
   * already, undefined while nothing comes.
   */
  readonly lastsMs: number | undefined;
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

type Dropped = NonNullable<CommitBatch['dropped']>;

/** Where things stood when the first commit began that did not succeed yet. */
interface Beginning {
  readonly wallMs: number;
  readonly monoMs: number;
  readonly takenRecords: number;
  readonly takenBytes: number;
  readonly droppedRecords: number;
}

/** Gathers what the loops make into commits. Never throws, never waits, never grows beyond its bounds. */
export class Committer {
  private readonly options: CommitterOptions;
  private readonly maxRecords: number;
  private readonly maxBytes: number;
  private readonly maxEvents: number;
  private records: { record: DeviceRecord; bytes: number }[] = [];
  private bytes = 0;
  private events: GatewayEvent[] = [];
  private states = new Map<string, WaitingState>();
  private dropped: Dropped | undefined;
  private lostEvents: Dropped | undefined;
  /** Records and events handed to the store, whose commit is under way. */
  private underWay: CommitBatch | undefined;
  /** When the last commit began, monotonic ms. */
  private beganMs = 0;
  /** When the last commit that held readings began. */
  private readingsBeganMs = Number.NEGATIVE_INFINITY;
  private cancelTimer: (() => void) | undefined;
  private failures = 0;
  private trouble: string | undefined;
  private since: Beginning | undefined;
  private cancelStall: (() => void) | undefined;
  private isStallTold = false;
  private isClosing = false;
  private isOver = false;
  private takenRecords = 0;
  private takenBytes = 0;
  private droppedRecords = 0;
  private droppedEvents = 0;
  private commits = 0;
  private waiters: { resolve(): void; reject(error: unknown): void }[] = [];
  private closing: Promise<void> | undefined;

  constructor(options: CommitterOptions) {
    this.options = options;
    this.maxRecords = options.heldRecords ?? HELD_RECORDS;
    this.maxBytes = options.heldBytes ?? HELD_BYTES;
    this.maxEvents = options.heldEvents ?? HELD_EVENTS;
  }

  /** Takes a record; when the memory is full the oldest record is dropped and counted. */
  accept(record: DeviceRecord): void {
    if (this.isOver) return;
    this.hold(record);
    this.scheduleHeld();
  }

  /**
   * Takes what one input led to: all of it is in one commit, at once when there are events. Only while the disk stalls
   * and more records wait than fit into a commit do events and states go ahead of the records that caused them.
   */
  acceptJudged({ records, events, states }: JudgedInput): void {
    if (this.isOver) return;
    for (const record of records) this.hold(record);
    for (const [key, value] of states) this.states.set(key, { value });
    this.holdEvents(events);
    if (events.length > 0) this.schedule(0, true);
    else this.scheduleHeld();
  }

  /** Takes events, which are committed at once; they have a bound of their own, beyond which the oldest is dropped. */
  acceptEvents(events: readonly GatewayEvent[]): void {
    if (this.isOver || events.length === 0) return;
    this.holdEvents(events);
    this.schedule(0, true);
  }

  /** Sets a state, or removes it with null; committed together with what was accepted before. */
  setState(key: string, json: string | null): void {
    if (this.isOver) return;
    this.states.set(key, { text: json });
    this.schedule(this.dueInMs(), false);
  }

  /** Resolves when everything accepted so far is durable, however long the disk takes; rejects when the store failed. */
  flush(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => this.waiters.push({ resolve, reject }));
    this.schedule(0, true);
    return done;
  }

  status(): CommitterStatus {
    return {
      heldRecords: this.heldRecords(),
      heldEvents: this.heldEvents(),
      droppedRecords: this.droppedRecords,
      droppedEvents: this.droppedEvents,
      commits: this.commits,
      commitSinceMs: this.underWay && this.beganMs,
      trouble: this.trouble ?? this.stallText(),
      standstill: this.standstill(),
    };
  }

  private heldRecords(): number {
    return this.records.length + (this.underWay?.records.length ?? 0);
  }

  private heldEvents(): number {
    return this.events.length + (this.underWay?.events.length ?? 0);
  }

  private standstill(): Standstill | undefined {
    const { since } = this;
    const elapsedMs = since ? this.options.clock.monoMs() - since.monoMs : 0;
    if (!since || elapsedMs < STALL_MS) return undefined;
    if (this.droppedRecords > since.droppedRecords) return { sinceMs: since.wallMs, lastsMs: 0 };
    const records = this.takenRecords - since.takenRecords;
    const bytes = this.takenBytes - since.takenBytes;
    if (records === 0) return { sinceMs: since.wallMs, lastsMs: undefined };
    const lastsMs = Math.min(
      ((this.maxRecords - this.records.length) * elapsedMs) / records,
      ((this.maxBytes - this.bytes) * elapsedMs) / bytes,
    );
    return { sinceMs: since.wallMs, lastsMs: Math.round(Math.max(0, lastsMs)) };
  }

  /** What to say of a commit that has been under way for too long; undefined when none has. */
  private stallText(): string | undefined {
    const stalledMs = this.underWay ? this.options.clock.monoMs() - this.beganMs : 0;
    if (stalledMs < STALL_MS) return undefined;
    const lastsMs = this.standstill()?.lastsMs;
    const room =
      lastsMs === 0
        ? 'The memory is full: the oldest are dropped, counted and entered in the ledger.'
        : `There is room for ${lastsMs === undefined ? 'more' : `about ${spanText(lastsMs)} more`}.`;
    return `The disk has not answered for ${spanText(stalledMs)}. ${this.heldRecords()} records and ${this.heldEvents()} events are held in memory. ${room} Check the disk (dmesg, iostat).`;
  }

  /**
   * Commits what is held and ends. A disk that refused is asked at once and again; after five seconds it is given up, and
   * what was lost is logged. Idempotent.
   */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const { clock, log } = this.options;
    const ended = new AbortController();
    this.isClosing = true;
    if (!this.isOver) {
      // A disk that refused may work again: what is held is not given up because the next try would come too late.
      if (this.failures > 0) {
        this.cancelTimer?.();
        this.cancelTimer = undefined;
      }
      const flushed = this.flush().catch(() => {});
      await Promise.race([flushed, clock.sleep(CLOSE_MS, ended.signal).catch(() => {})]);
    }
    ended.abort();
    this.isOver = true;
    this.cancelTimer?.();
    this.cancelStall?.();
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
    this.takenRecords++;
    this.takenBytes += bytes;
    this.dropOldest();
  }

  private holdEvents(events: readonly GatewayEvent[]): void {
    for (const event of events) this.events.push(storableEvent(event));
    this.dropOldestEvents();
  }

  private scheduleHeld(): void {
    const isFull = this.records.length >= BATCH_RECORDS || this.bytes >= BATCH_BYTES;
    this.schedule(isFull ? 0 : this.dueInMs(), isFull);
  }

  /** When what is held is due: `commitEveryMs` after the last commit of readings began, or soon where that was longer ago. */
  private dueInMs(): number {
    const { clock, commitEveryMs } = this.options;
    const sinceMs = clock.monoMs() - this.readingsBeganMs;
    return Math.max(Math.min(GATHER_MS, commitEveryMs), commitEveryMs - sinceMs);
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
    const { clock, log } = this.options;
    this.beganMs = clock.monoMs();
    const { takenRecords, takenBytes, droppedRecords } = this;
    this.since ??= { wallMs: clock.wallMs(), monoMs: clock.monoMs(), takenRecords, takenBytes, droppedRecords };
    this.cancelStall = clock.after(STALL_MS, () => {
      const text = this.stallText() ?? '';
      this.isStallTold = true;
      log.warn(text);
      this.options.onTrouble?.(text);
    });
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
    const held = this.records.slice(0, size).map(({ record }) => record);
    const records = stampedRecords(held, this.options.clock);
    const stamped = stampedEvents(this.events.slice(0, BATCH_EVENTS), this.options.clock);
    // Before anything is let go: what cannot be linked must not take the rest with it.
    const linked = stamped.length > 0 ? this.options.link?.(stamped) : undefined;
    this.records.splice(0, size);
    this.bytes -= bytes;
    this.events.splice(0, BATCH_EVENTS);
    const states = [...this.states].map(([key, state]): [string, string | null] => [key, textOf(state)]);
    if (size > 0) this.readingsBeganMs = this.options.clock.monoMs();
    const batch: CommitBatch = {
      records,
      events: linked?.events ?? stamped,
      states: new Map([...states, ...(linked?.states ?? [])]),
      ...(this.dropped && { dropped: this.dropped }),
      ...(this.lostEvents && { droppedEvents: this.lostEvents }),
    };
    this.states = new Map();
    this.dropped = undefined;
    this.lostEvents = undefined;
    return batch;
  }

  private succeed(receipt: Receipt, batch: CommitBatch): void {
    this.endCommit();
    this.commits++;
    const isOver = this.trouble !== undefined || this.isStallTold;
    if (isOver) {
      const forMs = this.options.clock.monoMs() - (this.since?.monoMs ?? 0);
      this.options.log.info(`the disk takes commits again, after ${spanText(forMs)}`);
    }
    this.failures = 0;
    this.trouble = undefined;
    this.isStallTold = false;
    this.since = undefined;
    this.options.onCommitted(receipt, batch);
    if (isOver) this.options.onTrouble?.(undefined);
    if (this.isIdle()) {
      for (const { resolve } of this.waiters.splice(0)) resolve();
      return;
    }
    const isFull = this.records.length >= BATCH_RECORDS;
    const isUrgent = this.waiters.length > 0 || this.events.length > 0 || isFull;
    this.schedule(isUrgent ? 0 : this.dueInMs(), isUrgent);
  }

  /** Puts everything back to where it was, in order, and asks again later. */
  private fail(error: unknown, batch: CommitBatch): void {
    this.endCommit();
    const returned = batch.records.map((record) => ({ record, bytes: sizeInMemory(record) }));
    this.records = [...returned, ...this.records];
    this.bytes += returned.reduce((sum, { bytes }) => sum + bytes, 0);
    this.events = [...batch.events, ...this.events];
    const states = [...batch.states].map(([key, text]): [string, WaitingState] => [key, { text }]);
    this.states = new Map([...states, ...this.states]);
    this.dropped = sumOf(batch.dropped, this.dropped);
    this.lostEvents = sumOf(batch.droppedEvents, this.lostEvents);
    this.dropOldest();
    this.dropOldestEvents();
    const isNews = this.trouble !== messageOf(error);
    this.trouble = messageOf(error);
    if (!(error instanceof StoreTrouble)) {
      if (!this.isOver) this.options.onFailed(error);
      this.isOver = true;
      for (const { reject } of this.waiters.splice(0)) reject(error);
      return;
    }
    // It is said once, and again when the disk says something else.
    if (isNews) this.options.log.warn(this.trouble);
    const waitMs = this.isClosing ? RETRY.minMs : backoffMs(this.failures, RETRY, this.options.random());
    this.failures++;
    if (!this.isOver) this.schedule(waitMs, false);
    if (isNews) this.options.onTrouble?.(this.trouble);
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
      this.dropped = sumOf(this.dropped, droppedAt(record.at.wallMs));
    }
    if (count > 0) this.records.splice(0, count);
  }

  private dropOldestEvents(): void {
    const tooMany = this.events.length - this.maxEvents;
    if (tooMany <= 0) return;
    this.droppedEvents += tooMany;
    for (const { wallMs } of this.events.splice(0, tooMany))
      this.lostEvents = sumOf(this.lostEvents, droppedAt(wallMs));
  }

  private endCommit(): void {
    this.underWay = undefined;
    this.cancelStall?.();
    this.cancelStall = undefined;
  }

  private isIdle(): boolean {
    return (
      this.records.length === 0 &&
      this.events.length === 0 &&
      this.states.size === 0 &&
      this.dropped === undefined &&
      this.lostEvents === undefined &&
      this.underWay === undefined
    );
  }
}

function textOf(state: WaitingState): string | null {
  return 'text' in state ? state.text : JSON.stringify(state.value);
}

/** About how much memory a record takes. */
function sizeInMemory(record: DeviceRecord): number {
  let bytes = 200 + 100 * record.fields.length;
  for (const value of record.fields.values) if (typeof value === 'string') bytes += value.length * 2;
  return bytes;
}

function droppedAt(wallMs: number): Dropped {
  return { count: 1, firstWallMs: wallMs, lastWallMs: wallMs };
}

function sumOf(one: Dropped | undefined, other: Dropped | undefined): Dropped | undefined {
  if (!one || !other) return one ?? other;
  return {
    count: one.count + other.count,
    firstWallMs: Math.min(one.firstWallMs, other.firstWallMs),
    lastWallMs: Math.max(one.lastWallMs, other.lastWallMs),
  };
}

/** A span of time for a person: whole seconds. */
function spanText(ms: number): string {
  return formatDuration(Math.round(ms / 1000) * 1000);
}
