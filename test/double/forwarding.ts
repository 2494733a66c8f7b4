import type { GatewayEvent } from '../../src/core/event.ts';
import type { SeqRange } from '../../src/core/intervals.ts';
import type { Random } from '../../src/core/random.ts';
import { type DeviceRecord, Fields } from '../../src/core/reading.ts';
import { createRecordText } from '../../src/core/record-text.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { CommitBatch, Pending, Receipt, RecordText, Stream } from '../../src/store/store.ts';
import type { ForwarderStore, Refusal } from '../../src/uplink/progress.ts';
import type { OutgoingBatch, SendResult, SessionEnd, Uplink } from '../../src/uplink/uplink.ts';

/** A record of one field, told apart by its number. */
export function recordOf(number: number, fields = 1): DeviceRecord {
  const list = Array.from({ length: fields }, (_, index) => ({
    ...({ name: `f${index}`, quality: 'good', value: number } as const),
  }));
  return {
    device: 'oven',
    at: { wallMs: number, monoMs: number },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(list),
  };
}

/** A record as text, on a page of its own. */
export function textOf(record: DeviceRecord): RecordText {
  const page = Buffer.from(createRecordText()(record));
  return { page, start: 0, end: page.length, fields: record.fields.length, wallMs: record.at.wallMs };
}

/** An event told apart by its number. */
export function eventOf(number: number): GatewayEvent {
  const body = { kind: 'audit', what: 'w', message: `event ${number}` } as const;
  return { wallMs: number, monoMs: number, clockKnown: true, body };
}

/** A store in memory that keeps the rules the forwarder relies on, and can lose a range as the real one does. */
export interface StoreDouble extends ForwarderStore {
  commit(records: number, events: number): { receipt: Receipt; batch: CommitBatch };
  /** Forgets readings, as eviction does. */
  evict(range: SeqRange): void;
  /** Makes every call fail until called with false. */
  break(broken: boolean): void;
  readonly refusals: Refusal[];
  readonly settled: Map<Stream, Pending>;
  readonly settles: () => number;
}

/** @param delayMs how long each answer takes */
export function createStoreDouble(clock: SimulatedClock, delayMs = 0): StoreDouble {
  const readings = new Map<number, DeviceRecord>();
  const events = new Map<number, GatewayEvent>();
  const next = { readings: 1, events: 1 };
  const settled = new Map<Stream, Pending>();
  const refusals: Refusal[] = [];
  let broken = false;
  let settles = 0;

  const answer = async <T>(make: () => T): Promise<T> => {
    if (delayMs > 0) await clock.sleep(delayMs);
    if (broken) throw new Error('the disk is broken');
    return make();
  };
  const find = <T>(stored: Map<number, T>, stream: Stream, from: number, limit: number) => {
    const items: T[] = [];
    for (let seq = from; items.length < limit && stored.has(seq); seq++) items.push(stored.get(seq)!);
    let following = from + items.length;
    while (items.length < limit && following < next[stream] && !stored.has(following)) following++;
    return { from, items, next: following };
  };

  return {
    epoch: 'epoch',
    settled,
    refusals,
    settles: () => settles,
    commit(count, eventCount) {
      const from = { readings: next.readings, events: next.events };
      const records = Array.from({ length: count }, (_, index) => recordOf(from.readings + index));
      const list = Array.from({ length: eventCount }, (_, index) => eventOf(from.events + index));
      for (const record of records) readings.set(next.readings++, record);
      for (const event of list) events.set(next.events++, event);
      const receipt = {
        readings: { from: from.readings, to: next.readings },
        events: { from: from.events, to: next.events },
      };
      return { receipt, batch: { records, events: list, states: new Map() } };
    },
    evict({ from, to }) {
      for (let seq = from; seq < to; seq++) readings.delete(seq);
    },
    break(now) {
      broken = now;
    },
    peek: (from, limit) =>
      answer(() => {
        const { items, ...rest } = find(readings, 'readings', from, limit);
        return { ...rest, records: items };
      }),
    peekTexts: (from, limit) =>
      answer(() => {
        const { items, ...rest } = find(readings, 'readings', from, limit);
        return { ...rest, texts: items.map(textOf) };
      }),
    peekEvents: (from, limit) =>
      answer(() => {
        const { items, ...rest } = find(events, 'events', from, limit);
        return { ...rest, events: items };
      }),
    pending: (_uplink, stream) => answer(() => settled.get(stream) ?? [{ from: 1, to: Number.POSITIVE_INFINITY }]),
    settle: (_uplink, stream, pending) =>
      answer(() => {
        settles++;
        settled.set(stream, pending);
      }),
    quarantine: (refusal) => answer(() => void refusals.push(refusal)),
    status: () => answer(() => ({ next: { ...next } })),
  };
}

