/** The GPIO driver: inputs, counters and outputs over any port. */
import { type Clock, instantOf } from '../../src/core/clock.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Failure } from '../../src/core/quality.ts';
import type { Instant, TagId, Value } from '../../src/core/reading.ts';
import {
  byDevice,
  type Driver,
  type Eventful,
  type Learned,
  NotConnected,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
import type { DriverDeps } from '../driver-type.ts';
import { chipNamed } from './find.ts';
import { edgesOf, type HeldLine, Lines } from './lines.ts';
import { Meter } from './meter.ts';
import type { GpioAddress, GpioChannel, GpioInput } from './options.ts';
import { type GpioPort, LineFault, type LineTrouble } from './port.ts';
import { createReporter } from './reports.ts';
import { fromStored, toStored } from './stored.ts';
import { fetchEdges, stateResult } from './watch.ts';

type GpioTag = Tag<GpioAddress>;

/**
 * How often edges are fetched, ms. The kernel stamps and numbers each edge and keeps 1,024 a line, so that waiting
 * misdates nothing and loses nothing below 100,000 edges a second, and a storm wakes the gateway no more often than one
 * edge.
 */
const FETCH_EVERY_MS = 10;

/** How often a line that was refused is asked for again, for tags that report by themselves, ms. */
export const RETRY_EVERY_MS = 5000;

const FAILURE_OF: Record<Exclude<LineTrouble, 'gone'>, Failure> = {
  busy: 'device-busy',
  'no-such': 'illegal-address',
  denied: 'device-failure',
  unsupported: 'illegal-value',
};

/** What the parts of a driver share while it is connected. */
interface Connection {
  readonly port: GpioPort;
  readonly lines: Lines;
  readonly timers: Timers;
  isFetching: boolean;
  onLost: (lost: NotConnected) => void;
}

/** What a GPIO driver is handed. */
type GpioDeps = Pick<DriverDeps, 'clock' | 'log' | 'learned'>;

/** The GPIO driver over any port, with every ability of one; nothing is opened before `connect`. */
export class GpioDriver implements Driver<GpioAddress>, Writable<GpioAddress>, Eventful<GpioAddress>, Learned {
  readonly concurrency = 1;
  readonly plan = byDevice;
  private readonly channel: GpioChannel;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly openPort: () => Promise<GpioPort>;
  private readonly counters: ReturnType<typeof createCounters>;
  /** What was said of each tag last, so that a lasting trouble is told once. */
  private readonly said = new Map<TagId, string>();
  private connection: Connection | undefined;
  /** Counts connections, so that one that was closed while it was made is noticed. */
  private epoch = 0;

  /** @param openPort finds the way to the lines; rejects with `LineFault` */
  constructor(channel: GpioChannel, deps: GpioDeps, openPort: () => Promise<GpioPort>) {
    this.channel = channel;
    this.clock = deps.clock;
    this.log = deps.log;
    this.counters = createCounters(deps.learned);
    this.openPort = openPort;
  }

  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.connection) return;
    const mine = ++this.epoch;
    try {
      const port = await this.openPort();
      signal.throwIfAborted();
      if (mine !== this.epoch) throw new NotConnected('the GPIO channel was closed while it was being connected');
      const chips = port.chips();
      if (chips.length === 0)
        throw new LineFault('no-such', 'there is no GPIO chip on this machine. Is it plugged in?');
      const { chip } = this.channel;
      if (chip !== 'auto') chipNamed(chips, chip);
      const lines = new Lines(port, chips, chip);
      this.connection = { port, lines, timers: createTimers(this.clock), isFetching: false, onLost: () => {} };
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      throw new NotConnected(messageOf(error), { cause: error });
    }
  }

  async read(tags: readonly GpioTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    const to = this.connected();
    signal.throwIfAborted();
    // A close or an abort of the same turn comes first.
    await Promise.resolve();
    signal.throwIfAborted();
    if (this.connection !== to) throw new NotConnected('the GPIO channel was closed');
    const at = instantOf(this.clock);
    return tags.map((tag) => this.readOne(to, tag, at));
  }

  async write(tag: GpioTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    signal.throwIfAborted();
    const refused = (why: string): WriteResult => ({ ok: false, kind: 'refused', why });
    const to = this.connection;
    if (!to) return refused('the GPIO channel is not connected');
    if (tag.address.direction !== 'output')
      return refused(`${tag.address.text} is an input: write direction: output to drive it`);
    const active = levelOf(value);
    if (active === undefined) return refused(`${String(value)} is not a state of a line: write true or false`);
    try {
      return setLine(this.take(to, tag), active, value);
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      if (error.trouble === 'gone') this.lose(error);
      return { ok: false, kind: 'unknown', why: error.message };
    }
  }

  subscribe(
    tags: readonly GpioTag[],
    onResult: (tag: GpioTag, result: ReadResult) => void,
    onLost: (lost: NotConnected) => void,
  ): () => void {
    const to = this.connected();
    let isOver = false;
    const isOn = (): boolean => !isOver && this.connection === to;
    to.onLost = (lost) => {
      if (!isOver) onLost(lost);
      isOver = true;
    };
    to.timers.after(0, () => {
      for (const tag of tags) this.follow(to, tag, isOn, onResult);
    });
    return () => {
      isOver = true;
      for (const line of to.lines.all()) for (const { id } of tags) line.listeners.delete(id);
    };
  }

  learned(): unknown {
    return this.counters.learned();
  }

  async close(): Promise<void> {
    this.end();
  }

  /** Tells the state of a tag and then its changes; asks again for a line that was refused. */
  private follow(
    to: Connection,
    tag: GpioTag,
    isOn: () => boolean,
    onResult: (tag: GpioTag, result: ReadResult) => void,
  ): void {
    if (!isOn()) return;
    const tell = (of: GpioTag, result: ReadResult): void => {
      if (isOn()) onResult(of, result);
    };
    const at = instantOf(this.clock);
    try {
      const line = this.take(to, tag, 'both');
      const result = stateResult(line.open.value(), at, false);
      line.listeners.set(tag.id, { tag, reporter: createReporter(), sinceMs: to.port.nowMs(), onResult: tell });
      tell(tag, result);
    } catch (error) {
      if (error instanceof LineFault && error.trouble === 'gone') {
        this.lose(error);
        return;
      }
      const isNews = !this.said.has(tag.id);
      const result = this.failureOf(error, tag, at);
      if (isNews) tell(tag, result);
      to.timers.after(RETRY_EVERY_MS, () => this.follow(to, tag, isOn, onResult));
    }
  }

  private readOne(to: Connection, tag: GpioTag, at: Instant): ReadResult {
    try {
      const line = this.take(to, tag);
      const meter = line.meters.get(tag.id);
      if (!meter) return { at, ok: true, value: line.open.value() };
      fetchEdges(line, to.port, this.clock, this.log);
      const measured = meter.read(to.port.nowMs());
      if (!measured.ok) return { at, ...measured };
      return { at, ok: true, value: measured.value, ...(measured.isDoubtful ? { doubt: 'missed-edges' } : {}) };
    } catch (error) {
      return this.failureOf(error, tag, at);
    }
  }

  /** The line of a tag, held from now on; edges of it are fetched now and then. */
  private take(to: Connection, tag: GpioTag, edges = edgesOf(tag.address)): HeldLine {
    const line = to.lines.lineOf(tag, edges);
    this.said.delete(tag.id);
    const { address } = tag;
    if (address.direction === 'input' && address.measure !== 'state' && !line.meters.has(tag.id))
      line.meters.set(tag.id, this.counters.meterOf(tag.id, address, to.port.nowMs()));
    if (line.open.edges !== 'none' && !to.isFetching) {
      to.isFetching = true;
      to.timers.every(FETCH_EVERY_MS, () => this.fetchAll(to));
    }
    return line;
  }

  private fetchAll(to: Connection): void {
    try {
      for (const line of to.lines.all())
        if (line.open.edges !== 'none') fetchEdges(line, to.port, this.clock, this.log);
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      this.lose(error);
    }
  }

  /** What a refused line is to its tag; a lost chip ends the connection instead. */
  private failureOf(error: unknown, tag: GpioTag, at: Instant): ReadResult {
    if (!(error instanceof LineFault)) throw error;
    if (error.trouble === 'gone') throw this.lose(error);
    if (this.said.get(tag.id) !== error.message) this.log.warn(`${tag.id}: ${error.message}`);
    this.said.set(tag.id, error.message);
    return { at, ok: false, why: FAILURE_OF[error.trouble], detail: error.message };
  }

  private connected(): Connection {
    if (!this.connection) throw new NotConnected('the GPIO channel is closed. Connect it first');
    return this.connection;
  }

  private lose(fault: LineFault): NotConnected {
    const lost = new NotConnected(fault.message, { cause: fault });
    const tell = this.connection?.onLost;
    this.end();
    tell?.(lost);
    return lost;
  }

  private end(): void {
    const ending = this.connection;
    this.connection = undefined;
    this.epoch++;
    if (!ending) return;
    ending.timers.end();
    for (const fault of ending.lines.close()) this.log.warn(`an output may not be in its safe state: ${fault.message}`);
  }
}

