import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSignal } from '../../../hal/mock/parse.ts';
import { type Signal, valueAt } from '../../../hal/mock/signal.ts';

function signal(text: string): Signal {
  const parsed = parseSignal(text);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('\n'));
  return parsed.value;
}

/** Values at the given seconds. */
function played(text: string, seconds: readonly number[], seed = 1) {
  return seconds.map((second) => valueAt(signal(text), seed, second * 1000));
}

function problems(text: string): string[] {
  const parsed = parseSignal(text);
  return parsed.ok ? [] : parsed.problems.map(({ message }) => message);
}

describe('signals over time', () => {
  it('sine swings between min and max once a period', () => {
    const [start, top, middle, bottom] = played('sine(min=180,max=220,period=60s)', [0, 15, 30, 45]);
    expect(start).toBeCloseTo(200);
    expect(top).toBeCloseTo(220);
    expect(middle).toBeCloseTo(200);
    expect(bottom).toBeCloseTo(180);
  });

  it('square, triangle and sawtooth start at the time their shape says', () => {
    expect(played('square(min=0,max=10,period=10s,duty=0.3)', [0, 2, 4, 9, 10])).toEqual([10, 10, 0, 0, 10]);
    expect(played('triangle(min=0,max=10,period=10s)', [0, 2.5, 5, 7.5])).toEqual([0, 5, 10, 5]);
    expect(played('sawtooth(min=0,max=10,period=10s)', [0, 2.5, 9, 10])).toEqual([0, 2.5, 9, 0]);
  });

  it('ramp holds its end, or starts again', () => {
    expect(played('ramp(from=20,to=80,over=60s)', [0, 30, 60, 600])).toEqual([20, 50, 80, 80]);
    expect(played('ramp(from=0,to=100,over=10s,end=repeat)', [5, 15])).toEqual([50, 50]);
  });

  it('counter counts whole pieces and wraps where the register does', () => {
    expect(played('counter(rate=12/m)', [0, 4.9, 5, 60])).toEqual([0, 0, 1, 12]);
    expect(played('counter(start=65530,rate=1/s,wrap=65536)', [5, 6, 7])).toEqual([65535, 0, 1]);
  });

  it('toggle, bool and steps change at their times', () => {
    expect(played('toggle(period=10s,duty=0.2)', [0, 1.9, 2, 9.9, 10])).toEqual([true, true, false, false, true]);
    expect(played('bool', [0, 31])).toEqual([true, false]);
    expect(played('steps(values=[1, 2.5, 4],every=10s)', [0, 10, 29, 30])).toEqual([1, 2.5, 4, 1]);
    expect(played('steps(values=[1,2],every=10s,end=hold)', [500])).toEqual([2]);
    expect(played(`text(values=["A 100", 'B', idle],every=1s)`, [0, 1, 2])).toEqual(['A 100', 'B', 'idle']);
  });

  it('script plays signals one after the other, each from its own start', () => {
    const text = 'script(0s=20, 30s=ramp(from=20,to=80,over=60s), 2m=idle, repeat=3m)';
    expect(played(text, [0, 29, 30, 60, 90, 120, 180, 210])).toEqual([20, 20, 20, 50, 80, 'idle', 20, 20]);
  });

  it('a plain value is a constant', () => {
    expect(played('42', [9])).toEqual([42]);
    expect(played('"ok"', [9])).toEqual(['ok']);
    expect(played('constant(value=true)', [9])).toEqual([true]);
  });

  it('noise repeats with the seed, differs between seeds, and has the deviation asked for', () => {
    const seconds = Array.from({ length: 2000 }, (_, index) => index);
    const text = 'sine(min=100,max=100,noise=0.5)';
    const values = played(text, seconds, 7) as number[];
    expect(values).toEqual(played(text, seconds, 7));
    expect(values).not.toEqual(played(text, seconds, 8));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    expect(mean).toBeCloseTo(100, 1);
    expect(deviation).toBeGreaterThan(0.47);
    expect(deviation).toBeLessThan(0.53);
  });

  it('walk and random stay in their range and use most of it', () => {
    const seconds = Array.from({ length: 3000 }, (_, index) => index);
    for (const text of ['walk(min=-5,max=5,period=20s)', 'random(min=-5,max=5)', 'random(min=-5,max=5,shape=normal)']) {
      const values = played(text, seconds) as number[];
      expect(Math.min(...values)).toBeGreaterThanOrEqual(-5);
      expect(Math.max(...values)).toBeLessThanOrEqual(5);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(5);
    }
  });

  it('walk has no jumps', () => {
    const values = played(
      'walk(min=0,max=100,period=60s)',
      Array.from({ length: 600 }, (_, index) => index),
    ) as number[];
    const steps = values.slice(1).map((value, index) => Math.abs(value - values[index]!));
    expect(Math.max(...steps)).toBeLessThan(10);
  });

  it('decimals rounds', () => {
    expect(played('ramp(from=0,to=1,over=3s,decimals=2)', [1, 2])).toEqual([0.33, 0.67]);
  });
});

