import { describe, expect, it } from 'vitest';
import type { Reading, Value } from '../../../src/core/reading.ts';
import type { LimitMaintenance, MaintenanceConfig, UsageMaintenance } from '../../../src/core/rules/maintenance.ts';
import { maintenanceRule } from '../../../src/rules/maintenance/maintenance-rule.ts';
import type { Finding, Step } from '../../../src/rules/rule.ts';

const START = Date.UTC(2026, 0, 5);
const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const RUNTIME: UsageMaintenance = {
  kind: 'runtime',
  id: 'oil',
  tag: 'press-1/running',
  every: 10 * HOUR,
  warn: undefined,
  everyMs: SECOND,
  isSwitch: true,
  modulus: undefined,
};

const STARTS: UsageMaintenance = { ...RUNTIME, kind: 'cycles', every: 3 };

const CYCLES: UsageMaintenance = { ...STARTS, tag: 'press-1/parts', every: 1000, isSwitch: false, modulus: 65_536 };

const BEARING: LimitMaintenance = {
  kind: 'limit',
  id: 'bearing',
  tag: 'press-1/vibration',
  unit: 'mm/s',
  falling: false,
  limit: 7.1,
  zones: { group: 2, mount: 'rigid' },
  trendMs: 20 * HOUR,
  perMs: HOUR,
  warnMs: 5 * HOUR,
  while: undefined,
};

/** A rule at work: what it is given, and what it said, `change` by `change`. */
class Item {
  readonly said: string[] = [];
  readonly bodies: Record<string, unknown>[] = [];
  private readonly rule;
  private state: unknown;
  private saved: unknown;
  private stored: { moving?: string; frozen?: string } = {};

  constructor(config: MaintenanceConfig) {
    this.rule = maintenanceRule(config);
    this.state = this.rule.initial;
    this.save();
  }

  read(tag: string, ms: number, value: Value | undefined): void {
    const at = { tag, wallMs: START + ms, monoMs: ms };
    const reading: Reading =
      value === undefined ? { ...at, quality: 'bad', why: 'timeout' } : { ...at, quality: 'good', value };
    this.take(this.rule.step(this.state, reading));
  }

  done(ms: number): void {
    this.take(this.rule.done(this.state, { wallMs: START + ms, monoMs: ms }, { by: 'ann', comment: 'new' }));
  }

  end(ms: number): void {
    this.take(this.rule.end(this.state, { wallMs: START + ms, monoMs: ms }));
  }

  /** The power is cut: only what was written is left. */
  cut(): void {
    const { moving, frozen } = this.stored;
    this.state = this.rule.restore(JSON.parse(moving!), JSON.parse(frozen!));
  }

  get report() {
    return this.rule.report(this.state);
  }

  private take({ state, findings }: Step<unknown>): void {
    this.state = state;
    this.save();
    for (const { body } of findings as Extract<Finding, { kind: 'event' }>[]) {
      this.said.push(String(body.change));
      this.bodies.push(body);
    }
  }

  private save(): void {
    const { moving, frozen } = this.rule.parts!(this.state, this.saved);
    if (moving !== undefined || frozen !== undefined) this.saved = this.state;
    if (moving !== undefined) this.stored.moving = JSON.stringify(moving);
    if (frozen !== undefined) this.stored.frozen = JSON.stringify(frozen);
  }
}

/** What a limit against its own baseline says of itself when nothing is known yet. */
const AS_NEW = {
  ...{ value: null, limit: null, slopePerDay: null, slopeLow: null, slopeHigh: null, samples: 0, state: 'ok' },
  why: 'no period of 1h with good readings of press-1/vibration has ended yet',
};

