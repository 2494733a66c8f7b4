import { describe, expect, it } from 'vitest';
import { questionOf } from '../../../../hal/modbus/line/frame.ts';
import { type Line, newCounters, type Outcome } from '../../../../hal/modbus/line/line.ts';
import { MbapLine } from '../../../../hal/modbus/line/mbap-line.ts';
import { RtuLine } from '../../../../hal/modbus/line/rtu-line.ts';
import { silenceMsOf } from '../../../../hal/modbus/line/timing.ts';
import { characterMsOn } from '../../../../hal/serial/settings.ts';
import { SimulatedClock } from '../../../../src/core/simulated-clock.ts';
import type { Fault } from '../../../double/modbus-faults.ts';
import { memoryBus } from '../../../double/modbus-memory.ts';
import { expectedRegister, mbapFrame, modbusSlaves, rtuFrame } from '../../../double/modbus-slave.ts';

const TIMEOUT_MS = 100;
const WINDOW_MS = 1000;
const UNITS = [1, 2];
const BAUD = 19_200;

interface Over {
  readonly foreignUnit?: 'accept' | 'refuse';
  readonly echo?: 'auto' | 'yes' | 'no';
}

async function bench(framing: 'rtu' | 'mbap', pipeline = 1, lateMs = 400, over: Over = {}) {
  const { foreignUnit = 'accept', echo = 'auto' } = over;
  const foreign: [number, number][] = [];
  const onForeignUnit = (asked: number, answered: number) => void foreign.push([asked, answered]);
  const clock = new SimulatedClock();
  const slaves = modbusSlaves({ units: UNITS });
  const times = { turnaroundMs: 30, lateMs: [lateMs, lateMs] as const, splitMs: 5 };
  const bus = memoryBus({ clock, slaves, framing, units: UNITS, times });
  const timing = {
    characterMs: characterMsOn({ port: '', baud: BAUD, parity: 'even', dataBits: 8, stopBits: 1 }),
    silenceMs: silenceMsOf(BAUD),
    pauseMs: 0,
    lateReplyWindowMs: WINDOW_MS,
    echo,
  };
  const line: Line =
    framing === 'rtu'
      ? new RtuLine(bus.transport, timing, clock)
      : new MbapLine(
          bus.transport,
          { pipeline, pauseMs: 0, lateReplyWindowMs: WINDOW_MS, foreignUnit, onForeignUnit },
          clock,
        );
  await line.open(new AbortController().signal);
  const counters = newCounters();
  const ask = (unit: number, start: number, count = 4, attemptOf: object = {}): Promise<Outcome> => {
    const question = questionOf({ kind: 'read', unit, table: 'holding', start, count });
    return line.ask({ question, timeoutMs: TIMEOUT_MS, counters, attemptOf });
  };
  /** A write whose answer has the very bytes of the question. */
  const write = (unit: number): Promise<Outcome> => {
    const question = questionOf({ kind: 'write-register', unit, start: 7, register: 42 });
    return line.ask({ question, timeoutMs: TIMEOUT_MS, counters, attemptOf: {} });
  };
  /** A write that its device does not answer, of which the adapter gives back the question. */
  const echoOnly = async (): Promise<Outcome['kind']> => {
    bus.script.push('silence');
    const outcome = write(1);
    await clock.advance(20);
    bus.inject(rtuFrame(1, Uint8Array.of(6, 0, 7, 0, 42)));
    await clock.advance(500);
    return (await outcome).kind;
  };
  return { clock, slaves, bus, line, counters, ask, write, echoOnly, foreign };
}

function firstRegister(outcome: Outcome): number | undefined {
  return outcome.kind === 'answer' ? (outcome.data[0]! << 8) | outcome.data[1]! : undefined;
}

