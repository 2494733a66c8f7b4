import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOUBTS, type Doubt, FAILURES, type Failure } from '../../src/core/quality.ts';
import { type DeviceRecord, type Field, Fields, type Value } from '../../src/core/reading.ts';
import { createRecordText } from '../../src/core/record-text.ts';
import type { RecordText } from '../../src/store/store.ts';
import { createJsonEncoder, statusText } from '../../src/uplink/json.ts';

const encoder = createJsonEncoder({ gateway: 'press-shop-1', config: '9b1e' });

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
  fc.boolean(),
  fc.string({ unit: 'binary' }),
);
const doubt = fc.constantFrom(...(Object.keys(DOUBTS) as Doubt[]));
const failure = fc.constantFrom(...(Object.keys(FAILURES) as Failure[]));
const outcome = fc.oneof(
  value.map((v) => ({ quality: 'good' as const, value: v })),
  fc.record({ quality: fc.constant('uncertain' as const), value, why: doubt }),
  fc.record({ quality: fc.constant('bad' as const), why: failure }),
);
const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
const record: fc.Arbitrary<DeviceRecord> = fc.record({
  device: fc.string(),
  at: fc.record({ wallMs: fc.integer({ min: 0, max: 2 ** 42 }), monoMs: fc.double({ min: 0, noNaN: true }) }),
  clockKnown: fc.boolean(),
  simulated: fc.boolean(),
  fields: fc
    .uniqueArray(name, { maxLength: 8 })
    .chain((names) => fc.tuple(...names.map((n) => outcome.map((o): Field => ({ name: n, ...o })))))
    .map((fields) => Fields.of(fields)),
});

/** What the value must look like after JSON.parse, by the rules of the wire. */
function wire(v: Value): unknown {
  if (typeof v === 'bigint') return Number.isSafeInteger(Number(v)) && BigInt(Number(v)) === v ? Number(v) : `${v}`;
  return Object.is(v, -0) ? 0 : v;
}

function expectedRecord({ device, at, fields, clockKnown, simulated }: DeviceRecord): unknown {
  const pick = (take: (field: Field) => unknown) =>
    Object.fromEntries([...fields].map((f) => [f.name, take(f)]).filter(([, v]) => v !== undefined));
  const uncertain = pick((f) => (f.quality === 'uncertain' ? f.why : undefined));
  const bad = pick((f) => (f.quality === 'bad' ? f.why : undefined));
  return {
    device,
    t: at.wallMs,
    v: pick((f) => (f.quality === 'bad' ? undefined : wire(f.value))),
    ...(Object.keys(uncertain).length > 0 && { uncertain }),
    ...(Object.keys(bad).length > 0 && { bad }),
    ...(!clockKnown && { clock: 'unsynced' }),
    ...(simulated && { simulated: true }),
  };
}

