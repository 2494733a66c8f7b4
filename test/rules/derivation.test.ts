import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/core/expression.ts';
import { type DeviceRecord, type Field, Fields, type Outcome, type Value } from '../../src/core/reading.ts';
import { Derivation, type DerivedTag, totalsKey } from '../../src/rules/derivation.ts';

/** A computed tag; `device/name` unless said otherwise is press-1/out. */
function derived(text: string, id = 'press-1/out', limits: { min?: number; max?: number } = {}): DerivedTag {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const [device, name] = id.split('/') as [string, string];
  return { id, device, name, expression: parsed.value, min: limits.min, max: limits.max };
}

/** Formulas fed by hand, second by second. */
class Bench {
  readonly derivation: Derivation;
  states: ReadonlyMap<string, unknown> = new Map();

  constructor(tags: readonly DerivedTag[], counters: readonly string[] = [], stored = new Map<string, string>()) {
    this.derivation = new Derivation(tags, new Set(counters), stored);
  }

  /** Reads tags of press-1; gives the records made. */
  records(second: number, outcomes: Record<string, Value | Outcome>, device = 'press-1'): readonly DeviceRecord[] {
    const fields = Object.entries(outcomes).map(([name, given]): Field => {
      return typeof given === 'object' ? { name, ...given } : { name, quality: 'good', value: given };
    });
    const at = { wallMs: second * 1000, monoMs: second * 1000 };
    const made = this.derivation.accept({ device, at, clockKnown: true, simulated: false, fields: Fields.of(fields) });
    this.states = made.states;
    return made.records;
  }

  /** Reads, and gives what press-1/out became: its value, or the reason why there is none. */
  out(second: number, outcomes: Record<string, Value | Outcome>): Value | string | undefined {
    const field = [...(this.records(second, outcomes)[0]?.fields ?? [])].find(({ name }) => name === 'out');
    return field === undefined ? undefined : field.quality === 'bad' ? field.why : field.value;
  }
}

const bad: Outcome = { quality: 'bad', why: 'timeout' };

describe('a computed tag', () => {
  it('is a reading of the record whose tags it is made of', () => {
    const bench = new Bench([derived('press-1/power / press-1/speed')]);
    expect(bench.records(1, { power: 10, speed: 4, oil: 50 })).toEqual([
      expect.objectContaining({
        device: 'press-1',
        fields: new Fields(['power', 'speed', 'oil', 'out'], [10, 4, 50, 2.5], undefined),
      }),
    ]);
  });

  it('leaves the records of one request under one list of names, which others remember things by', () => {
    const derivation = new Derivation([derived('press-1/power / press-1/speed')], new Set(), new Map());
    const names = ['power', 'speed'];
    const [first, second] = [1, 2].map((second) => {
      const at = { wallMs: second * 1000, monoMs: second * 1000 };
      const fields = new Fields(names, [8 * second, 4], undefined);
      return derivation.accept({ device: 'press-1', at, clockKnown: true, simulated: false, fields }).records[0]!
        .fields;
    });
    expect(second).toEqual(new Fields(['power', 'speed', 'out'], [16, 4, 4], undefined));
    expect(second!.names).toBe(first!.names);
  });

  it('of another device gets a record of its own at the same instant', () => {
    const bench = new Bench([derived('press-1/power + press-2/power', 'hall/power')]);
    bench.records(1, { power: 10 });
    const [own, total] = bench.records(2, { power: 5 }, 'press-2');
    expect(own).toMatchObject({ device: 'press-2' });
    expect(total).toMatchObject({ device: 'hall', at: own!.at, fields: { names: ['power'], values: [15] } });
  });

  it('follows other computed tags in the same breath', () => {
    const bench = new Bench([derived('press-1/a * 2', 'press-1/twice'), derived('press-1/twice + 1')]);
    expect(bench.out(1, { a: 5 })).toBe(11);
  });

  it('has no value without those of its tags, for the same reason', () => {
    const bench = new Bench([derived('press-1/power / press-1/speed')]);
    expect(bench.out(1, { power: 10 })).toBe('waiting');
    expect(bench.out(2, { speed: 4 })).toBe(2.5);
    expect(bench.out(3, { speed: bad })).toBe('timeout');
    expect(bench.out(4, { speed: 0 })).toBe('overflow');
    expect(bench.out(5, { speed: 5 })).toBe(2);
  });

  it('is doubtful with any of its tags, and outside its own range', () => {
    const bench = new Bench([derived('press-1/power * 2', 'press-1/out', { max: 100 })]);
    const [record] = bench.records(1, { power: { quality: 'uncertain', value: 3, why: 'last-usable' } });
    expect(record!.fields.at(1)).toEqual({ name: 'out', quality: 'uncertain', value: 6, why: 'last-usable' });
    expect(bench.records(2, { power: 51 })[0]!.fields.at(1)).toMatchObject({
      quality: 'uncertain',
      why: 'out-of-range',
    });
  });

  it('decides by what is known', () => {
    const bench = new Bench([derived('press-1/a or press-1/b')]);
    expect(bench.out(1, { a: true, b: bad })).toBe(true);
    expect(bench.out(2, { a: false })).toBe('timeout');
    const choice = new Bench([derived('if(press-1/a > 3, press-1/b, -1)')]);
    expect(choice.out(1, { a: 1, b: bad })).toBe(-1);
    expect(choice.out(2, { a: 4 })).toBe('timeout');
  });

  it('does not reckon with a whole number that a double cannot hold', () => {
    const bench = new Bench([derived('press-1/a + 1')]);
    expect(bench.out(1, { a: 41n })).toBe(42);
    expect(bench.out(2, { a: 2n ** 60n })).toBe('overflow');
  });

  it('is not computed from a late reading', () => {
    const bench = new Bench([derived('press-1/a * 1')]);
    expect(bench.out(5, { a: 1 })).toBe(1);
    expect(bench.out(4, { a: 9 })).toBeUndefined();
  });

  it('is computed anew where a record out of the store has it', () => {
    const bench = new Bench([derived('press-1/a * 2')]);
    expect([...bench.records(1, { a: 5, out: 999 })[0]!.fields]).toEqual([
      { name: 'a', quality: 'good', value: 5 },
      { name: 'out', quality: 'good', value: 10 },
    ]);
  });
});