describe('what is wrong with an address, where, and what to write', () => {
  it.each([
    ['sine(perod=60s)', 'sine: there is no parameter "perod" (character 6); did you mean "period"?'],
    ['sinus(min=1)', 'there is no signal "sinus" (character 1); did you mean "sine"?'],
    ['sine(period=60)', 'sine: "period" at character 13 must be a duration above 0 with its unit, such as 60s'],
    ['counter(rate=12)', 'counter: "rate" at character 14 must be a rate with its unit, such as 12/m'],
    ['sine(min=5', '")" is missing at the end of the address'],
    ['sine(min=1,min=2)', 'sine: "min" is given twice, again at character 12'],
    ['sine(min=9,max=1)', 'sine: min=9 is above max=1: exchange the two'],
    ['square(duty=1.5)', 'square: "duty" at character 13 must be a number from 0 to 1'],
    ['steps(every=1s)', 'steps: "values" is missing: write steps(values=[…])'],
    ['script(5s=1)', 'script: the first entry must be at 0s'],
    ['script(0s=1,5s=2,5s=3)', 'script: the times must rise'],
    ['script(0s=1,5s=2,repeat=4s)', 'script: "repeat" must be later'],
    ['ramp(end=stop)', 'ramp: "end" at character 10 must be hold or repeat'],
    ['text(values=["a])', 'the text that starts at character 14 has no end'],
    ['sine(min=1) x', 'there is "x" at character 13: write the end there'],
    ['holding:100', '":" at character 8 has no meaning here: remove it'],
    ['', 'the address ends too early: write a value such as 5, 10s, 12/m, true or sine(…)'],
    [
      'constructor(min=1)',
      'there is no signal "constructor" (character 1); the signals are: constant, sine, square, triangle, sawtooth, ramp, random, walk, counter, toggle, bool, steps, text, script',
    ],
  ])('%s', (text, message) => {
    expect(problems(text).join('\n')).toContain(message);
  });

  it('reports every wrong parameter at once', () => {
    expect(problems('sine(mim=1,maxx=2,period=5)')).toHaveLength(3);
  });

  it('refuses what is too deep or too long', () => {
    expect(problems(`${'script(0s='.repeat(20)}1${')'.repeat(20)}`)[0]).toContain('more than 8 levels deep');
    expect(problems('x'.repeat(5000))[0]).toContain(
      'the address has more than 2000 characters: write a shorter signal',
    );
  });

  it('answers any text with a signal or with problems, never with an exception', () => {
    const piece = fc.constantFrom(
      'sine',
      'script',
      '(',
      ')',
      '[',
      ']',
      '=',
      ',',
      '0s',
      '5',
      'min',
      '"',
      'a/b',
      '1/m',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          const parsed = parseSignal(text);
          if (parsed.ok) expect(valueAt(parsed.value, 1, 12_345)).not.toBeUndefined();
          else expect(parsed.problems.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
