/** Finds every difference between two configurations, and what each of them touches. */
import { isDeepStrictEqual } from 'node:util';
import type { AlarmCondition, AlarmConfig } from '../../core/alarm.ts';
import type { ConfigurationChange, ConfigurationPart } from '../../core/configuration.ts';
import { formatDuration, formatSize } from '../../core/quantity.ts';
import type { TagId } from '../../core/reading.ts';
import type { MaintenanceConfig } from '../../core/rules/maintenance.ts';
import type { SpcConfig } from '../../core/spc.ts';
import {
  type ChannelConfig,
  type Config,
  type DeviceConfig,
  readTagsOf,
  type TagConfig,
  type UplinkConfig,
} from '../config.ts';

/** Why a change of the store has to wait, and what to do. */
const STOP_FIRST =
  'is fixed while the gateway runs: systemctl stop millgate, then apply the file again, then systemctl start millgate';

/** Every difference between two configurations, in the order of the file's sections. Pure. */
export function changes(before: Config, after: Config): ConfigurationChange[] {
  return [
    ...section('gateway', before.gateway, after.gateway, gatewayEffect(before, after)),
    ...channelChanges(before, after),
    ...deviceChanges(before, after),
    ...named('computed tag', before.derived, after.derived, ({ tag }) => tag.tag.id, derivedDetails),
    ...named('alarm', before.alarms, after.alarms, ({ id }) => id, alarmDetails),
    ...named('chart', before.spc, after.spc, ({ id }) => id, chartDetails, chartEffect),
    ...named('machine', before.production, after.production, ({ id }) => id, differences),
    ...named('maintenance', before.maintenance, after.maintenance, ({ id }) => id, maintenanceDetails),
    ...named('station', before.parts, after.parts, ({ id }) => id, differences),
    ...named('stock', before.inventory, after.inventory, ({ id }) => id, differences),
    ...storeChanges(before, after),
    ...named('uplink', before.uplinks, after.uplinks, ({ name }) => name, differences, uplinkEffect),
    ...named('notifier', before.notify ?? [], after.notify ?? [], ({ name }) => name, differences),
    ...section('api', before.api, after.api, 'the page and the API over TCP are interrupted'),
    ...section('commands', before.commands, after.commands),
    ...serveChanges(before, after),
    ...section('fleet', before.fleet ?? {}, after.fleet ?? {}),
  ];
}

/** Channels that cannot go on as they are: what their driver or poller needs differs. By name, of both configurations. */
export function touchedChannels(before: Config, after: Config): ReadonlySet<string> {
  const touched = new Set<string>();
  const known = new Map(before.channels.map((channel) => [channel.name, channel]));
  for (const channel of after.channels) {
    const old = known.get(channel.name);
    if (!old || !isSameLine(old, channel)) touched.add(channel.name);
    known.delete(channel.name);
  }
  for (const name of known.keys()) touched.add(name);
  return touched;
}

/** Tags whose values mean something else than before by their own part of the file, or that are gone or came anew. */
export function changedTags(before: Config, after: Config): ReadonlySet<TagId> {
  const old = meaningsOf(before);
  const changed = new Set<TagId>();
  for (const [id, meaning] of meaningsOf(after)) {
    if (!isDeepStrictEqual(old.get(id), meaning)) changed.add(id);
    old.delete(id);
  }
  for (const id of old.keys()) changed.add(id);
  return changed;
}

/** `channel line-a: baud 9600 → 19200; restarts` */
export function changeText({ part, name, change, details, effect, needsRestart }: ConfigurationChange): string {
  const what = name === '' ? part : `${part} ${name}`;
  const words = details.join(', ');
  const how = change === 'changed' ? `: ${words}` : ` ${change}${words === '' ? '' : ` (${words})`}`;
  return `${what}${how}${effect === undefined ? '' : `; ${effect}`}${needsRestart === undefined ? '' : `; ${needsRestart}`}`;
}

/** What decides what the value of each tag means. */
function meaningsOf(config: Config): Map<TagId, unknown> {
  return new Map([
    ...readTagsOf(config).map(({ tag, scale, offset, linear, decimals, unit, form }): [TagId, unknown] => [
      tag.id,
      [tag.address, scale, offset, linear, decimals, unit, form],
    ]),
    ...config.derived.map(({ tag: { tag, unit }, expression }): [TagId, unknown] => [tag.id, [expression, unit]]),
  ]);
}

