/** Judges what the other side refuses: whether the fault lies with one item, or with the whole stream for a while. */
import type { Clock } from '../core/clock.ts';
import { type Ranges, rangesOf } from '../core/intervals.ts';
import type { Random } from '../core/random.ts';

/** Consecutive items of one stream that are sent in one message. */
interface Piece {
  readonly from: number;
  readonly items: readonly unknown[];
}

/** Why a stream waits. */
export interface Doubt {
  readonly why: string;
  /** Monotonic ms. */
  readonly sinceMs: number;
  /** When one message may go, to see whether the stream is taken again; monotonic ms. */
  readonly tryAtMs: number;
  /** What was refused goes again first, since that may have been chance: then the order of the numbers is kept. */
  readonly inOrder: boolean;
}

/** A refused message. */
interface Refused<P> {
  readonly piece: P;
  /** Place of the message among all that were sent to this side; later ones have higher numbers. */
  readonly order: number;
  readonly why: string;
  /** The other side hung up on it in place of an answer. */
  readonly hungUp: boolean;
  /** It was sent by {@link StreamJudge.takeSuspect}. */
  readonly wasSuspect: boolean;
}

/** What a judge needs. */
interface StreamJudgeDeps<P> {
  readonly clock: Pick<Clock, 'monoMs'>;
  readonly random: Random;
  /** Number that the next message of any stream will have. */
  readonly nextOrder: () => number;
  /** Cuts a piece in two behind so many items; undefined when it is one item. */
  readonly cut: (piece: P, items: number) => readonly [P, P] | undefined;
  /** Called with a single item that is given up. */
  readonly condemn: (piece: P, why: string) => void;
  /** Called when the stream begins to wait with a reason, and when it flows again. */
  readonly changed: (doubt: Doubt | undefined, before: Doubt | undefined) => void;
}

/** Refused messages that are kept in memory. */
const MAX_SUSPECTS = 32;

/** Pauses between attempts while a stream is in doubt; the first attempt is made at once. */
const PAUSE = { minMs: 1000, youngMaxMs: 10_000, oldMaxMs: 60_000, youngMs: 600_000 };

/** Where the other side hangs up, each attempt costs the session, and the other streams with it. */
const HANG_UP_PAUSE = { ...PAUSE, minMs: 5000, youngMaxMs: 60_000 };

/**
 * So many hang-ups on a single item, with others taken in between, give it up: where one session in three breaks for
 * other reasons, eight in a row behind the same item are one in thousands.
 */
const HANG_UPS = 8;

interface Suspect<P> {
  readonly piece: P;
  readonly hungUp: boolean;
}

/**
 * The judgement of one stream; it outlives sessions.
 *
 * The rule: an item is given up only when it was refused twice, the second time right after another item of its stream
 * was accepted, and another was accepted after it. Until then everything is kept. A refusal with nothing accepted behind
 * it puts the stream in doubt: then one message goes at a time, at once and then with growing pauses, until one is
 * accepted. What was refused waits as a suspect meanwhile; it is tried again, cut in halves, once the stream flows.
 *
 * A hang-up is weaker evidence than an answer: a line that breaks now and then, or another client of the same name, looks
 * the same. So what was hung up on is tried once more before anything behind it, and an item that is only hung up on is
 * given up after {@link HANG_UPS} of them.
 */
export class StreamJudge<P extends Piece> {
  private readonly deps: StreamJudgeDeps<P>;
  private readonly suspects: Suspect<P>[] = [];
  /** Single items refused twice that nothing was accepted behind yet. */
  private candidates: Refused<P>[] = [];
  private inDoubt: (Doubt & { firstOrder: number; refusedOrder: number; attempts: number }) | undefined;
  private lastAccepted = 0;
  /** How often single suspects were hung up on, by number. */
  private readonly hangUps = new Map<number, number>();

  constructor(deps: StreamJudgeDeps<P>) {
    this.deps = deps;
  }

  /** Undefined while the stream flows. */
  doubt(): Doubt | undefined {
    return this.inDoubt;
  }

  /** Numbers that wait here: nobody else sends them. */
  held(): Ranges {
    const pieces = [...this.suspects, ...this.candidates].map(({ piece }) => piece);
    return rangesOf(pieces.map(({ from, items }) => ({ from, to: from + items.length })));
  }

