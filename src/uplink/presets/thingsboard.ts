/** ThingsBoard's gateway API: telemetry of all devices in one message. */
import type { MqttPreset, SecretRef, TagConfig } from '../../config/config.ts';
import type { DeviceRecord } from '../../core/reading.ts';
import { valueText } from '../../core/record-text.ts';
import type { JsonEncoder } from '../json.ts';
import type { OutgoingBatch } from '../uplink.ts';
import type { MqttForm } from './preset-form.ts';

/** https://thingsboard.io/docs/reference/gateway-mqtt-api/ */
const TELEMETRY = 'v1/gateway/telemetry';
const CONNECT = 'v1/gateway/connect';
const DISCONNECT = 'v1/gateway/disconnect';
const OWN_TELEMETRY = 'v1/devices/me/telemetry';

/** What it needs. */
interface ThingsboardDeps {
  readonly secrets: (ref: SecretRef) => string | Promise<string>;
  readonly encoder: JsonEncoder;
  readonly tagConfigs: () => readonly TagConfig[];
}

/**
 * Values by device and time; a value with the same device, key and time replaces itself. Of a tag that is not good the
 * key `TAG.quality` says why. Events are telemetry of the gateway's own device, under the key `event`.
 */
export function thingsboardForm(
  { token }: Extract<MqttPreset, { kind: 'thingsboard' }>,
  { secrets, encoder, tagConfigs }: ThingsboardDeps,
): MqttForm {
  const devices = () => new Set(tagConfigs().map(({ tag }) => tag.id.slice(0, tag.id.indexOf('/'))));
  const about = (topic: string, device: string) => ({ topic, payload: JSON.stringify({ device }) });
  /** Devices that the other side was told of in this session. */
  let connected: ReadonlySet<string> = new Set();
  return {
    takesTexts: false,
    hasStatus: false,
    topicOf: ({ kind }) => (kind === 'event' ? OWN_TELEMETRY : TELEMETRY),
    payload(batch) {
      if (batch.kind === 'texts') throw new TypeError('telemetry is not written from text');
      if (batch.kind !== 'event') return telemetryText(batch);
      return `{"ts":${batch.event.wallMs},"values":{"event":${encoder.batch(batch)}}}`;
    },
    opening(isNew) {
      const gone = isNew ? [] : [...connected].filter((device) => !devices().has(device));
      const come = [...devices()].filter((device) => isNew || !connected.has(device));
      connected = devices();
      return [...gone.map((device) => about(DISCONNECT, device)), ...come.map((device) => about(CONNECT, device))];
    },
    closing: () => [...connected].map((device) => about(DISCONNECT, device)),
    // The access token of the gateway device is the user name; there is no password.
    credentials: async () => ({ username: (await secrets(token)).trim() }),
  };
}

function telemetryText({ records }: Extract<OutgoingBatch, { kind: 'readings' }>): string {
  const devices = new Map<string, string[]>();
  for (const record of records) {
    const rows = devices.get(record.device) ?? [];
    rows.push(`{"ts":${record.at.wallMs},"values":{${valuesText(record)}}}`);
    devices.set(record.device, rows);
  }
  return `{${[...devices].map(([device, rows]) => `${JSON.stringify(device)}:[${rows.join(',')}]`).join(',')}}`;
}

function valuesText({ fields }: DeviceRecord): string {
  return [...fields]
    .flatMap((field) => {
      if (field.quality === 'good') return [`${JSON.stringify(field.name)}:${valueText(field.value)}`];
      const reason = `${JSON.stringify(`${field.name}.quality`)}:"${field.quality}: ${field.why}"`;
      return field.quality === 'bad' ? [reason] : [`${JSON.stringify(field.name)}:${valueText(field.value)}`, reason];
    })
    .join(',');
}
