/** The limits of the products that presets are for, as their makers publish them, and what each makes of what it is sent. */
import type { IncomingMessage } from 'node:http';
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import { isTelemetry, sasProblem } from './cloud-brokers.ts';

/** The token of whoever signs in by one; as long as those of InfluxDB. */
export const TOKEN = 'tokens-of-influxdb-2-have-88-letters-and-this-one-has-as-many-to-have-the-same-length-==';

/** How much a client sent within the last second. */
export interface Rate {
  readonly messages: number;
  readonly bytes: number;
  /** Not answered yet. */
  readonly underWay: number;
}

/** A product that is reached over MQTT. The texts of what is broken name the limit. */
export interface MqttProduct {
  /** The versions that it speaks. */
  readonly versions: readonly number[];
  /** Bytes of what it bills; undefined: it bills no messages. */
  readonly unitBytes?: number;
  /** Most publishes and bytes a second, and publishes without an answer. */
  readonly most?: Rate;
  readonly keepaliveS?: number;
  /** So many ends of sessions within a minute are answered by a ban of five. */
  readonly flaps?: number;
  readonly connectsPerSecond?: number;
  connect(packet: IConnectPacket, nowMs: number): string | undefined;
  publish(packet: IPublishPacket): string | undefined;
  /** What it says of itself to a client of MQTT 5. */
  readonly properties?: NonNullable<Extract<Packet, { cmd: 'connack' }>['properties']>;
  /** Whether it answers a message beyond its quota by a code; else it hangs up. */
  readonly saysQuota?: boolean;
}

const KB = 1024;

/** Limits as the makers publish them; the sources stand at the presets. */
export const MQTT_PRODUCTS: Record<string, MqttProduct> = {
  'aws-iot': {
    versions: [4, 5],
    unitBytes: 5 * KB,
    most: { messages: 100, bytes: 512 * KB, underWay: 100 },
    keepaliveS: 1200,
    connectsPerSecond: 1,
    properties: { receiveMaximum: 100, topicAliasMaximum: 8, maximumPacketSize: 149_504 },
    connect: ({ clientId, will }) =>
      clientId.length > 128 ? 'client id above 128' : (will?.qos ?? 0) > 1 ? 'QoS 2' : undefined,
    publish({ topic, payload, qos }) {
      if (Buffer.byteLength(topic) > 256 || topic.split('/').length > 8) return 'topic too long or too deep';
      if (payload.length > 128 * KB) return 'message above 128 KB';
      return qos > 1 ? 'QoS 2' : undefined;
    },
  },
  'azure-iot-hub': {
    versions: [4],
    unitBytes: 4 * KB,
    most: { messages: 100, bytes: 1024 * KB, underWay: 100 },
    keepaliveS: 1177,
    connect({ clientId, username, password, will }, nowMs) {
      if (username !== `acme.azure-devices.net/${clientId}/?api-version=2021-04-12`) return 'user name';
      if (will) return 'a will on another topic than that of the device';
      return sasProblem(String(password), `acme.azure-devices.net/devices/${clientId}`, nowMs);
    },
    publish({ topic, payload, qos, retain }) {
      if (!topic.startsWith('devices/press-shop-1/messages/events/')) return 'a topic that there is not';
      if (payload.length > 256 * KB) return 'message above 256 KB';
      return qos > 1 || retain ? 'QoS 2 or retained' : undefined;
    },
  },
  'azure-event-grid': {
    versions: [5],
    unitBytes: 64 * KB,
    most: { messages: 1000, bytes: 1024 * KB, underWay: 1000 },
    keepaliveS: 1160,
    saysQuota: true,
    properties: { receiveMaximum: 1000, topicAliasMaximum: 10, maximumPacketSize: 512 * KB, maximumQoS: 1 },
    connect({ username, properties, will }) {
      if (username !== 'press-shop-1') return 'authentication name';
      if (properties?.userProperties) return 'user properties on CONNECT';
      if ((properties?.sessionExpiryInterval ?? 0) > 8 * 3600) return 'session above 8 hours';
      return (will?.payload.length ?? 0) > 64 * KB ? 'retained message above 64 KB' : undefined;
    },
    publish({ payload, qos, retain, properties }) {
      if (payload.length > 512 * KB) return 'message above 512 KB';
      if (retain && payload.length > 64 * KB) return 'retained message above 64 KB';
      if ((properties?.topicAlias ?? 0) > 10) return 'more than 10 topic aliases';
      return qos > 1 ? 'QoS 2' : undefined;
    },
  },
  thingsboard: {
    versions: [4],
    most: { messages: 50, bytes: 1024 * KB, underWay: 1000 },
    connect: ({ username }) => (username === TOKEN ? undefined : 'token'),
    publish({ topic, payload }) {
      if (!/^v1\/(gateway\/(telemetry|connect|disconnect)|devices\/me\/telemetry)$/.test(topic))
        return 'a topic that there is not';
      return isTelemetry(topic, String(payload)) ? undefined : 'telemetry of another form';
    },
  },
  mqtt: { versions: [4, 5], saysQuota: true, connect: () => undefined, publish: () => undefined },
  // Its broker bans who comes and goes fifteen times within a minute.
  'home-assistant': { versions: [4, 5], flaps: 15, connect: () => undefined, publish: () => undefined },
};

