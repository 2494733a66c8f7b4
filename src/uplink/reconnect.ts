/** When to connect again, and which of many failures are worth a line in the log. */
import type { Clock } from '../core/clock.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Random } from '../core/random.ts';

/** How a connection, or an attempt at one, ended. */
export interface Ending {
  readonly reason: string;
  /**
   * `line`: nobody was reached. `refused`: somebody answered and did not want us. `ended`: a session was over.
   * `takeover`: another client has our name. `settled`: it ended by something that will not happen again the same way.
   */
  readonly how: 'line' | 'refused' | 'ended' | 'takeover' | 'settled';
  /** How long the session lasted; 0 where there was none. */
  readonly lastedMs: number;
}

/** A session that held for so long was a good one: what comes after it is a new outage. */
const STABLE_MS = 30_000;

/** While an outage is young, an attempt every second or so: back within two seconds of the line. */
const YOUNG = { forMs: 600_000, minMs: 500, maxMs: 1500 };

/** Later the attempts are rarer, but the line is still found again within ten seconds. */
const OLD = { minMs: 2000, maxMs: 8000 };

/** After refusals the pause doubles up to this: only a person ends them. */
const REFUSED_MAX_MS = 60_000;

/** After a takeover: every attempt throws the other client out, and it comes back. */
const TAKEOVER = { minMs: 30_000, maxMs: 300_000 };

/** An outage is told of again when it is so old. */
const TOLD_AGAIN_MS = [600_000, 3_600_000, 43_200_000, 86_400_000];

/** How many different reasons of one outage are told of. */
const MAX_REASONS = 3;

/** The outages of one uplink. */
interface Reconnect {
  /** Takes note of an ending. Gives how long to wait, with full jitter, and what to log, where it is worth a line. */
  after(ending: Ending): { readonly delayMs: number; readonly line: string | undefined };
}

/** No outage yet. */
export function createReconnect(clock: Pick<Clock, 'monoMs'>, random: Random): Reconnect {
  let sinceMs: number | undefined;
  let refusals = 0;
  let told = new Set<string>();
  let toldAgain = 0;

  const boundsOf = ({ how }: Ending, ageMs: number): { minMs: number; maxMs: number } => {
    if (how === 'takeover')
      return { minMs: TAKEOVER.minMs, maxMs: Math.min(TAKEOVER.maxMs, TAKEOVER.minMs * 2 ** Math.min(refusals, 10)) };
    const young = ageMs < YOUNG.forMs ? YOUNG : OLD;
    if (refusals <= 1) return young;
    return { minMs: young.minMs, maxMs: Math.min(REFUSED_MAX_MS, young.maxMs * 2 ** Math.min(refusals - 1, 10)) };
  };

  return {
    after(ending) {
      const { how, reason, lastedMs } = ending;
      const nowMs = clock.monoMs();
      if (sinceMs === undefined || lastedMs >= STABLE_MS) {
        sinceMs = nowMs;
        refusals = 0;
        told = new Set();
        toldAgain = 0;
      }
      if (how === 'line') refusals = 0;
      else if (how !== 'settled') refusals++;
      const ageMs = nowMs - sinceMs;
      const { minMs, maxMs } = boundsOf(ending, ageMs);
      const delayMs = minMs + random() * (maxMs - minMs);
      const isNew = !told.has(reason) && told.size < MAX_REASONS;
      const isOld = ageMs >= (TOLD_AGAIN_MS[toldAgain] ?? Number.POSITIVE_INFINITY);
      if (isNew) told.add(reason);
      if (isOld) toldAgain++;
      const since = isOld ? ` This has lasted ${formatDuration(Math.round(ageMs / 60_000) * 60_000)}.` : '';
      const line =
        isNew || isOld ? `${reason}${since} Next attempt in ${formatDuration(Math.round(delayMs))}.` : undefined;
      return { delayMs, line };
    },
  };
}
