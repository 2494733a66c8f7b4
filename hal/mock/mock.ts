/** The driver type `mock`: signals and scripted faults in place of a line. */
import { type Clock, instantOf, underBoth } from '../../src/core/clock.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Instant, TagId, Value } from '../../src/core/reading.ts';
import {
  byDevice,
  type Driver,
  NotConnected,
  type Observable,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
import type { DriverDeps, DriverType } from '../driver-type.ts';
import type { LineStatistics } from '../statistics.ts';
import { countersOn } from '../statistics.ts';
import { activeFault } from './faults.ts';
import { hashOf, mix } from './noise.ts';
import {
  checkMockChannel,
  checkMockTag,
  formOfMock,
  type MockAddress,
  type MockChannel,
  mockChannelShape,
  mockDeviceShape,
  mockTagShape,
} from './options.ts';
import { valueAt } from './signal.ts';
import { typed } from './types.ts';

type MockTag = Tag<MockAddress>;

const CHANNEL_DOWN = 'the channel is down by its own "faults" script. Wait for the fault to pass, or remove it';

/**
 * `driver: mock`: signals and scripted faults in place of a line, with every ability and duty of a real driver.
 * All readings are a function of the seed, the tag's name and the time since the first `connect`.
 */
export const mock: DriverType<MockChannel, MockAddress> = {
  type: 'mock',
  simulated: true,
  channelShape: mockChannelShape,
  deviceShape: mockDeviceShape,
  tagShape: mockTagShape,
  checkChannel: checkMockChannel,
  checkTag: (source) => checkMockTag(source),
  describeAddress: ({ text, type }) => (type === undefined ? text : `${text}, ${type}`),
  formOf: formOfMock,
  isEventful: () => false,
  estimate: ({ latencyMs }, tags) => ({
    requests: byDevice(tags).map((group) => ({
      device: group[0]!.device,
      text: `${group.length} signals`,
      tags: group.map(({ id }) => id),
      lineMs: latencyMs,
    })),
  }),
  create: (channel, deps) => new MockDriver(channel, deps),
};

/** A mock driver; see {@link mock}. */
export class MockDriver implements Driver<MockAddress>, Writable<MockAddress>, Observable {
  readonly concurrency = 1;
  readonly plan = byDevice;
  private readonly channel: MockChannel;
  private readonly clock: Clock;
  private readonly counters;
  private readonly written = new Map<TagId, Value>();
  private originMs: number | undefined;
  private line: AbortController | undefined;
  private closings = 0;

  constructor(channel: MockChannel, { clock }: Pick<DriverDeps, 'clock'>) {
    this.channel = channel;
    this.clock = clock;
    this.counters = countersOn(clock);
  }

  async connect(signal: AbortSignal): Promise<void> {
    const { latencyMs } = this.channel;
    signal.throwIfAborted();
    this.originMs ??= this.clock.monoMs();
    const closingsBefore = this.closings;
    if (latencyMs > 0) await this.clock.sleep(latencyMs, signal);
    if (this.closings !== closingsBefore) throw new NotConnected('the simulated channel was closed while it connected');
    this.failWhileDown();
    if (!this.line) {
      this.line = new AbortController();
      this.counters.connected();
    }
  }

  async read(tags: readonly MockTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    if (!this.line) throw new NotConnected('the simulated channel is closed. Connect it first');
    signal.throwIfAborted();
    this.failWhileDown();
    return underBoth(signal, this.line.signal, async (either) => {
      const results = new Map<MockTag, ReadResult>();
      for (const group of byDevice(tags)) {
        const answers = await this.ask(group, either);
        either.throwIfAborted();
        group.forEach((tag, index) => {
          results.set(tag, answers[index]!);
        });
      }
      return tags.map((tag) => results.get(tag)!);
    });
  }

  async write(tag: MockTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    if (!this.line) return { ok: false, kind: 'refused', why: 'the simulated channel is closed' };
    const held = typed(value, tag.address.type);
    if (held === undefined)
      return { ok: false, kind: 'refused', why: `${value} does not fit the tag's type ${tag.address.type}` };
    const silent = activeFault(tag.address.deviceFaults, ['timeout', 'offline'], this.elapsedMs());
    const tookMs = silent ? this.channel.timeoutMs : this.channel.latencyMs;
    try {
      if (tookMs > 0) await underBoth(signal, this.line.signal, (either) => this.clock.sleep(tookMs, either));
    } catch (error) {
      signal.throwIfAborted();
      return { ok: false, kind: 'unknown', why: messageOf(error) };
    }
    if (silent) return { ok: false, kind: 'unknown', why: 'no answer before the deadline (scripted fault)' };
    this.written.set(tag.id, held);
    return { ok: true, readBack: held };
  }

  statistics(): LineStatistics {
    return this.counters.statistics();
  }

  async close(): Promise<void> {
    this.closings++;
    this.drop('the simulated channel was closed');
  }

  private elapsedMs(): number {
    return this.clock.monoMs() - this.originMs!;
  }

  /** Ends the connection, and whatever waits on it. */
  private drop(why: string): NotConnected {
    const lost = new NotConnected(why);
    this.line?.abort(lost);
    this.line = undefined;
    return lost;
  }

  private failWhileDown(): void {
    if (activeFault(this.channel.faults, ['offline'], this.elapsedMs())) throw this.drop(CHANNEL_DOWN);
  }

  /** What one device answers: one request, one instant. */
  private async ask(tags: readonly MockTag[], signal: AbortSignal): Promise<ReadResult[]> {
    const { latencyMs, timeoutMs } = this.channel;
    const device = this.counters.device(tags[0]!.device, timeoutMs);
    const { deviceFaults } = tags[0]!.address;
    const startedMs = this.elapsedMs();
    const startedAt = instantOf(this.clock);
    const lateMs = activeFault(deviceFaults, ['slow'], startedMs)?.fault.delayMs ?? 0;
    const isSilent = activeFault(deviceFaults, ['timeout'], startedMs) !== undefined;
    const tookMs = isSilent ? timeoutMs : Math.min(latencyMs + lateMs, timeoutMs);
    const isLate = isSilent || (lateMs > 0 && latencyMs + lateMs >= timeoutMs);
    device.requests++;
    if (tookMs > 0) await this.clock.sleep(tookMs, signal);
    this.counters.busy(tookMs);
    const at: Instant = { wallMs: startedAt.wallMs + Math.round(tookMs / 2), monoMs: startedAt.monoMs + tookMs / 2 };
    if (isLate) device.timeouts++;
    else this.counters.answered(device, tookMs);
    return tags.map((tag) => {
      if (isLate) return { at, ok: false, why: 'timeout', detail: 'scripted fault' } as const;
      const result = this.resultAt(tag, startedMs + tookMs / 2);
      if (!result.ok && result.why === 'garbled') device.garbled++;
      return { at, ...result };
    });
  }

  private resultAt({ id, address }: MockTag, atMs: number): Outcome {
    const faults = [...address.faults, ...address.deviceFaults];
    const failure = activeFault(faults, ['timeout', 'offline', 'garbled', 'nan'], atMs);
    if (failure) return { ok: false, why: FAILURE_OF[failure.fault.kind]!, detail: 'scripted fault' };
    const stuck = activeFault(faults, ['stuck'], atMs);
    const seed = mix(this.channel.seed, hashOf(id));
    const plain = this.written.get(id) ?? valueAt(address.signal, seed, stuck?.sinceMs ?? atMs);
    const spike = activeFault(faults, ['spike'], atMs);
    const value = typed(spike ? spiked(plain, spike.fault.by) : plain, address.type);
    if (value === undefined)
      return { ok: false, why: 'decode-error', detail: `${plain} does not fit ${address.type}; check "type"` };
    return { ok: true, value };
  }
}

type Outcome =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly why: (ReadResult & { ok: false })['why']; readonly detail: string };

const FAILURE_OF: Partial<Record<string, (ReadResult & { ok: false })['why']>> = {
  timeout: 'timeout',
  offline: 'offline',
  garbled: 'garbled',
  nan: 'sensor-failure',
};

function spiked(value: Value, by: number | undefined): Value {
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'number') return value;
  return value + (by ?? 10 * Math.max(1, Math.abs(value)));
}
