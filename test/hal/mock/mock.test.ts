import { describe, expect, it } from 'vitest';
import { isObservable, isWritable, NotConnected } from '../../../hal/driver.ts';
import { MockDriver, mock } from '../../../hal/mock/mock.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { connected, mockChannel, mockTag, never, told } from './bench.ts';

function bench(channel: Record<string, unknown> = {}) {
  const clock = new SimulatedClock();
  return { clock, driver: new MockDriver(mockChannel(channel), { clock }) };
}

describe('a mock driver keeps the rules of every driver', () => {
  it('answers in the order asked, one instant a device', async () => {
    const { clock, driver } = bench();
    await connected(driver);
    await clock.advance(15_000);
    const asked = [mockTag('a/x', { address: 1 }), mockTag('b/x', { address: 2 }), mockTag('a/y', { address: 3 })];
    const results = await driver.read(asked, never);
    expect(told(results)).toEqual([1, 2, 3]);
    expect(results[0]!.at).toBe(results[2]!.at);
    expect(results[0]!.at).not.toBe(results[1]!.at);
    expect(results[0]!.at.monoMs).toBe(15_000);
  });

  it('plans one request a device, every tag in exactly one', () => {
    const { driver } = bench();
    const tags = ['a/x', 'b/x', 'a/y'].map((id) => mockTag(id, { address: 1 }));
    expect(driver.plan(tags).map((group) => group.map(({ id }) => id))).toEqual([['a/x', 'a/y'], ['b/x']]);
  });

  it('reads nothing before connect and after close, and connects again', async () => {
    const { driver } = bench();
    const tags = [mockTag('a/x', { address: 1 })];
    await expect(driver.read(tags, never)).rejects.toThrow(NotConnected);
    await connected(driver);
    await driver.close();
    await driver.close();
    await expect(driver.read(tags, never)).rejects.toThrow(NotConnected);
    await connected(driver);
    expect(told(await driver.read(tags, never))).toEqual([1]);
  });

  it('close ends a read that is under way; an abort gives its reason', async () => {
    const { driver } = bench({ latency: '1s' });
    const { clock, driver: other } = bench({ latency: '1s' });
    const tags = [mockTag('a/x', { address: 1 })];
    const connecting = other.connect(never);
    await clock.advance(1000);
    await connecting;
    const pending = other.read(tags, never);
    const closed = expect(pending).rejects.toThrow(NotConnected);
    await other.close();
    await closed;
    const stop = new AbortController();
    const aborted = expect(driver.connect(stop.signal)).rejects.toThrow('enough');
    stop.abort(new Error('enough'));
    await aborted;
  });

  it('stamps the middle of request and response', async () => {
    const { clock, driver } = bench({ latency: '100ms' });
    const connecting = driver.connect(never);
    await clock.advance(100);
    await connecting;
    const reading = driver.read([mockTag('a/x', { address: 1 })], never);
    await clock.advance(100);
    expect((await reading)[0]!.at.monoMs).toBe(150);
  });

  it('gives the same run for the same seed, another for another, and no two tags the same noise', async () => {
    const run = async (seed: number) => {
      const { clock, driver } = bench({ seed });
      await connected(driver);
      await clock.advance(5000);
      const tags = ['a/x', 'a/y'].map((id) => mockTag(id, { address: 'sine(noise=1)' }));
      return told(await driver.read(tags, never));
    };
    const first = await run(7);
    expect(await run(7)).toEqual(first);
    expect(await run(8)).not.toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
  });

  it('writes: the value stays and is read back; what does not fit is refused', async () => {
    const { driver } = bench();
    const tag = mockTag('a/setpoint', { address: 20, type: 'uint16' });
    expect(isWritable(driver) && isObservable(driver)).toBe(true);
    expect(await driver.write(tag, 30, never)).toMatchObject({ ok: false, kind: 'refused' });
    await connected(driver);
    expect(await driver.write(tag, 30, never)).toEqual({ ok: true, readBack: 30 });
    expect(told(await driver.read([tag], never))).toEqual([30]);
    expect(await driver.write(tag, 70_000, never)).toMatchObject({ ok: false, kind: 'refused' });
    expect(told(await driver.read([tag], never))).toEqual([30]);
  });
});