describe('an RTU line', () => {
  it('keeps the silence of 3.5 characters from the last byte of an answer, and wastes no more', async () => {
    const { clock, bus, ask } = await bench('rtu');
    const both = Promise.all([ask(1, 0), ask(2, 0)]);
    await clock.advance(200);
    await both;

    const [first, second] = bus.questions;
    const answeredMs = first!.atMs + 30;
    expect(second!.atMs - answeredMs).toBeGreaterThanOrEqual(silenceMsOf(BAUD) - 1e-6);
    expect(second!.atMs - answeredMs).toBeLessThan(silenceMsOf(BAUD) + 0.01);
  });

  it('never gives the late answer of one question to the next, and asks others meanwhile', async () => {
    const { clock, slaves, bus, counters, ask } = await bench('rtu');
    bus.script.push('late');
    const late = ask(1, 0);
    await clock.advance(200);
    const next = ask(1, 500);
    const neighbour = ask(2, 500);
    await clock.advance(100);

    expect((await late).kind).toBe('timeout');
    expect(firstRegister(await neighbour)).toBe(expectedRegister(2, 500, 1));
    await clock.advance(1200);
    expect(firstRegister(await next)).toBe(expectedRegister(1, 500, slaves.scans(1)));
    expect(counters.lateReplies).toBe(1);
  });

  it('takes the late answer of the same question for its second try, and then waits for the other', async () => {
    const { clock, bus, ask } = await bench('rtu', 1, 180);
    const attemptOf = {};
    bus.script.push('late');
    const first = ask(1, 0, 4, attemptOf);
    await clock.advance(160);
    expect((await first).kind).toBe('timeout');
    const second = ask(1, 0, 4, attemptOf);
    await clock.advance(40);
    expect(firstRegister(await second)).toBe(expectedRegister(1, 0, 1));

    const other = ask(1, 500);
    await clock.advance(500);
    expect(bus.questions).toHaveLength(2);
    await clock.advance(1000);
    expect(firstRegister(await other)).toBe(expectedRegister(1, 500, 3));
  });

  it('asks at once what no owed answer could be taken for, but believes no exception then', async () => {
    const { clock, bus, ask } = await bench('rtu');
    bus.script.push('silence', undefined, 'exception');
    const outcomes = Promise.all([ask(1, 0, 4), ask(1, 0, 7)]);
    await clock.advance(400);
    expect((await outcomes).map(({ kind }) => kind)).toEqual(['timeout', 'answer']);
    const refused = ask(1, 0, 9);
    await clock.advance(300);
    expect((await refused).kind).toBe('garbled');
  });

  it('lets one question wait for a late answer, and gives the next of that unit back unasked', async () => {
    const { clock, bus, ask } = await bench('rtu');
    bus.script.push('silence');
    const lost = ask(1, 0);
    await clock.advance(200);
    await lost;
    const waits = ask(1, 500);
    const refused = await ask(1, 600);
    expect(refused.kind).toBe('not-asked');
    await clock.advance(1500);
    expect((await waits).kind).toBe('answer');
  });

  it('asks for a register more while an answer is owed, and again so a minute after two of those were lost', async () => {
    const { clock, bus, line, counters } = await bench('rtu');
    const read = (start: number): Promise<Outcome> => {
      const question = questionOf({ kind: 'read', unit: 1, table: 'holding', start, count: 4 });
      return line.ask({ question, timeoutMs: TIMEOUT_MS, counters, attemptOf: {}, widest: 9 });
    };
    /** Registers that the question after a lost one asks for at once, or waits for. */
    const lostAndNext = async (...faults: Fault[]): Promise<number> => {
      bus.script.push('silence', ...faults);
      const lost = read(0);
      await clock.advance(200);
      const next = read(500);
      await clock.advance(3000);
      await Promise.all([lost, next]);
      return bus.questions.at(-1)!.bytes[5]!;
    };
    expect(await lostAndNext()).toBe(5);
    for (let times = 0; times < 2; times++) await lostAndNext('silence');
    expect(await lostAndNext()).toBe(4);
    await clock.advance(60_000);
    expect(await lostAndNext()).toBe(5);
  });

  it.each(['echo', 'split', 'noise', 'duplicated'] as const)('%s: the answer is found', async (fault) => {
    const { clock, bus, ask } = await bench('rtu');
    bus.script.push(fault);
    const outcome = ask(1, 0);
    await clock.advance(400);
    expect(firstRegister(await outcome)).toBe(expectedRegister(1, 0, 1));
  });

  describe('an adapter that gives back what is sent', () => {
    it.each(['auto', 'yes'] as const)('echo: %s: its echo is no acknowledgement of a write', async (echo) => {
      const { clock, bus, ask, write, echoOnly, line } = await bench('rtu', 1, 400, { echo });
      bus.script.push('echo', 'echo');
      const read = ask(1, 0);
      await clock.advance(200);
      expect((await read).kind).toBe('answer');
      const answered = write(1);
      await clock.advance(200);
      expect((await answered).kind).toBe('answer');
      expect(line.counters.echoes).toBe(2);

      expect(await echoOnly()).toBe('timeout');
    });

    it('echo: yes holds before the first question', async () => {
      const { echoOnly } = await bench('rtu', 1, 400, { echo: 'yes' });
      expect(await echoOnly()).toBe('timeout');
    });

    it('echo: no: bytes like the question are what the device sent', async () => {
      const { echoOnly, line } = await bench('rtu', 1, 400, { echo: 'no' });
      expect(await echoOnly()).toBe('answer');
      expect(line.counters.echoes).toBe(0);
    });
  });

  it.each(['wrong-unit', 'wrong-function', 'wrong-length', 'truncated', 'flip'] as const)(
    '%s: it is no answer, and counted',
    async (fault) => {
      const { clock, bus, counters, ask } = await bench('rtu');
      bus.script.push(fault);
      const outcome = ask(1, 0);
      await clock.advance(400);
      expect((await outcome).kind).toBe('garbled');
      expect(counters.garbled).toBeGreaterThan(0);
    },
  );

  it('counts what comes uncalled, and keeps silent until it ends', async () => {
    const { clock, bus, line, ask } = await bench('rtu');
    await clock.advance(50);
    bus.inject(rtuFrame(5, Uint8Array.of(3, 0, 0, 0, 1)));
    const outcome = ask(1, 0);
    await clock.advance(200);
    expect((await outcome).kind).toBe('answer');
    expect(line.counters.unsolicitedBytes).toBe(8);
    expect(bus.questions[0]!.atMs).toBeGreaterThanOrEqual(50 + silenceMsOf(BAUD) - 1e-6);
  });

  it('ends everything as lost when the plug is pulled', async () => {
    const { bus, ask } = await bench('rtu');
    const outcomes = Promise.all([ask(1, 0), ask(2, 0)]);
    bus.cut();
    expect((await outcomes).map(({ kind }) => kind)).toEqual(['lost', 'lost']);
  });
});

