/** Finds out who a unit is, by what it says of itself and by the profiles that fit it. */
import { dirname, join } from 'node:path';
import { type Identification, isIdentifying } from '../../../hal/modbus/abilities.ts';
import type { JsonReading } from '../../api/json.ts';
import type { Config } from '../../config/config.ts';
import type { Fingerprint, ProfileFacts } from '../../config/profiles/profile-book.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { loadText } from '../configuration.ts';
import { onChannel, readDirectly } from '../direct.ts';
import { type CliContext, type CommonOptions, configFile } from '../terminal/context.ts';

/** Keys of a channel as a file would give them. */
export type ChannelKeys = Readonly<Record<string, string | number>>;

/** A profile that fits a unit. */
export interface Likely {
  readonly profile: string;
  readonly title: string;
  /** True when the device names itself or holds the very number its kind has; false when its values only look right. */
  readonly isSure: boolean;
}

/** What is known of a unit that answered. */
export interface Identified {
  /** Whether anything answered, be it a refusal. */
  readonly isThere: boolean;
  readonly names: Identification['names'];
  readonly serverText: string | undefined;
  readonly profiles: readonly Likely[];
}

/** Without the maker's own sign a profile must fit in all it reads, but for this share of its tags. */
const LEAST_FIT = 0.9;

/** Of values that only look right at least so many must be other than zero: an empty register map fits everything. */
const LEAST_ALIVE = 3;

/** The profiles there are for a file: those beside it and those of the program. */
export async function profilesFor(options: CommonOptions, context: CliContext): Promise<ProfileFacts[]> {
  const [{ profileBook }, { diskFilesFrom }] = await Promise.all([
    import('../../config/profiles/profile-book.ts'),
    import('../../config/file/disk-files.ts'),
  ]);
  return profileBook({ file: configFile(options, context).file, files: diskFilesFrom(context.cwd) });
}

/**
 * Asks a unit who it is (functions 43/14 and 17), and which profile its registers fit. Only reads are sent.
 *
 * @param channel keys of the channel it is on
 * @throws Fault (exit 69, 77) when the channel cannot be opened
 */
export async function identify(
  channel: ChannelKeys,
  unit: number,
  profiles: readonly ProfileFacts[],
  options: CommonOptions,
  context: CliContext,
): Promise<Identified> {
  const file = scanFile(options, context);
  const config = await unitConfig(file, channel, unit, { tags: signTags(profiles) }, context);
  const line = config.channels[0]!;
  const who = await onChannel(line, context, async (driver) =>
    isIdentifying(driver) ? driver.identify(unit, context.signal) : undefined,
  );
  if (!who?.isThere) return { isThere: false, names: {}, serverText: undefined, profiles: [] };
  const tags = line.devices[0]!.tags.map(({ tag }) => tag.id);
  const readings = await readDirectly(config, tags, context);
  const values = new Map(readings.map((reading) => [reading.tag.slice('unit/'.length), reading]));
  const texts = [...Object.values(who.names), who.serverText ?? ''].join(' ').toLowerCase();
  const likely: Likely[] = [];
  for (const profile of profiles) {
    const signs = profile.identify;
    const isFitting = signs.every((sign, index) => fits(sign, values.get(keyOf(profile.name, index)), texts));
    if (signs.length === 0 || !isFitting) continue;
    const isSure = signs.some((sign) => sign.between === undefined);
    if (!isSure && !(await looksRight(file, channel, unit, profile, context))) continue;
    likely.push({ profile: profile.name, title: titleOf(profile), isSure });
  }
  const sure = likely.filter(({ isSure }) => isSure);
  const { names, serverText } = who;
  return { isThere: true, names, serverText, profiles: sure.length > 0 ? sure : likely };
}

/** A tag for each sign that is a register, and one at the front so that there is always something to ask for. */
function signTags(profiles: readonly ProfileFacts[]): object {
  const tags: Record<string, object> = { first: { address: 'holding:0' } };
  for (const { name, order, identify: signs } of profiles)
    for (const [index, { address, type, order: own }] of signs.entries()) {
      if (address === undefined) continue;
      const wide = type !== undefined && /32|64/.test(type) ? (own ?? order) : undefined;
      tags[keyOf(name, index)] = {
        address,
        ...(type !== undefined && { type }),
        ...(wide !== undefined && { order: wide }),
      };
    }
  return tags;
}

/** Whether the unit says what the sign asks for. */
function fits(sign: Fingerprint, reading: JsonReading | undefined, texts: string): boolean {
  if (sign.vendor !== undefined && !texts.includes(sign.vendor.toLowerCase())) return false;
  if (sign.product !== undefined && !texts.includes(sign.product.toLowerCase())) return false;
  if (sign.address === undefined) return sign.vendor !== undefined || sign.product !== undefined;
  if (reading?.value === undefined) return false;
  if (sign.equals !== undefined) return String(reading.value) === String(sign.equals);
  const value = Number(reading.value);
  return sign.between !== undefined && value >= sign.between[0] && value <= sign.between[1];
}

/** Whether nearly all tags of a profile can be read from the unit and lie within their range, and not all are zero. */
async function looksRight(
  file: string,
  channel: ChannelKeys,
  unit: number,
  { name }: ProfileFacts,
  context: CliContext,
): Promise<boolean> {
  const config = await unitConfig(file, channel, unit, { profile: name }, context);
  const tags = config.channels[0]!.devices[0]!.tags.map(({ tag }) => tag.id);
  const readings = await readDirectly(config, tags, context);
  const good = readings.filter(({ quality }) => quality === 'good');
  const alive = good.filter(({ value }) => Number(value) !== 0);
  return good.length >= LEAST_FIT * readings.length && alive.length >= Math.min(LEAST_ALIVE, readings.length);
}

/** Where a configuration for a scan would be: beside the technician's own, whose profiles count. */
export function scanFile(options: CommonOptions, context: CliContext): string {
  return join(dirname(configFile(options, context).absolute), 'scan.yaml');
}

/**
 * A configuration of one channel, `line`, and one device on it, `unit`.
 *
 * @param keys of the device beside channel and unit
 * @throws Fault (exit 78) when the keys make no good configuration: a profile of the technician's own may be broken
 */
export async function unitConfig(
  file: string,
  channel: ChannelKeys,
  unit: number,
  keys: object,
  context: CliContext,
): Promise<Config> {
  const document = { channels: { line: channel }, devices: { unit: { channel: 'line', unit, ...keys } } };
  const loaded = await loadText(file, JSON.stringify(document), context);
  if (loaded.ok) return loaded.config;
  const [problem] = loaded.problems;
  throw new Fault(
    `the profiles cannot be used for the scan: ${problem?.path} ${problem?.message}`,
    'Mend the profile in profiles/, or move it away.',
    EXIT.configInvalid,
  );
}

/** Maker and model of a profile. */
export function titleOf({ manufacturer, model }: ProfileFacts): string {
  return [manufacturer, model].filter((part) => part !== undefined).join(' ');
}

function keyOf(profile: string, index: number): string {
  return `${profile}-sign-${index}`;
}