describe('types', () => {
  it.each([
    [{ address: 20.6, type: 'int16' }, 21],
    [{ address: 40_000, type: 'int16' }, 'decode-error'],
    [{ address: 0.1, type: 'float32' }, Math.fround(0.1)],
    [{ address: 3, type: 'bool' }, true],
    [{ address: 5, type: 'string' }, '5'],
    [{ address: true, type: 'uint16' }, 1],
    [{ address: '"A 100"' }, 'A 100'],
  ])('%o reads %o', async (written, value) => {
    const { driver } = bench();
    await connected(driver);
    expect(told(await driver.read([mockTag('a/x', written)], never))).toEqual([value]);
  });

  it('refuses a number type for texts, and says where', () => {
    const source = {
      id: 'a/x',
      device: 'a',
      name: 'x',
      options: { address: 'text(values=[idle])', type: 'int16' },
      deviceOptions: {},
    };
    const checked = mock.checkTag(source, mockChannel());
    expect(checked).toMatchObject({ ok: false, problems: [{ path: ['type'] }] });
  });
});

describe('scripted faults show as a real line shows them', () => {
  /** What a tag says every second from 0 to 9. */
  async function nineSeconds(tag: Record<string, unknown>, device: Record<string, unknown> = {}) {
    const { clock, driver } = bench();
    await connected(driver);
    const heard: unknown[] = [];
    for (let second = 0; second < 10; second++) {
      heard.push(...told(await driver.read([mockTag('a/x', tag, device)], never)));
      await clock.advance(1000);
    }
    return heard;
  }

  it('every and for: from the first period on', async () => {
    const faults = [{ kind: 'nan', every: '4s', for: '2s' }];
    const bad = 'sensor-failure';
    expect(await nineSeconds({ address: 5, faults })).toEqual([5, 5, 5, 5, bad, bad, 5, 5, bad, bad]);
  });

  it('after and for: once', async () => {
    const faults = [{ kind: 'garbled', after: '2s', for: '1s' }];
    expect(await nineSeconds({ address: 5, faults })).toEqual([5, 5, 'garbled', 5, 5, 5, 5, 5, 5, 5]);
  });

  it('spike adds, stuck repeats, offline takes the whole device', async () => {
    const ramp = 'ramp(from=0,to=10,over=10s)';
    const spike = [{ kind: 'spike', after: '2s', for: '1s', by: 50 }];
    expect(await nineSeconds({ address: ramp, faults: spike })).toEqual([0, 1, 52, 3, 4, 5, 6, 7, 8, 9]);
    const stuck = [{ kind: 'stuck', after: '2s', for: '3s' }];
    expect(await nineSeconds({ address: ramp, faults: stuck })).toEqual([0, 1, 2, 2, 2, 5, 6, 7, 8, 9]);
    const offline = [{ kind: 'offline', after: '8s', for: '9s' }];
    expect((await nineSeconds({ address: 1 }, { faults: offline })).slice(7)).toEqual([1, 'offline', 'offline']);
  });

  it('timeout waits for the deadline, slow beyond it is a timeout too', async () => {
    for (const fault of [
      { kind: 'timeout', for: '5s' },
      { kind: 'slow', for: '5s', delay: '2s' },
    ]) {
      const { clock, driver } = bench({ timeout: '300ms' });
      await connected(driver);
      let results: unknown;
      void driver.read([mockTag('a/x', { address: 1 }, { faults: [fault] })], never).then((read) => {
        results = told(read);
      });
      await clock.advance(299);
      expect(results).toBeUndefined();
      await clock.advance(1);
      expect(results).toEqual(['timeout']);
      expect(driver.statistics().devices.a).toMatchObject({ requests: 1, responses: 0, timeouts: 1 });
    }
  });

  it('a channel that is offline cannot be connected, and drops what was', async () => {
    const { clock, driver } = bench({ faults: [{ kind: 'offline', every: '60s', for: '10s' }] });
    const tags = [mockTag('a/x', { address: 1 })];
    await connected(driver);
    await clock.advance(60_000);
    await expect(driver.read(tags, never)).rejects.toThrow('Wait for the fault to pass');
    await expect(driver.connect(never)).rejects.toThrow(NotConnected);
    await clock.advance(10_000);
    await connected(driver);
    expect(told(await driver.read(tags, never))).toEqual([1]);
    expect(driver.statistics().reconnects).toBe(1);
  });

  it('a fault that makes no sense where it stands is refused with those that do', () => {
    expect(() => mockTag('a/x', { address: 1, faults: [{ kind: 'offline', for: '1s' }] })).toThrow(
      'faults.0.kind: a tag cannot have the fault offline',
    );
    expect(() => mockTag('a/x', { address: 1, faults: [{ kind: 'nan', every: '1s', for: '1s' }] })).toThrow(
      'faults.0.every: must be longer than for',
    );
  });
});
