/** The section `uplinks` of the file: where records are sent. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { BROKEN_ADDRESS, isBrokenAddress } from '../../core/fields.ts';
import { selects, tagPattern } from '../../core/reading.ts';
import { hint, nearestTag } from '../../core/suggest.ts';
import type { MqttConfig, SecretRef, TlsConfig, UplinkBase, UplinkConfig } from '../config.ts';
import type { FileAccess } from '../file/disk-files.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, type MapNode, nodeAt, spotOf, without } from '../file/tree.ts';
import { isMapOr, validateKeys } from '../file/validate.ts';
import { clip, shown } from '../file/words.ts';
import { formatPlace } from '../file/yaml.ts';
import { checkName } from './channels.ts';
import { mqttShape } from './shapes.ts';

/** Kinds of uplinks and formats that belong to the format of the file but not to this version. */
const NOT_YET = ['http', 'sparkplug'];

/** What checking uplinks needs. */
export interface UplinkContext {
  readonly gateway: { readonly id: string; readonly location: string | undefined };
  /** Relative paths count from here: the folder of the main file. */
  readonly folder: string;
  readonly files: FileAccess;
  /** Every tag of the file. */
  readonly tags: readonly string[];
  readonly report: Report;
}

type MqttOptions = z.output<z.ZodObject<typeof mqttShape>>;

