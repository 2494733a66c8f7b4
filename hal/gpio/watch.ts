/** Watches one line: fetches its edges, counts them and tells of them. */
import { type Clock, instantOf } from '../../src/core/clock.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Instant } from '../../src/core/reading.ts';
import type { ReadResult } from '../driver.ts';
import { deliver, type HeldLine } from './lines.ts';
import type { GpioPort } from './port.ts';
import { SUSTAINED_PER_SECOND } from './reports.ts';

/** How often losses and storms of one line are put into the log, ms. */
const TELL_EVERY_MS = 10_000;

/** A state, good or doubtful. */
export function stateResult(active: boolean, at: Instant, isDoubtful: boolean): ReadResult {
  return { at, ok: true, value: active, ...(isDoubtful ? { doubt: 'missed-edges' } : {}) };
}

/** The instant of a stamp of the port, on the gateway's clocks. */
function instantAt(stampMs: number, port: GpioPort, clock: Clock): Instant {
  const now = instantOf(clock);
  const ageMs = Math.max(0, port.nowMs() - stampMs);
  return { wallMs: Math.round(now.wallMs - ageMs), monoMs: now.monoMs - ageMs };
}

/** Fetches the edges of a line, counts them, and tells those who listen. Throws `LineFault` when the line is gone. */
export function fetchEdges(line: HeldLine, port: GpioPort, clock: Clock, log: Logger): void {
  const edges = line.open.drain();
  const nowMs = port.nowMs();
  deliver(line, edges);
  for (const { tag, reporter, sinceMs, onResult } of line.listeners.values()) {
    const news = edges.filter(({ stampMs }) => stampMs > sinceMs);
    for (const { active, stampMs, isDoubtful } of reporter.take(news, nowMs))
      onResult(tag, stateResult(active, instantAt(stampMs, port, clock), isDoubtful));
    line.untold.leftOut += reporter.leftOut();
  }
  tellTroubles(line, nowMs, log);
}

/** Says what was lost or left out, with numbers: at once, then every ten seconds at most. */
function tellTroubles({ name, untold }: HeldLine, nowMs: number, log: Logger): void {
  if ((untold.lost === 0 && untold.leftOut === 0) || nowMs - untold.toldMs < TELL_EVERY_MS) return;
  if (untold.lost > 0)
    log.warn(
      `${name}: ${untold.lost} edges were lost: they come faster than this machine takes them. Add debounce, or count less often`,
    );
  if (untold.leftOut > 0)
    log.warn(
      `${name}: ${untold.leftOut} changes were not reported one by one: more than ${SUSTAINED_PER_SECOND} come a second. ` +
        'Add debounce: 5ms, or counter: true to count them',
    );
  untold.lost = 0;
  untold.leftOut = 0;
  untold.toldMs = nowMs;
}
