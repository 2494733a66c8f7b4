/** The loop of one channel: connects, asks what is due, and reconnects after a fault. */
import {
  type Driver,
  isEventful,
  isWritable,
  NotConnected,
  type ReadResult,
  type Tag,
  type WriteResult,
} from '../../hal/driver.ts';
import type { ChannelConfig, TagConfig } from '../config/config.ts';
import { type BackoffBounds, backoffMs, type Clock, instantOf } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import { type DeviceRecord, Fields, type Instant, type Reading, readingsOf, type Value } from '../core/reading.ts';
import type { Health } from './health.ts';
import {
  Counters,
  endOf,
  firstTrouble,
  rawOf,
  recordsOf,
  type TagList,
  type Trouble,
  tagList,
  writtenIn,
} from './outcome.ts';
import { type Job, type ScanClass, Schedule } from './schedule.ts';
import { UrgentLane } from './urgent.ts';
import { WriteGuard } from './write-guard.ts';

/** Pauses between attempts to connect a channel, with full jitter: an adapter that is plugged in is back well within 10 s. */
const RECONNECT: BackoffBounds = { minMs: 250, maxMs: 5000 };

/** To look for a port of this machine costs nothing, and whoever plugs an adapter in waits for it. */
const RECONNECT_PORT: BackoffBounds = { minMs: 250, maxMs: 1000 };

/** While a channel is away, its devices get bad readings at their own period, but not more often than this, ms. */
const BAD_AGAIN_MS = 5000;

/** State of the channel, for `status`. */
type ChannelState =
  | { readonly state: 'connecting' | 'connected' | 'stopped'; readonly sinceMs: number }
  | { readonly state: 'waiting'; readonly sinceMs: number; readonly reason: string };

/** What a poller tells as it goes. */
interface PollerEvents {
  onRecord(record: DeviceRecord): void;
  /** A device went offline, became degraded, or is back. */
  onHealth(device: string, health: Health): void;
  /**
   * The channel has had no connection for {@link AWAY_TOLD_AFTER_MS}, with the reason; or, without one, it is connected
   * after that. A device that hangs up after each answer is no news.
   */
  onConnection?(reason: string | undefined): void;
}

/** What a poller gets besides its channel and driver. */
interface PollerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** True when the readings of this channel are made up. */
  readonly simulated: boolean;
}

/**
 * The loop of one channel: connects, asks what is due, turns results into records, and reconnects with jittered
 * backoff. It runs until its signal is aborted; a throw that is not `NotConnected` is a bug and ends the process.
 */
export class Poller {
  readonly channel: ChannelConfig;
  private readonly driver: Driver;
  private readonly deps: PollerDeps;
  private readonly events: PollerEvents;
  private readonly tags = new Map<string, TagConfig>();
  private readonly lists = new WeakMap<readonly Tag[], TagList>();
  private readonly schedule: Schedule;
  private lastReason: string | undefined;
  /** When each device was last given bad readings because the channel is away, monotonic ms. */
  private readonly awayToldMs = new Map<string, number>();
  private readonly urgent = new UrgentLane();
  private readonly guard = new WriteGuard();
  private readonly counters = new Counters();
  /** Why each device that does not answer does not. */
  private readonly troubles = new Map<string, Trouble>();
  /** Since when each question is under way, the oldest first. */
  private readonly underWay = new Map<Promise<unknown>, number>();
  private lastEndMs: number;
  /** Since when the connection is away, monotonic ms, and whether that was told. */
  private away: { readonly sinceMs: number; readonly isTold: boolean } | undefined;
  /** Whether any device answered since the last connecting. */
  private hasAnswered = false;
  /** Ends the waiting of each reader that has nothing to do. */
  private readonly idle = new Set<() => void>();
  private channelState: ChannelState;

  constructor(channel: ChannelConfig, driver: Driver, deps: PollerDeps, events: PollerEvents) {
    this.channel = channel;
    this.driver = driver;
    this.deps = deps;
    this.events = events;
    for (const device of channel.devices) for (const tag of device.tags) this.tags.set(tag.tag.id, tag);
    const costMs = (tag: Tag) =>
      channel.driver.estimate(channel.options, [tag]).requests.reduce((sumMs, { lineMs }) => sumMs + lineMs, 0);
    this.schedule = new Schedule(scanClasses(channel), (tags) => driver.plan(tags), deps.clock.monoMs(), costMs);
    this.lastEndMs = deps.clock.monoMs();
    this.channelState = { state: 'stopped', sinceMs: deps.clock.wallMs() };
  }

  /** Where the channel stands. */
  get state(): ChannelState {
    return this.channelState;
  }

  /** Scans made and skipped. */
  get counts(): Schedule['counts'] {
    return this.schedule.counts;
  }

