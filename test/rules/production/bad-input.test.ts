/** What goes wrong in a plant: each line of what a machine may do to its accounts, and what the report then says. */
import { describe, expect, it } from 'vitest';
import { PRODUCTION_DOUBTS } from '../../../src/core/production/production.ts';
import { HOUR, MIN, MONDAY, machineConfig, TestMachine } from './machine.ts';

const SIX = MONDAY + 6 * HOUR;
const TWO = MONDAY + 14 * HOUR;
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

describe('the power goes', () => {
  it.each([-60, -3, -1, 0, 1, 2, 3, 60])('%i s from the end of a shift: it is told once, and its time adds up', (s) => {
    const machine = new TestMachine(machineConfig());
    let parts = 0;
    for (let at = TWO - 10 * MIN; at <= TWO + s * 1000; at += 1000) machine.say(at, { parts: ++parts, running: true });
    machine.tick(TWO + s * 1000);
    machine.restart(false);
    const back = TWO + 20 * MIN;
    for (let at = back; at <= back + 5000; at += 1000) machine.say(at, { parts: ++parts, running: true });
    machine.restart(false);
    machine.tick(back + MIN);
    expect(machine.reports).toHaveLength(1);
    const [report] = machine.reports;
    expect(report).toMatchObject({ from: SIX, to: TWO, plannedMs: 8 * HOUR });
    const { runMs, noDataMs, busyMs, unplannedMs, setupMs } = report!;
    expect(runMs + noDataMs + unplannedMs + setupMs).toBe(busyMs);
    // Ten minutes were seen; what was written last may be ten seconds older than the cut.
    expect(runMs).toBeGreaterThanOrEqual(10 * MIN - 11_000 + Math.min(0, s * 1000));
    expect(runMs).toBeLessThanOrEqual(10 * MIN);
  });

  it('in a stop that lasts over the end of the shift: one stop, one number, and one reason for all of it', () => {
    const machine = new TestMachine(machineConfig());
    for (let at = TWO - HOUR; at <= TWO - 10 * MIN; at += 10_000)
      machine.say(at, { running: at < TWO - 30 * MIN, code: 10 });
    machine.restart(false);
    for (let at = TWO + 5 * MIN; at <= TWO + 6 * MIN; at += 1000) machine.say(at, { running: false, code: 10 });
    expect(machine.reports).toMatchObject([{ failures: 1, stops: [{ n: 1, reason: 'jam' }] }]);
    expect(machine.told.filter((each) => (each as unknown[])[0] === 'stopped')).toHaveLength(1);
  });
});

describe('the ideal cycle is wrong', () => {
  it('by half: performance is above 1 as it is, and the report says what is wrong', () => {
    const machine = new TestMachine(machineConfig({ idealCycle: { by: 'fixed', ms: 4000 } }));
    for (let at = SIX; at <= SIX + HOUR; at += 10_000) machine.say(at, { parts: (at - SIX) / 2000, running: true });
    const report = machine.report(SIX + HOUR);
    expect(report).toMatchObject({ count: 1800, performance: 2, uncertain: ['performance-above-1'] });
    expect(PRODUCTION_DOUBTS['performance-above-1']).toContain('idealCycle');
  });

  it('by far: what the machine cannot have made is not counted, and the report says which key is to be looked at', () => {
    const machine = new TestMachine(machineConfig({ idealCycle: { by: 'fixed', ms: 20_000 } }));
    for (let at = SIX; at <= SIX + HOUR; at += 60_000) machine.say(at, { parts: (at - SIX) / 2000, running: true });
    expect(machine.report(SIX + HOUR).uncertain).toContain('counter-spike');
    expect(PRODUCTION_DOUBTS['counter-spike']).toContain('maxRate');
  });
});

describe('the clocks are set in the night', () => {
  it.each([
    ['forward', Date.UTC(2026, 2, 28, 22), 7],
    ['back', Date.UTC(2026, 9, 24, 21), 9],
  ])('%s: the shift is as long as those who work it know, its stop as long as it was', (_title, from, hours) => {
    const shifts = [
      { name: 'night', days: EVERY_DAY, fromMin: 1320, toMin: 1800, breaks: [{ fromMin: 1530, toMin: 1560 }] },
    ];
    const machine = new TestMachine(machineConfig({ shifts }));
    for (let minute = 0; minute <= hours * 60 + 1; minute += 0.25) {
      // Down for an hour, over the moment at which the clocks are set.
      const isDown = minute >= (hours === 7 ? 150 : 210) && minute < (hours === 7 ? 210 : 270);
      machine.say(from + minute * MIN, { running: !isDown, parts: 1 });
    }
    const [report] = machine.reports;
    expect(report).toMatchObject({ from, to: from + hours * HOUR, breakMs: 30 * MIN, noDataMs: 0 });
    expect(report!.stops).toHaveLength(1);
    const [stop] = report!.stops;
    expect(stop!.to - stop!.from).toBeLessThanOrEqual(HOUR);
    expect(report!.runMs + stop!.ms).toBe(report!.busyMs);
  });
});

describe('readings', () => {
  it('that are bad in turns leave their time without data, and count on afterwards', () => {
    const machine = new TestMachine(machineConfig());
    for (let second = 0; second <= 3600; second += 10) {
      const isBad = second % 600 >= 300;
      machine.say(
        SIX + second * 1000,
        isBad ? { parts: undefined, running: undefined } : { parts: second, running: true },
      );
    }
    const report = machine.report(SIX + HOUR);
    expect(report).toMatchObject({ noDataMs: 30 * MIN, runMs: 30 * MIN, stops: [] });
    // What was made while nobody could read is caught up with, as far as the machine can have made it.
    expect(report.count).toBeGreaterThan(3000);
  });

  it('that repeat, or come late, change nothing', () => {
    const [once, again] = [new TestMachine(machineConfig()), new TestMachine(machineConfig())];
    for (let at = SIX; at <= SIX + HOUR; at += 10_000) {
      const said = { parts: (at - SIX) / 2000, running: at < SIX + 20 * MIN || at > SIX + 30 * MIN };
      once.say(at, said);
      again.say(at, said);
      again.say(at, said);
      if (at > SIX + MIN) again.say(at - 30_000, { parts: 0, running: false });
    }
    expect(again.report(SIX + HOUR)).toEqual(once.report(SIX + HOUR));
    expect(again.told).toEqual(once.told);
  });
});
