/** The metrics of an edge node and its devices during one session: their aliases and types, and what was shown of them. */
import type { TagConfig } from '../../config/config.ts';
import { type DeviceRecord, type Field, splitTagId, type TagId } from '../../core/reading.ts';
import type { Lane } from '../uplink.ts';
import type { CommittedValue, CommittedValues } from './committed-values.ts';
import {
  joinedType,
  type MetricType,
  qualityProperties,
  textProperty,
  typeOfForm,
  typeOfValue,
  wireValueOf,
} from './metric-values.ts';
import { type Metric, type Property, TYPE } from './payload.ts';

/** Numbers that stand for the names of metrics; each is given once and kept while the process runs. */
export class Aliases {
  private readonly numbers = new Map<string, number>();
  private readonly names = new Map<number, string>();

  /** The alias of a metric of the node (`name`) or of a device (`device/name`). */
  of(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const next = this.numbers.size + 1;
    this.numbers.set(name, next);
    this.names.set(next, name);
    return next;
  }

  /** The name behind an alias. */
  nameOf(alias: number): string | undefined {
    return this.names.get(alias);
  }
}

/** One tag as a metric. */
interface TagMetric {
  readonly id: TagId;
  readonly name: string;
  readonly alias: number;
  readonly config: TagConfig | undefined;
  type: MetricType;
  /** Whether the type comes from a value, and not from what the tag promises. */
  isTyped: boolean;
  /** Number and time of the newest reading that was shown as the present one. */
  shownSeq: number;
  shownMonoMs: number;
  /** What was shown last had properties that are to be taken back. */
  wasMarked: boolean;
}

/** One device and its metrics, by name. */
interface Device {
  readonly name: string;
  readonly metrics: Map<string, TagMetric>;
  isBorn: boolean;
  /** It was born for its backlog only, as it cannot be reached. */
  isLent: boolean;
}

/** The devices of one session, with the tags of the file and those that only the backlog still holds. */
export class Roster {
  private readonly aliases: Aliases;
  private readonly committed: CommittedValues;
  private readonly devices = new Map<string, Device>();

  constructor(tags: readonly TagConfig[], committed: CommittedValues, aliases: Aliases) {
    this.aliases = aliases;
    this.committed = committed;
    for (const tag of tags) this.add(this.device(tag.tag.device), tag.tag.name, tag);
  }

  /** Devices that are told of at the start of a session: those that can be reached. */
  reachable(): string[] {
    return [...this.devices.keys()].filter((device) => this.committed.isLost(device) === false);
  }

  /** Whether a device was born for its backlog only. */
  isLent(device: string): boolean {
    return this.devices.get(device)?.isLent ?? false;
  }

  has(device: string): boolean {
    return this.devices.has(device);
  }

  /** The data type of a tag; undefined where there is none of that name. */
  typeOf(tag: TagId): number | undefined {
    const { device = '', name = '' } = splitTagId(tag) ?? {};
    return this.devices.get(device)?.metrics.get(name)?.type;
  }

  isBorn(device: string): boolean {
    return this.devices.get(device)?.isBorn ?? false;
  }

  /** Every device that is born. */
  born(): string[] {
    return [...this.devices.values()].filter(({ isBorn }) => isBorn).map(({ name }) => name);
  }

  /** Takes note of a DDEATH. */
  died(name: string): void {
    const device = this.device(name);
    device.isBorn = false;
    device.isLent = false;
  }

  /** Makes sure that every field of a record has a metric that holds it. True: the device has to be born (again) first. */
  prepare(record: DeviceRecord): boolean {
    const device = this.device(record.device);
    for (const field of record.fields) {
      const metric = device.metrics.get(field.name);
      if (metric ? this.fit(metric, field) : this.add(device, field.name, undefined, field)) device.isBorn = false;
    }
    return !device.isBorn;
  }

  /** The metrics of a DBIRTH, all with name, alias and type, and the newest committed values. */
  birth(name: string, nowMs: number): Metric[] {
    const device = this.device(name);
    device.isBorn = true;
    device.isLent = this.committed.isLost(name) === true;
    return [...device.metrics.values()].map((metric) => this.birthOf(metric, nowMs));
  }

