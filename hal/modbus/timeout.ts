/**
 * What is known of how fast a device answers: smoothed response time and deviation (Jacobson, "Congestion Avoidance and
 * Control", 1988; gains 1/8 and 1/4 as in RFC 6298), the slowest answer of late, and how many answers since a timeout.
 */
export interface ResponseTimes {
  readonly smoothedMs: number;
  readonly deviationMs: number;
  readonly slowestMs: number;
  readonly answers: number;
}

/** Nothing known. */
export const noResponseTimes: ResponseTimes = { smoothedMs: 0, deviationMs: 0, slowestMs: 0, answers: 0 };

/** Answers in a row before the deadline is drawn closer than the configured one. */
const TRUST_AFTER = 16;

/** A deadline is never shorter than this beside the wire time: the jitter of a busy host and of USB adapters. */
export const SHORTEST_TIMEOUT_MS = 50;

/** The slowest answer of late is forgotten by this factor with each answer. */
const FORGET = 0.995;

/** After an answer that took `elapsedMs` beyond the wire time. */
export function answered(times: ResponseTimes, elapsedMs: number): ResponseTimes {
  const slowestMs = Math.max(elapsedMs, times.slowestMs * FORGET);
  if (times.answers === 0) return { smoothedMs: elapsedMs, deviationMs: elapsedMs / 2, slowestMs, answers: 1 };
  const error = elapsedMs - times.smoothedMs;
  return {
    smoothedMs: times.smoothedMs + error / 8,
    deviationMs: times.deviationMs + (Math.abs(error) - times.deviationMs) / 4,
    slowestMs,
    answers: Math.min(times.answers + 1, TRUST_AFTER),
  };
}

/** Whether there were answers enough for the deadline to fit the device. */
export function isProven(times: ResponseTimes): boolean {
  return times.answers >= TRUST_AFTER;
}

/** After a timeout: the configured deadline holds again until the device has proved itself anew. */
export function timedOut(times: ResponseTimes): ResponseTimes {
  return { ...times, answers: Math.min(times.answers, 1) };
}

/**
 * The deadline to use, ms beyond the wire time: four deviations above the smoothed time and twice the slowest answer
 * of late, never below {@link SHORTEST_TIMEOUT_MS}, never above `configuredMs`.
 */
export function deadlineMs(times: ResponseTimes, configuredMs: number): number {
  if (!isProven(times)) return configuredMs;
  const wantedMs = Math.max(times.smoothedMs + 4 * times.deviationMs, 2 * times.slowestMs, SHORTEST_TIMEOUT_MS);
  return Math.min(wantedMs, configuredMs);
}
