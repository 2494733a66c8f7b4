/** The GPIO driver: inputs, counters and outputs over any port. */
import { type Clock, instantOf } from '../../src/core/clock.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Failure } from '../../src/core/quality.ts';
import type { Instant, TagId, Value } from '../../src/core/reading.ts';
import {
  byDevice,
  type Driver,
  type DriverDeps,
  type Eventful,
  type Learned,
  NotConnected,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
import { chipNamed } from './find.ts';
import { createLines, edgesOf, type HeldLine, type Lines } from './lines.ts';
import { createMeter, type Meter } from './meter.ts';
import type { GpioAddress, GpioChannel, GpioInput } from './options.ts';
import { type GpioPort, LineFault, type LineTrouble } from './port.ts';
import { createReporter } from './reports.ts';
import { fromStored, toStored } from './stored.ts';
import { fetchEdges, stateResult } from './watch.ts';

type GpioTag = Tag<GpioAddress>;

/**
 * How often edges are fetched, ms. The kernel stamps and numbers each edge and keeps 1,024 a line, so that waiting
 * misdates nothing and loses nothing below 100,000 edges a second, and a storm wakes the gateway no more often than one
 * edge. (Edges that the kernel itself merges are another matter: `interrupts.ts`.)
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

/** Every ability of a GPIO driver. */
export type GpioDriver = Driver<GpioAddress> & Writable<GpioAddress> & Eventful<GpioAddress> & Learned;

/** What the parts of a driver share while it is connected. */
interface Connection {
  readonly port: GpioPort;
  readonly lines: Lines;
  readonly timers: Timers;
  isFetching: boolean;
  onLost: (lost: NotConnected) => void;
}

/**
 * The GPIO driver over any port.
 *
 * @param openPort finds the way to the lines; rejects with `LineFault`
 */
export function createGpioDriver(
  channel: GpioChannel,
  { clock, log, learned }: Pick<DriverDeps, 'clock' | 'log' | 'learned'>,
  openPort: () => Promise<GpioPort>,
): GpioDriver {
  const counters = createCounters(learned);
  const said = new Map<TagId, string>();
  let connection: Connection | undefined;
  let epoch = 0;

  const end = (): void => {
    const ending = connection;
    connection = undefined;
    epoch++;
    if (!ending) return;
    ending.timers.end();
    for (const fault of ending.lines.close()) log.warn(`an output may not be in its safe state: ${fault.message}`);
  };
  const lose = (fault: LineFault): NotConnected => {
    const lost = new NotConnected(fault.message, { cause: fault });
    const tell = connection?.onLost;
    end();
    tell?.(lost);
    return lost;
  };
  const connected = (): Connection => {
    if (!connection) throw new NotConnected('the GPIO channel is closed. Connect it first');
    return connection;
  };
  /** What a refused line is to its tag; a lost chip ends the connection instead. */
  const failureOf = (error: unknown, tag: GpioTag, at: Instant): ReadResult => {
    if (!(error instanceof LineFault)) throw error;
    if (error.trouble === 'gone') throw lose(error);
    if (said.get(tag.id) !== error.message) log.warn(`${tag.id}: ${error.message}`);
    said.set(tag.id, error.message);
    return { at, ok: false, why: FAILURE_OF[error.trouble], detail: error.message };
  };
  const fetchAll = (to: Connection): void => {
    try {
      for (const line of to.lines.all()) if (line.open.edges !== 'none') fetchEdges(line, to.port, clock, log);
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      lose(error);
    }
  };
  const take = (to: Connection, tag: GpioTag, edges = edgesOf(tag.address)): HeldLine => {
    const line = to.lines.lineOf(tag, edges);
    said.delete(tag.id);
    const { address } = tag;
    if (address.direction === 'input' && address.measure !== 'state' && !line.meters.has(tag.id))
      line.meters.set(tag.id, counters.meterOf(tag.id, address, to.port.nowMs()));
    if (line.open.edges !== 'none' && !to.isFetching) {
      to.isFetching = true;
      to.timers.every(FETCH_EVERY_MS, () => fetchAll(to));
    }
    return line;
  };
  const readOne = (to: Connection, tag: GpioTag, at: Instant): ReadResult => {
    try {
      const line = take(to, tag);
      const meter = line.meters.get(tag.id);
      if (!meter) return { at, ok: true, value: line.open.value() };
      fetchEdges(line, to.port, clock, log);
      const measured = meter.read(to.port.nowMs());
      if (!measured.ok) return { at, ...measured };
      return { at, ok: true, value: measured.value, ...(measured.isDoubtful ? { doubt: 'missed-edges' } : {}) };
    } catch (error) {
      return failureOf(error, tag, at);
    }
  };

  return {
    concurrency: 1,

    async connect(signal) {
      signal.throwIfAborted();
      if (connection) return;
      const mine = ++epoch;
      try {
        const port = await openPort();
        signal.throwIfAborted();
        if (mine !== epoch) throw new NotConnected('the GPIO channel was closed while it was being connected');
        const chips = port.chips();
        if (chips.length === 0)
          throw new LineFault('no-such', 'there is no GPIO chip on this machine. Is it plugged in?');
        if (channel.chip !== 'auto') chipNamed(chips, channel.chip);
        const lines = createLines(port, chips, channel.chip);
        connection = { port, lines, timers: createTimers(clock), isFetching: false, onLost: () => {} };
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        throw new NotConnected(messageOf(error), { cause: error });
      }
    },

    plan: byDevice,

    async read(tags, signal) {
      const to = connected();
      signal.throwIfAborted();
      // A close or an abort of the same turn comes first.
      await Promise.resolve();
      signal.throwIfAborted();
      if (connection !== to) throw new NotConnected('the GPIO channel was closed');
      const at = instantOf(clock);
      return tags.map((tag) => readOne(to, tag, at));
    },

    async write(tag, value, signal) {
      signal.throwIfAborted();
      if (!connection) return { ok: false, kind: 'refused', why: 'the GPIO channel is not connected' };
      if (tag.address.direction !== 'output')
        return {
          ok: false,
          kind: 'refused',
          why: `${tag.address.text} is an input: write direction: output to drive it`,
        };
      const active = levelOf(value);
      if (active === undefined)
        return { ok: false, kind: 'refused', why: `${String(value)} is no state of a line: write true or false` };
      const to = connection;
      try {
        return setLine(take(to, tag), active, value);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        if (error.trouble === 'gone') lose(error);
        return { ok: false, kind: 'failed', why: error.message };
      }
    },

    subscribe(tags, onResult, onLost) {
      const to = connected();
      let isOver = false;
      const tell = (tag: GpioTag, result: ReadResult): void => {
        if (!isOver && connection === to) onResult(tag, result);
      };
      const begin = (tag: GpioTag): void => {
        if (isOver || connection !== to) return;
        const at = instantOf(clock);
        try {
          const line = take(to, tag, 'both');
          const result = stateResult(line.open.value(), at, false);
          line.listeners.set(tag.id, { tag, reporter: createReporter(), sinceMs: to.port.nowMs(), onResult: tell });
          tell(tag, result);
        } catch (error) {
          if (error instanceof LineFault && error.trouble === 'gone') {
            lose(error);
            return;
          }
          const isNews = !said.has(tag.id);
          const result = failureOf(error, tag, at);
          if (isNews) tell(tag, result);
          to.timers.after(RETRY_EVERY_MS, () => begin(tag));
        }
      };
      to.onLost = (lost) => {
        if (!isOver) onLost(lost);
        isOver = true;
      };
      to.timers.after(0, () => {
        for (const tag of tags) begin(tag);
      });
      return () => {
        isOver = true;
        for (const line of to.lines.all()) for (const { id } of tags) line.listeners.delete(id);
      };
    },

    learned: () => counters.learned(),

    async close() {
      end();
    },
  };
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
      const meter = known?.meter ?? createMeter(address, counted);
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