/** Checks every uplink of the section. */
export function checkUplinks(section: MapNode, context: UplinkContext): UplinkConfig[] {
  const { report } = context;
  const uplinks: UplinkConfig[] = [];
  const clients = new Map<string, Entry>();
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {type: mqtt, url: "mqtt://broker:1883"}`)) continue;
    const uplink = checkUplink(name, entry, context);
    if (!uplink) continue;
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
    uplinks.push(uplink);
  }
  return uplinks;
}

function checkUplink(name: string, entry: Entry, context: UplinkContext): MqttConfig | undefined {
  const { report } = context;
  const type = entryOf(entry.node, 'type');
  if (!type) {
    report.error(spotOf(entry, ['type']), 'is missing: write type: mqtt');
    return undefined;
  }
  const word = type.node.kind === 'scalar' ? String(type.node.value) : '';
  if (word !== 'mqtt') {
    const known = NOT_YET.includes(word);
    const advice = known
      ? ' is not available in this version of Millgate: write mqtt'
      : ` is not a type of uplink${hint(word, ['mqtt'], 'types')}`;
    report.error(spotOf(type, []), `${known ? word : shown(type.node)}${advice}`);
    return undefined;
  }
  const format = entryOf(entry.node, 'format');
  const later = format?.node.kind === 'scalar' && NOT_YET.includes(String(format.node.value));
  if (format && later)
    report.error(
      spotOf(format, []),
      `${String(format.node.kind === 'scalar' ? format.node.value : '')} is not available in this version of Millgate: write json`,
    );
  const inline = refuseInline(entry, report);
  if (refuseInlinePassphrase(entry, report) || refuseTlsSwitch(entry, report)) inline.push('tls');
  if (refuseTwoSources(entry, report)) inline.push('password');
  const hidden = [...inline, ...(later ? ['format', 'group', 'primaryHost'] : [])];
  const visible: Entry = { ...entry, node: without(entry.node as MapNode, hidden) };
  const options = validateKeys(z.strictObject(mqttShape), visible, report) as MqttOptions | undefined;
  if (!options) return undefined;
  checkSelection(options, entry, context);
  const hasBroker = checkUrl(options, entry, report);
  const topic = checkTopic(options.topic, entry, context);
  const uplink = complete(name, options, topic, entry, context);
  return hasBroker ? uplink : undefined;
}

/** What every uplink has. */
function baseOf({ only, except, events, backfillRate }: MqttOptions): Omit<UplinkBase, 'name'> {
  return {
    only,
    except: except ?? [],
    events: events !== false && events !== 'no',
    backfillRate: backfillRate ?? 5000,
  };
}

/** Patterns must name tags that there are, and leave some. */
function checkSelection({ only, except }: MqttOptions, entry: Entry, { tags, report }: UplinkContext): void {
  // What is wrong with the tags was told of where they stand.
  if (tags.length === 0) return;
  let isKnown = true;
  for (const [key, patterns] of Object.entries({ only, except })) {
    for (const [index, pattern] of (patterns ?? []).entries()) {
      if (tags.some(tagPattern(pattern))) continue;
      isKnown = false;
      const devices = new Set(tags.map((tag) => tag.slice(0, tag.indexOf('/'))));
      const near = devices.has(pattern) ? `${pattern}/*` : nearestTag(pattern, tags);
      const advice = near === undefined ? 'write DEVICE/TAG, or DEVICE/* for all of a device' : `did you mean ${near}?`;
      report.error(spotOf(entry, [key, index]), `there is no tag ${clip(pattern)}: ${advice}`);
    }
  }
  if (isKnown && except && !tags.some(selects({ only, except })))
    report.error(spotOf(entry, ['except']), 'leaves no tag to be sent: remove one of its patterns');
}

/** What to do with a secret that stands in the file. */
function inlineText(key: string): string {
  return `a ${key} must not stand in this file: write it into a file of its own and name that, ${key}: {file: /etc/millgate/mqtt.${key}}, or name an environment variable that holds it, ${key}: {env: MQTT_${key.toUpperCase()}}`;
}

/** Keys that hold secrets, and those who write them for one. */
const SECRET_KEYS = ['password', 'token', 'secret'];

/** A passphrase written into `tls`; true where it was refused. */
function refuseInlinePassphrase(entry: Entry, report: Report): boolean {
  const tls = entryOf(entry.node, 'tls');
  const secret = tls && entryOf(tls.node, 'passphrase');
  if (!secret || secret.node.kind === 'map') return false;
  report.error(spotOf(secret, []), inlineText('passphrase'));
  return true;
}

/** `tls: true` or the like: the URL is what switches TLS on. True where it was refused. */
function refuseTlsSwitch(entry: Entry, report: Report): boolean {
  const tls = entryOf(entry.node, 'tls')?.node;
  if (tls?.kind !== 'scalar' || !/^(true|false|yes|no|on|off|1|0)$/i.test(tls.source)) return false;
  const isOn = /^(true|yes|on|1)$/i.test(tls.source);
  const url = nodeAt(entry.node, ['url']);
  const broker = url?.kind === 'scalar' ? /^mqtt:\/\/([^/?#@\s]+)\/?$/i.exec(url.source)?.[1] : undefined;
  // The port without TLS is not the one with it.
  const secured = isOn && broker !== undefined ? `write url: "mqtts://${clip(broker.replace(/:1883$/, ''))}" and ` : '';
  report.error(
    spotOf(entry, ['tls']),
    `TLS is switched ${isOn ? 'on' : 'on or off'} by the URL: ${secured}remove tls; tls: is only for certificate files, for example tls: {ca: /etc/millgate/ca.pem}`,
  );
  return true;
}

/** Secrets written into the file; the message never repeats them. Gives the keys that were refused. */
function refuseInline(entry: Entry, report: Report): string[] {
  return SECRET_KEYS.filter((key) => {
    const secret = entryOf(entry.node, key);
    if (!secret || secret.node.kind === 'map') return false;
    report.error(spotOf(secret, []), inlineText(key));
    return true;
  });
}

/** A password from a file and from the environment; true where it was refused. */
function refuseTwoSources(entry: Entry, report: Report): boolean {
  const password = entryOf(entry.node, 'password');
  if (!password || !entryOf(password.node, 'file') || !entryOf(password.node, 'env')) return false;
  report.error(
    spotOf(password, []),
    'the password comes either from a file or from the environment: remove file or env',
  );
  return true;
}

function parseUrl(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** Host and port of a broker, for comparing. */
function hostOf(url: string): string {
  const parsed = parseUrl(url);
  return parsed
    ? `${parsed.hostname}:${parsed.port || DEFAULT_PORTS[parsed.protocol === 'mqtts:' ? 'mqtts:' : 'mqtt:']}`
    : url;
}

/** Ports of a broker where the URL gives none. */
const DEFAULT_PORTS = { 'mqtt:': 1883, 'mqtts:': 8883 };

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Checks the URL and what depends on it; false when it does not say which broker is meant. */
function checkUrl({ url, tls, password, username, version }: MqttOptions, entry: Entry, report: Report): boolean {
  const spot = spotOf(entry, ['url']);
  const port = /^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#@]*:(\d+)(?:[/?#]|$)/i.exec(url)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    report.error(
      spot,
      `the port of a URL goes from 1 to 65535; got ${clip(port)}: the usual one is ${DEFAULT_PORTS[url.startsWith('mqtts') ? 'mqtts:' : 'mqtt:']}`,
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
  if (parsed.protocol !== 'mqtt:' && parsed.protocol !== 'mqtts:') {
    report.error(
      spot,
      `an MQTT URL begins with mqtt:// or mqtts://, not ${clip(parsed.protocol)}//: write for example "mqtt://${parsed.hostname}"`,
    );
    return false;
  }
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '' || parsed.hash !== '')
    report.error(spot, 'an MQTT URL ends after the port: remove what follows it');
  const plain = parsed.protocol === 'mqtt:';
  if (plain && tls)
    report.error(spotOf(entry, ['tls']), 'tls has no effect with mqtt://: write mqtts:// in url, or remove tls');
  if (plain && password && !LOOPBACK.test(parsed.hostname))
    report.warning(
      spotOf(entry, ['password']),
      'the password is sent unencrypted over mqtt://: write mqtts:// in url if the broker has TLS',
    );
  if (password && username === undefined && version === '3.1.1')
    report.error(
      spotOf(entry, ['username']),
      'is missing: MQTT 3.1.1 allows no password without a user name. Write username: and the name, or version: 5',
    );
  if (tls?.pfx !== undefined && (tls.cert ?? tls.key) !== undefined)
    report.error(
      spotOf(entry, ['tls', 'pfx']),
      'a pfx file holds both the certificate and the key: remove cert and key, or remove pfx',
    );
  if (tls?.passphrase !== undefined && (tls.key ?? tls.pfx) === undefined)
    report.error(
      spotOf(entry, ['tls', 'passphrase']),
      'a passphrase opens a key, and no key is named: write key or pfx beside it, or remove passphrase',
    );
  if ((tls?.cert === undefined) !== (tls?.key === undefined))
    report.error(
      spotOf(entry, ['tls', tls?.cert === undefined ? 'cert' : 'key']),
      'is missing: a client certificate needs both cert and key',
    );
  return true;
}

/** Fills in `{id}` and `{location}`. */
function checkTopic(topic: string, entry: Entry, { gateway, report }: UplinkContext): string {
  const spot = spotOf(entry, ['topic']);
  if (topic.includes('+') || topic.includes('#') || topic.includes('\0'))
    report.error(
      spot,
      'a topic that is published to must not contain + or #, which stand for many topics: write the topic itself, such as millgate/{id}',
    );
  if (/^[$/]|\/$|\/\//.test(topic))
    report.error(
      spot,
      'a topic must not begin with $ or /, end with / or contain //: write names with one / between them, such as plant/{id}',
    );
  return topic.replace(/\{([^{}]*)\}/g, (whole, word: string) => {
    if (word === 'id') return gateway.id;
    if (word === 'location' && gateway.location !== undefined) return gateway.location;
    if (word === 'location')
      report.error(
        spot,
        'the topic uses {location}, but gateway.location is not given: write gateway: {location: acme/leeds/press-shop}, or use {id} alone',
      );
    else report.error(spot, `there is no ${clip(whole)}: a topic may use {id} and {location}`);
    return whole;
  });
}

/** The protocol level of a `version:`. */
function versionOf(version: MqttOptions['version']): 4 | 5 | undefined {
  if (version === undefined) return undefined;
  return version === '3.1.1' ? 4 : 5;
}

function complete(name: string, options: MqttOptions, topic: string, entry: Entry, context: UplinkContext): MqttConfig {
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(context.folder, file);
  const { tls: files, password } = options;
  const secretAt = (ref: SecretRef | undefined, place: readonly string[]): SecretRef | undefined => {
    if (!ref || !('file' in ref)) return ref;
    const file = resolve(context.folder, ref.file);
    warnIfMissing(file, entry, [...place, 'file'], context);
    return { file };
  };
  const tls: TlsConfig | undefined = files && {
    ca: path(files.ca),
    cert: path(files.cert),
    key: path(files.key),
    pfx: path(files.pfx),
    passphrase: secretAt(files.passphrase, ['tls', 'passphrase']),
    serverName: files.serverName,
  };
  for (const key of ['ca', 'cert', 'key', 'pfx'] as const)
    if (tls?.[key] !== undefined) warnIfMissing(tls[key], entry, ['tls', key], context);
  return {
    type: 'mqtt',
    name,
    url: options.url,
    format: 'json',
    protocolVersion: versionOf(options.version),
    clientId: options.clientId ?? `millgate-${context.gateway.id}`,
    topic,
    topics: options.topics,
    compression: options.compression,
    layout: options.layout,
    username: options.username,
    password: secretAt(password, ['password']),
    tls,
    ...baseOf(options),
    keepaliveMs: options.keepalive ?? 30_000,
    ackTimeoutMs: options.ackTimeout ?? 15_000,
  };
}

/** A file may be put in place later, so its absence is a warning. */
export function warnIfMissing(
  file: string,
  entry: Entry,
  path: readonly string[],
  { files, report }: Pick<UplinkContext, 'files' | 'report'>,
): void {
  if (!files.exists(file))
    report.warning(
      spotOf(entry, path),
      `there is no file ${clip(file)} on this machine: put the file there, or correct the path`,
    );
}
