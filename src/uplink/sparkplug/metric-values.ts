/** Values of tags as Sparkplug has them: data types, the three qualities, and what is said of a value beside it. */
import type { Field, Value, ValueForm } from '../../core/reading.ts';
import { type Metric, type Property, TYPE, type WireValue } from './payload.ts';

/** Values of the property `Quality` (Sparkplug 3.0, 6.4.15): the standard knows no others. */
const QUALITY = { good: 192, uncertain: 500, bad: 0 } as const;

/** Data types that metrics have here. */
export type MetricType =
  | typeof TYPE.boolean
  | typeof TYPE.int64
  | typeof TYPE.uint64
  | typeof TYPE.double
  | typeof TYPE.string;

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/** The type of a tag that was not read yet. */
export function typeOfForm(form: ValueForm | undefined): MetricType {
  if (form === 'bool') return TYPE.boolean;
  return form === 'text' ? TYPE.string : TYPE.double;
}

/** The type that a value by itself asks for. */
export function typeOfValue(value: Value): MetricType {
  if (typeof value === 'boolean') return TYPE.boolean;
  if (typeof value === 'string') return TYPE.string;
  if (typeof value === 'number') return TYPE.double;
  return value > INT64.max ? TYPE.uint64 : TYPE.int64;
}

/** What can hold less comes first. */
const RANKS: readonly MetricType[] = [TYPE.boolean, TYPE.int64, TYPE.uint64, TYPE.double, TYPE.string];

/** The type that holds what a metric had so far and this value; a value out of what is known loses digits at most. */
export function joinedType(type: MetricType, value: Value): MetricType {
  if (holds(type, value)) return type;
  if (type === TYPE.uint64 && typeof value === 'bigint') return TYPE.double;
  const own = typeOfValue(value);
  return RANKS.indexOf(own) > RANKS.indexOf(type) ? own : TYPE.double;
}

function holds(type: MetricType, value: Value): boolean {
  if (type === TYPE.string || typeof value === 'boolean') return true;
  if (typeof value === 'string' || type === TYPE.boolean) return false;
  if (type === TYPE.double) return true;
  if (typeof value === 'number') return Number.isSafeInteger(value) && (type === TYPE.int64 || value >= 0);
  return type === TYPE.int64 ? value >= INT64.min && value <= INT64.max : value >= 0n;
}

/** The value as it goes over the wire, of a type that holds it. */
export function wireValueOf(type: MetricType, value: Value): WireValue {
  switch (type) {
    case TYPE.boolean:
      return { as: 'boolean', value: value === true };
    case TYPE.string:
      return { as: 'string', value: String(value) };
    case TYPE.double:
      return { as: 'double', value: Number(value) };
    default:
      return { as: 'long', value: BigInt(value) };
  }
}

/** The value in a metric of a command; undefined when there is none that a tag could take. */
export function valueOfMetric({ value, datatype, isNull }: Metric, type: number | undefined): Value | undefined {
  if (isNull || !value) return undefined;
  const kind = datatype ?? type;
  if (value.as === 'int') {
    // Signed integers of up to 32 bits are sent as their two's complement; that of 8 and 16 bits may come cut off.
    if (kind === TYPE.int8) return (value.value << 24) >> 24;
    if (kind === TYPE.int16) return (value.value << 16) >> 16;
    return kind === TYPE.int32 ? value.value | 0 : value.value;
  }
  if (value.as === 'long') {
    const exact = kind === TYPE.uint64 ? value.value : BigInt.asIntN(64, value.value);
    return exact >= Number.MIN_SAFE_INTEGER && exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : exact;
  }
  if ((value.as === 'float' || value.as === 'double') && !Number.isFinite(value.value)) return undefined;
  return value.value;
}

/** What a record says of all its fields. */
interface Marks {
  readonly clockKnown: boolean;
  readonly simulated: boolean;
}

/** Quality and marks of a reading as properties. @param isPlain leaves out what says nothing: that a value is good */
export function qualityProperties(field: Field, marks: Marks, isPlain: boolean): Property[] {
  const properties: Property[] = [];
  if (!isPlain || field.quality !== 'good')
    properties.push({ key: 'Quality', type: TYPE.int32, value: { as: 'int', value: QUALITY[field.quality] } });
  if (field.quality !== 'good') properties.push(textProperty('why', field.why));
  if (marks.simulated) properties.push({ key: 'simulated', type: TYPE.boolean, value: { as: 'boolean', value: true } });
  if (!marks.clockKnown) properties.push(textProperty('clock', 'unsynced'));
  return properties;
}

/** A property that is text. */
export function textProperty(key: string, value: string): Property {
  return { key, type: TYPE.string, value: { as: 'string', value } };
}
