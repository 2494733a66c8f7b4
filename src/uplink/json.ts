/** Writes batches, events and the status as the JSON of the wire. */
import type { DeviceRecord, Field } from '../core/reading.ts';
import { createRecordText, fieldText, numberText, valueText } from '../core/record-text.ts';
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

type TextBatch = Extract<OutgoingBatch, { kind: 'texts' }>;

/** Writes batches as JSON text. Throws a `TypeError` for what cannot be: NaN, infinities, an event that names a key twice. */
export interface JsonEncoder {
  batch(batch: Exclude<OutgoingBatch, TextBatch>): string;
  /** A batch of records that are JSON already: the same bytes as of the records themselves, without looking into them. */
  texts(batch: TextBatch): Buffer;
  /** The last value of one tag, for `topics: per-tag`. */
  lastValue(record: DeviceRecord, field: Field): string;
}

/** Members of an event that its body must not name again. */
const EVENT_MEMBERS = new Set(['schema', 'gateway', 'epoch', 'seq', 't', 'clock']);

const COMMA = Buffer.from(',');
const END = Buffer.from(']}');

/** A JSON encoder. */
export function createJsonEncoder(sender: Sender): JsonEncoder {
  const recordText = createRecordText();

  const origin = (batch: OutgoingBatch): string =>
    `"gateway":${JSON.stringify(sender.gateway)},"epoch":${JSON.stringify(batch.epoch)},"seq":${batch.seq}`;
  const head = (batch: Exclude<OutgoingBatch, { kind: 'event' }>): string =>
    `{"schema":"millgate/readings/1",${origin(batch)},"lane":"${batch.lane}","config":${JSON.stringify(sender.config)},"records":[`;

  return {
    batch(batch) {
      if (batch.kind === 'readings') {
        let text = head(batch);
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
      return `{"schema":"millgate/event/1",${origin(batch)},"t":${numberText(event.wallMs)}${unsynced}${members}}`;
    },
    texts(batch) {
      const parts: Uint8Array[] = [Buffer.from(head(batch))];
      for (const stretch of stretchesOf(batch.texts)) {
        if (parts.length > 1) parts.push(COMMA);
        parts.push(stretch);
      }
      parts.push(END);
      return Buffer.concat(parts);
    },
    lastValue: fieldText,
  };
}

/** Texts that lie side by side on a page are taken in one piece, with the commas between them. */
function stretchesOf(texts: TextBatch['texts']): Uint8Array[] {
  const stretches: Uint8Array[] = [];
  let first = texts[0];
  for (const [index, text] of texts.entries()) {
    if (text.start === text.end) throw new TypeError('a value of it is not a finite number');
    const following = texts[index + 1];
    if (following?.page === text.page && following.start === text.end + 1) continue;
    stretches.push(text.page.subarray(first!.start, text.end));
    first = following;
  }
  return stretches;
}

/** The retained status message and the will. */
export function statusText({ state, version, config, epoch, sinceMs }: StatusPayload): string {
  return JSON.stringify({ state, version, config, epoch, since: sinceMs });
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
