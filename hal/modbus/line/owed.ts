/** Remembers replies that may still come too late on a line without transaction ids. */
import type { Ask } from './line.ts';
import type { DeviceCounters } from './statistics.ts';

/** A reply that may still come: its question got none before the deadline. */
interface OwedReply {
  readonly unit: number;
  readonly code: number;
  /** Length of the reply; undefined when it could be any. */
  readonly pduBytes: number | undefined;
  readonly attemptOf: object;
  readonly counters: DeviceCounters;
  untilMs: number;
}

/**
 * The replies that are owed on a line without transaction ids.
 *
 * The rule that keeps every late reply from being believed: while a unit owes a reply, it is asked nothing whose answer
 * could be confused with that reply, but the same question again.
 * The list is bounded by itself: a debt lives for the late reply window, and making one takes a timeout.
 */
export class OwedReplies {
  private owed: OwedReply[] = [];
  private readonly windowMs: number;

  /** @param windowMs how long after its deadline a reply may come */
  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** The question went unanswered; from now on its reply is owed. */
  add(ask: Ask, nowMs: number): void {
    this.forget(nowMs);
    const { unit, code, answerPduBytes } = ask.question;
    this.owed.push({
      unit,
      code,
      pduBytes: answerPduBytes,
      attemptOf: ask.attemptOf,
      counters: ask.counters,
      untilMs: nowMs + this.windowMs,
    });
  }

  /**
   * A reply came. If earlier tries of the same question are still owed theirs, it may have been one of those: as many
   * replies stay owed as before, for a whole window from now.
   */
  settle(ask: Ask, nowMs: number): void {
    for (const reply of this.owed) if (reply.attemptOf === ask.attemptOf) reply.untilMs = nowMs + this.windowMs;
  }

  /** Until when (monotonic ms) the question must wait; undefined when it may be asked now. */
  waitUntil(ask: Ask, nowMs: number): number | undefined {
    let untilMs: number | undefined;
    for (const reply of this.owed) {
      if (reply.untilMs <= nowMs || !this.couldBe(reply, ask)) continue;
      untilMs = Math.max(untilMs ?? 0, reply.untilMs);
    }
    return untilMs;
  }

  /** Whether an exception could belong to an earlier question than this one: exceptions all look alike. */
  doubtsExceptions(ask: Ask, nowMs: number): boolean {
    const { unit, code } = ask.question;
    return this.owed.some(
      (reply) =>
        reply.untilMs > nowMs && reply.unit === unit && reply.code === code && reply.attemptOf !== ask.attemptOf,
    );
  }

  /** Whose late reply a frame of this unit and function is; undefined when nothing like it is owed. */
  debtorOf(unit: number, code: number, nowMs: number): DeviceCounters | undefined {
    return this.owed.find((reply) => reply.untilMs > nowMs && reply.unit === unit && reply.code === (code & 0x7f))
      ?.counters;
  }

  private couldBe(reply: OwedReply, ask: Ask): boolean {
    const { unit, code, answerPduBytes } = ask.question;
    if (reply.unit !== unit || reply.code !== code || reply.attemptOf === ask.attemptOf) return false;
    return reply.pduBytes === undefined || answerPduBytes === undefined || reply.pduBytes === answerPduBytes;
  }

  private forget(nowMs: number): void {
    this.owed = this.owed.filter((reply) => reply.untilMs > nowMs);
  }
}
