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

/** About how many bytes a record takes in a payload; only to cut messages to a handy size. */
export function sizeOfRecord(record: DeviceRecord | RecordText): ItemSize {
  if ('page' in record) return { fields: Math.max(1, record.fields), bytes: record.end - record.start + 1 };
  let bytes = 48 + record.device.length;
  const { names, values } = record.fields;
  for (let place = 0; place < names.length; place++) bytes += names[place]!.length + 6 + lengthOf(values[place]);
  // A record without fields takes memory too.
  return { fields: Math.max(1, record.fields.length), bytes };
}

/** Where there is no value, there is the reason. A fraction is taken to have all its digits: one message too small is cheaper than one too large. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'number' && !Number.isInteger(value) ? 18 : 8;
}

/** Items in the order of their coming, in runs of consecutive numbers. */
export class RunQueue<T> {
  private readonly sizeOf: (item: T) => ItemSize;
  private readonly runs: { from: number; items: readonly T[]; taken: number; atMs: number }[] = [];
  private waiting = 0;
  private waitingFields = 0;

  constructor(sizeOf: (item: T) => ItemSize) {
    this.sizeOf = sizeOf;
  }

  /** Items waiting. */
  get size(): number {
    return this.waiting;
  }

  /** Fields of the items waiting. */
  get fields(): number {
    return this.waitingFields;
  }

  push(run: Run<T>, atMs: number): void {
    if (run.items.length === 0) return;
    this.runs.push({ ...run, taken: 0, atMs });
    this.waiting += run.items.length;
    this.waitingFields += this.fieldsOf(run.items);
  }

  /** When the run at the front was pushed. */
  sinceMs(): number | undefined {
    return this.runs[0]?.atMs;
  }

  /** Takes consecutive items from the front, at least one; undefined when there is none. */
  take(limits: CutLimits): Run<T> | undefined {
    const { runs } = this;
    const first = runs[0];
    if (!first) return undefined;
    const from = first.from + first.taken;
    const items: T[] = [];
    let bytes = 0;
    let fields = 0;
    for (let run = runs[0]; run && run.from + run.taken === from + items.length; run = runs[0]) {
      const item = run.items[run.taken]!;
      const size = this.sizeOf(item);
      const full = items.length >= limits.items || fields + size.fields > limits.fields;
      if (items.length > 0 && (full || bytes + size.bytes > limits.bytes)) break;
      items.push(item);
      bytes += size.bytes;
      fields += size.fields;
      run.taken++;
      if (run.taken === run.items.length) runs.shift();
    }
    this.waiting -= items.length;
    this.waitingFields -= fields;
    return { from, items };
  }

  /** Forgets the run at the front and says which numbers it had. */
  dropFirst(): SeqRange | undefined {
    const run = this.runs.shift();
    if (!run) return undefined;
    const left = run.items.slice(run.taken);
    this.waiting -= left.length;
    this.waitingFields -= this.fieldsOf(left);
    return { from: run.from + run.taken, to: run.from + run.items.length };
  }

  private fieldsOf(items: readonly T[]): number {
    return items.reduce((sum, item) => sum + this.sizeOf(item).fields, 0);
  }
}

/** Cuts a run in two behind so many items, for the search of the one that is refused. */
export function cutRun<T>({ from, items }: Run<T>, first: number): [Run<T>, Run<T>] {
  return [
    { from, items: items.slice(0, first) },
    { from: from + first, items: items.slice(first) },
  ];
}

/** A burst is what this much time lets through. */
const BURST_MS = 200;

/** Lets through so many a second, and a burst after a pause. */
export class TokenBucket {
  readonly burst: number;
  private readonly clock: Pick<Clock, 'monoMs'>;
  private readonly perSecond: number;
  private tokens: number;
  private filledMs: number;

  /**
   * @param perSecond more than 0
   * @param burst what may go at once; undefined: a fraction of a second's worth
   */
  constructor(clock: Pick<Clock, 'monoMs'>, perSecond: number, burst?: number) {
    this.clock = clock;
    this.perSecond = perSecond;
    this.burst = burst ?? Math.max(1, Math.floor((perSecond * BURST_MS) / 1000));
    this.tokens = this.burst;
    this.filledMs = clock.monoMs();
  }

  /** How long until `count` (at most `burst`) may go; 0 when they may now. Milliseconds. */
  waitMs(count: number): number {
    this.fill();
    return this.tokens >= count ? 0 : Math.ceil(((count - this.tokens) * 1000) / this.perSecond);
  }

  take(count: number): void {
    this.fill();
    this.tokens -= count;
  }

  private fill(): void {
    const nowMs = this.clock.monoMs();
    this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.filledMs) * this.perSecond) / 1000);
    this.filledMs = nowMs;
  }
}
