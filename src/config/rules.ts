/** Checks what the rules of a file say of its tags: alarms, charts and what they reach. */

import { z } from 'zod';
import type { AlarmConfig } from '../core/alarm.ts';
import { tagsIn } from '../core/expression.ts';
import type { ProductionConfig } from '../core/production/production.ts';
import type { TagId } from '../core/reading.ts';
import { shownOf } from '../core/reading.ts';
import type { MaintenanceConfig } from '../core/rules/maintenance.ts';
import type { InventoryConfig, PartsConfig } from '../core/rules/scanned.ts';
import type { SpcConfig } from '../core/spc.ts';
import type { DerivedConfig, TagConfig } from './config.ts';
import type { Report } from './file/problems.ts';
import { type Entry, entryOf, type MapNode, type Place, spotOf } from './file/tree.ts';
import { isMapOr, reportAll, validateKeys } from './file/validate.ts';
import { clip } from './file/words.ts';
import { formatPlace } from './file/yaml.ts';
import { type AlarmOptions, alarmShape, checkAlarm, conflictingOutputs, type TagFacts } from './sections/alarms.ts';
import { checkName } from './sections/channels.ts';
import { checkMaintenance, maintenanceShape } from './sections/section-maintenance.ts';
import { checkMachine, type ProductionOptions, productionShape } from './sections/section-production.ts';
import {
  checkStation,
  checkStock,
  type InventoryOptions,
  inventoryShape,
  type PartsOptions,
  partsShape,
} from './sections/section-scanned.ts';
import { checkSpc, type SpcOptions, spcShape } from './sections/section-spc.ts';

/** What checking rules needs of the rest of the file. */
interface RuleContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
  readonly report: Report;
}

/** Nothing is known of a tag that is in the file but broken, so that nothing more is said of it. */
const BROKEN: TagFacts = {
  form: undefined,
  unit: undefined,
  min: undefined,
  max: undefined,
  everyMs: undefined,
  writable: { min: undefined, max: undefined },
  counter: false,
  from: new Set(),
  isBroken: true,
};

/** The tags of the file as the rules see them. */
interface TagsOfFile {
  readonly read: readonly TagConfig[];
  readonly derived: readonly DerivedConfig[];
  /** Those that can only be read. */
  readonly readOnly: ReadonlySet<TagId>;
  /** Every tag that the file writes, good or not. */
  readonly written: ReadonlyMap<TagId, Place>;
}

/** What rules may know of the tags of the file: those that are read or computed, and those that are broken. */
export function factsOf({ read, derived, readOnly, written }: TagsOfFile): ReadonlyMap<TagId, TagFacts> {
  const facts = new Map<TagId, TagFacts>();
  const placeOf = (id: TagId): string | undefined => {
    const place = written.get(id);
    return place && formatPlace(place);
  };
  for (const config of read) {
    const { tag, form, unit, min, max, everyMs, writable, counter, modulus, scale, labels, decimals } = config;
    const wrap = modulus === undefined || scale <= 0 ? undefined : modulus * scale;
    const shown = labels === undefined && decimals === undefined ? undefined : shownOf(config);
    const common = { isReadOnly: readOnly.has(tag.id), place: placeOf(tag.id), from: new Set<TagId>() };
    facts.set(tag.id, { form, unit, shown, min, max, everyMs, writable, counter, wrap, ...common });
  }
  // Each comes after those it is computed from.
  for (const { tag, expression } of derived) {
    const inputs = tagsIn(expression);
    const from = new Set([...inputs, ...inputs.flatMap((input) => [...(facts.get(input)?.from ?? [])])]);
    const { form, unit, min, max, everyMs } = tag;
    const place = placeOf(tag.tag.id);
    facts.set(tag.tag.id, { form, unit, min, max, everyMs, writable: undefined, counter: false, place, from });
  }
  for (const id of written.keys()) if (!facts.has(id)) facts.set(id, BROKEN);
  return facts;
}

/** Full names of every tag that the section of devices writes, good or not, with its place. */
export function writtenTags(devices: MapNode): ReadonlyMap<TagId, Place> {
  const found = new Map<TagId, Place>();
  for (const [device, entry] of devices.entries) {
    const tags = entryOf(entry.node, 'tags')?.node;
    if (tags?.kind === 'map') for (const [name, tag] of tags.entries) found.set(`${device}/${name}`, tag.keyPlace);
  }
  return found;
}

