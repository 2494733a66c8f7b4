/** What a machine made of its shift: stops, reasons, counters, clocks and power cuts, each by what its report says. */
import { describe, expect, it } from 'vitest';
import { HOUR, MIN, MONDAY, machineConfig, type Said, TestMachine } from './machine.ts';

const SIX = MONDAY + 6 * HOUR;
const TWO = MONDAY + 14 * HOUR;

/** A machine that makes a part every 2 s while it runs and nobody has a break; `stops` are from and to, minutes from six. */
function shiftOf(
  stops: readonly (readonly [number, number, Said?])[],
  { config = machineConfig(), every = 10_000, until = TWO + 10_000, before = SIX } = {},
): TestMachine {
  const machine = new TestMachine(config);
  let parts = 1000;
  for (let at = before; at <= until; at += every) {
    const stop = stops.find(([from, to]) => at >= SIX + from * MIN && at < SIX + to * MIN);
    machine.say(at, { parts: Math.floor(parts), rejects: 7, running: !stop, code: 0, ...stop?.[2] });
    const isBreak = at >= SIX + 210 * MIN && at < SIX + 225 * MIN;
    if (!stop && !isBreak) parts += every / 2000;
  }
  return machine;
}

describe('the time of a shift', () => {
  it('is run, but for breaks and stops; a short stop is a micro-stop and stays run time', () => {
    const [report] = shiftOf([
      [60, 90],
      [120, 124],
    ]).reports;
    expect(report).toMatchObject({
      ...{ shift: 'early', from: SIX, to: TWO, plannedMs: 8 * HOUR, breakMs: 15 * MIN, busyMs: 465 * MIN },
      ...{ runMs: 435 * MIN, unplannedMs: 30 * MIN, microStops: 1, microStopMs: 4 * MIN, noDataMs: 0 },
      ...{
        failures: 1,
        mttrMs: 30 * MIN,
        mtbfMs: 435 * MIN,
        unknownMs: 30 * MIN,
        unknownShare: 1,
        uncertain: [],
      },
      stops: [
        { n: 1, from: SIX + 60 * MIN, to: SIX + 90 * MIN, ms: 30 * MIN, kind: 'unplanned', reason: null },
        { n: 2, from: SIX + 120 * MIN, to: SIX + 124 * MIN, ms: 4 * MIN, kind: 'micro', reason: null },
      ],
    });
    expect(report!.availability).toBe((435 * MIN) / (465 * MIN));
  });

  it('counts what of a stop is in a break as break', () => {
    const [report] = shiftOf([[200, 230]]).reports;
    expect(report).toMatchObject({ unplannedMs: 15 * MIN, runMs: 450 * MIN, breakMs: 15 * MIN });
    expect(report!.stops).toMatchObject([{ from: SIX + 200 * MIN, to: SIX + 230 * MIN, ms: 15 * MIN }]);
  });

  it('has no data where nothing was read, and where the running signal was bad', () => {
    const machine = new TestMachine(machineConfig());
    for (let at = SIX; at <= TWO + 5000; at += 5000) {
      const minute = (at - SIX) / MIN;
      if (minute > 60 && minute < 70) continue;
      machine.say(at, { parts: 1, running: minute >= 100 && minute < 103 ? undefined : true });
    }
    expect(machine.reports[0]).toMatchObject({ noDataMs: 13 * MIN, runMs: (465 - 13) * MIN, stops: [] });
  });

  it('begins without data when the gateway starts within the shift', () => {
    const [report] = shiftOf([], { before: SIX + 60 * MIN }).reports;
    expect(report).toMatchObject({ from: SIX, noDataMs: 60 * MIN, runMs: 405 * MIN });
  });

  it('is closed two seconds after its end though nothing more is read, and gaps of days have their reports', () => {
    const machine = shiftOf([], { until: TWO });
    expect(machine.reports).toEqual([]);
    machine.tick(TWO + 2000);
    expect(machine.reports).toMatchObject([{ to: TWO, noDataMs: 0 }]);
    machine.tick(TWO + 48 * HOUR + 2000);
    expect(machine.reports.slice(1)).toMatchObject([
      { from: SIX + 24 * HOUR, runMs: 0, noDataMs: 465 * MIN },
      { from: SIX + 48 * HOUR, runMs: 0, noDataMs: 465 * MIN },
    ]);
  });

  it('carries a stop over the end of a shift: one number, each shift its part', () => {
    const late = { name: 'late', days: [1], fromMin: 840, toMin: 1320, breaks: [] };
    const config = machineConfig();
    const machine = shiftOf([[470, 500]], {
      config: { ...config, shifts: [...config.shifts, late] },
      until: MONDAY + 22 * HOUR + 10_000,
    });
    expect(machine.reports.map(({ shift, unplannedMs, stops }) => [shift, unplannedMs, stops])).toEqual([
      ['early', 10 * MIN, [{ n: 1, from: SIX + 470 * MIN, to: TWO, ms: 10 * MIN, kind: 'unplanned', reason: null }]],
      ['late', 20 * MIN, [{ n: 1, from: TWO, to: TWO + 20 * MIN, ms: 20 * MIN, kind: 'unplanned', reason: null }]],
    ]);
    expect(machine.told.map((each) => (each as unknown[])[0])).toEqual(['stopped', 'shift', 'started', 'shift']);
  });
});

