import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isObservable, isWritable } from '../../../hal/driver.ts';
import type { ModbusChannel } from '../../../hal/modbus/channel.ts';
import { ModbusDriver } from '../../../hal/modbus/driver.ts';
import { RtuLine } from '../../../hal/modbus/line/rtu-line.ts';
import { modbusRtu, modbusTcp } from '../../../hal/modbus/type.ts';
import { DRIVERS } from '../../../hal/registry.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Value } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { memoryBus } from '../../double/modbus-memory.ts';
import { expectedBit, expectedRegister, modbusSlaves, type SlaveOptions } from '../../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';

const { signal } = new AbortController();

async function bench(slaveOptions: Partial<SlaveOptions> = {}, timeout = 100) {
  const clock = new SimulatedClock();
  const slaves = modbusSlaves({ units: [1, 2], ...slaveOptions });
  const times = { turnaroundMs: 30, lateMs: [400, 400] as const, splitMs: 5 };
  const bus = memoryBus({ clock, slaves, framing: 'rtu', units: [1, 2], times });
  const channel: ModbusChannel = modbusChannel(modbusTcp, { host: 'memory', framing: 'rtu', timeout });
  const timing = { characterMs: 0, silenceMs: 2, pauseMs: 0, lateReplyWindowMs: 1000 };
  const deps = { clock, log: silentLogger, random: seededRandom(1) };
  const driver = new ModbusDriver(channel, new RtuLine(bus.transport, timing, clock), deps);
  await driver.connect(signal);
  const tag = (unit: number, address: string, more = {}) => modbusTag(unit, { address, ...more }, channel);
  /** Lets the simulated time run until the work is done. */
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    while (!isDone) await clock.advance(10);
    return done;
  };
  return { clock, slaves, bus, driver, tag, run, times };
}

describe('reading what no tag names', () => {
  it('gives registers and bits as they are, or why not', async () => {
    const { driver, run } = await bench({ missing: [7] });
    const block = { unit: 1, table: 'input', start: 4, count: 3 } as const;
    const items = [4, 5, 6].map((address) => expectedRegister(1, address, 1));
    expect(await run(driver.readRaw(block, signal))).toEqual({ ok: true, items });
    const bits = [10, 11, 12, 13].map((address) => Number(expectedBit(1, address)));
    const coils = { unit: 1, table: 'coil', start: 10, count: 4 } as const;
    expect(await run(driver.readRaw(coils, signal))).toEqual({ ok: true, items: bits });
    const refused = { ok: false, why: 'illegal-address', detail: 'Modbus exception 2' };
    expect(await run(driver.readRaw({ ...block, count: 4 }, signal))).toEqual(refused);
    expect(await run(driver.readRaw({ ...block, unit: 9 }, signal))).toMatchObject({ ok: false, why: 'timeout' });
  });
});

