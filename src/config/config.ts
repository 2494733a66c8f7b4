/** The checked configuration, as types: everything the rest of the program knows of the file. */
import type { Tag } from '../../hal/driver.ts';
import type { DriverType } from '../../hal/driver-type.ts';
import type { ModbusAddress } from '../../hal/modbus/map/address.ts';
import type { AlarmConfig } from '../core/alarm.ts';
import type { CommandKind, ConfigurationProblem } from '../core/configuration.ts';
import type { Priority } from '../core/event.ts';
import type { Expression } from '../core/expression.ts';
import type { ProductionConfig } from '../core/production/production.ts';
import type { Selection, TagId, ValueForm } from '../core/reading.ts';
import type { MaintenanceConfig } from '../core/rules/maintenance.ts';
import type { InventoryConfig, PartsConfig } from '../core/rules/scanned.ts';
import type { SpcConfig } from '../core/spc.ts';

/** A secret by reference; never inline. Resolved when it is needed, so that a rotated file is picked up. */
export type SecretRef = { readonly file: string } | { readonly env: string };

/** One tag, checked and complete. */
export interface TagConfig {
  /** The tag as its driver sees it. */
  readonly tag: Tag;
  /** Scan period, ms; 0 is back to back; undefined for a tag that its driver reports by itself. */
  readonly everyMs: number | undefined;
  /** The published value is raw · scale + offset. */
  readonly scale: number;
  readonly offset: number;
  readonly unit: string | undefined;
  /** Report only changes larger than this, in engineering units. */
  readonly deadband: number | undefined;
  /** Report at least this often even when nothing changes. */
  readonly heartbeatMs: number | undefined;
  /** A value outside is uncertain `out-of-range`. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly counter: boolean;
  /** Two points of the line from raw to engineering values; `scale` and `offset` are then about that line. */
  readonly linear?: LinearConfig | undefined;
  /** Decimals that the value is rounded to; undefined: as it comes. */
  readonly decimals?: number | undefined;
  /** Words for whole values, shown wherever a person reads; the value stays a number. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Where the raw value of a counter starts again from 0; undefined: it does not. */
  readonly modulus?: number | undefined;
  /** What it holds; undefined where the driver does not say before it is read. */
  readonly form?: ValueForm | undefined;
  readonly writable: WriteLimits | undefined;
  readonly description: string | undefined;
}

/** Two raw values and the engineering values that they mean. */
export interface LinearConfig {
  readonly raw: readonly [number, number];
  readonly value: readonly [number, number];
}

/** What may be written to a tag, in engineering units. */
export interface WriteLimits {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly perMinute: number | undefined;
}

/** One device with its tags. */
export interface DeviceConfig {
  readonly name: string;
  readonly profile: string | undefined;
  readonly tags: readonly TagConfig[];
}

/** One channel with the devices on it. */
export interface ChannelConfig {
  readonly name: string;
  readonly driver: DriverType;
  /** The channel in its driver's own form, made by `checkChannel`. */
  readonly options: unknown;
  readonly devices: readonly DeviceConfig[];
}

/** Where and how much is stored. */
export interface StoreConfig {
  readonly path: string;
  readonly maxBytes: number;
  readonly commitEveryMs: number;
  readonly replayMs: number;
}

/** TLS files of a connection. */
export interface TlsConfig {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** A PKCS#12 file in place of `cert` and `key`. */
  readonly pfx?: string | undefined;
  readonly passphrase?: SecretRef | undefined;
  /** The name that the broker's certificate must have, where it is not the one in the URL. */
  readonly serverName?: string | undefined;
}

/** The edge node of an uplink with `format: sparkplug`. */
export interface SparkplugConfig {
  readonly group: string;
  readonly node: string;
  /** Id of the host application without which nothing is published. */
  readonly primaryHost: string | undefined;
  /** URLs of brokers that are tried after the first, in turn. */
  readonly servers: readonly string[];
}

