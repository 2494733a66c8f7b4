import type { GatewayEvent } from '../../src/core/event.ts';
import type { DeviceRecord } from '../../src/core/reading.ts';
import type { CommitBatch, Receipt, Stream } from '../../src/store/store.ts';
import { type BrokerWitness, numbersIn, type WireMessage, type WireRecord } from './broker.ts';
import { deviceIndex, expectedOnWire, type Field, type Scan, scanOf } from './field.ts';

/** What reached one uplink. */
export interface Delivered {
  readonly readings: Set<number>;
  readonly events: Set<number>;
  duplicates: number;
  /** Session in which a number was last sent, and the highest first sent in each lane of it. */
  readonly sentIn: Map<number, number>;
  readonly highest: Map<string, number>;
  /** Numbers that the other side refused once: they are tried again behind others, and none is out of order for it. */
  readonly refused: Set<number>;
  /** How often a session of MQTT 3.1.1 was ended behind a message with this number. */
  readonly endedBehind: Map<number, number>;
}

/**
 * Before MQTT 5 a broker that refuses hangs up, and so does one whose client was taken over: after so many of the second
 * kind behind the same message nobody can tell, and it may go behind others.
 */
const LOOKS_REFUSED = 3;

/** How many violations are told; the first is what matters. */
const MAX_TOLD = 10;

/** The wall clock shows whole milliseconds, both when it is compared with the other and when an instant is stamped anew. */
const ROUNDING_MS = 2;

/** When something was, by both clocks, and what the first of them shows beyond the second once it is known. */
interface Moment {
  readonly wallMs: number;
  readonly monoMs: number;
  readonly clockKnown: boolean;
  readonly offsets: readonly number[];
}

/** What was stamped by a clock that is not known is stamped anew once it is, exactly, or else says that it is not. */
function isRightStamp(t: number, isUnsynced: boolean, { wallMs, monoMs, clockKnown, offsets }: Moment): boolean {
  if (clockKnown) return t === wallMs && !isUnsynced;
  if (isUnsynced) return t === wallMs;
  return offsets.some((offset) => Math.abs(t - (monoMs + offset)) < ROUNDING_MS);
}

/**
 * Knows what is true: what the machines said, what was committed under which number, what reached whom. Everything that
 * contradicts it is a violation.
 */
export class Witness implements BrokerWitness {
  readonly violations: string[] = [];
  /** What was committed, by number; index 0 is not used. */
  readonly truth: { readings: DeviceRecord[]; events: GatewayEvent[] } = { readings: [], events: [] };
  /** Records that were dropped because the memory was full, by the committer's own count. */
  dropped = 0;
  readonly delivered = new Map<string, Delivered>();
  /** Answers of the field in this boot that are not committed yet, with when they came (monotonic ms). */
  readonly uncommitted = new Map<string, number>();
  /** Batches handed to the store since the last one that it took: after a power cut one of them may be there. */
  attempts: CommitBatch[] = [];
  /** Longest time from a commit to the arrival of one of its records as live data, ms. */
  worstLiveMs = 0;
  nowMs: () => number = () => 0;
  /** What the wall clock of any run showed beyond its monotonic one, from when it was known. */
  readonly offsets: number[] = [];
  private readonly committedMs: number[] = [];
  private readonly field: Field;

  constructor(field: Field) {
    this.field = field;
  }

  violation(text: string): void {
    if (this.violations.length < MAX_TOLD) this.violations.push(`at ${Math.round(this.nowMs() / 1000)} s: ${text}`);
  }

  /** The first number that was never acknowledged. */
  head(stream: Stream): number {
    return Math.max(1, this.truth[stream].length);
  }

  began(batch: CommitBatch): void {
    this.attempts.push(batch);
  }

  committed(batch: CommitBatch, receipt: Receipt): void {
    this.attempts = [];
    this.dropped += batch.dropped?.count ?? 0;
    this.enter('readings', receipt.readings.from, batch.records);
    this.enter('events', receipt.events.from, batch.events);
    if (batch.dropped) this.forgetDropped(batch.records);
    for (const record of batch.records) this.uncommitted.delete(keyOf(record));
    for (let seq = receipt.readings.from; seq < receipt.readings.to; seq++) this.committedMs[seq] = this.nowMs();
  }

  /** Only the oldest are dropped: answers that came before the first of the batch, which is all that is held. */
  private forgetDropped(held: readonly DeviceRecord[]): void {
    const kept = new Set(held.map(keyOf));
    for (const key of [...this.uncommitted.keys()]) {
      if (kept.has(key)) return;
      this.uncommitted.delete(key);
    }
  }

  /** Notes what holds a number; two contents for one number are a violation. */
  enter<S extends Stream>(stream: S, from: number, items: readonly (DeviceRecord | GatewayEvent)[]): void {
    const known = this.truth[stream] as (DeviceRecord | GatewayEvent)[];
    for (const [index, item] of items.entries()) {
      const seq = from + index;
      if (known[seq]) this.violation(`${stream} ${seq} was given twice`);
      known[seq] = item;
    }
  }

  of(uplink: string): Delivered {
    let found = this.delivered.get(uplink);
    if (!found) {
      found = {
        ...{ readings: new Set(), events: new Set(), duplicates: 0 },
        ...{ sentIn: new Map(), highest: new Map(), refused: new Set(), endedBehind: new Map() },
      };
      this.delivered.set(uplink, found);
    }
    return found;
  }