  /** Whether there is a suspect to be tried; `alone` when nothing else may be under way with it. */
  nextSuspect(): 'none' | 'any' | 'alone' {
    const [next] = this.suspects;
    if (!next) return 'none';
    return next.hungUp ? 'alone' : 'any';
  }

  /** The next suspect, half of what it was, or its first item where that is to show more; undefined when there is none. */
  takeSuspect(): P | undefined {
    // In doubt the last is tried: the first was refused a moment ago.
    const suspect = this.inDoubt ? this.suspects.pop() : this.suspects.shift();
    if (!suspect) return undefined;
    const { piece, hungUp } = suspect;
    const parts = this.deps.cut(piece, this.inDoubt?.inOrder ? 1 : Math.ceil(piece.items.length / 2));
    if (!parts) return piece;
    this.putBack(parts[1], hungUp);
    return parts[0];
  }

  /** Puts back a suspect of which nothing is known. */
  putBack(piece: P, hungUp: boolean): void {
    this.suspects.unshift({ piece, hungUp });
  }

  accepted(order: number, piece: P): void {
    this.hangUps.delete(piece.from);
    this.lastAccepted = Math.max(this.lastAccepted, order);
    const before = this.inDoubt;
    if (before && order > before.refusedOrder) {
      this.inDoubt = undefined;
      if (before.attempts > 0) this.deps.changed(undefined, before);
    }
    const condemned = this.candidates.filter((candidate) => candidate.order < order);
    this.candidates = this.candidates.filter((candidate) => candidate.order > order);
    for (const candidate of condemned) {
      this.hangUps.delete(candidate.piece.from);
      this.deps.condemn(candidate.piece, candidate.why);
    }
  }

  /** Returns false when too many wait: then it is the sender's again. */
  refused(refused: Refused<P>): boolean {
    const isKept = this.keep(refused);
    if (refused.order > this.lastAccepted) {
      if (!this.inDoubt) this.beginDoubt(refused);
      else if (refused.order >= this.inDoubt.firstOrder) this.wait(refused, this.inDoubt);
    }
    return isKept;
  }

  private keep(refused: Refused<P>): boolean {
    const { piece, hungUp, wasSuspect } = refused;
    const { suspects } = this;
    const known = suspects.findIndex((suspect) => suspect.piece === piece);
    if (known !== -1) suspects.splice(known, 1);
    const isSingle = wasSuspect && !this.inDoubt && piece.items.length === 1;
    if (isSingle && (!hungUp || this.isHungUpEnough(piece.from))) this.candidates.push(refused);
    else if (wasSuspect) this.putBack(piece, hungUp);
    else if (suspects.length < MAX_SUSPECTS) suspects.push({ piece, hungUp });
    else return false;
    return true;
  }

  /** One more hang-up on a single item: whether they are enough. */
  private isHungUpEnough(seq: number): boolean {
    const count = (this.hangUps.get(seq) ?? 0) + 1;
    this.hangUps.set(seq, count);
    return count >= HANG_UPS;
  }

  private beginDoubt({ order, why, hungUp, wasSuspect }: Refused<P>): void {
    const nowMs = this.deps.clock.monoMs();
    const begin = { sinceMs: nowMs, tryAtMs: nowMs, firstOrder: this.deps.nextOrder(), attempts: 0 };
    this.inDoubt = { ...begin, why, refusedOrder: order, inOrder: hungUp && !wasSuspect };
  }

  private wait({ order, why, hungUp }: Refused<P>, before: NonNullable<typeof this.inDoubt>): void {
    const { minMs, youngMaxMs, oldMaxMs, youngMs } = hungUp ? HANG_UP_PAUSE : PAUSE;
    const nowMs = this.deps.clock.monoMs();
    const maxMs = nowMs - before.sinceMs < youngMs ? youngMaxMs : oldMaxMs;
    const pauseMs = Math.min(maxMs, minMs * 2 ** Math.min(before.attempts, 20));
    const tryAtMs = nowMs + pauseMs * (0.5 + this.deps.random() / 2);
    const doubt = { ...before, why, tryAtMs, refusedOrder: order, attempts: before.attempts + 1, inOrder: false };
    this.inDoubt = doubt;
    // Nothing of the stream is taken: that they were refused says nothing about them.
    for (const candidate of this.candidates.splice(0))
      this.suspects.push({ piece: candidate.piece, hungUp: candidate.hungUp });
    this.deps.changed(doubt, before.attempts === 0 ? undefined : before);
  }
}
