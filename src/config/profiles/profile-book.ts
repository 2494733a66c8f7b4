/** Lists the device profiles there are, with what their files say of themselves. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { DriverType } from '../../../hal/driver-type.ts';
import type { ConfigProblem, TagConfig } from '../config.ts';
import type { FileAccess } from '../file/disk-files.ts';
import { withText } from '../file/files.ts';
import { createReport } from '../file/problems.ts';
import { toPlain } from '../file/tree.ts';
import { parseYaml } from '../file/yaml.ts';
import { loadConfig } from '../load.ts';
import { fingerprintSchema, profileTagShape } from '../sections/shapes.ts';
import { builtInProfiles, profilesIn } from './profiles.ts';

/** A profile as its file says it is. */
export interface ProfileFacts {
  readonly name: string;
  /** The file, and whether it came with the program. */
  readonly file: string;
  readonly builtIn: boolean;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly source?: string;
  readonly notes: readonly string[];
  /** Factory settings of the line. */
  readonly serial?: Readonly<Record<string, string | number>>;
  readonly tags: readonly string[];
  /** Those of its tags whose register could not be verified against a public source. */
  readonly unverified: readonly string[];
  /** Signs by which a scan knows the device. */
  readonly identify: readonly Fingerprint[];
  /** Order of the bytes of its values unless a tag or a sign says otherwise. */
  readonly order?: string;
}

/** One sign by which a device is known: what it says of itself, or a register and its value before `scale`. */
export type Fingerprint = z.output<typeof fingerprintSchema>;

/** Where profiles are looked for, the technician's own first. */
export interface ProfilePlaces {
  /** The configuration file; profiles are in `profiles/` beside it. */
  readonly file: string;
  readonly files: FileAccess;
  /** Folder of the profiles that come with the program; default: found from here. */
  readonly builtIn?: string;
}

/** Every profile there is by name; one of the technician's own hides the built-in one of its name. */
export function profileBook({ file, files, builtIn = builtInProfiles() }: ProfilePlaces): ProfileFacts[] {
  const found = new Map<string, ProfileFacts>();
  for (const folder of [join(dirname(file), 'profiles'), builtIn])
    for (const name of profilesIn(folder, files))
      if (!found.has(name)) found.set(name, factsOf(name, join(folder, `${name}.yaml`), folder === builtIn, files));
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The tags of a profile as a device on Modbus has them, checked.
 *
 * @returns the tags, or what is wrong with the profile
 */
export function profileTags(
  name: string,
  { file, files, builtIn }: ProfilePlaces,
  drivers: readonly DriverType[],
): { readonly tags: readonly TagConfig[] } | { readonly problems: readonly ConfigProblem[] } {
  const text = `channels: {line: {driver: modbus-tcp, host: 127.0.0.1}}
devices: {device: {channel: line, unit: 1, profile: ${JSON.stringify(name)}}}
`;
  const loaded = loadConfig({
    file,
    drivers,
    hostname: 'profile',
    timezone: 'UTC',
    files: withText(files, file, text),
    ...(builtIn !== undefined && { profiles: builtIn }),
  });
  if (!loaded.ok) return { problems: loaded.problems };
  return { tags: loaded.config.channels.flatMap(({ devices }) => devices).flatMap(({ tags }) => tags) };
}

/** What a file says; what it does not say, or not in the form of a profile, is left out. */
function factsOf(name: string, path: string, builtIn: boolean, files: FileAccess): ProfileFacts {
  const plain = recordOf(plainOf(path, files));
  const words = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [value]).filter(isText);
  const device = recordOf(plain.device);
  const serial = Object.entries(recordOf(plain.serial)).filter(isSetting);
  return {
    name,
    file: path,
    builtIn,
    ...(isText(plain.manufacturer) && { manufacturer: plain.manufacturer }),
    ...(isText(plain.model) && { model: plain.model }),
    ...(isText(plain.source) && { source: plain.source.trim() }),
    notes: words(plain.notes).map((note) => note.trim()),
    ...(serial.length > 0 && { serial: Object.fromEntries(serial) }),
    tags: Object.keys(recordOf(plain.tags)),
    unverified: Object.entries(recordOf(plain.tags)).flatMap(([tag, keys]) => (isUnverified(keys) ? [tag] : [])),
    identify: signsOf(plain.identify),
    ...(isText(device.order) && { order: device.order }),
  };
}

/** The signs of a profile; none where one of them is not in the form of a sign, for half a likeness would mislead. */
function signsOf(value: unknown): readonly Fingerprint[] {
  const all = z.array(fingerprintSchema).safeParse(Array.isArray(value) ? value : [value]);
  return all.success ? all.data : [];
}

function plainOf(path: string, files: FileAccess): unknown {
  try {
    const tree = parseYaml(path, files.read(path), createReport());
    return tree && toPlain(tree);
  } catch {
    // The list of profiles names it all the same; asking for it by name says what is wrong.
    return undefined;
  }
}

function isUnverified(keys: unknown): boolean {
  const { verified } = z.object(profileTagShape).safeParse(keys).data ?? {};
  return verified !== undefined;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isSetting(entry: [string, unknown]): entry is [string, string | number] {
  return typeof entry[1] === 'string' || typeof entry[1] === 'number';
}
