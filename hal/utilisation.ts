/** Utilisation is told over at least this long, and at most twice as long when it is asked for often, ms. */
const WINDOW_MS = 10_000;

/**
 * The share of the last time in which a line was in use, out of a growing total. Asking does not change what others are
 * told.
 */
export class Utilisation {
  private older: { readonly atMs: number; readonly busyMs: number };
  private newer: { readonly atMs: number; readonly busyMs: number };

  /** @param nowMs monotonic */
  constructor(nowMs: number) {
    this.older = this.newer = { atMs: nowMs, busyMs: 0 };
  }

  /**
   * @param nowMs monotonic
   * @param busyMs time in use since the beginning
   * @returns 0…1
   */
  at(nowMs: number, busyMs: number): number {
    if (nowMs - this.newer.atMs >= WINDOW_MS) {
      this.older = this.newer;
      this.newer = { atMs: nowMs, busyMs };
    }
    const elapsedMs = nowMs - this.older.atMs;
    return elapsedMs > 0 ? Math.min(1, (busyMs - this.older.busyMs) / elapsedMs) : 0;
  }
}