  /** A record as the metrics of a DDATA, of a device that is born. */
  data(record: DeviceRecord, seq: number, lane: Lane): Metric[] {
    const device = this.device(record.device);
    const { metrics } = device;
    if (lane === 'live' && record.fields.hasValue()) device.isLent = false;
    return Array.from(record.fields, (field) => this.dataOf(metrics.get(field.name)!, { record, field, seq }, lane));
  }

  private device(name: string): Device {
    const known = this.devices.get(name);
    if (known) return known;
    const device = { name, metrics: new Map(), isBorn: false, isLent: false };
    this.devices.set(name, device);
    return device;
  }

  private add(device: Device, name: string, config: TagConfig | undefined, field?: Field): true {
    const id = `${device.name}/${name}`;
    const value = field && field.quality !== 'bad' ? field.value : undefined;
    device.metrics.set(name, {
      id,
      name,
      alias: this.aliases.of(id),
      config,
      type: value === undefined ? typeOfForm(config?.form) : typeOfValue(value),
      isTyped: value !== undefined,
      shownSeq: 0,
      shownMonoMs: Number.NEGATIVE_INFINITY,
      wasMarked: false,
    });
    return true;
  }

  /** True when the type had to change for a value. */
  private fit(metric: TagMetric, field: Field): boolean {
    if (field.quality === 'bad') return false;
    const type = metric.isTyped ? joinedType(metric.type, field.value) : typeOfValue(field.value);
    metric.isTyped = true;
    if (type === metric.type) return false;
    metric.type = type;
    return true;
  }

  private birthOf(metric: TagMetric, nowMs: number): Metric {
    const newest = this.committed.of(metric.id);
    if (newest) this.fit(metric, newest.field);
    const { name, alias, type } = metric;
    const born = { name, alias, datatype: type };
    if (!newest) {
      const field = { name, quality: 'bad', why: 'waiting' } as const;
      const properties = [...qualityProperties(field, { clockKnown: true, simulated: false }, false), ...about(metric)];
      metric.wasMarked = true;
      return { ...born, timestampMs: nowMs, isNull: true, properties };
    }
    this.show(metric, newest);
    const { field, record } = newest;
    const properties = [...qualityProperties(field, record, false), ...about(metric)];
    const head = { ...born, timestampMs: record.at.wallMs, properties };
    return field.quality === 'bad' ? { ...head, isNull: true } : { ...head, value: wireValueOf(type, field.value) };
  }

  /**
   * A reading is the present one when none newer was shown and it came as it was read; from the backlog, when it is the
   * newest there is. Everything else is history.
   */
  private dataOf(metric: TagMetric, reading: CommittedValue, lane: Lane): Metric {
    const { seq, record, field } = reading;
    const isNewest = lane === 'live' || this.committed.of(metric.id)?.seq === seq;
    const isPresent = isNewest && seq > metric.shownSeq && record.at.monoMs >= metric.shownMonoMs;
    const properties = qualityProperties(field, record, !(isPresent && metric.wasMarked));
    if (isPresent) this.show(metric, reading);
    const head = {
      alias: metric.alias,
      timestampMs: record.at.wallMs,
      ...(!isPresent && { isHistorical: true }),
      ...(properties.length > 0 && { properties }),
    };
    return field.quality === 'bad'
      ? { ...head, isNull: true }
      : { ...head, value: wireValueOf(metric.type, field.value) };
  }

  private show(metric: TagMetric, { seq, record, field }: CommittedValue): void {
    metric.shownSeq = seq;
    metric.shownMonoMs = record.at.monoMs;
    metric.wasMarked = field.quality !== 'good' || record.simulated || !record.clockKnown;
  }
}

/** What the file says of a tag, under the names that hosts look for. */
function about({ config }: TagMetric): Property[] {
  if (!config) return [];
  const { unit, min, max, description, labels, writable } = config;
  const properties: Property[] = [];
  if (unit !== undefined) properties.push(textProperty('engUnit', unit));
  if (min !== undefined) properties.push({ key: 'engLow', type: TYPE.double, value: { as: 'double', value: min } });
  if (max !== undefined) properties.push({ key: 'engHigh', type: TYPE.double, value: { as: 'double', value: max } });
  if (description !== undefined) properties.push(textProperty('documentation', description));
  if (labels) properties.push(textProperty('labels', JSON.stringify(labels)));
  properties.push({ key: 'readOnly', type: TYPE.boolean, value: { as: 'boolean', value: !writable } });
  return properties;
}