  /** Since when the oldest question, or the connecting, is under way; since or from when the next is due. Monotonic, ms. */
  get progress(): { readonly busySinceMs: number | undefined; readonly dueMs: number } {
    const [busySinceMs] = this.underWay.values();
    return { busySinceMs, dueMs: Math.max(this.schedule.nextDueMs(), this.lastEndMs) };
  }

  /** Health of a device. */
  health(device: string): Health {
    return this.schedule.health(device);
  }

  /** Why a device that is not online does not answer; undefined when it does. */
  trouble(device: string): Trouble | undefined {
    return this.troubles.get(device);
  }

  /** Reads tags of this channel as soon as the line is free, before anything scheduled. */
  readNow(tags: readonly Tag[], signal: AbortSignal): Promise<readonly Reading[]> {
    if (this.channelState.state !== 'connected') {
      const at = instantOf(this.deps.clock);
      return Promise.resolve(
        tags.map(({ id }) => ({ tag: id, ...at, quality: 'bad' as const, why: 'not-connected' as const })),
      );
    }
    return this.readGroups(tags, signal);
  }

  /** Each request waits for its own turn, so that what is scheduled has its turns between them. */
  private async readGroups(tags: readonly Tag[], signal: AbortSignal): Promise<readonly Reading[]> {
    const readings: Reading[] = [];
    for (const group of this.driver.plan(tags)) {
      const results = await this.urgently((stop) => this.driver.read(group, stop), signal);
      for (const record of this.records(group, results)) readings.push(...readingsOf(record));
    }
    return readings;
  }

  /**
   * Writes a value in engineering units as soon as the line is free, and reads it back. Range, rate and what the
   * device says make a refusal. `readBack` is in engineering units too.
   *
   * @throws Fault when the line is lost meanwhile: it is then not known whether the device took the value
   */
  async write(tag: Tag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    const { driver } = this;
    const config = this.tags.get(tag.id)!;
    const refused = (why: string): WriteResult => ({ ok: false, kind: 'refused', why });
    if (!isWritable(driver)) return refused(`channel ${this.channel.name} cannot write`);
    if (this.channelState.state !== 'connected') return refused(`channel ${this.channel.name} is not connected`);
    const refusal = this.guard.refusal(config, value, this.deps.clock.monoMs());
    if (refusal !== undefined) return refused(refusal);
    const raw = rawOf(config, value);
    if (raw === undefined) return refused(`${value} cannot be written with scale ${config.scale}`);
    const result = await this.urgently((stop) => driver.write(tag, raw, stop), signal);
    return writtenIn(config, result, value);
  }

