import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { SeqRange, Stream } from '../store/store.ts';
import { addRange, countBelow, type Ranges, removeRange } from './intervals.ts';
import {
  type CutLimits,
  createRunQueue,
  halves,
  nextBacklogWindow,
  type Run,
  type RunQueue,
  SLOW_CONFIRMATION_MS,
  sizeOfRecord,
  type TokenBucket,
} from './lanes.ts';
import type { ForwarderStore, Progress } from './progress.ts';
import type { Lane, OutgoingBatch, SendResult, UplinkSession } from './uplink.ts';

/** What a delivery needs. */
export interface DeliveryDeps {
  readonly uplink: string;
  readonly session: UplinkSession;
  readonly limits: { readonly records: number; readonly fields: number };
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
  /** No further message goes out; confirmations of those under way still count. */
  stop(): void;
  /** Records that are to go as backfill, and how many did so far. */
  backlog(): { readonly left: number; readonly delivered: number };
}

/** Payloads are cut to about this size: large enough to be cheap, small enough for every broker's limit. */
const TARGET_BYTES = 64 * 1024;

/** Fields of live records kept in memory; beyond it the oldest go as backfill from the store. */
const MAX_LIVE_FIELDS = 50_000;

/** Live events kept in memory; see above. */
const MAX_LIVE_EVENTS = 1000;

/** How much is read from the store at once, and when more is read. */
const FETCH: Record<Stream, number> = { readings: 1000, events: 200 };

/** A pause after a message was lost or the store failed, so that trouble does not spin. */
const PAUSE_MS = 250;
const STORE_RETRY_MS = 1000;

/**
 * So many refused single items and nothing accepted: it is not the items. They stay pending, and nothing is set aside
 * because of, say, a missing permission.
 */
const MAX_SUSPECTS = 16;

interface StreamLanes<T> {
  /** Outstanding and neither in memory nor under way. */
  todo: Ranges;
  readonly live: RunQueue<T>;
  readonly fetched: RunQueue<T>;
  fetching: boolean;
  retryAtMs: number;
  accepted: boolean;
  suspects: { readonly from: number; readonly wallMs: number; readonly why: string }[];
}

type Parcel =
  | ({ readonly stream: 'readings'; readonly lane: Lane } & Run<DeviceRecord>)
  | ({ readonly stream: 'events'; readonly lane: Lane } & Run<GatewayEvent>);

