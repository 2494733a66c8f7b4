/** The one way in which the gateway writes to a machine, with its audit: for a person, a command or an alarm. */

import type { WriteResult } from '../../hal/driver.ts';
import type { WriteCounts } from '../api/view.ts';
import type { Config } from '../config/config.ts';
import { underBoth } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { TagId, Value } from '../core/reading.ts';
import type { Lines } from './lines.ts';
import type { LiveTable } from './live.ts';

/** The refusal of every write while `commands.enabled` is not true. */
export const COMMANDS_ARE_OFF =
  'writing is switched off. Allow it in the configuration: commands: {enabled: true}, and writable: {…} at the tag';

/** Who orders a write. What an alarm sets is ordered by the file itself, and needs no `commands.enabled`. */
type WriteOrigin =
  /**
   * `from`: over which uplink and topic a command came. `refusedBecause`: it is not for that uplink to order it, and only
   * the audit is wanted.
   */
  | {
      readonly kind: 'person' | 'command';
      readonly by?: string | undefined;
      readonly from?: string;
      readonly refusedBecause?: string;
    }
  | { readonly kind: 'alarm'; readonly alarm: string };

/**
 * Writes a value in engineering units, and reads it back. Whether the tag may be written, its range and its rate are
 * looked at for every origin.
 *
 * @throws Fault for an unknown tag, and when it is not known whether the device took the value
 */
export type Writer = (tag: TagId, value: Value, origin: WriteOrigin, signal: AbortSignal) => Promise<WriteResult>;

/**
 * The writes of a gateway. Each attempt, refused or not, leaves one audit event; an alarm that tries again because its
 * output refused leaves one for each new outcome.
 *
 * @param configured the configuration in force
 * @param stopping ends what still waits when the gateway stops
 * @param counts counts each attempt by how it ended
 */
export function createWriter(
  configured: () => Config,
  live: LiveTable,
  lines: Pick<Lines, 'of'>,
  stopping: AbortSignal,
  event: (body: EventBody) => void,
  counts: WriteCounts,
): Writer {
  /** How the last write of an alarm to each tag ended. */
  const lastOfAlarms = new Map<TagId, string>();
  const attempt = (id: TagId, value: Value, origin: WriteOrigin, signal: AbortSignal): Promise<WriteResult> => {
    if (origin.kind === 'command' && origin.refusedBecause !== undefined)
      return Promise.resolve({ ok: false, kind: 'refused', why: origin.refusedBecause });
    if (typeof value === 'number' && !Number.isFinite(value))
      return Promise.resolve({ ok: false, kind: 'refused', why: `${value} is no number that can be written` });
    const { tag } = live.known(id);
    const config = configured();
    if (origin.kind !== 'alarm' && !config.commands.enabled)
      return Promise.resolve({ ok: false, kind: 'refused', why: COMMANDS_ARE_OFF });
    if (config.derived.some((derived) => derived.tag.tag.id === id)) {
      const why = `${id} is computed from other tags (expr) and cannot be written`;
      return Promise.resolve({ ok: false, kind: 'refused', why });
    }
    const { poller } = lines.of(tag.device)!;
    return underBoth(signal, stopping, (either) => poller.write(tag, value, either));
  };
  const audit = (id: TagId, value: Value, origin: WriteOrigin, result: WriteResult): void => {
    counts[result.ok ? 'written' : result.kind]++;
    if (origin.kind === 'alarm') {
      const outcome = `${origin.alarm} ${value} ${result.ok ? 'written' : result.kind}`;
      if (!result.ok && lastOfAlarms.get(id) === outcome) return;
      lastOfAlarms.set(id, outcome);
    }
    event(auditOf(id, value, origin, result));
  };
  return async (id, value, origin, signal) => {
    try {
      const result = await attempt(id, value, origin, signal);
      audit(id, value, origin, result);
      return result;
    } catch (error) {
      audit(id, value, origin, { ok: false, kind: 'unknown', why: messageOf(error) });
      throw error;
    }
  };
}

/** What an event says of a write that did not end well. */
const ATTEMPT = { refused: 'not set to', unknown: 'perhaps set to', mismatch: 'was sent' } as const;

/** The audit event of a write that was tried. */
export function auditOf(tag: TagId, value: Value, origin: WriteOrigin, result: WriteResult) {
  const by = origin.kind === 'alarm' ? `alarm ${origin.alarm}` : (origin.by ?? origin.kind);
  const from = origin.kind === 'alarm' ? undefined : origin.from;
  const asked = { kind: 'audit', what: 'write', tag, value: jsonValue(value), by, from } as const;
  if (result.ok) {
    const readBack = result.readBack === undefined ? undefined : jsonValue(result.readBack);
    return { ...asked, outcome: 'written' as const, readBack, message: `${tag} set to ${value} by ${by}` };
  }
  const { kind: outcome, why } = result;
  return { ...asked, outcome, why, message: `${tag} ${ATTEMPT[outcome]} ${value} by ${by}: ${why}` };
}

/** Events are JSON, where integers beyond 2⁵³ are decimal strings. */
function jsonValue(value: Value): Exclude<Value, bigint> {
  return typeof value === 'bigint' ? value.toString() : value;
}
