/** Counts what happens to the requests of one device. */
import type { DeviceStatistics } from '../../statistics.ts';

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