function isSameLine(before: ChannelConfig, after: ChannelConfig): boolean {
  return (
    before.driver === after.driver &&
    isDeepStrictEqual(before.options, after.options) &&
    isDeepStrictEqual(before.devices.map(polledPart), after.devices.map(polledPart))
  );
}

/** What the poller and the driver are given of a device. */
function polledPart({ name, tags }: DeviceConfig): unknown {
  return [
    name,
    tags.map(
      ({ tag, everyMs, scale, offset, linear, decimals, min, max, counter, modulus, writable, form, heartbeatMs }) => [
        ...[tag, everyMs, scale, offset, linear, decimals, min, max, counter, modulus, writable, form],
        // What a driver reports by itself is said again by the poller, at its heartbeat.
        everyMs === undefined ? heartbeatMs : undefined,
      ],
    ),
  ];
}

function gatewayEffect(before: Config, after: Config): string | undefined {
  return before.gateway.id === after.gateway.id ? undefined : 'all uplinks connect again';
}

function uplinkEffect(_before: UplinkConfig, _after: UplinkConfig): string {
  return 'connects again';
}

function channelChanges(before: Config, after: Config): ConfigurationChange[] {
  const touched = touchedChannels(before, after);
  const details = (old: ChannelConfig, now: ChannelConfig): string[] => [
    ...(old.driver === now.driver ? [] : [`driver ${old.driver.type} → ${now.driver.type}`]),
    ...differences(old.options, now.options),
    ...(isDeepStrictEqual(old.options, now.options) && old.driver === now.driver && touched.has(now.name)
      ? ['devices or tags on it']
      : []),
  ];
  return named(
    'channel',
    before.channels.filter(({ name }) => touched.has(name)),
    after.channels.filter(({ name }) => touched.has(name)),
    ({ name }) => name,
    details,
    () => 'restarts',
  );
}

interface Placed {
  readonly device: DeviceConfig;
  readonly channel: string;
}

function placedOf({ channels }: Config): Map<string, Placed> {
  return new Map(
    channels.flatMap((channel) =>
      channel.devices.map((device): [string, Placed] => [device.name, { device, channel: channel.name }]),
    ),
  );
}

/** Devices, and the tags of those that are in both. */
function deviceChanges(before: Config, after: Config): ConfigurationChange[] {
  const old = placedOf(before);
  const found: ConfigurationChange[] = [];
  for (const [name, now] of placedOf(after)) {
    const known = old.get(name);
    old.delete(name);
    if (!known) found.push({ ...plain('device', name, 'added'), details: [counted(now.device.tags.length)] });
    else found.push(...changesOfDevice(name, known, now));
  }
  for (const [name, { device }] of old)
    found.push({ ...plain('device', name, 'removed'), details: [counted(device.tags.length)] });
  return found;
}

function changesOfDevice(name: string, before: Placed, after: Placed): ConfigurationChange[] {
  const tags = named('tag', before.device.tags, after.device.tags, ({ tag }) => tag.id, tagDetails);
  const shared = sharedDetails(tags, before.device, after.device);
  const own = [
    ...(before.channel === after.channel ? [] : [`channel ${before.channel} → ${after.channel}`]),
    ...(before.device.profile === after.device.profile
      ? []
      : [`profile ${shown(before.device.profile)} → ${shown(after.device.profile)}`]),
    ...deviceDetails(before.device, after.device),
    ...shared,
  ];
  const left = tags
    .map((tag) => ({ ...tag, details: tag.details.filter((detail) => !shared.includes(detail)) }))
    .filter(({ change, details }) => change !== 'changed' || details.length > 0);
  return [...(own.length > 0 ? [{ ...plain('device', name, 'changed'), details: own }] : []), ...left];
}

/** What changed alike in every tag of a device is said once, of the device. */
function sharedDetails(tags: readonly ConfigurationChange[], before: DeviceConfig, after: DeviceConfig): string[] {
  const ids = new Set(before.tags.map(({ tag }) => tag.id));
  const inBoth = after.tags.filter(({ tag }) => ids.has(tag.id)).length;
  const changed = tags.filter(({ change }) => change === 'changed');
  if (inBoth < 2 || changed.length < inBoth) return [];
  return (changed[0]?.details ?? []).filter((detail) => changed.every(({ details }) => details.includes(detail)));
}

/** Keys of an address that a file gives once, for the device. */
const DEVICE_KEYS: readonly string[] = ['unit', 'timeoutMs', 'maxRegisters', 'maxBits'];