function recordOf(fields: readonly Field[]): DeviceRecord {
  return {
    device: 'press-1',
    at: { wallMs: 1763899200123, monoMs: 5 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(fields),
  };
}

/** As the store gives them: side by side, a comma between them. */
function textsOnOnePage(records: readonly DeviceRecord[]): RecordText[] {
  const write = createRecordText();
  const parts = records.map((one) => Buffer.from(write(one)));
  const page = Buffer.from(parts.map((part) => part.toString('latin1')).join(), 'latin1');
  let start = 0;
  return parts.map((part, index) => {
    const text = { page, start, end: start + part.length, fields: records[index]!.fields.length, wallMs: 0 };
    start = text.end + 1;
    return text;
  });
}

describe('readings as JSON', () => {
  it('reads exactly as the contract shows it', () => {
    const records = [
      recordOf([
        { name: 'oil-temp', quality: 'good', value: 45.2 },
        { name: 'parts', quality: 'good', value: 10422 },
      ]),
      recordOf([
        { name: 'flow', quality: 'uncertain', value: 12.8, why: 'out-of-range' },
        { name: 'torque', quality: 'bad', why: 'timeout' },
      ]),
    ];
    expect(encoder.batch({ kind: 'readings', epoch: '0f6c', seq: 188201, lane: 'live', records })).toBe(
      '{"schema":"millgate/readings/1","gateway":"press-shop-1","epoch":"0f6c","seq":188201,"lane":"live","config":"9b1e",' +
        '"records":[{"device":"press-1","t":1763899200123,"v":{"oil-temp":45.2,"parts":10422}},' +
        '{"device":"press-1","t":1763899200123,"v":{"flow":12.8},"uncertain":{"flow":"out-of-range"},"bad":{"torque":"timeout"}}]}',
    );
  });

  it('writes records that the store has written as text into the very same bytes', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(3), (records, cut) => {
        const batch = { epoch: '0f6c', seq: 7, lane: 'backfill' } as const;
        const texts = [records.slice(0, cut), records.slice(cut)].flatMap(textsOnOnePage);
        expect(encoder.texts({ kind: 'texts', ...batch, texts }).toString()).toBe(
          Buffer.from(encoder.batch({ kind: 'readings', ...batch, records })).toString(),
        );
      }),
    );
  });

  it('refuses a text that says that its record has no form in JSON', () => {
    const [text] = textsOnOnePage([recordOf([{ name: 'flow', quality: 'good', value: 1 }])]);
    const texts = [text!, { ...text!, start: text!.end, end: text!.end }];
    expect(() => encoder.texts({ kind: 'texts', epoch: 'e', seq: 1, lane: 'live', texts })).toThrow(TypeError);
  });

  it('says for any records what JSON.stringify would, with large integers as decimal strings', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), fc.nat(), (records, seq) => {
        expect(JSON.parse(encoder.batch({ kind: 'readings', epoch: 'e', seq, lane: 'backfill', records }))).toEqual({
          schema: 'millgate/readings/1',
          gateway: 'press-shop-1',
          epoch: 'e',
          seq,
          lane: 'backfill',
          config: '9b1e',
          records: records.map(expectedRecord),
        });
      }),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %s', (number) => {
    const records = [recordOf([{ name: 'x', quality: 'good', value: number }])];
    expect(() => encoder.batch({ kind: 'readings', epoch: 'e', seq: 1, lane: 'live', records })).toThrow(TypeError);
  });

  it('writes one tag for a topic of its own', () => {
    const good: Field = { name: 'x', quality: 'good', value: 2n ** 53n };
    const bad: Field = { name: 'x', quality: 'bad', why: 'timeout' };
    expect(encoder.lastValue(recordOf([good]), good)).toBe('{"t":1763899200123,"v":"9007199254740992"}');
    expect(encoder.lastValue({ ...recordOf([bad]), simulated: true }, bad)).toBe(
      '{"t":1763899200123,"bad":"timeout","simulated":true}',
    );
  });
});

describe('events as JSON', () => {
  const instant = { wallMs: 1763899200123, monoMs: 7, clockKnown: true };

  it('puts the kind and its members beside the key', () => {
    const body = {
      kind: 'gap',
      stream: 'readings',
      from: 5,
      to: 9,
      count: 5,
      cause: 'evicted',
      detail: undefined,
    } as const;
    expect(JSON.parse(encoder.batch({ kind: 'event', epoch: 'e', seq: 3, event: { ...instant, body } }))).toEqual({
      schema: 'millgate/event/1',
      gateway: 'press-shop-1',
      epoch: 'e',
      seq: 3,
      t: 1763899200123,
      kind: 'gap',
      stream: 'readings',
      from: 5,
      to: 9,
      count: 5,
      cause: 'evicted',
    });
  });

  it('carries any detail, flags an unknown clock, and keeps large integers exact', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.bigInt(), (detail, big) => {
        const body = { kind: 'audit', what: 'w', message: 'm', detail, list: [big, null] } as const;
        const text = encoder.batch({
          kind: 'event',
          epoch: 'e',
          seq: 1,
          event: { ...instant, clockKnown: false, body },
        });
        const parsed = JSON.parse(text);
        expect(parsed.clock).toBe('unsynced');
        expect(parsed.list).toEqual([wire(big), null]);
        const plain = JSON.stringify(detail, (_, v) => (typeof v === 'number' ? wire(v) : v));
        expect(JSON.stringify(parsed.detail)).toBe(plain);
      }),
    );
  });

  it('refuses a body that would overwrite the key', () => {
    const body = { kind: 'audit', what: 'w', message: 'm', seq: 99 } as const;
    expect(() => encoder.batch({ kind: 'event', epoch: 'e', seq: 1, event: { ...instant, body } })).toThrow(/"seq"/);
  });
});

it('the status message says who, since when, and under which configuration', () => {
  const text = statusText({ state: 'online', version: '0.1.0', config: '9b1e', epoch: '0f6c', sinceMs: 1763899200123 });
  expect(JSON.parse(text)).toEqual({
    state: 'online',
    version: '0.1.0',
    config: '9b1e',
    epoch: '0f6c',
    since: 1763899200123,
  });
});
