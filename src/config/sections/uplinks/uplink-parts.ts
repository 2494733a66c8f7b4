/** What all kinds of uplinks have in common in the file: which tags, secrets, and the files of TLS. */
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { CommandKind } from '../../../core/configuration.ts';
import { selects, tagPattern } from '../../../core/reading.ts';
import { nearestTag } from '../../../core/suggest.ts';
import type { ProxyConfig, SecretRef, TagConfig, TlsConfig, UplinkBase } from '../../config.ts';
import type { FileAccess } from '../../file/disk-files.ts';
import type { Report } from '../../file/problems.ts';
import { type Entry, entryOf, nodeAt, spotOf } from '../../file/tree.ts';
import { clip } from '../../file/words.ts';
import type { commandsField, proxyField, tlsSchema, uplinkShape } from '../shapes.ts';

/** What checking uplinks needs. */
export interface UplinkContext {
  readonly gateway: { readonly id: string; readonly location: string | undefined };
  /** Relative paths count from here: the folder of the main file. */
  readonly folder: string;
  readonly files: FileAccess;
  /** Every tag of the file, also those that are not right. */
  readonly tags: readonly string[];
  /** Those that are. */
  readonly tagConfigs: readonly TagConfig[];
  /** Whether anything may be ordered from elsewhere. */
  readonly commandsEnabled: boolean;
  /** How often readings are committed. */
  readonly commitEveryMs: number;
  readonly report: Report;
}

/** What files that are named need. */
type FileContext = Pick<UplinkContext, 'folder' | 'files' | 'report'>;

/** Keys that every uplink takes. */
type BaseOptions = z.output<z.ZodObject<typeof uplinkShape>>;

/** What may be ordered, as the file gives it. */
type CommandsOption = z.output<ReturnType<typeof commandsField>>;

/** The files of TLS, as the file gives them. */
type TlsOptions = z.output<typeof tlsSchema> | undefined;

/** What every uplink has. @param commands what may be ordered over it unless the file says otherwise */
export function baseOf(
  { only, except, events, backfillRate, commands: given }: BaseOptions & { readonly commands?: CommandsOption },
  commands: readonly CommandKind[] = [],
): Omit<UplinkBase, 'name' | 'proxy'> {
  return {
    commands: given === undefined ? commands : Array.isArray(given) ? [...new Set(given)] : [],
    only,
    except: except ?? [],
    events: events !== false && events !== 'no',
    backfillRate: backfillRate ?? 5000,
  };
}

/** Patterns must name tags that there are, and leave some. */
export function checkSelection({ only, except }: BaseOptions, entry: Entry, context: UplinkContext): void {
  const { tags, report } = context;
  if (entryOf(entry.node, 'commands')?.node.kind === 'list' && !context.commandsEnabled)
    report.warning(
      spotOf(entry, ['commands']),
      'nothing is carried out while the file does not allow it: write commands: {enabled: true} as a section of its own, or remove this line',
    );
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
const SECRET_KEYS = ['password', 'token', 'secret', 'key'];

/** A secret written into a part of the entry, such as the passphrase of `tls`; true where it was refused. */
function refuseInlinePart(part: string, key: string, entry: Entry, report: Report): boolean {
  const within = entryOf(entry.node, part);
  const secret = within && entryOf(within.node, key);
  if (!secret || secret.node.kind === 'map') return false;
  report.error(spotOf(secret, []), inlineText(key));
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

/** Secrets that come from a file and from the environment; gives their keys. */
function refuseTwoSources(entry: Entry, report: Report): string[] {
  return SECRET_KEYS.filter((key) => {
    const secret = entryOf(entry.node, key);
    if (!secret || !entryOf(secret.node, 'file') || !entryOf(secret.node, 'env')) return false;
    report.error(spotOf(secret, []), `the ${key} comes either from a file or from the environment: remove file or env`);
    return true;
  });
}

/** A URL, or undefined for what is none. */
export function parseUrl(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** Refuses secrets that stand in the file, and a switch for TLS in place of its files; gives the keys that were refused. */
export function refuseSecrets(entry: Entry, report: Report): string[] {
  const refused = refuseInline(entry, report);
  if (refuseInlinePart('tls', 'passphrase', entry, report) || refuseTlsSwitch(entry, report)) refused.push('tls');
  if (refuseInlinePart('proxy', 'password', entry, report)) refused.push('proxy');
  return [...refused, ...refuseTwoSources(entry, report)];
}

/** Fills in `{id}` and `{location}`. */
export function checkTopic(
  topic: string,
  entry: Entry,
  { gateway, report }: UplinkContext,
  place: readonly string[] = ['topic'],
): string {
  const spot = spotOf(entry, place);
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

/** Hosts on this machine, to which what is sent unencrypted does not leave it. */
export const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Checks that the files of TLS belong together. */
export function checkTls(tls: TlsOptions, entry: Entry, report: Report): void {
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
}

/** The proxy of an uplink or a notifier. A password in the file is refused. */
export function proxyOf(
  given: z.output<typeof proxyField>,
  entry: Entry,
  context: FileContext,
): { readonly proxy?: ProxyConfig } {
  if (given === undefined) return {};
  if (typeof given === 'string') return { proxy: { url: given, username: undefined, password: undefined } };
  const { url, username, password } = given;
  return { proxy: { url, username, password: secretAt(password, ['proxy', 'password'], entry, context) } };
}

/** The files of TLS by their whole paths; those that are not there are warned of. */
export function tlsOf(files: TlsOptions, entry: Entry, context: FileContext): TlsConfig | undefined {
  if (!files) return undefined;
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(context.folder, file);
  const tls: TlsConfig = {
    ca: path(files.ca),
    cert: path(files.cert),
    key: path(files.key),
    pfx: path(files.pfx),
    passphrase: secretAt(files.passphrase, ['tls', 'passphrase'], entry, context),
    serverName: files.serverName,
  };
  for (const key of ['ca', 'cert', 'key', 'pfx'] as const)
    if (tls[key] !== undefined) warnIfMissing(tls[key], entry, ['tls', key], context);
  return tls;
}

/** A secret with the whole path of its file. */
export function secretAt(
  ref: SecretRef | undefined,
  place: readonly string[],
  entry: Entry,
  context: FileContext,
): SecretRef | undefined {
  if (!ref || !('file' in ref)) return ref;
  const file = resolve(context.folder, ref.file);
  warnIfMissing(file, entry, [...place, 'file'], context);
  return { file };
}

/** A file may be put in place later, so its absence is a warning. */
export function warnIfMissing(
  file: string,
  entry: Entry,
  path: readonly string[],
  { files, report }: Pick<FileContext, 'files' | 'report'>,
): void {
  if (!files.exists(file))
    report.warning(
      spotOf(entry, path),
      `there is no file ${clip(file)} on this machine: put the file there, or correct the path`,
    );
}
