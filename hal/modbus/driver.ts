import { unlessAborted } from '../../src/core/abort.ts';
import { type Clock, instantAt } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import type {
  Driver,
  DriverDeps,
  Learned,
  LineStatistics,
  Observable,
  ReadResult,
  Tag,
  Writable,
  WriteResult,
} from '../driver.ts';
import type { ModbusAddress } from './address.ts';
import { lineCostOf, type ModbusChannel } from './channel.ts';
import { type Asking, askDevice, type DeviceState, newDevice, timeoutMsOf } from './device.ts';
import { fromStored, type HoleMemory, holesAt, isWrittenOff, onException, onSuccess, toStored } from './holes.ts';
import type { Line } from './line.ts';
import { type LineCost, planReads, type ReadBlock } from './plan.ts';
import { failureOf, isHole, resultIn } from './result.ts';
import { showCounters } from './statistics.ts';
import { writeValue } from './write.ts';

type ModbusTag = Tag<ModbusAddress>;

/** A Modbus channel at work. */
export class ModbusDriver implements Driver<ModbusAddress>, Writable<ModbusAddress>, Observable, Learned {
  readonly concurrency: number;
  private readonly channel: ModbusChannel;
  private readonly line: Line;
  private readonly clock: Clock;
  private readonly asking: Asking;
  private readonly cost: LineCost;
  private readonly devices = new Map<string, DeviceState>();
  private holes: HoleMemory;
  /** How a group was cut the last time, and what was known then: planning again each time would be waste. */
  private readonly planned = new WeakMap<
    object,
    { readonly holes: HoleMemory; readonly untilMs: number; readonly blocks: ReadBlock[] }
  >();
  private connects = 0;
  private countedBusyMs = 0;
  private countedAtMs: number;

  constructor(channel: ModbusChannel, line: Line, deps: DriverDeps) {
    this.channel = channel;
    this.line = line;
    this.clock = deps.clock;
    this.concurrency = line.concurrency;
    this.asking = { line, clock: deps.clock, retries: channel.retries };
    this.cost = lineCostOf(channel);
    this.holes = fromStored(holesOf(deps.learned), deps.clock.monoMs());
    this.countedAtMs = deps.clock.monoMs();
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.line.open(signal);
    this.connects++;
  }

  plan(tags: readonly ModbusTag[]): readonly (readonly ModbusTag[])[] {
    return this.blocksOf(tags).map(({ members }) => members.map((member) => tags[member]!));
  }

  async read(tags: readonly ModbusTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    signal.throwIfAborted();
    const results = new Array<ReadResult>(tags.length);
    for (const block of this.plannedBlocksOf(tags)) {
      await unlessAborted(this.readBlock(block, tags, results, signal), signal);
    }
    return results;
  }

  async write(tag: ModbusTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    signal.throwIfAborted();
    const device = this.deviceOf(tag);
    return unlessAborted(writeValue({ ...this.asking, device, signal }, tag.address, value), signal);
  }

  async close(): Promise<void> {
    await this.line.close();
  }

  statistics(): LineStatistics {
    const nowMs = this.clock.monoMs();
    const { busyMs, unsolicitedBytes } = this.line.counters;
    const elapsedMs = nowMs - this.countedAtMs;
    const utilisation = elapsedMs > 0 ? Math.min(1, (busyMs - this.countedBusyMs) / elapsedMs) : 0;
    this.countedAtMs = nowMs;
    this.countedBusyMs = busyMs;
    const devices: LineStatistics['devices'] = {};
    for (const [name, device] of this.devices) devices[name] = showCounters(device.counters, timeoutMsOf(device));
    return { utilisation, reconnects: Math.max(0, this.connects - 1), unsolicitedBytes, devices };
  }

  learned(): unknown {
    return { holes: toStored(this.holes) };
  }

  private blocksOf(tags: readonly ModbusTag[]): ReadBlock[] {
    const addresses = tags.map(({ address }) => address);
    return planReads(addresses, holesAt(this.holes, this.clock.monoMs()), this.cost);
  }

  private plannedBlocksOf(tags: readonly ModbusTag[]): ReadBlock[] {
    const nowMs = this.clock.monoMs();
    const known = this.planned.get(tags);
    if (known && known.holes === this.holes && nowMs < known.untilMs) return known.blocks;
    const blocks = this.blocksOf(tags);
    this.planned.set(tags, { holes: this.holes, untilMs: nowMs + PLAN_AGAIN_MS, blocks });
    return blocks;
  }

  private async readBlock(
    block: ReadBlock,
    tags: readonly ModbusTag[],
    results: ReadResult[],
    signal: AbortSignal,
  ): Promise<void> {
    const startedMs = this.clock.monoMs();
    if (isWrittenOff(this.holes, block, startedMs)) {
      const at = instantAt(this.clock, startedMs);
      for (const member of block.members)
        results[member] = { at, ok: false, why: 'illegal-address', detail: 'the device has no such register' };
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
    if (outcome.kind === 'exception' && isHole(outcome.code)) this.holes = onException(this.holes, block, nowMs);
    const at = instantAt(this.clock, (startedMs + nowMs) / 2);
    for (const member of block.members) results[member] = { at, ok: false, ...failureOf(outcome) };
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

/** Holes are probed again after a time; a plan is not used longer than this without asking. */
const PLAN_AGAIN_MS = 10_000;

function holesOf(learned: unknown): unknown {
  return typeof learned === 'object' && learned !== null && 'holes' in learned ? learned.holes : undefined;
}