describe('running time', () => {
  it('counts between readings that are on, each minute from the second on', () => {
    const item = new Item(RUNTIME);
    for (let minute = 0; minute <= 60; minute++) item.read('press-1/running', minute * 60_000, minute < 30);
    expect(item.report).toMatchObject({ kind: 'runtime', used: 30 * 60_000, every: 10 * HOUR, state: 'ok', why: null });
    // Half an hour in each hour so far: nine and a half hours more take nineteen.
    expect(item.report.dueAt).toBe(START + 20 * HOUR);
  });

  it('is due at the end of the interval, overdue a twentieth beyond it, and begins anew when it is done', () => {
    const item = new Item(RUNTIME);
    for (let minute = 0; minute <= 11 * 60; minute++) item.read('press-1/running', minute * 60_000, true);
    expect(item.said).toEqual(['due', 'overdue']);
    expect(item.report).toMatchObject({ state: 'overdue', used: 11 * HOUR, dueAt: START + 10 * HOUR });
    item.done(11 * HOUR);
    expect(item.bodies.at(-1)).toMatchObject({ change: 'done', used: 11 * HOUR, by: 'ann', comment: 'new' });
    item.read('press-1/running', 11 * HOUR + 60_000, true);
    expect(item.report).toMatchObject({ state: 'ok', used: 60_000 });
  });

  it('with warn is due before the end and overdue at it, with its evidence and what clears it', () => {
    const item = new Item({ ...RUNTIME, warn: HOUR });
    for (let minute = 0; minute <= 10 * 60; minute++) item.read('press-1/running', minute * 60_000, true);
    expect(item.bodies.map(({ change, used }) => [change, used])).toEqual([
      ['due', 9 * HOUR],
      ['overdue', 10 * HOUR],
    ]);
    expect(item.bodies[0]).toMatchObject({ kind: 'maintenance', what: 'runtime', id: 'oil', samples: 541 });
    expect(item.bodies[0]!.clears).toContain('millgate maintenance done oil');
    expect(item.bodies[0]!.evidence).toContain('541 readings of press-1/running');
  });

  it('does not count what is missing: bad readings, and a gap of more than three usual intervals', () => {
    const item = new Item(RUNTIME);
    for (let minute = 0; minute <= 60; minute++) item.read('press-1/running', minute * 60_000, true);
    item.read('press-1/running', 61 * 60_000, undefined);
    item.read('press-1/running', 65 * 60_000, true);
    expect(item.report.used).toBe(HOUR);
    for (let minute = 245; minute <= 305; minute++) item.read('press-1/running', minute * 60_000, true);
    expect(item.report.used).toBe(2 * HOUR);
  });

  it('counts from change to change where data tells of changes only', () => {
    const item = new Item(RUNTIME);
    for (const [hour, on] of [
      [0, true],
      [4, false],
      [4.1, true],
      [7.1, false],
    ] as const)
      item.read('press-1/running', hour * HOUR, on);
    expect(item.report.used).toBe(7 * HOUR);
  });

  it('outlives a power cut, in which it did not run, and loses ten seconds at most', () => {
    const item = new Item(RUNTIME);
    for (let second = 0; second <= 65; second++) item.read('press-1/running', second * SECOND, true);
    item.cut();
    expect(item.report.used).toBe(60 * SECOND);
    item.read('press-1/running', 500 * SECOND, true);
    item.read('press-1/running', 501 * SECOND, true);
    expect(item.report.used).toBe(61 * SECOND);
    // A reading that comes again, or late, is not counted again.
    item.read('press-1/running', 501 * SECOND, true);
    item.read('press-1/running', 100 * SECOND, true);
    expect(item.report.used).toBe(61 * SECOND);
  });
});

describe('cycles', () => {
  it('are counted through roll-over and reset, and while the gateway was off', () => {
    const item = new Item(CYCLES);
    const counts = [65_500, 65_530, 24, 54, 4, 34];
    for (const [index, count] of counts.entries()) item.read('press-1/parts', index * 60_000, count);
    expect(item.report.used).toBe(30 + 30 + 30 + 4 + 30);
    item.cut();
    item.read('press-1/parts', 1000, 94);
    expect(item.report).toMatchObject({ kind: 'cycles', used: 184 });
  });

  it('of a tag that is on or off are its starts; one beyond both limits says both', () => {
    const item = new Item(STARTS);
    const values = [true, false, true, true, undefined, true, false, undefined, true];
    for (const [index, value] of values.entries()) item.read('press-1/running', index * SECOND, value);
    expect(item.report).toMatchObject({ used: 2, state: 'ok' });
    item.cut();
    for (const [index, value] of [false, true, false, true].entries()) item.read('press-1/running', 100 + index, value);
    expect(item.report).toMatchObject({ used: 4, state: 'overdue' });
    expect(item.said).toEqual(['due', 'overdue']);
  });
});

/** Readings every half hour: a level and what it gains an hour. */
function creep(item: Item, hours: number, level: number, anHour: number, from = 0): void {
  for (let half = 0; half < hours * 2; half++)
    item.read('press-1/vibration', from + half * HOUR * 0.5, level + (anHour * half) / 2);
}

