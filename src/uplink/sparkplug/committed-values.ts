/** The newest committed reading of every tag, which births tell as the present: nothing is published before it is on the disk. */
import type { GatewayEvent } from '../../core/event.ts';
import type { DeviceRecord, Field, TagId } from '../../core/reading.ts';
import type { CommitBatch, Receipt } from '../../store/store.ts';

/** A committed reading. */
export interface CommittedValue {
  readonly seq: number;
  readonly record: DeviceRecord;
  readonly field: Field;
}

/** A committed event. */
interface CommittedEvent {
  readonly seq: number;
  readonly event: GatewayEvent;
}

/** Reasons of a bad reading that say that the device, or the way to it, is gone. */
const LOST = new Set<string>(['offline', 'not-connected', 'gateway-path']);

/** Whether a record says that its device cannot be reached: no value in it, and such a reason. */
export function saysLost({ fields }: DeviceRecord): boolean {
  return !fields.hasValue() && [...(fields.remarks?.values() ?? [])].some(({ why }) => LOST.has(why));
}

/** What this process has committed so far, the newest of each. */
export class CommittedValues {
  private readonly values = new Map<TagId, CommittedValue>();
  private readonly events = new Map<string, CommittedEvent>();
  private readonly lost = new Map<string, boolean>();
  private eventsFrom: number | undefined;

  /** To be called with each commit, before the uplinks are told of it. */
  take({ readings, events }: Receipt, batch: CommitBatch): void {
    // Numbers given to what was dropped before the commit come first.
    const firstRecord = readings.to - batch.records.length;
    for (const [index, record] of batch.records.entries()) this.takeRecord(firstRecord + index, record);
    const firstEvent = events.to - batch.events.length;
    for (const [index, event] of batch.events.entries()) {
      this.eventsFrom ??= firstEvent;
      this.events.set(event.body.kind, { seq: firstEvent + index, event });
    }
  }

  /** The newest reading of a tag; undefined when there is none since the start. */
  of(tag: TagId): CommittedValue | undefined {
    return this.values.get(tag);
  }

  /** The newest event of a kind. */
  event(kind: string): CommittedEvent | undefined {
    return this.events.get(kind);
  }

  /** Whether an event is from before the start of this process. */
  isOldEvent(seq: number): boolean {
    return this.eventsFrom === undefined || seq < this.eventsFrom;
  }

  /** Whether a device cannot be reached; undefined: it was not heard of since the start. */
  isLost(device: string): boolean | undefined {
    return this.lost.get(device);
  }

  private takeRecord(seq: number, record: DeviceRecord): void {
    for (const field of record.fields) {
      const tag = `${record.device}/${field.name}`;
      const known = this.values.get(tag);
      // What was read late is older than what is known, though it was committed later.
      if (known && known.record.at.monoMs > record.at.monoMs) continue;
      this.values.set(tag, { seq, record, field });
    }
    if (record.fields.hasValue()) this.lost.set(record.device, false);
    else if (saysLost(record)) this.lost.set(record.device, true);
  }
}