/** The rows of a message, under the key that the product or a consumer tells them apart by. */
export function rowsIn(topic: string, text: string): [key: string, content: string][] {
  if (topic === 'v1/gateway/telemetry')
    return Object.entries(JSON.parse(text) as Record<string, { ts: number; values: unknown }[]>).flatMap(
      ([device, rows]) => rows.map(({ ts, values }): [string, string] => [`${device}@${ts}`, JSON.stringify(values)]),
    );
  if (!/(^|[/=])readings$/.test(topic)) return [];
  const { records = [] } = JSON.parse(text) as Batch;
  return records.map((record) => [`${record.device}@${record.t}`, JSON.stringify(record)]);
}

export interface Batch {
  readonly lane?: string;
  readonly records?: readonly { readonly device: string; readonly t: number }[];
}

/** How a server answers. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly rows: readonly (readonly [string, string])[];
}

/** What each product makes of a good request; throws the limit that was broken. `some`: takes only a part of it. */
export const HTTP_PRODUCTS: Record<string, (request: IncomingMessage, body: string, some: boolean) => Answer> = {
  influxdb(request, body) {
    const url = new URL(request.url!, 'http://x');
    if (url.pathname !== '/api/v2/write' || url.searchParams.get('org') !== 'acme')
      throw new Error('address of writes');
    if (request.headers.authorization !== `Token ${TOKEN}`) throw new Error('token');
    if (url.searchParams.get('precision') !== 'ms') return { status: 204, rows: [] };
    const rows = body.split('\n').map((line): [string, string] => {
      const [, device, atMs] = /^([^, ]+),gateway=press-shop-1\S* \S+ (\d+)$/.exec(line) ?? [];
      if (device === undefined) throw new Error(`a line of another form: ${line}`);
      return [`${device}@${atMs}`, line];
    });
    return { status: 204, rows };
  },
  'kafka-rest'(request, body, some) {
    if (request.url !== '/topics/plant') throw new Error('address of the topic');
    if (request.headers['content-type'] !== 'application/vnd.kafka.json.v2+json') throw new Error('content type');
    const { records } = JSON.parse(body) as { records: { value: { device?: string; t: number; lane?: string } }[] };
    const isTaken = (index: number) => !some || index % 2 === 0;
    const offsets = records.map((_, index) =>
      isTaken(index)
        ? { partition: 0, offset: index, error_code: null, error: null }
        : { partition: null, offset: null, error_code: 2, error: 'This server is not the leader' },
    );
    const rows = records.flatMap(({ value: { lane: _lane, ...value } }, index): [string, string][] =>
      isTaken(index) && value.device !== undefined ? [[`${value.device}@${value.t}`, JSON.stringify(value)]] : [],
    );
    return { status: 200, body: JSON.stringify({ key_schema_id: null, value_schema_id: null, offsets }), rows };
  },
  http(_request, body) {
    return { status: 202, rows: rowsIn('readings', body) };
  },
};
