import { describe, expect, it } from 'vitest';
import type { ReadResult } from '../../hal/driver.ts';
import { outcomeOf } from '../../src/poll/outcome.ts';

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
