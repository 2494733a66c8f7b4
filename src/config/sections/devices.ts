/** Checks the section `devices:` and joins profiles to them. */
import { z } from 'zod';
import type { DefaultTags, DriverType } from '../../../hal/driver-type.ts';
import type { TagId } from '../../core/reading.ts';
import { andList, hint, nearest, orList } from '../../core/suggest.ts';
import type { DeviceConfig } from '../config.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, type MapNode, madeMap, overlay, spotOf, without } from '../file/tree.ts';
import { anything, isEmpty, isMapOr, pick, reportAll, salvageKeys, validateKeys } from '../file/validate.ts';
import { clip, shown } from '../file/words.ts';
import { type Profiles, withProfile } from '../profiles/profiles.ts';
import { checkName, type KnownChannel } from './channels.ts';
import type { Formula } from './derived.ts';
import { deviceShape } from './shapes.ts';
import { checkTags } from './tags.ts';

/** Scan period of a device that does not say. */
const DEFAULT_EVERY_MS = 1000;

/** What checking devices needs. */
interface DeviceContext {
  readonly channels: ReadonlyMap<string, KnownChannel>;
  readonly drivers: readonly DriverType[];
  readonly profiles: Profiles;
  /** Gets the tags that are computed from others. */
  readonly formulas: Formula[];
  /** Gets the tags that can only be read. */
  readonly readOnly: Set<TagId>;
  readonly report: Report;
}

/** Devices that passed, by the name of their channel. */
type DevicesByChannel = ReadonlyMap<string, readonly DeviceConfig[]>;

/** Checks every device of the section. */
export function checkDevices(section: MapNode, context: DeviceContext): DevicesByChannel {
  const byChannel = new Map<string, DeviceConfig[]>();
  for (const [name, entry] of section.entries) {
    checkName(name, entry, context.report);
    if (
      !isMapOr(
        entry,
        context.report,
        `${clip(name)}: {channel: ${[...context.channels.keys()][0] ?? 'line-a'}, tags: {…}}`,
      )
    )
      continue;
    const channel = findChannel(entry, context);
    const device = checkDevice(name, entry, channel, context);
    if (!device || !channel?.checked) continue;
    const devices = byChannel.get(channel.checked.name) ?? [];
    byChannel.set(channel.checked.name, [...devices, device]);
  }
  return byChannel;
}

/** The channel a device names; says what there is when it names none that exists. */
function findChannel(entry: Entry, { channels, report }: DeviceContext): KnownChannel | undefined {
  const word = entryOf(entry.node, 'channel');
  const names = [...channels.keys()];
  if (!word) {
    const keys = entry.node.kind === 'map' ? [...entry.node.entries.keys()] : [];
    if (keys.some((key) => nearest(key, ['channel']) !== undefined)) return undefined;
    const choice =
      names.length > 0 ? ` and its name: ${orList(names.slice(0, 24))}` : ', and define it under "channels"';
    report.error(spotOf(entry, ['channel']), `is missing: write channel:${choice}`);
    return undefined;
  }
  const name = word.node.kind === 'scalar' ? word.node.value : undefined;
  const channel = typeof name === 'string' ? channels.get(name) : undefined;
  // Without any channel the section was told of.
  if (!channel && names.length > 0) {
    const advice = hint(String(name ?? ''), names, 'the channels are');
    report.error(spotOf(word, []), `there is no channel ${shown(word.node)}${advice}`);
  }
  return channel;
}