/** Timers that end together. */
interface Timers {
  after(ms: number, callback: () => void): void;
  every(ms: number, callback: () => void): void;
  end(): void;
}

function createTimers(clock: Clock): Timers {
  const cancels = new Set<() => void>();
  const after = (ms: number, callback: () => void): void => {
    const cancel = clock.after(ms, () => {
      cancels.delete(cancel);
      callback();
    });
    cancels.add(cancel);
  };
  const every = (ms: number, callback: () => void): void =>
    after(ms, () => {
      every(ms, callback);
      callback();
    });
  return {
    after,
    every,
    end() {
      for (const cancel of cancels) cancel();
      cancels.clear();
    },
  };
}

/** The meters of a driver, which outlive its connections, and what they counted before the last restart. */
function createCounters(learned: unknown) {
  const restored = fromStored(learned);
  const meters = new Map<TagId, { readonly line: string; readonly meter: Meter }>();
  return {
    /** The meter of a tag whose line was taken just now. One that is continued may have missed edges. */
    meterOf(id: TagId, address: GpioInput, nowMs: number): Meter {
      const stored = restored.get(id);
      const counted = stored?.line === address.text ? stored : undefined;
      const known = meters.get(id);
      const meter = known?.meter ?? new Meter(address, counted);
      if (known || counted) meter.unwatched(nowMs);
      meters.set(id, { line: address.text, meter });
      return meter;
    },
    learned: () => {
      // What was not read since the start is kept as it was.
      const kept = [...restored.values()].filter(({ tag }) => !meters.has(tag));
      return toStored([...kept, ...[...meters].map(([tag, { line, meter }]) => ({ tag, line, ...meter.counted() }))]);
    },
  };
}

function setLine({ open, name }: HeldLine, active: boolean, value: Value): WriteResult {
  open.set(active);
  if (open.value() !== active)
    return { ok: false, kind: 'mismatch', why: `${name} does not follow: something else drives it. Check the wiring` };
  return { ok: true, readBack: value };
}

function levelOf(value: Value): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return value === 'on' ? true : value === 'off' ? false : undefined;
  return Number(value) === 1 ? true : Number(value) === 0 ? false : undefined;
}
