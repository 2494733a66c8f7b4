/** Products that take records over MQTT: what a file says of each, and the limits that it must keep before anything connects. */
import { z } from 'zod';
import { selects } from '../../../core/reading.ts';
import type { MqttConfig, MqttLimits, MqttPreset, SecretRef } from '../../config.ts';
import { type Entry, type MapNode, spotOf, without } from '../../file/tree.ts';
import { validateKeys } from '../../file/validate.ts';
import { clip } from '../../file/words.ts';
import { commandsField, mqttShape, type proxyField, secretSchema, tlsSchema, uplinkShape } from '../shapes.ts';
import {
  baseOf,
  checkSelection,
  checkTls,
  checkTopic,
  parseUrl,
  proxyOf,
  refuseSecrets,
  secretAt,
  tlsOf,
  type UplinkContext,
} from './uplink-parts.ts';

const hostField = (description: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, { error: 'expected a host name alone, without mqtts:// and without a port' })
    .meta({ description, examples: [example] });

const presetWord = <const W extends string>(word: W, description: string) => z.literal(word).meta({ description });

const common = {
  tls: tlsSchema.optional(),
  ...uplinkShape,
  keepalive: mqttShape.keepalive,
  ackTimeout: mqttShape.ackTimeout,
};

const { topic, topics, layout, clientId, url, username, password } = mqttShape;

const portField = z
  .literal([443, 8883])
  .meta({ description: 'Port: 8883, or 443 where firewalls let only that through. Default: 8883.', default: 8883 })
  .optional();

