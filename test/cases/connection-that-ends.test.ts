import { describe, expect, it } from 'vitest';
import { isObservable, isWritable, NotConnected, type ReadResult } from '../../hal/driver.ts';
import { ModbusDriver } from '../../hal/modbus/driver.ts';
import { KeptLine } from '../../hal/modbus/line/kept-line.ts';
import { MbapLine } from '../../hal/modbus/line/mbap-line.ts';
import { modbusTcp } from '../../hal/modbus/type.ts';
import type { Transport, TransportEvents } from '../../hal/transport.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { expectedRegister, mbapFrame, modbusSlaves } from '../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../double/modbus-tags.ts';

/** How a device treats its connections. */
interface Manners {
  /** Ends a connection that was idle for so long, ms. */
  idleMs?: number;
  /** Ends the connection with each answer. */
  oneShot?: boolean;
  /** Ends the connection in place of an answer for this unit. */
  hangsUpOn?: number;
  /** Takes what is sent, carries it out, and ends the connection. */
  losesAnswers?: boolean;
  /** Takes no new connection. */
  refuses?: boolean;
}

const { signal } = new AbortController();

async function bench(manners: Manners, options: Record<string, unknown> = {}) {
  const clock = new SimulatedClock();
  const slaves = modbusSlaves({ units: [11, 12, 13] });
  const seen = { connections: 0, asked: [] as number[] };
  let tell: TransportEvents | undefined;
  let cancelIdle = () => {};
  const end = (): void => {
    cancelIdle();
    const told = tell;
    tell = undefined;
    told?.onLost(new NotConnected('plc: the device closed the connection. Is it on?'));
  };
  const expectIdle = (): void => {
    cancelIdle();
    if (manners.idleMs !== undefined) cancelIdle = clock.after(manners.idleMs, end);
  };
  const transport: Transport = {
    async connect(events, stop) {
      stop.throwIfAborted();
      await clock.sleep(1, stop);
      if (manners.refuses) throw new NotConnected('plc: connection refused. Is it on?');
      seen.connections++;
      tell = events;
      expectIdle();
    },
    write(bytes) {
      const unit = bytes[6]!;
      seen.asked.push(unit);
      expectIdle();
      if (manners.hangsUpOn === unit) return void clock.after(300, end);
      const answer = slaves.answer(unit, bytes.slice(7))!;
      if (manners.losesAnswers) return void clock.after(5, end);
      const frame = mbapFrame((bytes[0]! << 8) | bytes[1]!, unit, answer);
      clock.after(5, () => {
        tell?.onBytes(frame);
        if (manners.oneShot) end();
      });
    },
    verify() {},
    async close() {
      cancelIdle();
      tell = undefined;
    },
  };
  const channel = modbusChannel(modbusTcp, { host: 'plc', retries: 0, ...options });
  const mbap = new MbapLine(transport, { pipeline: 1, pauseMs: channel.pauseMs, lateReplyWindowMs: 2000 }, clock);
  const { connectPauseMs, closeAfterMs } = channel;
  const line = new KeptLine(mbap, { connectPauseMs, closeAfterMs }, clock);
  const driver = new ModbusDriver(channel, line, { clock, log: silentLogger, random: seededRandom(1) });
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    while (!isDone) await clock.advance(1);
    return done;
  };
  await run(driver.connect(signal));
  const tag = (unit: number, address = 'holding:0') => modbusTag(unit, { address }, channel);
  const read = async (unit: number, address?: string): Promise<ReadResult> =>
    (await run(driver.read([tag(unit, address)], signal)))[0]!;
  return { clock, seen, driver, manners, tag, read, run };
}

const words = (results: readonly ReadResult[]) => results.map((result) => (result.ok ? 'good' : result.why));

describe('a device that ends connections', () => {
  it('may end an idle one: it is opened again at once, and no reading is lost', async () => {
    const { clock, seen, read } = await bench({ idleMs: 2000 });
    const results: ReadResult[] = [];
    for (let scan = 0; scan < 5; scan++) {
      results.push(await read(11));
      await clock.advance(2100);
      const { connections } = seen;
      await clock.advance(2900);
      expect(connections).toBe(2 * scan + 2);
    }
    expect(words(results)).toEqual(['good', 'good', 'good', 'good', 'good']);
    expect(seen.asked).toHaveLength(5);
  });

  it('may end each with its answer: it is asked by one connection each, and once for each reading', async () => {
    const { seen, read } = await bench({ oneShot: true });
    const results: ReadResult[] = [];
    for (let scan = 0; scan < 10; scan++) results.push(await read(11), await read(13));
    expect(new Set(words(results))).toEqual(new Set(['good']));
    expect(seen.asked.length - results.length).toBeLessThanOrEqual(2);
  });

  it('is charged with a connection that ends when it is asked; its neighbours are answered', async () => {
    const { seen, driver, read } = await bench({ hangsUpOn: 12 });
    const results: ReadResult[] = [];
    for (let scan = 0; scan < 4; scan++) for (const unit of [11, 12, 13]) results.push(await read(unit));
    const charged = words(results).map((word, index) => (index % 3 === 1 && word !== 'good' ? 'bad' : word));
    expect(charged).toEqual(Array.from({ length: 4 }, () => ['good', 'bad', 'good']).flat());
    expect(words(results)).toContain('not-connected');
    // Until it is known to be silent it is asked again on a new connection: the old one may have ended for another reason.
    expect(seen.asked.filter((unit) => unit === 12).length).toBeLessThanOrEqual(6);
    expect(isObservable(driver) && driver.statistics().reconnects).toBeGreaterThan(3);
  });

  it('leaves a write unknown that it may have carried out, and reading back decides', async () => {
    const { driver, manners, tag, run } = await bench({});
    if (!isWritable(driver)) throw new Error('a Modbus driver writes');
    manners.losesAnswers = true;
    const unknown = run(driver.write(tag(11), 4711, signal));
    expect(await unknown).toMatchObject({ ok: false, kind: 'failed' });
    manners.losesAnswers = false;
    expect((await run(driver.read([tag(11)], signal)))[0]).toMatchObject({ ok: true, value: 4711 });
  });

  it('that takes no connection any more is not connected, and is there again when it takes one', async () => {
    const { clock, driver, manners, read, run } = await bench({ idleMs: 1000 });
    expect((await read(11)).ok).toBe(true);
    manners.refuses = true;
    await clock.advance(5000);
    await expect(read(11)).rejects.toThrow(NotConnected);
    manners.refuses = false;
    await run(driver.close());
    await run(driver.connect(signal));
    expect(await read(11)).toMatchObject({ ok: true, value: expectedRegister(11, 0, 2) });
  });
});

describe('a connection', () => {
  it('rests before its first question when it is told to', async () => {
    const { clock, read } = await bench({}, { connectPause: 500 });
    expect(clock.monoMs()).toBeGreaterThanOrEqual(500);
    expect((await read(11)).ok).toBe(true);
  });

  it('is closed when it was idle for so long, and opened by the next question', async () => {
    const { clock, seen, read } = await bench({}, { closeAfter: 1000 });
    await read(11);
    await clock.advance(5000);
    expect(seen.connections).toBe(1);
    expect((await read(11)).ok).toBe(true);
    expect(seen.connections).toBe(2);
  });
});
