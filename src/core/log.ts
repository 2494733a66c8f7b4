/** Writes log lines for a technician, at a bounded rate. */
import type { Clock } from './clock.ts';

/** Log levels in order of weight. */
export type Level = 'debug' | 'info' | 'warn' | 'error';

/** Writes lines a technician reads. `scope` names the part of the plant: a channel, a device, an uplink. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** A logger whose lines begin with `scope: `. */
  scoped(scope: string): Logger;
}

/** At most this many lines of one scope and level in a window; the rest are counted and summed up in one line. */
const LINES_PER_WINDOW = 20;
const WINDOW_MS = 60_000;

/** How many (scope, level) pairs are tracked for rate limiting. */
const MAX_TRACKED = 4096;

interface Quota {
  windowStartMs: number;
  written: number;
  suppressed: number;
}

/**
 * A logger that rate-limits per scope and level.
 *
 * @param write gets one finished line without a line end, and its level
 * @param threshold lines below this level are dropped
 */
export function createLogger(
  clock: Clock,
  write: (line: string, level: Level) => void,
  threshold: Level = 'info',
): Logger {
  const order: Level[] = ['debug', 'info', 'warn', 'error'];
  const quotas = new Map<string, Quota>();

  const sumUp = (quota: Quota, scope: string, level: Level): void => {
    if (quota.suppressed > 0) write(line(scope, `${quota.suppressed} more lines like these were left out`), level);
    quota.suppressed = 0;
  };

  const emit = (scope: string, level: Level, message: string): void => {
    if (order.indexOf(level) < order.indexOf(threshold)) return;
    const key = `${level} ${scope}`;
    const nowMs = clock.monoMs();
    let quota = quotas.get(key);
    if (!quota || nowMs - quota.windowStartMs >= WINDOW_MS) {
      if (quota) sumUp(quota, scope, level);
      if (quotas.size >= MAX_TRACKED) quotas.clear();
      quota = { windowStartMs: nowMs, written: 0, suppressed: 0 };
      quotas.set(key, quota);
    }
    if (quota.written >= LINES_PER_WINDOW) {
      const full = quota;
      // A storm that ends is summed up too, though no line of its kind comes after it.
      if (quota.suppressed++ === 0)
        clock.after(full.windowStartMs + WINDOW_MS - nowMs, () => sumUp(full, scope, level));
      return;
    }
    quota.written++;
    write(line(scope, message), level);
  };

  const make = (scope: string): Logger => ({
    debug: (message) => emit(scope, 'debug', message),
    info: (message) => emit(scope, 'info', message),
    warn: (message) => emit(scope, 'warn', message),
    error: (message) => emit(scope, 'error', message),
    scoped: (inner) => make(scope ? `${scope}: ${inner}` : inner),
  });
  return make('');
}

function line(scope: string, message: string): string {
  return scope ? `${scope}: ${message}` : message;
}

/** A logger that says nothing, for tools and tests. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  scoped: () => silentLogger,
};
