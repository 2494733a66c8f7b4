import fc from 'fast-check';
import ModbusClient from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import { PRESS_REGISTERS, pressBuilds, startPlant } from '../../../hal/mock/plant.ts';
import { newPress, PRESS_STEP_MS, type Press, type PressBuild, stepPress } from '../../../hal/mock/press.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';

/** Every state of a press from the start to `minutes` later. */
function shift(build: PressBuild, minutes: number): Press[] {
  const states = [newPress(build)];
  for (let step = 0; step < (minutes * 60_000) / PRESS_STEP_MS; step++) states.push(stepPress(states.at(-1)!, build));
  return states;
}

const minuteOf = (index: number): number => (index * PRESS_STEP_MS) / 60_000;

describe('a press', () => {
  it('wears slowly, then fast, trips within ten minutes, and comes back with a new bearing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
        const states = shift(pressBuilds(seed)[1], 16);
        const firstAbove = (limit: number) => minuteOf(states.findIndex(({ vibrationMmS }) => vibrationMmS > limit));
        const trip = minuteOf(states.findIndex(({ mode }) => mode === 'fault'));
        expect(firstAbove(2.8)).toBeGreaterThan(2);
        expect(firstAbove(4.5) - firstAbove(2.8)).toBeGreaterThan(0);
        expect(firstAbove(7.1)).toBeLessThanOrEqual(trip);
        expect(trip).toBeGreaterThan(7);
        expect(trip).toBeLessThan(12);
        const after = states.findIndex(({ mode }, index) => minuteOf(index) > trip + 0.1 && mode === 'running');
        expect(states[after]!.wear).toBeLessThan(0.01);
      }),
      { numRuns: 10 },
    );
  });

  it('counts up only, jams as its build says, and stays within what such a machine shows', () => {
    const build = pressBuilds(7)[2];
    const states = shift(build, 12);
    states.forEach((press, index) => {
      const before = states[index - 1];
      if (before) {
        expect(press.parts - before.parts).toBeGreaterThanOrEqual(0);
        expect(press.parts - before.parts).toBeLessThanOrEqual(1);
        expect(Math.abs(press.oilCelsius - before.oilCelsius)).toBeLessThan(0.1);
      }
      expect(press.rejects).toBeLessThanOrEqual(press.parts);
      expect(press.oilCelsius).toBeGreaterThan(20);
      expect(press.oilCelsius).toBeLessThan(90);
      expect(press.pressureBar).toBeLessThan(build.peakBar * 1.05);
      expect(press.faultCode === 0).toBe(press.mode === 'running');
    });
    expect(states.find(({ strokes }) => strokes === build.jamsAtStroke)).toMatchObject({ mode: 'jam', faultCode: 10 });
    expect(states.at(-1)!.parts).toBeGreaterThan(120);
    expect(Math.max(...states.map(({ pressureBar }) => pressureBar))).toBeGreaterThan(build.peakBar * 0.95);
  });

  it('gives the same shift for the same seed', () => {
    expect(shift(pressBuilds(7)[1], 3).at(-1)).toEqual(shift(pressBuilds(7)[1], 3).at(-1));
    expect(shift(pressBuilds(7)[1], 3).at(-1)).not.toEqual(shift(pressBuilds(8)[1], 3).at(-1));
  });
});

describe('the plant on its port', () => {
  async function bench() {
    const clock = new SimulatedClock();
    const plant = await startPlant({ port: 0, seed: 7, clock });
    const client = new ModbusClient.default();
    await client.connectTCP('127.0.0.1', { port: plant.port });
    client.setTimeout(2000);
    const close = async () => {
      await new Promise<void>((resolve) => client.close(() => resolve()));
      await plant.close();
      await plant.close();
    };
    return { clock, client, close };
  }

  it('shows what the presses do, each under its unit', async () => {
    const { clock, client, close } = await bench();
    const parts = async (unit: number) => {
      client.setID(unit);
      return (await client.readInputRegisters(2, 2)).buffer.readUInt32BE(0);
    };
    expect(await parts(1)).toBe(0);
    await clock.advance(30_000);
    const builds = pressBuilds(7);
    expect(await parts(1)).toBe(shift(builds[1], 0.5).at(-1)!.parts);
    expect(await parts(2)).toBe(shift(builds[2], 0.5).at(-1)!.parts);
    client.setID(1);
    const { buffer } = await client.readHoldingRegisters(100, 9);
    const oilCelsius = Buffer.concat([buffer.subarray(2, 4), buffer.subarray(0, 2)]).readFloatBE(0);
    expect(oilCelsius).toBeCloseTo(shift(builds[1], 0.5).at(-1)!.oilCelsius, 3);
    await close();
  });

  it('press 2 falls silent and later refuses, press 1 goes on', async () => {
    const { clock, client, close } = await bench();
    await clock.advance(76_000);
    client.setID(2);
    client.setTimeout(20);
    await expect(client.readInputRegisters(0, 1)).rejects.toThrow('Timed out');
    client.setTimeout(2000);
    client.setID(1);
    expect((await client.readInputRegisters(0, 1)).data).toHaveLength(1);
    await clock.advance(64_500);
    client.setID(2);
    await expect(client.readInputRegisters(0, 1)).rejects.toMatchObject({ modbusCode: 4 });
    await close();
  });

  it('has one register for each name, without holes inside a table', () => {
    expect(new Set(PRESS_REGISTERS.map(({ tag }) => tag)).size).toBe(PRESS_REGISTERS.length);
    for (const table of ['input', 'holding']) {
      const own = PRESS_REGISTERS.filter((entry) => entry.table === table && entry.bit === undefined);
      own.slice(1).forEach(({ start }, index) => {
        const before = own[index]!;
        expect(start).toBe(before.start + (before.type.endsWith('32') ? 2 : 1));
      });
    }
  });
});
