/** The Modbus driver: plans requests, asks, and learns from the answers. */
import { type Clock, unlessAborted } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import type { Driver, Observable, ReadResult, Tag, Writable, WriteResult } from '../driver.ts';
import type { DriverDeps } from '../driver-type.ts';
import type { LineStatistics } from '../statistics.ts';
import { Utilisation } from '../statistics.ts';
import type { Identification, Identifying, RawAnswer, RawBlock, RawReading } from './abilities.ts';
import { lineCostOf, type ModbusChannel } from './channel.ts';
import { type Asking, type DeviceState, identifyUnit, newDevice, readRawBlock } from './device.ts';
import { type Line, showCounters } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import { Reader } from './reader.ts';
import { writeValue } from './write.ts';

type ModbusTag = Tag<ModbusAddress>;

/** A Modbus channel at work. */
export class ModbusDriver
  implements Driver<ModbusAddress>, Writable<ModbusAddress>, Observable, Identifying, RawReading
{
  readonly concurrency: number;
  private readonly channel: ModbusChannel;
  private readonly line: Line;
  private readonly clock: Clock;
  private readonly asking: Asking;
  private readonly reader: Reader;
  private readonly devices = new Map<string, DeviceState>();
  private readonly units = new Map<string, number>();
  /** Units that were read although no device names them; unit ids bound their number. */
  private readonly strangers = new Map<number, DeviceState>();
  private readonly utilisation: Utilisation;

  constructor(channel: ModbusChannel, line: Line, deps: DriverDeps) {
    this.channel = channel;
    this.line = line;
    this.clock = deps.clock;
    this.concurrency = line.concurrency;
    const neighbours = this.devices;
    this.asking = { line, clock: deps.clock, retries: channel.retries, fallen: new Set(), neighbours };
    const deviceOf = (tag: ModbusTag) => this.deviceOf(tag);
    this.reader = new Reader({ clock: deps.clock, asking: this.asking, cost: lineCostOf(channel), deviceOf });
    this.utilisation = new Utilisation(deps.clock.monoMs());
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.line.open(signal);
  }

  plan(tags: readonly ModbusTag[]): readonly (readonly ModbusTag[])[] {
    return this.reader.plan(tags);
  }

  async read(tags: readonly ModbusTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    signal.throwIfAborted();
    return this.reader.read(tags, signal);
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
    const { busyMs, unsolicitedBytes, echoes, connects } = this.line.counters;
    const devices: LineStatistics['devices'] = {};
    for (const [name, device] of this.devices) {
      const lesson = this.reader.refusals.lessonOf(this.units.get(name)!);
      devices[name] = {
        ...showCounters(device.counters, device.deadlineMs),
        refusedGap: lesson?.gap || undefined,
        mostRegisters: lesson?.registers,
      };
    }
    return {
      utilisation: this.utilisation.at(this.clock.monoMs(), busyMs),
      busyMs,
      reconnects: Math.max(0, connects - 1),
      unsolicitedBytes,
      echoes,
      devices,
    };
  }

  private deviceOf(tag: ModbusTag): DeviceState {
    let device = this.devices.get(tag.device);
    if (!device) {
      device = newDevice(tag.address.timeoutMs ?? this.channel.timeoutMs);
      this.devices.set(tag.device, device);
      this.units.set(tag.device, tag.address.unit);
    }
    device.configuredMs = tag.address.timeoutMs ?? this.channel.timeoutMs;
    return device;
  }
}
