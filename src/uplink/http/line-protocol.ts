/** Writes batches in InfluxDB's line protocol, for the write APIs of versions 1, 2 and 3. */
import type { HttpTarget } from '../../config/config.ts';
import { type DeviceRecord, type TagId, tagPattern, type Value } from '../../core/reading.ts';
import type { OutgoingBatch, SendResult } from '../uplink.ts';
import { addressOf, type FormDeps, type HttpForm } from './http-form.ts';

type Influx = Extract<HttpTarget, { kind: 'influxdb' }>;

/** The largest whole number of the database, 2⁶³−1; what is larger is written with the sign `u` of unsigned numbers. */
const MAX_INT64 = 2n ** 63n - 1n;

/** Nanoseconds in a millisecond; events of one millisecond are told apart by them. */
const NS_PER_MS = 1_000_000;

/**
 * Lines of one measurement a device, with the tags of the device as fields. A point that is written again replaces
 * itself, because its series and time are the same.
 *
 * Numbers are written as floats, and 64-bit integers and the tags of `integers` as integers, whatever their values, so that a
 * field keeps the type that the database gave it with its first point. A tag that is not good has its reason in the field `TAG.quality`.
 */
export function lineProtocolForm(target: Influx, { gateway, url }: FormDeps): HttpForm {
  const addresses = { ms: writeAddress(url, target, 'ms'), ns: writeAddress(url, target, 'ns') };
  const isWhole = wholeTags(target.integers);
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  return {
    takesTexts: false,
    tokenWord: target.version === 3 ? 'Bearer' : 'Token',
    message(batch) {
      if (batch.kind === 'texts') throw new TypeError('lines are not written from text');
      if (batch.kind === 'event') return { url: addresses.ns, headers, body: eventLine(batch, gateway) };
      const body = batch.records.map((record) => recordLine(record, gateway, isWhole)).filter((line) => line !== '');
      return body.length === 0 ? undefined : { url: addresses.ms, headers, body: body.join('\n') };
    },
    judge: judgeWrite,
  };
}

/** A write is answered without a body. A page is of somebody on the way, such as a portal that wants a login, and not of a database. */
function judgeWrite(body: string): SendResult | Error {
  const said = body.trim();
  if (said.startsWith('<'))
    return new Error('the answer is a web page, and not that of InfluxDB. Check url, and what is on the way to it.');
  return /"error"\s*:\s*"/.test(said) ? new Error(`the database says ${said.slice(0, 200)}`) : { ok: true };
}

/** InfluxDB 1: /write; 2: /api/v2/write; 3: /api/v3/write_lp, which takes all lines or none. */
function writeAddress(base: string, target: Influx, precision: 'ms' | 'ns'): URL {
  if (target.version === 1) return addressOf(base, '/write', { db: target.database, precision });
  if (target.version === 2)
    return addressOf(base, '/api/v2/write', { org: target.org, bucket: target.bucket, precision });
  const long = precision === 'ms' ? 'millisecond' : 'nanosecond';
  return addressOf(base, '/api/v3/write_lp', { db: target.database, precision: long, accept_partial: 'false' });
}

/** One line; empty for a record without fields, which the protocol has no form for. */
function recordLine(record: DeviceRecord, gateway: string, isWhole: (tag: TagId) => boolean): string {
  const fields = [...record.fields].flatMap((field) => {
    const name = nameText(RESERVED.has(field.name) ? `${field.name}.value` : field.name);
    if (field.quality === 'bad') return [`${name}.quality=${quoted(`bad: ${field.why}`)}`];
    const text = isWhole(`${record.device}/${field.name}`)
      ? wholeText(field.value, field.name)
      : valueText(field.value);
    const value = `${name}=${text}`;
    return field.quality === 'good' ? [value] : [value, `${name}.quality=${quoted(`uncertain: ${field.why}`)}`];
  });
  if (fields.length === 0) return '';
  if (!record.clockKnown) fields.push('clock="unsynced"');
  const simulated = record.simulated ? ',simulated=true' : '';
  return `${measurementText(record.device)},gateway=${nameText(gateway)}${simulated} ${fields.join(',')} ${record.at.wallMs}`;
}

/**
 * Names that a field cannot have: the database takes a point with a field `time` and drops that, without a word where there
 * are others; the rest are those of the tags and the field that every point may have here.
 */
const RESERVED = new Set(['time', 'gateway', 'simulated', 'clock']);

/** Members of events that are numbers in one event and something else in another: `from` is a time, or an address. */
const MIXED = new Set([
  'value',
  'readBack',
  'limit',
  'limits',
  'from',
  'to',
  'was',
  'before',
  'code',
  'stop',
  'points',
]);

/**
 * An event goes to the measurement `events`; its number is in its nanoseconds, so that no event replaces another. A field
 * has one type in all of them: the database refuses every point that has another one.
 */
function eventLine({ event, seq }: Extract<OutgoingBatch, { kind: 'event' }>, gateway: string): string {
  const { kind, ...body } = event.body;
  const fields = Object.entries(body).flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    const plain = typeof value === 'object' ? JSON.stringify(value, (_key, one) => plainOf(one)) : value;
    return [memberText(name, plain as Value)];
  });
  const clock = event.clockKnown ? '' : ',clock="unsynced"';
  const ns = `${event.wallMs}${String(seq % NS_PER_MS).padStart(6, '0')}`;
  return `events,gateway=${nameText(gateway)},kind=${nameText(kind)} seq=${seq}i${fields.map((field) => `,${field}`).join('')}${clock} ${ns}`;
}

/** A member of an event as a field: of those that may be of any type the numbers, beside them the texts. */
function memberText(name: string, value: Value): string {
  if (!MIXED.has(name)) return `${nameText(name)}=${valueText(value)}`;
  return typeof value === 'string' ? `${name}.text=${quoted(value)}` : `${name}=${valueText(Number(value))}`;
}

function plainOf(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** Whether a tag is written as an integer. */
function wholeTags(patterns: readonly string[] = []): (tag: TagId) => boolean {
  const named = patterns.map(tagPattern);
  const known = new Map<TagId, boolean>();
  return (tag) => {
    let isWhole = known.get(tag);
    if (isWhole === undefined) {
      isWhole = named.some((names) => names(tag));
      known.set(tag, isWhole);
    }
    return isWhole;
  };
}

/** An integer; throws a `TypeError` for what is none, rather than change it or the type of its field. */
function wholeText(value: Value, name: string): string {
  if (typeof value === 'bigint') return valueText(value);
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new TypeError(`${name} is ${value}, and integers names it as a whole number`);
  return `${value}i`;
}

/** Throws a `TypeError` for NaN and infinities, which the protocol has no form for. */
function valueText(value: Value): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}${value > MAX_INT64 ? 'u' : 'i'}`;
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no form in line protocol`);
  return String(value);
}

/** A string field: quotes and backslashes are escaped. A line break would be taken for the end of the line by some versions. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&').replaceAll(/[\r\n]+/g, ' ')}"`;
}

/** A tag key, tag value or field key: commas, equals signs and spaces are escaped. */
function nameText(text: string): string {
  return text.replaceAll(/[\r\n\\]+/g, '_').replaceAll(/[,= ]/g, '\\$&');
}

/** A measurement: commas and spaces are escaped. */
function measurementText(text: string): string {
  return text.replaceAll(/[\r\n\\]+/g, '_').replaceAll(/[, ]/g, '\\$&');
}