describe('reading', () => {
  it('stamps an answer with the middle between question and answer, on both clocks', async () => {
    const { clock, bus, driver, tag, run } = await bench();
    const [result] = await run(driver.read([tag(1, 'holding:5')], signal));
    const middleMs = bus.questions[0]!.atMs + 15;
    expect(result).toMatchObject({ ok: true, value: expectedRegister(1, 5, 1) });
    expect(result!.at.monoMs).toBeCloseTo(middleMs, 6);
    expect(result!.at.wallMs).toBe(Math.round(clock.wallMs() - (clock.monoMs() - middleMs)));
  });

  it('asks again after a damaged answer', async () => {
    const { bus, driver, tag, run } = await bench();
    bus.script.push('flip');
    expect(await run(driver.read([tag(1, 'holding:5')], signal))).toMatchObject([{ ok: true }]);
    expect(bus.questions).toHaveLength(2);
  });

  it('names each failure by its cause', async () => {
    const { bus, driver, tag, run } = await bench();
    expect(await run(driver.read([tag(4, 'holding:5')], signal))).toMatchObject([{ ok: false, why: 'timeout' }]);
    bus.script.push('wrong-unit', 'wrong-unit');
    expect(await run(driver.read([tag(1, 'holding:5')], signal))).toMatchObject([{ ok: false, why: 'garbled' }]);
  });

  it('one missing register costs no neighbour a value, from the first scan on', async () => {
    const { bus, driver, tag, run } = await bench({ missing: [37] });
    const tags = Array.from({ length: 100 }, (_, index) => tag(1, `holding:${index}`));
    const quality = async () =>
      (await run(driver.read(tags, signal))).map((result) => (result.ok ? 'good' : `${result.why}`));
    const first = await quality();
    expect(first.flatMap((word, index) => (word === 'good' ? [] : [`${index} ${word}`]))).toEqual([
      '37 illegal-address',
    ]);
    const spent = bus.questions.length;
    expect(spent).toBeLessThanOrEqual(17);
    expect(await quality()).toEqual(first);
    expect(bus.questions.length - spent, 'the hole is left out from now on').toBe(2);
  });

  it('spends a bounded number of requests a read on a map with many holes, and goes on at the next', async () => {
    const missing = Array.from({ length: 40 }, (_, index) => 2 * index);
    const { bus, driver, tag, run } = await bench({ missing });
    const tags = Array.from({ length: 80 }, (_, index) => tag(1, `holding:${index}`));
    let good = 0;
    for (let scan = 0; scan < 12 && good < 40; scan++) {
      const before = bus.questions.length;
      const results = await run(driver.read(tags, signal));
      good = results.filter(({ ok }) => ok).length;
      expect(bus.questions.length - before).toBeLessThanOrEqual(80 + 32);
    }
    expect(good).toBe(40);
  });

  it('spends no second try on a device whose last question went unanswered', async () => {
    const { bus, driver, tag, run } = await bench();
    const silent = [tag(4, 'holding:5')];
    await run(driver.read(silent, signal));
    expect(bus.questions).toHaveLength(2);
    await run(driver.read(silent, signal));
    expect(bus.questions).toHaveLength(3);
  });

  it('leaves second tries out once two devices fell silent, one after the other', async () => {
    const { bus, driver, tag, run } = await bench();
    await run(driver.read([tag(1, 'holding:5')], signal));
    for (const unit of [4, 5, 6]) await run(driver.read([tag(unit, 'holding:5')], signal));
    expect(bus.questions.map(({ bytes }) => bytes[0])).toEqual([1, 4, 4, 5, 5, 6]);
  });

  it('gives a silent device the time it needed before, and every fourth time all that is configured', async () => {
    const { bus, clock, driver, tag, run } = await bench({}, 2000);
    const tags = [tag(1, 'holding:5')];
    for (let answers = 0; answers < 20; answers++) await run(driver.read(tags, signal));
    const spentMs: number[] = [];
    for (let question = 0; question < 9; question++) {
      await clock.advance(5000);
      bus.script.push('silence', 'silence');
      const busyMs = () => (isObservable(driver) ? driver.statistics().devices['unit-1']!.busyMs : Number.NaN);
      const before = busyMs();
      await run(driver.read(tags, signal));
      spentMs.push(Math.round(busyMs() - before));
    }
    const [first, second, ...later] = spentMs;
    expect([first! > 2000, second! > 1900]).toEqual([true, true]);
    expect(later.map((ms) => ms > 1900)).toEqual([false, false, true, false, false, false, true]);
    expect(Math.max(...later.filter((ms) => ms < 1900))).toBeLessThan(200);
  });

  it('gives one that never spoke twice what its slowest neighbour needs, and every fourth time all that is configured', async () => {
    const { clock, driver, tag, run } = await bench({}, 2000);
    for (let answers = 0; answers < 20; answers++) await run(driver.read([tag(1, 'holding:5')], signal));
    const busyMs = () => (isObservable(driver) ? driver.statistics().devices['unit-4']!.busyMs : Number.NaN);
    const spentMs: number[] = [];
    for (let question = 0; question < 8; question++) {
      await clock.advance(6000);
      const before = question === 0 ? 0 : busyMs();
      await run(driver.read([tag(4, 'holding:5')], signal));
      spentMs.push(Math.round(busyMs() - before));
    }
    expect(spentMs.map((ms) => ms > 1900)).toEqual([true, true, false, false, true, false, false, false]);
    expect(Math.max(...spentMs.filter((ms) => ms < 1900))).toBeLessThan(200);
  });

  it('one dead neighbour does not take the second try of the next device', async () => {
    const { bus, driver, tag, run } = await bench();
    await run(driver.read([tag(4, 'holding:0')], signal));
    bus.script.push('lost-question');
    expect(await run(driver.read([tag(1, 'holding:0')], signal))).toMatchObject([{ ok: true }]);
  });

  it('a hundred registers that take their time are read whenever they are asked, beside quick ones', async () => {
    const { slaves, driver, tag, run, times } = await bench({}, 1000);
    const answer = slaves.answer;
    slaves.answer = (unit, pdu) => {
      times.turnaroundMs = 8 * ((pdu[3]! << 8) | pdu[4]!);
      return answer(unit, pdu);
    };
    const quick = [tag(1, 'holding:500')];
    const slow = Array.from({ length: 100 }, (_, index) => tag(1, `holding:${index}`));
    for (let scan = 0; scan < 40; scan++) await run(driver.read(quick, signal));
    for (let scan = 0; scan < 40; scan++) {
      const results = [...(await run(driver.read(slow, signal))), ...(await run(driver.read(quick, signal)))];
      expect(results.filter(({ ok }) => !ok)).toEqual([]);
    }
  });

  it('keeps the period of a living slave among dead ones', async () => {
    const { clock, driver, tag, run } = await bench();
    const living = [tag(1, 'holding:0')];
    const dead = Array.from({ length: 31 }, (_, index) => [tag(10 + index, 'holding:0')]);
    let good = 0;
    for (let second = 0; second < 10; second++) {
      const startedMs = clock.monoMs();
      const results = await Promise.all([run(driver.read(living, signal)), run(driver.read(dead[second]!, signal))]);
      if (results[0]![0]!.ok) good++;
      expect(clock.monoMs() - startedMs).toBeLessThan(1000);
    }
    expect(good).toBe(10);
  });

  it('counts what happened, by device', async () => {
    const { bus, driver, tag, run } = await bench();
    bus.script.push('flip', undefined, 'exception');
    await run(driver.read([tag(1, 'holding:5')], signal));
    await run(driver.read([tag(1, 'holding:5')], signal));
    const statistics = isObservable(driver) ? driver.statistics() : undefined;
    expect(statistics!.devices['unit-1']).toMatchObject({ garbled: 1, timeouts: 0, timeoutMs: 100 });
    expect(statistics!.devices['unit-1']!.responseMs!.p50).toBeCloseTo(30, 6);
    expect(statistics!.utilisation).toBeGreaterThan(0);
    expect(Object.values(statistics!.devices['unit-1']!.exceptions)).not.toEqual([]);
  });
});

