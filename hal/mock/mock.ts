/** The driver type `mock`: signals and scripted faults in place of a line. */
import { instantOf } from '../../src/core/clock.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Instant, TagId, Value } from '../../src/core/reading.ts';
import {
  byDevice,
  type Driver,
  type DriverDeps,
  type DriverType,
  NotConnected,
  type Observable,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
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
  create: createMock,
};

/** A mock driver; see {@link mock}. */
export function createMock(
  channel: MockChannel,
  deps: Pick<DriverDeps, 'clock'>,
): Driver<MockAddress> & Writable<MockAddress> & Observable {
  const { clock } = deps;
  const written = new Map<TagId, Value>();
  const counters = countersOn(clock);
  let originMs: number | undefined;
  let line: AbortController | undefined;

  const elapsedMs = (): number => clock.monoMs() - originMs!;
  const drop = (why: string): NotConnected => {
    const lost = new NotConnected(why);
    line?.abort(lost);
    line = undefined;
    return lost;
  };
  const isDown = (): boolean => activeFault(channel.faults, ['offline'], elapsedMs()) !== undefined;

  /** What one device answers: one request, one instant. */
  const ask = async (tags: readonly MockTag[], signal: AbortSignal): Promise<ReadResult[]> => {
    const device = counters.device(tags[0]!.device, channel.timeoutMs);
    const deviceFaults = tags[0]!.address.deviceFaults;
    const startedMs = elapsedMs();
    const startedAt = instantOf(clock);
    const late = activeFault(deviceFaults, ['slow'], startedMs)?.fault.delayMs ?? 0;
    const isSilent = activeFault(deviceFaults, ['timeout'], startedMs) !== undefined;
    const tookMs = isSilent ? channel.timeoutMs : Math.min(channel.latencyMs + late, channel.timeoutMs);
    const isLate = isSilent || (late > 0 && channel.latencyMs + late >= channel.timeoutMs);
    device.requests++;
    if (tookMs > 0) await clock.sleep(tookMs, signal);
    counters.busy(tookMs);
    const at: Instant = { wallMs: startedAt.wallMs + Math.round(tookMs / 2), monoMs: startedAt.monoMs + tookMs / 2 };
    if (isLate) device.timeouts++;
    else counters.answered(device, tookMs);
    return tags.map((tag) => {
      if (isLate) return { at, ok: false, why: 'timeout', detail: 'scripted fault' } as const;
      const result = resultAt(tag, startedMs + tookMs / 2);
      if (!result.ok && result.why === 'garbled') device.garbled++;
      return { at, ...result };
    });
  };

  const resultAt = (tag: MockTag, atMs: number): Outcome => {
    const { address } = tag;
    const faults = [...address.faults, ...address.deviceFaults];
    const failure = activeFault(faults, ['timeout', 'offline', 'garbled', 'nan'], atMs);
    if (failure) return { ok: false, why: FAILURE_OF[failure.fault.kind]!, detail: 'scripted fault' };
    const stuck = activeFault(faults, ['stuck'], atMs);
    const seed = mix(channel.seed, hashOf(tag.id));
    const plain = written.get(tag.id) ?? valueAt(address.signal, seed, stuck?.sinceMs ?? atMs);
    const spike = activeFault(faults, ['spike'], atMs);
    const value = typed(spike ? spiked(plain, spike.fault.by) : plain, address.type);
    if (value === undefined)
      return { ok: false, why: 'decode-error', detail: `${plain} does not fit ${address.type}; check "type"` };
    return { ok: true, value };
  };

  return {
    concurrency: 1,

    async connect(signal) {
      signal.throwIfAborted();
      originMs ??= clock.monoMs();
      if (channel.latencyMs > 0) await clock.sleep(channel.latencyMs, signal);
      if (isDown()) throw drop(CHANNEL_DOWN);
      if (!line) {
        line = new AbortController();
        counters.connected();
      }
    },

    plan: byDevice,

    async read(tags, signal) {
      if (!line) throw new NotConnected('the simulated channel is closed. Connect it first');
      signal.throwIfAborted();
      if (isDown()) throw drop(CHANNEL_DOWN);
      const either = AbortSignal.any([signal, line.signal]);
      const results = new Map<MockTag, ReadResult>();
      for (const group of byDevice(tags)) {
        const answers = await ask(group, either);
        either.throwIfAborted();
        group.forEach((tag, index) => {
          results.set(tag, answers[index]!);
        });
      }
      return tags.map((tag) => results.get(tag)!);
    },

    async write(tag, value, signal): Promise<WriteResult> {
      if (!line) return { ok: false, kind: 'refused', why: 'the simulated channel is closed' };
      const held = typed(value, tag.address.type);
      if (held === undefined) {
        return { ok: false, kind: 'refused', why: `${value} does not fit the tag's type ${tag.address.type}` };
      }
      const silent = activeFault(tag.address.deviceFaults, ['timeout', 'offline'], elapsedMs());
      const tookMs = silent ? channel.timeoutMs : channel.latencyMs;
      try {
        if (tookMs > 0) await clock.sleep(tookMs, AbortSignal.any([signal, line.signal]));
      } catch (error) {
        signal.throwIfAborted();
        return { ok: false, kind: 'failed', why: messageOf(error) };
      }
      if (silent) return { ok: false, kind: 'failed', why: 'no answer before the deadline (scripted fault)' };
      written.set(tag.id, held);
      return { ok: true, readBack: held };
    },

    statistics: () => counters.statistics(),

    async close() {
      drop('the simulated channel was closed');
    },
  };
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
