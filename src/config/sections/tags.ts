/** Checks the tags of a device, each by its driver. */
import { z } from 'zod';
import type { DriverType } from '../../../hal/driver-type.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { TagId } from '../../core/reading.ts';
import type { TagConfig, WriteLimits } from '../config.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, type MapNode, spotOf } from '../file/tree.ts';
import { anything, isMapOr, pick, reportAll, salvageKeys, validateKeys } from '../file/validate.ts';
import { clip } from '../file/words.ts';
import { formatPlace } from '../file/yaml.ts';
import { type CheckedChannel, checkName } from './channels.ts';
import { type Formula, minMaxText, warnOfHeartbeat } from './derived.ts';
import { tagShape } from './shapes.ts';

/** What the tags of one device have in common. */
interface TagContext {
  readonly device: string;
  /** Undefined when the device names no known channel; then only the common keys are checked. */
  readonly driver: DriverType | undefined;
  readonly drivers: readonly DriverType[];
  readonly channel: CheckedChannel | undefined;
  /** Keys of the device that belong to the driver: those that are good, when some are not. */
  readonly deviceOptions: Record<string, unknown>;
  /** False when the device has problems of its own, which are then in the report. */
  readonly deviceGood: boolean;
  /** Scan period of tags that give none. */
  readonly everyMs: number;
  /** Gets the tags that are computed; they are checked when all others are known. */
  readonly formulas: Formula[];
  /** Gets the tags that can only be read. */
  readonly readOnly: Set<TagId>;
  /** What to say of a key that is another driver's. */
  readonly foreignKey: (key: string) => string | undefined;
  readonly report: Report;
}

/** The context, with what is made once for all tags of the device. */
interface TagChecks extends TagContext {
  readonly schema: z.ZodObject;
  /** Keys that belong to the driver. */
  readonly ownKeys: readonly string[];
  /** The driver's keys of every tag of the device that are good, for options that name another tag. */
  readonly siblings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The common keys of a tag, parsed. */
interface TagOptions {
  readonly unit?: string;
  readonly every?: number;
  readonly scale?: number;
  readonly offset?: number;
  readonly deadband?: number;
  readonly heartbeat?: number;
  readonly min?: number;
  readonly max?: number;
  readonly counter?: boolean;
  readonly linear?: { readonly raw: readonly [number, number]; readonly value: readonly [number, number] };
  readonly decimals?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly wrap?: number;
  readonly writable?: boolean | { readonly min?: number; readonly max?: number; readonly perMinute?: number };
  readonly description?: string;
}

const COMMON_KEYS = Object.keys(tagShape);

/** Checks every tag of a device; gives those that are good. */
export function checkTags(tags: MapNode, context: TagContext): TagConfig[] {
  const { driver, drivers } = context;
  const own = driver ? driver.tagShape() : anything(drivers.map((each) => each.tagShape()));
  const schema = z.strictObject({ ...tagShape, ...own });
  const ownKeys = Object.keys(own);
  const checks: TagChecks = { ...context, schema, ownKeys, siblings: siblingsOf(tags, schema, ownKeys) };
  const good: TagConfig[] = [];
  const byAddress = new Map<string, Entry>();
  for (const [name, entry] of tags.entries) {
    checkName(name, entry, context.report);
    if (!isMapOr(entry, context.report, `${clip(name)}: {address: …}`)) continue;
    if (entryOf(entry.node, 'expr')) {
      context.formulas.push({ device: context.device, name, entry });
      continue;
    }
    const tag = checkTag(name, entry, checks);
    if (!tag) continue;
    warnOfTwin(tag, entry, byAddress, context);
    good.push(tag);
  }
  return good;
}

function siblingsOf(tags: MapNode, schema: z.ZodObject, ownKeys: readonly string[]): TagChecks['siblings'] {
  const siblings: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const [name, entry] of tags.entries) {
    if (entry.node.kind !== 'map') continue;
    let own: Readonly<Record<string, unknown>> | undefined;
    // Worked out when it is asked for: hardly any tag names another, and there may be thousands.
    const get = () => {
      own ??= pick(salvageKeys(schema, entry), ownKeys);
      return own;
    };
    Object.defineProperty(siblings, name, { get, enumerable: true });
  }
  return siblings;
}

