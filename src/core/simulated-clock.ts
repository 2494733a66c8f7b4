/** A clock that moves only when it is told to, for tests, simulations and backtests. */
import { type Clock, sleepOn } from './clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that moves only when told to: for tests, the simulation and `backtest`. Timers fire in order of their due
 * time, and of their making where that is equal.
 */
export class SimulatedClock implements Clock {
  private nowMs = 0;
  private made = 0;
  private wallOffsetMs: number;
  private timers: Timer[] = [];
  private isKnown = true;
  private readonly settle: () => Promise<void>;

  /**
   * @param startWallMs the wall clock's reading at monotonic time 0
   * @param waitsFor what may happen between two timers: anything, sockets and files too; or only what promises do, which
   *   is much faster
   */
  constructor(startWallMs = Date.UTC(2025, 10, 24, 6), waitsFor: 'everything' | 'promises' = 'everything') {
    this.wallOffsetMs = startWallMs;
    this.settle = waitsFor === 'everything' ? settleEverything : settlePromises;
  }

  wallMs(): number {
    return Math.floor(this.nowMs + this.wallOffsetMs);
  }

  monoMs(): number {
    return this.nowMs;
  }

  known(): boolean {
    return this.isKnown;
  }

  /** Says whether the wall clock counts as known from now on. */
  setKnown(known: boolean): void {
    this.isKnown = known;
  }

  /** Steps the wall clock by `deltaMs` (may be negative); the monotonic clock does not move. */
  stepWall(deltaMs: number): void {
    this.wallOffsetMs += deltaMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.nowMs + Math.max(ms, 0), order: this.made++, callback };
    this.timers.push(timer);
    return () => {
      const index = this.timers.indexOf(timer);
      if (index !== -1) this.timers.splice(index, 1);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.timers.length;
  }

  /** When the next timer is due, on the monotonic clock; undefined when none waits. */
  get nextDueMs(): number | undefined {
    return this.next()?.dueMs;
  }

  /** Moves both clocks on by `ms`, firing what falls due and letting promises settle between timers. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await settleEverything();
    for (let timer = this.next(); timer && timer.dueMs <= endMs; timer = this.next()) {
      this.timers.splice(this.timers.indexOf(timer), 1);
      this.nowMs = Math.max(this.nowMs, timer.dueMs);
      timer.callback();
      await this.settle();
    }
    this.nowMs = endMs;
  }

  private next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      if (!first || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

/** Lets everything that can go on do so, without time passing. */
function settleEverything(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets every promise that can go on do so. Node runs what is deferred to the next tick when no promise is left to go on. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