function tagDetails(before: TagConfig, after: TagConfig): string[] {
  const { tag: oldTag, ...old } = before;
  const { tag: newTag, ...now } = after;
  const place = differences(addressOf(oldTag.address, false), addressOf(newTag.address, false), 'address');
  return [...place, ...differences(old, now)];
}

/** What of an address belongs to the device, or the rest of it. */
function addressOf(address: unknown, isDevice: boolean): unknown {
  if (typeof address !== 'object' || address === null) return isDevice ? {} : address;
  return Object.fromEntries(Object.entries(address).filter(([key]) => DEVICE_KEYS.includes(key) === isDevice));
}

/** What of the addresses of a device's tags is the device's own. */
function deviceDetails(before: DeviceConfig, after: DeviceConfig): string[] {
  const old = new Map(before.tags.map(({ tag }) => [tag.id, tag.address]));
  const found = after.tags.flatMap(({ tag: { id, address } }) =>
    old.has(id) ? differences(addressOf(old.get(id), true), addressOf(address, true)) : [],
  );
  return [...new Set(found)];
}

function derivedDetails(before: Config['derived'][number], after: Config['derived'][number]): string[] {
  const isSame = isDeepStrictEqual(before.expression, after.expression);
  return [...(isSame ? [] : ['another expr']), ...tagDetails(before.tag, after.tag)];
}

/** Subgroup and limits as the file has them. */
function chartDetails(before: SpcConfig, after: SpcConfig): string[] {
  const { subgroup: oldGroup, limits: oldLimits, counters: _old, slack: oldK, decision: oldH, ...was } = before;
  const { subgroup, limits, counters: _new, slack, decision, ...is } = after;
  const named = (key: string, one: string, other: string) => (one === other ? [] : [`${key} ${one} → ${other}`]);
  return [
    ...named('subgroup', subgroupText(oldGroup), subgroupText(subgroup)),
    ...named('limits', limitsText(oldLimits), limitsText(limits)),
    ...named('k', String(oldK), String(slack)),
    ...named('h', String(oldH), String(decision)),
    ...differences(was, is),
  ];
}

function subgroupText(subgroup: SpcConfig['subgroup']): string {
  if (subgroup.by === 'count') return String(subgroup.size);
  return subgroup.by === 'time' ? `{every: ${formatDuration(subgroup.everyMs)}}` : `{trigger: ${subgroup.tag}}`;
}

function limitsText(limits: SpcConfig['limits']): string {
  if (limits.from === 'baseline') return `{baseline: ${limits.points}}`;
  return `{center: ${limits.center}${limits.sigma === undefined ? '' : `, sigma: ${limits.sigma}`}}`;
}

/** A chart of other points has no use for the limits that it had. */
function chartEffect(before: SpcConfig, after: SpcConfig): string | undefined {
  const pointsOf = ({ tag, chart, subgroup, inspected }: SpcConfig) => [tag, chart, subgroup, inspected];
  const isSame = isDeepStrictEqual(pointsOf(before), pointsOf(after)) && before.limits.from === after.limits.from;
  return isSame || after.limits.from === 'given' ? undefined : 'its baseline begins anew';
}

function alarmDetails(before: AlarmConfig, after: AlarmConfig): string[] {
  const { condition: old, ...was } = before;
  const { condition: now, ...is } = after;
  return [...conditionDetails(old, now), ...differences(was, is)];
}

function conditionDetails(before: AlarmCondition, after: AlarmCondition): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (before.kind !== after.kind) return [`${conditionText(before)} → ${conditionText(after)}`];
  return [`${conditionText(before)} → ${limitText(after)}`];
}

function conditionText(condition: AlarmCondition): string {
  return `${condition.kind} ${limitText(condition)}`.trim();
}

function limitText(condition: AlarmCondition): string {
  const { kind: _kind, ...rest } = condition;
  const entries = Object.entries(rest);
  const [only] = entries;
  if (only && entries.length === 1) return shown(only[1], only[0]);
  return entries.map(([key, value]) => `${key} ${shown(value, key)}`).join(' ');
}

/** What the Modbus server has at each place, and the rest of it as keys. */
function serveChanges(before: Config, after: Config): ConfigurationChange[] {
  const partsOf = ({ serve }: Config) => {
    const { points, ...rest } = serve?.modbus ?? { points: [] };
    const map = points.map(({ address: { table, start, bit }, ...point }) => [
      `${table}:${start}${bit === undefined ? '' : `.${bit}`}`,
      point.kind === 'tag' ? point.tag : `status of ${point.tags.join(', ')}`,
    ]);
    return { modbus: serve?.modbus && rest, ...Object.fromEntries(map) };
  };
  const isSame = isDeepStrictEqual(before.serve, after.serve);
  const found = section('serve', partsOf(before), partsOf(after), 'masters connect again');
  return isSame || found.length > 0
    ? found
    : [{ ...plain('serve', '', 'changed'), details: ['another form of a place'], effect: 'masters connect again' }];
}

