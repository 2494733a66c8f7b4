/** Our bytes of Sparkplug payloads against decoders that others made. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import proto from 'sparkplug-payload/lib/sparkplugPayloadProto.js';
import { describe, expect, it } from 'vitest';
import {
  decodePayload,
  type Metric,
  type Payload,
  PayloadEncoder,
  type Property,
  TYPE,
  type WireValue,
} from '../../../src/uplink/sparkplug/payload.ts';
import { MalformedBytes } from '../../../src/uplink/sparkplug/protobuf.ts';

const RUNS = Number(process.env.MILLGATE_SPARKPLUG_RUNS ?? 150);
const Generated = proto.org.eclipse.tahu.protobuf.Payload;

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('Temperatur °C', '油温', 'a/b'));
const wireValue: fc.Arbitrary<WireValue> = fc.oneof(
  fc.record({ as: fc.constant('int' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ as: fc.constant('long' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({ as: fc.constant('float' as const), value: fc.float({ noNaN: true }) }),
  fc.record({ as: fc.constant('double' as const), value: fc.double({ noNaN: true }) }),
  fc.record({ as: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ as: fc.constant('string' as const), value: text }),
);
const property: fc.Arbitrary<Property> = fc.record({
  key: text,
  type: fc.integer({ min: 1, max: 14 }),
  value: fc.option(wireValue, { nil: undefined }),
});
const timestampMs = fc.integer({ min: 0, max: 4_102_444_800_000 });
const metric: fc.Arbitrary<Metric> = fc.record(
  {
    name: text,
    alias: fc.integer({ min: 0, max: 2 ** 40 }),
    timestampMs,
    datatype: fc.integer({ min: 1, max: 14 }),
    isHistorical: fc.constant(true),
    isNull: fc.constant(true),
    properties: fc.array(property, { minLength: 1, maxLength: 4 }),
    value: wireValue,
  },
  { requiredKeys: [] },
);
const payload: fc.Arbitrary<Payload> = fc.record(
  { timestampMs, seq: fc.integer({ min: 0, max: 255 }), metrics: fc.array(metric, { maxLength: 8 }) },
  { requiredKeys: ['metrics'] },
);

/** What the generated class found, in our words. */
function seenByGenerated(bytes: Buffer): Payload {
  const found = Generated.decode(bytes);
  const has = (thing: object, key: string) => Object.hasOwn(thing, key);
  const big = (value: unknown) => BigInt(String(value));
  const valueIn = (thing: object): WireValue | undefined => {
    const fields = thing as Record<string, unknown>;
    if (has(thing, 'intValue')) return { as: 'int', value: Number(fields.intValue) };
    if (has(thing, 'longValue')) return { as: 'long', value: big(fields.longValue) };
    if (has(thing, 'floatValue')) return { as: 'float', value: Number(fields.floatValue) };
    if (has(thing, 'doubleValue')) return { as: 'double', value: Number(fields.doubleValue) };
    if (has(thing, 'booleanValue')) return { as: 'boolean', value: fields.booleanValue === true };
    if (has(thing, 'stringValue')) return { as: 'string', value: String(fields.stringValue) };
    return undefined;
  };
  const metrics = found.metrics.map((one): Metric => {
    const set = one.properties;
    const value = valueIn(one);
    return {
      ...(has(one, 'name') && { name: one.name! }),
      ...(has(one, 'alias') && { alias: Number(one.alias) }),
      ...(has(one, 'timestamp') && { timestampMs: Number(one.timestamp) }),
      ...(has(one, 'datatype') && { datatype: one.datatype! }),
      ...(has(one, 'isHistorical') && { isHistorical: one.isHistorical! }),
      ...(has(one, 'isNull') && { isNull: one.isNull! }),
      ...(set && {
        properties: set.keys!.map((key, index) => ({
          key,
          type: set.values![index]!.type!,
          value: valueIn(set.values![index]!),
        })),
      }),
      ...(value && { value }),
    };
  });
  return {
    ...(has(found, 'timestamp') && { timestampMs: Number(found.timestamp) }),
    ...(has(found, 'seq') && { seq: Number(found.seq) }),
    metrics,
  };
}

describe('the bytes of a Sparkplug payload', () => {
  const encoder = new PayloadEncoder();

  it('are read back as they were written, by us and by the class that protobuf.js generated', () => {
    fc.assert(
      fc.property(payload, (written) => {
        const bytes = encoder.encode(written);
        expect(decodePayload(bytes)).toEqual(written);
        expect(seenByGenerated(bytes)).toEqual(written);
      }),
      { numRuns: RUNS },
    );
  });

  it('that the generated class wrote are read as it meant them', () => {
    const bytes = Buffer.from(
      Generated.encode({
        timestamp: 1763899200123,
        metrics: [
          { name: 'setpoint', datatype: TYPE.int16, intValue: -5 >>> 0 },
          { alias: 7, booleanValue: true, isTransient: true, metadata: { description: 'passed over' } },
          { alias: 8, bytesValue: Buffer.from('passed over') },
        ],
        seq: 3,
      }).finish(),
    );
    expect(decodePayload(bytes)).toEqual({
      timestampMs: 1763899200123,
      seq: 3,
      metrics: [
        { name: 'setpoint', datatype: TYPE.int16, value: { as: 'int', value: 0xffff_fffb } },
        { alias: 7, value: { as: 'boolean', value: true } },
        { alias: 8 },
      ],
    });
  });

  it('are read by protoc as they were written', () => {
    const bytes = encoder.encode({
      timestampMs: 1763899200123,
      seq: 255,
      metrics: [
        {
          name: 'oil-temp',
          alias: 12,
          timestampMs: 1763899200120,
          datatype: TYPE.double,
          isHistorical: true,
          properties: [
            { key: 'Quality', type: TYPE.int32, value: { as: 'int', value: 192 } },
            { key: 'engUnit', type: TYPE.string, value: { as: 'string', value: '°C' } },
          ],
          value: { as: 'double', value: 45.25 },
        },
        { alias: 13, timestampMs: 1763899200120, value: { as: 'long', value: -2n } },
        { alias: 14, timestampMs: 1763899200120, isNull: true },
      ],
    });
    const decoded = spawnSync('protoc', [`-I${import.meta.dirname}`, '--decode=Payload', 'sparkplug.proto'], {
      input: bytes,
    });
    expect(decoded.error).toBeUndefined();
    expect(decoded.stdout.toString().replaceAll(/\s+/g, ' ').trim()).toBe(
      [
        'timestamp: 1763899200123',
        'metrics { name: "oil-temp" alias: 12 timestamp: 1763899200120 datatype: 10 is_historical: true',
        'properties { keys: "Quality" keys: "engUnit" values { type: 3 int_value: 192 }',
        'values { type: 12 string_value: "\\302\\260C" } } double_value: 45.25 }',
        'metrics { alias: 13 timestamp: 1763899200120 long_value: 18446744073709551614 }',
        'metrics { alias: 14 timestamp: 1763899200120 is_null: true }',
        'seq: 255',
      ].join(' '),
    );
  });

  it('that are none are refused, and whatever comes never throws anything else', () => {
    for (const hex of ['ff', '0aff', '12820a', '0b', '00', '09'])
      expect(() => decodePayload(Buffer.from(hex, 'hex')), hex).toThrow(MalformedBytes);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodePayload(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
        }
      }),
      { numRuns: RUNS * 4 },
    );
  });
});
