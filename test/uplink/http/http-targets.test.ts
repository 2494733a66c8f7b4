import { describe, expect, it } from 'vitest';
import type { HttpTarget } from '../../../src/config/config.ts';
import type { EventBody } from '../../../src/core/event.ts';
import { type DeviceRecord, Fields, type Value } from '../../../src/core/reading.ts';
import { formOf } from '../../../src/uplink/http/http-targets.ts';
import { createJsonEncoder } from '../../../src/uplink/json.ts';
import type { OutgoingBatch } from '../../../src/uplink/uplink.ts';
import { startHttpTarget } from '../../double/http-target.ts';
import { httpUplink } from './http-fixture.ts';

const formFor = (target: HttpTarget, url = 'http://server:1/base/') =>
  formOf({ target, url }, { gateway: 'gw', encoder: createJsonEncoder({ gateway: 'gw', config: 'c' }) });

const RECORD: DeviceRecord = {
  device: 'press 1',
  at: { wallMs: 1763899200123, monoMs: 0 },
  clockKnown: true,
  simulated: false,
  fields: Fields.of([
    { name: 'oil', quality: 'good', value: 45 },
    { name: 'total', quality: 'good', value: 2n ** 60n },
    { name: 'on', quality: 'good', value: true },
    { name: 'batch', quality: 'good', value: 'a "b"\\c\nd' },
    { name: 'flow', quality: 'uncertain', value: 0.1, why: 'out-of-range' },
    { name: 'torque', quality: 'bad', why: 'timeout' },
  ]),
};
const BATCH: OutgoingBatch = { kind: 'readings', epoch: 'e', seq: 9, lane: 'live', records: [RECORD] };
const EVENT: OutgoingBatch = {
  kind: 'event',
  epoch: 'e',
  seq: 1_000_003,
  event: {
    wallMs: 1763899200123,
    monoMs: 0,
    clockKnown: true,
    body: { kind: 'audit', what: 'write', message: 'a, b' },
  },
};

describe('whole numbers of InfluxDB', () => {
  const form = formOf(
    { target: { kind: 'influxdb', version: 1, database: 'd', integers: ['*/parts'] }, url: 'http://x' },
    { gateway: 'gw', encoder: createJsonEncoder({ gateway: 'gw', config: 'c' }) },
  );
  const batchWith = (value: number) => ({
    kind: 'readings' as const,
    epoch: 'e',
    seq: 1,
    lane: 'live' as const,
    records: [
      {
        device: 'press-1',
        at: { wallMs: 5, monoMs: 5 },
        clockKnown: true,
        simulated: false,
        fields: new Fields(['parts', 'oil'], [value, 7], undefined),
      },
    ],
  });

  it('are written as integers where the file names the tag, and as floats elsewhere', () => {
    expect(form.message(batchWith(12))?.body).toBe('press-1,gateway=gw parts=12i,oil=7 5');
  });

  it('are never made of a value that is none', () => {
    expect(() => form.message(batchWith(1.5))).toThrow('parts is 1.5');
  });
});

