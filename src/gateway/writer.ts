/** Carries out remote writes within what the file allows. */
import type { WriteResult } from '../../hal/driver.ts';
import type { GatewayView } from '../api/view.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { TagId, Value } from '../core/reading.ts';
import type { Lines } from './lines.ts';
import type { LiveTable } from './live.ts';

/** The refusal of every write while `commands.enabled` is not true. */
const COMMANDS_ARE_OFF =
  'writing is switched off. Allow it in the configuration: commands: {enabled: true}, and writable: {…} at the tag';

/**
 * The writes of a gateway. Each attempt, refused or not, leaves one audit event.
 *
 * @param configured the configuration in force
 * @param stopping ends what still waits when the gateway stops
 */
export function createWriter(
  configured: () => Config,
  live: LiveTable,
  lines: Pick<Lines, 'of'>,
  stopping: AbortSignal,
  event: (body: EventBody) => void,
): GatewayView['write'] {
  const attempt = (id: TagId, value: Value, signal: AbortSignal): Promise<WriteResult> => {
    const { tag } = live.known(id);
    const config = configured();
    if (!config.commands.enabled) return Promise.resolve({ ok: false, kind: 'refused', why: COMMANDS_ARE_OFF });
    if (config.derived.some((derived) => derived.tag.tag.id === id)) {
      const why = `${id} is computed from other tags (expr) and cannot be written`;
      return Promise.resolve({ ok: false, kind: 'refused', why });
    }
    return lines.of(tag.device)!.poller.write(tag, value, AbortSignal.any([signal, stopping]));
  };
  return async (id, value, signal) => {
    try {
      const result = await attempt(id, value, signal);
      event(auditOf(id, value, result));
      return { ...result, tag: id };
    } catch (error) {
      event(auditOf(id, value, { ok: false, kind: 'failed', why: messageOf(error) }));
      throw error;
    }
  };
}

function auditOf(tag: TagId, value: Value, result: WriteResult): EventBody {
  const asked = { kind: 'audit', what: 'write', tag, value: jsonValue(value) } as const;
  if (result.ok) {
    const readBack = result.readBack === undefined ? undefined : jsonValue(result.readBack);
    return { ...asked, outcome: 'written', readBack, message: `${tag} set to ${value}` };
  }
  const { kind: outcome, why } = result;
  return { ...asked, outcome, why, message: `${tag} not set to ${value}: ${why}` };
}

/** Events are JSON, where integers beyond 2⁵³ are decimal strings. */
function jsonValue(value: Value): Exclude<Value, bigint> {
  return typeof value === 'bigint' ? value.toString() : value;
}
