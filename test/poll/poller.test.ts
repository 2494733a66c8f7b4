import { describe, expect, it } from 'vitest';
import {
  type Driver,
  type Eventful,
  NotConnected,
  type ReadResult,
  type Tag,
  type WriteResult,
} from '../../hal/driver.ts';
import type { DriverType } from '../../hal/driver-type.ts';
import type { ChannelConfig, TagConfig } from '../../src/config/config.ts';
import { instantOf } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { Failure } from '../../src/core/quality.ts';
import type { DeviceRecord, Value } from '../../src/core/reading.ts';
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
    driver: { type: 'double', simulated: false, estimate: () => ({ requests: [] }) } as unknown as DriverType,
    options: {},
    devices: names.map((name) => ({ name, profile: undefined, tags: tags.filter(({ tag }) => tag.device === name) })),
  };
}

/** A line whose answers the test decides. Each read takes 10 ms. */
class LineDouble implements Driver {
  readonly concurrency: number = 1;
  connects = 0;
  reads = 0;
  refuse: string | undefined;
  dropAtRead: number | undefined;
  silent = false;
  /** What a device answers in place of a value. */
  readonly failing = new Map<string, Failure>();
  readonly written: unknown[] = [];
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
    return tags.map(({ device }) => {
      const why = this.silent ? 'timeout' : this.failing.get(device);
      return why ? { at, ok: false, why } : { at, ok: true, value: this.reads };
    });
  }

  async write(tag: Tag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    await this.clock.sleep(10, signal);
    this.written.push([tag.id, value]);
    return { ok: true, readBack: value };
  }

  async close(): Promise<void> {}
}

function start(channel: ChannelConfig, refuse?: string, random = 0) {
  const clock = new SimulatedClock();
  const line = new LineDouble(clock);
  line.refuse = refuse;
  return startOn(line, clock, channel, random);
}

function startOn<L extends LineDouble>(line: L, clock: SimulatedClock, channel: ChannelConfig, random = 0) {
  const records: DeviceRecord[] = [];
  const health: string[] = [];
  const connection: (string | undefined)[] = [];
  const poller = new Poller(
    channel,
    line,
    { clock, log: silentLogger, random: () => random, simulated: false },
    {
      onRecord: (record) => records.push(record),
      onHealth: (device, { state }) => health.push(`${device} ${state}`),
      onConnection: (reason) => connection.push(reason),
    },
  );
  const stop = new AbortController();
  const ended = poller.run(stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(1000);
    await ended;
  };
  return { clock, line, records, health, connection, poller, end };
}

