/** Puts a simulated driver in the place of any configured channel. */
import type { Clock } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import {
  type Driver,
  isObservable,
  isWritable,
  NotConnected,
  type Observable,
  type Tag,
  type Writable,
} from '../driver.ts';
import type { DriverDeps, DriverType } from '../driver-type.ts';
import type { ModbusAddress } from '../modbus/map/address.ts';
import { encodeValue } from '../modbus/map/register-values.ts';
import type { Framing } from './framing.ts';
import { MockDriver } from './mock.ts';
import { hashOf, mix } from './noise.ts';
import type { MockAddress } from './options.ts';
import { plausibleSignal, type SimulatedTag } from './plausible.ts';
import { type ModbusServer, serveTwin } from './server.ts';
import { type Signal, valueAt } from './signal.ts';
import { createTwin, type TwinTag } from './twin.ts';
import { MOCK_TYPES, type MockType } from './types.ts';

/** The channel that is simulated, as the configuration has it. */
interface SimulatedChannel {
  readonly name: string;
  readonly driver: DriverType;
  /** The channel in its driver's own form; only a Modbus channel's `framing` is looked at. */
  readonly options: unknown;
}

/**
 * Makes the real Modbus TCP driver for an endpoint. Do not give it what was learned about the real device, nor store
 * what it learns: it talks to a twin.
 */
type CreateModbusTcp = (host: string, port: number, framing: Framing) => Driver;

/** Seed of all simulated values; fixed, so that two runs of one file look alike. */
const SEED = 1;

/**
 * The driver that `run --simulate` puts in the place of a configured channel. It reports by being polled, also where
 * the real one reports by itself.
 *
 * - A simulated channel stays what it is.
 * - For a `modbus-…` channel a twin with moving values for each tag is served on the loopback, and the real Modbus TCP
 *   driver reads it (RTU framing in place of a serial line), so that planning, framing and decoding are the real ones.
 * - Any other channel becomes a mock driver with a fitting signal for each tag.
 *
 * Values stay inside a tag's `min…max` and differ from tag to tag.
 *
 * @param tags every tag of the channel, with addresses as the configured driver made them
 * @param createModbusTcp must touch nothing before `connect`; it is called once to plan, and once a served twin
 */
export function simulatedDriver(
  channel: SimulatedChannel,
  tags: readonly SimulatedTag[],
  deps: DriverDeps,
  createModbusTcp: CreateModbusTcp,
): Driver {
  if (channel.driver.simulated) return channel.driver.create(channel.options, deps);
  if (channel.driver.type.startsWith('modbus-')) return onTwin(channel, tags, deps.clock, createModbusTcp);
  return onSignals(tags, deps);
}

/** What registers that scale others hold in a twin: one digit after the point. */
const SCALE_EXPONENT = -1;

/** The twin's tags of a Modbus channel, moving plausibly. Time 0 of the signals is now. */
export function twinTags(tags: readonly SimulatedTag[], clock: Clock): TwinTag[] {
  const originMs = clock.monoMs();
  const placeOf = ({ unit, table }: ModbusAddress, start: number): string => `${unit} ${table}:${start}`;
  const addresses = tags.map((tag) => tag.address as ModbusAddress);
  const places = new Set(addresses.map((address) => placeOf(address, address.start)));
  const scaling = new Set(
    addresses.flatMap((address) => (address.scaleAt === undefined ? [] : [placeOf(address, address.scaleAt)])),
  );
  return tags.map((tag, index) => {
    const address = addresses[index]!;
    if (scaling.has(placeOf(address, address.start))) return { address, valueAt: () => SCALE_EXPONENT };
    const isScaled = address.scaleAt !== undefined && places.has(placeOf(address, address.scaleAt));
    const scale = tag.scale * (isScaled ? 10 ** SCALE_EXPONENT : 1);
    const signal = plausibleSignal({ ...tag, scale }, { type: address.type, textBytes: address.count * 2 });
    const seed = mix(SEED, hashOf(tag.id));
    return { address, valueAt: (monoMs) => rawValue(signal, seed, monoMs - originMs, address) };
  });
}

function rawValue(signal: Signal, seed: number, elapsedMs: number, address: ModbusAddress): Value {
  const value = valueAt(signal, seed, elapsedMs);
  if (typeof value !== 'number' || address.type.startsWith('float')) return value;
  const whole = Math.round(value);
  // A register that happens to show "no value" is not what a working device shows.
  return isSentinel(whole, address) ? whole + (whole > 0 ? -1 : 1) : whole;
}

