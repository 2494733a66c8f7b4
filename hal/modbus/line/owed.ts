/** The replies that may still come on a line without transaction ids, so that none is taken for another's. */
import { type Question, questionOf } from './frame.ts';
import type { Ask, DeviceCounters } from './line.ts';

/** A reply that may still come. */
interface OwedReply {
  readonly unit: number;
  readonly code: number;
  /** Length of the reply; undefined when it could be any. */
  readonly pduBytes: number | undefined;
  /** The tries of one question of ours; undefined: another master asked. */
  readonly attemptOf: object | undefined;
  readonly counters: DeviceCounters | undefined;
  untilMs: number;
}

/** How a question may be put now: as this one, or not before `untilMs` (monotonic). */
type Clearance = { readonly question: Question } | { readonly untilMs: number };

/** Registers more, or bits in steps of eight, by which a read is made wider at most. */
const MOST_WIDER = 4;

/** Replies of another master's questions that are remembered at most: a busy master asks more than it is answered. */
const MOST_FOREIGN = 64;

/**
 * The replies that are owed on a line without transaction ids.
 *
 * The rule that keeps every late reply from being believed: while a unit owes a reply of some function and length, no
 * question whose answer has that function and length is put to it, but the same question again. A read is put with one
 * register more in its place, which gives its answer another length; what cannot be made wider is read in halves, or waits.
 * An answer to another try of the question does not end the debt: it may be that of the first try, and the second's then
 * follows. Where it did, 21 of 20,000 answers of the torture were taken for another question's.
 * The list is bounded by itself: a debt lives for the late reply window, and making one takes a timeout.
 */
export class OwedReplies {
  private owed: OwedReply[] = [];
  private readonly windowMs: number;

  /** @param windowMs how long after its deadline a reply may come */
  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** The question went unanswered; from now on the reply to it, as it was put, is owed. */
  add({ attemptOf, counters }: Ask, put: Question, nowMs: number): void {
    this.owe(put.unit, put.code, put.answerPduBytes, { attemptOf, counters }, nowMs);
  }

  /** Another master asked: the reply is not ours. */
  addForeign(unit: number, code: number, pduBytes: number, nowMs: number): void {
    const foreign = this.owed.filter(({ attemptOf }) => attemptOf === undefined);
    if (foreign.length >= MOST_FOREIGN) this.owed.splice(this.owed.indexOf(foreign[0]!), 1);
    this.owe(unit, code, pduBytes, { attemptOf: undefined, counters: undefined }, nowMs);
  }

  /** A frame came that is no answer of ours: it pays what another master was owed. */
  payForeign(unit: number, code: number, pduBytes: number): void {
    const paid = this.owed.findIndex(
      (reply) =>
        reply.attemptOf === undefined &&
        reply.unit === unit &&
        reply.code === (code & 0x7f) &&
        (reply.pduBytes === pduBytes || code > 0x7f),
    );
    if (paid >= 0) this.owed.splice(paid, 1);
  }

  /**
   * A reply came. If earlier tries of the same question are still owed theirs, it may have been one of those: as many
   * replies stay owed as before, for a whole window from now.
   */
  settle(ask: Ask, nowMs: number): void {
    for (const reply of this.owed) if (reply.attemptOf === ask.attemptOf) reply.untilMs = nowMs + this.windowMs;
  }

  /** How a question may be put. `mayWiden`: the unit is not known to refuse registers that it was not asked for before. */
  clearance(ask: Ask, mayWiden: boolean, nowMs: number): Clearance {
    const { question } = ask;
    const untilMs = this.blockedUntil(question, ask.attemptOf, nowMs);
    if (untilMs === undefined) return { question };
    for (let more = 1; mayWiden && more <= MOST_WIDER; more++) {
      const wider = widened(question, more, ask.widest);
      if (wider && this.blockedUntil(wider, ask.attemptOf, nowMs) === undefined) return { question: wider };
    }
    return { untilMs };
  }

  /** Whether an exception could belong to an earlier question than this one: exceptions all look alike. */
  doubtsExceptions({ question: { unit, code }, attemptOf }: Ask, nowMs: number): boolean {
    return this.owed.some(
      (reply) => reply.untilMs > nowMs && reply.unit === unit && reply.code === code && reply.attemptOf !== attemptOf,
    );
  }

  /** Whose late reply a frame of this unit and function is; undefined when nothing like it is owed to us. */
  debtorOf(unit: number, code: number, nowMs: number): DeviceCounters | undefined {
    return this.owed.find(
      (reply) => reply.counters && reply.untilMs > nowMs && reply.unit === unit && reply.code === (code & 0x7f),
    )?.counters;
  }

  private owe(
    unit: number,
    code: number,
    pduBytes: number | undefined,
    owner: Pick<OwedReply, 'attemptOf' | 'counters'>,
    nowMs: number,
  ): void {
    this.owed = this.owed.filter((reply) => reply.untilMs > nowMs);
    this.owed.push({ unit, code, pduBytes, ...owner, untilMs: nowMs + this.windowMs });
  }

  /** Until when a reply may come that would pass for the answer to the question; undefined: none is owed. */
  private blockedUntil(question: Question, attemptOf: object, nowMs: number): number | undefined {
    let untilMs: number | undefined;
    for (const reply of this.owed) {
      if (reply.untilMs <= nowMs || reply.attemptOf === attemptOf || !couldBe(reply, question)) continue;
      untilMs = Math.max(untilMs ?? 0, reply.untilMs);
    }
    return untilMs;
  }
}

function couldBe({ unit, code, pduBytes }: OwedReply, question: Question): boolean {
  if (unit !== question.unit || code !== question.code) return false;
  return pduBytes === undefined || question.answerPduBytes === undefined || pduBytes === question.answerPduBytes;
}

/** A read that asks for more, within what it may ask for. */
function widened({ request }: Question, more: number, widest: number | undefined): Question | undefined {
  if (request.kind !== 'read' || widest === undefined) return undefined;
  const isBits = request.table === 'coil' || request.table === 'discrete';
  const count = request.count + more * (isBits ? 8 : 1);
  if (count > widest || request.start + count > 65_536) return undefined;
  return questionOf({ ...request, count });
}
