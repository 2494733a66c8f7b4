/** Publishes the newest value of each tag under a topic of its own. */
import type { DeviceRecord, Field } from '../core/reading.ts';
import type { JsonEncoder } from './json.ts';
import type { OutgoingBatch } from './uplink.ts';

/** A retained message for one tag. */
interface LastValue {
  readonly topic: string;
  readonly payload: string;
}

/**
 * The newest value of each tag, for `topics: per-tag`. A value that was not yet sent is replaced by a newer one, so it
 * holds at most one a tag; a value older than one already offered (from the backlog) is passed over.
 *
 * The payload says of one tag what a record says of several: `{"t":MS,"v":VALUE}`, with `"uncertain":WHY` beside `v` or
 * `"bad":WHY` in its place, and `clock` and `simulated` as in a record. Whether these messages are confirmed does not
 * matter to the delivery of the batch.
 */
export interface LastValues {
  offer(batch: OutgoingBatch): void;
  next(): LastValue | undefined;
}

/** More tags than any gateway has; beyond it none is added. */
const MAX_TAGS = 100_000;

/** @param root topic root, without a slash at its end */
export function createLastValues(root: string, encoder: JsonEncoder): LastValues {
  const newest = new Map<string, number>();
  const unsent = new Map<string, { record: DeviceRecord; field: Field }>();

  return {
    offer(batch) {
      if (batch.kind !== 'readings') return;
      batch.records.forEach((record, index) => {
        for (const field of record.fields) {
          const topic = `${root}/${record.device}/${field.name}`;
          const known = newest.get(topic);
          if (known === undefined ? newest.size >= MAX_TAGS : known > batch.seq + index) continue;
          newest.set(topic, batch.seq + index);
          unsent.set(topic, { record, field });
        }
      });
    },
    next() {
      const first = unsent.entries().next();
      if (first.done) return undefined;
      const [topic, { record, field }] = first.value;
      unsent.delete(topic);
      return { topic, payload: encoder.lastValue(record, field) };
    },
  };
}
