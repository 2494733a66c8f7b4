/** Sends over one session: events first, live readings next, the backlog at its rate. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { RecordText, Stream } from '../store/store.ts';
import { createStreamLanes } from './lanes.ts';
import type { ForwarderStore, Progress } from './progress.ts';
import {
  type CutLimits,
  halves,
  nextBacklogWindow,
  type Run,
  type RunQueue,
  SLOW_CONFIRMATION_MS,
  sizeOfRecord,
  type TokenBucket,
} from './run-queue.ts';
import { createSuspects } from './suspects.ts';
import type { Lane, OutgoingBatch, SendResult, UplinkSession } from './uplink.ts';

/** What a delivery needs. */
interface DeliveryDeps {
  readonly uplink: string;
  readonly session: UplinkSession;
  readonly limits: { readonly records: number; readonly fields: number };
  /** Whether the backlog goes out as text. */
  readonly takesTexts: boolean;
  readonly store: ForwarderStore;
  readonly progress: Progress;
  readonly bucket: TokenBucket;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once when the other side refuses everything: the session is of no use. */
  readonly giveUp: (why: string) => void;
}

/** The sending during one session. */
export interface Delivery {
  /** Starts sending what is outstanding. */
  start(): void;
  /** Hands over what was just committed; never waits. */
  committedRecords(range: SeqRange, records: readonly DeviceRecord[]): void;
  committedEvents(range: SeqRange, events: readonly GatewayEvent[]): void;
  /** Sends what was delivered before once more. */
  again(stream: Stream, ranges: readonly SeqRange[]): void;
  /** No further message goes out; confirmations of those under way still count. */
  stop(): void;
  /** Records that are to go as backfill, and how many did so far. */
  backlog(): { readonly left: number; readonly delivered: number };
}

/** Payloads are cut to about this size: large enough to be cheap, small enough for every broker's limit. */
const TARGET_BYTES = 64 * 1024;

/** Live data kept in memory; beyond it the oldest goes as backfill from the store. */
const MAX_LIVE_FIELDS = 50_000;
const MAX_LIVE_EVENTS = 1000;

/** How much is read from the store at once. */
const READ_RECORDS = 1000;
const READ_EVENTS = 200;

/** A pause of the backlog after a message was lost, so that trouble does not spin. */
const PAUSE_MS = 250;

