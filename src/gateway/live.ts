/** Keeps the last reading of every tag, and tells those who follow them. */
import type { Config, TagConfig } from '../config/config.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { type DeviceRecord, type Instant, type Reading, readingAt, readingsOf, type TagId } from '../core/reading.ts';

/** The last reading of a tag and how many there were. */
interface LiveTag {
  readonly config: TagConfig;
  readonly last: Reading | undefined;
  readonly readings: number;
}

/** How many of a device's tags stand how. A tag that was not read yet counts in none. */
interface QualityCounts {
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
}

interface Entry {
  readonly config: TagConfig;
  readonly isComputed: boolean;
  /** The record of the last reading, and its place in it; undefined before the first. */
  record: DeviceRecord | undefined;
  place: number;
  readings: number;
}

/** Readings are counted by second over the last minute. */
const RATE_SECONDS = 60;

/** The present: the last reading of every tag, and who wants to hear of new ones. */
export class LiveTable {
  private entries = new Map<TagId, Entry>();
  private byDevice = new Map<string, Map<string, Entry>>();
  /** The tags of a list of names, which the records of a device share. */
  private byNames = new WeakMap<
    readonly string[],
    { readonly device: string; readonly entries: (Entry | undefined)[] }
  >();
  /** When each device last gave a good value of its own, monotonic ms. */
  private readonly lastGood = new Map<string, number>();
  private readonly listeners = new Set<(readings: readonly Reading[]) => void>();
  private readonly perSecond = new Float64Array(RATE_SECONDS);
  private second = 0;
  private readonly startMs: number;

  /** @param startMs the monotonic clock now */
  constructor(config: Config, startMs: number) {
    this.startMs = startMs;
    this.second = Math.floor(startMs / 1000);
    this.fill(config, () => undefined);
  }

  /**
   * Takes another configuration: tags that mean what they meant keep their last reading and count, listeners stay.
   *
   * @param changed tags whose values mean something else than before
   */
  reconfigure(config: Config, changed: ReadonlySet<TagId>): void {
    const before = this.entries;
    this.entries = new Map();
    this.byDevice = new Map();
    this.byNames = new WeakMap();
    this.fill(config, (tag) => (changed.has(tag) ? undefined : before.get(tag)));
    for (const device of this.lastGood.keys()) if (!this.byDevice.has(device)) this.lastGood.delete(device);
  }

  private fill(config: Config, known: (tag: TagId) => Entry | undefined): void {
    for (const device of config.channels.flatMap(({ devices }) => devices)) {
      const computed = config.derived.filter(({ tag }) => tag.tag.device === device.name).map(({ tag }) => tag);
      const entryOf = (tag: TagConfig, isComputed: boolean): Entry => {
        const { record, place = 0, readings = 0 } = known(tag.tag.id) ?? {};
        return { config: tag, isComputed, record, place, readings };
      };
      const entries = [...device.tags.map((tag) => entryOf(tag, false)), ...computed.map((tag) => entryOf(tag, true))];
      this.byDevice.set(device.name, new Map(entries.map((entry) => [entry.config.tag.name, entry])));
      for (const entry of entries) this.entries.set(entry.config.tag.id, entry);
    }
  }

  /** Takes a record in. */
  accept(record: DeviceRecord): void {
    const entries = this.entriesOf(record);
    const { remarks } = record.fields;
    let isGood = false;
    for (let place = 0; place < entries.length; place++) {
      const entry = entries[place];
      if (!entry) continue;
      entry.record = record;
      entry.place = place;
      entry.readings++;
      isGood ||= !entry.isComputed && remarks?.has(place) !== true;
    }
    if (isGood) this.lastGood.set(record.device, record.at.monoMs);
    this.moveTo(record.at.monoMs);
    this.perSecond[this.second % RATE_SECONDS]! += record.fields.length;
    if (this.listeners.size === 0) return;
    const readings = readingsOf(record);
    for (const listener of this.listeners) listener(readings);
  }

  private entriesOf({ device, fields: { names } }: DeviceRecord): readonly (Entry | undefined)[] {
    let known = this.byNames.get(names);
    if (known?.device !== device) {
      const entries = this.byDevice.get(device);
      known = { device, entries: names.map((name) => entries?.get(name)) };
      this.byNames.set(names, known);
    }
    return known.entries;
  }

  /** Every tag, in the order of the file. */
  tags(): LiveTag[] {
    return [...this.entries.values()].map((entry) => {
      const { config, readings } = entry;
      return { config, last: readingOf(entry), readings };
    });
  }

  /** The last reading of a tag; undefined before the first, and of a tag that there is not. */
  last(id: TagId): Reading | undefined {
    const entry = this.entries.get(id);
    return entry && readingOf(entry);
  }

  /** The last reading of a tag as a list of one; bad, `waiting`, at `now` before the first. */
  lastOf(id: TagId, now: Instant): Reading[] {
    const entry = this.entries.get(id);
    return [(entry && readingOf(entry)) ?? { tag: id, ...now, quality: 'bad', why: 'waiting' }];
  }

  /** The configuration of a tag; throws `Fault` when there is none of that name. */
  known(id: TagId): TagConfig {
    const config = this.find(id);
    if (config) return config;
    throw new Fault(
      `${id}: there is no such tag`,
      '"millgate watch" lists the tags of the running gateway.',
      EXIT.usage,
    );
  }

  /** The configuration of a tag; undefined when there is none of that name. */
  find(id: TagId): TagConfig | undefined {
    return this.entries.get(id)?.config;
  }

  /** When a device last gave a good value of its own, monotonic ms; undefined when it never did. */
  lastGoodMs(device: string): number | undefined {
    return this.lastGood.get(device);
  }

  /** Whether one of a device's own tags reads good now. */
  isGood(device: string): boolean {
    for (const entry of this.byDevice.get(device)?.values() ?? [])
      if (!entry.isComputed && qualityOf(entry) === 'good') return true;
    return false;
  }

  /** How the tags of a device stand. */
  counts(device: string): QualityCounts {
    const counts = { good: 0, uncertain: 0, bad: 0 };
    for (const entry of this.byDevice.get(device)?.values() ?? []) {
      const quality = qualityOf(entry);
      if (quality) counts[quality]++;
    }
    return counts;
  }

  /** Readings a second over the last full minute, or since the start when that is shorter. */
  readingsPerSecond(nowMs: number): number {
    this.moveTo(nowMs);
    const current = this.second % RATE_SECONDS;
    const total = this.perSecond.reduce((sum, count, index) => (index === current ? sum : sum + count), 0);
    const seconds = Math.min(RATE_SECONDS - 1, Math.floor(nowMs / 1000) - Math.floor(this.startMs / 1000));
    return seconds > 0 ? total / seconds : 0;
  }

  /** Calls back with the readings of every record; the returned function ends it. */
  onReadings(listener: (readings: readonly Reading[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private moveTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second - this.second >= RATE_SECONDS) this.perSecond.fill(0);
    else for (let passed = this.second + 1; passed <= second; passed++) this.perSecond[passed % RATE_SECONDS] = 0;
    this.second = Math.max(this.second, second);
  }
}

function readingOf({ record, place }: Entry): Reading | undefined {
  return record && readingAt(record, place);
}

function qualityOf({ record, place }: Entry): Reading['quality'] | undefined {
  return record && (record.fields.remarks?.get(place)?.quality ?? 'good');
}
