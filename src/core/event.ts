/** The events that are stored and published, as types, and the alarms of the gateway itself, which are told as events. */
import type { ProductionChange, ProductionReport } from './production/production.ts';
import type { Value } from './reading.ts';

/** States of an alarm on the wire; the letters are those of ISA-18.2 figure 10. */
export type AlarmState =
  | 'normal' // A
  | 'unacked' // B
  | 'acked' // C
  | 'returned-unacked' // D
  | 'latched-unacked' // E
  | 'latched-acked' // F
  | 'shelved' // G
  | 'suppressed' // H
  | 'out-of-service'; // I

/** What happened to an alarm. */
export type AlarmChange =
  | 'raised'
  | 'acked'
  | 'returned'
  | 'cleared'
  | 'reset'
  | 'shelved'
  | 'unshelved'
  | 'suppressed'
  | 'unsuppressed'
  | 'out-of-service'
  | 'in-service';

/** Priorities of alarms and findings, ISA-18.2 clause 9. */
export type Priority = 'low' | 'medium' | 'high' | 'critical';

/** What happened to an item of maintenance. */
type MaintenanceChange = 'due' | 'overdue' | 'done' | 'zone' | 'trend';

/** What an event says, by kind. Everything is JSON; integers beyond 2⁵³ are decimal strings. */
export type EventBody =
  | {
      readonly kind: 'alarm';
      readonly id: string;
      readonly occurrence: number;
      readonly change: AlarmChange;
      readonly state: AlarmState;
      readonly priority: Priority;
      readonly tag?: string;
      readonly value?: Value;
      readonly limit?: Value | readonly Value[];
      readonly message: string;
      readonly [detail: string]: unknown;
    }
  | {
      readonly kind: 'spc';
      readonly id: string;
      readonly chart: string;
      readonly rule: string;
      readonly point: number;
      readonly value: number;
      readonly center: number;
      readonly lcl: number | null;
      readonly ucl: number | null;
      readonly limits: number;
      readonly [detail: string]: unknown;
    }
  | {
      readonly kind: 'gap';
      readonly stream: 'readings' | 'events';
      readonly from: number;
      /** Last number of the gap, included. */
      readonly to: number;
      readonly count: number;
      readonly cause: string;
      readonly [detail: string]: unknown;
    }
  | {
      readonly kind: 'maintenance';
      readonly id: string;
      readonly change: MaintenanceChange;
      readonly message: string;
      readonly [detail: string]: unknown;
    }
  | {
      readonly kind: 'production';
      readonly machine: string;
      readonly change: ProductionChange;
      /** UTC ms of the stop, the shift or the job; null while it lasts. */
      readonly from: number;
      readonly to: number | null;
      /** Name of the reason; null: not coded, or not of a stop. */
      readonly reason: string | null;
      /** Number of the stop. */
      readonly stop: number | null;
      /** Of a shift. */
      readonly report?: ProductionReport;
      readonly message: string;
      readonly [detail: string]: unknown;
    }
  | {
      readonly kind: 'lifecycle' | 'quality' | 'audit';
      readonly what: string;
      readonly message: string;
      readonly [detail: string]: unknown;
    };

/** Where events have a part in the chain of quality records; each is the place of one among them, from 0. */
export interface ChainPlaces {
  readonly records: readonly number[];
  readonly checkpoints: readonly number[];
}

/** Which of some events are quality records, and which are checkpoints of them; undefined where none is. */
export function chainPlaces(events: readonly GatewayEvent[]): ChainPlaces | undefined {
  const records: number[] = [];
  const checkpoints: number[] = [];
  for (const [place, { body }] of events.entries())
    if ('chain' in body) records.push(place);
    else if (body.kind === 'quality' && body.what === 'checkpoint') checkpoints.push(place);
  return records.length + checkpoints.length === 0 ? undefined : { records, checkpoints };
}

/** What is signed: so many records, the last with this hash, by this key, at this time (UTC ms). */
export interface Checkpoint {
  readonly count: number;
  /** SHA-256 of the last record, hex. */
  readonly head: string;
  /** Name of the key: the first 16 hex digits of the SHA-256 of the public key. */
  readonly key: string;
  readonly time: number;
}

/** A checkpoint with its signature (Ed25519, hex) and the key it can be checked by (32 bytes, hex). */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly signature: string;
  readonly publicKey: string;
}

/** An event with its instant. It gets its number when it is committed. */
export interface GatewayEvent {
  readonly wallMs: number;
  readonly monoMs: number;
  readonly clockKnown: boolean;
  readonly body: EventBody;
}

/** An event as JSON can hold it: a number that is not finite is null in it, as it is on the disk. */
export function storableEvent(event: GatewayEvent): GatewayEvent {
  return isStorable(event.body) ? event : { ...event, body: storable(event.body) as EventBody };
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isStorable);
}

function storable(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(storable);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, storable(member)]));
}

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
