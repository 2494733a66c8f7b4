/** Writes records as JSON text, as they are on the wire. */
import type { DeviceRecord, Field, Value } from './reading.ts';

/** How many escaped names are kept; far above the number of tags of any gateway. */
const MAX_CACHED_KEYS = 65_536;

/**
 * Makes a writer of records as JSON objects, as they are on the wire. New data and the backlog go through the same one,
 * wherever they are written, so that a record sent twice is the same text. It keeps a cache of escaped names, and is
 * written by hand because this is the hottest path there is.
 *
 * @returns a function that throws a `TypeError` for a number that is not finite
 */
export function createRecordText(): (record: DeviceRecord) => string {
  const keys = new Map<string, string>();

  /** `,"name":`; the comma is cut off in front of a first member. By the name, as a deadband leaves other lists each time. */
  const keyOf = (name: string): string => {
    let key = keys.get(name);
    if (key === undefined) {
      if (keys.size >= MAX_CACHED_KEYS) keys.clear();
      key = `,${JSON.stringify(name)}:`;
      keys.set(name, key);
    }
    return key;
  };

  return (record) => {
    let values = '';
    let uncertain = '';
    let bad = '';
    const { names, values: all, remarks } = record.fields;
    for (let place = 0; place < names.length; place++) {
      const value = all[place];
      if (value !== undefined)
        values += keyOf(names[place]!) + (typeof value === 'number' ? numberText(value) : valueText(value));
    }
    for (const [place, { quality, why }] of remarks ?? []) {
      if (quality === 'bad') bad += `${keyOf(names[place]!)}"${why}"`;
      else uncertain += `${keyOf(names[place]!)}"${why}"`;
    }
    const device = JSON.stringify(record.device);
    let text = `{"device":${device},"t":${numberText(record.at.wallMs)},"v":{${values.slice(1)}}`;
    if (uncertain) text += `,"uncertain":{${uncertain.slice(1)}}`;
    if (bad) text += `,"bad":{${bad.slice(1)}}`;
    return `${text}${recordMarks(record)}}`;
  };
}

/** The last value of one tag as a JSON object, as it is on the wire. Throws a `TypeError` for what JSON cannot hold. */
export function fieldText(record: DeviceRecord, field: Field): string {
  const what =
    field.quality === 'bad'
      ? `"bad":"${field.why}"`
      : `"v":${valueText(field.value)}${field.quality === 'uncertain' ? `,"uncertain":"${field.why}"` : ''}`;
  return `{"t":${numberText(record.at.wallMs)},${what}${recordMarks(record)}}`;
}

/** What a record says of all its readings, as members after others: that the clock was not known, that they are made up. */
export function recordMarks(record: DeviceRecord): string {
  return `${record.clockKnown ? '' : ',"clock":"unsynced"'}${record.simulated ? ',"simulated":true' : ''}`;
}

/** A value as JSON text; integers beyond ±(2⁵³−1) are decimal strings. Throws a `TypeError` for NaN and infinities. */
export function valueText(value: Value): string {
  switch (typeof value) {
    case 'number':
      return numberText(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return bigintText(value);
    default:
      return JSON.stringify(value);
  }
}

/**
 * A finite number as JSON text. Exact integers beyond what a double holds are never numbers here: they are bigints.
 * Throws a `TypeError` for NaN and infinities.
 */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} is not a value: it should have been a bad reading`);
  return `${value}`;
}

function bigintText(value: bigint): string {
  const exact = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return exact ? `${value}` : `"${value}"`;
}