/** How the other side behaves. Probabilities are per message. */
export interface UplinkBehaviour {
  window: number;
  latencyMs: number;
  jitterMs: number;
  /** Taken and confirmed late, or taken and never confirmed, or never taken. */
  rejectShare: number;
  /** Ends the session instead of answering. */
  dropShare: number;
  /** Connections refused. */
  down: boolean;
  takenOver: boolean;
  /** Is given the backlog as text. */
  takesTexts: boolean;
  /** Refuses a message for good when it says so. */
  refuses: (batch: OutgoingBatch) => string | undefined;
  /** Whether a refusal is for the size of the message. */
  tooLarge: (batch: OutgoingBatch) => boolean;
}

/** What reached the other side, with when. */
export interface Arrival {
  readonly batch: OutgoingBatch;
  readonly atMs: number;
  readonly session: number;
  /** The first attempt of exactly this message in its session. */
  readonly confirmed: boolean;
}

/** An uplink in memory. */
export interface UplinkDouble extends Uplink {
  readonly behaviour: UplinkBehaviour;
  readonly arrivals: Arrival[];
  /** Every send in order, whatever became of it. */
  readonly sends: { readonly batch: OutgoingBatch; readonly session: number; readonly atMs: number }[];
  readonly connects: number[];
  readonly mostUnderWay: () => number;
  /** Ends the session there is; with a message, as one that was hung up on for the second time in a row. */
  drop(hungUpOn?: OutgoingBatch): void;
}

export function createUplinkDouble(clock: SimulatedClock, random: Random, change: Partial<UplinkBehaviour> = {}) {
  const behaviour: UplinkBehaviour = {
    ...{ window: 8, latencyMs: 10, jitterMs: 0, rejectShare: 0, dropShare: 0, down: false, takenOver: false },
    takesTexts: false,
    refuses: () => undefined,
    tooLarge: () => false,
    ...change,
  };
  const arrivals: Arrival[] = [];
  const sends: UplinkDouble['sends'] = [];
  const connects: number[] = [];
  let mostUnderWay = 0;
  let drop: UplinkDouble['drop'] = () => {};
  let sessions = 0;

  const double: UplinkDouble = {
    ...{ name: 'plant', limits: { records: 100, fields: 1000 }, behaviour, arrivals, sends, connects },
    takesTexts: behaviour.takesTexts,
    mostUnderWay: () => mostUnderWay,
    drop: (hungUpOn) => drop(hungUpOn),
    async connect() {
      connects.push(clock.monoMs());
      if (behaviour.down) throw new Error('broker:1883 refuses connections. Is the broker running?');
      const session = ++sessions;
      let underWay = 0;
      let over = false;
      const rejects = new Set<() => void>();
      let resolveEnded: (end: SessionEnd) => void = () => {};
      const ended = new Promise<SessionEnd>((resolve) => {
        resolveEnded = resolve;
      });
      const finish = (hungUpOn?: OutgoingBatch) => {
        over = true;
        resolveEnded({ reason: 'the line was cut.', takenOver: behaviour.takenOver, ...(hungUpOn && { hungUpOn }) });
        for (const reject of rejects) reject();
      };
      drop = finish;
      const send = (batch: OutgoingBatch): Promise<SendResult> => {
        if (over) return Promise.reject(new Error('over'));
        sends.push({ batch, session, atMs: clock.monoMs() });
        mostUnderWay = Math.max(mostUnderWay, ++underWay);
        return new Promise((resolve, reject) => {
          const lost = () => reject(new Error('over'));
          rejects.add(lost);
          clock.after(behaviour.latencyMs + random() * behaviour.jitterMs, () => {
            if (over) return;
            underWay--;
            rejects.delete(lost);
            const fate = random();
            if (fate < behaviour.dropShare) return void finish();
            const why = behaviour.refuses(batch);
            if (why !== undefined) return resolve({ ok: false, why, tooLarge: behaviour.tooLarge(batch) });
            const rejected = fate < behaviour.dropShare + behaviour.rejectShare;
            // Half of what is not confirmed in time did arrive.
            if (!rejected || random() < 0.5)
              arrivals.push({ batch, atMs: clock.monoMs(), session, confirmed: !rejected });
            if (rejected) reject(new Error('not confirmed in time'));
            else resolve({ ok: true });
          });
        });
      };
      return { window: behaviour.window, ended, send, close: async () => finish() };
    },
  };
  return double;
}

/** The numbers of readings or events in a message. */
export function numbersOf(batch: OutgoingBatch): number[] {
  const count = batch.kind === 'readings' ? batch.records.length : batch.kind === 'texts' ? batch.texts.length : 1;
  return Array.from({ length: count }, (_, index) => batch.seq + index);
}
