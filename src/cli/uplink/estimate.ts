/** Makes a minute of the messages that a file leads to, with the encoder and the cutting of the running gateway. */
import { deflateSync, gzipSync } from 'node:zlib';
import {
  type Config,
  type HttpConfig,
  type MqttConfig,
  type SparkplugConfig,
  type TagConfig,
  tagsOf,
  type UplinkConfig,
} from '../../config/config.ts';
import type { Clock } from '../../core/clock.ts';
import { cutTo, type DeviceRecord, type Field, Fields, selects } from '../../core/reading.ts';
import { formOf } from '../../uplink/http/http-targets.ts';
import { createJsonEncoder } from '../../uplink/json.ts';
import { wantedRuns } from '../../uplink/lanes.ts';
import { mqttFormOf } from '../../uplink/presets/mqtt-form.ts';
import { RunQueue, sizeOfRecord } from '../../uplink/run-queue.ts';
import { CommittedValues } from '../../uplink/sparkplug/committed-values.ts';
import { topicOf } from '../../uplink/sparkplug/node-publisher.ts';
import { decodePayload, PayloadEncoder } from '../../uplink/sparkplug/payload.ts';
import { Aliases, Roster } from '../../uplink/sparkplug/roster.ts';
import type { OutgoingBatch } from '../../uplink/uplink.ts';

/** One message as it leaves. */
interface Message {
  /** Topic, or address. */
  readonly where: string;
  readonly payload: string;
  /** Bytes of the payload on the line, compressed where the file says so. */
  readonly bytes: number;
}

/** A message, with the bytes on the line beside place and payload, both ways. */
interface Sent extends Message {
  readonly beside: number;
}

/** What an uplink would send. */
export interface Estimate {
  /** Topics, or addresses, that it sends to. */
  readonly places: readonly string[];
  readonly example: Message;
  readonly valuesPerSecond: number;
  readonly messagesPerMonth: number;
  readonly bytesPerMonth: number;
  /** Bytes of every payload of the stretch that was made, and how long that is. */
  readonly payloadBytes: readonly number[];
  readonly stretchMs: number;
  /** Tags that report by themselves, of which nobody knows how often. */
  readonly eventfulTags: number;
}

const MONTH_MS = 30 * 86_400_000;

/** The stretch that is made; shorter where it would hold more records than this. */
const STRETCH_MS = 60_000;
const MAX_RECORDS = 20_000;

/** What goes into one message at most; as `Delivery` and `Pace` have it once a session is settled. */
const CUT = { items: 500, fields: 5000, bytes: 64 * 1024 - 256 };

/** Bytes beside topic and payload, of a PUBLISH and its PUBACK. */
const MQTT_OVERHEAD = 12;

/** Bytes beside address, body, and what is sent as headers here: of a request, with a token where it has one, and of its answer. */
const REQUEST_BYTES = 110;
const TOKEN_BYTES = 90;
const ANSWER_BYTES = 170;

/** The answers of InfluxDB to a write, by version. */
const INFLUX_ANSWER_BYTES = { 1: 250, 2: 140, 3: 170 };

/** The answer of Kafka's proxy: partition and offset of each record, and what is around them. */
const OFFSET_BYTES = 57;
const OFFSETS_BYTES = 100;

/** What the uplink would send with this file, at the periods of its tags; what a deadband leaves out is not taken off. */
export function estimate(config: Config, uplink: UplinkConfig, clock: Pick<Clock, 'wallMs'>): Estimate {
  const all = tagsOf(config);
  const isSent = selects(uplink);
  const { records, stretchMs } = recordsOf(all, simulatedDevices(config), clock.wallMs());
  const write = writerOf(
    config,
    uplink,
    all.filter(({ tag }) => isSent(tag.id)),
    clock,
  );
  const messages = batchesOf(records, uplink, config.store.commitEveryMs).flatMap(write);
  const perMonth = MONTH_MS / stretchMs;
  const bytes = messages.reduce((sum, one) => sum + one.bytes + one.where.length + one.beside, 0);
  const values = records.reduce(
    (sum, { fields, device }) => sum + fields.names.filter((name) => isSent(`${device}/${name}`)).length,
    0,
  );
  return {
    places: [...new Set(messages.map(({ where }) => where))],
    example: exampleOf(messages),
    valuesPerSecond: (values * 1000) / stretchMs,
    messagesPerMonth: Math.round(messages.length * perMonth),
    bytesPerMonth: Math.round(bytes * perMonth),
    payloadBytes: messages.map((one) => one.bytes),
    stretchMs,
    eventfulTags: all.filter(({ tag, everyMs }) => everyMs === undefined && isSent(tag.id)).length,
  };
}

