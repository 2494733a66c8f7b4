import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOUBTS, type Doubt, FAILURES, type Failure } from '../../src/core/quality.ts';
import { type DeviceRecord, type Field, Fields, type Outcome, readingsOf, type Value } from '../../src/core/reading.ts';

const value: fc.Arbitrary<Value> = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.bigInt());
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  value.map((given): Outcome => ({ quality: 'good', value: given })),
  fc
    .tuple(value, fc.constantFrom(...(Object.keys(DOUBTS) as Doubt[])))
    .map(([given, why]): Outcome => ({ quality: 'uncertain', value: given, why })),
  fc
    .constantFrom(...(Object.keys(FAILURES) as Failure[]))
    .map((why): Outcome => ({ quality: 'bad', why, detail: 'what came instead' })),
);
const list = fc
  .array(outcome, { maxLength: 12 })
  .map((all) => all.map((each, index): Field => ({ name: `t${index}`, ...each })));

describe('the fields of a record, by columns', () => {
  it('are the fields that they were made of', () => {
    fc.assert(
      fc.property(list, (fields) => {
        const made = Fields.of(fields);
        expect([...made]).toStrictEqual(fields);
        expect(made.hasValue()).toBe(fields.some(({ quality }) => quality !== 'bad'));
      }),
    );
  });

  it('are cut to some of them with what is said of each, and are the same object where all are wanted', () => {
    fc.assert(
      fc.property(list, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (fields, wanted) => {
        const made = Fields.of(fields);
        expect([...made.filter((place) => wanted[place]!)]).toStrictEqual(fields.filter((_, place) => wanted[place]));
        expect(made.filter(() => true)).toBe(made);
      }),
    );
  });

  it('are readings under their full names', () => {
    const at = { wallMs: 1000, monoMs: 5 };
    fc.assert(
      fc.property(list, (fields) => {
        const record: DeviceRecord = { device: 'd', at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
        const expected = fields.map(({ name, ...said }) => ({ tag: `d/${name}`, ...at, ...said }));
        expect(readingsOf(record)).toStrictEqual(expected);
      }),
    );
  });
});