function checkTag(name: string, written: Entry, context: TagChecks): TagConfig | undefined {
  const { driver, channel, deviceOptions, report, schema, ownKeys, siblings } = context;
  const entry = quoteAddress(written, driver, report);
  const all = validateKeys(schema, entry, report, (key, path) =>
    path.length === 0 ? context.foreignKey(key) : undefined,
  );
  const values = all ?? salvageKeys(schema, entry);
  const options = pick(values, COMMON_KEYS) as TagOptions;
  checkLimits(options, entry, report);
  const own = pick(values, ownKeys);
  if (!driver || !channel || !hasWhatItNeeds(own, driver)) return undefined;
  const id = `${context.device}/${name}`;
  const source = { id, device: context.device, name, options: own, deviceOptions, siblings };
  const address = driver.checkTag(source, channel.options);
  if (!address.ok) {
    // What the device lacks was said of the device; of a broken tag only what is not a consequence is said.
    const ofDevice = (key: string) => Object.hasOwn(driver.deviceShape(), key) && !ownKeys.includes(key);
    const news = address.problems.filter(({ path }) => {
      if (path.length === 0) return context.deviceGood;
      const key = String(path[0]);
      return all ? context.deviceGood || !ofDevice(key) : Object.hasOwn(values, key);
    });
    reportAll(entry, news, report);
    return undefined;
  }
  const whyReadOnly = driver.whyReadOnly?.(address.value);
  if (whyReadOnly !== undefined) context.readOnly.add(id);
  const readOnly = options.writable ? whyReadOnly : undefined;
  if (readOnly !== undefined) report.error(spotOf(entry, ['writable']), readOnly);
  if (!all || readOnly !== undefined) return undefined;
  const everyMs = periodOf(options, driver.isEventful(address.value), entry, context);
  return {
    tag: { id, device: context.device, name, address: address.value },
    everyMs,
    ...lineOf(options),
    ...(options.decimals !== undefined && { decimals: options.decimals }),
    ...(options.labels !== undefined && { labels: options.labels }),
    ...(options.counter && { modulus: options.wrap ?? driver.modulusOf?.(address.value) }),
    unit: options.unit,
    deadband: options.deadband,
    heartbeatMs: options.heartbeat,
    min: options.min,
    max: options.max,
    counter: options.counter ?? false,
    form: driver.formOf?.(address.value),
    writable: limitsOf(options.writable),
    description: options.description,
  };
}

/** Whether a driver may be asked about a tag: what its shape requires is there. */
function hasWhatItNeeds(own: Record<string, unknown>, driver: DriverType): boolean {
  const fields = Object.entries(driver.tagShape()) as [string, z.ZodType][];
  return fields.every(([key, field]) => Object.hasOwn(own, key) || field.safeParse(undefined).success);
}

/**
 * YAML reads `00001` as the number 1, which would name another register; `40001` is most likely a Modicon number too.
 * Shorter numbers are left to the driver, which knows what its addresses look like, and so are all where its addresses
 * may be numbers. Any other driver gets a hexadecimal number as the file has it. The rest of the tag is checked as if it had been quoted.
 */
function quoteAddress(entry: Entry, driver: DriverType | undefined, report: Report): Entry {
  const address = entryOf(entry.node, 'address');
  if (entry.node.kind !== 'map' || address?.node.kind !== 'scalar') return entry;
  const { value, source } = address.node;
  if (typeof value !== 'number' && typeof value !== 'bigint') return entry;
  const field = driver?.tagShape().address as z.ZodType | undefined;
  if (field?.safeParse(1).success) return entry;
  const isHexadecimal = driver !== undefined && /^0x/i.test(source);
  if (!isHexadecimal && !/^(0\d+|\d{5,})$/.test(source)) return entry;
  if (!isHexadecimal)
    report.error(
      spotOf(entry, ['address']),
      `put the Modicon number in quotes, because leading zeros of a number are lost: write address: "${clip(source)}"`,
    );
  const quoted: Entry = { ...address, node: { ...address.node, value: source } };
  return { ...entry, node: { ...entry.node, entries: new Map(entry.node.entries).set('address', quoted) } };
}