/** Checks every control chart of the section. */
export function checkCharts(section: MapNode, { tags, report }: RuleContext): SpcConfig[] {
  const schema = z.strictObject(spcShape);
  const charts: SpcConfig[] = [];
  const kinds = new Map([...tags].map(([tag, { form }]) => [tag, form ?? ('number' as const)]));
  const context = {
    tags: kinds,
    everyMsOf: (tag: TagId) => tags.get(tag)?.everyMs,
    counterOf: (tag: TagId) => (tags.get(tag)?.counter ? { modulus: tags.get(tag)?.wrap } : undefined),
  };
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {tag: gauge/weight, chart: i-mr}`)) continue;
    const options = validateKeys(schema, entry, report) as SpcOptions | undefined;
    if (!options) continue;
    const checked = checkSpc(name, options, context);
    if (checked.ok) charts.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  return charts;
}

/** Checks every item of maintenance. */
export function checkItems(section: MapNode, { tags, report }: RuleContext): MaintenanceConfig[] {
  const schema = z.strictObject(maintenanceShape);
  const items: MaintenanceConfig[] = [];
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {runtime: press-1/running, every: 2000h}`)) continue;
    const options = validateKeys(schema, entry, report) as z.output<typeof schema> | undefined;
    if (!options) continue;
    const checked = checkMaintenance(name, options, { tags });
    if (checked.ok) items.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  return items;
}

/** Checks every machine of the section. */
export function checkProduction(
  section: MapNode,
  { report, ...context }: RuleContext & { readonly alarms: readonly string[]; readonly timezone: string },
): ProductionConfig[] {
  const schema = z.strictObject(productionShape);
  const machines: ProductionConfig[] = [];
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {count: press-1/parts, idealCycle: 2.4s}`)) continue;
    const options = validateKeys(schema, entry, report) as ProductionOptions | undefined;
    if (!options) continue;
    const checked = checkMachine(name, options, context);
    if (checked.ok) machines.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  return machines;
}

/** Checks every station of the section. */
export function checkStations(
  section: MapNode,
  { report, ...context }: RuleContext & { readonly charts: readonly SpcConfig[] },
): PartsConfig[] {
  const schema = z.strictObject(partsShape);
  const stations: PartsConfig[] = [];
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    const example = '{serial: scanner/code, results: {torque: {tag: station/torque, min: 4, max: 6}}}';
    if (!isMapOr(entry, report, `${clip(name)}: ${example}`)) continue;
    const options = validateKeys(schema, entry, report) as PartsOptions | undefined;
    if (!options) continue;
    const checked = checkStation(name, options, context);
    if (checked.ok) stations.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  return stations;
}

/** Checks every stock of the section. */
export function checkStocks(section: MapNode, { tags, report }: RuleContext): InventoryConfig[] {
  const schema = z.strictObject(inventoryShape);
  const stocks: InventoryConfig[] = [];
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    const example = '{out: scanner/code, items: [{code: "4006381333931", minimum: 200}]}';
    if (!isMapOr(entry, report, `${clip(name)}: ${example}`)) continue;
    const options = validateKeys(schema, entry, report) as InventoryOptions | undefined;
    if (!options) continue;
    const checked = checkStock(name, options, { tags });
    if (checked.ok) stocks.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  return stocks;
}

/** Checks every alarm of the section. */
export function checkAlarms(section: MapNode, { tags, report }: RuleContext): AlarmConfig[] {
  const schema = z.strictObject(alarmShape);
  const alarms: AlarmConfig[] = [];
  for (const [name, entry] of section.entries) {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {tag: press-1/oil-temp, above: 75}`)) continue;
    const options = validateKeys(schema, entry, report) as AlarmOptions | undefined;
    if (!options) continue;
    const checked = checkAlarm(name, options, { tags });
    if (checked.ok) alarms.push(checked.value);
    else reportAll(entry, checked.problems, report);
  }
  const whole: Entry = { keyPlace: section.place, path: ['alarms'], node: section };
  for (const { path, message } of conflictingOutputs(alarms)) report.error(spotOf(whole, path), message);
  return alarms;
}
