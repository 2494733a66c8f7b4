/** Checks the section `fleet:`: where signed configurations come from, and by whose key. */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { FleetConfig } from '../config.ts';
import { type Entry, entryOf, spotOf } from '../file/tree.ts';
import { clip } from '../file/words.ts';
import { secretSchema } from './shapes.ts';
import { type UplinkContext, warnIfMissing } from './uplinks/uplink-parts.ts';

/** `fleet:` */
export const fleetShape = {
  source: z
    .string()
    .min(1)
    .max(2000)
    .meta({
      description:
        'Where millgate pull finds the bundle of this gateway: an https URL, a file, or a git folder; {id} is gateway.id.',
      examples: ['https://config.plant.lan/{id}.bundle', '/var/lib/millgate-fleet'],
    })
    .optional(),
  key: z
    .string()
    .regex(/^[0-9a-f]{64}$/, {
      error: 'expected the public key that "millgate bundle --new-key" prints: 64 hexadecimal digits in quotes',
    })
    .meta({ description: 'Public key (Ed25519) that bundles have to be signed by, 64 hexadecimal digits.' })
    .optional(),
  ca: z
    .string()
    .min(1)
    .meta({ description: 'PEM file of the authority that signed the server of the source.' })
    .optional(),
  token: secretSchema.optional(),
};

/** The section with its paths made whole. */
export function checkFleet(
  { values, entry }: { readonly values: Record<string, unknown>; readonly entry: Entry | undefined },
  context: Pick<UplinkContext, 'gateway' | 'folder' | 'files' | 'report'>,
): FleetConfig | undefined {
  if (!entry) return undefined;
  const { folder, gateway, report } = context;
  const { source, key, ca, token } = values as z.output<z.ZodObject<typeof fleetShape>>;
  const isUrl = source !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(source);
  if (isUrl && !(URL.canParse(source) && source.startsWith('https://')))
    report.error(spotOf(entry, ['source']), `expected https://HOST/PATH, or the path of a folder; got ${clip(source)}`);
  if (source !== undefined && key === undefined && !entryOf(entry.node, 'key'))
    report.error(
      spotOf(entry, ['key']),
      'is missing: write the public key that bundles are signed by; "millgate bundle --new-key FILE" makes one',
    );
  if (!isUrl)
    for (const only of ['ca', 'token'] as const)
      if (entryOf(entry.node, only) && source !== undefined)
        report.error(spotOf(entry, [only]), `belongs to a source of https://: remove ${only}`);
  const files = ca === undefined ? undefined : resolve(folder, ca);
  if (files !== undefined) warnIfMissing(files, entry, ['ca'], context);
  const filled = source?.replaceAll('{id}', gateway.id);
  return { source: filled === undefined || isUrl ? filled : resolve(folder, filled), key, ca: files, token };
}
