/** The contract of a line: one question to one unit, and how it may end. */
import type { NotConnected } from '../../driver.ts';
import type { Question } from './frame.ts';
import type { DeviceCounters } from './statistics.ts';

/** One question to one unit. */
export interface Ask {
  readonly question: Question;
  /** How long the device may think, ms; the wire time of question and answer comes on top. */
  readonly timeoutMs: number;
  readonly counters: DeviceCounters;
  /**
   * The same object for the tries of one question. An answer to an earlier try answers a later one as well: it tells
   * what was asked, measured after the first try was sent.
   */
  readonly attemptOf: object;
}

/** How a question ended. */
export type Outcome =
  | (Moment & { readonly kind: 'answer'; readonly data: Uint8Array })
  | (Moment & { readonly kind: 'exception'; readonly code: number })
  | { readonly kind: 'timeout' }
  /** Something came, but no answer: bad checksums, other frames, noise. */
  | { readonly kind: 'garbled'; readonly detail: string }
  /** Nothing was sent: a late answer of the same form is still to be expected from this unit. */
  | { readonly kind: 'not-asked'; readonly detail: string }
  | { readonly kind: 'lost'; readonly cause: NotConnected };

/** When a question was sent and its answer complete, on the monotonic clock, ms. */
export interface Moment {
  readonly sentMs: number;
  readonly receivedMs: number;
  /** What the device took beyond the wire time, ms. */
  readonly thoughtMs: number;
}

/** What is counted of a line. */
export interface LineCounters {
  unsolicitedBytes: number;
  /** Questions that came back before their answer: local echo of the adapter. */
  echoes: number;
  /** Time with a question under way, ms. */
  busyMs: number;
}

/** One Modbus line: gets questions, gives each its own answer or says why not. */
export interface Line {
  readonly counters: LineCounters;
  /** How many questions may wait or be under way. */
  readonly concurrency: number;
  /** Rejects with `NotConnected`. */
  open(signal: AbortSignal): Promise<void>;
  /** Never rejects; settles by its own deadline. */
  ask(ask: Ask): Promise<Outcome>;
  /** Idempotent; what is under way ends as `lost`. */
  close(): Promise<void>;
}

/** The deadline of a late reply is this long after the question's own at least, ms. */
const SHORTEST_LATE_REPLY_WINDOW_MS = 1000;

/**
 * How long after its deadline a reply may still come without ever being taken for the answer to another question, ms:
 * twice the configured timeout, a second at least.
 */
export function lateReplyWindowMsOf(configuredTimeoutMs: number): number {
  return Math.max(SHORTEST_LATE_REPLY_WINDOW_MS, 2 * configuredTimeoutMs);
}
