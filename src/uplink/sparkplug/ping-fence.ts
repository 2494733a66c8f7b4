/** Confirms messages of QoS 0: a broker that answers a ping has read everything that was sent before it. */
import type { MqttClient } from 'mqtt';
import type { Clock } from '../../core/clock.ts';
import { formatDuration } from '../../core/quantity.ts';

/** What a fence needs. */
interface PingFenceDeps {
  readonly client: MqttClient;
  readonly clock: Pick<Clock, 'monoMs' | 'after'>;
  /** How long an answer may take beside what the line needs. */
  readonly ackTimeoutMs: number;
  /** Called when nothing was answered in time: the connection is dead. */
  readonly dead: (reason: string) => void;
}

/** Pings follow each other no closer than this, ms: brokers count packets. */
const PING_EVERY_MS = 20;

/** A line is taken to be no slower than this until it has shown how fast it is, bytes a second. */
const SLOWEST_LINE = 1000;

/** How much of the quickest rate so far still counts after a slower answer. */
const RATE_MEMORY = 0.9;

interface Waiter {
  readonly bytes: number;
  readonly ahead: number;
  readonly startedMs: number;
  /** Number of the ping that was sent behind it; undefined while there is none. */
  ping: number | undefined;
  readonly settle: (error?: unknown) => void;
}

/**
 * The pings of one connection. Requests and answers are counted, as each answer belongs to the oldest request that has
 * none; those that the library sends to keep the connection alive count like our own. One request is under way at a time.
 */
export class PingFence {
  private readonly deps: PingFenceDeps;
  private readonly waiters = new Set<Waiter>();
  private sent = 0;
  private answered = 0;
  private sentMs = Number.NEGATIVE_INFINITY;
  private answeredMs: number;
  private bytesUnderWay = 0;
  private bytesPerSecond = SLOWEST_LINE;
  private closedBecause: string | undefined;
  private cancelPing: (() => void) | undefined;
  private cancelDeadline: (() => void) | undefined;
  private onDrained = (): void => {};

  constructor(deps: PingFenceDeps) {
    this.deps = deps;
    this.answeredMs = deps.clock.monoMs();
    deps.client.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') this.pinged();
    });
    deps.client.on('packetreceive', ({ cmd }) => {
      if (cmd === 'pingresp') this.heard();
    });
  }

  /** Resolves when the broker has read everything written so far; `bytes` of it are new. Rejects when that is not known. */
  passed(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.closedBecause !== undefined) return Promise.reject(new Error(this.closedBecause));
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => waiter.settle(signal?.reason ?? new Error('aborted'));
      const settle = (error?: unknown): void => {
        if (!this.waiters.delete(waiter)) return;
        this.bytesUnderWay -= bytes;
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
        if (this.waiters.size === 0) this.onDrained();
      };
      this.bytesUnderWay += bytes;
      const startedMs = this.deps.clock.monoMs();
      const waiter: Waiter = { bytes, ahead: this.bytesUnderWay, startedMs, ping: undefined, settle };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiters.add(waiter);
      this.ping();
      this.watch();
    });
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.onDrained = resolve;
      if (this.waiters.size === 0) resolve();
    });
  }

  /** Rejects what waits, and whatever comes. */
  shut(reason: string): void {
    this.closedBecause ??= reason;
    this.cancelPing?.();
    this.cancelDeadline?.();
    for (const waiter of [...this.waiters]) waiter.settle(new Error(reason));
  }

  private ping(): void {
    const { client, clock } = this.deps;
    if (this.sent > this.answered || this.cancelPing || this.closedBecause !== undefined) return;
    if (![...this.waiters].some(({ ping }) => ping === undefined)) return;
    const waitMs = this.sentMs + PING_EVERY_MS - clock.monoMs();
    if (waitMs <= 0) client.sendPing();
    else
      this.cancelPing = clock.after(waitMs, () => {
        this.cancelPing = undefined;
        this.ping();
      });
  }

  private pinged(): void {
    this.sent++;
    this.sentMs = this.deps.clock.monoMs();
    for (const waiter of this.waiters) waiter.ping ??= this.sent;
  }

  private heard(): void {
    const nowMs = this.deps.clock.monoMs();
    this.answered = Math.min(this.sent, this.answered + 1);
    this.answeredMs = nowMs;
    for (const waiter of [...this.waiters]) {
      if (waiter.ping === undefined || waiter.ping > this.answered) continue;
      const rate = (waiter.ahead * 1000) / Math.max(1, nowMs - waiter.startedMs);
      this.bytesPerSecond = Math.max(SLOWEST_LINE, rate, this.bytesPerSecond * RATE_MEMORY);
      waiter.settle();
    }
    this.ping();
    this.watch();
  }

  /** Has the deadline of the oldest that waits. */
  private watch(): void {
    const { clock, ackTimeoutMs, dead } = this.deps;
    this.cancelDeadline?.();
    this.cancelDeadline = undefined;
    const [oldest] = this.waiters;
    if (!oldest) return;
    const limitMs = ackTimeoutMs + Math.round((oldest.ahead * 1000) / this.bytesPerSecond);
    const sinceMs = Math.max(oldest.startedMs, this.answeredMs);
    this.cancelDeadline = clock.after(Math.max(0, sinceMs + limitMs - clock.monoMs()), () =>
      dead(
        `the broker answered no ping for ${formatDuration(limitMs)}: the line to it may be dead. Look at the line and the broker`,
      ),
    );
  }
}
