/** Checks the section `channels:`, each channel by its driver. */
import { z } from 'zod';
import type { DriverType } from '../../../hal/driver-type.ts';
import { nameTrouble } from '../../core/fields.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { andList, hint, orList } from '../../core/suggest.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, type MapNode, spotOf } from '../file/tree.ts';
import { isMapOr, reportAll, validateKeys } from '../file/validate.ts';
import { clip, shown } from '../file/words.ts';
import { formatPlace } from '../file/yaml.ts';
import { channelShape } from './shapes.ts';

/** A channel that passed its checks, before its devices are known. */
export interface CheckedChannel {
  readonly name: string;
  readonly driver: DriverType;
  readonly options: unknown;
}

/** What is known of a channel. `checked` is undefined when it has problems of its own; its driver may still be known. */
export interface KnownChannel {
  readonly driver: DriverType | undefined;
  readonly checked: CheckedChannel | undefined;
  readonly entry: Entry;
}

/** Checks a key that must be a name; says what would do. */
export function checkName(name: string, entry: Entry, report: Report): boolean {
  if (NAME_PATTERN.test(name)) return true;
  report.error(spotOf(entry, [], 'key'), nameTrouble(name));
  return false;
}

/** The port of Modbus TCP where the file gives none. */
const DEFAULT_TCP_PORT = 502;

/** Checks every channel of the section. */
export function checkChannels(
  section: MapNode,
  drivers: readonly DriverType[],
  report: Report,
): ReadonlyMap<string, KnownChannel> {
  const channels = new Map<string, KnownChannel>();
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    channels.set(name, checkChannel(name, entry, drivers, report));
  }
  checkSharedLines(channels, report);
  return channels;
}

function checkChannel(name: string, entry: Entry, drivers: readonly DriverType[], report: Report): KnownChannel {
  const nothing: KnownChannel = { driver: undefined, checked: undefined, entry };
  if (!isMapOr(entry, report, `${clip(name)}: {driver: ${drivers[0]?.type ?? 'mock'}, …}`)) return nothing;
  const word = (entry.node as MapNode).entries.get('driver');
  const types = drivers.map(({ type }) => type);
  if (!word) {
    report.error(spotOf(entry, ['driver']), `is missing: write driver: and the kind of line: ${orList(types)}`);
    return nothing;
  }
  const type = word.node.kind === 'scalar' ? word.node.value : undefined;
  const driver = drivers.find((each) => each.type === type);
  if (!driver) {
    const advice = hint(String(type ?? ''), types, 'drivers');
    report.error(spotOf(word, []), `there is no driver ${shown(word.node)}${advice}`);
    return nothing;
  }
  const schema = z.strictObject({ driver: z.literal(driver.type), ...channelShape, ...driver.channelShape() });
  const options = validateKeys(schema, entry, report, (key, path) => adviseChannelKey(key, path, driver, drivers));
  if (!options) return { ...nothing, driver };
  const { driver: _driver, description: _description, ...own } = options;
  const result = driver.checkChannel(own);
  if (result.ok) return { driver, checked: { name, driver, options: result.value }, entry };
  reportAll(entry, result.problems, report);
  return { ...nothing, driver };
}

function adviseChannelKey(
  key: string,
  path: readonly (string | number)[],
  driver: DriverType,
  drivers: readonly DriverType[],
): string | undefined {
  const owners = drivers.filter((one) => Object.hasOwn(one.channelShape(), key));
  if (path.length > 0 || owners.length === 0) return undefined;
  return `${key} is for ${andList(owners.map(({ type }) => type))} channels, and this one is ${driver.type}: remove ${key}`;
}

/** Two masters on one serial line garble each other; two connections to one endpoint are merely often refused. */
function checkSharedLines(channels: ReadonlyMap<string, KnownChannel>, report: Report): void {
  const users = new Map<string, { name: string; entry: Entry }>();
  for (const [name, { entry, driver }] of channels) {
    const text = (key: string): string | undefined => {
      const node = entry.node.kind === 'map' ? entry.node.entries.get(key)?.node : undefined;
      return node?.kind === 'scalar' && node.value !== null ? String(node.value) : undefined;
    };
    const host = text('host');
    const port = text('port');
    const bus = host === undefined && port === undefined ? text('bus') : undefined;
    const serial = host === undefined && port !== undefined;
    if (!driver || (host === undefined && !serial && bus === undefined)) continue;
    const line =
      bus !== undefined
        ? `bus ${Number(bus)}`
        : serial
          ? `serial ${port}`
          : `tcp ${host?.toLowerCase()}:${port ?? DEFAULT_TCP_PORT}`;
    const first = users.get(line);
    if (!first) users.set(line, { name, entry });
    else {
      const key = bus !== undefined ? 'bus' : serial ? 'port' : 'host';
      const already = `channel "${first.name}" (${formatPlace(first.entry.keyPlace)}) already uses`;
      if (bus !== undefined)
        report.error(
          spotOf(entry, [key]),
          `${already} bus ${clip(bus)}: one bus is one channel; put all its devices on "${first.name}"`,
        );
      else if (serial)
        report.error(
          spotOf(entry, [key]),
          `${already} ${clip(port)}: one serial line is one channel; put all its devices on "${first.name}"`,
        );
      else
        report.warning(
          spotOf(entry, [key]),
          `${already} this address (${clip(`${host}:${port ?? DEFAULT_TCP_PORT}`)}), and many devices accept only one connection: put all its devices on "${first.name}"`,
        );
    }
  }
}
