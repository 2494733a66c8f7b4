/** Alarms as the words of the whole program: conditions, priorities and defaults. */

import type { Priority } from './event.ts';
import type { Shown, TagId, Value } from './reading.ts';

/** When an alarm's condition holds. Every comparison is strict: a value on the limit is no alarm (ISA-18.2 leaves it open). */
export type AlarmCondition =
  /** v > limit. */
  | { readonly kind: 'above'; readonly limit: number }
  /** v < limit. */
  | { readonly kind: 'below'; readonly limit: number }
  /** v < low or v > high. */
  | { readonly kind: 'outside'; readonly low: number; readonly high: number }
  /** v is exactly this. */
  | { readonly kind: 'equals'; readonly value: Value }
  /** Moves, up or down, by more than `limit` in `perMs`; never extrapolated from a shorter time. */
  | { readonly kind: 'rateAbove'; readonly limit: number; readonly perMs: number }
  /** No usable reading for `afterMs`; a value that the device only repeats (`last-usable`) is none. */
  | { readonly kind: 'stale'; readonly afterMs: number }
  /** Differs from the value before. Lasts a moment only: the off-delay counts from the change. */
  | { readonly kind: 'changed' }
  /** One of these tags of a device reads bad: an instrument or the way to it has failed. */
  | { readonly kind: 'instrument'; readonly device: string; readonly tags: readonly TagId[] };

/** A condition by design: something counts only while this tag is on, or has this value. */
export interface Gate {
  readonly tag: TagId;
  /** Undefined: on, that is true or a number other than 0. */
  readonly equals: Value | undefined;
}

/**
 * An output that shows the alarm. It gets `to` while the alarm is active or latched (states B, C, E, F) and `back` when
 * no alarm holds it any more; shelved, suppressed and out-of-service alarms hold nothing.
 */
interface AlarmOutput {
  readonly tag: TagId;
  readonly to: Value;
  readonly back: Value;
}

/** One alarm, checked and complete. */
export interface AlarmConfig {
  /** Unique among the rules. */
  readonly id: string;
  readonly tag: TagId;
  readonly condition: AlarmCondition;
  /** Engineering unit of the tag, for messages. */
  readonly unit: string | undefined;
  /** How values of the tag are shown, for messages. */
  readonly shown?: Shown | undefined;
  /** In engineering units (for `rateAbove` per period), ≥ 0; widens the way back only, never the way in. */
  readonly deadband: number;
  /** The condition must last this long, ms; 0 is at once. */
  readonly onDelayMs: number;
  /** The condition must be gone this long, ms; 0 is at once. */
  readonly offDelayMs: number;
  readonly priority: Priority;
  /** Stays after the condition is gone, until it is reset. */
  readonly latch: boolean;
  /** Stays after the condition is gone, until it is acknowledged. */
  readonly ack: boolean;
  /** Template with `{value} {unit} {limit} {tag}`; undefined: one made from the condition. */
  readonly message: string | undefined;
  /** Suppression by design: nothing new is annunciated while it is closed. */
  readonly while: Gate | undefined;
  readonly set: AlarmOutput | undefined;
  /** The longest shelving, ms. */
  readonly maxShelveMs: number;
}

/** Eight hours, a shift: the usual bound of shelving (ISA-18.2 clause 10 asks for one, the number is a site's). */
export const DEFAULT_MAX_SHELVE_MS = 8 * 3_600_000;

/** What the message of an alarm may name. */
export const MESSAGE_FIELDS = ['value', 'unit', 'limit', 'tag'] as const;
