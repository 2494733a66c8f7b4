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
interface Pace {
  readonly underWay: number;
  /** How large a message may be. */
  messageBytes(): number;
  /** Whether another message may go. */
  hasRoom(lane: Lane | 'event'): boolean;
  enter(lane: Lane, bytes: number): UnderWay;
  /** @param confirmed false when nothing is known of it */
  leave(message: UnderWay, confirmed: boolean): void;
}

/** @param places messages that the session takes at once; asked each time */
export function createPace(clock: Pick<Clock, 'monoMs'>, places: () => number): Pace {
  const counts = { live: 0, backfill: 0 };
  const bytes = { live: 0, backfill: 0 };
  let window = START_BYTES;
  let quickestMs = Number.POSITIVE_INFINITY;
  let nextHalvingMs = 0;

  const halve = (tookMs: number): void => {
    const nowMs = clock.monoMs();
    // What was sent before the window shrank says nothing about the smaller window.
    if (nowMs < nextHalvingMs) return;
    nextHalvingMs = nowMs + tookMs;
    window = Math.max(MIN_BYTES, window / 2);
  };

  return {
    get underWay() {
      return counts.live + counts.backfill;
    },
    messageBytes: () => Math.min(MESSAGE_BYTES, Math.max(MIN_BYTES, window / 2)),
    hasRoom(lane) {
      const all = counts.live + counts.backfill;
      const limit = places();
      if (all === 0) return true;
      if (lane === 'event') return all < limit;
      if (all >= (limit < 4 ? limit : limit - 1) || bytes.live + bytes.backfill >= window) return false;
      const half = Math.max(1, Math.floor(limit / 2));
      return lane === 'live' || counts.backfill === 0 || (counts.backfill < half && bytes.backfill < window / 2);
    },
    enter(lane, size) {
      counts[lane]++;
      bytes[lane] += size;
      return { lane, bytes: size, startedMs: clock.monoMs() };
    },
    leave({ lane, bytes: size, startedMs }, confirmed) {
      counts[lane]--;
      bytes[lane] -= size;
      const tookMs = clock.monoMs() - startedMs;
      if (!confirmed) return halve(tookMs);
      quickestMs = Math.min(quickestMs, tookMs);
      const lateMs = tookMs - quickestMs;
      if (lateMs > QUEUED_MS) halve(tookMs);
      else if (lateMs < PROMPT_MS) window = Math.min(MAX_BYTES, window + size);
    },
  };
}