describe('line protocol', () => {
  const influx = formFor({ kind: 'influxdb', version: 2, org: 'acme', bucket: 'plant' });

  it('writes numbers as floats and 64-bit integers as integers, and says why a tag is not good', () => {
    expect(influx.message(BATCH)!.body).toBe(
      String.raw`press\ 1,gateway=gw oil=45,total=1152921504606846976i,on=true,batch="a \"b\"\\c d",flow=0.1,flow.quality="uncertain: out-of-range",torque.quality="bad: timeout" 1763899200123`,
    );
  });

  it('gives a tag that is called time another name, as the database would drop it without a word', () => {
    const fields = Fields.of([
      { name: 'time', quality: 'good', value: 5 },
      { name: 'clock', quality: 'bad', why: 'timeout' },
    ]);
    expect(influx.message({ ...BATCH, records: [{ ...RECORD, fields }] })!.body).toContain(
      ' time.value=5,clock.value.quality="bad: timeout" ',
    );
  });

  it('gives a member of an event one type, whatever the event holds: another one would be refused', () => {
    const bodyOf = (body: EventBody) => influx.message({ ...EVENT, event: { ...EVENT.event, body } })!.body;
    const alarm = { kind: 'alarm', id: 'a', occurrence: 1, change: 'raised', state: 'unacked' } as const;
    const of = (value: Value, limit: Value | readonly Value[]): EventBody => ({
      ...alarm,
      priority: 'high',
      value,
      limit,
      message: 'm',
    });
    expect(bodyOf(of(80.5, [2, 75]))).toContain(',value=80.5,limit.text="[2,75]",');
    expect(bodyOf(of(true, true))).toContain(',value=1,limit=1,');
    expect(bodyOf(of('jam', 7n))).toContain(',value.text="jam",limit=7,');
    expect(bodyOf({ kind: 'audit', what: 'write', from: 'mes 10.0.0.5', message: 'm' })).toContain(
      ',from.text="mes 10.0.0.5",',
    );
    expect(bodyOf({ kind: 'audit', what: 'spc-exclude', points: [3, 4], message: 'm' })).toContain(
      ',points.text="[3,4]",',
    );
    expect(bodyOf({ kind: 'gap', stream: 'readings', from: 5, to: 9, count: 5, cause: 'c' })).toContain(
      ',from=5,to=9,',
    );
  });

  it('gives every event a time of its own, the same each time it is written', () => {
    expect(influx.message(EVENT)!.body).toBe(
      `events,gateway=gw,kind=audit seq=1000003i,what="write",message="a, b" 1763899200123000003`,
    );
  });

  it.each<[HttpTarget & { kind: 'influxdb' }, string, string]>([
    [{ kind: 'influxdb', version: 1, database: 'a b' }, '/base/write?db=a+b&precision=ms', 'precision=ns'],
    [
      { kind: 'influxdb', version: 2, org: 'o', bucket: 'b' },
      '/base/api/v2/write?org=o&bucket=b&precision=ms',
      'precision=ns',
    ],
    [
      { kind: 'influxdb', version: 3, database: 'd' },
      '/base/api/v3/write_lp?db=d&precision=millisecond&accept_partial=false',
      'precision=nanosecond',
    ],
  ])('goes to the address of its version: %o', (target, readings, events) => {
    const { pathname, search } = formFor(target).message(BATCH)!.url;
    expect(pathname + search).toBe(readings);
    expect(formFor(target).message(EVENT)!.url.search).toContain(events);
  });

  it('sends nothing of a record without fields, which the protocol has no form for', () => {
    expect(
      influx.message({ ...BATCH, records: [{ ...RECORD, fields: Fields.of([]) }] } as OutgoingBatch),
    ).toBeUndefined();
  });
});

describe('Kafka REST', () => {
  const kafka = formFor({ kind: 'kafka-rest', topic: 'plant' });

  it('makes a record of each, with a key that keeps the order of a device', () => {
    const { url, headers, body } = kafka.message(BATCH)!;
    expect(url.href).toBe('http://server:1/base/topics/plant');
    expect(headers['content-type']).toBe('application/vnd.kafka.json.v2+json');
    const { records } = JSON.parse(String(body));
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ key: 'gw/press 1', value: { gateway: 'gw', epoch: 'e', seq: 9, lane: 'live' } });
    expect(records[0].value.v.total).toBe('1152921504606846976');
  });

  const offsets = (...codes: (number | null)[]) =>
    JSON.stringify({
      offsets: codes.map((code) => ({ partition: 0, offset: 1, error_code: code, error: code && 'why' })),
    });

  it.each([
    ['all taken', offsets(null, null), { ok: true }],
    ['one refused', offsets(null, 1), { ok: false, why: 'Kafka did not take 1 of 2 records: why' }],
  ])('looks at each answer: %s', (_what, body, expected) => {
    expect(kafka.judge(body, 2)).toEqual(expected);
  });

  it.each([
    ['one to be tried again', offsets(1, 2, null)],
    ['a page that is no answer', '<html>'],
    ['an answer without offsets', '{"ok":true}'],
    ['an answer for fewer records than were sent', offsets(null, null)],
    ['an answer for none', offsets()],
  ])('sends it again: %s', (_what, body) => {
    expect(kafka.judge(body, 3)).toBeInstanceOf(Error);
  });

  it('does not settle what a 200 says was not taken', async () => {
    const target = await startHttpTarget();
    target.answer(() => ({ status: 200, body: offsets(1) }));
    const url = `http://127.0.0.1:${target.port}`;
    const uplink = httpUplink(target.port, { url, target: { kind: 'kafka-rest', topic: 't' } });
    const session = await uplink.connect(new AbortController().signal);
    expect(await session.send(BATCH, new AbortController().signal)).toMatchObject({ ok: false });
    await session.close();
    await target.close();
  });
});
