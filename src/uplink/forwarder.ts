/** Carries what is committed to one uplink: connects, delivers, and connects again. */
import { type Clock, every, within } from '../core/clock.ts';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import type { Alarms } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { CommitBatch, Receipt, Stream } from '../store/store.ts';
import { Delivery, type Wanted } from './delivery.ts';
import { Judgement } from './judgement.ts';
import { wantedRuns } from './lanes.ts';
import { type ForwarderStore, Progress } from './progress.ts';
import { createReconnect, type Ending } from './reconnect.ts';
import { TokenBucket } from './run-queue.ts';
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
  /** What it is to be given. Default: everything. */
  readonly wanted?: Wanted;
  /** Where trouble that an event should tell of is raised. */
  readonly alarms: Alarms;
  /** Called whenever a connection could not be made, and whenever something that was sent is answered. */
  readonly onTried?: () => void;
}

/** How often what was confirmed is noted in the store, and the backlog measured. */
const SECOND_MS = 1000;

/** How long the last note may take when the gateway stops; without it some records are sent again. */
const LAST_SETTLE_MS = 5000;

/** Weight of the last second in the rate at which the backlog shrinks. */
const RATE_WEIGHT = 0.2;

/** A session that held for so long is not in dispute any more. */
const HELD_MS = 600_000;

/** How long the store is left alone after it did not answer, ms. */
const STORE_RETRY_MS = 2000;

const EVERYTHING: Wanted = { record: undefined, events: true };

/** How a session ended. */
type SessionEnd = Omit<Ending, 'lastedMs'>;

/** What serves one session. */
interface Serving {
  readonly session: UplinkSession;
  readonly delivery: Delivery;
  readonly catchUp: CatchUp;
  readonly signal: AbortSignal;
}

/** A session that ends sooner hardly began. */
const EARLY_END_MS = 10_000;

/** A broker that is away for so long is an event. */
const AWAY_TOLD_AFTER_MS = 10_000;

/** Carries what is committed to one uplink. There is one of them for each; it stands still until `run` is called. */
export class Forwarder {
  private readonly deps: ForwarderDeps;
  private readonly log: Logger;
  private readonly progress: Progress;
  private readonly bucket: TokenBucket;
  private readonly judgement: Judgement;
  private readonly wanted: Wanted;
  private state: UplinkStatus['state'] = 'stopped';
  private reason: string | undefined;
  /** Why the last session ended, where that was soon after its beginning. */
  private endedEarly: string | undefined;
  /** Items delivered before the session that stands. */
  private deliveredBefore = 0;
  private sinceMs: number;
  /** Since when there is no session, monotonic ms. */
  private awaySinceMs: number | undefined;
  private sessions = 0;
  private isLoaded = false;
  /** Undefined while no session stands. */
  private serving: Serving | undefined;

  constructor(deps: ForwarderDeps) {
    const { uplink, store, clock } = deps;
    this.deps = deps;
    this.wanted = deps.wanted ?? EVERYTHING;
    this.log = deps.log.scoped(uplink.name);
    this.progress = new Progress(uplink.name, store, this.log);
    this.bucket = new TokenBucket(clock, deps.backfillRate);
    this.judgement = new Judgement({ ...deps, log: this.log, name: uplink.name, progress: this.progress });
    this.sinceMs = clock.wallMs();
  }

  /** Connects, delivers, connects again, until the signal is aborted; then notes how far it got and resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.deps;
    await this.load(signal);
    // While nothing is sent, there is something to note only where some of it is not wanted.
    const isChoosy = this.wanted.record !== undefined || !this.wanted.events;
    const stopNoting = isChoosy ? every(clock, SECOND_MS, () => void this.progress.settle()) : () => {};
    const reconnect = createReconnect(clock, random);
    while (!signal.aborted) {
      const ending = await this.attempt(signal);
      if (signal.aborted) break;
      this.tellTakeover(ending);
      this.tellAway(ending);
      this.endedEarly = ending.how === 'ended' && ending.lastedMs < EARLY_END_MS ? ending.reason : undefined;
      const { delayMs, line } = reconnect.after(ending);
      this.become('waiting', ending.reason);
      if (line === undefined) this.log.debug(ending.reason);
      else this.log.warn(line);
      await clock.sleep(delayMs, signal).catch(() => {});
    }
    stopNoting();
    this.become('stopped');
  }

  /** To be called after each commit, in order, with what was committed. Never waits and never throws. */
  committed({ readings, events }: Receipt, { records, events: list }: CommitBatch): void {
    const { progress } = this;
    // Numbers that were never handed over (committed before `run`, say) are in the store.
    const handOver = { readings: progress.head('readings'), events: progress.head('events') };
    progress.raiseHead('readings', readings.to);
    progress.raiseHead('events', events.to);
    if (!this.serving) {
      this.passUnsent({ readings, events }, records);
      return;
    }
    const { delivery } = this.serving;
    delivery.committedEvents({ from: handOver.events, to: events.from }, []);
    delivery.committedRecords({ from: handOver.readings, to: readings.from }, []);
    delivery.committedEvents(events, list);
    delivery.committedRecords(readings, records);
  }

