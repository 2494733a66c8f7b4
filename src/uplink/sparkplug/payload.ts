/** The payload of Sparkplug B as bytes: what an edge node has to write, and what it has to read of commands. */
import { fieldsIn, MalformedBytes, ProtoWriter, type WireField } from './protobuf.ts';

/** Data types of metrics and properties that are used here (Sparkplug 3.0, chapter 6.4.16). */
export const TYPE = {
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  uint8: 5,
  uint16: 6,
  uint32: 7,
  uint64: 8,
  float: 9,
  double: 10,
  boolean: 11,
  string: 12,
  dateTime: 13,
  text: 14,
} as const;

/** A value as it goes over the wire. 32- and 64-bit integers are unsigned there; signed ones are two's complements. */
export type WireValue =
  | { readonly as: 'int'; readonly value: number }
  | { readonly as: 'long'; readonly value: bigint }
  | { readonly as: 'float'; readonly value: number }
  | { readonly as: 'double'; readonly value: number }
  | { readonly as: 'boolean'; readonly value: boolean }
  | { readonly as: 'string'; readonly value: string };

/** A property of a metric, such as its unit. */
export interface Property {
  readonly key: string;
  readonly type: number;
  readonly value: WireValue | undefined;
}

/** One metric. A metric without a value has `isNull`. */
export interface Metric {
  readonly name?: string;
  readonly alias?: number;
  /** UTC ms. */
  readonly timestampMs?: number;
  readonly datatype?: number;
  readonly isHistorical?: boolean;
  readonly isNull?: boolean;
  readonly properties?: readonly Property[];
  readonly value?: WireValue;
}

/** One message. `seq` is absent in an NDEATH. */
export interface Payload {
  readonly timestampMs?: number;
  readonly seq?: number;
  readonly metrics: readonly Metric[];
}

/** Field numbers of the three messages; the value fields of metric and property stand in the same order. */
const PAYLOAD = { timestamp: 1, metric: 2, seq: 3 } as const;
const METRIC = {
  name: 1,
  alias: 2,
  timestamp: 3,
  datatype: 4,
  isHistorical: 5,
  isNull: 7,
  properties: 9,
  firstValue: 10,
} as const;
const PROPERTY = { key: 1, value: 2, type: 1, isNull: 2, firstValue: 3 } as const;
const VALUES = ['int', 'long', 'float', 'double', 'boolean', 'string'] as const;

/** Writes payloads. One encoder is for one payload at a time. */
export class PayloadEncoder {
  private readonly payload = new ProtoWriter(1024);
  private readonly metric = new ProtoWriter();
  private readonly set = new ProtoWriter();
  private readonly property = new ProtoWriter();

  encode({ timestampMs, metrics, seq }: Payload): Buffer {
    const { payload } = this;
    payload.clear();
    if (timestampMs !== undefined) payload.varint(PAYLOAD.timestamp, timestampMs);
    for (const metric of metrics) payload.bytes(PAYLOAD.metric, this.metricBytes(metric));
    if (seq !== undefined) payload.varint(PAYLOAD.seq, seq);
    return Buffer.from(payload.written());
  }

  private metricBytes(metric: Metric): Uint8Array {
    const out = this.metric;
    out.clear();
    if (metric.name !== undefined) out.text(METRIC.name, metric.name);
    if (metric.alias !== undefined) out.varint(METRIC.alias, metric.alias);
    if (metric.timestampMs !== undefined) out.varint(METRIC.timestamp, metric.timestampMs);
    if (metric.datatype !== undefined) out.varint(METRIC.datatype, metric.datatype);
    if (metric.isHistorical) out.varint(METRIC.isHistorical, 1);
    if (metric.isNull) out.varint(METRIC.isNull, 1);
    if (metric.properties && metric.properties.length > 0)
      out.bytes(METRIC.properties, this.propertyBytes(metric.properties));
    if (metric.value) writeValue(out, METRIC.firstValue, metric.value);
    return out.written();
  }

  private propertyBytes(properties: readonly Property[]): Uint8Array {
    const { set, property } = this;
    set.clear();
    for (const { key } of properties) set.text(PROPERTY.key, key);
    for (const { type, value } of properties) {
      property.clear();
      property.varint(PROPERTY.type, type);
      if (value) writeValue(property, PROPERTY.firstValue, value);
      else property.varint(PROPERTY.isNull, 1);
      set.bytes(PROPERTY.value, property.written());
    }
    return set.written();
  }
}

