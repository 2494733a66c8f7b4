import { describe, expect, it } from 'vitest';
import { type SearchProgress, searchLine } from '../../../../hal/modbus/search/discover.ts';
import { type LineSetting, longestMs, planSearch, settingText } from '../../../../hal/modbus/search/discover-plan.ts';
import type { Transport, TransportEvents } from '../../../../hal/transport.ts';
import { SimulatedClock } from '../../../../src/core/simulated-clock.ts';
import { modbusSlaves, rtuFrame } from '../../../double/modbus-slave.ts';

interface Bus {
  readonly setting: string;
  readonly units: readonly number[];
  /** How long a slave thinks, ms. */
  readonly thinksMs?: number;
  /** What comes at another setting of the same baud rate. */
  readonly garbage?: Uint8Array;
  readonly functions?: readonly number[];
}

/** Slaves that hear and speak at one setting only, on a simulated clock. */
function bench(bus: Bus) {
  const clock = new SimulatedClock(0, 'promises');
  const slaves = modbusSlaves({ units: bus.units, ...(bus.functions ? { functions: bus.functions } : {}) });
  const questions: { setting: string; bytes: Uint8Array }[] = [];
  const open = (setting: LineSetting): Transport => {
    let tell: TransportEvents | undefined;
    const name = settingText(setting);
    return {
      async connect(events) {
        tell = events;
      },
      write(bytes) {
        questions.push({ setting: name, bytes: bytes.slice() });
        const isRight = name === bus.setting;
        const isNear = name.split(' ')[0] === bus.setting.split(' ')[0];
        const pdu = slaves.answer(bytes[0]!, bytes.slice(1, -2));
        const answer = isRight && pdu ? rtuFrame(bytes[0]!, pdu) : isNear && pdu ? bus.garbage : undefined;
        if (answer) clock.after(bus.thinksMs ?? 8, () => tell?.onBytes(answer));
      },
      verify() {},
      async close() {
        tell = undefined;
      },
    };
  };
  const search = async (
    over: Partial<Parameters<typeof searchLine>[0]> = {},
    signal = new AbortController().signal,
  ) => {
    const result = searchLine({ open, limits: {}, timeoutMs: undefined, all: false, clock, ...over }, signal);
    let isOver = false;
    void result.finally(() => {
      isOver = true;
    });
    while (!isOver) await clock.advance(250);
    return result;
  };
  return { clock, questions, search, open };
}

const names = (found: readonly { setting: LineSetting; unit: number }[]) =>
  found.map(({ setting, unit }) => `${settingText(setting)} unit ${unit}`);