describe('the loop of a channel', () => {
  it('gives what a person asks for to whichever reader has nothing to do, while another waits for a device', async () => {
    class SlowDouble extends LineDouble {
      override readonly concurrency = 2;
      override async read(tags: readonly Tag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
        if (tags[0]!.device === 'slow') await clock.sleep(1000, signal);
        return super.read(tags, signal);
      }
    }
    const clock = new SimulatedClock();
    const channel = channelOf(tagConfig('slow', 'a', 2000), tagConfig('quick', 'b', 60_000));
    const { poller, end } = startOn(new SlowDouble(clock), clock, channel);
    await clock.advance(4500);
    let answeredMs: number | undefined;
    const askedMs = clock.monoMs();
    poller.readNow([channel.devices[1]!.tags[0]!.tag], new AbortController().signal).then(() => {
      answeredMs = clock.monoMs();
    });
    await clock.advance(1000);
    await end();
    expect(answeredMs).toBe(askedMs + 10);
  });

  it('reads each period and gives one record a device and request', async () => {
    const { clock, records, end } = start(channelOf(tagConfig('press-1', 'a'), tagConfig('press-1', 'b')));
    await clock.advance(3500);
    await end();
    expect(records).toHaveLength(4);
    expect(records[0]).toMatchObject({
      device: 'press-1',
      clockKnown: true,
      fields: { names: ['a', 'b'], values: [1, 1], remarks: undefined },
    });
  });

  it('says why there is no value while the line is down, and comes back by itself', async () => {
    const channel = channelOf(tagConfig('press-1', 'a'));
    const { clock, line, records, poller, end } = start(channel, 'line-a: /dev/ttyUSB0: no such port');
    await clock.advance(2000);
    const now = await poller.readNow([channel.devices[0]!.tags[0]!.tag], new AbortController().signal);
    expect(now).toMatchObject([{ tag: 'press-1/a', quality: 'bad', why: 'not-connected' }]);
    expect(poller.state).toMatchObject({ state: 'waiting', reason: 'line-a: /dev/ttyUSB0: no such port' });
    expect(records.every(({ fields }) => fields.at(0)!.quality === 'bad')).toBe(true);
    line.refuse = undefined;
    await clock.advance(15_000);
    expect(poller.state.state).toBe('connected');
    expect(records.at(-1)!.fields.at(0)).toMatchObject({ quality: 'good' });
    await end();
  });

  it('is down since it was first without a connection, whatever the attempts since', async () => {
    const { clock, line, poller, end } = start(channelOf(tagConfig('press-1', 'a')), 'line-a: no such port');
    const startedMs = poller.state.sinceMs;
    await clock.advance(46_000);
    expect(poller.state.sinceMs).toBe(startedMs);
    line.refuse = undefined;
    await clock.advance(15_000);
    expect(poller.state.state).toBe('connected');
    expect(poller.state.sinceMs).toBeGreaterThan(startedMs + 46_000);
    expect(poller.counts.skipped).toBe(0);
    await end();
  });

  it('tells once of a connection that is away for long, and once when it is back', async () => {
    const { clock, line, connection, end } = start(channelOf(tagConfig('press-1', 'a')), 'line-a: no such port');
    await clock.advance(5000);
    expect(connection).toEqual([]);
    await clock.advance(60_000);
    expect(connection).toEqual(['line-a: no such port']);
    line.refuse = undefined;
    await clock.advance(15_000);
    expect(connection).toEqual(['line-a: no such port', undefined]);
    await end();
  });

  it('is back within 10 s after however long, and gives no more bad readings than the period asks for', async () => {
    for (const random of [0, 0.5, 0.999]) {
      const slow = { ...tagConfig('press-1', 'a'), everyMs: 60_000 };
      const { clock, line, records, poller, end } = start(channelOf(slow), 'line-a: no such port', random);
      await clock.advance(600_000);
      expect(records.length).toBeGreaterThanOrEqual(9);
      expect(records.length).toBeLessThanOrEqual(11);
      line.refuse = undefined;
      await clock.advance(9000);
      expect(poller.state.state).toBe('connected');
      await end();
    }
  });

  it('looks each second for a port of this machine that is away, and more rarely for a host', async () => {
    const attemptsIn = async (kind: 'serial' | 'tcp'): Promise<number> => {
      const channel = channelOf(tagConfig('press-1', 'a'));
      const driver = { ...channel.driver, placeOf: () => ({ kind }) } as unknown as DriverType;
      const { clock, line, end } = start({ ...channel, driver }, 'line-a: no such port', 1);
      await clock.advance(60_000);
      await end();
      return line.connects;
    };
    expect(await attemptsIn('serial')).toBeGreaterThanOrEqual(60);
    expect(await attemptsIn('tcp')).toBeLessThan(20);
  });

  it('reconnects after a lost connection and marks the readings of that moment bad', async () => {
    const { clock, line, records, end } = start(channelOf(tagConfig('press-1', 'a')));
    line.dropAtRead = 3;
    await clock.advance(6000);
    await end();
    expect(line.connects).toBe(2);
    expect(records.filter(({ fields }) => fields.at(0)!.quality === 'bad')).toHaveLength(1);
    expect(records.filter(({ fields }) => fields.at(0)!.quality === 'good').length).toBeGreaterThanOrEqual(5);
  });

  it('tells when a device goes offline and when it is back', async () => {
    const { clock, line, records, health, end } = start(channelOf(tagConfig('press-1', 'a')));
    await clock.advance(1500);
    line.silent = true;
    await clock.advance(10_000);
    expect(records.at(-1)!.fields.at(0)).toEqual({ name: 'a', quality: 'bad', why: 'offline' });
    line.silent = false;
    await clock.advance(6000);
    await end();
    expect(health).toEqual(['press-1 degraded', 'press-1 offline', 'press-1 online']);
    expect(records.at(-1)!.fields.at(0)).toMatchObject({ quality: 'good' });
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

  it('a unit that its gateway cannot reach (0B) does not touch the others; a lost path (0A) is said of all', async () => {
    const channel = channelOf(tagConfig('press-1', 'a'), tagConfig('press-2', 'a'));
    const { clock, line, records, poller, end } = start(channel);
    line.failing.set('press-2', 'gateway-target');
    await clock.advance(20_000);
    const of = (device: string) =>
      records.filter((record) => record.device === device).map(({ fields }) => fields.at(0)!);
    expect(of('press-1').every(({ quality }) => quality === 'good')).toBe(true);
    expect(of('press-1').length).toBeGreaterThanOrEqual(19);
    expect(poller.trouble('press-2')).toMatchObject({ why: 'gateway-target' });
    records.length = 0;
    for (const device of ['press-1', 'press-2']) line.failing.set(device, 'gateway-path');
    await clock.advance(5000);
    expect(of('press-1')).toContainEqual({ name: 'a', quality: 'bad', why: 'gateway-path' });
    expect(of('press-1').filter(({ quality }) => quality === 'good')).toEqual([]);
    line.failing.clear();
    await clock.advance(15_000);
    expect([poller.health('press-1').state, poller.health('press-2').state]).toEqual(['online', 'online']);
    await end();
  });

  it('a busy device (05, 06) stays online', async () => {
    const { clock, line, poller, end } = start(channelOf(tagConfig('press-1', 'a')));
    line.failing.set('press-1', 'device-busy');
    await clock.advance(30_000);
    expect(poller.health('press-1').state).toBe('online');
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

describe('writing', () => {
  const setpoint = (writable: TagConfig['writable']): TagConfig => ({
    ...tagConfig('press-1', 'setpoint', 60_000),
    scale: 0.1,
    offset: -40,
    writable,
  });
  const limits = { min: 0, max: 120, perMinute: 2 };

  async function writer(writable: TagConfig['writable']) {
    const channel = channelOf(setpoint(writable));
    const bench = start(channel);
    await bench.clock.advance(100);
    const write = async (value: Value) => {
      const result = bench.poller.write(channel.devices[0]!.tags[0]!.tag, value, new AbortController().signal);
      await bench.clock.advance(50);
      return result;
    };
    return { ...bench, write };
  }

  it('is in engineering units, both ways', async () => {
    const { line, write, end } = await writer(limits);
    expect(await write(25)).toEqual({ ok: true, readBack: 25 });
    expect(line.written).toEqual([['press-1/setpoint', 650]]);
    await end();
  });

  it('is refused without permission, out of range, of another kind, and too often; nothing is sent then', async () => {
    const forbidden = await writer(undefined);
    expect(await forbidden.write(25)).toMatchObject({ ok: false, why: expect.stringContaining('not writable') });
    await forbidden.end();
    const { clock, line, write, end } = await writer(limits);
    for (const value of [-1, 121, Number.NaN, true, 'ten'])
      expect(await write(value), String(value)).toMatchObject({ ok: false, kind: 'refused' });
    expect(line.written).toEqual([]);
    for (let count = 0; count < 2; count++) expect(await write(50)).toMatchObject({ ok: true });
    expect(await write(50)).toMatchObject({ ok: false, kind: 'refused' });
    await clock.advance(60_000);
    expect(await write(50)).toMatchObject({ ok: true });
    await end();
  });
});

describe('tags that report by themselves', () => {
  /** A line that reports what the test says. */
  class ReportingLine extends LineDouble implements Eventful {
    tell: ((tag: Tag, result: ReadResult) => void) | undefined;
    lose: ((lost: NotConnected) => void) | undefined;

    subscribe(_tags: readonly Tag[], onResult: (tag: Tag, result: ReadResult) => void, onLost: typeof this.lose) {
      this.tell = onResult;
      this.lose = onLost;
      return () => {
        this.tell = undefined;
      };
    }
  }
  const door: TagConfig = { ...tagConfig('door', 'open'), everyMs: undefined, heartbeatMs: 60_000 };
  const silent = { ...tagConfig('door', 'code'), everyMs: undefined };

  async function listening() {
    const clock = new SimulatedClock();
    const line = new ReportingLine(clock);
    const made = startOn(line, clock, channelOf(door, silent));
    await clock.advance(0);
    const report = async (result: Partial<ReadResult & { ok: true }>, { tag } = door) => {
      line.tell!(tag, { at: instantOf(clock), ok: true, value: true, ...result });
      await clock.advance(0);
    };
    const told = () =>
      made.records.map(({ at, fields }) => [
        at.monoMs / 1000,
        ...[...fields].map(({ quality, ...field }) => [quality, field]),
      ]);
    return { ...made, report, told };
  }
  const open = ['good', { name: 'open', value: true }];

  it('say their last value again at each heartbeat, counted from the last report', async () => {
    const { clock, report, told, end } = await listening();
    await clock.advance(10_000);
    await report({});
    await clock.advance(70_000);
    await report({ value: false });
    await clock.advance(100_000);
    const shut = ['good', { name: 'open', value: false }];
    expect(told()).toEqual([
      [10, open],
      [70, open],
      [80, shut],
      [140, shut],
    ]);
    await end();
  });

  it('without a heartbeat say nothing again', async () => {
    const { clock, report, records, end } = await listening();
    await report({ value: '4006381333931' }, silent);
    await clock.advance(600_000);
    expect(records).toHaveLength(1);
    await end();
  });

  it('do not doubt again what was doubted when it happened', async () => {
    const { clock, report, told, end } = await listening();
    await report({ doubt: 'missed-edges' });
    await clock.advance(60_000);
    expect(told().at(-1)).toEqual([60, open]);
    await end();
  });

  it('say nothing of before while the line is away', async () => {
    const { clock, line, report, records, end } = await listening();
    await report({});
    line.refuse = 'gpio: the chip is gone';
    line.lose!(new NotConnected('gpio: the chip is gone'));
    await clock.advance(600_000);
    expect(records.slice(1).every(({ fields }) => [...fields].every(({ quality }) => quality === 'bad'))).toBe(true);
    await end();
  });
});
