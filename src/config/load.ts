/** Reads, merges and checks a configuration: the one way from a path to a checked configuration. */
import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import type { DriverType } from '../../hal/driver-type.ts';
import type { TagId } from '../core/reading.ts';
import { hint, nearest } from '../core/suggest.ts';
import type { ChannelConfig, Config, LoadResult } from './config.ts';
import { diskFilesFrom, type FileAccess } from './file/disk-files.ts';
import { readSources, SECTION_NAMES, type Sources } from './file/files.ts';
import { createReport, type Report } from './file/problems.ts';
import { type Entry, type MapNode, spotOf } from './file/tree.ts';
import { isEmpty, notAMap, salvageKeys, validate } from './file/validate.ts';
import { builtInProfiles, createProfiles } from './profiles/profiles.ts';
import {
  checkAlarms,
  checkCharts,
  checkItems,
  checkProduction,
  checkStations,
  checkStocks,
  factsOf,
  writtenTags,
} from './rules.ts';
import { checkChannels } from './sections/channels.ts';
import { checkFormulas, type Formula } from './sections/derived.ts';
import { checkDevices } from './sections/devices.ts';
import { checkApi, checkCommands, checkGateway, checkStore } from './sections/gateway.ts';
import { checkFleet } from './sections/section-fleet.ts';
import { checkNotify } from './sections/section-notify.ts';
import { SECTIONS } from './sections/sections.ts';

import { checkServe } from './sections/serve.ts';
import { checkUplinks } from './sections/uplinks/uplinks.ts';

/** What loading needs beside the file. */
export interface LoadOptions {
  /** As the technician gave it; problems show it like this. */
  readonly file: string;
  /** Folder that a relative `file` starts from; default: the one of the process. */
  readonly cwd?: string;
  readonly drivers: readonly DriverType[];
  /** Name of this machine, for the default of `gateway.id`. */
  readonly hostname: string;
  /** IANA time zone of this machine; default: what the runtime says. */
  readonly timezone?: string;
  /** Default: the disk. */
  readonly files?: FileAccess;
  /** Folder of the profiles that come with the program; default: found from here. */
  readonly profiles?: string;
}

/** The smallest sections that do something; the first two are the smallest good file. */
const SMALLEST = {
  channels: 'channels: {sim: {driver: mock}}',
  devices: 'devices: {oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}}',
} as const;

/** A line for each other section. */
const EXAMPLES: Readonly<Record<string, string>> = {
  ...SMALLEST,
  gateway: 'gateway: {id: press-shop-1}',
  alarms: 'alarms: {oil-hot: {tag: press-1/oil-temp, above: 75}}',
  maintenance: 'maintenance: {oil-change: {runtime: press-1/running, every: 2000h}}',
  spc: 'spc: {shaft: {tag: gauge/weight, chart: i-mr}}',
  parts: 'parts: {station-1: {serial: scanner/code, results: {torque: {tag: station/torque, min: 4, max: 6}}}}',
  inventory: 'inventory: {blanks: {out: scanner/code, items: [{code: "4006381333931", minimum: 200}]}}',
  production: 'production: {press-1: {count: press-1/parts, idealCycle: 2.4s}}',
  store: 'store: {maxSize: 2GB}',
  notify: 'notify: {shift: {webhook: {url: "https://chat.plant.lan/hooks/alarms"}}}',
  uplinks: 'uplinks: {plant: {type: mqtt, url: "mqtt://broker:1883"}}',
  api: 'api: {listen: "127.0.0.1:8420"}',
  commands: 'commands: {enabled: true}',
  fleet: 'fleet: {source: "https://config.plant.lan/{id}.bundle", key: "3b6a…"}',
  serve: 'serve: {modbus: {map: {"holding:0": press-1/oil-temp}}}',
};

/** Reads, merges and checks a configuration. Touches no hardware, and no file but those of the configuration. */
export function loadConfig(options: LoadOptions): LoadResult {
  const report = createReport();
  const files = options.files ?? diskFilesFrom(options.cwd ?? '');
  const sources = readSources(options.file, files, report);
  const config = sources && assemble(options, files, sources, report);
  const problems = report.problems();
  if (config && !report.failed()) return { ok: true, config, warnings: problems };
  return { ok: false, problems, storePath: config?.store.path };
}

/**
 * The time zone of this machine by its link in /etc. Only where there is none is the runtime asked, whose tables of the
 * world's languages take 8 MB.
 */
