/** One window of what is under way to the other side, with shares for live data and the backlog. */
import type { Clock } from '../core/clock.ts';
import type { Lane } from './uplink.ts';

/** Bytes under way at the start of a session: seconds, even on a line of 2,000 bytes a second. */
const START_BYTES = 8 * 1024;
const MIN_BYTES = 1024;
const MAX_BYTES = 2 * 1024 * 1024;

/** Payloads are cut to this at most: large enough to be cheap, small enough for every broker's limit. */
const MESSAGE_BYTES = 64 * 1024;

/** A confirmation so much later than the quickest one means that messages queue up on the way. */
const QUEUED_MS = 800;

/** One that is less late means that there is room for more. */
const PROMPT_MS = 300;

/** Something that entered the window. */
export interface UnderWay {
  readonly lane: Lane;
  readonly bytes: number;
  readonly startedMs: number;
}

/**
 * The window. It is measured in bytes and in messages, grows by what is confirmed promptly, and is halved, once a round,
 * when confirmations are late or missing: so a narrow line holds what it carries in about a second, and a message is cut
 * to half of that. The backlog has half of the window, live data the whole of it; the last place is for events.
 */
export class Pace {
  private readonly clock: Pick<Clock, 'monoMs'>;
  private readonly places: () => number;
  private readonly counts = { live: 0, backfill: 0 };
  private readonly bytes = { live: 0, backfill: 0 };
  private windowBytes = START_BYTES;
  private quickestMs = Number.POSITIVE_INFINITY;
  private nextHalvingMs = 0;

  /** @param places messages that the session takes at once; asked each time */
  constructor(clock: Pick<Clock, 'monoMs'>, places: () => number) {
    this.clock = clock;
    this.places = places;
  }

  get underWay(): number {
    return this.counts.live + this.counts.backfill;
  }

  /** How large a message may be. */
  messageBytes(): number {
    return Math.min(MESSAGE_BYTES, Math.max(MIN_BYTES, this.windowBytes / 2));
  }

  /** Whether another message may go. */
  hasRoom(lane: Lane | 'event'): boolean {
    const { underWay, counts, bytes, windowBytes } = this;
    const limit = this.places();
    if (underWay === 0) return true;
    if (lane === 'event') return underWay < limit;
    if (underWay >= (limit < 4 ? limit : limit - 1) || bytes.live + bytes.backfill >= windowBytes) return false;
    const half = Math.max(1, Math.floor(limit / 2));
    return lane === 'live' || counts.backfill === 0 || (counts.backfill < half && bytes.backfill < windowBytes / 2);
  }

  enter(lane: Lane, bytes: number): UnderWay {
    this.counts[lane]++;
    this.bytes[lane] += bytes;
    return { lane, bytes, startedMs: this.clock.monoMs() };
  }

  /** @param confirmed false when nothing is known of it */
  leave({ lane, bytes, startedMs }: UnderWay, confirmed: boolean): void {
    this.counts[lane]--;
    this.bytes[lane] -= bytes;
    const tookMs = this.clock.monoMs() - startedMs;
    if (confirmed) this.quickestMs = Math.min(this.quickestMs, tookMs);
    const lateMs = tookMs - this.quickestMs;
    if (!confirmed || lateMs > QUEUED_MS) this.halve(tookMs);
    else if (lateMs < PROMPT_MS) this.windowBytes = Math.min(MAX_BYTES, this.windowBytes + bytes);
  }

  private halve(tookMs: number): void {
    const nowMs = this.clock.monoMs();
    // What was sent before the window shrank says nothing about the smaller window.
    if (nowMs < this.nextHalvingMs) return;
    this.nextHalvingMs = nowMs + tookMs;
    this.windowBytes = Math.max(MIN_BYTES, this.windowBytes / 2);
  }
}
