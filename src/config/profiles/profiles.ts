/** Finds the profile that a device names, and its tags. */
import { join } from 'node:path';
import { z } from 'zod';
import { installed } from '../../core/file-system.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { nearest } from '../../core/suggest.ts';
import type { FileAccess } from '../file/disk-files.ts';
import { readOne } from '../file/files.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, type MapNode, type Node, overlay, spotOf, without } from '../file/tree.ts';
import { isEmpty, notAMap, validate } from '../file/validate.ts';
import { parseYaml } from '../file/yaml.ts';
import { profileShape, profileTagShape } from '../sections/shapes.ts';

/** Finds device profiles by name. Every profile is read once, and its own problems reported once. */
export interface Profiles {
  /** The profile that an entry names; undefined when there is none or it is broken, which is then in the report. */
  find(entry: Entry): MapNode | undefined;
  /** Bytes of the profiles found so far, by name. */
  read(): readonly Uint8Array[];
}

/** Keys of a device that a profile cannot know. */
const NOT_IN_PROFILE = ['channel', 'profile', 'tags', 'description'];

/** What the parts of a profile look like. */
const PROFILE_EXAMPLES = {
  device: 'device: {every: 1s}',
  tags: 'tags: {voltage: {address: "input:0", type: float32}}',
};

/** The profiles that come with the program: `config/profiles` beside its package.json. */
export function builtInProfiles(): string {
  return installed('config/profiles');
}

/**
 * Looks in `folders` in turn, the technician's own first.
 *
 * @param folders as they are to be shown in problems
 */
export function createProfiles(folders: readonly string[], access: FileAccess, report: Report): Profiles {
  const loaded = new Map<string, { tree: MapNode | undefined; bytes: Uint8Array | undefined }>();
  return {
    read: () => [...loaded].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, { bytes }]) => (bytes ? [bytes] : [])),
    find(entry) {
      const { node } = entry;
      if (node.kind !== 'scalar' || typeof node.value !== 'string') return undefined;
      const name = node.value;
      const known = loaded.get(name);
      if (known) return known.tree;
      const folder = NAME_PATTERN.test(name) && folders.find((each) => access.exists(join(each, `${name}.yaml`)));
      if (!folder) {
        const names = folders.flatMap((each) => profilesIn(each, access));
        const near = nearest(name, names);
        const advice = near === undefined ? '' : `; did you mean "${near}"?`;
        report.error(
          spotOf(entry, []),
          `there is no profile ${JSON.stringify(name)}${advice} (looked for in ${folders[0]}/ beside this file, and among those that come with Millgate: millgate profiles lists them)`,
        );
        return undefined;
      }
      const path = join(folder, `${name}.yaml`);
      const bytes = readOne(path, access, report);
      const tree = bytes && parseYaml(path, bytes, report);
      const good = tree && checkProfile(name, tree, report);
      loaded.set(name, { tree: good, bytes });
      return good;
    },
  };
}

/** Names of all profiles in a folder. */
export function profilesIn(folder: string, access: FileAccess): string[] {
  return [...access.list(folder)].filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -5));
}

/** Checks what does not depend on the driver. Device defaults and tags are checked with the device that uses them. */
function checkProfile(name: string, tree: MapNode, report: Report): MapNode | undefined {
  const root: Entry = { keyPlace: tree.place, path: [], node: tree };
  const schema = z.strictObject({ ...profileShape, device: z.unknown().optional(), tags: z.unknown() });
  const profile = validate(schema, root, report);
  if (profile && profile.name !== name) report.error(spotOf(root, ['name']), `must be ${name}, like the file`);
  const device = tree.entries.get('device');
  if (device?.node.kind === 'map') {
    for (const key of NOT_IN_PROFILE)
      if (device.node.entries.has(key))
        report.error(spotOf(device, [key], 'key'), 'does not belong in a profile: write it in the configuration');
  }
  for (const key of ['device', 'tags'] as const) {
    const part = tree.entries.get(key);
    if (part && part.node.kind !== 'map' && !isEmpty(part.node))
      report.error(spotOf(part, []), notAMap(part, PROFILE_EXAMPLES[key]));
  }
  checkProfileTags(tree, report);
  return tree;
}

/** Checks the keys that a tag has in a profile only. */
function checkProfileTags(tree: MapNode, report: Report): void {
  const tags = entryOf(tree, 'tags');
  if (tags?.node.kind !== 'map') return;
  for (const tag of tags.node.entries.values())
    if (tag.node.kind === 'map') validate(z.object(profileTagShape), tag, report);
}

/** The tags of a profile as a device has them: what they say of the profile itself left out. */
function tagsOfDevice(tags: Entry): Entry {
  if (tags.node.kind !== 'map') return tags;
  const entries = [...tags.node.entries].map(([name, tag]): [string, Entry] => [
    name,
    tag.node.kind === 'map' ? { ...tag, node: without(tag.node, Object.keys(profileTagShape)) } : tag,
  ]);
  return { ...tags, node: { ...tags.node, entries: new Map(entries) } };
}

/** A device with its profile beneath: device defaults and tags of the profile, overridden key by key. */
export function withProfile(device: MapNode, profile: MapNode): MapNode {
  const defaults = profile.entries.get('device')?.node;
  const usable = defaults?.kind === 'map' ? [...defaults.entries].filter(([key]) => !NOT_IN_PROFILE.includes(key)) : [];
  const entries = new Map(usable);
  const tags = profile.entries.get('tags');
  if (tags?.node.kind === 'map') entries.set('tags', tagsOfDevice(tags));
  const under: MapNode = { ...profile, entries };
  const own: MapNode = {
    ...device,
    entries: new Map([...device.entries].filter(([key, { node }]) => key !== 'tags' || !isEmpty(node))),
  };
  return overlay(under, emptyTagsAreMaps(own)) as MapNode;
}

/** `oil-temp:` with nothing below it takes the profile's tag as it is. */
function emptyTagsAreMaps(device: MapNode): MapNode {
  const tags = device.entries.get('tags');
  if (tags?.node.kind !== 'map') return device;
  const filled = new Map(
    [...tags.node.entries].map(([name, entry]): [string, Entry] => {
      const node: Node = isEmpty(entry.node)
        ? { kind: 'map', place: entry.node.place, path: entry.node.path, entries: new Map() }
        : entry.node;
      return [name, { ...entry, node }];
    }),
  );
  return {
    ...device,
    entries: new Map(device.entries).set('tags', { ...tags, node: { ...tags.node, entries: filled } }),
  };
}