function isSentinel(value: number, address: ModbusAddress): boolean {
  if (address.invalid.length === 0) return false;
  const encoded = encodeValue(value, { ...address, order: 'ABCD', invalid: [], scaleAt: undefined });
  if (!encoded.ok) return false;
  const bits = encoded.value.reduce((sum, register) => (sum << 16n) | BigInt(register), 0n);
  return address.invalid.includes(bits);
}

/** The abilities of a driver that are there or not, handed through when they are. */
type Able = Driver & Partial<Writable & Observable>;

function onTwin(
  channel: SimulatedChannel,
  tags: readonly SimulatedTag[],
  clock: Clock,
  createModbusTcp: CreateModbusTcp,
): Driver {
  const framing = framingOf(channel);
  const twin = createTwin(twinTags(tags, clock), { fillGaps: true });
  // Plans, and tells the abilities, while there is no port to connect to yet.
  const planner = createModbusTcp('127.0.0.1', 1, framing);
  let served: { server: ModbusServer; inner: Driver } | undefined;
  let epoch = 0;

  const current = (): Driver => served?.inner ?? planner;
  const connected = (): Driver => {
    if (!served) throw new NotConnected(`${channel.name}: the simulated device is not served. Connect first`);
    return served.inner;
  };
  const serve = async (): Promise<{ server: ModbusServer; inner: Driver }> => {
    const mine = epoch;
    const server = await serveTwin({ twin, framing, port: 0, clock, seed: SEED, faults: [] });
    if (mine !== epoch) {
      await server.close();
      throw new NotConnected(`${channel.name}: closed while it was being connected`);
    }
    return { server, inner: createModbusTcp('127.0.0.1', server.port, framing) };
  };

  const driver: Able = {
    get concurrency() {
      return current().concurrency;
    },
    async connect(signal) {
      signal.throwIfAborted();
      served ??= await serve();
      await served.inner.connect(signal);
    },
    plan: (asked) => current().plan(asked),
    read: async (asked, signal) => connected().read(asked, signal),
    async close() {
      epoch++;
      const ending = served;
      served = undefined;
      await Promise.all([planner.close(), ending?.inner.close(), ending?.server.close()]);
    },
  };
  if (isWritable(planner)) {
    driver.write = async (tag, value, signal) => {
      const inner = connected();
      if (isWritable(inner)) return inner.write(tag, value, signal);
      return { ok: false, kind: 'refused', why: 'the driver cannot write' };
    };
  }
  if (isObservable(planner)) {
    driver.statistics = () => {
      const inner = current();
      return isObservable(inner) ? inner.statistics() : planner.statistics();
    };
  }
  return driver;
}

function framingOf({ driver, options }: SimulatedChannel): Framing {
  if (driver.type === 'modbus-rtu') return 'rtu';
  return (options as { framing?: unknown } | undefined)?.framing === 'rtu' ? 'rtu' : 'tcp';
}

function onSignals(tags: readonly SimulatedTag[], deps: DriverDeps): Driver {
  const inner = new MockDriver({ seed: SEED, latencyMs: 0, timeoutMs: 1000, faults: [] }, deps);
  const simulated = new Map(tags.map((tag) => [tag.id, signalTag(tag)]));
  const of = (tag: Tag): Tag<MockAddress> =>
    simulated.get(tag.id) ??
    signalTag({ ...tag, scale: 1, offset: 0, min: undefined, max: undefined, unit: undefined, counter: false });
  return {
    concurrency: inner.concurrency,
    connect: (signal) => inner.connect(signal),
    plan: (asked) => {
      const byId = new Map(asked.map((tag) => [tag.id, tag]));
      return inner.plan(asked.map(of)).map((group) => group.map(({ id }) => byId.get(id)!));
    },
    read: (asked, signal) => inner.read(asked.map(of), signal),
    close: () => inner.close(),
    write: (tag: Tag, value: Value, signal: AbortSignal) => inner.write(of(tag), value, signal),
    statistics: () => inner.statistics(),
  } as Driver & Writable & Observable;
}

function signalTag(tag: SimulatedTag): Tag<MockAddress> {
  const given = (tag.address as { type?: unknown } | null)?.type;
  const type = MOCK_TYPES.find((candidate): candidate is MockType => candidate === given);
  const signal = plausibleSignal(tag, { type: type ?? 'float64', textBytes: 32 });
  const address: MockAddress = { text: signal.kind, signal, type, faults: [], deviceFaults: [] };
  return { id: tag.id, device: tag.device, name: tag.name, address };
}
