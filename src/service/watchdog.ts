/** Feeds the watchdog of systemd for as long as the gateway gets on. */
import { type Clock, every } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Notifier } from './notify.ts';
import { type GatewayProgress, statusLine, stuckBecause } from './progress.ts';

/** What the watch is kept with. */
interface WatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly notifier: Notifier;
  readonly progress: () => GatewayProgress;
  /** Whether a thread of this process waits for a disk at this instant. */
  readonly waitsForDisk: () => boolean;
}

/** Looks in the time after which systemd ends the program: one may be late, and one lost. */
const LOOKS = 4;

/** How many latenesses are kept. */
const KEPT = 8;

/** A commit under way for longer is looked at for what it waits for, ms. */
const SUSPICIOUS_COMMIT_MS = 1000;

/**
 * Feeds systemd's watchdog for as long as the gateway gets on. When it does not, the reason is logged and systemd is asked
 * to end and start the program at once. Does nothing where no watchdog is set.
 *
 * @returns ends the watch
 */
export function keepWatch({ clock, log, notifier, progress, waitsForDisk }: WatchOptions): () => void {
  const { watchdogMs } = notifier;
  if (watchdogMs === undefined) return () => {};
  const everyMs = watchdogMs / LOOKS;
  const latenessMs: number[] = [];
  let diskSeenIn: number | undefined;
  let told: string | undefined;
  let dueMs = clock.monoMs() + everyMs;
  return every(clock, everyMs, () => {
    const nowMs = clock.monoMs();
    latenessMs.push(nowMs - dueMs);
    if (latenessMs.length > KEPT) latenessMs.shift();
    const work = progress();
    const { commitSinceMs } = work;
    if (commitSinceMs !== undefined && nowMs - commitSinceMs > SUSPICIOUS_COMMIT_MS && waitsForDisk())
      diskSeenIn = commitSinceMs;
    const stuck = stuckBecause({
      ...work,
      nowMs,
      latenessMs,
      waitsForDisk: commitSinceMs !== undefined && diskSeenIn === commitSinceMs,
    });
    if (stuck === undefined) {
      const status = statusLine(work);
      notifier.tell(status === told ? 'WATCHDOG=1' : `WATCHDOG=1\nSTATUS=${status}`);
      told = status;
    } else {
      log.error(`the gateway does not get on: ${stuck}. It is started again.`);
      notifier.tell(`WATCHDOG=trigger\nSTATUS=${stuck}`);
    }
    dueMs = nowMs + everyMs;
  });
}
