import { type Clock, sleepOn } from '../../src/core/clock.ts';

/**
 * A clock that goes `factor` times as fast as the machine's, so that real sockets and deadlines of half a minute meet in
 * one test. Wall time starts at now.
 */
export function fastClock(factor: number): Clock {
  const startMs = performance.now();
  const startWallMs = Date.now();
  const clock: Clock = {
    monoMs: () => (performance.now() - startMs) * factor,
    wallMs: () => Math.floor(startWallMs + clock.monoMs()),
    known: () => true,
    after(ms, callback) {
      const timer = setTimeout(callback, Math.max(0, ms) / factor);
      return () => clearTimeout(timer);
    },
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
  };
  return clock;
}