function functionsAsked(bus: { questions: readonly { bytes: Uint8Array }[] }): number[] {
  return bus.questions.map(({ bytes }) => bytes[1]!);
}

describe('writing', () => {
  const cases: [string, string, Record<string, unknown>, Value][] = [
    ['a coil (FC 5)', 'coil:3', {}, true],
    ['a register (FC 6)', 'holding:3', { type: 'int16' }, -5],
    ['a float (FC 16)', 'holding:3', { type: 'float32', order: 'CDAB' }, 1.5],
    ['a bit of a register (FC 22)', 'holding:3.4', { type: 'bool' }, true],
  ];

  it.each(cases)('%s is read back', async (_what, address, more, value) => {
    const { driver, tag, run } = await bench();
    const written = isWritable(driver) ? run(driver.write(tag(1, address, more), value, signal)) : undefined;
    expect(await written).toEqual({ ok: true, readBack: value });
  });

  it.each(cases)('%s finds another function where its own is not known', async (_what, address, more, value) => {
    const { driver, tag, run } = await bench({ functions: [1, 3, 15, 16] });
    expect(await run(driver.write(tag(1, address, more), value, signal))).toEqual({ ok: true, readBack: value });
  });

  it('is a mismatch when the device acknowledges and forgets', async () => {
    const { driver, tag, run } = await bench({ ignoresWrites: true });
    const written = await run(driver.write(tag(1, 'holding:3'), 5, signal));
    expect(written).toMatchObject({ ok: false, kind: 'mismatch' });
  });

  it('is sent once: what a lost answer leaves open, looking later decides', async () => {
    const { bus, driver, tag, run } = await bench();
    bus.script.push('silence');
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toEqual({ ok: true, readBack: 5 });
    expect(functionsAsked(bus).filter((code) => code !== 3)).toEqual([6]);
  });

  it('has the configured deadline, however fast reads are answered', async () => {
    const { bus, driver, tag, run } = await bench({}, 800);
    for (let answers = 0; answers < 20; answers++) await run(driver.read([tag(1, 'holding:5')], signal));
    const before = bus.questions.length;
    bus.script.push('late');
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toEqual({ ok: true, readBack: 5 });
    expect(functionsAsked(bus).slice(before)).toEqual([6, 3]);
  });

  it('is looked at again and again where the device is at work, and never sent twice (exception 05)', async () => {
    const { bus, driver, tag, run } = await bench({ writeExceptions: [5] });
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toEqual({ ok: true, readBack: 5 });
    const forgetful = await bench({ writeExceptions: [5], ignoresWrites: true });
    const written = await forgetful.run(forgetful.driver.write(forgetful.tag(1, 'holding:3'), 5, signal));
    expect(written).toMatchObject({ ok: false, kind: 'unknown', holds: expect.any(Number) });
    expect([bus, forgetful.bus].map((each) => functionsAsked(each).filter((code) => code === 6).length)).toEqual([
      1, 1,
    ]);
  });

  it('is sent again after a pause where the device was too busy to accept it (exception 06)', async () => {
    const { bus, driver, tag, run } = await bench({ writeExceptions: [6, 6] });
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toEqual({ ok: true, readBack: 5 });
    expect(functionsAsked(bus)).toEqual([6, 6, 6, 3]);
    expect(bus.questions[1]!.atMs - bus.questions[0]!.atMs).toBeGreaterThanOrEqual(100);
  });

  it('is unknown when the connection is lost after it was sent', async () => {
    const { clock, bus, driver, tag } = await bench();
    bus.script.push('silence');
    const written = driver.write(tag(1, 'holding:3'), 5, signal);
    for (let waited = 0; waited < 50; waited += 10) await clock.advance(10);
    bus.cut();
    for (let waited = 0; waited < 2000; waited += 10) await clock.advance(10);
    expect(await written).toMatchObject({
      ok: false,
      kind: 'unknown',
      why: expect.stringContaining('after the write'),
    });
  });

  it.each([['BADC'], ['DCBA']])('of a bit reaches that bit in the order %s', async (order) => {
    for (const functions of [undefined, [3, 6], [3, 16]]) {
      const { slaves, driver, tag, run } = await bench({ functions });
      slaves.registers.set('1/3', 0);
      const bit = tag(1, 'holding:3.4', { type: 'bool', order });
      expect(await run(driver.write(bit, true, signal))).toEqual({ ok: true, readBack: true });
      expect(slaves.registers.get('1/3')).toBe(0x1000);
    }
  });

  it('of a range of bits leaves the others as they are', async () => {
    const { slaves, driver, tag, run } = await bench();
    slaves.registers.set('1/3', 0xffff);
    expect(await run(driver.write(tag(1, 'holding:3.4-7'), 5, signal))).toEqual({ ok: true, readBack: 5 });
    expect(slaves.registers.get('1/3')).toBe(0xff5f);
  });

  it.each([
    ['a register', 'holding:3', {}, 5, [3, 16]],
    ['a coil', 'coil:3', {}, true, [1, 15]],
    ['a float, one register after the other', 'holding:3', { type: 'float32' }, 1.5, [3, 6]],
    ['a bit of a register', 'holding:3.4', { type: 'bool' }, true, [3, 16]],
  ] as [string, string, object, Value, number[]][])(
    '%s finds the other function where its own meets silence',
    async (...given) => {
      const [, address, more, value, known] = given;
      const silentTo = [5, 6, 15, 16, 22].filter((code) => !known.includes(code));
      const { slaves, bus, driver, tag, run } = await bench({ silentTo });
      for (const register of ['1/3', '1/4']) slaves.registers.set(register, 0x0100);
      const written = await run(driver.write(tag(1, address, { ...more }), value, signal));
      if (!address.startsWith('holding')) {
        expect(written, 'a coil cannot be asked without harm').toMatchObject({ ok: false, kind: 'unknown' });
        return;
      }
      expect(written).toEqual({ ok: true, readBack: value });
      // What it does not know is not tried again.
      const before = bus.questions.length;
      expect(await run(driver.write(tag(1, address, { ...more }), value, signal))).toEqual({
        ok: true,
        readBack: value,
      });
      expect(
        functionsAsked(bus)
          .slice(before)
          .filter((code) => silentTo.includes(code)),
      ).toEqual([]);
    },
  );

  it('that is slow for longer than its deadline twice is not undone by asking whether its function is known', async () => {
    const { clock, slaves, bus, driver, tag } = await bench();
    slaves.registers.set('1/3', 0x0100);
    bus.script.push('lost-question');
    const written = driver.write(tag(1, 'holding:3'), 5, signal);
    for (let waited = 0; waited < 500; waited += 10) await clock.advance(10);
    slaves.registers.set('1/3', 5);
    for (let waited = 0; waited < 3000; waited += 10) await clock.advance(10);
    expect(await written).toEqual({ ok: true, readBack: 5 });
    expect(functionsAsked(bus).filter((code) => code !== 3)).toEqual([6]);
  });

  it.each(['flip', 'wrong-function'] as const)('whose answer is damaged (%s) is not sent again', async (fault) => {
    const { slaves, bus, driver, tag, run } = await bench({ ignoresWrites: true });
    slaves.registers.set('1/3', 0x0100);
    bus.script.push(fault);
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toMatchObject({ kind: 'unknown', holds: 0x0100 });
    expect(functionsAsked(bus).filter((code) => code !== 3)).toEqual([6]);
  });

  it('uses one function only where the file says so', async () => {
    const { bus, driver, tag, run } = await bench();
    const given = tag(1, 'holding:3');
    const several = { ...given, address: { ...given.address, writeFunction: 'multiple' as const } };
    expect(await run(driver.write(several, 5, signal))).toEqual({ ok: true, readBack: 5 });
    expect(functionsAsked(bus)).toEqual([16, 3]);
  });

  it('reads a value with a scale factor back as it was written', async () => {
    const { slaves, driver, tag, run } = await bench();
    slaves.registers.set('1/9', 0xffff);
    const given = tag(1, 'holding:3', { type: 'int16' });
    const scaled = { ...given, address: { ...given.address, scaleAt: 9 } };
    expect(await run(driver.write(scaled, 230.4, signal))).toEqual({ ok: true, readBack: 230.4 });
    expect(slaves.registers.get('1/3')).toBe(2304);
  });

  it('says that it is unknown when nothing answers, and that it was refused when the device says so', async () => {
    const { driver, tag, run } = await bench({ endOfMap: 2 });
    expect(await run(driver.write(tag(9, 'holding:1'), 5, signal))).toMatchObject({ ok: false, kind: 'unknown' });
    expect(await run(driver.write(tag(1, 'holding:3'), 5, signal))).toMatchObject({ ok: false, kind: 'refused' });
    expect(await run(driver.write(tag(1, 'input:1'), 5, signal))).toMatchObject({ ok: false, kind: 'refused' });
  });
});