  /**
   * Does something on the line that the poller knows nothing of, one request as soon as the line is free.
   *
   * @throws Fault when the channel is not connected, or is lost meanwhile
   */
  async meanwhile<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { channelState: state } = this;
    const { name } = this.channel;
    if (state.state === 'waiting') throw new Fault(`${name}: ${state.reason}`, '', EXIT.unavailable);
    if (state.state !== 'connected')
      throw new Fault(`${name} is not connected yet`, 'Try again in a moment.', EXIT.unavailable);
    return this.urgently(work, signal);
  }

  private async urgently<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      const done = this.urgent.add(this.channel.name, work, signal);
      this.wake();
      return await done;
    } catch (error) {
      throw error instanceof NotConnected
        ? new Fault(`${this.channel.name}: ${error.message}`, '', EXIT.unavailable)
        : error;
    }
  }

  /** Runs until `signal` is aborted, then closes the driver. */
  async run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    const { driver, options } = this.channel;
    const bounds = driver.placeOf?.(options).kind === 'serial' ? RECONNECT_PORT : RECONNECT;
    while (!signal.aborted) {
      this.enter({ state: 'connecting', sinceMs: this.deps.clock.wallMs() });
      this.hasAnswered = false;
      try {
        await this.timed(this.driver.connect(signal));
        this.awayToldMs.clear();
        if (this.away?.isTold) this.events.onConnection?.(undefined);
        this.away = undefined;
        this.schedule.connected(this.deps.clock.monoMs());
        this.enter({ state: 'connected', sinceMs: this.deps.clock.wallMs() });
        await this.serve(signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof NotConnected)) throw error;
        // A connection that worked may be made again at once.
        if (this.hasAnswered) attempt = 0;
        this.lose(error);
        await this.driver.close();
        await this.deps.clock.sleep(backoffMs(attempt++, bounds, this.deps.random()), signal).catch(() => {});
      }
    }
    await this.driver.close();
    this.urgent.refuseAll(new Fault(`channel ${this.channel.name} was stopped`, 'Try again.', EXIT.unavailable));
    this.enter({ state: 'stopped', sinceMs: this.deps.clock.wallMs() });
  }

  /** Serves the line with as many readers as it takes at once; ends with the first that fails. */
  private async serve(signal: AbortSignal): Promise<void> {
    const failure = new AbortController();
    const stop = () => failure.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    failure.signal.addEventListener('abort', () => this.wake(), { once: true });
    let unsubscribe: (() => void) | undefined;
    try {
      const lost = new Promise<never>((_, reject) => {
        unsubscribe = this.subscribe(reject);
      });
      const readers = Array.from({ length: this.driver.concurrency }, () => this.reader(failure.signal));
      await Promise.race([lost, ...readers]).finally(() => failure.abort());
      await Promise.allSettled(readers);
    } finally {
      unsubscribe?.();
      signal.removeEventListener('abort', stop);
      this.schedule.reset(this.deps.clock.monoMs());
    }
  }

  /** Takes what the driver reports by itself, and says it again at each heartbeat; the returned function ends it. */
  private subscribe(onLost: (lost: NotConnected) => void): (() => void) | undefined {
    if (!isEventful(this.driver)) return undefined;
    const reported = [...this.tags.values()].filter(({ everyMs }) => everyMs === undefined).map(({ tag }) => tag);
    if (reported.length === 0) return undefined;
    // Results of one line or edge come one by one, with the same instant: they are one record.
    let tags: Tag[] = [];
    let results: ReadResult[] = [];
    const flush = (): void => {
      const [flushedTags, flushedResults] = [tags, results];
      tags = [];
      results = [];
      this.emit(flushedTags, flushedResults);
    };
    const { clock } = this.deps;
    const heartbeats = new Map<Tag, () => void>();
    const onResult = (tag: Tag, result: ReadResult): void => {
      if (tags.push(tag) === 1) queueMicrotask(flush);
      results.push(result);
      const { heartbeatMs } = this.tags.get(tag.id)!;
      if (heartbeatMs === undefined) return;
      heartbeats.get(tag)?.();
      const waitMs = Math.max(0, result.at.monoMs + heartbeatMs - clock.monoMs());
      heartbeats.set(
        tag,
        clock.after(waitMs, () => onResult(tag, stillSo(result, instantOf(clock)))),
      );
    };
    const unsubscribe = this.driver.subscribe(reported, onResult, onLost);
    return () => {
      for (const cancel of heartbeats.values()) cancel();
      unsubscribe();
    };
  }

  private async reader(signal: AbortSignal): Promise<void> {
    const { clock } = this.deps;
    // What a person waits for goes first, but takes half of the turns at most while something scheduled is due.
    let wasUrgent = false;
    while (!signal.aborted) {
      const due: Job | undefined = wasUrgent ? this.schedule.take(clock.monoMs()) : undefined;
      const urgent: ReturnType<UrgentLane['shift']> = due ? undefined : this.urgent.shift();
      wasUrgent = urgent !== undefined;
      if (urgent) {
        await this.timed(urgent.perform(signal));
        continue;
      }
      const job = due ?? this.schedule.take(clock.monoMs());
      if (job) await this.perform(job, signal);
      else await this.untilDue();
    }
  }

  private async perform(job: Job, signal: AbortSignal): Promise<void> {
    const startedMs = this.deps.clock.monoMs();
    const results = await this.timed(this.driver.read(job.tags, signal));
    const end = endOf(results);
    const changed = this.schedule.done(job, end, startedMs, this.deps.clock.monoMs());
    this.hasAnswered ||= end === 'answered';
    if (end === 'answered') this.troubles.delete(job.device);
    else if (end !== 'not-asked') this.troubles.set(job.device, firstTrouble(results));
    if (job.probe && end !== 'answered') {
      if (end !== 'not-asked') this.emitBad(job.device, 'offline');
    } else this.emit(job.tags, results);
    if (end === 'path' && this.schedule.pathFailures === PATH_IS_DOWN_AFTER) this.emitPathDown(job.device);
    if (!changed) return;
    this.events.onHealth(job.device, changed);
    if (changed.state === 'offline') this.emitBad(job.device, 'offline');
  }

  /** The gateway has no path to anybody: the others are not asked for a while, and their values are old. */
  private emitPathDown(asked: string): void {
    for (const { name } of this.channel.devices) if (name !== asked) this.emitBad(name, 'gateway-path');
  }

  private timed<T>(work: Promise<T>): Promise<T> {
    this.underWay.set(work, this.deps.clock.monoMs());
    return work.finally(() => {
      this.underWay.delete(work);
      this.lastEndMs = this.deps.clock.monoMs();
    });
  }

  /** Waits until something is due, or until it is woken. */
  private untilDue(): Promise<void> {
    return new Promise((resolve) => {
      const waitMs = this.schedule.nextDueMs() - this.deps.clock.monoMs();
      const finish = () => {
        cancel?.();
        this.idle.delete(finish);
        resolve();
      };
      const cancel = Number.isFinite(waitMs) ? this.deps.clock.after(Math.max(0, waitMs), finish) : undefined;
      this.idle.add(finish);
    });
  }

  private wake(): void {
    for (const finish of this.idle) finish();
  }

  private emit(tags: readonly Tag[], results: readonly ReadResult[]): void {
    for (const record of this.records(tags, results)) this.events.onRecord(record);
  }

  private records(tags: readonly Tag[], results: readonly ReadResult[]): DeviceRecord[] {
    const make = (device: string, at: Instant, fields: Fields) => this.record(device, at, fields);
    return recordsOf(this.listOf(tags), results, make, this.counters);
  }

  /** What is needed of the tags each time. The lists of tags that are polled are the same ones each time. */
  private listOf(tags: readonly Tag[]): TagList {
    let list = this.lists.get(tags);
    if (!list) {
      list = tagList(tags.map(({ id }) => this.tags.get(id)!));
      this.lists.set(tags, list);
    }
    return list;
  }

  private record(device: string, at: Instant, fields: Fields): DeviceRecord {
    return { device, at, clockKnown: this.deps.clock.known(), simulated: this.deps.simulated, fields };
  }

  /** A lost channel concerns every tag; a device that does not answer says nothing of those that report by themselves. */
  private emitBad(device: string, why: 'offline' | 'not-connected' | 'gateway-path'): void {
    const tags = this.channel.devices.find(({ name }) => name === device)?.tags ?? [];
    const concerned = tags.filter(({ everyMs }) => why === 'not-connected' || everyMs !== undefined);
    const fields = Fields.of(concerned.map(({ tag }) => ({ name: tag.name, quality: 'bad', why })));
    if (fields.length > 0) this.events.onRecord(this.record(device, instantOf(this.deps.clock), fields));
  }

  private lose(error: NotConnected): void {
    const nowMs = this.deps.clock.monoMs();
    for (const { name, tags } of this.channel.devices) {
      const toldMs = this.awayToldMs.get(name);
      const everyMs = Math.min(...tags.map((tag) => tag.everyMs ?? BAD_AGAIN_MS));
      if (toldMs !== undefined && nowMs - toldMs < Math.max(everyMs, BAD_AGAIN_MS)) continue;
      this.awayToldMs.set(name, nowMs);
      this.emitBad(name, 'not-connected');
    }
    this.away ??= { sinceMs: nowMs, isTold: false };
    if (!this.away.isTold && nowMs - this.away.sinceMs >= AWAY_TOLD_AFTER_MS) {
      this.away = { ...this.away, isTold: true };
      this.events.onConnection?.(error.message);
    }
    this.urgent.refuseAll(new Fault(error.message, '', EXIT.unavailable));
    this.enter({ state: 'waiting', sinceMs: this.deps.clock.wallMs(), reason: error.message });
  }

  private enter(state: ChannelState): void {
    const before = this.channelState;
    const sameWait = state.state === 'waiting' && before.state === 'connecting' && this.lastReason === state.reason;
    this.channelState = isDown(state) && isDown(before) ? { ...state, sinceMs: before.sinceMs } : state;
    if (state.state === 'waiting') {
      if (!sameWait) this.deps.log.warn(state.reason);
      this.lastReason = state.reason;
    } else if (state.state === 'connected') {
      if (this.lastReason !== undefined) this.deps.log.info('connected again');
      this.lastReason = undefined;
    }
  }
}

