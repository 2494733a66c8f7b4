/** Sends over one session: events first, live readings next, the backlog behind at its rate, oldest first. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { RecordText, Stream } from '../store/store.ts';
import { StreamLanes } from './lanes.ts';
import { Pace, type UnderWay } from './pace.ts';
import type { ForwarderStore, Progress } from './progress.ts';
import type { StreamJudge } from './refusals.ts';
import { type CutLimits, cutRun, type Run, sizeOfRecord, type TokenBucket } from './run-queue.ts';
import type { Lane, OutgoingBatch, SendResult, UplinkSession } from './uplink.ts';

/** What a delivery needs. */
interface DeliveryDeps {
  readonly session: UplinkSession;
  readonly limits: { readonly records: number; readonly fields: number };
  /** Whether the backlog goes out as text. */
  readonly takesTexts: boolean;
  readonly wanted: Wanted;
  readonly store: ForwarderStore;
  readonly progress: Progress;
  readonly bucket: TokenBucket;
  readonly memory: DeliveryMemory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called whenever a message was answered. */
  readonly onAnswered: () => void;
}

/** What an uplink is to be given. */
export interface Wanted {
  /** What of a record, undefined for nothing of it; absent: everything. */
  readonly record: ((record: DeviceRecord) => DeviceRecord | undefined) | undefined;
  readonly events: boolean;
}

/** What was learned of the other side; it outlives sessions. */
export interface DeliveryMemory {
  readonly judges: Record<Stream, StreamJudge<Parcel>>;
  /** Messages that were sent so far. */
  sent: number;
  /** What messages are cut to: what is above it may be more than the other side takes. Bytes. */
  largestTaken: number;
  /** The largest message that was confirmed, and not doubted since. Bytes. */
  largestConfirmed: number;
  /** When the cut was made smaller, monotonic ms, and for how long it holds; no time: it was never, or in vain. */
  sizeLearnedMs: number;
  sizeHoldsMs: number;
}

/** One message: consecutive items of one stream. */
export type Parcel =
  | ({ readonly stream: 'readings'; readonly lane: Lane } & Run<DeviceRecord | RecordText>)
  | ({ readonly stream: 'events'; readonly lane: Lane } & Run<GatewayEvent>);

/** Live data kept in memory; beyond it the oldest goes as backfill from the store. */
const MAX_LIVE_FIELDS = 50_000;
const MAX_LIVE_EVENTS = 1000;

/** Readings that waited longer in memory are live no more: they go as backfill, and newer ones ahead of them. */
const MAX_LIVE_MS = 5000;

/** How much is read from the store at once. */
const READ_RECORDS = 1000;
const READ_EVENTS = 200;

/** A pause of the backlog after a message was lost, so that trouble does not spin. */
const PAUSE_MS = 250;

