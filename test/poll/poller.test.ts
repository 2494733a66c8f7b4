import { describe, expect, it } from 'vitest';
import { type Driver, type DriverType, NotConnected, type ReadResult, type Tag } from '../../hal/driver.ts';
import type { ChannelConfig, TagConfig } from '../../src/config/config.ts';
import { instantOf } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { DeviceRecord } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Poller } from '../../src/poll/poller.ts';

function tagConfig(device: string, name: string, everyMs = 1000): TagConfig {
  const tag: Tag = { id: `${device}/${name}`, device, name, address: undefined };
  return {
    tag,
    everyMs,
    scale: 1,
    offset: 0,
    unit: undefined,
    deadband: undefined,
    heartbeatMs: undefined,
    min: undefined,
    max: undefined,
    counter: false,
    writable: undefined,
    description: undefined,
  };
}

function channelOf(...tags: TagConfig[]): ChannelConfig {
  const names = [...new Set(tags.map(({ tag }) => tag.device))];
  return {
    name: 'line-a',
    driver: { type: 'double', simulated: false } as DriverType,
    options: {},
    devices: names.map((name) => ({ name, profile: undefined, tags: tags.filter(({ tag }) => tag.device === name) })),
  };
}

/** A line whose answers the test decides. Each read takes 10 ms. */
class LineDouble implements Driver {
  readonly concurrency = 1;
  connects = 0;
  reads = 0;
  refuse: string | undefined;
  dropAtRead: number | undefined;
  silent = false;
  private readonly clock: SimulatedClock;

  constructor(clock: SimulatedClock) {
    this.clock = clock;
  }

  async connect(): Promise<void> {
    this.connects++;
    if (this.refuse) throw new NotConnected(this.refuse);
  }

  plan(tags: readonly Tag[]): readonly (readonly Tag[])[] {
    return [tags];
  }

  async read(tags: readonly Tag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    this.reads++;
    await this.clock.sleep(10, signal);
    if (this.reads === this.dropAtRead) throw new NotConnected('line-a: connection reset');
    const at = instantOf(this.clock);
    return tags.map(() => (this.silent ? { at, ok: false, why: 'timeout' } : { at, ok: true, value: this.reads }));
  }

  async close(): Promise<void> {}
}

function start(channel: ChannelConfig, refuse?: string) {
  const clock = new SimulatedClock();
  const line = new LineDouble(clock);
  line.refuse = refuse;
  const records: DeviceRecord[] = [];
  const health: string[] = [];
  const poller = new Poller(
    channel,
    line,
    { clock, log: silentLogger, random: () => 0, simulated: false },
    {
      onRecord: (record) => records.push(record),
      onHealth: (device, { state }) => health.push(`${device} ${state}`),
      onChannel: () => {},
    },
  );
  const stop = new AbortController();
  const ended = poller.run(stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(1000);
    await ended;
  };
  return { clock, line, records, health, poller, end };
}

describe('the loop of a channel', () => {
  it('reads each period and gives one record a device and request', async () => {
    const { clock, records, end } = start(channelOf(tagConfig('press-1', 'a'), tagConfig('press-1', 'b')));
    await clock.advance(3500);
    await end();
    expect(records).toHaveLength(4);
    expect(records[0]).toMatchObject({
      device: 'press-1',
      clockKnown: true,
      fields: [
        { name: 'a', quality: 'good', value: 1 },
        { name: 'b', quality: 'good', value: 1 },
      ],
    });
  });

  it('says why there is no value while the line is down, and comes back by itself', async () => {
    const channel = channelOf(tagConfig('press-1', 'a'));
    const { clock, line, records, poller, end } = start(channel, 'line-a: /dev/ttyUSB0: no such port');
    await clock.advance(2000);
    const now = await poller.readNow([channel.devices[0]!.tags[0]!.tag], new AbortController().signal);
    expect(now).toMatchObject([{ tag: 'press-1/a', quality: 'bad', why: 'not-connected' }]);
    expect(poller.state).toMatchObject({ state: 'waiting', reason: 'line-a: /dev/ttyUSB0: no such port' });
    expect(records.every(({ fields }) => fields[0]!.quality === 'bad')).toBe(true);
    line.refuse = undefined;
    await clock.advance(15_000);
    expect(poller.state.state).toBe('connected');
    expect(records.at(-1)!.fields[0]).toMatchObject({ quality: 'good' });
    await end();
  });

  it('reconnects after a lost connection and marks the readings of that moment bad', async () => {
    const { clock, line, records, end } = start(channelOf(tagConfig('press-1', 'a')));
    line.dropAtRead = 3;
    await clock.advance(6000);
    await end();
    expect(line.connects).toBe(2);
    expect(records.filter(({ fields }) => fields[0]!.quality === 'bad')).toHaveLength(1);
    expect(records.filter(({ fields }) => fields[0]!.quality === 'good').length).toBeGreaterThanOrEqual(5);
  });

  it('tells when a device goes offline and when it is back', async () => {
    const { clock, line, records, health, end } = start(channelOf(tagConfig('press-1', 'a')));
    await clock.advance(1500);
    line.silent = true;
    await clock.advance(10_000);
    expect(records.at(-1)!.fields[0]).toEqual({ name: 'a', quality: 'bad', why: 'offline' });
    line.silent = false;
    await clock.advance(6000);
    await end();
    expect(health).toEqual(['press-1 degraded', 'press-1 offline', 'press-1 online']);
    expect(records.at(-1)!.fields[0]).toMatchObject({ quality: 'good' });
  });

  it('answers a one-shot read between scheduled ones', async () => {
    const channel = channelOf(tagConfig('press-1', 'a', 60_000));
    const { clock, poller, end } = start(channel);
    await clock.advance(100);
    const reading = poller.readNow([channel.devices[0]!.tags[0]!.tag], new AbortController().signal);
    await clock.advance(50);
    expect(await reading).toMatchObject([{ tag: 'press-1/a', quality: 'good', value: 2 }]);
    await end();
  });

  it('stops within its signal, closing the driver', async () => {
    const { clock, poller, end } = start(channelOf(tagConfig('press-1', 'a')));
    await clock.advance(2500);
    await end();
    expect(poller.state.state).toBe('stopped');
    expect(clock.waiting).toBe(0);
  });
});
