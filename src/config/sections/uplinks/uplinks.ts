/** The section `uplinks` of the file: where records are sent. */
import { z } from 'zod';
import { COMMAND_KINDS } from '../../../core/configuration.ts';
import { BROKEN_ADDRESS, isBrokenAddress } from '../../../core/fields.ts';
import { hint } from '../../../core/suggest.ts';
import type { MqttConfig, UplinkConfig } from '../../config.ts';
import type { Report } from '../../file/problems.ts';
import { type Entry, entryOf, type MapNode, nodeAt, spotOf, without } from '../../file/tree.ts';
import { isMapOr, validateKeys } from '../../file/validate.ts';
import { clip, shown } from '../../file/words.ts';
import { formatPlace } from '../../file/yaml.ts';
import { checkName } from '../channels.ts';
import { mqttShape } from '../shapes.ts';
import { checkHttp, HTTP_PRESETS, isHttpPreset } from './uplink-http.ts';
import {
  baseOf,
  checkSelection,
  checkTls,
  checkTopic,
  LOOPBACK,
  parseUrl,
  proxyOf,
  refuseSecrets,
  secretAt,
  tlsOf,
  type UplinkContext,
} from './uplink-parts.ts';
import { checkMqttPreset, isMqttPreset, MQTT_PRESETS } from './uplink-presets.ts';
import { checkSparkplug } from './uplink-sparkplug.ts';
import { checkTemplate, templateSchema } from './uplink-template.ts';

/** `uplinks.NAME` of type mqtt. */
export const brokerShape = { ...mqttShape, template: templateSchema.optional() };

type MqttOptions = z.output<z.ZodObject<typeof brokerShape>>;

/** Checks every uplink of the section. */
export function checkUplinks(section: MapNode, context: UplinkContext): UplinkConfig[] {
  const { report } = context;
  const uplinks: UplinkConfig[] = [];
  const clients = new Map<string, Entry>();
  /** Uplinks by the edge node of Sparkplug that they are. */
  const nodes = new Map<string, string>();
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {type: mqtt, url: "mqtt://broker:1883"}`)) continue;
    const uplink = checkUplink(name, entry, context, nodes);
    if (!uplink) continue;
    uplinks.push(uplink);
    if (uplink.type !== 'mqtt') continue;
    const clientAt = (id: string): string => `${id} ${hostOf(uplink.url)}`;
    const twin = clients.get(clientAt(uplink.clientId));
    if (twin) {
      let number = 2;
      while (clients.has(clientAt(`${uplink.clientId}-${number}`))) number++;
      report.error(
        spotOf(entry, ['clientId']),
        `uplink "${twin.path.at(-1)}" (${formatPlace(twin.keyPlace)}) already connects to this broker as "${uplink.clientId}", and a broker accepts each client ID only once: write for example clientId: ${uplink.clientId}-${number} in one of the two`,
      );
    } else clients.set(clientAt(uplink.clientId), entry);
  }
  return uplinks;
}

/** What may be the `type` of an uplink. */
const TYPES = ['mqtt', 'http'];

function checkUplink(
  name: string,
  entry: Entry,
  context: UplinkContext,
  nodes: Map<string, string>,
): UplinkConfig | undefined {
  const { report } = context;
  const preset = entryOf(entry.node, 'preset');
  if (preset) return checkPreset(name, preset, entry, context);
  const type = entryOf(entry.node, 'type');
  if (!type) {
    report.error(spotOf(entry, ['type']), 'is missing: write type: mqtt');
    return undefined;
  }
  const word = type.node.kind === 'scalar' ? String(type.node.value) : '';
  if (word === 'mqtt') return checkMqtt(name, entry, context, nodes);
  if (word === 'http') return checkHttp(name, 'http', entry, context);
  report.error(spotOf(type, []), `${shown(type.node)} is not a type of uplink${hint(word, TYPES, 'types')}`);
  return undefined;
}

/** An uplink that is set up for a certain product. */
function checkPreset(name: string, preset: Entry, entry: Entry, context: UplinkContext): UplinkConfig | undefined {
  const { report } = context;
  const word = preset.node.kind === 'scalar' ? String(preset.node.value) : '';
  if (isHttpPreset(word)) return checkHttp(name, word, entry, context);
  if (isMqttPreset(word)) return checkMqttPreset(name, word, entry, context);
  report.error(
    spotOf(preset, []),
    `${shown(preset.node)} is not a preset${hint(word, [...HTTP_PRESETS, ...MQTT_PRESETS], 'presets')}`,
  );
  return undefined;
}

function checkMqtt(
  name: string,
  entry: Entry,
  context: UplinkContext,
  nodes: Map<string, string>,
): MqttConfig | undefined {
  const { report } = context;
  const visible: Entry = { ...entry, node: without(entry.node as MapNode, refuseSecrets(entry, report)) };
  const options = validateKeys(z.strictObject(brokerShape), visible, report) as MqttOptions | undefined;
  if (!options) return undefined;
  checkSelection(options, entry, context);
  const hasBroker = checkUrl(options, entry, report);
  checkServers(options, entry, report);
  const topic = checkTopic(options.topic, entry, context);
  const sparkplug = checkSparkplug(options, entry, context, nodes);
  const template = checkTemplate(options, entry, context);
  const own = { ...(sparkplug && { sparkplug }), ...(template && { template }) };
  const uplink = { ...complete(name, options, topic, entry, context), ...own };
  return hasBroker ? uplink : undefined;
}

/** Further brokers are reached in the way of the first: its files of TLS and its password hold for all. */
function checkServers({ url, servers = [] }: MqttOptions, entry: Entry, report: Report): void {
  const first = parseUrl(url)?.protocol;
  for (const [index, server] of servers.entries()) {
    const protocol = parseUrl(server)?.protocol;
    if (first !== undefined && protocol !== undefined && protocol !== first)
      report.error(
        spotOf(entry, ['servers', index]),
        `must begin like url: all brokers of an uplink are reached in one way, here ${first}//`,
      );
  }
}