describe('a machine without a running signal', () => {
  it('runs while it counts', () => {
    const config = machineConfig({ running: undefined });
    const [report] = shiftOf([[60, 90]], { config }).reports;
    expect(report).toMatchObject({ runMs: 435 * MIN, unplannedMs: 30 * MIN, microStops: 0, noDataMs: 0 });
  });

  it('has a micro-stop where no part came for some cycles, and no data where its counter was bad', () => {
    const machine = new TestMachine(machineConfig({ running: undefined }));
    let parts = 0;
    for (let at = SIX; at <= TWO + 5000; at += 5000) {
      const minute = (at - SIX) / MIN;
      const isBad = minute > 100 && minute < 103;
      machine.say(at, { parts: isBad ? undefined : parts });
      if (minute < 60 || minute >= 62) parts += 2;
    }
    expect(machine.reports[0]).toMatchObject({ microStops: 1, microStopMs: 2 * MIN, noDataMs: 3 * MIN });
    expect(machine.reports[0]!.count).toBe(2 * ((8 * 60 - 2) * 12));
  });
});

describe('reasons', () => {
  it('come from the tag, with their kinds', () => {
    const [report] = shiftOf([
      [60, 90, { code: 20 }],
      [120, 150, { code: 30 }],
      [240, 260, { code: 10 }],
      [270, 280, { code: 77 }],
    ]).reports;
    expect(report).toMatchObject({
      setupMs: 30 * MIN,
      busyMs: 435 * MIN,
      unplannedMs: 30 * MIN,
      unknownMs: 0,
      failures: 2,
    });
    expect(report!.stops.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['setup', 'changeover'],
      ['planned', 'no order'],
      ['unplanned', 'jam'],
      ['unplanned', '77'],
    ]);
    expect(report!.runMs).toBe(375 * MIN);
  });

  it('of a person outrank the tag, are audited with the value before, and may be for a stop that goes on', () => {
    const machine = shiftOf([[60, 90, { code: 10 }]], { until: SIX + 70 * MIN });
    expect(machine.code(SIX + 70 * MIN + 1, { code: 'changeover' })).toBeUndefined();
    machine.say(SIX + 70 * MIN + 5000, { running: false, code: 10 });
    expect(machine.report(SIX + 70 * MIN + 5000)).toMatchObject({
      stops: [{ n: 1, reason: 'changeover', kind: 'setup' }],
    });
    expect(machine.events.at(-1)).toMatchObject({
      ...{
        kind: 'audit',
        what: 'stop-reason',
        machine: 'press-1',
        stop: 1,
        before: 'jam',
        reason: 'changeover',
        by: 'kim',
      },
    });
    expect(machine.events.at(-2)).toMatchObject({
      kind: 'production',
      change: 'coded',
      stop: 1,
      before: 'jam',
      to: null,
    });
    expect(machine.code(SIX + 70 * MIN + 6000, { code: '99' })).toContain('press-1 has no reason "99"');
    expect(machine.code(SIX + 70 * MIN + 6000, { code: '10', stop: 9 })).toContain('no stop 9');
  });

  it('given after the shift make a new report of it', () => {
    const machine = shiftOf([[60, 90]], { until: TWO + 10_000 });
    expect(machine.code(TWO + 11_000, { code: '30', stop: 1 })).toBeUndefined();
    const [first, revised] = machine.reports;
    expect(first).toMatchObject({ unplannedMs: 30 * MIN, unknownShare: 1 });
    expect(revised).toMatchObject({
      unplannedMs: 0,
      unknownShare: null,
      busyMs: 435 * MIN,
      runMs: 435 * MIN,
      from: SIX,
    });
    expect(machine.report(TWO + 12_000)).toEqual(revised);
  });

  it('split a stop and join two, and no minute is lost', () => {
    const machine = shiftOf(
      [
        [60, 90],
        [95, 105],
      ],
      { until: SIX + 110 * MIN },
    );
    const before = machine.report(SIX + 110 * MIN);
    expect(machine.code(SIX + 110 * MIN + 1, { code: '20', stop: 1, fromMs: SIX + 80 * MIN })).toBeUndefined();
    const split = machine.report(SIX + 110 * MIN);
    expect(split).toMatchObject({ unplannedMs: 30 * MIN, setupMs: 10 * MIN, runMs: before.runMs });
    expect(split.stops.map(({ n, ms }) => [n, ms / MIN])).toEqual([
      [1, 20],
      [3, 10],
      [2, 10],
    ]);
    expect(machine.code(SIX + 110 * MIN + 2, { code: '10', stop: 3, join: 2 })).toBeUndefined();
    const joined = machine.report(SIX + 110 * MIN);
    expect(joined).toMatchObject({ unplannedMs: 40 * MIN, setupMs: 0, runMs: before.runMs, failures: 2 });
    expect(machine.code(SIX + 110 * MIN + 3, { code: '10', stop: 3, join: 1 })).toContain('do not follow one another');
    expect(machine.code(SIX + 110 * MIN + 3, { code: '10', stop: 1, fromMs: SIX })).toContain('not within stop 1');
  });
});

