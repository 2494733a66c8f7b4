import type { DeviceRecord, Field, Value } from '../core/reading.ts';
import type { OutgoingBatch } from './uplink.ts';

/** Who speaks: goes into every payload. */
export interface Sender {
  readonly gateway: string;
  /** Hash of the configuration in force; asked for each batch, as it may change while the gateway runs. */
  readonly config: string;
}

/** What the retained status message says. `sinceMs` is UTC ms of the connection it was made for. */
export interface StatusPayload {
  readonly state: 'online' | 'offline';
  readonly version: string;
  readonly config: string;
  readonly epoch: string;
  readonly sinceMs: number;
}

/** Writes batches as JSON text. Throws a `TypeError` for what cannot be: NaN, infinities, an event that names a key twice. */
export interface JsonEncoder {
  batch(batch: OutgoingBatch): string;
  /** The last value of one tag, for `topics: per-tag`. */
  lastValue(record: DeviceRecord, field: Field): string;
}

/** How many escaped names are kept; far above the number of tags of any gateway. */
const MAX_CACHED_KEYS = 65_536;

/** Members of an event that its body must not name again. */
const EVENT_MEMBERS = new Set(['schema', 'gateway', 'epoch', 'seq', 't', 'clock']);

/** A JSON encoder with a cache of escaped names of its own. Written by hand because this is the hottest path there is. */
export function createJsonEncoder(sender: Sender): JsonEncoder {
  const keys = new Map<string, string>();

  /** `,"name":`; the comma is cut off in front of a first member. */
  const keyOf = (name: string): string => {
    let key = keys.get(name);
    if (key === undefined) {
      if (keys.size >= MAX_CACHED_KEYS) keys.clear();
      key = `,${JSON.stringify(name)}:`;
      keys.set(name, key);
    }
    return key;
  };

  const recordText = (record: DeviceRecord): string => {
    let values = '';
    let uncertain = '';
    let bad = '';
    for (const field of record.fields) {
      const key = keyOf(field.name);
      if (field.quality === 'bad') {
        bad += `${key}"${field.why}"`;
        continue;
      }
      const { value } = field;
      values += key + (typeof value === 'number' ? numberText(value) : valueText(value));
      if (field.quality === 'uncertain') uncertain += `${key}"${field.why}"`;
    }
    const device = JSON.stringify(record.device);
    let text = `{"device":${device},"t":${numberText(record.at.wallMs)},"v":{${values.slice(1)}}`;
    if (uncertain) text += `,"uncertain":{${uncertain.slice(1)}}`;
    if (bad) text += `,"bad":{${bad.slice(1)}}`;
    return `${text}${marks(record)}}`;
  };

  return {
    batch(batch) {
      const from = `"gateway":${JSON.stringify(sender.gateway)},"epoch":${JSON.stringify(batch.epoch)},"seq":${batch.seq}`;
      if (batch.kind === 'readings') {
        let text = `{"schema":"millgate/readings/1",${from},"lane":"${batch.lane}","config":${JSON.stringify(sender.config)},"records":[`;
        for (let index = 0; index < batch.records.length; index++) {
          if (index > 0) text += ',';
          text += recordText(batch.records[index]!);
        }
        return `${text}]}`;
      }
      const { event } = batch;
      const body = Object.entries(event.body).filter(([, value]) => value !== undefined);
      const doubled = body.find(([name]) => EVENT_MEMBERS.has(name));
      if (doubled) throw new TypeError(`the event's body names "${doubled[0]}", which is a member of every event`);
      const unsynced = event.clockKnown ? '' : ',"clock":"unsynced"';
      const members = body.map(([name, value]) => `,${JSON.stringify(name)}:${jsonText(value)}`).join('');
      return `{"schema":"millgate/event/1",${from},"t":${numberText(event.wallMs)}${unsynced}${members}}`;
    },
    lastValue(record, field) {
      const what =
        field.quality === 'bad'
          ? `"bad":"${field.why}"`
          : `"v":${valueText(field.value)}${field.quality === 'uncertain' ? `,"uncertain":"${field.why}"` : ''}`;
      return `{"t":${numberText(record.at.wallMs)},${what}${marks(record)}}`;
    },
  };
}

/** The retained status message and the will. */
export function statusText({ state, version, config, epoch, sinceMs }: StatusPayload): string {
  return JSON.stringify({ state, version, config, epoch, since: sinceMs });
}

function marks(record: DeviceRecord): string {
  return `${record.clockKnown ? '' : ',"clock":"unsynced"'}${record.simulated ? ',"simulated":true' : ''}`;
}

function valueText(value: Value): string {
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

/** A finite number. Exact integers beyond what a double holds are never numbers here: they are bigints. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} is not a value: it should have been a bad reading`);
  return `${value}`;
}

function bigintText(value: bigint): string {
  const exact = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return exact ? `${value}` : `"${value}"`;
}

/** Any JSON value, with the same rules for numbers; undefined members are left out. */
function jsonText(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') {
    if (Array.isArray(value)) return `[${value.map((item) => jsonText(item ?? null)).join(',')}]`;
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`).join(',')}}`;
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' || typeof value === 'string')
    return valueText(value);
  throw new TypeError(`a ${typeof value} has no form in JSON`);
}
