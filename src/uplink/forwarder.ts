/** Carries what is committed to one uplink: connects, delivers, and connects again. */
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { Alarms } from '../core/system-alarm.ts';
import { within } from '../core/wait.ts';
import type { CommitBatch, Receipt, Stream } from '../store/store.ts';
import { createDelivery, type Delivery, type DeliveryMemory, halvesOf, type Parcel } from './delivery.ts';
import { createProgress, type ForwarderStore } from './progress.ts';
import { createReconnect, type Ending } from './reconnect.ts';
import { createStreamJudge, type Doubt } from './refusals.ts';
import { createTokenBucket } from './run-queue.ts';
import { ConnectRefused, type Uplink, type UplinkSession, type UplinkStatus } from './uplink.ts';

/** What a forwarder needs. */
interface ForwarderDeps {
  readonly uplink: Uplink;
  readonly store: ForwarderStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Records of the backlog per second, more than 0. */
  readonly backfillRate: number;
  /** Where trouble that an event should tell of is raised. */
  readonly alarms: Alarms;
}

/** Carries what is committed to one uplink. There is one of them for each. */
export interface Forwarder {
  /** Connects, delivers, connects again, until the signal is aborted; then notes how far it got and resolves. */
  run(signal: AbortSignal): Promise<void>;
  /** To be called after each commit, in order, with what was committed. Never waits and never throws. */
  committed(receipt: Receipt, batch: CommitBatch): void;
  /** Says to the other side that another configuration is in force, if it is connected. Never waits and never throws. */
  announce(): void;
  /**
   * Has a range sent again, what of it was delivered before; as backfill, oldest first. Gives how many go again. Throws
   * `Fault` before `run` knows where the uplink stands.
   */
  replay(stream: Stream, range: SeqRange): number;
  status(): UplinkStatus;
}

/** How often what was confirmed is noted in the store. */
const SETTLE_EVERY_MS = 1000;

/** How long the last note may take when the gateway stops; without it some records are sent again. */
const LAST_SETTLE_MS = 5000;

/** Weight of the last second in the rate at which the backlog shrinks. */
const RATE_WEIGHT = 0.2;

/** A session that held for so long is not in dispute any more. */
const HELD_MS = 600_000;

/** How long the store is left alone after it did not answer, ms. */
const STORE_RETRY_MS = 2000;

