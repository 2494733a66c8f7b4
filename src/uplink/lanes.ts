/** Keeps what an uplink owes of one stream, live and backlog apart. */
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import { addRange, countBelow, type Ranges, removeRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { Stream } from '../store/store.ts';
import type { Progress } from './progress.ts';
import { type CutLimits, type ItemSize, type Run, RunQueue } from './run-queue.ts';

/** A read from the store; see `StoredRecords`. */
type Found<T> = Run<T> & { readonly next: number };

/** What the lanes of a stream need. */
interface StreamLanesDeps<T> {
  readonly stream: Stream;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sizeOf: (item: T) => ItemSize;
  /** What of an item this uplink is to be given, undefined for nothing of it; absent: everything. */
  readonly wanted: ((item: T) => T | undefined) | undefined;
  /** Numbers that somebody else sends. */
  readonly held: Ranges;
  /** Live items that waited longer are owed in place of it, ms. */
  readonly maxLiveMs: number;
  /** Fields of live items kept in memory; beyond it the oldest go as backlog from the store. */
  readonly maxLiveFields: number;
  /** How much is read from the store at once; more is read when half of it is left. */
  readonly readItems: number;
  readonly peek: (from: number, limit: number) => Promise<Found<T>>;
  /** Called when there is more to send. */
  readonly changed: () => void;
  /** Asks for a call of `readAhead` at a time of the monotonic clock, ms. */
  readonly wakeAt: (atMs: number) => void;
}

/** A pause after the store failed or did not know what it should, so that trouble does not spin. */
const STORE_RETRY_MS = 1000;

/**
 * One stream during one session: what was committed since it began, in memory, and what was outstanding before, read
 * from the store as it is needed. A number is in one place only: live, fetched, owed, or under way.
 */
export class StreamLanes<T> {
  readonly fetched: RunQueue<T>;
  private readonly deps: StreamLanesDeps<T>;
  private readonly live: RunQueue<T>;
  private todo: Ranges;
  private isReading = false;
  private retryAtMs = 0;
  private isStopped = false;

  /** Lanes that owe everything outstanding now. */
  constructor(deps: StreamLanesDeps<T>) {
    this.deps = deps;
    this.live = new RunQueue(deps.sizeOf);
    this.fetched = new RunQueue(deps.sizeOf);
    this.todo = deps.held.reduce(removeRange, deps.progress.outstanding(deps.stream));
  }

  /** The next live items. */
  takeLive(limits: CutLimits): Run<T> | undefined {
    const oldestMs = this.deps.clock.monoMs() - this.deps.maxLiveMs;
    while ((this.live.sinceMs() ?? Number.POSITIVE_INFINITY) < oldestMs) this.owe(this.live.dropFirst()!);
    return this.live.take(limits);
  }

  /** Has numbers sent from the store, (again or) for the first time. */
  owe(range: SeqRange): void {
    this.todo = addRange(this.todo, range);
  }

  /** How many numbers are to come from the store, fetched ones included. */
  owed(): number {
    return countBelow(this.todo, this.deps.progress.head(this.deps.stream)) + this.fetched.size;
  }

  /** Hands over what was just committed. */
  handOver(range: SeqRange, items: readonly T[]): void {
    const { live, deps } = this;
    if (this.isStopped || range.from >= range.to) return;
    // Numbers given to what was dropped before the commit have no item: the store knows which they are.
    if (items.length !== range.to - range.from) this.owe(range);
    else this.take(live, { from: range.from, items });
    while (live.fields > deps.maxLiveFields) this.owe(live.dropFirst()!);
    deps.changed();
  }

  /** Reads from the store when little is left; one read at a time, and nothing waits for it. */
  readAhead(): void {
    const { clock, readItems, wakeAt } = this.deps;
    const range = this.todo[0];
    if (this.isStopped || !range || this.isReading || this.fetched.size > readItems / 2) return;
    if (clock.monoMs() < this.retryAtMs) wakeAt(this.retryAtMs);
    else void this.read(range);
  }

  stop(): void {
    this.isStopped = true;
  }

  private async read(range: SeqRange): Promise<void> {
    const { peek, readItems, clock, log, changed } = this.deps;
    this.isReading = true;
    try {
      const found = await peek(range.from, Math.min(readItems, range.to - range.from));
      if (!this.isStopped && !this.absorb(range, found)) this.retryAtMs = clock.monoMs() + STORE_RETRY_MS;
    } catch (error) {
      log.warn(`the backlog could not be read: ${messageOf(error)}. Trying again.`);
      this.retryAtMs = clock.monoMs() + STORE_RETRY_MS;
    }
    this.isReading = false;
    if (!this.isStopped) changed();
  }

  /** Takes what was read; false when it got no further. */
  private absorb(asked: SeqRange, found: Found<T>): boolean {
    const { progress, stream } = this.deps;
    const items = found.items.slice(0, Math.max(0, asked.to - found.from));
    const end = Math.min(found.from + items.length, asked.to);
    const next = Math.min(Math.max(found.next, end), asked.to);
    if (next <= asked.from) return false;
    progress.gone(stream, { from: asked.from, to: Math.min(found.from, asked.to) });
    progress.gone(stream, { from: end, to: next });
    this.take(this.fetched, { from: found.from, items });
    this.todo = removeRange(this.todo, { from: asked.from, to: next });
    return true;
  }

  /** Queues what is wanted of a run; numbers that are not are done with, as if they had been delivered. */
  private take(queue: RunQueue<T>, run: Run<T>): void {
    const { wanted, progress, stream, clock } = this.deps;
    if (!wanted) {
      queue.push(run, clock.monoMs());
      return;
    }
    for (const { from, to, items } of wantedRuns(run, wanted)) {
      if (items.length > 0) queue.push({ from, items }, clock.monoMs());
      else progress.pass(stream, { from, to });
    }
  }
}

/** A run cut into stretches of wanted items, and of unwanted numbers between them; those have no items. */
export function wantedRuns<T>({ from, items }: Run<T>, wanted: (item: T) => T | undefined): (SeqRange & Run<T>)[] {
  const runs: { from: number; to: number; items: T[] }[] = [];
  for (const [index, whole] of items.entries()) {
    const item = wanted(whole);
    const last = runs.at(-1);
    const isSame = last !== undefined && last.items.length > 0 === (item !== undefined);
    const run = isSame ? last : { from: from + index, to: from + index, items: [] };
    if (!isSame) runs.push(run);
    if (item !== undefined) run.items.push(item);
    run.to++;
  }
  return runs;
}
