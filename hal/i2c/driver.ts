/** The I²C driver: one device, one measurement at a time. */
import { type Clock, instantAt } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import {
  byDevice,
  type Driver,
  type Observable,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
import type { DriverDeps } from '../driver-type.ts';
import type { LineStatistics } from '../statistics.ts';
import { countersOn } from '../statistics.ts';
import type { Bus } from './bus.ts';
import { I2cDevice, type OpenChip } from './chip.ts';
import { chipNamed } from './chips/all.ts';
import { I2cFault } from './fault.ts';
import type { I2cAddress } from './options.ts';

type I2cTag = Tag<I2cAddress>;

/** A device that was spoken to. `open` is forgotten after every failure: the chip may have lost its settings. */
interface Known {
  readonly device: I2cDevice;
  open: OpenChip | undefined;
  signal: AbortSignal;
}

/** An I²C bus at work: one device, one measurement, one instant at a time. */
export class I2cDriver implements Driver<I2cAddress>, Writable<I2cAddress>, Observable {
  readonly concurrency = 1;
  private readonly bus: Bus;
  private readonly clock: Clock;
  private readonly counters: ReturnType<typeof countersOn>;
  private readonly known = new Map<string, Known>();

  constructor(bus: Bus, deps: DriverDeps) {
    this.bus = bus;
    this.clock = deps.clock;
    this.counters = countersOn(deps.clock);
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.bus.connect(signal);
    this.known.clear();
    this.counters.connected();
  }

  plan(tags: readonly I2cTag[]): readonly (readonly I2cTag[])[] {
    return byDevice(tags);
  }

  async read(tags: readonly I2cTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    signal.throwIfAborted();
    const results = new Map<I2cTag, ReadResult>();
    for (const group of this.plan(tags)) {
      const answers = await this.readDevice(group, signal);
      for (const [index, tag] of group.entries()) results.set(tag, answers[index]!);
    }
    return tags.map((tag) => results.get(tag)!);
  }

  async write(tag: I2cTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    signal.throwIfAborted();
    const known = this.knownOf(tag, signal);
    try {
      const open = await this.opened(known, tag.address);
      if (!open.write) return { ok: false, kind: 'refused', why: `a ${tag.address.chip} cannot be written` };
      const readBack = await open.write(tag.address, value);
      const isSame = readBack === value || (tag.address.type === 'float32' && readBack === Math.fround(Number(value)));
      return isSame ? { ok: true, readBack } : mismatch(value, readBack);
    } catch (error) {
      if (!(error instanceof I2cFault)) throw error;
      known.open = undefined;
      return { ok: false, kind: error.why === 'illegal-value' ? 'refused' : 'unknown', why: error.message };
    }
  }

  statistics(): LineStatistics {
    return this.counters.statistics();
  }

  async close(): Promise<void> {
    await this.bus.close();
  }

  private async readDevice(group: readonly I2cTag[], signal: AbortSignal): Promise<ReadResult[]> {
    const first = group[0]!;
    const known = this.knownOf(first, signal);
    const counted = this.counters.device(first.device, this.bus.settings.timeoutMs);
    const startedMs = this.clock.monoMs();
    const ended = (): { at: ReturnType<typeof instantAt>; tookMs: number } => {
      const nowMs = this.clock.monoMs();
      this.counters.busy(nowMs - startedMs);
      return { at: instantAt(this.clock, (startedMs + nowMs) / 2), tookMs: nowMs - startedMs };
    };
    counted.requests++;
    try {
      const open = await this.opened(known, first.address);
      const samples = await open.read(group.map(({ address }) => address));
      const { at, tookMs } = ended();
      this.counters.answered(counted, tookMs);
      return samples.map((sample) => ({ at, ...sample }));
    } catch (error) {
      if (!(error instanceof I2cFault)) throw error;
      known.open = undefined;
      if (error.why === 'timeout') counted.timeouts++;
      if (error.why === 'garbled' || error.why === 'sensor-failure') counted.garbled++;
      const { at } = ended();
      return group.map(() => ({ at, ok: false, why: error.why, detail: error.message }));
    }
  }

  private knownOf(tag: I2cTag, signal: AbortSignal): Known {
    let known = this.known.get(tag.device);
    if (!known) {
      const made: Known = {
        device: new I2cDevice(tag.address.unit, this.bus, () => made.signal),
        open: undefined,
        signal,
      };
      known = made;
      this.known.set(tag.device, made);
    }
    known.signal = signal;
    return known;
  }

  private async opened(known: Known, { chip, options }: I2cAddress): Promise<OpenChip> {
    known.open ??= await chipNamed(chip)!.open(known.device, options);
    return known.open;
  }
}

function mismatch(value: Value, readBack: Value): WriteResult {
  return { ok: false, kind: 'mismatch', why: `wrote ${String(value)}, the device shows ${String(readBack)}` };
}