describe('a channel', () => {
  it('has the defaults of the contract', () => {
    expect(modbusRtu.checkChannel({ port: '/dev/ttyUSB0' })).toMatchObject({
      ok: true,
      value: { timeoutMs: 1000, retries: 1, serial: { baud: 19_200, parity: 'even', stopBits: 1, dataBits: 8 } },
    });
    expect(modbusTcp.checkChannel({ host: 'plc' })).toMatchObject({ ok: true, value: { port: 502, pipeline: 1 } });
    expect(DRIVERS.map(({ type }) => type)).toEqual(expect.arrayContaining(['modbus-tcp', 'modbus-rtu']));
  });

  it('says how to write what is wrong', () => {
    const shape = z.object(modbusTcp.channelShape());
    const messages = (options: unknown) =>
      shape
        .safeParse(options)
        .error?.issues.map(({ message }) => message)
        .join();
    expect(messages({ host: 'plc', timeout: 300 })).toContain('300ms');
    const ascii = modbusRtu.checkChannel({ port: '/dev/ttyUSB0', dataBits: 7 });
    expect(!ascii.ok && ascii.problems[0]!.message).toContain('Write dataBits: 8');
  });

  it('estimates requests and line time', () => {
    const channel = modbusChannel(modbusRtu, { port: '/dev/ttyUSB0' });
    const tags = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((start) => modbusTag(3, { address: `holding:${start}` }, channel));
    const { requests } = modbusRtu.estimate(channel, tags);
    // 8 + 25 characters of 11 bits, two silences of 3.5 characters, 5 ms of thought.
    expect(requests).toHaveLength(1);
    expect(requests[0]!.lineMs).toBeCloseTo((40 * 11_000) / 19_200 + 5, 6);
  });

  it('names the cause and the remedy when it cannot be opened', async () => {
    const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
    const refused = modbusTcp.create(modbusChannel(modbusTcp, { host: '127.0.0.1', port: 9 }), deps);
    await expect(refused.connect(signal)).rejects.toThrow('127.0.0.1:9: connection refused. Is the port right');
    const absent = modbusRtu.create(modbusChannel(modbusRtu, { port: '/dev/no-such-port' }), deps);
    await expect(absent.connect(signal)).rejects.toThrow('/dev/no-such-port: no such port. There');
  });
});