/** A proxy on the way. */
export interface ProxyConfig {
  /** `http://HOST:PORT`, which is asked to CONNECT, or `socks5://HOST:PORT`. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: SecretRef | undefined;
}

/** Topics and payloads that the file lays out, words in braces. */
export interface TemplateConfig {
  readonly topic: string;
  /** A text, or what becomes JSON. */
  readonly payload: unknown;
  /** A message a record; else a message a value. */
  readonly isOfRecords: boolean;
  /** Whether a message says of a value that it is bad. */
  readonly namesQuality: boolean;
}

/** What every uplink has. */
export interface UplinkBase extends Selection {
  readonly name: string;
  /** Absent: it is reached directly. */
  readonly proxy?: ProxyConfig;
  /** Whether events go to it, too. */
  readonly events: boolean;
  /** What may be ordered over it, while `commands.enabled` is set; absent: nothing. */
  readonly commands?: readonly CommandKind[];
  /** Records per second of the backfill lane. */
  readonly backfillRate: number;
}

/** A product that takes records over MQTT in a way of its own. */
export type MqttPreset =
  | { readonly kind: 'aws-iot' }
  /** `key`: the key of the device, by which passwords are made; undefined where it signs in by certificate. */
  | {
      readonly kind: 'azure-iot-hub';
      readonly hub: string;
      readonly device: string;
      readonly key: SecretRef | undefined;
    }
  | { readonly kind: 'azure-event-grid' }
  | { readonly kind: 'thingsboard'; readonly token: SecretRef }
  | { readonly kind: 'home-assistant'; readonly discovery: string };

/** What a product allows, where it does not say so itself when it is connected. */
export interface MqttLimits {
  /** Bytes of a message. */
  readonly messageBytes: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Least time between two attempts of one client id to sign in, ms; absent: none. */
  readonly connectEveryMs?: number | undefined;
}

/** An MQTT uplink. */
export interface MqttConfig extends UplinkBase {
  readonly type: 'mqtt';
  readonly url: string;
  /** URLs of brokers that are tried in turn after the first; absent: there is one. */
  readonly servers?: readonly string[];
  readonly format: 'json' | 'sparkplug' | 'template';
  /** Set with `format: template`. */
  readonly template?: TemplateConfig | undefined;
  /** Set with `format: sparkplug`. */
  readonly sparkplug?: SparkplugConfig | undefined;
  /**
   * 4 is MQTT 3.1.1, 5 is MQTT 5; undefined: 5, or 3.1.1 with a broker that does not speak 5. With Sparkplug, 3.1.1.
   */
  readonly protocolVersion: 4 | 5 | undefined;
  readonly clientId: string;
  /** Topic root with `{id}` and `{location}` already filled in. */
  readonly topic: string;
  readonly topics: 'batch' | 'per-tag';
  readonly compression: 'none' | 'deflate';
  /** How records lie in a payload; undefined: rows. */
  readonly layout?: 'rows' | 'columns' | undefined;
  readonly username: string | undefined;
  readonly password: SecretRef | undefined;
  readonly tls: TlsConfig | undefined;
  readonly keepaliveMs: number;
  /** How long one message may wait for its acknowledgement. */
  readonly ackTimeoutMs: number;
  /** Absent: a broker, which is sent JSON on topics of ours. */
  readonly preset?: MqttPreset;
  readonly limits?: MqttLimits | undefined;
  /** The protocol that is asked for in the TLS handshake (ALPN); absent: none. */
  readonly alpn?: string | undefined;
}

/** Types of fields. */
interface InfluxFields {
  /** Patterns of tags that are written as integers; absent: none. */
  readonly integers?: readonly string[];
}

/** What a server makes of the records, and where in it they go. */
export type HttpTarget =
  | { readonly kind: 'json' }
  | ({ readonly kind: 'influxdb'; readonly version: 1 | 3; readonly database: string } & InfluxFields)
  | ({ readonly kind: 'influxdb'; readonly version: 2; readonly org: string; readonly bucket: string } & InfluxFields)
  | { readonly kind: 'kafka-rest'; readonly topic: string };

/** An uplink that posts to a server. */
export interface HttpConfig extends UplinkBase {
  readonly type: 'http';
  /** Where JSON is posted to; of the other targets, what their paths are added to. */
  readonly url: string;
  readonly target: HttpTarget;
  /** Of JSON; default: rows. */
  readonly layout?: 'rows' | 'columns' | undefined;
  readonly compression: 'none' | 'gzip';
  /** A bearer token; of InfluxDB 2 and 3 the API token. */
  readonly token: SecretRef | undefined;
  /** For basic authentication; only with a password. */
  readonly username: string | undefined;
  readonly password: SecretRef | undefined;
  readonly tls: TlsConfig | undefined;
  /** How long a request may wait for its answer. */
  readonly ackTimeoutMs: number;
}

/** Any uplink. */
export type UplinkConfig = MqttConfig | HttpConfig;

/** To whom a notifier speaks. */
export type NotifyTarget =
  | {
      readonly kind: 'mail';
      readonly host: string;
      readonly port: number;
      /** `starttls`: nothing is sent before the connection is encrypted. */
      readonly security: 'tls' | 'starttls' | 'none';
      readonly from: string;
      readonly to: readonly string[];
      readonly username: string | undefined;
      readonly password: SecretRef | undefined;
      readonly tls: TlsConfig | undefined;
    }
  | {
      readonly kind: 'webhook';
      readonly url: string;
      /** A bearer token. */
      readonly token: SecretRef | undefined;
      readonly tls: TlsConfig | undefined;
    }
  /** `url`: address of the Bot API. */
  | { readonly kind: 'telegram'; readonly url: string; readonly chat: string; readonly token: SecretRef };

/** Who is told of which alarms, and how often at most. */
export interface NotifyConfig {
  readonly name: string;
  readonly target: NotifyTarget;
  /** Alarms of this priority and above. */
  readonly priority: Priority;
  /** Patterns of ids; undefined: all. */
  readonly alarms: readonly string[] | undefined;
  /** Whether it is told, too, when an alarm that was told is over. */
  readonly cleared: boolean;
  /** What comes within this time goes into one message. */
  readonly digestMs: number;
  /** An alarm that nobody has acknowledged is told again after this; undefined: never. */
  readonly repeatMs: number | undefined;
  /** Local minutes of the day from and to which only alarms of `except` and above are told; undefined `except`: none. */
  readonly quiet:
    | { readonly fromMin: number; readonly toMin: number; readonly except: Priority | undefined }
    | undefined;
  /** Trouble of the gateway itself is told when it has lasted so long; undefined: never. */
  readonly systemMs: number | undefined;
  /** Messages an hour at most. */
  readonly perHour: number;
  /** Absent: the target is reached directly. */
  readonly proxy?: ProxyConfig;
}

/** Where the local API listens beside its Unix socket; undefined: nowhere else. */
export interface ApiConfig {
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** PEM files of the certificate and the key by which it is served over TLS, or a pair of its own; undefined: unencrypted. */
  readonly tls: 'self-signed' | { readonly cert: string; readonly key: string } | undefined;
  /** Names that a proxy or a monitoring server may ask by. */
  readonly hosts: readonly string[];
}

/**
 * A tag that is computed from others. Its readings are ordinary ones of its device, made whenever one of the tags in its
 * expression was read. `tag.tag.address` is not used.
 */
export interface DerivedConfig {
  readonly tag: TagConfig;
  readonly expression: Expression;
}

/** Whether anything may be written to a device. */
export interface CommandsConfig {
  readonly enabled: boolean;
}

/** What the Modbus server has at one place of its map. */
export type ServedPoint =
  /** A tag: what is sent is (value − offset) / scale. Older than `staleMs` it is not sent; undefined: its age says nothing. */
  | {
      readonly kind: 'tag';
      readonly address: ModbusAddress;
      readonly tag: TagId;
      readonly scale: number;
      readonly offset: number;
      readonly staleMs: number | undefined;
    }
  /** How the tags of a block stand, as one register; every one of them is in the map. */
  | { readonly kind: 'status'; readonly address: ModbusAddress; readonly tags: readonly TagId[] };

/** The Modbus TCP server for the masters that a plant already has. */
export interface ModbusServerConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** Addresses and networks that may ask; undefined: all that reach it. */
  readonly allow: readonly string[] | undefined;
  /** The unit that it answers as, beside 0 and 255, which mean the server itself; undefined: all. */
  readonly unit: number | undefined;
  readonly maxClients: number;
  /** What is sent in place of a value that is bad or too old: the request is refused, or a pattern that means "no value". */
  readonly whenBad: 'exception' | 'flag';
  readonly points: readonly ServedPoint[];
}