describe('stops of shifts that are over', () => {
  const DAY = 24 * HOUR;

  /** A month of shifts with stops from 07:00 to 07:30 and from 07:35 to 07:45 on the first day, and of 10 min each day. */
  function month(): TestMachine {
    const machine = new TestMachine(machineConfig({ silenceMs: 10 * MIN }));
    for (let day = 0; day < 31; day++)
      for (let minute = 0; minute <= 485; minute += 5) {
        const isStop = (minute >= 60 && minute < 90) || (day === 0 && minute >= 95 && minute < 105);
        machine.say(SIX + day * DAY + minute * MIN, { parts: day * 97 + minute / 5, running: !isStop, code: 0 });
      }
    return machine;
  }
  const NOW = SIX + 31 * DAY;
  const told = (machine: TestMachine) =>
    machine.events
      .slice(-4)
      .map((body) => (body.kind === 'production' ? [body.change, body.stop] : [body.kind, body.before]));

  it('a month ago: coded, and coded once more, with the value before', () => {
    const machine = month();
    expect(machine.code(NOW, { code: '20', stop: 1 })).toBeUndefined();
    expect(machine.code(NOW + 1, { code: 'jam', stop: 1 })).toBeUndefined();
    expect(machine.shifts[0]).toMatchObject({ unplannedMs: 40 * MIN, setupMs: 0, unknownMs: 10 * MIN });
    expect(machine.events.at(-1)).toMatchObject({ what: 'stop-reason', stop: 1, before: 'changeover', reason: 'jam' });
    expect(machine.events.at(-2)).toMatchObject({ change: 'shift', revised: true, from: SIX });
    expect(machine.reports).toHaveLength(31 + 2);
  });

  it('a month ago: split, and joined again, to the first report', () => {
    const machine = month();
    const [before] = machine.shifts;
    const newest = machine.state.n;
    expect(machine.code(NOW, { code: '20', stop: 1, fromMs: SIX + 80 * MIN })).toBeUndefined();
    const split = machine.shifts[0]!;
    expect(split).toMatchObject({ setupMs: 10 * MIN, unplannedMs: 30 * MIN, failures: 2, runMs: before!.runMs });
    expect(split.stops.map(({ n, ms, reason }) => [n, ms / MIN, reason])).toEqual([
      [1, 20, null],
      [newest + 1, 10, 'changeover'],
      [2, 10, null],
    ]);
    expect(told(machine)).toEqual([
      ['shift', null],
      ['coded', newest + 1],
      ['shift', null],
      ['audit', null],
    ]);
    expect(machine.code(NOW + 1, { code: '10', stop: newest + 1, join: 2 })).toBeUndefined();
    expect(machine.code(NOW + 2, { code: '10', stop: 1, join: newest + 1 })).toBeUndefined();
    expect(machine.events.at(-1)).toMatchObject({ joined: newest + 1, joinedBefore: 'jam', before: null });
    const joined = machine.shifts[0]!;
    expect(joined).toMatchObject({ unplannedMs: 40 * MIN, setupMs: 0, failures: 1, runMs: before!.runMs });
    expect(joined.stops).toMatchObject([{ n: 1, from: SIX + 60 * MIN, to: SIX + 105 * MIN, ms: 40 * MIN }]);
    expect(machine.code(NOW + 3, { code: '10', stop: 1, join: 4 })).toContain('do not follow one another');
    expect(machine.code(NOW + 3, { code: '10', stop: 1, fromMs: TWO })).toContain('not within stop 1');
  });

  /** Down from Monday 13:30 to Wednesday 06:30: three shifts have a part of it. */
  function longStop(until: number): TestMachine {
    const machine = new TestMachine(machineConfig({ silenceMs: 10 * MIN }));
    for (let at = SIX; at <= until; at += 5 * MIN)
      machine.say(at, { parts: 1, running: at < TWO - 30 * MIN || at >= SIX + 2 * DAY + 30 * MIN, code: 0 });
    return machine;
  }

  it.each([
    ['is over', SIX + 2 * DAY + HOUR],
    ['goes on', SIX + 2 * DAY + 10 * MIN],
    ['is over for days', SIX + 5 * DAY],
  ])('a stop over three shifts that %s is coded in each of them, and split', (_title, until) => {
    const machine = longStop(until);
    expect(machine.code(until + 1, { code: '30', stop: 1 })).toBeUndefined();
    for (const report of machine.shifts.slice(0, 2)) expect(report).toMatchObject({ unplannedMs: 0, unknownMs: 0 });
    expect(machine.shifts[1]).toMatchObject({ busyMs: 0, availability: null });
    expect(machine.code(until + 2, { code: '10', stop: 1, fromMs: SIX + DAY + HOUR })).toBeUndefined();
    expect(machine.shifts[0]!.stops).toMatchObject([{ n: 1, reason: 'no order' }]);
    expect(machine.shifts[1]!.stops).toMatchObject([
      { n: 1, reason: 'no order', ms: HOUR },
      { n: 2, reason: 'jam', ms: 7 * HOUR - 15 * MIN },
    ]);
    const third = machine.shifts[2] ?? machine.report(until + 3);
    expect(third.stops).toMatchObject([{ n: 2, reason: 'jam' }]);
    expect(machine.code(until + 4, { code: '30', stop: 1, join: 2 })).toBeUndefined();
    expect((machine.shifts[2] ?? machine.report(until + 5)).stops).toMatchObject([{ n: 1, kind: 'planned' }]);
    expect(machine.state.open?.n ?? 1).toBe(1);
    expect(machine.code(until + 6, { code: '10', stop: 1, fromMs: SIX + DAY + 220 * MIN })).toBeUndefined();
  });
});

