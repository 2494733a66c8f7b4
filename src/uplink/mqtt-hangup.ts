/** Finds out what a broker hangs up on: before MQTT 5, and with many brokers after it, that is how they refuse. */
import type { OutgoingBatch } from './uplink.ts';

/** What a message to the broker is about. */
export type Subject =
  | { readonly kind: 'batch'; readonly batch: OutgoingBatch }
  /** A retained value of a device, for `topics: per-tag`. */
  | { readonly kind: 'value'; readonly device: string }
  /** Our own status message, or the wish to hear of it. */
  | { readonly kind: 'status' }
  | { readonly kind: 'watch' };

/**
 * The suspicion of one uplink; it outlives sessions. The first unconfirmed message of a session that the broker ended is
 * the accused; then one message goes at a time until the accused has passed. It is guilty when the next session ends
 * behind it again, and from then on, until one is confirmed, every message of its kind that a session ends behind.
 */
export interface Suspicion {
  /** Whether messages have to go one at a time. */
  readonly isCareful: boolean;
  /** Whether the own status may be watched: it is left out while something else is accused. */
  readonly mayWatch: boolean;
  /** The broker ended a session. Gives what it hung up on, when that is certain. */
  ended(firstUnconfirmed: Subject | undefined): Subject | undefined;
  confirmed(subject: Subject): void;
}

/** After so many other messages the accused will not come any more. */
const MAX_OTHERS = 200;

/** No suspicion yet. */
export function createSuspicion(): Suspicion {
  let accused: Subject | undefined;
  let convicted: Subject | undefined;
  let others = 0;
  return {
    get isCareful() {
      return accused !== undefined || convicted !== undefined;
    },
    get mayWatch() {
      return !this.isCareful || accused?.kind === 'watch';
    },
    ended(subject) {
      others = 0;
      const isGuilty =
        subject !== undefined &&
        ((accused !== undefined && isSame(subject, accused)) || (convicted && isOfKind(subject, convicted)));
      accused = isGuilty ? undefined : subject;
      if (isGuilty) convicted = subject;
      return isGuilty ? subject : undefined;
    },
    confirmed(subject) {
      if (convicted && isOfKind(subject, convicted)) convicted = undefined;
      if (accused && isSame(subject, accused)) accused = undefined;
      if (++others > MAX_OTHERS) accused = convicted = undefined;
    },
  };
}

function isSame(a: Subject, b: Subject): boolean {
  if (!isOfKind(a, b) || a.kind !== 'batch' || b.kind !== 'batch') return isOfKind(a, b);
  return a.batch.seq < endOf(b.batch) && b.batch.seq < endOf(a.batch);
}

/** Whether both are of one stream, or of one device. */
function isOfKind(a: Subject, b: Subject): boolean {
  if (a.kind === 'value' && b.kind === 'value') return a.device === b.device;
  if (a.kind !== 'batch' || b.kind !== 'batch') return a.kind === b.kind;
  return (a.batch.kind === 'event') === (b.batch.kind === 'event');
}

function endOf(batch: OutgoingBatch): number {
  if (batch.kind === 'event') return batch.seq + 1;
  return batch.seq + (batch.kind === 'texts' ? batch.texts.length : batch.records.length);
}