  /** Lets go of what this uplink does not want, so that the store need not keep it until there is a session. */
  private passUnsent({ readings, events }: Receipt, records: CommitBatch['records']): void {
    const { record, events: takesEvents } = this.wanted;
    if (!takesEvents) this.progress.passUnsent('events', events);
    // Numbers given to what was dropped before the commit have no record: the store knows which they are.
    if (!record || records.length !== readings.to - readings.from) return;
    for (const { from, to, items } of wantedRuns({ from: readings.from, items: records }, record))
      if (items.length === 0) this.progress.passUnsent('readings', { from, to });
  }

  /** Says to the other side that another configuration is in force, if it is connected. Never waits and never throws. */
  announce(): void {
    if (!this.serving) return;
    const { session, signal } = this.serving;
    session.announce?.(signal).catch((error: unknown) => this.log.debug(`the status message: ${messageOf(error)}`));
  }

  /**
   * Has a range sent again, what of it was delivered before; as backfill, oldest first. Gives how many go again. Throws
   * `Fault` before `run` knows where the uplink stands.
   */
  replay(stream: Stream, range: SeqRange): number {
    const { name } = this.deps.uplink;
    if (!this.isLoaded)
      throw new Fault(`${name} has not begun: the store has not said where it stands`, 'Try again.', EXIT.unavailable);
    const again = this.progress.again(stream, range);
    this.serving?.delivery.again(stream, again);
    return again.reduce((sum, { from, to }) => sum + (to - from), 0);
  }

  status(): UplinkStatus {
    const { state, serving, sinceMs, sessions } = this;
    const isConnected = state === 'connected';
    return {
      name: this.deps.uplink.name,
      state,
      reason: isConnected
        ? (this.judgement.text(serving?.session.trouble?.()) ?? this.unsettled())
        : ((state === 'connecting' ? this.deps.uplink.waitsFor?.() : undefined) ?? this.reason),
      note: isConnected ? serving?.session.note : undefined,
      sinceMs,
      sessions,
      ...this.progress.counts(),
      catchUpSeconds: serving?.catchUp.seconds(serving.delivery.backlog().left),
    };
  }

  /** Why the sessions before ended, while this one has delivered nothing of what waits: it may be about to end the same way. */
  private unsettled(): string | undefined {
    const { deliveredRecords, deliveredEvents, pendingRecords, pendingEvents } = this.progress.counts();
    if (pendingRecords + pendingEvents === 0 || deliveredRecords + deliveredEvents > this.deliveredBefore)
      return undefined;
    return this.endedEarly;
  }

  private become(next: UplinkStatus['state'], why?: string): void {
    // Attempts to connect and the waiting between them are one time without a connection.
    const isDown = (state: UplinkStatus['state']) => state === 'connecting' || state === 'waiting';
    if (next !== this.state && !(isDown(next) && isDown(this.state))) this.sinceMs = this.deps.clock.wallMs();
    this.state = next;
    this.reason = why ?? (next === 'connected' || next === 'stopped' ? undefined : this.reason);
  }

  private tellTakeover({ how, reason, lastedMs }: Ending): void {
    const { alarms, uplink } = this.deps;
    const alarm = `uplink/${uplink.name}/takeover`;
    if (how === 'takeover') alarms.raise(alarm, `uplink ${uplink.name}: ${reason}`, { uplink: uplink.name });
    else if (lastedMs > HELD_MS) alarms.clear(alarm, `uplink ${uplink.name}: the session is ours again`);
  }

  /** A broker that is away for a while is news, and so is its return; one that hangs up and is there again is not. */
  private tellAway({ how, reason }: Ending): void {
    const { alarms, uplink, clock } = this.deps;
    this.awaySinceMs ??= clock.monoMs();
    if (how === 'takeover' || clock.monoMs() - this.awaySinceMs < AWAY_TOLD_AFTER_MS) return;
    const message = `uplink ${uplink.name}: no connection for ${AWAY_TOLD_AFTER_MS / 1000} s: ${reason}`;
    alarms.raise(`uplink/${uplink.name}/not-connected`, message, { uplink: uplink.name });
  }

