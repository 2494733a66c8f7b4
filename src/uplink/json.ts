/** Writes batches, events and the status as the JSON of the wire. */
import type { DeviceRecord, Field } from '../core/reading.ts';
import { createRecordText, fieldText, numberText, recordMarks, valueText } from '../core/record-text.ts';
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

/** How records lie in a payload: `rows`, each with its names; `columns`, names once for all records that have the same. */
type Layout = 'rows' | 'columns';

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

/** A JSON encoder. With `columns` it is not to be given texts, which are rows already. */
export function createJsonEncoder(sender: Sender, layout: Layout = 'rows'): JsonEncoder {
  const recordText = createRecordText();
  const what = layout === 'columns' ? 'columns' : 'readings';
  const member = layout === 'columns' ? 'blocks' : 'records';

  const origin = (batch: OutgoingBatch): string =>
    `"gateway":${JSON.stringify(sender.gateway)},"epoch":${JSON.stringify(batch.epoch)},"seq":${batch.seq}`;
  const head = (batch: Exclude<OutgoingBatch, { kind: 'event' }>): string =>
    `{"schema":"millgate/${what}/1",${origin(batch)},"lane":"${batch.lane}","config":${JSON.stringify(sender.config)},"${member}":[`;

  return {
    batch(batch) {
      if (batch.kind === 'readings') {
        if (layout === 'columns') return `${head(batch)}${blocksText(batch.records)}]}`;
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

/** Records of one list of tags and the same marks, by their places in the batch. */
interface Block {
  /** Text of the JSON list of their tags. */
  readonly tags: string;
  readonly places: number[];
}

/** The blocks of a batch as JSON text, a comma between them, in the order of their first records. */
function blocksText(records: readonly DeviceRecord[]): string {
  const blocks = new Map<string, Block>();
  const texts = new Map<readonly string[], string>();
  for (let place = 0; place < records.length; place++) {
    const record = records[place]!;
    const { names } = record.fields;
    const tags = texts.get(names) ?? JSON.stringify(names);
    texts.set(names, tags);
    const key = recordMarks(record) + tags;
    const block = blocks.get(key);
    if (block) block.places.push(place);
    else blocks.set(key, { tags, places: [place] });
  }
  return Array.from(blocks.values(), ({ tags, places }) => blockText(records, tags, places)).join();
}

/** One block: a column a tag, null where the record has no value, and beside them which values are not good and why. */
function blockText(records: readonly DeviceRecord[], tags: string, places: readonly number[]): string {
  const own = places.map((place) => records[place]!);
  const first = own[0]!;
  let columns = '';
  let uncertain = '';
  let bad = '';
  for (let tag = 0; tag < first.fields.length; tag++) {
    let column = '';
    for (let row = 0; row < own.length; row++) {
      const { values, remarks } = own[row]!.fields;
      const value = values[tag];
      column += row > 0 ? ',' : '';
      column += value === undefined ? 'null' : valueText(value);
      const remark = remarks?.get(tag);
      if (remark?.quality === 'uncertain') uncertain += `,[${row},${tag},"${remark.why}"]`;
      else if (remark?.quality === 'bad') bad += `,[${row},${tag},"${remark.why}"]`;
    }
    columns += `,[${column}]`;
  }
  const devices = own.map(({ device }) => JSON.stringify(device)).join();
  const times = own.map(({ at }) => numberText(at.wallMs)).join();
  let text = `{"tags":${tags},"i":[${places.join()}],"device":[${devices}],"t":[${times}],"v":[${columns.slice(1)}]`;
  if (uncertain) text += `,"uncertain":[${uncertain.slice(1)}]`;
  if (bad) text += `,"bad":[${bad.slice(1)}]`;
  return `${text}${recordMarks(first)}}`;
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
