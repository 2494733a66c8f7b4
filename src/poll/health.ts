/**
 * The circuit breaker of one device, pure. A device is offline only after enough failed scans *and* enough time, so
 * that neither one burst of noise nor one slow scan puts it away; offline it is probed with growing pauses.
 */
export type Health =
  | { readonly state: 'online' }
  | { readonly state: 'degraded'; readonly failures: number; readonly sinceMs: number }
  | { readonly state: 'offline'; readonly sinceMs: number; readonly probes: number; readonly nextProbeMs: number };

/** Failed scans in a row that make a device offline, when they also took {@link OFFLINE_AFTER_MS}. */
export const OFFLINE_AFTER_SCANS = 3;

/** Time without any answer that makes a device offline, when there were {@link OFFLINE_AFTER_SCANS}. */
export const OFFLINE_AFTER_MS = 2000;

/** Pauses between probes of an offline device: doubled from the first to the last. */
const FIRST_PROBE_MS = 500;
const LAST_PROBE_MS = 7000;

/** The start: nothing is held against a device that was not asked yet. */
export const healthy: Health = { state: 'online' };

/** The device answered, with a value or with an exception of its own: it is alive. */
export function afterAnswer(): Health {
  return healthy;
}

/** The device did not answer a request that ended at `nowMs` (monotonic). */
export function afterSilence(health: Health, nowMs: number): Health {
  switch (health.state) {
    case 'online':
      return { state: 'degraded', failures: 1, sinceMs: nowMs };
    case 'degraded': {
      const failures = health.failures + 1;
      if (failures < OFFLINE_AFTER_SCANS || nowMs - health.sinceMs < OFFLINE_AFTER_MS) {
        return { ...health, failures };
      }
      return { state: 'offline', sinceMs: health.sinceMs, probes: 0, nextProbeMs: nowMs + FIRST_PROBE_MS };
    }
    case 'offline': {
      const probes = health.probes + 1;
      const pauseMs = Math.min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(probes, 20));
      return { ...health, probes, nextProbeMs: nowMs + pauseMs };
    }
  }
}

/** Makes an offline device's next probe due at once: another device on its line just came back. */
export function probeSoon(health: Health, nowMs: number): Health {
  return health.state === 'offline' ? { ...health, probes: 0, nextProbeMs: nowMs } : health;
}

/** Probes of silent devices may use at most this share of a line. */
const PROBE_SHARE = 0.05;

/** A line rests at most so long between two probes, and pays the rest of its share later, ms. */
const LONGEST_PROBE_REST_MS = 8000;

/** More line time than this is not owed for long: beyond it, a line rests until the debt is down to it, ms. */
const MOST_PROBE_DEBT_MS = 1500;

/** What probes have cost a line and its share has not paid yet. */
export interface ProbeDebt {
  readonly debtMs: number;
  /** When that was, monotonic ms. */
  readonly atMs: number;
  /** The earliest time for the next probe, monotonic ms. */
  readonly slotMs: number;
}

/**
 * The debt after a probe that ended at `nowMs` and cost `costMs` in vain. Over time probes take {@link PROBE_SHARE} of the
 * line; a dear one is paid for over several, so that a device that is back is found within ten seconds.
 */
export function afterProbe({ debtMs, atMs }: ProbeDebt, nowMs: number, costMs: number): ProbeDebt {
  const perMs = PROBE_SHARE / (1 - PROBE_SHARE);
  const leftMs = Math.max(0, debtMs - (nowMs - costMs - atMs) * perMs);
  const owedMs = Math.min(leftMs + costMs, Math.max(costMs, MOST_PROBE_DEBT_MS));
  const restMs = Math.max(Math.min(owedMs / perMs, LONGEST_PROBE_REST_MS), (owedMs - MOST_PROBE_DEBT_MS) / perMs);
  return { debtMs: owedMs, atMs: nowMs, slotMs: nowMs + restMs };
}

/**
 * How long the whole line rests after a gateway said for the `failures`-th time in a row (from 1) that it has no path:
 * it is overloaded or cut off, and every unit behind it is.
 */
export function pathRestMs(failures: number): number {
  return Math.min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(failures - 1, 20));
}
