/** Checks the sections `gateway:`, `store:`, `api:` and `commands:`. */
import { resolve } from 'node:path';
import { BROKEN_ADDRESS, isBrokenAddress, toName } from '../../core/fields.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { hint } from '../../core/suggest.ts';
import type { ApiConfig, CommandsConfig, Config, StoreConfig } from '../config.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, spotOf } from '../file/tree.ts';
import { clip } from '../file/words.ts';
import { type UplinkContext, warnIfMissing } from './uplinks/uplink-parts.ts';

/** A section of fixed keys: its values with defaults, and where it was given, if it was. */
interface SectionValues {
  readonly values: Record<string, unknown>;
  readonly entry: Entry | undefined;
}

/** Who the gateway is. The host name stands in for a missing id; when it had to be changed for that, a warning says so. */
export function checkGateway(
  { values, entry }: SectionValues,
  hostname: string,
  hostTimezone: string,
  root: Entry,
  report: Report,
): Config['gateway'] {
  const given = values as { id?: string; location?: string; timezone?: string };
  const id = given.id ?? (NAME_PATTERN.test(hostname) ? hostname : (toName(hostname) ?? 'gateway'));
  if (given.id === undefined && id !== hostname && entryHasNo(entry, 'id'))
    report.warning(
      spotOf(entry ?? root, entry ? ['id'] : ['gateway', 'id']),
      `not given, and the host name ${JSON.stringify(clip(hostname))} is not a valid name: using "${id}"`,
    );
  const { timezone } = given;
  if (entry && timezone !== undefined && !isTimezone(timezone))
    report.error(
      spotOf(entry, ['timezone']),
      `${JSON.stringify(clip(timezone))} is not a time zone${nearestTimezone(timezone)}`,
    );
  return { id, location: given.location, timezone: timezone ?? hostTimezone };
}

function entryHasNo(entry: Entry | undefined, key: string): boolean {
  return entry?.node.kind !== 'map' || !entry.node.entries.has(key);
}

function isTimezone(timezone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}

function nearestTimezone(timezone: string): string {
  const advice = hint(timezone, Intl.supportedValuesOf('timeZone'), '');
  return advice.startsWith('; did') ? advice : ': write for example Europe/London or UTC';
}

/** The store with its defaults; a relative path counts from the folder of the main file. */
export function checkStore({ values }: SectionValues, folder: string): StoreConfig {
  const given = values as { path: string; maxSize?: number; commitEvery?: number; replay?: number };
  return {
    path: resolve(folder, given.path),
    maxBytes: given.maxSize ?? 2_000_000_000,
    commitEveryMs: given.commitEvery ?? 1000,
    replayMs: given.replay ?? 86_400_000,
  };
}

/** Whether anything may be written: not unless the file says so. */
export function checkCommands({ values }: SectionValues): CommandsConfig {
  return { enabled: values.enabled === true };
}

const DEFAULT_LISTEN = { host: '127.0.0.1', port: 8420 };

/** Where the API listens. Beyond this machine over TLS, or with an explicit word that nothing on that path is encrypted. */
export function checkApi(
  { values, entry }: SectionValues,
  context: Pick<UplinkContext, 'folder' | 'files' | 'report'>,
): ApiConfig {
  const { folder, report } = context;
  const {
    listen,
    plaintext,
    hosts,
    tls: files,
  } = values as {
    listen?: string | false;
    plaintext: boolean;
    hosts: readonly string[];
    tls?: 'self-signed' | { cert: string; key: string };
  };
  const tls =
    typeof files === 'object' ? { cert: resolve(folder, files.cert), key: resolve(folder, files.key) } : files;
  if (typeof tls === 'object' && entry)
    for (const key of ['cert', 'key'] as const) warnIfMissing(tls[key], entry, ['tls', key], context);
  if (tls && plaintext && entry)
    report.error(spotOf(entry, ['plaintext']), 'plaintext contradicts tls: remove plaintext, or remove tls');
  if (listen === undefined) return { listen: DEFAULT_LISTEN, tls, hosts };
  if (listen === false || listen === 'off') return { listen: undefined, tls, hosts };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,9})$/.exec(listen);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (!entry || host === undefined || port > 65_535) {
    const trouble =
      host === undefined
        ? `expected HOST:PORT such as 127.0.0.1:8420, or off; got ${JSON.stringify(clip(listen))}`
        : `a port goes from 1 to 65535; got ${port}: write for example ${host}:8420`;
    if (entry) report.error(spotOf(entry, ['listen']), trouble);
    return { listen: undefined, tls, hosts };
  }
  if (isBrokenAddress(host)) report.error(spotOf(entry, ['listen']), `${host} ${BROKEN_ADDRESS}`);
  const said = entryOf(entry.node, 'plaintext')?.node;
  const isBroken =
    (said !== undefined && !(said.kind === 'scalar' && typeof said.value === 'boolean')) ||
    (!tls && entryOf(entry.node, 'tls') !== undefined);
  if (!/^(localhost|127(\.\d+){3}|::1)$/.test(host) && !plaintext && !tls && !isBroken)
    report.error(
      spotOf(entry, ['listen']),
      `with ${host} other machines can reach the API, unencrypted: write 127.0.0.1:${port}, add tls: self-signed or tls: {cert: …, key: …}, or add plaintext: true if you want that`,
    );
  return { listen: { host, port }, tls, hosts };
}
