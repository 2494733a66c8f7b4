/** Finds out what a broker hangs up on: before MQTT 5, and with many brokers after it, that is how they refuse. */
import type { OutgoingBatch } from './uplink.ts';

/** What a message to the broker is about. */
export type Subject =
  | { readonly kind: 'batch'; readonly batch: OutgoingBatch }
  /** A retained value of a device, for `topics: per-tag`. */
  | { readonly kind: 'value'; readonly device: string }
  /** Our own status message, or the wish to hear of it. */
  | { readonly kind: 'status' }
  | { readonly kind: 'watch' }
  /** The topic of commands, or a reply to one. */
  | { readonly kind: 'command' };

/** After so many other messages the accused will not come any more. */
const MAX_OTHERS = 200;

/**
 * The suspicion of one uplink; it outlives sessions. The first unconfirmed message of a session that the broker ended is
 * the accused; then one message goes at a time until the accused has passed. It is guilty when the next session ends
 * behind it again, and from then on, until one is confirmed, every message of its kind that a session ends behind.
 */
export class Suspicion {
  private accused: Subject | undefined;
  private convicted: Subject | undefined;
  private others = 0;

  /** Whether messages have to go one at a time. */
  get isCareful(): boolean {
    return this.accused !== undefined || this.convicted !== undefined;
  }

  /** Whether the own status may be watched: it is left out while something else is accused. */
  get mayWatch(): boolean {
    return !this.isCareful || this.accused?.kind === 'watch';
  }

  /** The broker ended a session. Gives what it hung up on, when that is certain. */
  ended(firstUnconfirmed: Subject | undefined): Subject | undefined {
    const { accused, convicted } = this;
    this.others = 0;
    const isGuilty =
      firstUnconfirmed !== undefined &&
      ((accused && isSame(firstUnconfirmed, accused)) || (convicted && isOfKind(firstUnconfirmed, convicted)));
    this.accused = isGuilty ? undefined : firstUnconfirmed;
    if (!isGuilty) return undefined;
    this.convicted = firstUnconfirmed;
    return firstUnconfirmed;
  }

  confirmed(subject: Subject): void {
    if (this.convicted && isOfKind(subject, this.convicted)) this.convicted = undefined;
    if (this.accused && isSame(subject, this.accused)) this.accused = undefined;
    if (++this.others > MAX_OTHERS) this.accused = this.convicted = undefined;
  }
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
