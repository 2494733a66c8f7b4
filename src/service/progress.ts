/** Judges whether the gateway gets on with its work. */
import { formatDuration } from '../core/quantity.ts';

/** What a line says of its own work. Instants are of the monotonic clock, ms. */
export interface LineProgress {
  readonly name: string;
  readonly state: 'connecting' | 'connected' | 'waiting' | 'stopped';
  /** Since when the oldest question, or the connecting, is under way; undefined when nothing is. */
  readonly busySinceMs: number | undefined;
  /** When the next question is due; Infinity when none will be, as on a line that reports by itself. */
  readonly dueMs: number;
}

/** What the parts of a gateway say of their own work. */
export interface GatewayProgress {
  readonly lines: readonly LineProgress[];
  /** Since when a commit is under way, monotonic ms; undefined when none is. */
  readonly commitSinceMs: number | undefined;
}

/** What is judged: the work, and how the process itself is served. */
export interface Observation extends GatewayProgress {
  readonly nowMs: number;
  /** Whether a thread of the process was seen waiting for a disk while the commit is under way. */
  readonly waitsForDisk: boolean;
  /** How late the last few looks came, ms: all of them late means that the event loop is never free. */
  readonly latenessMs: readonly number[];
}

/**
 * The longest that one question to a device may take, or connecting. Every driver ends either by itself: with the longest
 * `timeout` (60 s) and the most `retries` (10) a Modbus question to a dead device takes eleven minutes.
 */
const LONGEST_QUESTION_MS = 900_000;

/** How much later than planned a line may ask. A line that is only overloaded asks all the time. */
const LONGEST_IDLE_MS = 30_000;

/** The longest that a commit takes where no disk is waited for; it is a few milliseconds of work. */
const LONGEST_COMMIT_MS = 8000;

/** A loop that is this late every time serves nobody. */
const LATE_MS = 4000;

/** So many late looks in a row are needed. */
const LATE_LOOKS = 4;

/**
 * Why the gateway does not get on, so that it has to be started again; undefined while it does. What a restart cannot
 * mend is no reason: a device that does not answer, a port that is gone, a disk that refuses or stalls (readings are held
 * in memory then, which a restart would lose).
 */
export function stuckBecause(observation: Observation): string | undefined {
  const { nowMs, lines, commitSinceMs, waitsForDisk, latenessMs } = observation;
  for (const { name, state, busySinceMs, dueMs } of lines) {
    if (state === 'stopped') continue;
    const busyMs = nowMs - (busySinceMs ?? nowMs);
    if (busyMs > LONGEST_QUESTION_MS) return `${name}: one question has been under way for ${seconds(busyMs)}`;
    const idleMs = nowMs - dueMs;
    if (state === 'connected' && busySinceMs === undefined && idleMs > LONGEST_IDLE_MS)
      return `${name}: nothing was asked although it was due ${seconds(idleMs)} ago`;
  }
  const commitMs = nowMs - (commitSinceMs ?? nowMs);
  if (commitMs > LONGEST_COMMIT_MS && !waitsForDisk)
    return `store: a commit has been under way for ${seconds(commitMs)}, and no disk is waited for`;
  const recent = latenessMs.slice(-LATE_LOOKS);
  if (recent.length === LATE_LOOKS && recent.every((lateMs) => lateMs > LATE_MS))
    return `the event loop is ${seconds(Math.min(...recent))} late, again and again`;
  return undefined;
}

function seconds(ms: number): string {
  return formatDuration(Math.round(ms / 1000) * 1000);
}

/** One line for `systemctl status`. */
export function statusLine({ lines }: GatewayProgress): string {
  const connected = lines.filter(({ state }) => state === 'connected').length;
  const away = lines.filter(({ state }) => state !== 'connected').map(({ name }) => name);
  const channels = lines.length === 1 ? 'channel' : 'channels';
  const missing =
    away.length === 0 ? '' : `; not connected: ${away.slice(0, 5).join(', ')}${away.length > 5 ? ', …' : ''}`;
  return `${connected} of ${lines.length} ${channels} connected${missing}`;
}
