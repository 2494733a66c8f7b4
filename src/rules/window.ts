/** What is known of the values of a span, so that two spans can be put together. */
export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** Sum of squared deviations from the mean (Welford; merged after Chan, Golub and LeVeque, 1979). */
  readonly squares: number;
  readonly min: number;
  readonly max: number;
}

interface Slot {
  readonly fromMs: number;
  /** This slot alone. */
  own: Summary;
  /** This slot and all older ones in its stack; of the newer stack only kept once it is turned over. */
  upTo: Summary;
}

const NOTHING: Summary = {
  count: 0,
  mean: 0,
  squares: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
};

/** A window holds at most this many slots; readings closer than span / SLOTS share one. */
const SLOTS = 3600;

/**
 * The readings of the last span, summed up in constant time a reading: a queue of two stacks, so that nothing is ever
 * subtracted and no rounding error grows. Readings leave one by one; where more than 3600 came in the span, those of
 * one 3600th of it leave together.
 */
export class SlidingWindow {
  private readonly spanMs: number;
  private newer: Slot[] = [];
  private newerSum: Summary = NOTHING;
  /** Oldest last; `upTo` of the last covers all of them. */
  private older: Slot[] = [];

  constructor(spanMs: number) {
    this.spanMs = spanMs;
  }

  /** Takes a reading; times do not go back. */
  add(value: number, atMs: number): void {
    const one: Summary = { count: 1, mean: value, squares: 0, min: value, max: value };
    this.newerSum = merged(this.newerSum, one);
    const last = this.newer.at(-1);
    if (last && atMs - last.fromMs < this.spanMs / SLOTS) last.own = merged(last.own, one);
    else this.newer.push({ fromMs: atMs, own: one, upTo: one });
  }

  /** The readings later than `nowMs` − span; undefined when there are none. */
  summary(nowMs: number): Summary | undefined {
    this.forget(nowMs - this.spanMs);
    const old = this.older.at(-1);
    const all = old ? merged(old.upTo, this.newerSum) : this.newerSum;
    return all.count > 0 ? all : undefined;
  }

  private forget(untilMs: number): void {
    for (;;) {
      if (this.older.length === 0) this.turnOver();
      const oldest = this.older.at(-1);
      if (!oldest || oldest.fromMs > untilMs) return;
      this.older.pop();
    }
  }

  private turnOver(): void {
    if (this.newer.length === 0) return;
    let sum = NOTHING;
    for (const slot of this.newer.reverse()) {
      sum = merged(slot.own, sum);
      slot.upTo = sum;
    }
    this.older = this.newer;
    this.newer = [];
    this.newerSum = NOTHING;
  }
}

function merged(a: Summary, b: Summary): Summary {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const off = b.mean - a.mean;
  return {
    count,
    mean: a.mean + (off * b.count) / count,
    squares: a.squares + b.squares + (off * off * a.count * b.count) / count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}
