/** Carries what is committed to one uplink, for as long as the gateway runs. */
import { type BackoffBounds, backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Random } from '../core/random.ts';
import type { CommitBatch, Receipt, Stream } from '../store/store.ts';
import { createDelivery, type Delivery } from './delivery.ts';
import { createProgress, type ForwarderStore } from './progress.ts';
import { createTokenBucket } from './run-queue.ts';
import type { Uplink, UplinkSession, UplinkStatus } from './uplink.ts';

/** What a forwarder needs. */
interface ForwarderDeps {
  readonly uplink: Uplink;
  readonly store: ForwarderStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Records of the backlog per second, more than 0. */
  readonly backfillRate: number;
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

/** Between attempts; see failure 33: full jitter, from one second to a minute. */
const RECONNECT: BackoffBounds = { minMs: 1000, maxMs: 60_000 };

/** After a takeover or a refusal of everything: both only end when a person does something. */
const SLOW_RECONNECT: BackoffBounds = { minMs: 30_000, maxMs: 300_000 };

/** A session that held for so long was a good one: the next attempt is a first one. */
const STABLE_MS = 30_000;

/** How often what was confirmed is noted in the store. */
const SETTLE_EVERY_MS = 1000;

/** How long the last note may take when the gateway stops; without it some records are sent again. */
const LAST_SETTLE_MS = 5000;

/** Weight of the last second in the rate at which the backlog shrinks. */
const RATE_WEIGHT = 0.2;

/** Why a session is over, and whether only a person can change that. */
interface Ending {
  readonly reason: string;
  readonly slow: boolean;
}

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
  let rate: number | undefined;

  const become = (next: UplinkStatus['state'], why?: string): void => {
    if (next !== state) sinceMs = clock.wallMs();
    state = next;
    reason = why ?? (next === 'connected' || next === 'stopped' ? undefined : reason);
  };

  /** Serves one session to its end. */
  const serve = async (session: UplinkSession, signal: AbortSignal): Promise<Ending> => {
    let giveUp: (why: string) => void = () => {};
    const refusedAll = new Promise<Ending>((resolve) => {
      giveUp = (why) => resolve({ reason: why, slow: true });
    });
    const ended = session.ended.then((end): Ending => ({ reason: end.reason, slow: end.takenOver }));
    const current = createDelivery({
      session,
      store,
      progress,
      bucket,
      clock,
      log,
      uplink: uplink.name,
      limits: uplink.limits,
      takesTexts: uplink.takesTexts ?? false,
      giveUp: (why) => giveUp(why),
    });
    const stopTicking = everySecond(current);
    delivery = current;
    announce = () => session.announce?.(signal);
    current.start();
    const { promise: aborted, forget } = whenAborted(signal);
    try {
      return await Promise.race([ended, refusedAll, aborted]);
    } finally {
      forget();
      delivery = undefined;
      announce = undefined;
      rate = undefined;
      current.stop();
      stopTicking();
      await session.close();
      // The first may join a note that was begun before the last confirmations came.
      await withinDeadline(progress.settle().then(progress.settle));
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

  const withinDeadline = async (work: Promise<void>): Promise<void> => {
    let cancel = () => {};
    const deadline = new Promise<void>((resolve) => {
      cancel = clock.after(LAST_SETTLE_MS, resolve);
    });
    await Promise.race([work, deadline]);
    cancel();
  };

  /** One connection, from the attempt to its end. */
  const attempt = async (signal: AbortSignal): Promise<Ending & { lastedMs: number }> => {
    become('connecting');
    let session: UplinkSession;
    try {
      session = await uplink.connect(signal);
    } catch (error) {
      return { reason: messageOf(error), slow: false, lastedMs: 0 };
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
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        await progress.load();
        isLoaded = true;
        return;
      } catch (error) {
        become('waiting', `the store does not answer: ${messageOf(error)}`);
        await clock.sleep(backoffMs(tries, RECONNECT, random()), signal).catch(() => {});
      }
    }
  };

  return {
    async run(signal) {
      await load(signal);
      let failures = 0;
      let lastReason: string | undefined;
      while (!signal.aborted) {
        const outcome = await attempt(signal);
        if (signal.aborted) break;
        if (outcome.lastedMs >= STABLE_MS && !outcome.slow) failures = 0;
        const delayMs = backoffMs(failures, outcome.slow ? SLOW_RECONNECT : RECONNECT, random());
        failures++;
        become('waiting', outcome.reason);
        const line = `${outcome.reason} Next attempt in ${formatDuration(delayMs)}.`;
        if (outcome.reason === lastReason) log.debug(line);
        else log.warn(line);
        lastReason = outcome.reason;
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
          `${uplink.name} has not begun: the store has not said where it stands. Try again.`,
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
        reason,
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
function whenAborted(signal: AbortSignal): { promise: Promise<Ending>; forget: () => void } {
  let forget = () => {};
  const promise = new Promise<Ending>((resolve) => {
    const onAbort = () => resolve({ reason: 'the gateway stops', slow: false });
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    forget = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, forget };
}