/** Sends over one session: events first, live readings next, the backlog behind at its rate, oldest first. */
export function createDelivery(deps: DeliveryDeps): Delivery {
  const { session, progress, clock, log, bucket, store } = deps;
  const lanesOf = <T>(stream: Stream, sizeOf: (item: T) => { fields: number; bytes: number }): StreamLanes<T> => ({
    todo: progress.outstanding(stream),
    live: createRunQueue(sizeOf),
    fetched: createRunQueue(sizeOf),
    fetching: false,
    retryAtMs: 0,
    accepted: false,
    suspects: [],
  });
  const readings = lanesOf<DeviceRecord>('readings', sizeOfRecord);
  const events = lanesOf<GatewayEvent>('events', () => ({ fields: 1, bytes: 1 }));
  const limits: CutLimits = { items: deps.limits.records, fields: deps.limits.fields, bytes: TARGET_BYTES };
  const one: CutLimits = { items: 1, fields: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
  const backlogMax = Math.max(1, Math.floor(session.window / 2));
  const splits: Parcel[] = [];
  /** Confirmations still count after `stop`; the session ends what is under way. */
  const never = new AbortController().signal;
  setMaxListeners(0, never);
  let stopped = false;
  let underWay = 0;
  let backlogUnderWay = 0;
  let backlogWindow = Math.min(4, backlogMax);
  let nextHalvingMs = 0;
  let pausedUntilMs = 0;
  let backfilled = 0;
  let wake: { atMs: number; cancel: () => void } | undefined;

  /** Makes sure that `pump` runs at `atMs`. */
  const wakeAt = (atMs: number): void => {
    if (stopped || (wake && wake.atMs <= atMs)) return;
    wake?.cancel();
    const cancel = clock.after(Math.max(0, atMs - clock.monoMs()), () => {
      wake = undefined;
      pump();
    });
    wake = { atMs, cancel };
  };

  const takeEvent = (queue: RunQueue<GatewayEvent>, lane: Lane): Parcel | undefined => {
    const run = queue.take(one);
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
      wakeAt(clock.monoMs() + waitMs);
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
    const live = takeEvent(events.live, 'live') ?? splits.shift();
    if (live) return live;
    const nowMs = clock.monoMs();
    if (nowMs < pausedUntilMs) wakeAt(pausedUntilMs);
    const backlogFree = backlogUnderWay < Math.floor(backlogWindow) && nowMs >= pausedUntilMs;
    const roomForLive = session.window < 4 || free > 1;
    return (
      (backlogFree ? takeEvent(events.fetched, 'backfill') : undefined) ??
      (roomForLive ? takeLive() : undefined) ??
      (backlogFree ? takeBackfill() : undefined)
    );
  };

  const pump = (): void => {
    while (!stopped) {
      const parcel = choose();
      if (!parcel) break;
      transmit(parcel);
    }
    fetch('events', events, (from, limit) => store.peekEvents(from, limit).then((f) => ({ ...f, items: f.events })));
    fetch('readings', readings, (from, limit) => store.peek(from, limit).then((f) => ({ ...f, items: f.records })));
  };

  const transmit = (parcel: Parcel): void => {
    const startedMs = clock.monoMs();
    underWay++;
    if (parcel.lane === 'backfill') backlogUnderWay++;
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
    if (parcel.lane === 'backfill') {
      backlogUnderWay--;
      adapt(clock.monoMs() - startedMs, result !== undefined);
    }
    if (result === undefined) {
      lanes.todo = addRange(lanes.todo, range);
      pausedUntilMs = clock.monoMs() + PAUSE_MS;
    } else if (result.ok) {
      for (const again of progress.delivered(parcel.stream, range)) lanes.todo = addRange(lanes.todo, again);
      if (parcel.stream === 'readings' && parcel.lane === 'backfill') backfilled += parcel.items.length;
      lanes.accepted = true;
      setAside(parcel.stream);
    } else {
      refused(parcel, result.why);
    }
    if (!stopped) pump();
  };

  const adapt = (tookMs: number, confirmed: boolean): void => {
    const nowMs = clock.monoMs();
    const outcome = !confirmed ? 'lost' : tookMs > SLOW_CONFIRMATION_MS ? 'slow' : 'prompt';
    if (outcome !== 'prompt') {
      // What was sent before the window shrank says nothing about the smaller window.
      if (nowMs < nextHalvingMs) return;
      nextHalvingMs = nowMs + tookMs;
    }
    backlogWindow = nextBacklogWindow(backlogWindow, outcome, backlogMax);
  };

  const refused = (parcel: Parcel, why: string): void => {
    if (parcel.stream === 'readings' && parcel.items.length > 1) {
      const { stream, lane } = parcel;
      splits.unshift(...halves(parcel).map((half): Parcel => ({ stream, lane, ...half })));
      return;
    }
    const lanes = parcel.stream === 'readings' ? readings : events;
    const first = parcel.items[0]!;
    lanes.suspects.push({ from: parcel.from, wallMs: 'at' in first ? first.at.wallMs : first.wallMs, why });
    setAside(parcel.stream);
    if (lanes.suspects.length >= MAX_SUSPECTS && !stopped) {
      deps.giveUp(`it refuses all ${parcel.stream}: ${why}. Nothing is lost: they are kept and tried again.`);
    }
  };

  /** Quarantines what was refused, once the other side has shown that it takes others of its kind. */
  const setAside = (stream: Stream): void => {
    const lanes = stream === 'readings' ? readings : events;
    if (!lanes.accepted) return;
    for (const { from, wallMs, why } of lanes.suspects.splice(0)) {
      const span = { firstWallMs: wallMs, lastWallMs: wallMs };
      progress.quarantine({ stream, from, to: from + 1, count: 1, uplink: deps.uplink, detail: why, ...span });
    }
  };

  /** Reads ahead from the store when little is left; one read at a time, and nothing waits for it. */
  const fetch = <T>(
    stream: Stream,
    lanes: StreamLanes<T>,
    peek: (from: number, limit: number) => Promise<Run<T> & { next: number }>,
  ): void => {
    const range = lanes.todo[0];
    if (stopped || !range || lanes.fetching || lanes.fetched.size > FETCH[stream] / 2) return;
    if (clock.monoMs() < lanes.retryAtMs) {
      wakeAt(lanes.retryAtMs);
      return;
    }
    const retryLater = () => {
      lanes.retryAtMs = clock.monoMs() + STORE_RETRY_MS;
    };
    lanes.fetching = true;
    peek(range.from, Math.min(FETCH[stream], range.to - range.from))
      .then((found) => {
        if (!stopped && !absorb(stream, lanes, range, found)) retryLater();
      })
      .catch((error: unknown) => {
        log.warn(`the backlog could not be read: ${messageOf(error)}. Trying again.`);
        retryLater();
      })
      .finally(() => {
        lanes.fetching = false;
        pump();
      });
  };

  /** Takes what was read; false when it got no further. */
  const absorb = <T>(stream: Stream, lanes: StreamLanes<T>, asked: SeqRange, found: Run<T> & { next: number }) => {
    const items = found.items.slice(0, Math.max(0, asked.to - found.from));
    const end = Math.min(found.from + items.length, asked.to);
    const next = Math.min(Math.max(found.next, end), asked.to);
    if (next <= asked.from) return false;
    progress.gone(stream, { from: asked.from, to: Math.min(found.from, asked.to) });
    progress.gone(stream, { from: end, to: next });
    lanes.fetched.push({ from: found.from, items });
    lanes.todo = removeRange(lanes.todo, { from: asked.from, to: next });
    return true;
  };

  const handOver = <T>(lanes: StreamLanes<T>, range: SeqRange, items: readonly T[], maxFields: number): void => {
    if (stopped || range.from >= range.to) return;
    // Numbers given to what was dropped before the commit have no item: the store knows which they are.
    if (items.length !== range.to - range.from) lanes.todo = addRange(lanes.todo, range);
    else lanes.live.push({ from: range.from, items });
    while (lanes.live.fields > maxFields) lanes.todo = addRange(lanes.todo, lanes.live.dropFirst()!);
    pump();
  };

  return {
    start: pump,
    committedRecords: (range, records) => handOver(readings, range, records, MAX_LIVE_FIELDS),
    committedEvents: (range, list) => handOver(events, range, list, MAX_LIVE_EVENTS),
    stop() {
      stopped = true;
      wake?.cancel();
      wake = undefined;
    },
    backlog: () => ({
      left: countBelow(readings.todo, progress.head('readings')) + readings.fetched.size,
      delivered: backfilled,
    }),
  };
}

function batchOf(parcel: Parcel, epoch: string): OutgoingBatch {
  if (parcel.stream === 'events') return { kind: 'event', epoch, seq: parcel.from, event: parcel.items[0]! };
  return { kind: 'readings', epoch, seq: parcel.from, lane: parcel.lane, records: parcel.items };
}