describe('a span of time', () => {
  it.each([
    ['min', 2],
    ['max', 9],
    ['mean', 5],
    ['rms', Math.sqrt((4 + 16 + 25 + 81) / 4)],
    ['stddev', Math.sqrt((9 + 1 + 0 + 16) / 3)],
  ])('%s of the readings of the last four seconds', (name, wanted) => {
    const bench = new Bench([derived(`${name}(press-1/a, 4s)`)]);
    const [, , , , last] = [100, 2, 4, 5, 9].map((a, second) => bench.out(second, { a }));
    expect(last).toBeCloseTo(wanted, 12);
  });

  it('is the same as that of all its readings put together, whatever they are', () => {
    const values = fc.array(
      fc.record({ value: fc.integer({ min: -1000, max: 1000 }), gap: fc.integer({ min: 1, max: 9 }) }),
      { minLength: 1, maxLength: 60 },
    );
    fc.assert(
      fc.property(values, (steps) => {
        const bench = new Bench([derived('mean(press-1/a, 20s)')]);
        const seen: { value: number; second: number }[] = [];
        let second = 0;
        for (const { value, gap } of steps) {
          second += gap;
          seen.push({ value, second });
          const within = seen.filter((each) => each.second > second - 20);
          const mean = within.reduce((sum, each) => sum + each.value, 0) / within.length;
          expect(bench.out(second, { a: value })).toBeCloseTo(mean, 6);
        }
      }),
    );
  });

  it('has a rate only once it has passed, and a counter that was reset begins anew', () => {
    const bench = new Bench([derived('rate(press-1/parts, 10s)')], ['press-1/parts']);
    expect(bench.out(0, { parts: 100 })).toBe('waiting');
    expect(bench.out(5, { parts: 105 })).toBe('waiting');
    expect(bench.out(10, { parts: 110 })).toBe(10);
    expect(bench.out(20, { parts: 130 })).toBe(20);
    expect(bench.out(25, { parts: 3 })).toBe('waiting');
    expect(bench.out(35, { parts: 8 })).toBe(5);
  });
});

describe('a total', () => {
  it('adds up energy by trapezoids, and not over a gap', () => {
    const bench = new Bench([derived('integral(press-1/power, 1h)')]);
    expect(bench.out(0, { power: 10 })).toBe(0);
    expect(bench.out(1800, { power: 20 })).toBe(7.5);
    expect(bench.out(1801, { power: bad })).toBe('timeout');
    expect(bench.out(3600, { power: 20 })).toBe(7.5);
    expect(bench.out(5400, { power: 20 })).toBe(17.5);
  });

  it('counts the time something was on', () => {
    const bench = new Bench([derived('runtime(press-1/running, 1h)')]);
    bench.out(0, { running: true });
    expect(bench.out(3600, { running: false })).toBe(1);
    expect(bench.out(7200, { running: true })).toBe(1);
  });

  it('goes on after a restart, but not for another formula', () => {
    const first = new Bench([derived('runtime(press-1/running, 1h)')]);
    first.out(0, { running: true });
    first.out(3600, { running: true });
    const stored = new Map([...first.states].map(([key, state]) => [key, JSON.stringify(state)]));
    expect([...stored.keys()]).toEqual([totalsKey('press-1/out')]);
    const second = new Bench([derived('runtime(press-1/running, 1h)')], [], stored);
    expect(second.out(0, { running: true })).toBe(1);
    const other = new Bench([derived('runtime(press-1/running, 1s)')], [], stored);
    expect(other.out(0, { running: true })).toBe(0);
    const broken = new Bench([derived('runtime(press-1/running, 1h)')], [], new Map([[totalsKey('press-1/out'), '{']]));
    expect(broken.out(0, { running: true })).toBe(0);
  });
});
