/** Keeps what an uplink owes of one stream, live and backlog apart. */
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import { addRange, countBelow, type Ranges, removeRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { Stream } from '../store/store.ts';
import type { Progress } from './progress.ts';
import { type CutLimits, createRunQueue, type ItemSize, type Run, type RunQueue } from './run-queue.ts';

/** A read from the store; see `StoredRecords`. */
type Found<T> = Run<T> & { readonly next: number };

/** What the lanes of a stream need. */
interface StreamLanesDeps<T> {
  readonly stream: Stream;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sizeOf: (item: T) => ItemSize;
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

/**
 * One stream during one session: what was committed since it began, in memory, and what was outstanding before, read
 * from the store as it is needed. A number is in one place only: live, fetched, owed, or under way.
 */
interface StreamLanes<T> {
  /** The next live items. */
  takeLive(limits: CutLimits): Run<T> | undefined;
  readonly fetched: RunQueue<T>;
  /** Has numbers sent from the store, (again or) for the first time. */
  owe(range: SeqRange): void;
  /** How many numbers are to come from the store, fetched ones included. */
  owed(): number;
  /** Hands over what was just committed. */
  handOver(range: SeqRange, items: readonly T[]): void;
  /** Reads from the store when little is left; one read at a time, and nothing waits for it. */
  readAhead(): void;
  stop(): void;
}

/** A pause after the store failed or did not know what it should, so that trouble does not spin. */
const STORE_RETRY_MS = 1000;

/** Lanes that owe everything outstanding now. */
export function createStreamLanes<T>(deps: StreamLanesDeps<T>): StreamLanes<T> {
  const { stream, progress, clock, log } = deps;
  const live = createRunQueue(deps.sizeOf);
  const fetched = createRunQueue(deps.sizeOf);
  let todo: Ranges = deps.held.reduce(removeRange, progress.outstanding(stream));
  let reading = false;
  let retryAtMs = 0;
  let stopped = false;

  const owe = (range: SeqRange): void => {
    todo = addRange(todo, range);
  };

  /** Takes what was read; false when it got no further. */
  const absorb = (asked: SeqRange, found: Found<T>): boolean => {
    const items = found.items.slice(0, Math.max(0, asked.to - found.from));
    const end = Math.min(found.from + items.length, asked.to);
    const next = Math.min(Math.max(found.next, end), asked.to);
    if (next <= asked.from) return false;
    progress.gone(stream, { from: asked.from, to: Math.min(found.from, asked.to) });
    progress.gone(stream, { from: end, to: next });
    fetched.push({ from: found.from, items }, clock.monoMs());
    todo = removeRange(todo, { from: asked.from, to: next });
    return true;
  };

  const read = async (range: SeqRange): Promise<void> => {
    reading = true;
    try {
      const found = await deps.peek(range.from, Math.min(deps.readItems, range.to - range.from));
      if (!stopped && !absorb(range, found)) retryAtMs = clock.monoMs() + STORE_RETRY_MS;
    } catch (error) {
      log.warn(`the backlog could not be read: ${messageOf(error)}. Trying again.`);
      retryAtMs = clock.monoMs() + STORE_RETRY_MS;
    }
    reading = false;
    if (!stopped) deps.changed();
  };

  return {
    takeLive(limits) {
      const oldestMs = clock.monoMs() - deps.maxLiveMs;
      while ((live.sinceMs() ?? Number.POSITIVE_INFINITY) < oldestMs) owe(live.dropFirst()!);
      return live.take(limits);
    },
    fetched,
    owe,
    owed: () => countBelow(todo, progress.head(stream)) + fetched.size,
    handOver(range, items) {
      if (stopped || range.from >= range.to) return;
      // Numbers given to what was dropped before the commit have no item: the store knows which they are.
      if (items.length !== range.to - range.from) owe(range);
      else live.push({ from: range.from, items }, clock.monoMs());
      while (live.fields > deps.maxLiveFields) owe(live.dropFirst()!);
      deps.changed();
    },
    readAhead() {
      const range = todo[0];
      if (stopped || !range || reading || fetched.size > deps.readItems / 2) return;
      if (clock.monoMs() < retryAtMs) deps.wakeAt(retryAtMs);
      else void read(range);
    },
    stop() {
      stopped = true;
    },
  };
}
