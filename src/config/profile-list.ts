import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { FileAccess } from './files.ts';
import { profileShape } from './shapes.ts';

const listedShape = z.object({
  ...profileShape,
  device: z.object({ order: z.string().optional() }).optional(),
  tags: z.record(z.string(), z.unknown()).optional(),
});

type Listed = z.output<typeof listedShape>;

/** One sign by which a device is known: what it says of itself, or a register and its value before `scale`. */
export type Fingerprint = Exclude<NonNullable<Listed['identify']>, readonly unknown[]>;

/** A device profile as a choice among others. */
export interface ProfileSummary {
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  /** Factory settings of its line, as far as the profile gives them. */
  readonly serial: Listed['serial'];
  readonly identify: readonly Fingerprint[];
  /** Order of bytes of its values unless a tag or sign says otherwise. */
  readonly order: string | undefined;
  readonly tags: readonly string[];
}

/**
 * The profiles in some folders, by name; of one name the first folder's. A broken file is left out: `check` says what is
 * wrong with a profile once a configuration uses it.
 */
export function listProfiles(folders: readonly string[], access: FileAccess): ProfileSummary[] {
  const found = new Map<string, ProfileSummary>();
  for (const folder of folders)
    for (const file of access.list(folder)) {
      if (!file.endsWith('.yaml') || found.has(file.slice(0, -5))) continue;
      const summary = readSummary(join(folder, file), access);
      if (summary) found.set(file.slice(0, -5), summary);
    }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readSummary(path: string, access: FileAccess): ProfileSummary | undefined {
  let document: unknown;
  try {
    document = parse(new TextDecoder().decode(access.read(path)));
  } catch {
    return undefined;
  }
  const checked = listedShape.safeParse(document);
  if (!checked.success) return undefined;
  const { name, manufacturer, model, serial, identify, device, tags } = checked.data;
  const signs = identify === undefined ? [] : Array.isArray(identify) ? identify : [identify];
  return { name, manufacturer, model, serial, identify: signs, order: device?.order, tags: Object.keys(tags ?? {}) };
}