/** The interval of commits can be changed at any time; where and how much is stored cannot. */
function storeChanges(before: Config, after: Config): ConfigurationChange[] {
  const { commitEveryMs: oldEveryMs, ...old } = before.store;
  const { commitEveryMs, ...now } = after.store;
  const fixed = section('store', old, now).map((change) => ({ ...change, needsRestart: STOP_FIRST }));
  return [...fixed, ...section('store', { commitEveryMs: oldEveryMs }, { commitEveryMs })];
}

function section(part: ConfigurationPart, before: object, after: object, effect?: string): ConfigurationChange[] {
  const details = differences(before, after);
  return details.length === 0 ? [] : [{ ...plain(part, '', 'changed'), details, effect }];
}

function named<T>(
  part: ConfigurationPart,
  before: readonly T[],
  after: readonly T[],
  nameOf: (item: T) => string,
  detailsOf: (before: T, after: T) => string[],
  effectOf?: (before: T, after: T) => string | undefined,
): ConfigurationChange[] {
  const old = new Map(before.map((item) => [nameOf(item), item]));
  const found: ConfigurationChange[] = [];
  for (const item of after) {
    const name = nameOf(item);
    const known = old.get(name);
    old.delete(name);
    if (known === undefined) found.push(plain(part, name, 'added'));
    else if (!isDeepStrictEqual(known, item)) {
      const details = detailsOf(known, item);
      if (details.length > 0) found.push({ ...plain(part, name, 'changed'), details, effect: effectOf?.(known, item) });
    }
  }
  for (const name of old.keys()) found.push(plain(part, name, 'removed'));
  return found;
}

function plain(part: ConfigurationPart, name: string, change: ConfigurationChange['change']): ConfigurationChange {
  return { part, name, change, details: [], effect: undefined, needsRestart: undefined };
}

function counted(tags: number): string {
  return `${tags} ${tags === 1 ? 'tag' : 'tags'}`;
}

/** How keys of a checked configuration are called in a file. */
const WORDS: Readonly<Record<string, string>> = { start: 'register', maxBytes: 'maxSize' };

/** Keys that follow from others, and say nothing by themselves. */
const DERIVED = new Set(['characterMs', 'silenceMs', 'protocolVersion', 'form']);

/** The longest value that is shown. */
const MAX_SHOWN = 60;

/** An item of maintenance knows of its tag what the tag says for itself. */
function maintenanceDetails(before: MaintenanceConfig, after: MaintenanceConfig): string[] {
  const ofTag = { everyMs: undefined, isSwitch: undefined, modulus: undefined };
  return differences({ ...before, ...ofTag }, { ...after, ...ofTag });
}

/**
 * What differs between two plain values, one text a leaf: `baud 9600 → 19200`. Keys that end in `Ms` are shown as
 * durations, those that end in `Bytes` as sizes.
 *
 * @param key what the value is called; empty at the top
 */
export function differences(before: unknown, after: unknown, key = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isPlain(before) && isPlain(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const found = keys
      .filter((each) => !DERIVED.has(each))
      .flatMap((each) => differences(before[each], after[each], each));
    return [...new Set(found)];
  }
  return [`${nameOf(key)} ${shown(before, key)} → ${shown(after, key)}`];
}

/** A value as a file would have it, short. */
function shown(value: unknown, key = ''): string {
  const text = textOf(value, key);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function nameOf(key: string): string {
  return WORDS[key] ?? key.replace(/(?:Ms|Us)$/, '');
}

function textOf(value: unknown, key: string): string {
  if (value === undefined || value === null) return 'none';
  if (typeof value === 'number' && key.endsWith('Ms')) return value === 0 ? '0s' : formatDuration(value);
  if (typeof value === 'number' && key.endsWith('Us')) return formatDuration(value / 1000);
  if (typeof value === 'number' && key.endsWith('Bytes')) return formatSize(value);
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((each) => textOf(each, '')).join(', ')}]`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (isPlain(value))
    return `{${Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => `${nameOf(name)}: ${textOf(each, name)}`)
      .join(', ')}}`;
  return String(value);
}
