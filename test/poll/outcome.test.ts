import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadResult } from '../../hal/driver.ts';
import { Counters, outcomeOf, rawOf, writtenIn } from '../../src/poll/outcome.ts';

const at = { wallMs: 0, monoMs: 0 };
const plain = { scale: 1, offset: 0, min: undefined, max: undefined };
const good = (value: number | bigint | boolean | string): ReadResult => ({ at, ok: true, value });

describe('from a raw value to engineering units', () => {
  it('scales by tenths without the noise of binary fractions', () => {
    const tenth = { ...plain, scale: 0.1 };
    expect(outcomeOf(tenth, good(3))).toEqual({ quality: 'good', value: 0.3 });
    expect(outcomeOf(tenth, good(452))).toEqual({ quality: 'good', value: 45.2 });
    expect(outcomeOf({ ...plain, scale: 2.5, offset: -10 }, good(4))).toEqual({ quality: 'good', value: 0 });
  });

  it('is the nearest double of the decimal that the meter shows', () => {
    const shown = (conversion: object, raw: number) => outcomeOf({ ...plain, ...conversion }, good(raw));
    expect(shown({ scale: 0.01 }, 23_773)).toEqual({ quality: 'good', value: 237.73 });
    expect(shown({ scale: 0.1 }, 127)).toEqual({ quality: 'good', value: 12.7 });
    expect(shown({ scale: 0.0025, offset: -0.1 }, 3)).toEqual({ quality: 'good', value: -0.0925 });
    expect(shown({ scale: 1e-7 }, 3)).toEqual({ quality: 'good', value: 3e-7 });
    expect(shown({ scale: 0.1 }, 231.4)).toEqual({ quality: 'good', value: 23.14 });
    expect(shown({ scale: 1000 }, 0.2314)).toEqual({ quality: 'good', value: 231.4 });
  });

  it('is the decimal itself for every raw value and every scale of up to six decimals', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 }), fc.integer({ min: 1, max: 6 }), (raw, places) => {
        const exact = Number(`${raw}e-${places}`);
        const outcome = outcomeOf({ ...plain, scale: Number(`1e-${places}`) }, good(raw));
        expect(outcome).toEqual({ quality: 'good', value: exact });
      }),
    );
  });

  it('lies on the line through two points, exactly', () => {
    const linear = { raw: [4000, 20_000], value: [0, 16] } as const;
    const current = { ...plain, scale: 0.001, offset: -4, linear };
    expect(outcomeOf(current, good(4000))).toEqual({ quality: 'good', value: 0 });
    expect(outcomeOf(current, good(12_345))).toEqual({ quality: 'good', value: 8.345 });
    expect(rawOf(current, 8.345)).toBeCloseTo(12_345, 6);
    const third = { ...plain, linear: { raw: [0, 3], value: [0, 1] } as const };
    expect(outcomeOf(third, good(1))).toEqual({ quality: 'good', value: 1 / 3 });
  });

  it('is rounded to its decimals', () => {
    expect(outcomeOf({ ...plain, scale: 0.001, decimals: 1 }, good(45_249))).toEqual({ quality: 'good', value: 45.2 });
    expect(outcomeOf({ ...plain, decimals: 2 }, good(-0.001))).toEqual({ quality: 'good', value: 0 });
  });

  it('keeps an unscaled 64-bit integer exact', () => {
    expect(outcomeOf(plain, good(2n ** 63n + 1n))).toEqual({ quality: 'good', value: 2n ** 63n + 1n });
  });

  it('doubts a value outside its range and keeps it; the limits themselves are inside', () => {
    const ranged = { ...plain, min: -20, max: 150 };
    expect(outcomeOf(ranged, good(150))).toEqual({ quality: 'good', value: 150 });
    expect(outcomeOf(ranged, good(151))).toEqual({ quality: 'uncertain', value: 151, why: 'out-of-range' });
    expect(outcomeOf(ranged, good(-21))).toEqual({ quality: 'uncertain', value: -21, why: 'out-of-range' });
  });

  it('never publishes a number that is not finite', () => {
    expect(outcomeOf({ ...plain, scale: 1e308 }, good(1e10))).toEqual({ quality: 'bad', why: 'overflow' });
  });

  it('passes on texts, states, doubts and failures as they are', () => {
    expect(outcomeOf({ ...plain, scale: 10 }, good('A-17'))).toEqual({ quality: 'good', value: 'A-17' });
    expect(outcomeOf(plain, good(true))).toEqual({ quality: 'good', value: true });
    expect(outcomeOf(plain, { at, ok: true, value: 5, doubt: 'last-usable' })).toMatchObject({ quality: 'uncertain' });
    expect(outcomeOf(plain, { at, ok: false, why: 'timeout' })).toEqual({ quality: 'bad', why: 'timeout' });
  });
});

describe('what became of a write', () => {
  const tenth = { ...plain, scale: 0.1, unit: '°C' };

  it('is told in engineering units', () => {
    expect(writtenIn(tenth, { ok: true, readBack: 452 }, 45.2)).toEqual({ ok: true, readBack: 45.2 });
    const differs = { ok: false, kind: 'mismatch', why: 'the device holds another value', holds: 452 } as const;
    expect(writtenIn(tenth, differs, 50)).toMatchObject({
      kind: 'mismatch',
      holds: 45.2,
      why: expect.stringMatching(/45\.2 °C$/),
    });
    const open = { ok: false, kind: 'unknown', why: 'no answer', holds: 1 } as const;
    const labelled = { ...plain, labels: { 1: 'running' } };
    expect(writtenIn(labelled, open, 0)).toMatchObject({ holds: 1, why: 'no answer; it last held running' });
    const tooHigh = { ok: false, kind: 'refused', why: 'uint16', range: [0n, 65_535n] } as const;
    expect(writtenIn(tenth, tooHigh, 7000)).toMatchObject({
      why: 'the register holds 0 to 6553.5 °C, and not 7000 °C',
    });
  });
});

describe('a polled counter', () => {
  const config = {
    ...{ tag: { id: 'a/n', device: 'a', name: 'n', address: 0 }, everyMs: 1000, ...plain, unit: undefined },
    ...{ deadband: undefined, heartbeatMs: undefined, counter: true, writable: undefined, description: undefined },
  };
  const judged = (values: readonly number[], modulus: number | undefined) => {
    const counters = new Counters();
    return values.map((value, index) => {
      const result = counters.judged(
        { ...config, modulus },
        { at: { wallMs: 0, monoMs: index * 1000 }, ok: true, value },
      );
      return result.ok ? `${result.value}${result.doubt ? ` ${result.doubt}` : ''}` : result.why;
    });
  };

  it('is published as it is: good through its roll-over, doubted at a reset, bad where it cannot be', () => {
    expect(judged([65_530, 4, 6], 65_536)).toEqual(['65530', '4', '6']);
    expect(judged([9998, 3, 4], 10_000)).toEqual(['9998', '3', '4']);
    expect(judged([5000, 3, 4], 65_536)).toEqual(['5000', '3 counter-reset', '4']);
    expect(judged([100, 60_000, 102], 65_536)).toEqual(['100', 'sensor-failure', '102']);
  });
});
