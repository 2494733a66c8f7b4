import { describe, expect, it } from 'vitest';
import { identifyUnit, newDevice } from '../../../hal/modbus/device.ts';
import { RtuLine } from '../../../hal/modbus/line/rtu-line.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { memoryBus } from '../../double/modbus-memory.ts';
import { modbusSlaves } from '../../double/modbus-slave.ts';

const { signal } = new AbortController();

/** A slave that answers as the test says; undefined is silence. */
async function identify(answer: (pdu: Uint8Array) => number[] | undefined) {
  const clock = new SimulatedClock();
  const slaves = {
    ...modbusSlaves({ units: [] }),
    has: (unit: number) => unit === 9,
    answer: (unit: number, pdu: Uint8Array) => {
      const bytes = unit === 9 ? answer(pdu) : undefined;
      return bytes && Uint8Array.from(bytes);
    },
  };
  const times = { turnaroundMs: 5, lateMs: [400, 400] as const, splitMs: 5 };
  const bus = memoryBus({ clock, slaves, framing: 'rtu', units: [9], times });
  const timing = { characterMs: 0, silenceMs: 2, pauseMs: 0, lateReplyWindowMs: 1000 };
  const line = new RtuLine(bus.transport, timing, clock);
  await line.open(signal);
  const work = identifyUnit(
    { line, clock, retries: 0, fallen: new Set(), neighbours: new Map() },
    newDevice(100),
    9,
    signal,
  );
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  while (!isDone) await clock.advance(10);
  return { said: await done, asked: bus.questions.map(({ bytes }) => [...bytes.slice(1, -2)]) };
}

const text = (words: string): number[] => [...Buffer.from(words, 'latin1')];
const object = (id: number, words: string): number[] => [id, words.length, ...text(words)];

describe('who a unit is', () => {
  it('comes in several answers where one does not hold it', async () => {
    const { said, asked } = await identify(([code, , category, first]) => {
      if (code !== 0x2b) return [code! | 0x80, 1];
      if (first === 0) return [0x2b, 14, category!, 0x82, 0xff, 2, 2, ...object(0, 'ACME'), ...object(1, 'P1')];
      return [0x2b, 14, category!, 0x82, 0, 0, 1, ...object(2, 'v2')];
    });
    expect(said).toEqual({
      isThere: true,
      names: { vendor: 'ACME', productCode: 'P1', revision: 'v2' },
      serverId: undefined,
      serverText: undefined,
    });
    expect(asked).toEqual([[0x2b, 14, 2, 0], [0x2b, 14, 2, 2], [17]]);
  });

  it('is asked in the basic form where the regular one is refused', async () => {
    const { said } = await identify(([code, , category]) => {
      if (code === 0x2b && category === 1) return [0x2b, 14, 1, 1, 0, 0, 1, ...object(0, 'ACME')];
      return [code! | 0x80, 3];
    });
    expect(said.names).toEqual({ vendor: 'ACME' });
  });

  it('is found in the words of a server id', async () => {
    const { said } = await identify(([code]) =>
      code === 17 ? [17, 10, 0xb4, 0xff, ...text('METER-7 ')] : [code! | 0x80, 1],
    );
    expect(said).toMatchObject({ isThere: true, names: {}, serverText: 'METER-7' });
  });

  it('stays open for a device that knows neither function, which is there all the same', async () => {
    const { said } = await identify(([code]) => [code! | 0x80, 1]);
    expect(said).toEqual({ isThere: true, names: {}, serverId: undefined, serverText: undefined });
  });

  it('is nobody where nothing answers', async () => {
    const { said, asked } = await identify(() => undefined);
    expect(said.isThere).toBe(false);
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  it('does not go round in circles with a device that always says that more follows', async () => {
    const { asked } = await identify(([code, , category, first]) =>
      code === 0x2b ? [0x2b, 14, category!, 0x82, 0xff, (first! + 1) & 0xff, 0] : [code! | 0x80, 1],
    );
    expect(asked.length).toBeLessThanOrEqual(40);
  });
});