describe('a stop that goes on between two shifts', () => {
  it('is split in the shift before, and the next shift has the second part only', () => {
    const machine = shiftOf([[400, 600]], { until: TWO + MIN });
    expect(machine.code(TWO + MIN, { code: '10', stop: 1, fromMs: SIX + 440 * MIN })).toBeUndefined();
    expect(machine.shifts[0]!.stops.map(({ n, ms }) => [n, ms / MIN])).toEqual([
      [1, 40],
      [2, 40],
    ]);
    for (let at = MONDAY + 30 * HOUR - MIN; at <= MONDAY + 30 * HOUR + 10 * MIN; at += 10_000)
      machine.say(at, { running: false });
    expect(machine.report(MONDAY + 30 * HOUR + 10 * MIN).stops).toMatchObject([{ n: 2, reason: 'jam' }]);
  });
});

describe('counters and clocks', () => {
  const counted = (values: readonly (number | undefined)[], modulus?: number) => {
    const machine = new TestMachine(machineConfig({ count: { tag: 'press-1/parts', modulus } }));
    for (const [index, parts] of values.entries()) machine.say(SIX + index * 4000, { parts, running: true });
    return machine.report(SIX + values.length * 4000);
  };

  it.each([
    ['counts on', [100, 102, 104], undefined, 4, []],
    ['goes round', [65_534, 65_535, 1], 65_536, 3, []],
    ['is reset: what it shows is counted', [500, 502, 1, 3], undefined, 5, ['counter-reset']],
    ['jumps: a spike is rejected', [100, 9000, 102], undefined, 2, ['counter-spike']],
    ['is bad once: it goes on', [100, undefined, 104], undefined, 4, []],
  ] as const)('a counter that %s', (_title, values, modulus, count, uncertain) => {
    expect(counted(values, modulus)).toMatchObject({ count, uncertain });
  });

  it('a counter that is reset at each job counts for the job that begins', () => {
    const config = machineConfig({ idealCycle: { by: 'job', ms: { A: 2000, B: 4000 } }, maxPerSecond: 2 });
    const machine = new TestMachine(config);
    machine.say(SIX, { parts: 10, running: true, job: 'A' });
    machine.say(SIX + 4000, { parts: 12, running: true, job: 'A' });
    machine.say(SIX + 8000, { parts: 1, running: true, job: 'B' });
    expect(machine.report(SIX + 8000)).toMatchObject({ count: 3, job: null, idealCycleMs: 8000 / 3 });
    expect(machine.told).toEqual([
      ['job', null, null],
      ['job', null, null],
    ]);
  });

  it('is doubted when it counts while the machine is stopped, or faster than can be', () => {
    const machine = new TestMachine(machineConfig({ maxPerSecond: 10 }));
    for (let at = 0; at <= 10 * MIN; at += 5000) machine.say(SIX + at, { parts: at / 1000, running: at === 0 });
    const report = machine.report(SIX + 10 * MIN);
    expect(report.count).toBe(600);
    expect(report.performance).toBeGreaterThan(1);
    expect(report.uncertain).toEqual(['counted-while-stopped', 'performance-above-1']);
  });

  it('time of an unknown clock has no data; a clock set forward leaves a gap, one set back waits', () => {
    const machine = new TestMachine(machineConfig());
    machine.say(SIX, { parts: 0, running: true });
    for (let at = 5000; at <= MIN; at += 5000) machine.say(SIX + at, { parts: at / 5000, running: true }, false);
    machine.say(SIX + MIN + 5000, { parts: 13, running: true });
    expect(machine.report(SIX + MIN + 5000)).toMatchObject({ noDataMs: MIN + 5000, count: 13, runMs: 0 });
    machine.offsetMs = 10 * MIN;
    machine.say(SIX + MIN + 10_000, { parts: 14, running: true });
    expect(machine.report(SIX + MIN + 10_000)).toMatchObject({
      ...{ noDataMs: 11 * MIN + 10_000, count: 14, uncertain: ['clock-stepped'] },
    });
    machine.offsetMs = 0;
    for (let at = MIN + 15_000; at <= 12 * MIN; at += 5000) machine.say(SIX + at, { parts: 14, running: true });
    expect(machine.report(SIX + 12 * MIN)).toMatchObject({
      plannedMs: 12 * MIN,
      noDataMs: 11 * MIN + 10_000,
      runMs: 50_000,
    });
  });

  it('a late or repeated reading changes nothing', () => {
    const machine = new TestMachine(machineConfig());
    machine.say(SIX, { parts: 0, running: true });
    machine.say(SIX + 5000, { parts: 2, running: true });
    const { state } = machine;
    machine.say(SIX + 5000, { parts: 50, running: false });
    machine.say(SIX + 2000, { parts: 1, running: false });
    expect(machine.state).toBe(state);
  });

  it('a power cut in a stop: the state is restored, the time without readings has no data, the stop goes on', () => {
    const machine = new TestMachine(machineConfig());
    const say = (at: number, running: boolean) => machine.say(SIX + at, { parts: 5, running });
    say(0, true);
    for (let at = MIN; at <= 8 * MIN; at += 5000) say(at, false);
    machine.restart(false);
    for (let at = 20 * MIN; at <= 22 * MIN; at += 5000) say(at, at >= 21 * MIN);
    const report = machine.report(SIX + 22 * MIN);
    // Of what was read, the last seconds before the cut may be missing, as far as they were not written.
    expect(report.noDataMs).toBeGreaterThanOrEqual(12 * MIN + MIN - 5000);
    expect(report.noDataMs).toBeLessThanOrEqual(13 * MIN + 10_000);
    expect(report.stops).toHaveLength(1);
    expect(report.stops[0]!.ms + report.noDataMs).toBe(21 * MIN);
  });

  it('energy is the difference of its meter, by shift', () => {
    const machine = new TestMachine(machineConfig());
    for (let at = 0; at <= 4; at++) machine.say(SIX + at * 5000, { parts: at, running: true, kwh: 1000.1 + at / 10 });
    expect(machine.report(SIX + 20_000)).toMatchObject({ energyKwh: 0.4, count: 4 });
  });
});

