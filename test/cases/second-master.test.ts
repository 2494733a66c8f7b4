import { expect, it } from 'vitest';
import { ModbusDriver } from '../../hal/modbus/driver.ts';
import { RtuLine } from '../../hal/modbus/line/rtu-line.ts';
import { modbusTcp } from '../../hal/modbus/type.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { memoryBus } from '../double/modbus-memory.ts';
import { expectedRegister, modbusSlaves, rtuFrame } from '../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../double/modbus-tags.ts';

const { signal } = new AbortController();
const FOREIGN_QUESTION = rtuFrame(1, Uint8Array.of(3, 0, 200, 0, 1));
const FOREIGN_ANSWER = rtuFrame(1, Uint8Array.of(3, 2, 0xde, 0xad));

function bench() {
  const clock = new SimulatedClock();
  const slaves = modbusSlaves({ units: [1, 2] });
  const times = { turnaroundMs: 30, lateMs: [400, 400] as const, splitMs: 5 };
  const bus = memoryBus({ clock, slaves, framing: 'rtu', units: [1, 2], times });
  const channel = modbusChannel(modbusTcp, { host: 'memory', framing: 'rtu', timeout: 300 });
  const timing = { characterMs: 0, silenceMs: 2, pauseMs: 0, lateReplyWindowMs: 1000 };
  const deps = { clock, log: silentLogger, random: seededRandom(1) };
  const driver = new ModbusDriver(channel, new RtuLine(bus.transport, timing, clock), deps);
  const read = async (unit: number) => {
    const work = driver.read([modbusTag(unit, { address: 'holding:0' }, channel)], signal);
    let isDone = false;
    void work.finally(() => {
      isDone = true;
    });
    while (!isDone) await clock.advance(5);
    return (await work)[0]!;
  };
  return { clock, bus, slaves, driver, read };
}

it.each(['before our question', 'after our question'])(
  "the answer to another master's question is never ours: asked %s",
  async (when) => {
    const { clock, bus, slaves, driver, read } = bench();
    await driver.connect(signal);
    for (let scan = 0; scan < 20; scan++) {
      const scans = slaves.scans(1);
      if (when === 'before our question') bus.inject(FOREIGN_QUESTION);
      const reading = read(1);
      await clock.advance(3);
      if (when === 'after our question') bus.inject(FOREIGN_QUESTION);
      await clock.advance(5);
      bus.inject(FOREIGN_ANSWER);
      const result = await reading;
      if (result.ok) {
        const ours = Array.from({ length: slaves.scans(1) - scans }, (_, index) =>
          expectedRegister(1, 0, scans + 1 + index),
        );
        expect(ours).toContain(result.value);
        expect(result.doubt).toBe('other-master');
      }
      await clock.advance(1000);
    }
  },
);

it('makes every reading of the line uncertain while it is heard, and no longer', async () => {
  const { clock, bus, driver, read } = bench();
  await driver.connect(signal);
  expect(await read(2)).not.toHaveProperty('doubt');
  bus.inject(FOREIGN_QUESTION);
  bus.inject(FOREIGN_ANSWER);
  await clock.advance(100);
  expect(await read(2)).toMatchObject({ ok: true, doubt: 'other-master' });
  await clock.advance(61_000);
  expect(await read(2)).not.toHaveProperty('doubt');
});