/** Host and port of a broker, for comparing. */
function hostOf(url: string): string {
  const parsed = parseUrl(url);
  return parsed ? `${parsed.hostname}:${parsed.port || usualPort(parsed.protocol)}` : url;
}

/** Ports of a broker where the URL gives none. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

function usualPort(protocol: string): number {
  return DEFAULT_PORTS[protocol] ?? 1883;
}

/** Checks the URL and what depends on it; false when it does not say which broker is meant. */
function checkUrl({ url, tls, password, username, version }: MqttOptions, entry: Entry, report: Report): boolean {
  const spot = spotOf(entry, ['url']);
  const port = /^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#@]*:(\d+)(?:[/?#]|$)/i.exec(url)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    report.error(
      spot,
      `the port of a URL goes from 1 to 65535; got ${clip(port)}: the usual one is ${usualPort(url.slice(0, url.indexOf(':') + 1))}`,
    );
    return false;
  }
  const parsed = parseUrl(url);
  if (!parsed || parsed.hostname === '') {
    const secretive = url.includes('@');
    report.error(
      spot,
      `${secretive ? 'this' : shown(nodeAt(entry.node, ['url']))} is not a URL: write for example "mqtt://${/^[\w.-]+(:\d{1,5})?$/.test(url) ? url : 'broker.plant.lan:1883'}"`,
    );
    return false;
  }
  if (isBrokenAddress(parsed.hostname)) report.error(spot, `${parsed.hostname} ${BROKEN_ADDRESS}`);
  if (parsed.username !== '' || parsed.password !== '')
    report.error(spot, 'user and password do not belong in the URL: write username: and password: {file: PATH}');
  if (DEFAULT_PORTS[parsed.protocol] === undefined) {
    report.error(
      spot,
      `an MQTT URL begins with mqtt://, mqtts://, ws:// or wss://, not ${clip(parsed.protocol)}//: write for example "mqtt://${parsed.hostname}"`,
    );
    return false;
  }
  const isWeb = parsed.protocol === 'ws:' || parsed.protocol === 'wss:';
  if ((!isWeb && !['', '/'].includes(parsed.pathname)) || parsed.search !== '' || parsed.hash !== '')
    report.error(spot, `an MQTT URL ends after the ${isWeb ? 'path' : 'port'}: remove what follows it`);
  const plain = parsed.protocol === 'mqtt:' || parsed.protocol === 'ws:';
  const secured = isWeb ? 'wss://' : 'mqtts://';
  if (plain && tls)
    report.error(
      spotOf(entry, ['tls']),
      `tls has no effect with ${parsed.protocol}//: write ${secured} in url, or remove tls`,
    );
  if (plain && password && !LOOPBACK.test(parsed.hostname))
    report.warning(
      spotOf(entry, ['password']),
      `the password is sent unencrypted over ${parsed.protocol}//: write ${secured} in url if the broker has TLS`,
    );
  if (password && username === undefined && version === '3.1.1')
    report.error(
      spotOf(entry, ['username']),
      'is missing: MQTT 3.1.1 allows no password without a user name. Write username: and the name, or version: 5',
    );
  checkTls(tls, entry, report);
  return true;
}

/** The protocol level of a `version:`. */
function versionOf(version: MqttOptions['version']): 4 | 5 | undefined {
  if (version === undefined) return undefined;
  return version === '3.1.1' ? 4 : 5;
}

function complete(name: string, options: MqttOptions, topic: string, entry: Entry, context: UplinkContext): MqttConfig {
  return {
    type: 'mqtt',
    name,
    url: options.url,
    format: options.format,
    protocolVersion: versionOf(options.version),
    clientId: options.clientId ?? `millgate-${context.gateway.id}`,
    topic,
    topics: options.topics,
    compression: options.compression,
    layout: options.layout,
    username: options.username,
    password: secretAt(options.password, ['password'], entry, context),
    tls: tlsOf(options.tls, entry, context),
    ...proxyOf(options.proxy, entry, context),
    ...(options.servers && { servers: options.servers }),
    ...baseOf(options, options.format === 'sparkplug' ? ['write'] : COMMAND_KINDS),
    keepaliveMs: options.keepalive ?? 30_000,
    ackTimeoutMs: options.ackTimeout ?? 15_000,
  };
}