describe('hour by hour', () => {
  it('has a target without breaks, and what was counted up to the end of each hour', () => {
    const machine = shiftOf([[60, 120]]);
    const [report] = machine.reports;
    expect(report!.hours.map(({ target, count }) => [target, count])).toEqual([
      [1800, 1800],
      [1800, 0],
      [1800, 1800],
      [1350, 1350],
      [1800, 1800],
      [1800, 1800],
      [1800, 1800],
      [1800, 1800],
    ]);
    expect(report!.hours.at(-1)).toMatchObject({ from: TWO - HOUR, to: TWO });
    const sum = (of: 'count' | 'good') => report!.hours.reduce((all, hour) => all + hour[of], 0);
    expect([sum('count'), sum('good')]).toEqual([report!.count, report!.good]);
  });

  it('takes the target of the file, and the hour that runs as far as it is over', () => {
    const config = machineConfig({ targetPerSecond: 1200 / 3600 });
    const machine = shiftOf([], { config, until: SIX + 90 * MIN });
    const { hours } = machine.report(SIX + 90 * MIN);
    expect(hours.map(({ target, to }) => [target, (to - SIX) / MIN])).toEqual([
      [1200, 60],
      [600, 90],
    ]);
  });

  it('in the night in which the clocks are set back the shift has an hour more', () => {
    const from = Date.UTC(2026, 9, 24, 21);
    const shifts = [{ name: 'night', days: [0, 1, 2, 3, 4, 5, 6], fromMin: 1320, toMin: 1800, breaks: [] }];
    const machine = new TestMachine(machineConfig({ shifts }));
    for (let at = from; at <= from + 9 * HOUR + 5000; at += 20_000) machine.say(at, { running: true });
    machine.tick(from + 9 * HOUR + 2000);
    expect(machine.reports[0]!.hours).toHaveLength(9);
  });
});

