/** Collects the names in a file that may not be valid, to suggest them while a command is typed. */
import { dirname, join } from 'node:path';
import type { FileAccess } from './file/disk-files.ts';
import { readSources } from './file/files.ts';
import { createReport } from './file/problems.ts';
import { entryOf, type Node } from './file/tree.ts';
import { parseYaml } from './file/yaml.ts';
import { builtInProfiles, profilesIn } from './profiles/profiles.ts';

/** Names that a configuration gives to things, in the order of the file. */
export interface Names {
  readonly channels: readonly string[];
  readonly devices: readonly string[];
  /** `device/tag`, those of profiles among them. */
  readonly tags: readonly string[];
  readonly alarms: readonly string[];
  readonly charts: readonly string[];
  readonly machines: readonly string[];
  readonly maintenance: readonly string[];
  readonly uplinks: readonly string[];
  /** Device profiles there are, those beside the file first. */
  readonly profiles: readonly string[];
}

/**
 * The names in a file as it stands, checked for nothing: for suggestions while a command line is typed. What cannot be
 * read has no names.
 *
 * @param builtIn folder of the profiles that come with the program
 */
export function namesIn(file: string, files: FileAccess, builtIn: string = builtInProfiles()): Names {
  const folders = [join(dirname(file), 'profiles'), builtIn];
  const tree = readSources(file, files, createReport())?.tree;
  const devices = entryOf(tree, 'devices')?.node;
  const profiles = new Map<string, readonly string[]>();
  const tagsOf = (device: Node | undefined): string[] => {
    const profile = entryOf(device, 'profile')?.node;
    const name = profile?.kind === 'scalar' ? String(profile.value) : '';
    if (name !== '' && !profiles.has(name)) profiles.set(name, tagsOfProfile(name, folders, files));
    return [...new Set([...(profiles.get(name) ?? []), ...keysOf(entryOf(device, 'tags')?.node)])];
  };
  const section = (name: string): readonly string[] => keysOf(entryOf(tree, name)?.node);
  return {
    channels: section('channels'),
    devices: keysOf(devices),
    tags: keysOf(devices).flatMap((name) => tagsOf(entryOf(devices, name)?.node).map((tag) => `${name}/${tag}`)),
    alarms: section('alarms'),
    charts: section('spc'),
    machines: section('production'),
    maintenance: section('maintenance'),
    uplinks: section('uplinks'),
    profiles: [...new Set(folders.flatMap((folder) => profilesIn(folder, files).sort()))],
  };
}

function tagsOfProfile(name: string, folders: readonly string[], files: FileAccess): readonly string[] {
  const path = folders.map((folder) => join(folder, `${name}.yaml`)).find((each) => files.exists(each));
  const tree = path && parseYaml(path, files.read(path), createReport());
  return keysOf(tree ? entryOf(tree, 'tags')?.node : undefined);
}

function keysOf(node: Node | undefined): readonly string[] {
  return node?.kind === 'map' ? [...node.entries.keys()] : [];
}