/** An event goes alone. */
const ONE: CutLimits = { items: 1, fields: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

type Parcel =
  | ({ readonly stream: 'readings'; readonly lane: Lane } & Run<DeviceRecord | RecordText>)
  | ({ readonly stream: 'events'; readonly lane: Lane } & Run<GatewayEvent>);

/** Sends over one session: events first, live readings next, the backlog behind at its rate, oldest first. */
export function createDelivery(deps: DeliveryDeps): Delivery {
  const { session, progress, clock, log, bucket, store } = deps;
  const limits: CutLimits = { items: deps.limits.records, fields: deps.limits.fields, bytes: TARGET_BYTES };
  const splits: Parcel[] = [];
  const gate = createBacklogGate(clock, Math.max(1, Math.floor(session.window / 2)));
  const wake = createWake(clock, () => pump());
  /** Confirmations still count after `stop`; the session ends what is under way. */
  const never = new AbortController().signal;
  setMaxListeners(0, never);
  let stopped = false;
  let underWay = 0;
  let backfilled = 0;

  const common = { progress, clock, log, changed: () => pump(), wakeAt: wake.at };
  const readings = createStreamLanes<DeviceRecord | RecordText>({
    ...common,
    stream: 'readings',
    sizeOf: sizeOfRecord,
    maxLiveFields: MAX_LIVE_FIELDS,
    readItems: READ_RECORDS,
    peek: deps.takesTexts
      ? (from, limit) => store.peekTexts(from, limit).then((found) => ({ ...found, items: found.texts }))
      : (from, limit) => store.peek(from, limit).then((found) => ({ ...found, items: found.records })),
  });
  const events = createStreamLanes<GatewayEvent>({
    ...common,
    stream: 'events',
    maxLiveFields: MAX_LIVE_EVENTS,
    readItems: READ_EVENTS,
    sizeOf: () => ({ fields: 1, bytes: 1 }),
    peek: (from, limit) => store.peekEvents(from, limit).then((found) => ({ ...found, items: found.events })),
  });
  const suspects = {
    readings: createSuspects('readings', deps.uplink, progress),
    events: createSuspects('events', deps.uplink, progress),
  };

  const takeEvent = (queue: RunQueue<GatewayEvent>, lane: Lane): Parcel | undefined => {
    const run = queue.take(ONE);
    return run && { stream: 'events', lane, ...run };
  };

  const takeLive = (): Parcel | undefined => {
    const run = readings.live.take(limits);
    return run && { stream: 'readings', lane: 'live', ...run };
  };

  const takeBackfill = (): Parcel | undefined => {
    const items = Math.min(readings.fetched.size, limits.items, bucket.burst);
    if (items === 0) return undefined;
    const waitMs = bucket.waitMs(items);
    if (waitMs > 0) {
      wake.at(clock.monoMs() + waitMs);
      return undefined;
    }
    const run = readings.fetched.take({ ...limits, items })!;
    bucket.take(run.items.length);
    return { stream: 'readings', lane: 'backfill', ...run };
  };

  /** The next message. One place in the window is kept for events, half of it is never given to the backlog. */
  const choose = (): Parcel | undefined => {
    const free = session.window - underWay;
    if (free <= 0) return undefined;
    const urgent = takeEvent(events.live, 'live') ?? splits.shift();
    if (urgent) return urgent;
    const openAtMs = gate.pausedUntilMs();
    if (openAtMs !== undefined) wake.at(openAtMs);
    const backlogMayGo = gate.isOpen();
    const roomForLive = session.window < 4 || free > 1;
    return (
      (backlogMayGo ? takeEvent(events.fetched, 'backfill') : undefined) ??
      (roomForLive ? takeLive() : undefined) ??
      (backlogMayGo ? takeBackfill() : undefined)
    );
  };

  const pump = (): void => {
    for (let parcel = stopped ? undefined : choose(); parcel; parcel = choose()) transmit(parcel);
    events.readAhead();
    readings.readAhead();
  };

  const transmit = (parcel: Parcel): void => {
    const startedMs = clock.monoMs();
    underWay++;
    if (parcel.lane === 'backfill') gate.enter();
    session.send(batchOf(parcel, store.epoch), never).then(
      (result) => finish(parcel, startedMs, result),
      (error: unknown) => {
        log.debug(`${parcel.stream} from ${parcel.from} not confirmed: ${messageOf(error)}`);
        finish(parcel, startedMs, undefined);
      },
    );
  };

  const finish = (parcel: Parcel, startedMs: number, result: SendResult | undefined): void => {
    const lanes = parcel.stream === 'readings' ? readings : events;
    const range = { from: parcel.from, to: parcel.from + parcel.items.length };
    underWay--;
    if (parcel.lane === 'backfill') gate.leave(clock.monoMs() - startedMs, result !== undefined);
    if (result === undefined) {
      lanes.owe(range);
      gate.pause();
    } else if (result.ok) {
      for (const again of progress.delivered(parcel.stream, range)) lanes.owe(again);
      if (parcel.stream === 'readings' && parcel.lane === 'backfill') backfilled += parcel.items.length;
      suspects[parcel.stream].accepted();
    } else {
      refused(parcel, result.why);
    }
    if (!stopped) pump();
  };

  const refused = (parcel: Parcel, why: string): void => {
    if (parcel.stream === 'readings' && parcel.items.length > 1) {
      const { stream, lane } = parcel;
      splits.unshift(...halves(parcel).map((half): Parcel => ({ stream, lane, ...half })));
      return;
    }
    const item = parcel.items[0]!;
    const wallMs = 'at' in item ? item.at.wallMs : item.wallMs;
    const hopeless = suspects[parcel.stream].refused({ from: parcel.from, wallMs, why });
    if (hopeless && !stopped) {
      deps.giveUp(`it refuses all ${parcel.stream}: ${why}. Nothing is lost: they are kept and tried again.`);
    }
  };

  return {
    start: pump,
    committedRecords: readings.handOver,
    committedEvents: events.handOver,
    again(stream, ranges) {
      for (const range of ranges) (stream === 'readings' ? readings : events).owe(range);
      if (!stopped) pump();
    },
    stop() {
      stopped = true;
      readings.stop();
      events.stop();
      wake.stop();
    },
    backlog: () => ({ left: readings.owed(), delivered: backfilled }),
  };
}

/** Lets so many messages of the backlog under way as the line bears. */
function createBacklogGate(clock: Clock, max: number) {
  let window = Math.min(4, max);
  let underWay = 0;
  let nextHalvingMs = 0;
  let pausedUntilMs = 0;
  return {
    isOpen: () => underWay < Math.floor(window) && clock.monoMs() >= pausedUntilMs,
    /** When a pause ends; undefined when there is none. */
    pausedUntilMs: () => (clock.monoMs() < pausedUntilMs ? pausedUntilMs : undefined),
    pause() {
      pausedUntilMs = clock.monoMs() + PAUSE_MS;
    },
    enter() {
      underWay++;
    },
    /** @param tookMs from sending to the confirmation, or to giving up */
    leave(tookMs: number, confirmed: boolean) {
      underWay--;
      const nowMs = clock.monoMs();
      const outcome = !confirmed ? 'lost' : tookMs > SLOW_CONFIRMATION_MS ? 'slow' : 'prompt';
      if (outcome !== 'prompt') {
        // What was sent before the window shrank says nothing about the smaller window.
        if (nowMs < nextHalvingMs) return;
        nextHalvingMs = nowMs + tookMs;
      }
      window = nextBacklogWindow(window, outcome, max);
    },
  };
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