describe('energy', () => {
  const tariff = [
    { price: 0.3, days: [1, 2, 3, 4, 5], fromMin: 7 * 60, toMin: 21 * 60 },
    { price: 0.2, days: [0, 1, 2, 3, 4, 5, 6], fromMin: 0, toMin: 1440 },
  ];
  const config = machineConfig({ energy: { tag: 'press-1/kwh', tariff, currency: 'GBP' } });

  it('costs what the tariff says at its time; outside of shifts it is base load', () => {
    const machine = new TestMachine(config);
    let kwh = 500;
    for (let at = SIX - 2 * HOUR; at <= TWO + 5000; at += 10_000) {
      machine.say(at, { parts: (at - SIX) / 2000 + 5000, rejects: 0, running: at >= SIX, kwh });
      kwh += at < SIX ? 1 / 360 : 10 / 360;
    }
    machine.tick(TWO + 2000);
    const [report] = machine.reports;
    expect(report!.energyKwh).toBeCloseTo(80, 1);
    expect(report!.energyCost).toBeCloseTo(10 * 0.2 + 70 * 0.3, 1);
    expect(report!.energyCurrency).toBe('GBP');
    expect(report!.uncertain).not.toContain('energy-over-gap');
    expect(report!.kwhPerGood).toBeCloseTo(report!.energyKwh! / report!.good, 9);
    const event = machine.events.find((body) => body.kind === 'production' && body.change === 'shift')!;
    expect(event.baseKwh).toBeCloseTo(2, 1);
    expect(event.baseCost).toBeCloseTo(0.4, 1);
    expect(event.baseMs).toBe(2 * HOUR);
  });

  it('that was used while nothing was read has the mean price of its time, and is doubted over a beginning', () => {
    const machine = new TestMachine(config);
    machine.say(SIX - HOUR, { parts: 1, running: true, kwh: 100 });
    machine.say(SIX + 2 * HOUR, { parts: 1, running: true, kwh: 130 });
    const report = machine.report(SIX + 2 * HOUR);
    expect(report.energyCost).toBeCloseTo(30 * (0.2 * (2 / 3) + 0.3 / 3), 6);
    expect(report.uncertain).toEqual(['energy-over-gap']);
    machine.say(SIX + 2 * HOUR + 5000, { parts: 1, running: true, kwh: 2 });
    expect(machine.report(SIX + 2 * HOUR + 5000)).toMatchObject({
      energyKwh: 30,
      uncertain: ['energy-over-gap', 'energy-reset'],
    });
  });

  it('has no cost without a tariff', () => {
    const machine = new TestMachine(machineConfig());
    machine.say(SIX, { parts: 1, running: true, kwh: 100 });
    machine.say(SIX + 5000, { parts: 2, running: true, kwh: 101 });
    expect(machine.report(SIX + 5000)).toMatchObject({ energyKwh: 1, energyCost: null, kwhPerGood: 1 });
  });
});