describe('a search on a serial line', () => {
  it('finds a factory-fresh slave with its first question', async () => {
    const { search, questions } = bench({ setting: '9600 8N1', units: [1] });
    const { found, isComplete } = await search();
    expect(names(found)).toEqual(['9600 8N1 unit 1']);
    expect(isComplete).toBe(true);
    expect(new Set(questions.map(({ setting }) => setting))).toEqual(new Set(['9600 8N1']));
  });

  it('finds an unlikely unit at an unlikely setting', async () => {
    const { search } = bench({ setting: '57600 8O1', units: [147] });
    const { found, tookMs } = await search();
    expect(names(found)).toEqual(['57600 8O1 unit 147']);
    expect(tookMs).toBeLessThan(5.5 * 60_000);
  });

  it('asks every unit once a setting answers, and stays there', async () => {
    const units = [2, 31, 32, 200, 247];
    const { search } = bench({ setting: '19200 8E1', units });
    expect(names((await search()).found)).toEqual(units.map((unit) => `19200 8E1 unit ${unit}`));
  });

  it('finds slaves that answer after the sweep has gone on to the next units', async () => {
    for (const thinksMs of [30, 60, 95, 150]) {
      const { search } = bench({ setting: '38400 8N1', units: [147], thinksMs });
      const { found } = await search({ limits: { bauds: [38400], parities: ['none'], stopBits: [1] } });
      expect(names(found), `${thinksMs} ms`).toEqual(['38400 8N1 unit 147']);
    }
    // Nobody is asked after the last unit of all that are not likely.
    const { search } = bench({ setting: '38400 8N1', units: [246], thinksMs: 90 });
    const { found } = await search({ limits: { bauds: [38400], parities: ['none'], stopBits: [1] } });
    expect(names(found)).toEqual(['38400 8N1 unit 246']);
  });

  it.each([
    ['the last unit that is asked', '9600 8N1', 246, 19],
    ['a slow one at a slow setting', '1200 8N1', 246, 90],
  ])('takes no longer than was announced when %s is the one there', async (_what, setting, unit, thinksMs) => {
    const { search } = bench({ setting, units: [unit], thinksMs });
    const limits = { bauds: [Number(setting.split(' ')[0])], parities: ['none'], stopBits: [1] } as const;
    const { found, tookMs } = await search({ limits });
    expect(names(found)).toEqual([`${setting} unit ${unit}`]);
    const announcedMs = longestMs(limits, undefined, false);
    expect(tookMs).toBeLessThanOrEqual(announcedMs);
    expect(tookMs).toBeGreaterThan(announcedMs / 2);
  });

  it('counts an exception as an answer', async () => {
    const { search } = bench({ setting: '9600 8N1', units: [5], functions: [4] });
    expect(names((await search()).found)).toEqual(['9600 8N1 unit 5']);
  });

  it('follows a sign of life: the same baud rate with another parity comes next', async () => {
    const heard = bench({ setting: '4800 8O1', units: [3], garbage: Uint8Array.of(0x83, 0x11, 0xf0) });
    const silent = bench({ setting: '4800 8O1', units: [3] });
    const settingsUntilFound = async ({ search, questions }: ReturnType<typeof bench>) => {
      await search();
      return new Set(questions.map(({ setting }) => setting)).size;
    };
    expect(await settingsUntilFound(heard)).toBeLessThan(await settingsUntilFound(silent));
    const { heard: signs } = await bench({
      setting: '4800 8O1',
      units: [3],
      garbage: Uint8Array.of(0x83, 0x11, 0xf0),
    }).search();
    expect(signs.map(settingText)).toContain('4800 8N1');
  });

  it('looks on at all settings when it is told to', async () => {
    const { search, questions } = bench({ setting: '9600 8N1', units: [1] });
    const limits = { bauds: [9600, 19200], parities: ['none'], stopBits: [1], units: [1, 2] } as const;
    const { found } = await search({ limits, all: true });
    expect(names(found)).toEqual(['9600 8N1 unit 1']);
    expect(new Set(questions.map(({ setting }) => setting))).toEqual(new Set(['9600 8N1', '19200 8N1']));
  });

  it('ends at the signal with what it has', async () => {
    const end = new AbortController();
    const { search } = bench({ setting: '9600 8N1', units: [1, 100] });
    const onProgress = ({ found }: SearchProgress) => found > 0 && end.abort();
    const { found, isComplete } = await search({ onProgress }, end.signal);
    expect(names(found)).toEqual(['9600 8N1 unit 1']);
    expect(isComplete).toBe(false);
  });

  it('tells how far it is, never backwards, and the time left comes true', async () => {
    const told: { done: number; leftMs: number; atMs: number }[] = [];
    const { search, clock } = bench({ setting: '9600 8N1', units: [] });
    const limits = { bauds: [9600, 19200], units: Array.from({ length: 60 }, (_, index) => index + 1) };
    const onProgress = ({ done, leftMs }: SearchProgress) => told.push({ done, leftMs, atMs: clock.monoMs() });
    const { tookMs } = await search({ limits, onProgress });
    expect(told.every(({ done }, index) => index === 0 || done >= told[index - 1]!.done)).toBe(true);
    const half = told[Math.floor(told.length / 2)]!;
    expect(half.leftMs / (tookMs - half.atMs)).toBeGreaterThan(0.8);
    expect(half.leftMs / (tookMs - half.atMs)).toBeLessThan(1.25);
  });

  it('sends nothing but reads of one register, whatever answers', async () => {
    const { search, questions } = bench({ setting: '2400 8N1', units: [9, 77], functions: [4] });
    await search({ limits: { bauds: [2400, 9600] } });
    expect(questions.length).toBeGreaterThan(200);
    for (const { bytes } of questions) {
      expect([3, 4]).toContain(bytes[1]);
      expect([...bytes.slice(2, 6)]).toEqual([0, 0, 0, 1]);
      expect(bytes).toEqual(rtuFrame(bytes[0]!, bytes.slice(1, -2)));
    }
  });
});

describe('the order of a search', () => {
  it('begins with what leaves the factory most and with the default of the norm', () => {
    const order = [...new Set(planSearch({}, undefined).map(({ setting }) => settingText(setting)))];
    expect(order.slice(0, 4)).toEqual(['9600 8N1', '19200 8E1', '9600 8E1', '19200 8N1']);
    expect(order).toHaveLength(48);
  });

  it('asks every unit at every setting of the norm once by holding registers', () => {
    const asked = planSearch({}, undefined)
      .filter(({ table }) => table === 'holding')
      .flatMap(({ setting, units }) => units.map((unit) => `${settingText(setting)} ${unit}`));
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked).toHaveLength(48 * 247);
  });

  it('keeps to the limits', () => {
    const steps = planSearch({ bauds: [57600], parities: ['odd'], stopBits: [1], units: [147] }, 50);
    expect(steps.map(({ table }) => table)).toEqual(['holding', 'input']);
    for (const step of steps) expect(step).toMatchObject({ units: [147], allowanceMs: 50 });
  });
});