function checkDevice(
  name: string,
  entry: Entry,
  channel: KnownChannel | undefined,
  context: DeviceContext,
): DeviceConfig | undefined {
  const { report, profiles, drivers } = context;
  const profileEntry = entryOf(entry.node, 'profile');
  const profile = profileEntry && profiles.find(profileEntry);
  const own = entry.node as MapNode;
  const whole: Entry = { ...entry, node: profile ? withProfile(own, profile) : own };
  const driver = channel?.driver;
  const schema = z.strictObject({
    ...deviceShape,
    // A missing or unknown channel was reported with the names there are.
    channel: z.unknown().optional(),
    ...(driver ? driver.deviceShape() : anything(drivers.map((each) => each.deviceShape()))),
    tags: z.unknown().optional(),
  });
  const bare: Entry = { ...whole, node: without(whole.node as MapNode, ['tags']) };
  const options = validateKeys(schema, bare, report, (key, path) =>
    path.length === 0 ? foreignKey(key, 'device', name, channel, drivers) : undefined,
  );
  const deviceOptions = pick(options ?? salvageKeys(schema, bare), Object.keys(driver?.deviceShape() ?? {}));
  const defaults = options ? driver?.checkDevice?.(deviceOptions) : undefined;
  const listed = entryOf(whole.node, 'tags');
  const common = {
    device: name,
    driver,
    drivers,
    deviceOptions,
    everyMs: (options?.every as number | undefined) ?? DEFAULT_EVERY_MS,
    formulas: context.formulas,
    readOnly: context.readOnly,
    foreignKey: (key: string) => foreignKey(key, 'tag', name, channel, drivers),
    report,
  };
  if (defaults && !defaults.ok) {
    reportAll(entry, defaults.problems, report);
    // What does not depend on the device is wrong all the same.
    if (listed?.node.kind === 'map')
      checkTags(filledOf(listed.node), { ...common, channel: undefined, deviceGood: false });
    return undefined;
  }
  const tags = withDefaults(listed, entry, defaults?.value ?? {});
  if (!tags) {
    const unsaid = options === undefined && driver?.checkDevice !== undefined;
    const broken = unsaid || (profileEntry !== undefined && profile === undefined);
    if (!broken)
      report.error(
        spotOf(entry, ['tags']),
        'is missing: write each measured value below tags:, for example tags: {oil-temp: {address: "holding:100"}}',
      );
    return undefined;
  }
  if (!isMapOr(tags, report, 'tags: {temperature: {address: …}}')) return undefined;
  if ((tags.node as MapNode).entries.size === 0)
    report.error(
      spotOf(tags, []),
      'is empty: write at least one tag, for example tags: {oil-temp: {address: "holding:100"}}',
    );
  const checked = checkTags(tags.node as MapNode, {
    ...common,
    channel: channel?.checked,
    deviceGood: options !== undefined,
  });
  return options && { name, profile: options.profile as string | undefined, tags: checked };
}

/** The tags that have keys: one without is a tag that the driver knows. */
function filledOf(tags: MapNode): MapNode {
  return { ...tags, entries: new Map([...tags.entries].filter(([, { node }]) => !isEmpty(node))) };
}

/** The tags of a device: those it lists, over what its driver knows of them, or all that its driver knows. */
function withDefaults(listed: Entry | undefined, device: Entry, defaults: DefaultTags): Entry | undefined {
  if (Object.keys(defaults).length === 0) return listed;
  const known = new Map(Object.entries(defaults));
  if (!listed || isEmpty(listed.node)) {
    const own: Entry = { keyPlace: device.keyPlace, path: [...device.path, 'tags'], node: device.node };
    const nodes = [...known].map(([name, keys]) => [name, madeMap(keys, { ...own, path: [...own.path, name] })]);
    return { ...own, node: madeMap(Object.fromEntries(nodes), own) };
  }
  if (listed.node.kind !== 'map') return listed;
  const entries = [...listed.node.entries].map(([name, entry]): [string, Entry] => {
    const under = madeMap(known.get(name) ?? {}, entry);
    return [name, { ...entry, node: isEmpty(entry.node) ? under : overlay(under, entry.node) }];
  });
  return { ...listed, node: { ...listed.node, entries: new Map(entries) } };
}

/** Says whose key it is when it is another driver's: a key of the right word in the wrong place is no typing slip. */
function foreignKey(
  key: string,
  level: 'device' | 'tag',
  name: string,
  channel: KnownChannel | undefined,
  drivers: readonly DriverType[],
): string | undefined {
  const shapeOf = (driver: DriverType) => (level === 'device' ? driver.deviceShape() : driver.tagShape());
  const order = channel?.driver && shapeOf(channel.driver).order;
  if (SWAPS.test(key) && order && (order as z.ZodType).safeParse('CDAB').success)
    return 'unknown key; for swapped words write order: CDAB, for swapped bytes order: BADC';
  const owners = drivers.filter((driver) => driver !== channel?.driver && Object.hasOwn(shapeOf(driver), key));
  if (owners.length === 0 || !channel?.driver) return undefined;
  const channelName = channel.entry.path.at(-1);
  return `${key} is for ${ownerWords(owners)} ${level}s, and ${name} is on channel "${channelName}" (${channel.driver.type}): remove ${key}`;
}

/** What other programs call the order of the bytes. */
const SWAPS =
  /^(swap(ped|[-_]?(words?|bytes?))?|(words?|bytes?)[-_]?(swap(ped)?|order)|((big|little)[-_]?)?endian(ness)?)$/i;

/** `modbus` for both Modbus drivers, `gpio and mock` for a mixture. */
function ownerWords(owners: readonly DriverType[]): string {
  return andList([...new Set(owners.map(({ type }) => type.replace(/^modbus-.*/, 'modbus')))]);
}