describe('a Modbus TCP line', () => {
  it('has as many questions under way as its pipeline says, each with its own answer', async () => {
    const { clock, bus, ask } = await bench('mbap', 3);
    const outcomes = Promise.all([0, 100, 200, 300].map((start) => ask(1, start)));
    await clock.advance(10);
    expect(bus.questions).toHaveLength(3);
    await clock.advance(200);
    const found = (await outcomes).map(firstRegister);
    expect(found).toEqual([0, 100, 200, 300].map((start, index) => expectedRegister(1, start, index + 1)));
  });

  it('drops a late answer by its transaction id and goes on at once', async () => {
    const { clock, bus, counters, ask } = await bench('mbap');
    bus.script.push('late');
    const outcomes = Promise.all([ask(1, 0), ask(1, 500)]);
    await clock.advance(600);
    const [late, next] = await outcomes;
    expect(late!.kind).toBe('timeout');
    expect(firstRegister(next!)).toBe(expectedRegister(1, 500, 2));
    expect(counters.lateReplies).toBe(1);
  });

  it('takes the answer of another unit by its transaction id, and says so', async () => {
    const { clock, bus, ask, foreign } = await bench('mbap');
    bus.script.push('wrong-unit');
    const outcome = ask(1, 0);
    await clock.advance(200);
    expect(firstRegister(await outcome)).toBe(expectedRegister(1, 0, 1));
    expect(foreign).toEqual([[1, 2]]);
  });

  it('refuses the answer of another unit where it is told to, and names that unit', async () => {
    const { clock, bus, ask } = await bench('mbap', 1, 400, { foreignUnit: 'refuse' });
    bus.script.push('wrong-unit');
    const outcome = ask(1, 0);
    await clock.advance(200);
    expect(await outcome).toMatchObject({ kind: 'garbled', detail: expect.stringContaining('unit 2 answered') });
  });

  it('loses nothing by a greeting, signs of life between answers, and noise before one', async () => {
    const { clock, bus, ask } = await bench('mbap');
    bus.inject(new TextEncoder().encode('Welcome'));
    const first = ask(1, 0);
    await clock.advance(200);
    bus.inject(Uint8Array.of(0, 0, 0, 0, 0, 16));
    bus.script.push('noise');
    const second = ask(1, 0);
    await clock.advance(10);
    bus.inject(mbapFrame(2, 1, Uint8Array.of(3, 8, 1, 2, 3, 4, 5, 6, 7, 8)));
    await clock.advance(200);
    expect([firstRegister(await first), firstRegister(await second)]).toEqual([expectedRegister(1, 0, 1), 0x0102]);
  });

  it('says what came in place of an answer, and makes a new connection when nothing ever fits', async () => {
    const { clock, bus, ask } = await bench('mbap');
    const withAnother = async () => {
      bus.script.push('silence');
      const outcome = ask(1, 0);
      bus.inject(mbapFrame(999, 1, Uint8Array.of(3, 8, 1, 2, 3, 4, 5, 6, 7, 8)));
      await clock.advance(200);
      return outcome;
    };
    for (let tries = 0; tries < 4; tries++)
      expect(await withAnother()).toMatchObject({
        kind: 'garbled',
        detail: expect.stringContaining('transaction 999'),
      });
    expect(await withAnother()).toMatchObject({ kind: 'lost', wasSent: true });
  });
});