  private tellBack(): void {
    const { alarms, uplink } = this.deps;
    this.awaySinceMs = undefined;
    alarms.clear(`uplink/${uplink.name}/not-connected`, `uplink ${uplink.name}: connected again`);
  }

  private async load(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.progress.load();
        this.isLoaded = true;
        return;
      } catch (error) {
        this.become('waiting', `the store does not answer: ${messageOf(error)}`);
        await this.deps.clock.sleep(STORE_RETRY_MS, signal).catch(() => {});
      }
    }
  }

  /** One connection, from the attempt to its end. */
  private async attempt(signal: AbortSignal): Promise<Ending> {
    const { uplink, clock } = this.deps;
    this.become('connecting');
    let session: UplinkSession;
    try {
      session = await uplink.connect(signal);
    } catch (error) {
      this.deps.onTried?.();
      return { reason: messageOf(error), how: error instanceof ConnectRefused ? 'refused' : 'line', lastedMs: 0 };
    }
    this.sessions++;
    const { deliveredRecords, deliveredEvents } = this.progress.counts();
    this.deliveredBefore = deliveredRecords + deliveredEvents;
    this.become('connected');
    this.tellBack();
    const { pendingRecords, pendingEvents } = this.progress.counts();
    this.log.info(`connected; ${pendingRecords} records and ${pendingEvents} events to deliver`);
    const startedMs = clock.monoMs();
    const ending = await this.serve(session, signal);
    return { ...ending, lastedMs: clock.monoMs() - startedMs };
  }

  /** Serves one session to its end. */
  private async serve(session: UplinkSession, signal: AbortSignal): Promise<SessionEnd> {
    const { log, progress, bucket } = this;
    const { uplink, store, clock, onTried = () => {} } = this.deps;
    const { limits } = uplink;
    const { memory } = this.judgement;
    const { wanted } = this;
    const takesTexts = uplink.takesTexts === true && wanted.record === undefined;
    progress.beginSession();
    const parts = { session, store, progress, bucket, memory, clock, log, limits, takesTexts, wanted };
    const delivery = new Delivery({ ...parts, onAnswered: onTried });
    const ended = session.ended.then(({ reason, takenOver, hungUpOn, endedBehind, isPlanned, again }): SessionEnd => {
      const behind = hungUpOn ?? endedBehind;
      for (const { stream, range } of again ?? []) this.progress.again(stream, range);
      if (behind) delivery.hungUpOn(behind, reason.replace(/\.$/, ''), hungUpOn !== undefined);
      return { reason, how: takenOver ? 'takeover' : hungUpOn || isPlanned ? 'settled' : 'ended' };
    });
    const catchUp = new CatchUp();
    const stopTicking = every(clock, SECOND_MS, () => {
      catchUp.second(delivery.backlog());
      void progress.settle();
    });
    this.serving = { session, delivery, catchUp, signal };
    delivery.start();
    const { promise: aborted, forget } = whenAborted(signal);
    try {
      return await Promise.race([ended, aborted]);
    } finally {
      forget();
      this.serving = undefined;
      delivery.stop();
      stopTicking();
      await session.close();
      // The first may join a note that was begun before the last confirmations came.
      const settled = () => progress.settle().then(() => progress.settle());
      await within(clock, LAST_SETTLE_MS, settled, () => {});
    }
  }
}

/** How fast the backlog of one session shrinks. */
class CatchUp {
  private delivered = 0;
  /** Records in a second; undefined while there is no backlog. */
  private rate: number | undefined;

  /** To be called every second. */
  second({ delivered, left }: { readonly delivered: number; readonly left: number }): void {
    const lately = delivered - this.delivered;
    this.delivered = delivered;
    if (left === 0 && lately === 0) this.rate = undefined;
    else this.rate = this.rate === undefined ? lately : this.rate + RATE_WEIGHT * (lately - this.rate);
  }

  /** In how many seconds the rest will have gone; undefined: not known, or there is none. */
  seconds(left: number): number | undefined {
    return left > 0 && this.rate !== undefined && this.rate > 0 ? Math.ceil(left / this.rate) : undefined;
  }
}

/** A promise for the abort of a signal, and how to stop waiting for it. */
function whenAborted(signal: AbortSignal): { promise: Promise<SessionEnd>; forget: () => void } {
  let forget = () => {};
  const promise = new Promise<SessionEnd>((resolve) => {
    const onAbort = () => resolve({ reason: 'the gateway stops', how: 'settled' });
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    forget = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, forget };
}