/** Scale and offset, given or of the line through two points. */
function lineOf({ scale = 1, offset = 0, linear }: TagOptions): Pick<TagConfig, 'scale' | 'offset' | 'linear'> {
  if (!linear) return { scale, offset };
  const slope = (linear.value[1] - linear.value[0]) / (linear.raw[1] - linear.raw[0]);
  return { scale: slope, offset: linear.value[0] - slope * linear.raw[0], linear };
}

/** Limits that contradict each other. */
function checkLimits(options: TagOptions, entry: Entry, report: Report): void {
  const { min, max, scale, offset, linear, counter, wrap, writable } = options;
  for (const key of ['raw', 'value'] as const)
    if (linear && linear[key][0] === linear[key][1])
      report.error(
        spotOf(entry, ['linear', key]),
        `the two numbers of ${key} must differ, or there is no line through the points: correct one of them`,
      );
  if (linear && (scale !== undefined || offset !== undefined))
    report.error(
      spotOf(entry, ['linear']),
      'linear and scale or offset say the same in two ways: keep one of them, and remove the other',
    );
  if (wrap !== undefined && !counter)
    report.error(
      spotOf(entry, ['wrap']),
      'wrap is for counters, as the number at which one starts again: add counter: true, or remove wrap',
    );
  if (min !== undefined && max !== undefined && min >= max) report.error(spotOf(entry, ['max']), minMaxText(min, max));
  // `scale: 0,1` is read as a scale of 0 and a key 1, which was told of.
  const hasComma = entry.node.kind === 'map' && [...entry.node.entries.keys()].some((key) => /^\d+$/.test(key));
  if (scale === 0 && !hasComma)
    report.error(
      spotOf(entry, ['scale']),
      'a scale of 0 would make every value the same: write another factor, or remove scale',
    );
  if (typeof writable !== 'object') return;
  if (writable.min !== undefined && writable.max !== undefined && writable.min > writable.max)
    report.error(
      spotOf(entry, ['writable', 'max']),
      `max (${writable.max}) must not be below min (${writable.min}): exchange the two if they were mixed up`,
    );
}

/** The tag's own period or its device's; none for a tag that its driver reports by itself. */
function periodOf(options: TagOptions, eventful: boolean, entry: Entry, context: TagContext): number | undefined {
  const { report } = context;
  if (eventful) {
    if (options.every !== undefined)
      report.warning(
        spotOf(entry, ['every']),
        'has no effect, because this tag is reported when it changes and is not polled: remove every',
      );
    return undefined;
  }
  const everyMs = options.every ?? context.everyMs;
  if (options.heartbeat !== undefined && options.heartbeat < everyMs)
    report.error(
      spotOf(entry, ['heartbeat']),
      `heartbeat must not be shorter than the period of the tag (every: ${formatDuration(everyMs)}): write ${formatDuration(everyMs)} or more`,
    );
  warnOfHeartbeat(options, entry, report);
  return everyMs;
}

function limitsOf(writable: TagOptions['writable']): WriteLimits | undefined {
  if (writable === undefined || writable === false) return undefined;
  const { min, max, perMinute } = writable === true ? {} : writable;
  return { min, max, perMinute };
}

/** Reading one address twice as the same type is rarely meant. */
function warnOfTwin(tag: TagConfig, entry: Entry, byAddress: Map<string, Entry>, context: TagContext): void {
  const { driver, report } = context;
  if (!driver || driver.simulated) return;
  const type = entryOf(entry.node, 'type')?.node;
  const key = `${driver.describeAddress(tag.tag.address)} ${type?.kind === 'scalar' ? type.source : ''}`;
  const twin = byAddress.get(key);
  if (!twin) byAddress.set(key, entry);
  else
    report.warning(
      spotOf(entry, ['address']),
      `reads the same as tag "${twin.path.at(-1)}" (${formatPlace(twin.keyPlace)}): correct the address, or remove one of the two`,
    );
}
