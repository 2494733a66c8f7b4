/** Alarms of the gateway itself: trouble that a person has to see to, told as events like everything else. */
import type { EventBody } from './event.ts';

/** Where line, store and uplink say that something is wrong with them, and when it is over. */
export interface Alarms {
  /** Raises an alarm, once until it is cleared. `id` names the part and the trouble: `uplink/plant/takeover`. */
  raise(id: string, message: string, detail?: Readonly<Record<string, unknown>>): void;
  /** Ends an alarm; does nothing when it was not raised. */
  clear(id: string, message: string): void;
}

/** @param event puts an event into the journal; must not throw */
export function createAlarms(event: (body: EventBody) => void): Alarms {
  const raised = new Map<string, Readonly<Record<string, unknown>>>();
  return {
    raise(id, message, detail = {}) {
      if (raised.has(id)) return;
      raised.set(id, detail);
      event({ kind: 'lifecycle', what: 'system-alarm', id, change: 'raised', message, ...detail });
    },
    clear(id, message) {
      const detail = raised.get(id);
      if (!detail) return;
      raised.delete(id);
      event({ kind: 'lifecycle', what: 'system-alarm', id, change: 'cleared', message, ...detail });
    },
  };
}

/** Raises nothing, for tools and tests. */
export const noAlarms: Alarms = { raise() {}, clear() {} };