describe('a condition', () => {
  it('reaches its limit at the time the line says, with its range, and is due before', () => {
    const item = new Item({ ...BEARING, zones: undefined });
    creep(item, 30, 1, 0.2);
    item.end(30 * HOUR);
    // 7.1 is reached after 30.5 hours; the mean of each hour is at its middle reading.
    expect(item.report.reachesAt).toBeCloseTo(START + 30.5 * HOUR, -4);
    expect(item.report).toMatchObject({ kind: 'limit', state: 'due', samples: 20, limit: 7.1, why: null });
    expect(item.report.slopePerDay).toBeCloseTo(4.8, 6);
    expect(item.said).toEqual(['trend', 'due']);
    creep(item, 5, 7, 0.2, 30 * HOUR);
    item.end(35 * HOUR);
    expect(item.report.state).toBe('overdue');
  });

  it.each([
    ['there is too little', 5, 0.2, 'a trend needs 10 means of 1h, and there are 5'],
    ['it stays as it is', 25, 0, 'no trend: the 95 % interval of the slope includes 0'],
    ['it moves away', 25, -0.01, 'the value moves away from its limit'],
  ])('has no date when %s', (_what, hours, anHour, why) => {
    const item = new Item({ ...BEARING, zones: undefined });
    creep(item, hours, 1, anHour);
    item.end(hours * HOUR);
    expect(item.report).toMatchObject({ reachesAt: null, earliest: null, latest: null, state: 'ok', why });
    expect(item.said).toEqual([]);
  });

  it('falls to its limit where that is said', () => {
    const item = new Item({ ...BEARING, zones: undefined, falling: true, limit: 1 });
    creep(item, 30, 7, -0.195);
    item.end(30 * HOUR);
    expect(item.report.state).toBe('due');
    expect(item.report.reachesAt).toBeCloseTo(START + (6 / 0.195) * HOUR, -4);
  });

  it('compares only while its gate is open, and a gate that is bad is closed', () => {
    const item = new Item({ ...BEARING, while: { tag: 'press-1/running', equals: undefined } });
    for (const [hour, gate] of [
      [0, true],
      [1, false],
      [2, undefined],
      [3, true],
    ] as const) {
      item.read('press-1/running', hour * HOUR, gate);
      item.read('press-1/vibration', hour * HOUR + 1, gate ? 1 : 6);
    }
    item.end(4 * HOUR);
    expect(item.report).toMatchObject({ samples: 2, value: 1, zone: 'A' });
  });

  it('is found in a quarter of its window where the range of dates is narrow', () => {
    const item = new Item({ ...BEARING, zones: undefined, trendMs: 80 * HOUR });
    creep(item, 29, 1, 0.2);
    expect(item.report).toMatchObject({ samples: 28, state: 'due' });
    expect(item.bodies[0]).toMatchObject({ change: 'trend', samples: 21 });
  });

  it('names the zones of ISO 10816-3, and goes back a tenth below a boundary', () => {
    const item = new Item(BEARING);
    for (const [hour, value] of [1.2, 1.5, 1.3, 1.2, 3, 5, 4.4, 4].entries())
      item.read('press-1/vibration', hour * HOUR, value);
    item.end(8 * HOUR);
    expect(item.bodies.map(({ zone, before }) => `${before}${zone}`)).toEqual(['AB', 'BA', 'AC', 'CD', 'DC']);
    expect(item.bodies[0]).toMatchObject({ change: 'zone', edition: 'ISO 10816-3:2009', boundaries: [1.4, 2.8, 4.5] });
  });

  it('takes its own baseline, and a new one when the work was done; the old one is kept', () => {
    const item = new Item({ ...BEARING, zones: undefined, limit: { ratio: 2, baselineMs: 10 * HOUR } });
    creep(item, 8, 1.5, 0);
    expect(item.report).toMatchObject({ limit: null, why: 'the baseline is collected: 7 of 10 means of 1h' });
    creep(item, 8, 1.5, 0, 8 * HOUR);
    expect(item.report.limit).toBe(3);
    creep(item, 8, 3.5, 0, 16 * HOUR);
    expect(item.report.state).toBe('overdue');
    item.done(24 * HOUR);
    expect(item.bodies.at(-1)).toMatchObject({ change: 'done', baseline: { value: 1.5, samples: 10 } });
    creep(item, 12, 2, 0, 24 * HOUR);
    expect(item.report).toMatchObject({ limit: 4, state: 'ok' });
  });

  it('is not fooled by a repair that nobody reported: the step back is no trend towards the limit', () => {
    const item = new Item({ ...BEARING, zones: undefined });
    creep(item, 28, 1, 0.2);
    expect(item.report.state).toBe('due');
    creep(item, 20, 1, 0, 28 * HOUR);
    item.end(48 * HOUR);
    expect(item.report).toMatchObject({ state: 'ok', reachesAt: null });
    // A window that has both sides of the repair says nothing of a date either.
    const across = new Item({ ...BEARING, zones: undefined });
    creep(across, 10, 3, 0.1);
    creep(across, 10, 1, 0.1, 10 * HOUR);
    across.end(20 * HOUR);
    expect(across.report).toMatchObject({ state: 'ok', reachesAt: null });
    expect(across.report.why).not.toBeNull();
  });

  it('whose work was done is begun anew, or as it was, when the power goes at that moment', () => {
    for (const isWritten of [true, false]) {
      const item = new Item({ ...BEARING, zones: undefined, limit: { ratio: 2, baselineMs: 10 * HOUR } });
      creep(item, 12, 1.5, 0);
      const before = item.report;
      if (isWritten) item.done(12 * HOUR);
      item.cut();
      expect(item.report).toEqual(isWritten ? { ...before, ...AS_NEW } : before);
      const oil = new Item(RUNTIME);
      for (let second = 0; second <= 3600; second++) oil.read('press-1/running', second * SECOND, true);
      if (isWritten) oil.done(HOUR);
      oil.cut();
      expect(oil.report.used).toBe(isWritten ? 0 : HOUR);
    }
  });

  it('keeps its means over a power cut and a clock that begins in 1970', () => {
    const item = new Item({ ...BEARING, zones: undefined });
    creep(item, 15, 1, 0.2);
    item.cut();
    item.read('press-1/vibration', -56 * 365 * DAY, 9);
    creep(item, 15, 4, 0.2, 15 * HOUR);
    item.end(30 * HOUR);
    expect(item.report).toMatchObject({ samples: 20, state: 'due' });
  });
});
