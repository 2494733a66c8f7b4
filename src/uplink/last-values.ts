/** The retained topics of `topics: per-tag`: one a tag, with its newest value. */
import type { Clock } from '../core/clock.ts';
import type { DeviceRecord, Field } from '../core/reading.ts';
import type { JsonEncoder } from './json.ts';
import type { OutgoingBatch } from './uplink.ts';

/** A retained message for one tag; an empty payload clears its topic. */
interface LastValue {
  readonly topic: string;
  readonly payload: string;
  readonly device: string;
}

/** What outlives the process: which topics hold a value of ours at the broker. */
export interface TopicMemory {
  readonly known: readonly string[];
  save(topics: readonly string[]): void;
}

/**
 * The newest value of each tag. A value that was not yet sent is replaced by a newer one, so it holds at most one a tag;
 * a value older than one already offered (from the backlog) is passed over. All are sent again in each session, as a
 * broker may have forgotten them; topics of tags that are no more are cleared.
 *
 * The payload says of one tag what a record says of several: `{"t":MS,"v":VALUE}`, with `"uncertain":WHY` beside `v` or
 * `"bad":WHY` in its place, and `clock` and `simulated` as in a record. Whether these messages are confirmed does not
 * matter to the delivery of the batch.
 */
export interface LastValues {
  offer(batch: OutgoingBatch): void;
  next(): LastValue | undefined;
  /** When {@link next} has something again that waits now; monotonic ms. */
  nextAtMs(): number | undefined;
  /** Has everything sent again, and clears what is not wanted any more. */
  again(): void;
  /** The broker has it. */
  confirmed(value: LastValue): void;
  /** The broker did not take it: the values of this device wait a while. */
  refused(value: Pick<LastValue, 'device'>, why: string): void;
  /** Its fate is unknown: it is sent again. */
  lost(value: LastValue): void;
  /** What waits and why, in one line. */
  trouble(): string | undefined;
}

/** What last values are made with. */
interface LastValuesDeps {
  /** Topic root, without a slash at its end. */
  readonly root: string;
  readonly encoder: JsonEncoder;
  readonly clock: Pick<Clock, 'monoMs' | 'after'>;
  readonly memory: TopicMemory;
  /** `device/tag` of every tag that has a topic, asked each time; undefined where there are none: all are cleared. */
  readonly tags: (() => readonly string[]) | undefined;
}

/** More tags than any gateway has; beyond it none is added. */
const MAX_TAGS = 100_000;

/** How long the values of a device wait after one was refused; doubles up to the second. */
const PAUSE_MS = 5000;
const MAX_PAUSE_MS = 60_000;

/** The topics that hold a value are noted so long after they changed. */
const SAVE_MS = 1000;

interface Newest {
  readonly seq: number;
  readonly record: DeviceRecord;
  readonly field: Field;
}

/** Nothing sent yet in this process. */
export function createLastValues({ root, encoder, clock, memory, tags }: LastValuesDeps): LastValues {
  const newest = new Map<string, Newest>();
  const unsent = new Set<string>();
  const atBroker = new Set(memory.known);
  const paused = new Map<string, { untilMs: number; pauseMs: number; why: string }>();
  let isSaving = false;
  const deviceOf = (topic: string): string =>
    newest.get(topic)?.record.device ?? topic.slice(root.length + 1, topic.lastIndexOf('/'));

  const keep = (topic: string, isThere: boolean): void => {
    if (atBroker.has(topic) === isThere) return;
    if (isThere) atBroker.add(topic);
    else atBroker.delete(topic);
    if (isSaving) return;
    isSaving = true;
    clock.after(SAVE_MS, () => {
      isSaving = false;
      memory.save([...atBroker]);
    });
  };

  return {
    offer(batch) {
      if (!tags || batch.kind !== 'readings') return;
      batch.records.forEach((record, index) => {
        const seq = batch.seq + index;
        for (const field of record.fields) {
          const topic = `${root}/${record.device}/${field.name}`;
          const known = newest.get(topic);
          if (known === undefined ? newest.size >= MAX_TAGS : known.seq > seq) continue;
          newest.set(topic, { seq, record, field });
          unsent.add(topic);
        }
      });
    },
    next() {
      const nowMs = clock.monoMs();
      for (const topic of unsent) {
        const device = deviceOf(topic);
        if ((paused.get(device)?.untilMs ?? 0) > nowMs) continue;
        unsent.delete(topic);
        const value = newest.get(topic);
        if (value) keep(topic, true);
        return { topic, device, payload: value ? encoder.lastValue(value.record, value.field) : '' };
      }
      return undefined;
    },
    nextAtMs: () =>
      unsent.size === 0 || paused.size === 0
        ? undefined
        : Math.min(...[...paused.values()].map(({ untilMs }) => untilMs)),
    again() {
      const wanted = new Set(tags?.().map((tag) => `${root}/${tag}`));
      for (const topic of newest.keys()) if (!wanted.has(topic)) newest.delete(topic);
      for (const topic of newest.keys()) unsent.add(topic);
      for (const topic of atBroker) if (!wanted.has(topic)) unsent.add(topic);
    },
    confirmed({ topic, device, payload }) {
      paused.delete(device);
      if (payload === '') keep(topic, false);
    },
    refused({ device }, why) {
      const pauseMs = Math.min(MAX_PAUSE_MS, (paused.get(device)?.pauseMs ?? PAUSE_MS / 2) * 2);
      paused.set(device, { untilMs: clock.monoMs() + pauseMs, pauseMs, why });
      for (const [topic, { record }] of newest) if (record.device === device) unsent.add(topic);
    },
    lost({ topic }) {
      unsent.add(topic);
    },
    trouble() {
      const [first] = paused;
      return first && `values of ${[...paused.keys()].join(', ')} wait: ${first[1].why}`;
    },
  };
}
