import { describe, expect, it } from 'vitest';
import type { ReadResult, Tag } from '../../../hal/driver.ts';
import { ModbusDriver } from '../../../hal/modbus/driver.ts';
import { RtuLine } from '../../../hal/modbus/line/rtu-line.ts';
import type { ModbusAddress } from '../../../hal/modbus/map/address.ts';
import { modbusTcp } from '../../../hal/modbus/type.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { memoryBus } from '../../double/modbus-memory.ts';
import { modbusSlaves, type SlaveOptions } from '../../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';

const { signal } = new AbortController();

type Refuses = NonNullable<SlaveOptions['refuses']>;

/** A device that refuses as it is told to, polled for `holding:ADDRESS` tags once a second. */
async function device(addresses: readonly number[], refuses: Refuses, channelOptions = {}) {
  const clock = new SimulatedClock();
  let policy = refuses;
  const slaves = modbusSlaves({ units: [1], refuses: (...request) => policy(...request) });
  const times = { turnaroundMs: 5, lateMs: [400, 400] as const, splitMs: 5 };
  const bus = memoryBus({ clock, slaves, framing: 'rtu', units: [1], times });
  const channel = modbusChannel(modbusTcp, { host: 'memory', framing: 'rtu', timeout: 100, ...channelOptions });
  const timing = { characterMs: 0, silenceMs: 2, pauseMs: 0, lateReplyWindowMs: 300 };
  const deps = { clock, log: silentLogger, random: seededRandom(1) };
  const driver = new ModbusDriver(channel, new RtuLine(bus.transport, timing, clock), deps);
  await driver.connect(signal);
  const tags: readonly Tag<ModbusAddress>[] = addresses.map((start) =>
    modbusTag(1, { address: `holding:${start}` }, channel),
  );
  const finish = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    while (!isDone) await clock.advance(10);
    return done;
  };
  /** One scan as the poller makes it: `ADDRESS WHY` of every tag without a value, and the requests it took. */
  const scan = async (restMs = 1000): Promise<{ bad: string[]; asked: string[]; results: ReadResult[] }> => {
    const before = bus.questions.length;
    const results = new Map<string, ReadResult>();
    for (const group of driver.plan(tags)) {
      const answers = await finish(driver.read(group, signal));
      for (const [index, { id }] of group.entries()) results.set(id, answers[index]!);
    }
    await clock.advance(restMs);
    const inOrder = tags.map(({ id }) => results.get(id)!);
    const bad = inOrder.flatMap((result, index) => (result.ok ? [] : [`${addresses[index]} ${result.why}`]));
    const asked = bus.questions.slice(before).map(({ bytes }) => {
      const word = (at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
      return `${word(2)}+${word(4)}`;
    });
    return { bad, asked, results: inOrder };
  };
  return { clock, driver, scan, become: (next: Refuses) => (policy = next) };
}

const touches = (register: number) => (_unit: number, start: number, count: number) =>
  start <= register && register < start + count;

const eight = [0, 1, 2, 3, 4, 5, 6, 7];

describe('a register that fails its whole request', () => {
  it.each([
    [2, 'illegal-address'],
    [4, 'device-failure'],
    [1, 'illegal-function'],
    [0xf4, 'device-failure'],
  ])('exception %i takes no neighbour away, from the first scan on', async (code, why) => {
    const { scan } = await device(eight, (...request) => (touches(3)(...request) ? code : undefined));
    expect((await scan()).bad).toEqual([`3 ${why}`]);
    const second = await scan();
    expect(second.bad).toEqual([`3 ${why}`]);
    expect(second.asked, 'it is left out from now on').toEqual(['0+3', '4+4']);
  });

  it('silence takes no neighbour away, and is not waited for at each scan', async () => {
    const { scan } = await device(eight, (...request) => (touches(3)(...request) ? 'silence' : undefined));
    await scan();
    await scan();
    const third = await scan();
    expect(third.bad).toEqual(['3 timeout']);
    expect(third.asked).toEqual(['0+3', '4+4']);
    expect(third.results[3], 'nothing was asked that says whether the device is there').toMatchObject({ asked: false });
  });

  it('names an exception of the maker with its number', async () => {
    const { scan } = await device([3], () => 0xf4);
    expect((await scan()).results[0]).toMatchObject({ detail: expect.stringContaining('244 (F4 hex)') });
  });

  it('is asked again within 30 s, by itself', async () => {
    const { scan } = await device(eight, (...request) => (touches(3)(...request) ? 2 : undefined));
    const asked: string[] = [];
    for (let second = 0; second < 60; second++) asked.push(...(await scan()).asked);
    const alone = asked.filter((request) => request === '3+1').length;
    expect(alone).toBeGreaterThanOrEqual(3);
    expect(alone).toBeLessThanOrEqual(5);
  });
});

