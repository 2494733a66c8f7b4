/** The retained topics of `topics: per-tag`: one a tag, with its newest value. */
import type { Clock } from '../core/clock.ts';
import type { DeviceRecord, Field } from '../core/reading.ts';
import type { JsonEncoder } from './json.ts';
import type { OutgoingBatch } from './uplink.ts';

/** A retained message for one tag; an empty payload clears its topic. */
export interface LastValue {
  readonly topic: string;
  readonly payload: string;
  readonly device: string;
}

/** What outlives the process: which topics hold a value of ours at the broker. */
export interface TopicMemory {
  readonly known: readonly string[];
  save(topics: readonly string[]): void;
}

/** What last values are made with. */
interface LastValuesDeps {
  /** Topic root, without a slash at its end. */
  readonly root: string;
  readonly encoder: JsonEncoder;
  readonly clock: Pick<Clock, 'monoMs' | 'after'>;
  readonly memory: TopicMemory;
  /** Further retained messages, given which topics hold one; asked each time that everything is sent again. */
  readonly also?: ((atBroker: ReadonlySet<string>) => readonly LastValue[]) | undefined;
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

/**
 * The newest value of each tag. A value that was not yet sent is replaced by a newer one, so it holds at most one a tag;
 * a value older than one already offered (from the backlog) is passed over. All are sent again in each session, as a
 * broker may have forgotten them; topics of tags that are no more are cleared.
 *
 * The payload says of one tag what a record says of several: `{"t":MS,"v":VALUE}`, with `"uncertain":WHY` beside `v` or
 * `"bad":WHY` in its place, and `clock` and `simulated` as in a record. Whether these messages are confirmed does not
 * matter to the delivery of the batch.
 */
export class LastValues {
  private readonly deps: LastValuesDeps;
  private readonly newest = new Map<string, Newest>();
  /** What is retained beside the values, by topic. */
  private also: ReadonlyMap<string, LastValue> = new Map();
  private readonly unsent = new Set<string>();
  private readonly atBroker: Set<string>;
  private readonly paused = new Map<string, { untilMs: number; pauseMs: number; why: string }>();
  private isSaving = false;

  constructor(deps: LastValuesDeps) {
    this.deps = deps;
    this.atBroker = new Set(deps.memory.known);
  }

  offer(batch: OutgoingBatch): void {
    if (!this.deps.tags || batch.kind !== 'readings') return;
    batch.records.forEach((record, index) => {
      const seq = batch.seq + index;
      for (const field of record.fields) {
        const topic = `${this.deps.root}/${record.device}/${field.name}`;
        const known = this.newest.get(topic);
        if (known === undefined ? this.newest.size >= MAX_TAGS : known.seq > seq) continue;
        this.newest.set(topic, { seq, record, field });
        this.unsent.add(topic);
      }
    });
  }

  next(): LastValue | undefined {
    const nowMs = this.deps.clock.monoMs();
    for (const topic of this.unsent) {
      const device = this.deviceOf(topic);
      if ((this.paused.get(device)?.untilMs ?? 0) > nowMs) continue;
      this.unsent.delete(topic);
      const also = this.also.get(topic);
      if (also) {
        this.keep(topic, true);
        return also;
      }
      const value = this.newest.get(topic);
      if (value) this.keep(topic, true);
      return { topic, device, payload: value ? this.deps.encoder.lastValue(value.record, value.field) : '' };
    }
    return undefined;
  }

  /** When {@link next} has something again that waits now; monotonic ms. */
  nextAtMs(): number | undefined {
    return this.unsent.size === 0 || this.paused.size === 0
      ? undefined
      : Math.min(...[...this.paused.values()].map(({ untilMs }) => untilMs));
  }

  /** Has everything sent again, and clears what is not wanted any more. */
  again(): void {
    this.also = new Map(this.deps.also?.(this.atBroker).map((message) => [message.topic, message]));
    for (const topic of this.also.keys()) this.unsent.add(topic);
    const wanted = new Set(this.deps.tags?.().map((tag) => `${this.deps.root}/${tag}`));
    for (const topic of this.also.keys()) wanted.add(topic);
    for (const topic of this.newest.keys()) if (!wanted.has(topic)) this.newest.delete(topic);
    for (const topic of this.newest.keys()) this.unsent.add(topic);
    for (const topic of this.atBroker) if (!wanted.has(topic)) this.unsent.add(topic);
  }

  /** The broker has it. */
  confirmed({ topic, device, payload }: LastValue): void {
    this.paused.delete(device);
    if (payload === '') this.keep(topic, false);
  }

  /** The broker did not take it: the values of this device wait a while. */
  refused({ device }: Pick<LastValue, 'device'>, why: string): void {
    const pauseMs = Math.min(MAX_PAUSE_MS, (this.paused.get(device)?.pauseMs ?? PAUSE_MS / 2) * 2);
    this.paused.set(device, { untilMs: this.deps.clock.monoMs() + pauseMs, pauseMs, why });
    for (const [topic, { record }] of this.newest) if (record.device === device) this.unsent.add(topic);
    for (const [topic, message] of this.also) if (message.device === device) this.unsent.add(topic);
  }

  /** Its fate is unknown: it is sent again. */
  lost({ topic }: LastValue): void {
    this.unsent.add(topic);
  }

  /** What waits and why, in one line. */
  trouble(): string | undefined {
    const [first] = this.paused;
    return first && `values of ${[...this.paused.keys()].join(', ')} wait: ${first[1].why}`;
  }

  private deviceOf(topic: string): string {
    return (
      this.also.get(topic)?.device ??
      this.newest.get(topic)?.record.device ??
      topic.slice(this.deps.root.length + 1, topic.lastIndexOf('/'))
    );
  }

  private keep(topic: string, isThere: boolean): void {
    if (this.atBroker.has(topic) === isThere) return;
    if (isThere) this.atBroker.add(topic);
    else this.atBroker.delete(topic);
    if (this.isSaving) return;
    this.isSaving = true;
    this.deps.clock.after(SAVE_MS, () => {
      this.isSaving = false;
      this.deps.memory.save([...this.atBroker]);
    });
  }
}
