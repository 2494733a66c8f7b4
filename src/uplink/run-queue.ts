/** Queues consecutive records and cuts them into messages. */
import type { Clock } from '../core/clock.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { RecordText } from '../store/store.ts';

/** What one message may hold at most. One item always goes, however large. */
export interface CutLimits {
  readonly items: number;
  readonly fields: number;
  readonly bytes: number;
}

/** Consecutive items; `items[i]` has number `from + i`. */
export interface Run<T> {
  readonly from: number;
  readonly items: readonly T[];
}

/** Size of an item, for cutting and for bounds. */
export interface ItemSize {
  readonly fields: number;
  readonly bytes: number;
}

/** Items in the order of their coming, in runs of consecutive numbers. */
export interface RunQueue<T> {
  /** Items waiting. */
  readonly size: number;
  /** Fields of the items waiting. */
  readonly fields: number;
  push(run: Run<T>, atMs: number): void;
  /** When the run at the front was pushed. */
  sinceMs(): number | undefined;
  /** Takes consecutive items from the front, at least one; undefined when there is none. */
  take(limits: CutLimits): Run<T> | undefined;
  /** Forgets the run at the front and says which numbers it had. */
  dropFirst(): SeqRange | undefined;
}

/** About how many bytes a record takes in a payload; only to cut messages to a handy size. */
export function sizeOfRecord(record: DeviceRecord | RecordText): ItemSize {
  if ('page' in record) return { fields: Math.max(1, record.fields), bytes: record.end - record.start + 1 };
  let bytes = 48 + record.device.length;
  for (const field of record.fields) {
    bytes += field.name.length + 6 + (field.quality === 'bad' ? 8 : lengthOf(field.value));
  }
  // A record without fields takes memory too.
  return { fields: Math.max(1, record.fields.length), bytes };
}

/** A fraction is taken to have all its digits: one message too small is cheaper than one too large. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'number' && !Number.isInteger(value) ? 18 : 8;
}

/** An empty queue. */
export function createRunQueue<T>(sizeOf: (item: T) => ItemSize): RunQueue<T> {
  const runs: { from: number; items: readonly T[]; taken: number; atMs: number }[] = [];
  let size = 0;
  let fields = 0;

  const fieldsOf = (items: readonly T[]) => items.reduce((sum, item) => sum + sizeOf(item).fields, 0);

  return {
    get size() {
      return size;
    },
    get fields() {
      return fields;
    },
    push(run, atMs) {
      if (run.items.length === 0) return;
      runs.push({ ...run, taken: 0, atMs });
      size += run.items.length;
      fields += fieldsOf(run.items);
    },
    sinceMs: () => runs[0]?.atMs,
    take(limits) {
      const first = runs[0];
      if (!first) return undefined;
      const from = first.from + first.taken;
      const items: T[] = [];
      let bytes = 0;
      let taken = 0;
      for (let run = runs[0]; run && run.from + run.taken === from + items.length; run = runs[0]) {
        const item = run.items[run.taken]!;
        const itemSize = sizeOf(item);
        const full = items.length >= limits.items || taken + itemSize.fields > limits.fields;
        if (items.length > 0 && (full || bytes + itemSize.bytes > limits.bytes)) break;
        items.push(item);
        bytes += itemSize.bytes;
        taken += itemSize.fields;
        run.taken++;
        if (run.taken === run.items.length) runs.shift();
      }
      size -= items.length;
      fields -= taken;
      return { from, items };
    },
    dropFirst() {
      const run = runs.shift();
      if (!run) return undefined;
      const left = run.items.slice(run.taken);
      size -= left.length;
      fields -= fieldsOf(left);
      return { from: run.from + run.taken, to: run.from + run.items.length };
    },
  };
}

/** Cuts a run in two halves, for the search of the item that is refused. */
export function halves<T>({ from, items }: Run<T>): [Run<T>, Run<T>] {
  const middle = Math.ceil(items.length / 2);
  return [
    { from, items: items.slice(0, middle) },
    { from: from + middle, items: items.slice(middle) },
  ];
}

/** Lets through so many a second, and a burst after a pause. */
export interface TokenBucket {
  readonly burst: number;
  /** How long until `count` (at most `burst`) may go; 0 when they may now. Milliseconds. */
  waitMs(count: number): number;
  take(count: number): void;
}

/** A burst is what this much time lets through. */
const BURST_MS = 200;

/** @param perSecond more than 0 */
export function createTokenBucket(clock: Pick<Clock, 'monoMs'>, perSecond: number): TokenBucket {
  const burst = Math.max(1, Math.floor((perSecond * BURST_MS) / 1000));
  let tokens = burst;
  let filledMs = clock.monoMs();
  const fill = () => {
    const nowMs = clock.monoMs();
    tokens = Math.min(burst, tokens + ((nowMs - filledMs) * perSecond) / 1000);
    filledMs = nowMs;
  };
  return {
    burst,
    waitMs(count) {
      fill();
      return tokens >= count ? 0 : Math.ceil(((count - tokens) * 1000) / perSecond);
    },
    take(count) {
      fill();
      tokens -= count;
    },
  };
}