function writeValue(out: ProtoWriter, first: number, value: WireValue): void {
  const field = first + VALUES.indexOf(value.as);
  if (value.as === 'int') out.varint(field, value.value >>> 0);
  else if (value.as === 'long') out.varint64(field, value.value);
  else if (value.as === 'float') out.float(field, value.value);
  else if (value.as === 'double') out.double(field, value.value);
  else if (value.as === 'boolean') out.varint(field, value.value ? 1 : 0);
  else out.text(field, value.value);
}

/**
 * Reads a payload. Fields that an edge node has no use for (metadata, data sets, templates, bytes, nested properties) are
 * passed over: a metric that holds one has no value.
 *
 * @throws MalformedBytes for bytes that are no payload
 */
export function decodePayload(bytes: Buffer): Payload {
  let timestampMs: number | undefined;
  let seq: number | undefined;
  const metrics: Metric[] = [];
  for (const field of fieldsIn(bytes)) {
    if (field.number === PAYLOAD.timestamp) timestampMs = numberOf(field);
    else if (field.number === PAYLOAD.seq) seq = numberOf(field);
    else if (field.number === PAYLOAD.metric) metrics.push(metricOf(bytesOf(field)));
  }
  return { ...(timestampMs !== undefined && { timestampMs }), ...(seq !== undefined && { seq }), metrics };
}

function metricOf(bytes: Buffer): Metric {
  const metric: { -readonly [K in keyof Metric]: Metric[K] } = {};
  for (const field of fieldsIn(bytes)) {
    switch (field.number) {
      case METRIC.name:
        metric.name = textOf(field);
        break;
      case METRIC.alias:
        metric.alias = numberOf(field);
        break;
      case METRIC.timestamp:
        metric.timestampMs = numberOf(field);
        break;
      case METRIC.datatype:
        metric.datatype = numberOf(field);
        break;
      case METRIC.isHistorical:
        metric.isHistorical = numberOf(field) !== 0;
        break;
      case METRIC.isNull:
        metric.isNull = numberOf(field) !== 0;
        break;
      case METRIC.properties:
        metric.properties = propertiesOf(bytesOf(field));
        break;
      default: {
        const value = valueIn(field, METRIC.firstValue);
        if (value) metric.value = value;
      }
    }
  }
  return metric;
}

function propertiesOf(bytes: Buffer): Property[] {
  const keys: string[] = [];
  const values: Omit<Property, 'key'>[] = [];
  for (const field of fieldsIn(bytes)) {
    if (field.number === PROPERTY.key) keys.push(textOf(field));
    else if (field.number === PROPERTY.value) values.push(propertyOf(bytesOf(field)));
  }
  if (keys.length !== values.length)
    throw new MalformedBytes('there are more keys of properties than values, or fewer');
  return keys.map((key, index) => ({ key, ...values[index]! }));
}

function propertyOf(bytes: Buffer): Omit<Property, 'key'> {
  let type = 0;
  let value: WireValue | undefined;
  for (const field of fieldsIn(bytes)) {
    if (field.number === PROPERTY.type) type = numberOf(field);
    else value = valueIn(field, PROPERTY.firstValue) ?? value;
  }
  return { type, value };
}

/** The value in a field; undefined when the field is none of those that are read. */
function valueIn(field: WireField, first: number): WireValue | undefined {
  const as = VALUES[field.number - first];
  switch (as) {
    case undefined:
      return undefined;
    case 'int':
      return { as, value: Number(BigInt.asUintN(32, bitsOf(field, 0))) };
    case 'long':
      return { as, value: bitsOf(field, 0) };
    case 'float':
      return { as, value: new Float32Array(new Uint32Array([Number(bitsOf(field, 5))]).buffer)[0]! };
    case 'double':
      return { as, value: new Float64Array(new BigUint64Array([bitsOf(field, 1)]).buffer)[0]! };
    case 'boolean':
      return { as, value: bitsOf(field, 0) !== 0n };
    default:
      return { as, value: textOf(field) };
  }
}

function bitsOf(field: WireField, type: 0 | 1 | 5): bigint {
  if (field.type === 2 || field.type !== type) throw new MalformedBytes(`field ${field.number} has another wire type`);
  return field.bits;
}

function numberOf(field: WireField): number {
  return Number(bitsOf(field, 0));
}

function bytesOf(field: WireField): Buffer {
  if (field.type !== 2) throw new MalformedBytes(`field ${field.number} has another wire type`);
  return field.bytes;
}

function textOf(field: WireField): string {
  return bytesOf(field).toString('utf8');
}
