/** The Modbus driver: plans requests, asks, and learns from the answers. */
import { unlessAborted } from '../../src/core/abort.ts';
import { type Clock, instantAt } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import type {
  Driver,
  DriverDeps,
  Identification,
  Identifying,
  Learned,
  LineStatistics,
  Observable,
  RawAnswer,
  RawBlock,
  RawReading,
  ReadResult,
  Tag,
  Writable,
  WriteResult,
} from '../driver.ts';
import { Utilisation } from '../statistics.ts';
import { lineCostOf, type ModbusChannel } from './channel.ts';
import {
  type Asking,
  askDevice,
  type DeviceState,
  identifyUnit,
  newDevice,
  readRawBlock,
  timeoutMsOf,
} from './device.ts';
import {
  fromStored,
  type HoleMemory,
  holesAt,
  isWrittenOff,
  nextProbeMs,
  onException,
  onSuccess,
  toStored,
} from './holes.ts';
import type { Line } from './line/line.ts';
import { showCounters } from './line/statistics.ts';
import type { ModbusAddress } from './map/address.ts';
import { type LineCost, planReads, type ReadBlock } from './map/plan.ts';
import { failureOf, isHole, resultIn } from './result.ts';
import { writeValue } from './write.ts';

type ModbusTag = Tag<ModbusAddress>;