function exampleOf([first]: readonly Sent[]): Message {
  const { where, payload, bytes } = first ?? { where: '', payload: '', bytes: 0 };
  return { where, payload, bytes };
}

/** Devices whose records say that they are simulated. */
function simulatedDevices({ channels }: Config): ReadonlySet<string> {
  const simulated = channels.filter(({ driver }) => driver.simulated);
  return new Set(simulated.flatMap(({ devices }) => devices.map(({ name }) => name)));
}

/** The records that polling gives in the stretch, in the order of their times; one for each device and period. */
function recordsOf(
  tags: readonly TagConfig[],
  simulated: ReadonlySet<string>,
  wallMs: number,
): { records: DeviceRecord[]; stretchMs: number } {
  const groups = new Map<string, { device: string; everyMs: number; tags: TagConfig[] }>();
  for (const tag of tags) {
    if (tag.everyMs === undefined) continue;
    const device = tag.tag.id.slice(0, tag.tag.id.indexOf('/'));
    // Back to back is taken for ten times a second: nobody knows how fast the line is.
    const everyMs = tag.everyMs === 0 ? 100 : tag.everyMs;
    const key = `${device} ${everyMs}`;
    const group = groups.get(key) ?? { device, everyMs, tags: [] };
    group.tags.push(tag);
    groups.set(key, group);
  }
  const perMs = [...groups.values()].reduce((sum, { everyMs }) => sum + 1 / everyMs, 0);
  const longestMs = Math.max(STRETCH_MS, ...[...groups.values()].map(({ everyMs }) => everyMs));
  const stretchMs = Math.min(longestMs, Math.max(1000, Math.floor(MAX_RECORDS / Math.max(perMs, 1e-9))));
  const records = [...groups.values()].flatMap(({ device, everyMs, tags: own }) =>
    Array.from({ length: Math.max(1, Math.floor(stretchMs / everyMs)) }, (_, index): DeviceRecord => {
      const at = { wallMs: wallMs + index * everyMs, monoMs: index * everyMs };
      const fields = Fields.of(own.map((tag) => fieldOf(tag, index)));
      return { device, at, clockKnown: true, simulated: simulated.has(device), fields };
    }),
  );
  return { records: records.sort((a, b) => a.at.monoMs - b.at.monoMs), stretchMs };
}

/** A value such as the tag may have. */
function fieldOf(config: TagConfig, index: number): Field {
  const { tag, form, min, max, counter, decimals, scale } = config;
  const name = tag.id.slice(tag.id.indexOf('/') + 1);
  if (form === 'bool') return { name, quality: 'good', value: index % 2 === 0 };
  if (form === 'text') return { name, quality: 'good', value: 'A1234567' };
  if (counter) return { name, quality: 'good', value: 10_422 + index };
  const middle = min !== undefined && max !== undefined ? (min + max) / 2 : 231.4;
  const value = middle + Math.sin(index);
  const digits = FLOAT_DIGITS[typeOf(tag.address) ?? ''];
  if (digits !== undefined && decimals === undefined && scale === 1)
    return { name, quality: 'good', value: Number(value.toPrecision(digits)) };
  const places =
    decimals ?? (Number.isInteger(scale) ? 1 : Math.min(6, Math.max(0, Math.ceil(-Math.log10(Math.abs(scale))))));
  return { name, quality: 'good', value: Number(value.toFixed(places)) };
}

/** Digits that a value of these types is published with, where nothing rounds it. */
const FLOAT_DIGITS: Readonly<Record<string, number>> = { float32: 8, float64: 16 };

/** The type of the registers of a tag, where its driver has that. */
function typeOf(address: unknown): string | undefined {
  const { type } = (address ?? {}) as { readonly type?: unknown };
  return typeof type === 'string' ? type : undefined;
}

/** The messages' records: what a commit holds, without what is not wanted, cut as the gateway cuts it. */
function batchesOf(records: readonly DeviceRecord[], uplink: UplinkConfig, commitEveryMs: number): OutgoingBatch[] {
  const wanted = cutTo(uplink) ?? ((record: DeviceRecord) => record);
  const commits = new Map<number, DeviceRecord[]>();
  for (const record of records) {
    const commit = Math.floor(record.at.monoMs / commitEveryMs);
    commits.set(commit, [...(commits.get(commit) ?? []), record]);
  }
  let from = 1;
  return [...commits.values()].flatMap((items) => {
    const queue = new RunQueue<DeviceRecord>(sizeOfRecord);
    for (const run of wantedRuns({ from, items }, wanted)) queue.push(run, 0);
    from += items.length;
    const batches: OutgoingBatch[] = [];
    for (let run = queue.take(CUT); run; run = queue.take(CUT))
      batches.push({ kind: 'readings', epoch: EXAMPLE_EPOCH, seq: run.from, lane: 'live', records: run.items });
    return batches;
  });
}