/** A forwarder that stands still until `run` is called. */
export function createForwarder(deps: ForwarderDeps): Forwarder {
  const { uplink, store, clock, random } = deps;
  const log = deps.log.scoped(uplink.name);
  const progress = createProgress(uplink.name, store, log);
  const bucket = createTokenBucket(clock, deps.backfillRate);
  let state: UplinkStatus['state'] = 'stopped';
  let reason: string | undefined;
  let sinceMs = clock.wallMs();
  let sessions = 0;
  let isLoaded = false;
  let delivery: Delivery | undefined;
  let announce: (() => Promise<void> | undefined) | undefined;
  let note: string | undefined;
  let trouble: (() => string | undefined) | undefined;
  let rate: number | undefined;

  const judgeOf = (stream: Stream) =>
    createStreamJudge<Parcel>({
      clock,
      random,
      nextOrder: () => memory.sent + 1,
      halves: halvesOf,
      condemn({ from, items }, detail) {
        const item = items[0]!;
        const wallMs = 'at' in item ? item.at.wallMs : item.wallMs;
        const span = { firstWallMs: wallMs, lastWallMs: wallMs };
        progress.quarantine({ stream, from, to: from + 1, count: 1, uplink: uplink.name, detail, ...span });
      },
      changed: (doubt, before) => tellDoubt(stream, doubt, before),
    });

  /** Says once that a stream waits, and once that it flows again. */
  const tellDoubt = (stream: Stream, doubt: Doubt | undefined, before: Doubt | undefined): void => {
    const alarm = `uplink/${uplink.name}/${stream}`;
    if (!doubt) {
      log.info(`${stream} flow again`);
      deps.alarms.clear(alarm, `uplink ${uplink.name}: ${stream} flow again`);
    } else if (doubt.why !== before?.why) {
      const message = `${stream} wait: ${doubt.why}. Nothing is lost: they are kept and tried again`;
      log.warn(`${message}.`);
      deps.alarms.raise(alarm, `uplink ${uplink.name}: ${message}`, { uplink: uplink.name, stream });
    }
  };

  const tellTakeover = ({ how, reason, lastedMs }: Ending): void => {
    const alarm = `uplink/${uplink.name}/takeover`;
    if (how === 'takeover') deps.alarms.raise(alarm, `uplink ${uplink.name}: ${reason}`, { uplink: uplink.name });
    else if (lastedMs > HELD_MS) deps.alarms.clear(alarm, `uplink ${uplink.name}: the session is ours again`);
  };

  /** What of a session that stands does not flow, in one line. */
  const doubtText = (): string | undefined => {
    const waiting = (['readings', 'events'] as const).flatMap((stream) => {
      const doubt = memory.judges[stream].doubt();
      return doubt ? [`${stream} wait: ${doubt.why}`] : [];
    });
    const also = trouble?.();
    const all = also === undefined ? waiting : [...waiting, also];
    return all.length > 0 ? all.join('; ') : undefined;
  };

  const become = (next: UplinkStatus['state'], why?: string): void => {
    if (next !== state) sinceMs = clock.wallMs();
    state = next;
    reason = why ?? (next === 'connected' || next === 'stopped' ? undefined : reason);
  };

  const memory: DeliveryMemory = {
    judges: { readings: judgeOf('readings'), events: judgeOf('events') },
    sent: 0,
    largestTaken: Number.POSITIVE_INFINITY,
    largestConfirmed: 0,
    sizeLearnedMs: 0,
  };

  /** Serves one session to its end. */
  const serve = async (session: UplinkSession, signal: AbortSignal): Promise<Omit<Ending, 'lastedMs'>> => {
    const { limits, takesTexts = false } = uplink;
    const current = createDelivery({ session, store, progress, bucket, memory, clock, log, limits, takesTexts });
    const ended = session.ended.then(({ reason, takenOver, hungUpOn, endedBehind }): Omit<Ending, 'lastedMs'> => {
      const behind = hungUpOn ?? endedBehind;
      if (behind) current.hungUpOn(behind, reason.replace(/\.$/, ''), hungUpOn !== undefined);
      return { reason, how: takenOver ? 'takeover' : hungUpOn ? 'settled' : 'ended' };
    });
    const stopTicking = everySecond(current);
    delivery = current;
    announce = () => session.announce?.(signal);
    trouble = () => session.trouble?.();
    note = session.note;
    current.start();
    const { promise: aborted, forget } = whenAborted(signal);
    try {
      return await Promise.race([ended, aborted]);
    } finally {
      forget();
      delivery = undefined;
      announce = undefined;
      trouble = undefined;
      rate = undefined;
      current.stop();
      stopTicking();
      await session.close();
      // The first may join a note that was begun before the last confirmations came.
      const settled = () => progress.settle().then(progress.settle);
      await within(clock, LAST_SETTLE_MS, settled, () => {});
    }
  };

  /** Notes progress and measures the rate once a second; returns how to stop it. */
  const everySecond = (current: Delivery): (() => void) => {
    let before = 0;
    let cancel = () => {};
    const tick = () => {
      const { delivered, left } = current.backlog();
      const lately = ((delivered - before) * 1000) / SETTLE_EVERY_MS;
      before = delivered;
      if (left === 0 && lately === 0) rate = undefined;
      else rate = rate === undefined ? lately : rate + RATE_WEIGHT * (lately - rate);
      void progress.settle();
      cancel = clock.after(SETTLE_EVERY_MS, tick);
    };
    cancel = clock.after(SETTLE_EVERY_MS, tick);
    return () => cancel();
  };

  /** One connection, from the attempt to its end. */
  const attempt = async (signal: AbortSignal): Promise<Ending> => {
    become('connecting');
    let session: UplinkSession;
    try {
      session = await uplink.connect(signal);
    } catch (error) {
      return { reason: messageOf(error), how: error instanceof ConnectRefused ? 'refused' : 'line', lastedMs: 0 };
    }
    sessions++;
    become('connected');
    const { pendingRecords, pendingEvents } = progress.counts();
    log.info(`connected; ${pendingRecords} records and ${pendingEvents} events to deliver`);
    const startedMs = clock.monoMs();
    const ending = await serve(session, signal);
    return { ...ending, lastedMs: clock.monoMs() - startedMs };
  };

  const load = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      try {
        await progress.load();
        isLoaded = true;
        return;
      } catch (error) {
        become('waiting', `the store does not answer: ${messageOf(error)}`);
        await clock.sleep(STORE_RETRY_MS, signal).catch(() => {});
      }
    }
  };

  return {
    async run(signal) {
      await load(signal);
      const reconnect = createReconnect(clock, random);
      while (!signal.aborted) {
        const ending = await attempt(signal);
        if (signal.aborted) break;
        tellTakeover(ending);
        const { delayMs, line } = reconnect.after(ending);
        become('waiting', ending.reason);
        if (line === undefined) log.debug(ending.reason);
        else log.warn(line);
        await clock.sleep(delayMs, signal).catch(() => {});
      }
      become('stopped');
    },
    committed({ readings, events }, { records, events: list }) {
      // Numbers that were never handed over (committed before `run`, say) are in the store.
      const handOver = { readings: progress.head('readings'), events: progress.head('events') };
      progress.raiseHead('readings', readings.to);
      progress.raiseHead('events', events.to);
      if (!delivery) return;
      delivery.committedEvents({ from: handOver.events, to: events.from }, []);
      delivery.committedRecords({ from: handOver.readings, to: readings.from }, []);
      delivery.committedEvents(events, list);
      delivery.committedRecords(readings, records);
    },
    announce() {
      announce?.()?.catch((error: unknown) => log.debug(`the status message: ${messageOf(error)}`));
    },
    replay(stream, range) {
      if (!isLoaded)
        throw new Fault(
          `${uplink.name} has not begun: the store has not said where it stands`,
          'Try again.',
          EXIT.unavailable,
        );
      const again = progress.again(stream, range);
      delivery?.again(stream, again);
      return again.reduce((sum, { from, to }) => sum + (to - from), 0);
    },
    status() {
      const { pendingRecords, pendingEvents, deliveredRecords, deliveredEvents, quarantinedRecords } =
        progress.counts();
      const left = delivery?.backlog().left ?? 0;
      return {
        name: uplink.name,
        state,
        reason: state === 'connected' ? doubtText() : reason,
        note: state === 'connected' ? note : undefined,
        sinceMs,
        sessions,
        pendingRecords,
        pendingEvents,
        deliveredRecords,
        deliveredEvents,
        quarantinedRecords,
        catchUpSeconds: left > 0 && rate !== undefined && rate > 0 ? Math.ceil(left / rate) : undefined,
      };
    },
  };
}

/** A promise for the abort of a signal, and how to stop waiting for it. */
function whenAborted(signal: AbortSignal): { promise: Promise<Omit<Ending, 'lastedMs'>>; forget: () => void } {
  let forget = () => {};
  const promise = new Promise<Omit<Ending, 'lastedMs'>>((resolve) => {
    const onAbort = () => resolve({ reason: 'the gateway stops', how: 'settled' });
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    forget = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, forget };
}
