/** What a Modbus line is: it gets questions, and gives each its own answer or says why there is none. */

import type { NotConnected } from '../../driver.ts';
import type { DeviceStatistics } from '../../statistics.ts';
import type { Question } from './frame.ts';

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
  /** The device was silent the last time: not more than one question is spent on it. */
  readonly isProbe?: boolean;
  /**
   * A read may ask for up to so many registers or bits, so that its answer differs in length from a late reply; absent:
   * for no more than it needs.
   */
  readonly widest?: number | undefined;
  /** Whoever asks can ask for it in parts: it does not wait for a late reply, but is given back unasked. */
  readonly isDivisible?: boolean;
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
  /** The connection was lost. `wasSent`: the question had left, so that the device may have obeyed it. */
  | { readonly kind: 'lost'; readonly cause: NotConnected; readonly wasSent: boolean }
  /** The connection ended when this question had been asked; there is another one for the next question. */
  | { readonly kind: 'hung-up'; readonly detail: string };

/** When a question was sent and its answer complete, on the monotonic clock, ms. */
interface Moment {
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
  /** Connections made. */
  connects: number;
  /** When another master was last heard on the line, monotonic ms; undefined: never. */
  otherMasterMs: number | undefined;
}

/** Counters at zero. */
export function newLineCounters(): LineCounters {
  return { unsolicitedBytes: 0, echoes: 0, busyMs: 0, connects: 0, otherMasterMs: undefined };
}

/** One Modbus line: gets questions, gives each its own answer or says why not. */
export interface Line {
  readonly counters: LineCounters;
  /** How many questions may wait or be under way. */
  readonly concurrency: number;
  /** Rejects with `NotConnected`. `onLost` is told once when the open connection ends by itself. */
  open(signal: AbortSignal, onLost?: (cause: NotConnected) => void): Promise<void>;
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

/** How many response times the percentiles are made of. */
const WINDOW = 256;

/** What is counted of one device. Changed in place by its line: it is on the path of every request. */
export interface DeviceCounters {
  requests: number;
  responses: number;
  timeouts: number;
  lateReplies: number;
  garbled: number;
  exceptions: Record<number, number>;
  busyMs: number;
  /** A ring of the last response times, ms. */
  readonly responseMs: Float64Array;
  responsesKept: number;
}

/** Counters at zero. */
export function newCounters(): DeviceCounters {
  return {
    requests: 0,
    responses: 0,
    timeouts: 0,
    lateReplies: 0,
    garbled: 0,
    exceptions: {},
    busyMs: 0,
    responseMs: new Float64Array(WINDOW),
    responsesKept: 0,
  };
}

/** Counts an answer that took `elapsedMs` from the end of the question to the end of the answer. */
export function countResponse(counters: DeviceCounters, elapsedMs: number): void {
  counters.responses++;
  counters.responseMs[counters.responsesKept++ % WINDOW] = elapsedMs;
}

/** Counts an exception by its code. */
export function countException(counters: DeviceCounters, code: number): void {
  counters.exceptions[code] = (counters.exceptions[code] ?? 0) + 1;
}

/** The counters as they are shown. */
export function showCounters(counters: DeviceCounters, timeoutMs: number): DeviceStatistics {
  const times = counters.responseMs.slice(0, Math.min(counters.responsesKept, WINDOW)).sort();
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  const { requests, responses, timeouts, lateReplies, garbled, busyMs } = counters;
  return {
    requests,
    responses,
    timeouts,
    lateReplies,
    garbled,
    exceptions: { ...counters.exceptions },
    responseMs: times.length > 0 ? { p50: at(0.5), p95: at(0.95), max: times[times.length - 1]! } : undefined,
    timeoutMs,
    busyMs,
  };
}