  sent(uplink: string, session: number, message: WireMessage): void {
    if (!message.records) return;
    const { sentIn, highest, refused } = this.of(uplink);
    const lane = `${session} ${message.lane}`;
    for (const seq of numbersIn(message)) {
      if (sentIn.get(seq) === session) continue;
      sentIn.set(seq, session);
      const before = highest.get(lane) ?? 0;
      if (seq < before && !refused.has(seq))
        this.violation(`${uplink}: ${message.lane} ${seq} was first sent after ${before}`);
      highest.set(lane, seq);
    }
  }

  refused(uplink: string, message: WireMessage): void {
    if (!message.records) return;
    const { refused } = this.of(uplink);
    for (const seq of numbersIn(message)) refused.add(seq);
  }

  endedBehind(uplink: string, message: WireMessage): void {
    const { endedBehind, refused } = this.of(uplink);
    for (const seq of numbersIn(message)) {
      const count = (endedBehind.get(seq) ?? 0) + 1;
      endedBehind.set(seq, count);
      if (count >= LOOKS_REFUSED) refused.add(seq);
    }
  }

  arrived(uplink: string, message: WireMessage): void {
    const { readings, events } = this.of(uplink);
    if (!message.records) {
      this.count(uplink, events, message.seq);
      this.checkEvent(uplink, message);
      return;
    }
    for (const [index, record] of message.records.entries()) {
      const seq = message.seq + index;
      if (message.lane === 'live')
        this.worstLiveMs = Math.max(this.worstLiveMs, this.nowMs() - (this.committedMs[seq] ?? 0));
      this.count(uplink, readings, seq);
      this.checkRecord(uplink, seq, record);
    }
  }

  /** A record as it was read back or delivered, against what its number stands for and what the field said. */
  checkRecord(where: string, seq: number, record: WireRecord): void {
    const known = this.truth.readings[seq];
    if (!known) {
      this.violation(`${where}: record ${seq} was never committed`);
      return;
    }
    const device = deviceIndex(record.device);
    let scan: number | undefined;
    for (const [tag, value] of Object.entries(record.v)) {
      scan ??= scanOf(tag, value);
      if (value !== expectedOnWire(device, tag, scan))
        this.violation(`${where}: record ${seq} ${record.device}/${tag} = ${value} in scan ${scan}`);
    }
    if (keyOf(known) !== (scan === undefined ? keyOf(known) : `${record.device}#${scan}`))
      this.violation(`${where}: record ${seq} holds scan ${scan} of ${record.device}, not ${keyOf(known)}`);
    if (known.device !== record.device || sizeOf(known) !== wireSizeOf(record))
      this.violation(`${where}: record ${seq} is not what was committed`);
    this.checkStamp(where, seq, record, scan === undefined ? undefined : this.field.scans[device]![scan]);
  }

  private checkStamp(where: string, seq: number, record: WireRecord, scan: Scan | undefined): void {
    const { at, clockKnown } = this.truth.readings[seq]!;
    const moment: Moment = scan ?? { ...at, clockKnown, offsets: this.offsets };
    const isUnsynced = record.clock === 'unsynced';
    if (isRightStamp(record.t, isUnsynced, moment)) return;
    const { wallMs, monoMs, offsets } = moment;
    const right = clockKnown
      ? wallMs
      : [...offsets.map((offset) => monoMs + offset), `unsynced ${wallMs}`].join(' or ');
    this.violation(`${where}: record ${seq} is stamped ${isUnsynced ? 'unsynced ' : ''}${record.t}, not ${right}`);
  }

  private checkEvent(uplink: string, message: WireMessage): void {
    const known = this.truth.events[message.seq];
    if (!known) {
      this.violation(`${uplink}: event ${message.seq} was never committed`);
      return;
    }
    const { kind, message: text } = known.body as { kind: string; message?: unknown };
    const { offsets } = this;
    const isStamped = isRightStamp(Number(message.t), message.clock === 'unsynced', { ...known, offsets });
    if (kind !== message.kind || text !== message.message || !isStamped)
      this.violation(`${uplink}: event ${message.seq} is not what was committed`);
  }

  private count(uplink: string, set: Set<number>, seq: number): void {
    if (set.has(seq)) this.of(uplink).duplicates++;
    set.add(seq);
  }
}

/** Device and scan of a record, or what it says where it has no value. */
export function keyOf(record: DeviceRecord): string {
  for (const field of record.fields)
    if (field.quality !== 'bad') {
      const value = typeof field.value === 'bigint' ? String(field.value) : (field.value as number | string);
      return `${record.device}#${scanOf(field.name, value)}`;
    }
  return `${record.device}@${record.at.wallMs}`;
}

/** A stored record in the words of the wire. */
export function onWire(record: DeviceRecord): WireRecord {
  const v: Record<string, number | string> = {};
  const bad: Record<string, string> = {};
  for (const field of record.fields) {
    if (field.quality === 'bad') bad[field.name] = field.why;
    else v[field.name] = typeof field.value === 'bigint' ? String(field.value) : (field.value as number | string);
  }
  return { device: record.device, t: record.at.wallMs, v, bad, ...(!record.clockKnown && { clock: 'unsynced' }) };
}

function sizeOf(record: DeviceRecord): number {
  return record.fields.length;
}

function wireSizeOf({ v, bad = {} }: WireRecord): number {
  return Object.keys(v).length + Object.keys(bad).length;
}