function hostTimezone(): string {
  try {
    const zone = /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(readlinkSync('/etc/localtime'))?.[1];
    if (zone) return zone;
  } catch {
    // No link: a container, or a system that keeps it elsewhere.
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function assemble(options: LoadOptions, files: FileAccess, { tree, bytes }: Sources, report: Report): Config {
  const { drivers } = options;
  const absolute = resolve(options.cwd ?? '', options.file);
  const folder = dirname(absolute);
  // A file that is broken in its form lacks what could not be read of it.
  const isWhole = !report.failed();
  const sections = checkSections(tree, report);
  const root: Entry = { keyPlace: tree.place, path: [], node: tree };

  const section = (name: string): MapNode => mapOf(sections.get(name), tree);
  if (isWhole) needSome(root, report);
  const profiles = profilesFor(options, files, report);
  const known = checkChannels(section('channels'), drivers, report);
  const formulas: Formula[] = [];
  const readOnly = new Set<TagId>();
  const devices = checkDevices(section('devices'), {
    channels: known,
    drivers,
    profiles,
    formulas,
    readOnly,
    report,
  });

  const timezone = options.timezone ?? hostTimezone();
  const gateway = checkGateway(valuesOf('gateway', sections, report), options.hostname, timezone, root, report);
  const channels = channelsWith(devices, known, report);
  const read = [...devices.values()].flatMap((own) => own.flatMap(({ tags }) => tags));
  const written = writtenTags(section('devices'));
  const derived = checkFormulas(formulas, { tags: read, written, report });
  const tags = factsOf({ read, derived, readOnly, written });
  const alarms = checkAlarms(section('alarms'), { tags, report });
  const names = [...section('alarms').entries.keys()];
  const store = checkStore(valuesOf('store', sections, report), folder);
  const tagConfigs = [...read, ...derived.map(({ tag }) => tag)];
  const commands = checkCommands(valuesOf('commands', sections, report));
  const uplinks = checkUplinks(section('uplinks'), {
    gateway,
    folder,
    files,
    report,
    tagConfigs,
    commitEveryMs: store.commitEveryMs,
    commandsEnabled: commands.enabled,
    tags: [...new Set([...read.map(({ tag }) => tag.id), ...derived.map(({ tag }) => tag.tag.id), ...written.keys()])],
  });
  const spc = checkCharts(section('spc'), { tags, report });
  return {
    file: absolute,
    hash: hashOf([...bytes, ...profiles.read()]),
    gateway,
    channels,
    derived,
    alarms,
    spc,
    parts: checkStations(section('parts'), { tags, charts: spc, report }),
    inventory: checkStocks(section('inventory'), { tags, report }),
    maintenance: checkItems(section('maintenance'), { tags, report }),
    production: checkProduction(section('production'), { tags, report, alarms: names, timezone: gateway.timezone }),
    store,
    uplinks,
    notify: checkNotify(mapOf(sections.get('notify'), tree), { alarms, tagConfigs, folder, files, report }),
    api: checkApi(valuesOf('api', sections, report), { folder, files, report }),
    commands,
    fleet: checkFleet(valuesOf('fleet', sections, report), { gateway, folder, files, report }),
    serve: checkServe(valuesOf('serve', sections, report), { tags, report }),
  };
}

/** The channels with the devices on them. */
function channelsWith(
  devices: ReturnType<typeof checkDevices>,
  known: ReturnType<typeof checkChannels>,
  report: Report,
): ChannelConfig[] {
  return [...known.values()].flatMap(({ checked, entry }) => {
    if (!checked) return [];
    const own = devices.get(checked.name) ?? [];
    if (own.length === 0 && !report.failed()) report.warning(spotOf(entry, [], 'key'), 'no device is on this channel');
    return [{ ...checked, devices: own }];
  });
}

/** Profiles beside the file come before those of the program. */
function profilesFor({ file, profiles = builtInProfiles() }: LoadOptions, files: FileAccess, report: Report) {
  return createProfiles([join(dirname(file), 'profiles'), profiles], files, report);
}

/** Sections that are there and can be used; says what is unknown. */
function checkSections(tree: MapNode, report: Report): ReadonlyMap<string, Entry> {
  const usable = new Map<string, Entry>();
  for (const [name, entry] of tree.entries) {
    const section = SECTIONS.find((each) => each.name === name);
    const spot = spotOf(entry, [], 'key');
    if (!section) report.error(spot, `unknown key${hint(name, SECTION_NAMES, 'sections')}`);
    else if (entry.node.kind === 'map') usable.set(name, entry);
    else if (!isEmpty(entry.node)) report.error(spot, notAMap(entry, EXAMPLES[name]!));
  }
  return usable;
}

/** Without channels and devices there is nothing to do; an empty section is told of at its place. A mistyped section was reported already. */
function needSome({ node, ...root }: Entry, report: Report): void {
  const keys = node.kind === 'map' ? [...node.entries] : [];
  const absent = (['channels', 'devices'] as const).filter((name) => {
    const mistyped = keys.some(([key]) => !SECTION_NAMES.includes(key) && nearest(key, SECTION_NAMES) === name);
    const given = keys.find(([key]) => key === name)?.[1].node;
    return !mistyped && (!given || isEmpty(given) || (given.kind === 'map' && given.entries.size === 0));
  });
  const top: Entry = { node, ...root };
  const unwritten = absent.filter((name) => !keys.some(([key]) => key === name));
  for (const name of absent)
    if (!unwritten.includes(name))
      report.error(
        spotOf(top, [name]),
        `is empty: write at least one ${name.slice(0, -1)}, for example ${SMALLEST[name]}`,
      );
  if (unwritten.length === 2)
    report.error(
      spotOf(top, []),
      `the file has no channels and no devices. Write, for example, these two lines: ${SMALLEST.channels} and ${SMALLEST.devices}`,
    );
  else if (unwritten[0])
    report.error(spotOf(top, []), `the file has no ${unwritten[0]}: write for example ${SMALLEST[unwritten[0]]}`);
}

function mapOf(entry: Entry | undefined, tree: MapNode): MapNode {
  return entry?.node.kind === 'map' ? entry.node : { ...tree, entries: new Map() };
}

/** The checked values of a section of fixed keys, with its entry; the defaults when it is not there or broken. */
function valuesOf(
  name: string,
  sections: ReadonlyMap<string, Entry>,
  report: Report,
): { values: Record<string, unknown>; entry: Entry | undefined } {
  const section = SECTIONS.find((each) => each.name === name);
  if (section?.form.kind !== 'shape') throw new Error(`section ${name} has no fixed keys`);
  const entry = sections.get(name);
  const schema: z.ZodObject = section.form.schema;
  const values = entry && validate(schema, entry, report);
  // What is good of a section is checked further, so that its other mistakes are found in the same run.
  return { values: values ?? { ...schema.parse({}), ...(entry && salvageKeys(schema, entry)) }, entry };
}

/** First 12 hex digits of the SHA-256 of all texts, each with its length before it. */
function hashOf(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}\n`).update(part);
  return hash.digest('hex').slice(0, 12);
}
