import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOUBTS, type Doubt, FAILURES, type Failure } from '../../../src/core/quality.ts';
import { type DeviceRecord, type Field, Fields, type Value } from '../../../src/core/reading.ts';
import { CodecError } from '../../../src/store/format/bytes.ts';
import {
  decodeEvents,
  decodeRecords,
  decodeTag,
  encodeEvents,
  RecordEncoder,
  shapesIn,
} from '../../../src/store/format/codec.ts';
import { KnownShapes } from '../../../src/store/format/record-shapes.ts';

/** One for all commits of this file, as a gateway has one: what it remembers of a commit must not be seen in the next. */
const encoder = new RecordEncoder();
const encodeRecords = (records: readonly DeviceRecord[], bootId: string) => encoder.encode(records, bootId);

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.integer({ min: -99_999, max: 99_999 }).map((scaled) => scaled / 100),
  fc.constantFrom(-0, 0, 5e-324, 2 ** 53, 2 ** 53 + 2, 2 ** 53 - 1, -(2 ** 50), Number.MAX_VALUE, 0.1 + 0.2),
  fc.bigInt(),
  fc.constantFrom(2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 0n),
  fc.boolean(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\ud800 alone', 'Öl 75 °C 😀'),
);

const outcome = fc.oneof(
  { weight: 6, arbitrary: value.map((given) => ({ quality: 'good' as const, value: given })) },
  {
    weight: 1,
    arbitrary: fc.record({
      quality: fc.constant('uncertain' as const),
      value,
      why: fc.constantFrom(...(Object.keys(DOUBTS) as Doubt[])),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      quality: fc.constant('bad' as const),
      why: fc.constantFrom(...(Object.keys(FAILURES) as Failure[])),
    }),
  },
);

const record: fc.Arbitrary<DeviceRecord> = fc.record({
  device: fc.constantFrom('press-1', 'press-2', 'oven'),
  at: fc.record({
    wallMs: fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.double({ min: 0, max: 4e12, noNaN: true })),
    monoMs: fc.integer({ min: 0, max: 1e12 }).map((micros) => micros / 1000),
  }),
  clockKnown: fc.boolean(),
  simulated: fc.boolean(),
  fields: fc
    .uniqueArray(fc.constantFrom('oil-temp', 'pressure', 'parts', 'label', 'fault'), { minLength: 1 })
    .chain((names) => fc.tuple(...names.map((name) => outcome.map((given): Field => ({ name, ...given })))))
    .map((fields) => Fields.of(fields)),
});

describe('the record codec', () => {
  it('gives back every record exactly: values, qualities, times, order', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), (records) => {
        const decoded = decodeRecords(encodeRecords(records, 'boot'));
        expect(decoded).toEqual({ bootId: 'boot', records });
      }),
      { numRuns: 500 },
    );
  });

  it('remembers the names of a device between commits, which may have others, or another device or flag, in the next', () => {
    const shared = [['x'], ['x', 'y'], ['y', 'x', 'z']];
    const one = fc
      .record({
        device: fc.constantFrom('a', 'b'),
        names: fc.constantFrom(...shared),
        clockKnown: fc.boolean(),
        simulated: fc.boolean(),
        value,
      })
      .map(
        ({ names, value, ...rest }): DeviceRecord => ({
          ...rest,
          at: { wallMs: 1000, monoMs: 5 },
          fields: new Fields(
            names,
            names.map(() => value),
            undefined,
          ),
        }),
      );
    const commits = fc.array(fc.array(one, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(commits, (all) => {
        const own = new RecordEncoder();
        for (const records of all) expect(decodeRecords(own.encode(records, 'boot')).records).toEqual(records);
      }),
    );
  });

  it('finds the readings of one tag without decoding the others', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), (records) => {
        const expected = records.flatMap(({ device, at, clockKnown, simulated, fields }, index) =>
          [...fields]
            .filter(({ name }) => device === 'press-1' && name === 'pressure')
            .map(({ name: _, ...said }) => ({ index, clockKnown, simulated, ...at, ...said })),
        );
        expect(decodeTag(encodeRecords(records, 'boot'), 'press-1', 'pressure')).toEqual(expected);
      }),
    );
  });

  it('refuses bytes that it did not write, whatever they are, and never asks for endless memory', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat({ max: 255 }),
        (records, at, byte) => {
          const bytes = encodeRecords(records, 'boot');
          bytes[at % bytes.length] = byte;
          try {
            decodeRecords(bytes);
            shapesIn(bytes, new KnownShapes());
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(() => decodeRecords(new Uint8Array([9]))).toThrow('version 9 of the record format is not known');
  });

  it('lies records of one shape side by side: 200 tags of a scan take few bytes', () => {
    const fields = Array.from(
      { length: 20 },
      (_, index): Field => ({
        name: `tag-${index}`,
        quality: 'good',
        value: (4520 + index * 7) / 10,
      }),
    );
    const scan = Array.from(
      { length: 10 },
      (_, index): DeviceRecord => ({
        device: `press-${index}`,
        at: { wallMs: 1.76e12 + index, monoMs: 5000 + index },
        clockKnown: true,
        simulated: false,
        fields: Fields.of(fields),
      }),
    );
    const bytes = encodeRecords(scan, 'boot');
    const names = shapesIn(bytes, new KnownShapes()).reduce((sum, shape) => sum + shape.bytes.length, 0);
    expect(bytes.length - names).toBeLessThan(200 * 4);
  });
});

describe('shapes that are known', () => {
  it('gives the same records with a memory of shapes as without, whatever was read before', () => {
    const at = (ms: number) => ({ wallMs: ms, monoMs: ms });
    const make = (device: string, names: readonly string[], simulated: boolean, ms: number): DeviceRecord => {
      const fields = names.map((name): Field => ({ name, quality: 'good', value: ms }));
      return { device, at: at(ms), clockKnown: true, simulated, fields: Fields.of(fields) };
    };
    const device = fc.constantFrom('a', 'ab', 'b');
    const names = fc.array(fc.constantFrom('x', 'y', 'xy', 'z'), { minLength: 1, maxLength: 3 });
    const record = fc.tuple(device, names, fc.boolean(), fc.nat(1000)).map((parts) => make(...parts));
    const known = new KnownShapes();
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        const bytes = encodeRecords(records, 'boot');
        expect(decodeRecords(bytes, known)).toStrictEqual(decodeRecords(bytes));
      }),
    );
  });
});

describe('the event codec', () => {
  it('keeps integers apart from texts', () => {
    const event = { wallMs: 1, monoMs: 2.5, clockKnown: true } as const;
    const body = { kind: 'audit', what: 'write', message: 'x', value: 2n ** 63n, text: '9223372036854775808' } as const;
    expect(decodeEvents(encodeEvents([{ ...event, body }]))).toStrictEqual([{ ...event, body }]);
  });
});