/** A Modbus channel at work. */
export class ModbusDriver
  implements Driver<ModbusAddress>, Writable<ModbusAddress>, Observable, Learned, Identifying, RawReading
{
  readonly concurrency: number;
  private readonly channel: ModbusChannel;
  private readonly line: Line;
  private readonly clock: Clock;
  private readonly asking: Asking;
  private readonly cost: LineCost;
  private readonly devices = new Map<string, DeviceState>();
  /** Units that were read although no device names them; unit ids bound their number. */
  private readonly strangers = new Map<number, DeviceState>();
  private holes: HoleMemory;
  /** How tags were cut the last time, and what was known then: planning again each time would be waste. */
  private readonly planned = new WeakMap<readonly ModbusTag[], Planned>();
  private connects = 0;
  private readonly utilisation: Utilisation;

  constructor(channel: ModbusChannel, line: Line, deps: DriverDeps) {
    this.channel = channel;
    this.line = line;
    this.clock = deps.clock;
    this.concurrency = line.concurrency;
    this.asking = { line, clock: deps.clock, retries: channel.retries, lastAsked: { silent: undefined } };
    this.cost = lineCostOf(channel);
    this.holes = fromStored(holesOf(deps.learned), deps.clock.monoMs());
    this.utilisation = new Utilisation(deps.clock.monoMs());
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.line.open(signal);
    this.connects++;
  }

  plan(tags: readonly ModbusTag[]): readonly (readonly ModbusTag[])[] {
    const planned = this.plannedFor(tags);
    planned.groups ??= planned.blocks.map((block) => {
      const group = block.members.map((member) => tags[member]!);
      const members = group.map((_, index) => index);
      this.planned.set(group, { ...planned, blocks: [{ ...block, members }], groups: undefined });
      return group;
    });
    return planned.groups;
  }

  async read(tags: readonly ModbusTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    signal.throwIfAborted();
    const results = new Array<ReadResult>(tags.length);
    const reading: BlockReading = { tags, results, signal, partsLeft: MAX_PARTS };
    for (const block of this.plannedFor(tags).blocks) await unlessAborted(this.readBlock(block, reading), signal);
    return results;
  }

  async write(tag: ModbusTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    signal.throwIfAborted();
    const device = this.deviceOf(tag);
    return unlessAborted(writeValue({ ...this.asking, device, signal }, tag.address, value), signal);
  }

  async identify(unit: number, signal: AbortSignal): Promise<Identification> {
    signal.throwIfAborted();
    const device = newDevice(this.channel.timeoutMs);
    return unlessAborted(identifyUnit(this.asking, device, unit, signal), signal);
  }

  async readRaw(block: RawBlock, signal: AbortSignal): Promise<RawAnswer> {
    signal.throwIfAborted();
    let device = this.strangers.get(block.unit);
    if (!device) {
      device = newDevice(this.channel.timeoutMs);
      this.strangers.set(block.unit, device);
    }
    return unlessAborted(readRawBlock(this.asking, device, block, signal), signal);
  }

  async close(): Promise<void> {
    await this.line.close();
  }

  statistics(): LineStatistics {
    const { busyMs, unsolicitedBytes, echoes } = this.line.counters;
    const devices: LineStatistics['devices'] = {};
    for (const [name, device] of this.devices) devices[name] = showCounters(device.counters, timeoutMsOf(device));
    return {
      utilisation: this.utilisation.at(this.clock.monoMs(), busyMs),
      busyMs,
      reconnects: Math.max(0, this.connects - 1),
      unsolicitedBytes,
      echoes,
      devices,
    };
  }

  learned(): unknown {
    return { holes: toStored(this.holes) };
  }

  private blocksOf(tags: readonly ModbusTag[]): ReadBlock[] {
    const addresses = tags.map(({ address }) => address);
    return planReads(addresses, holesAt(this.holes, this.clock.monoMs()), this.cost);
  }

  private plannedFor(tags: readonly ModbusTag[]): Planned {
    const nowMs = this.clock.monoMs();
    const known = this.planned.get(tags);
    if (known && known.holes === this.holes && nowMs < known.untilMs) return known;
    const untilMs = nextProbeMs(this.holes, nowMs) ?? Number.POSITIVE_INFINITY;
    const planned = { holes: this.holes, untilMs, blocks: this.blocksOf(tags), groups: undefined };
    this.planned.set(tags, planned);
    return planned;
  }

  private async readBlock(block: ReadBlock, reading: BlockReading): Promise<void> {
    const { tags, results, signal } = reading;
    const startedMs = this.clock.monoMs();
    if (isWrittenOff(this.holes, block, startedMs)) {
      const detail = 'the device has no such register; it is asked again now and then';
      const result = {
        at: instantAt(this.clock, startedMs),
        ok: false,
        why: 'illegal-address',
        detail,
        asked: false,
      } as const;
      for (const member of block.members) results[member] = result;
      return;
    }
    const device = this.deviceOf(tags[block.members[0]!]!);
    const { unit, table, start, count } = block;
    const outcome = await askDevice(this.asking, device, { kind: 'read', unit, table, start, count }, signal);
    if (outcome.kind === 'lost') throw outcome.cause;
    const nowMs = this.clock.monoMs();
    if (outcome.kind === 'answer') {
      this.holes = onSuccess(this.holes, block, nowMs);
      const at = instantAt(this.clock, (outcome.sentMs + outcome.receivedMs) / 2);
      for (const member of block.members) results[member] = resultIn(outcome.data, block, tags[member]!.address, at);
      return;
    }
    if (outcome.kind === 'exception' && isHole(outcome.code)) {
      this.holes = onException(this.holes, block, nowMs);
      if (await this.readParts(block, reading)) return;
    }
    const at = instantAt(this.clock, (startedMs + nowMs) / 2);
    for (const member of block.members) results[member] = { at, ok: false, ...failureOf(outcome) };
  }

  /**
   * Reads a refused block again in the parts that the planner now makes of it, so that one missing register costs its
   * neighbours nothing. False when there are no parts, or too many were asked for already: the next scan goes on.
   */
  private async readParts(block: ReadBlock, reading: BlockReading): Promise<boolean> {
    const parts = this.blocksOf(block.members.map((member) => reading.tags[member]!));
    if (parts.length < 2 || parts.length > reading.partsLeft) return false;
    reading.partsLeft -= parts.length;
    for (const part of parts) {
      reading.signal.throwIfAborted();
      await this.readBlock({ ...part, members: part.members.map((member) => block.members[member]!) }, reading);
    }
    return true;
  }

  private deviceOf(tag: ModbusTag): DeviceState {
    let device = this.devices.get(tag.device);
    if (!device) {
      device = newDevice(this.channel.timeoutMs);
      this.devices.set(tag.device, device);
    }
    device.configuredMs = tag.address.timeoutMs ?? this.channel.timeoutMs;
    return device;
  }
}

/** Tags as they were cut into requests, good while `holes` is what is known and until `untilMs`. */
interface Planned {
  readonly holes: HoleMemory;
  readonly untilMs: number;
  readonly blocks: readonly ReadBlock[];
  groups: readonly (readonly ModbusTag[])[] | undefined;
}

/** One call of `read` under way. */
interface BlockReading {
  readonly tags: readonly ModbusTag[];
  readonly results: ReadResult[];
  readonly signal: AbortSignal;
  partsLeft: number;
}

/** Requests that one read may spend on the parts of refused blocks: enough to corner two registers among 125. */
const MAX_PARTS = 32;

function holesOf(learned: unknown): unknown {
  return typeof learned === 'object' && learned !== null && 'holes' in learned ? learned.holes : undefined;
}