/** What the gateway serves to those who ask it. */
export interface ServeConfig {
  readonly modbus: ModbusServerConfig | undefined;
}

/** Where this gateway gets its configuration from, and who may sign it. */
export interface FleetConfig {
  /** An https URL, or the path of a bundle or of a git folder; `{id}` is filled in already. */
  readonly source: string | undefined;
  /** The public key (Ed25519) that bundles are signed by, 64 hex digits. */
  readonly key: string | undefined;
  /** PEM file of the authority that signed the server of an https source; undefined: those of the machine. */
  readonly ca: string | undefined;
  /** A bearer token for the server. */
  readonly token: SecretRef | undefined;
}

/** A whole file, checked. */
export interface Config {
  /** The file it came from, absolute. */
  readonly file: string;
  /** First 12 hex digits of the SHA-256 of its text and that of every file merged into it. */
  readonly hash: string;
  readonly gateway: { readonly id: string; readonly location: string | undefined; readonly timezone: string };
  readonly channels: readonly ChannelConfig[];
  /** Computed tags, each after those it is computed from. */
  readonly derived: readonly DerivedConfig[];
  readonly alarms: readonly AlarmConfig[];
  /** Control charts. */
  readonly spc: readonly SpcConfig[];
  /** Machines whose production is counted. */
  readonly production: readonly ProductionConfig[];
  /** Condition and use of machines. */
  readonly maintenance: readonly MaintenanceConfig[];
  /** Stations at which parts with a serial number are judged. */
  readonly parts: readonly PartsConfig[];
  /** Stocks that are counted by scans. */
  readonly inventory: readonly InventoryConfig[];
  readonly store: StoreConfig;
  readonly uplinks: readonly UplinkConfig[];
  /** Who is told of alarms; absent: nobody. */
  readonly notify?: readonly NotifyConfig[];
  readonly api: ApiConfig;
  readonly commands: CommandsConfig;
  /** Absent: the configuration comes by hand. */
  readonly fleet?: FleetConfig | undefined;
  /** Absent: nothing is served. */
  readonly serve?: ServeConfig | undefined;
}

/** One problem of a file, as `check` prints it: `FILE:LINE:COLUMN PATH: MESSAGE`. */
export type ConfigProblem = ConfigurationProblem;

/** The outcome of loading. Warnings come with a good configuration too. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | {
      readonly ok: false;
      readonly problems: readonly ConfigProblem[];
      /** Where the store is, when at least that could be read: a gateway may still run with the file as it was. */
      readonly storePath: string | undefined;
    };

/** Every tag of a configuration: those that are read, in the order of the file, then those that are computed. */
export function tagsOf(config: Pick<Config, 'channels' | 'derived'>): readonly TagConfig[] {
  return [...readTagsOf(config), ...config.derived.map(({ tag }) => tag)];
}

/** The tags of a configuration that are read from devices. */
export function readTagsOf({ channels }: Pick<Config, 'channels'>): readonly TagConfig[] {
  return channels.flatMap(({ devices }) => devices.flatMap(({ tags }) => tags));
}