/** Shapes of the presets, by name. */
export const MQTT_PRESET_SHAPES = {
  'aws-iot': {
    title: 'AWS IoT Core',
    shape: {
      preset: presetWord('aws-iot', 'AWS IoT Core, by certificate.'),
      endpoint: hostField('Data endpoint (ATS) of the account.', 'abc-ats.iot.eu-west-1.amazonaws.com'),
      port: portField,
      clientId,
      topic,
      topics,
      layout,
      commands: commandsField('no'),
      ...common,
    },
  },
  'azure-iot-hub': {
    title: 'Azure IoT Hub',
    shape: {
      preset: presetWord('azure-iot-hub', 'Azure IoT Hub, by the key of the device or by certificate.'),
      hub: hostField('Host name of the hub.', 'acme.azure-devices.net'),
      device: z
        .string()
        .regex(/^[A-Za-z0-9\-.%_*?!(),:=@$']{1,128}$/, { error: 'expected the id of the device as the hub has it' })
        .meta({
          description: 'Id of the device in the hub. Default: the id of the gateway.',
          examples: ['press-shop-1'],
        })
        .optional(),
      key: secretSchema.optional(),
      layout,
      ...common,
    },
  },
  'azure-event-grid': {
    title: 'Azure Event Grid',
    shape: {
      preset: presetWord('azure-event-grid', 'The MQTT broker of an Azure Event Grid namespace, by certificate.'),
      endpoint: hostField('MQTT host name of the namespace.', 'acme.westeurope-1.ts.eventgrid.azure.net'),
      username: z
        .string()
        .min(1)
        .meta({ description: 'Authentication name of the client. Default: the id of the gateway.' })
        .optional(),
      clientId,
      topic,
      topics,
      layout,
      commands: commandsField('no'),
      ...common,
    },
  },
  thingsboard: {
    title: 'ThingsBoard',
    shape: {
      preset: presetWord('thingsboard', 'ThingsBoard: one of its devices has to be marked as a gateway.'),
      url,
      token: secretSchema,
      ...common,
    },
  },
  'home-assistant': {
    title: 'Home Assistant',
    shape: {
      preset: presetWord('home-assistant', 'Home Assistant finds the tags by itself, over the broker that it uses.'),
      url,
      discovery: z
        .string()
        .regex(/^[^+#\s/]+(\/[^+#\s/]+)*$/, { error: 'expected a topic without + and #, such as homeassistant' })
        .meta({ description: 'Prefix of discovery topics. Default: homeassistant.', default: 'homeassistant' })
        .optional(),
      username,
      password,
      clientId,
      topic,
      ...common,
    },
  },
} as const;

type Kind = keyof typeof MQTT_PRESET_SHAPES;

/** Names of the presets. */
export const MQTT_PRESETS = Object.keys(MQTT_PRESET_SHAPES) as readonly Kind[];

/** Every key that one of them has. */
interface PresetOptions {
  readonly endpoint?: string;
  readonly hub?: string;
  readonly url?: string;
  readonly port?: 443 | 8883;
  readonly device?: string;
  readonly key?: SecretRef;
  readonly token?: SecretRef;
  readonly discovery?: string;
  readonly username?: string;
  readonly password?: SecretRef;
  readonly clientId?: string;
  readonly topic?: string;
  readonly topics?: 'batch' | 'per-tag';
  readonly layout?: 'rows' | 'columns';
  readonly tls?: z.output<typeof tlsSchema>;
  readonly keepalive?: number;
  readonly ackTimeout?: number;
  readonly only?: string[];
  readonly except?: string[];
  readonly events?: boolean | 'yes' | 'no';
  readonly commands?: z.output<ReturnType<typeof commandsField>>;
  readonly backfillRate?: number;
  readonly proxy?: z.output<typeof proxyField>;
}

/** What a product allows. */
interface Rules extends MqttLimits {
  readonly name: string;
  readonly topicBytes?: number;
  readonly slashes?: number;
  readonly keepaliveMs: number;
}

const KB = 1024;

/**
 * The limits that `check` keeps.
 * AWS IoT Core: https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits).
 * Azure IoT Hub: https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling (S1, one unit: 12 messages
 * a second and unit, at least 100) and iot-mqtt-connect-to-iot-hub (keep-alive). Azure Event Grid:
 * https://learn.microsoft.com/azure/event-grid/quotas-limits (MQTT resource limits).
 */
const RULES: Partial<Record<Kind, Rules>> = {
  'aws-iot': {
    name: 'AWS IoT Core',
    messageBytes: 128 * KB,
    messagesPerSecond: 100,
    bytesPerSecond: 512 * KB,
    // One a second as they arrive there, which is not quite as they leave here.
    connectEveryMs: 1100,
    topicBytes: 256,
    slashes: 7,
    keepaliveMs: 1_200_000,
  },
  'azure-iot-hub': {
    name: 'Azure IoT Hub',
    messageBytes: 256 * KB,
    messagesPerSecond: 100,
    bytesPerSecond: 1024 * KB,
    keepaliveMs: 1_177_000,
  },
  'azure-event-grid': {
    name: 'Azure Event Grid',
    messageBytes: 512 * KB,
    messagesPerSecond: 1000,
    bytesPerSecond: 1024 * KB,
    keepaliveMs: 1_160_000,
  },
};

/** Whether a word names a preset that is served over MQTT. */
export function isMqttPreset(word: string): word is Kind {
  return (MQTT_PRESETS as readonly string[]).includes(word);
}

/** Checks an uplink to a product, and gives what it is as an MQTT uplink. */
export function checkMqttPreset(
  name: string,
  kind: Kind,
  entry: Entry,
  context: UplinkContext,
): MqttConfig | undefined {
  const { report, gateway } = context;
  const refused = refuseSecrets(entry, report);
  const visible: Entry = { ...entry, node: without(entry.node as MapNode, refused) };
  const options = validateKeys(z.strictObject(MQTT_PRESET_SHAPES[kind].shape), visible, report) as
    | PresetOptions
    | undefined;
  if (!options) return undefined;
  checkSelection(options, entry, context);
  checkTls(options.tls, entry, report);
  if (refused.length === 0) checkSignIn(kind, options, entry, context);
  const { server, isRight } = serverOf(kind, options, entry, context);
  const rules = RULES[kind];
  const device = options.device ?? gateway.id;
  const config: MqttConfig = {
    type: 'mqtt',
    name,
    url: server,
    format: 'json',
    // What each product speaks; undefined: the newest that it does.
    protocolVersion:
      kind === 'azure-iot-hub' || kind === 'thingsboard' ? 4 : kind === 'azure-event-grid' ? 5 : undefined,
    clientId: kind === 'azure-iot-hub' ? device : (options.clientId ?? `millgate-${gateway.id}`),
    topic: checkTopic(options.topic ?? 'millgate/{id}', entry, context),
    topics: kind === 'home-assistant' ? 'per-tag' : (options.topics ?? 'batch'),
    layout: options.layout,
    compression: 'none',
    username: kind === 'azure-event-grid' ? (options.username ?? gateway.id) : options.username,
    password: secretAt(options.password, ['password'], entry, context),
    tls: tlsOf(options.tls, entry, context),
    ...proxyOf(options.proxy, entry, context),
    ...baseOf(options),
    keepaliveMs: options.keepalive ?? 30_000,
    ackTimeoutMs: options.ackTimeout ?? 15_000,
    preset: presetOf(kind, options, device, entry, context),
    limits: rules && {
      messageBytes: rules.messageBytes,
      messagesPerSecond: rules.messagesPerSecond,
      bytesPerSecond: rules.bytesPerSecond,
      connectEveryMs: rules.connectEveryMs,
    },
    // https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
    alpn: kind === 'aws-iot' && options.port === 443 ? 'x-amzn-mqtt-ca' : undefined,
  };
  if (rules) checkRules(rules, config, entry, context);
  if (kind === 'home-assistant') checkEntities(config, entry, context);
  return isRight ? config : undefined;
}

function presetOf(
  kind: Kind,
  { hub, key, token, discovery }: PresetOptions,
  device: string,
  entry: Entry,
  context: UplinkContext,
): MqttPreset {
  switch (kind) {
    case 'azure-iot-hub':
      return { kind, hub: hub!, device, key: secretAt(key, ['key'], entry, context) };
    case 'thingsboard':
      return { kind, token: secretAt(token, ['token'], entry, context)! };
    case 'home-assistant':
      return { kind, discovery: discovery ?? 'homeassistant' };
    default:
      return { kind };
  }
}

/** The URL of the broker, from the keys of the preset. */
function serverOf(
  kind: Kind,
  { endpoint, hub, port, url: given }: PresetOptions,
  entry: Entry,
  { report }: UplinkContext,
): { readonly server: string; readonly isRight: boolean } {
  if (given === undefined) return { server: `mqtts://${endpoint ?? hub}:${port ?? 8883}`, isRight: true };
  const parsed = parseUrl(given);
  const isRight = parsed !== undefined && /^mqtts?:$/.test(parsed.protocol) && parsed.hostname !== '';
  const isBare = isRight && parsed.username === '' && parsed.password === '' && ['', '/'].includes(parsed.pathname);
  if (!isBare)
    report.error(
      spotOf(entry, ['url']),
      `expected the address of a broker alone, such as "mqtt://${kind === 'thingsboard' ? 'thingsboard' : 'homeassistant'}.local"`,
    );
  return { server: given, isRight: isBare };
}

/** Who signs in has to be said, in the one way that the product takes. */
function checkSignIn(kind: Kind, { tls, key }: PresetOptions, entry: Entry, { report }: UplinkContext): void {
  const hasCertificate = (tls?.cert ?? tls?.pfx) !== undefined;
  if (kind === 'azure-iot-hub' && !key && !hasCertificate)
    report.error(
      spotOf(entry, ['key']),
      'is missing: write key: {file: PATH} with the primary key of the device, or tls: {cert: PATH, key: PATH}',
    );
  if (kind === 'azure-iot-hub' && key && hasCertificate)
    report.error(spotOf(entry, ['key']), 'a device signs in by its key or by a certificate, not both: remove one');
  if ((kind === 'aws-iot' || kind === 'azure-event-grid') && !hasCertificate)
    report.error(
      spotOf(entry, ['tls']),
      'is missing: the device signs in by a certificate. Write tls: {cert: /etc/millgate/gw.crt, key: /etc/millgate/gw.key}',
    );
}

/** Home Assistant knows an entity by its tag with `_` in place of the slash, as `unique_id` is made in `home-assistant.ts`. */
function checkEntities(config: MqttConfig, entry: Entry, { report, tagConfigs }: UplinkContext): void {
  const known = new Map<string, string>();
  for (const { tag } of tagConfigs.filter(({ tag }) => selects(config)(tag.id))) {
    const id = tag.id.replace('/', '_');
    const other = known.get(id);
    if (other !== undefined)
      report.error(
        spotOf(entry, []),
        `Home Assistant would take ${other} and ${tag.id} for one entity, ${id}: rename one of them, or leave it out with except`,
      );
    known.set(id, tag.id);
  }
}

/** What the product would refuse, or hang up on, said before anything connects. */
function checkRules(rules: Rules, config: MqttConfig, entry: Entry, context: UplinkContext): void {
  const { report, tagConfigs, commitEveryMs } = context;
  const sent = tagConfigs.filter(({ tag }) => selects(config)(tag.id));
  if (config.preset?.kind !== 'azure-iot-hub') checkTopicRules(rules, config, sent, entry, context);
  if (config.keepaliveMs > rules.keepaliveMs)
    report.error(
      spotOf(entry, ['keepalive']),
      `${rules.name} takes a keep-alive of at most ${rules.keepaliveMs / 1000}s: write a smaller one`,
    );
  const perDevice = new Map<string, number>();
  for (const { tag } of sent) {
    const device = tag.id.slice(0, tag.id.indexOf('/'));
    perDevice.set(device, (perDevice.get(device) ?? 48 + device.length) + tag.id.length - device.length + 26);
  }
  const [largest] = [...perDevice].sort(([, a], [, b]) => b - a);
  if (largest && largest[1] > rules.messageBytes)
    report.error(
      spotOf(entry, []),
      `a record of ${clip(largest[0])} with all its tags takes about ${Math.ceil(largest[1] / KB)} KB, and ${rules.name} takes messages of at most ${rules.messageBytes / KB} KB: give some of its tags another period, or split the device in two`,
    );
  // A tag with a deadband is reported when it changes, which the file does not say how often it does.
  const periods = sent.map(({ everyMs, deadband, heartbeatMs }) => (deadband === undefined ? everyMs : heartbeatMs));
  const values = periods.reduce<number>((sum, periodMs) => sum + (periodMs ? 1000 / periodMs : 0), 0);
  const perSecond = 1000 / commitEveryMs + (config.topics === 'per-tag' ? values : 0);
  if (perSecond > rules.messagesPerSecond)
    report.error(
      spotOf(entry, config.topics === 'per-tag' ? ['topics'] : []),
      `this file makes about ${Math.round(perSecond)} messages a second, and ${rules.name} takes ${rules.messagesPerSecond}: ${config.topics === 'per-tag' ? 'write topics: batch, or a deadband or a longer period for its tags' : 'write a longer store.commitEvery'}`,
    );
}

/** The longest topic that the file leads to. */
function checkTopicRules(
  { name, topicBytes = 65_535, slashes = Number.POSITIVE_INFINITY }: Rules,
  { topic: root, topics: form }: MqttConfig,
  sent: UplinkContext['tagConfigs'],
  entry: Entry,
  { report }: UplinkContext,
): void {
  const all = [`${root}/readings`, ...(form === 'per-tag' ? sent.map(({ tag }) => `${root}/${tag.id}`) : [])];
  const spot = spotOf(entry, ['topic']);
  const deepest = all.sort((a, b) => b.split('/').length - a.split('/').length)[0]!;
  const depth = deepest.split('/').length - 1;
  if (depth > slashes)
    report.error(
      spot,
      `${name} takes topics of at most ${slashes} slashes, and ${clip(deepest)} has ${depth}: write a shorter topic, such as millgate/{id}`,
    );
  const longest = Math.max(...all.map((one) => Buffer.byteLength(one)));
  if (longest > topicBytes)
    report.error(
      spot,
      `${name} takes topics of at most ${topicBytes} bytes, and the longest here has ${longest}: write a shorter topic`,
    );
}