describe('a device that refuses everything for a night', () => {
  it('has all its values again within 30 s, as soon as one is answered', async () => {
    const { scan, become } = await device(eight, () => undefined);
    expect((await scan()).bad).toEqual([]);
    become(() => 2);
    for (let second = 0; second < 300; second++) await scan();
    become(() => undefined);
    let seconds = 0;
    while ((await scan()).bad.length > 0) seconds++;
    expect(seconds).toBeLessThanOrEqual(30);
    expect((await scan()).asked, 'in one request as before').toEqual(['0+8']);
  });

  it('one refusal of a value that worked costs that reading only', async () => {
    const { scan, become } = await device([5], () => undefined);
    await scan();
    become(() => 4);
    expect((await scan()).bad).toEqual(['5 device-failure']);
    become(() => undefined);
    expect((await scan()).bad).toEqual([]);
  });
});

describe('a request that spans more than the device answers', () => {
  const inverter = [183, 186, 187, 190, 191];
  const knows = (_unit: number, start: number, count: number) =>
    Array.from({ length: count }, (_, index) => start + index).every((register) => inverter.includes(register));

  it.each([['silence' as const], [2], [4]])('%s at a gap: the values come in parts, which stay', async (refusal) => {
    const { scan, driver } = await device(inverter, (...request) => (knows(...request) ? undefined : refusal));
    expect((await scan()).bad).toEqual([]);
    const second = await scan();
    expect(second).toMatchObject({ bad: [], asked: ['183+1', '186+2', '190+2'] });
    expect(driver.statistics().devices['unit-1']).toMatchObject({ refusedGap: 2 });
  });

  it.each([['silence' as const], [3]])('%s to more than 29 registers: it is cut until it fits', async (refusal) => {
    const hundred = Array.from({ length: 100 }, (_, index) => index);
    const { scan, driver } = await device(hundred, (_unit, _start, count) => (count > 29 ? refusal : undefined));
    for (let settling = 0; settling < 3; settling++) await scan();
    const settled = await scan();
    expect(settled).toMatchObject({ bad: [], asked: ['0+25', '25+25', '50+25', '75+25'] });
    expect(driver.statistics().devices['unit-1']).toMatchObject({ mostRegisters: 25 });
  });

  it('a device that is off is not asked in parts', async () => {
    const { scan } = await device(eight, () => 'silence');
    const requests: number[] = [];
    for (let second = 0; second < 4; second++) requests.push((await scan()).asked.length);
    expect(requests).toEqual([3, 1, 1, 1]);
  });

  it('lost requests do not cut what was answered before', async () => {
    let asked = 0;
    const { scan } = await device(eight, () => (asked++ % 5 > 2 ? 'silence' : undefined));
    for (let second = 0; second < 40; second++)
      expect((await scan()).asked.every((request) => request === '0+8')).toBe(true);
  });

  it.each([
    [0, ['0+1']],
    [1, ['0+1', '0+2']],
  ])('maxGap: %i, after a lost request: what nobody asked for is read no more than that', async (maxGap, asked) => {
    let isLost = true;
    const { scan } = await device([0], () => (isLost ? 'silence' : undefined), { maxGap, retries: 0 });
    const forms = new Set((await scan(100)).asked);
    isLost = false;
    for (let scans = 0; scans < 5; scans++) for (const form of (await scan(100)).asked) forms.add(form);
    expect([...forms]).toEqual(asked);
  });

  it('spans as many unasked registers as the channel allows', async () => {
    const { scan } = await device([0, 4], () => undefined, { maxGap: 2 });
    expect((await scan()).asked).toEqual(['0+1', '4+1']);
  });
});