/** Attempts to connect and the waiting between them are one time without a connection. */
function isDown({ state }: ChannelState): boolean {
  return state === 'connecting' || state === 'waiting';
}

/** A result that still holds, though nothing happened: doubts about what happened then are not told again. */
function stillSo(result: ReadResult, at: Instant): ReadResult {
  if (!result.ok) return { ...result, at };
  const { value, doubt } = result;
  return doubt === undefined || doubt === 'missed-edges' || doubt === 'counter-reset'
    ? { at, ok: true, value }
    : { at, ok: true, value, doubt };
}

/** A connection that is away for so long is an event. */
const AWAY_TOLD_AFTER_MS = 10_000;

/** One word from a gateway may be a passing overload; the second in a row means that nobody can be reached. */
const PATH_IS_DOWN_AFTER = 2;

/** The polled tags of a channel by device and period. */
function scanClasses(channel: ChannelConfig): ScanClass[] {
  const classes: ScanClass[] = [];
  for (const device of channel.devices) {
    const byPeriod = new Map<number, Tag[]>();
    for (const { everyMs, tag } of device.tags) {
      if (everyMs === undefined) continue;
      const tags = byPeriod.get(everyMs) ?? [];
      tags.push(tag);
      byPeriod.set(everyMs, tags);
    }
    for (const [everyMs, tags] of byPeriod) classes.push({ device: device.name, everyMs, tags });
  }
  return classes;
}