/** An event goes alone, and so does a record that shows whether a stream is taken again. */
const ONE: CutLimits = { items: 1, fields: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

/** Bytes of a message beside its records, about. */
const ENVELOPE_BYTES = 256;

/** No message is cut below this for its size: it would hold hardly a record. */
const SMALLEST_CUT_BYTES = 512;

/**
 * A size that was learned may have been an accident, and small messages cost more: after so long larger ones are tried
 * again. Each time that is in vain, which costs a connection where the other side hangs up, it holds longer.
 */
const SIZE_HOLDS = { firstMs: 120_000, factor: 4, mostMs: 86_400_000 };

/** How a parcel is sent. */
interface Sending {
  readonly parcel: Parcel;
  readonly isSuspect: boolean;
  /** Nothing else goes until it is answered. */
  readonly alone: boolean;
}

/** The sending during one session. */
export class Delivery {
  private readonly deps: DeliveryDeps;
  private readonly pace;
  private readonly wake;
  private readonly readings;
  private readonly events;
  /** Confirmations still count after `stop`; the session ends what is under way. */
  private readonly never = new AbortController().signal;
  private readonly batches = new Map<OutgoingBatch, { sending: Sending; order: number }>();
  private readonly streamUnderWay: Record<Stream, number> = { readings: 0, events: 0 };
  private suspectsUnderWay: Record<Stream, number> = { readings: 0, events: 0 };
  private isAlone = false;
  private pausedUntilMs = 0;
  private stopped = false;
  private backfilled = 0;

  constructor(deps: DeliveryDeps) {
    this.deps = deps;
    const { clock, store, session, memory, progress, log } = deps;
    setMaxListeners(0, this.never);
    this.pace = new Pace(clock, () => session.window);
    this.wake = createWake(clock, () => this.pump());
    const common = { progress, clock, log, changed: () => this.pump(), wakeAt: this.wake.at, maxLiveMs: MAX_LIVE_MS };
    this.readings = new StreamLanes<DeviceRecord | RecordText>({
      ...common,
      stream: 'readings',
      held: memory.judges.readings.held(),
      sizeOf: sizeOfRecord,
      // Whoever cuts records is given them as records, not as text.
      wanted: deps.wanted.record as ((item: DeviceRecord | RecordText) => DeviceRecord | undefined) | undefined,
      maxLiveFields: MAX_LIVE_FIELDS,
      readItems: READ_RECORDS,
      peek: deps.takesTexts
        ? (from, limit) => store.peekTexts(from, limit).then((found) => ({ ...found, items: found.texts }))
        : (from, limit) => store.peek(from, limit).then((found) => ({ ...found, items: found.records })),
    });
    this.events = new StreamLanes<GatewayEvent>({
      ...common,
      stream: 'events',
      held: memory.judges.events.held(),
      wanted: deps.wanted.events ? undefined : () => undefined,
      maxLiveMs: Number.POSITIVE_INFINITY,
      maxLiveFields: MAX_LIVE_EVENTS,
      readItems: READ_EVENTS,
      sizeOf: (event) => ({ fields: 1, bytes: JSON.stringify(event.body).length }),
      peek: (from, limit) => store.peekEvents(from, limit).then((found) => ({ ...found, items: found.events })),
    });
  }

  /** Starts sending what is outstanding. */
  start(): void {
    this.pump();
  }

  /** Hands over what was just committed; never waits. */
  committedRecords(range: SeqRange, records: readonly DeviceRecord[]): void {
    this.readings.handOver(range, records);
  }

  committedEvents(range: SeqRange, events: readonly GatewayEvent[]): void {
    this.events.handOver(range, events);
  }

  /** Sends what was delivered before once more. */
  again(stream: Stream, ranges: readonly SeqRange[]): void {
    for (const range of ranges) this[stream].owe(range);
    this.pump();
  }

  /** No further message goes out; confirmations of those under way still count. */
  stop(): void {
    this.stopped = true;
    this.readings.stop();
    this.events.stop();
    this.wake.stop();
  }

  /** The other side hung up on this batch; `isCertain` when it did so for the second time in a row. */
  hungUpOn(batch: OutgoingBatch, why: string, isCertain: boolean): void {
    const found = this.batches.get(batch);
    if (!found) return;
    const { parcel } = found.sending;
    // A size that was taken before is no cause, unless it happens again; a new one is, as far as one can see.
    if (isCertain) this.deps.memory.largestConfirmed = 0;
    if (bytesOf(parcel) > this.deps.memory.largestConfirmed) this.learnSize(parcel);
    if (!isCertain) return;
    this.batches.delete(batch);
    this.refused(found.sending, found.order, why, true);
  }

  /** Records that are to go as backfill, and how many did so far. */
  backlog(): { left: number; delivered: number } {
    return { left: this.readings.owed(), delivered: this.backfilled };
  }

  private pump(): void {
    if (this.stopped) return;
    for (let next = this.choose(); next; next = this.choose()) this.transmit(next);
    this.events.readAhead();
    this.readings.readAhead();
  }

  /** The next message; each stream by itself, so that trouble with one does not hold up the other. */
  private choose(): Sending | undefined {
    if (this.isAlone || (this.pace.underWay > 0 && !this.pace.hasRoom('event'))) return undefined;
    return this.ofStream('events') ?? this.ofStream('readings');
  }

  private ofStream(stream: Stream): Sending | undefined {
    const judge = this.deps.memory.judges[stream];
    const doubt = judge.doubt();
    if (doubt) {
      if (this.streamUnderWay[stream] > 0) return undefined;
      if (this.deps.clock.monoMs() < doubt.tryAtMs) {
        this.wake.at(doubt.tryAtMs);
        return undefined;
      }
      const probe = doubt.inOrder ? undefined : this.ordinary(stream, ONE);
      if (probe) return { parcel: probe, isSuspect: false, alone: false };
      // What is being read from the store says more than what was refused a moment ago.
      if (!doubt.inOrder && this[stream].owed() > 0) return undefined;
    }
    return this.suspectOf(stream) ?? this.flowing(stream, doubt !== undefined);
  }

  /** One suspect of a stream at a time; one that was hung up on has the line for itself. */
  private suspectOf(stream: Stream): Sending | undefined {
    const judge = this.deps.memory.judges[stream];
    const next = this.suspectsUnderWay[stream] > 0 ? 'none' : judge.nextSuspect();
    if (next === 'none') return undefined;
    const alone = next === 'alone';
    if (alone && this.pace.underWay > 0) {
      this.isAlone = true;
      return undefined;
    }
    const parcel = judge.takeSuspect();
    return parcel && { parcel, isSuspect: true, alone };
  }

  private flowing(stream: Stream, inDoubt: boolean): Sending | undefined {
    if (inDoubt || this.isAlone) return undefined;
    const { limits, memory, session, clock } = this.deps;
    if (clock.monoMs() - memory.sizeLearnedMs > memory.sizeHoldsMs) memory.largestTaken = Number.POSITIVE_INFINITY;
    const bytes = Math.min(this.pace.messageBytes(), memory.largestTaken, (session.packetBytes ?? Infinity) * 0.9);
    const cut = {
      items: limits.records,
      fields: limits.fields,
      bytes: Math.max(SMALLEST_CUT_BYTES, bytes) - ENVELOPE_BYTES,
    };
    const parcel = this.ordinary(stream, stream === 'events' ? ONE : cut);
    return parcel && { parcel, isSuspect: false, alone: false };
  }

  /** The next message of a stream in the order of its numbers: live ones first, then the backlog. */
  private ordinary(stream: Stream, cut: CutLimits): Parcel | undefined {
    if (stream === 'events') {
      const event = this.pace.hasRoom('event') ? this.events.takeLive(cut) : undefined;
      if (event) return { stream, lane: 'live', ...event };
      const old = this.backlogMayGo() ? this.events.fetched.take(cut) : undefined;
      return old && { stream, lane: 'backfill', ...old };
    }
    const run = this.pace.hasRoom('live') ? this.readings.takeLive(cut) : undefined;
    return run ? { stream, lane: 'live', ...run } : this.backfill(cut);
  }

  private backfill(cut: CutLimits): Parcel | undefined {
    const { bucket, clock } = this.deps;
    const items = Math.min(this.readings.fetched.size, cut.items, bucket.burst);
    if (items === 0 || !this.backlogMayGo()) return undefined;
    const waitMs = bucket.waitMs(items);
    if (waitMs > 0) {
      this.wake.at(clock.monoMs() + waitMs);
      return undefined;
    }
    const run = this.readings.fetched.take({ ...cut, items })!;
    bucket.take(run.items.length);
    return { stream: 'readings', lane: 'backfill', ...run };
  }

  private backlogMayGo(): boolean {
    if (this.deps.clock.monoMs() < this.pausedUntilMs) {
      this.wake.at(this.pausedUntilMs);
      return false;
    }
    return this.pace.hasRoom('backfill');
  }

  private transmit(sending: Sending): void {
    const { parcel, isSuspect, alone } = sending;
    const { session, store, log, memory } = this.deps;
    const order = ++memory.sent;
    const entered = this.pace.enter(parcel.lane, bytesOf(parcel));
    const batch = batchOf(parcel, store.epoch);
    this.batches.set(batch, { sending, order });
    this.streamUnderWay[parcel.stream]++;
    if (isSuspect) this.suspectsUnderWay[parcel.stream]++;
    this.isAlone = alone;
    session.send(batch, this.never).then(
      (result) => {
        this.batches.delete(batch);
        this.finish(sending, order, entered, result);
      },
      (error: unknown) => {
        log.debug(`${parcel.stream} from ${parcel.from} not confirmed: ${messageOf(error)}`);
        const isJudged = !this.batches.delete(batch);
        this.finish(sending, order, entered, isJudged ? 'judged' : undefined);
      },
    );
  }

  private finish(sending: Sending, order: number, entered: UnderWay, result: SendResult | 'judged' | undefined): void {
    const { parcel, isSuspect } = sending;
    const { progress, memory, clock } = this.deps;
    const range = { from: parcel.from, to: parcel.from + parcel.items.length };
    this.pace.leave(entered, typeof result === 'object');
    this.streamUnderWay[parcel.stream]--;
    if (isSuspect) this.suspectsUnderWay[parcel.stream]--;
    if (this.pace.underWay === 0) this.isAlone = false;
    this.deps.onAnswered();
    if (result === 'judged') return;
    if (result === undefined) {
      if (isSuspect) memory.judges[parcel.stream].putBack(parcel, sending.alone);
      else this[parcel.stream].owe(range);
      this.pausedUntilMs = clock.monoMs() + PAUSE_MS;
    } else if (result.ok) {
      for (const again of progress.delivered(parcel.stream, range)) this[parcel.stream].owe(again);
      if (parcel.stream === 'readings' && parcel.lane === 'backfill') this.backfilled += parcel.items.length;
      this.learnTaken(entered.bytes);
      memory.judges[parcel.stream].accepted(order, parcel);
    } else {
      if (result.tooLarge) this.learnSize(parcel);
      this.refused(sending, order, result.why, false);
    }
    this.pump();
  }

  private refused({ parcel, isSuspect }: Sending, order: number, why: string, hungUp: boolean): void {
    const refused = { piece: parcel, order, why, hungUp, wasSuspect: isSuspect };
    if (this.deps.memory.judges[parcel.stream].refused(refused)) return;
    this[parcel.stream].owe({ from: parcel.from, to: parcel.from + parcel.items.length });
  }

  /** A message that is larger than those before was taken: what was learned of sizes was an accident. */
  private learnTaken(bytes: number): void {
    const { memory } = this.deps;
    if (bytes > memory.largestConfirmed && memory.largestTaken === Number.POSITIVE_INFINITY) memory.sizeHoldsMs = 0;
    memory.largestConfirmed = Math.max(memory.largestConfirmed, bytes);
  }

  /** What was not taken may have been too large: what comes is cut smaller. One item cannot be cut, and teaches nothing. */
  private learnSize(parcel: Parcel): void {
    if (parcel.items.length === 1) return;
    const { memory, clock } = this.deps;
    // Several in a row find one size.
    if (memory.largestTaken === Number.POSITIVE_INFINITY)
      memory.sizeHoldsMs = Math.min(
        SIZE_HOLDS.mostMs,
        memory.sizeHoldsMs === 0 ? SIZE_HOLDS.firstMs : memory.sizeHoldsMs * SIZE_HOLDS.factor,
      );
    const bytes = bytesOf(parcel);
    const known = memory.largestConfirmed < bytes ? memory.largestConfirmed : 0;
    memory.largestTaken = Math.min(memory.largestTaken, Math.max(SMALLEST_CUT_BYTES, known, bytes / 2));
    memory.sizeLearnedMs = clock.monoMs();
  }
}

/** About how many bytes a message takes. */
function bytesOf(parcel: Parcel): number {
  if (parcel.stream === 'events') return ENVELOPE_BYTES + JSON.stringify(parcel.items[0]!.body).length;
  return parcel.items.reduce((sum, item) => sum + sizeOfRecord(item).bytes, ENVELOPE_BYTES);
}

/** Cuts a parcel in two behind so many items; undefined when it is one item. */
export function cutParcel(parcel: Parcel, items: number): readonly [Parcel, Parcel] | undefined {
  if (parcel.stream === 'events' || parcel.items.length === 1) return undefined;
  const { stream, lane } = parcel;
  const [first, second] = cutRun(parcel, items);
  return [
    { stream, lane, ...first },
    { stream, lane, ...second },
  ];
}

/** One timer for the earliest of the times asked for. */
function createWake(clock: Clock, callback: () => void) {
  let timer: { atMs: number; cancel: () => void } | undefined;
  let stopped = false;
  return {
    at(atMs: number): void {
      if (stopped || (timer && timer.atMs <= atMs)) return;
      timer?.cancel();
      const cancel = clock.after(Math.max(0, atMs - clock.monoMs()), () => {
        timer = undefined;
        callback();
      });
      timer = { atMs, cancel };
    },
    stop(): void {
      stopped = true;
      timer?.cancel();
    },
  };
}

function batchOf(parcel: Parcel, epoch: string): OutgoingBatch {
  if (parcel.stream === 'events') return { kind: 'event', epoch, seq: parcel.from, event: parcel.items[0]! };
  const { from: seq, lane, items } = parcel;
  return isText(items)
    ? { kind: 'texts', epoch, seq, lane, texts: items }
    : { kind: 'readings', epoch, seq, lane, records: items as readonly DeviceRecord[] };
}

/** A parcel is cut from one queue, and a queue holds records of one form. */
function isText(items: Run<DeviceRecord | RecordText>['items']): items is readonly RecordText[] {
  return 'page' in items[0]!;
}