const EXAMPLE_EPOCH = '0f6c2d1e-5f0a-4a53-9d7e-3f1f0c2b8a10';

function writerOf(config: Config, uplink: UplinkConfig, tags: readonly TagConfig[], clock: Pick<Clock, 'wallMs'>) {
  if (uplink.type === 'mqtt' && uplink.sparkplug) return sparkplugWriter(uplink.sparkplug, tags, clock);
  return uplink.type === 'mqtt' ? mqttWriter(config, uplink, tags, clock) : httpWriter(config, uplink);
}

function mqttWriter(config: Config, uplink: MqttConfig, tags: readonly TagConfig[], clock: Pick<Clock, 'wallMs'>) {
  const gateway = config.gateway.id;
  const encoder = createJsonEncoder({ gateway, config: config.hash }, uplink.layout);
  const secrets = () => '';
  const form = mqttFormOf(uplink, {
    gateway,
    location: config.gateway.location,
    clock,
    encoder,
    secrets,
    tagConfigs: () => tags,
  });
  const beside = MQTT_OVERHEAD;
  return (batch: OutgoingBatch): Sent[] => {
    const several = form.messages?.(batch);
    if (several)
      return several.map(({ topic, payload }) => ({
        where: topic,
        payload,
        bytes: Buffer.byteLength(payload),
        beside,
      }));
    const payload = String(form.payload(batch));
    const bytes = uplink.compression === 'deflate' ? deflateSync(payload).length : Buffer.byteLength(payload);
    const message = { where: form.topicOf(batch), payload, bytes, beside };
    if (uplink.topics !== 'per-tag' || batch.kind !== 'readings') return [message];
    const newest = new Map<string, string>();
    for (const record of batch.records)
      for (const field of record.fields)
        newest.set(`${uplink.topic}/${record.device}/${field.name}`, encoder.lastValue(record, field));
    return [
      message,
      ...Array.from(newest, ([where, text]) => ({ where, payload: text, bytes: Buffer.byteLength(text), beside })),
    ];
  };
}

/** A DDATA for each record; births are once a session, and are not counted. */
function sparkplugWriter(node: SparkplugConfig, tags: readonly TagConfig[], clock: Pick<Clock, 'wallMs'>) {
  const roster = new Roster(tags, new CommittedValues(), new Aliases());
  const encoder = new PayloadEncoder();
  let number = 0;
  return (batch: OutgoingBatch): Sent[] => {
    if (batch.kind !== 'readings') return [];
    return batch.records.map((record, index) => {
      if (roster.prepare(record)) roster.birth(record.device, clock.wallMs());
      const metrics = roster.data(record, batch.seq + index, batch.lane);
      number = (number + 1) % 256;
      const bytes = encoder.encode({ timestampMs: record.at.wallMs, metrics, seq: number });
      const payload = JSON.stringify(decodePayload(bytes), (_key, value: unknown) =>
        typeof value === 'bigint' ? Number(value) : value,
      );
      return { where: topicOf(node, 'DDATA', record.device), payload, bytes: bytes.length, beside: MQTT_OVERHEAD };
    });
  };
}

function httpWriter(config: Config, uplink: HttpConfig) {
  const gateway = config.gateway.id;
  const form = formOf(uplink, { gateway, encoder: createJsonEncoder({ gateway, config: config.hash }, uplink.layout) });
  const { target } = uplink;
  const answer = target.kind === 'influxdb' ? INFLUX_ANSWER_BYTES[target.version] : ANSWER_BYTES;
  const fixed = REQUEST_BYTES + answer + (uplink.token || uplink.password ? TOKEN_BYTES : 0);
  return (batch: OutgoingBatch): Sent[] => {
    const message = form.message(batch);
    if (!message) return [];
    const headers = Object.entries(message.headers).reduce((sum, each) => sum + each.join(': \r\n').length, 0);
    const hasOffsets = uplink.target.kind === 'kafka-rest' && batch.kind === 'readings';
    const offsets = hasOffsets ? OFFSETS_BYTES + batch.records.length * OFFSET_BYTES : 0;
    const payload = String(message.body);
    const bytes = uplink.compression === 'gzip' ? gzipSync(payload).length : Buffer.byteLength(payload);
    return [{ where: message.url.href, payload, bytes, beside: fixed + headers + offsets }];
  };
}
