/** What the page knows of the plant, and how each event of the stream changes it. Pure: no clock, no network. */
import type { JsonReading, JsonTag } from '../api/json.ts';
import type { AlarmView, JsonEvent } from '../api/rules-view.ts';
import type { GatewayStatus } from '../api/view.ts';

/** Events of the journal that are kept. */
const MOST_EVENTS = 300;

/** Values of each tag that are kept for its sparkline. */
const MOST_RECENT = 60;

/** What of a connection a person must know. */
type Link =
  /** Nothing came yet. */
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Reading from here needs a token, or the one that was given is not valid. */
  | { readonly state: 'refused'; readonly why: string }
  | { readonly state: 'lost'; readonly why: string };

/** Everything the page shows. */
export interface Plant {
  readonly link: Link;
  readonly status: GatewayStatus | undefined;
  /** The gateway's clock less this one's, ms: ages are told by the gateway's. */
  readonly skewMs: number;
  readonly readings: ReadonlyMap<string, JsonReading>;
  /** The last values of each numeric tag, oldest first; null where it was bad. */
  readonly recent: ReadonlyMap<string, readonly (number | null)[]>;
  readonly alarms: ReadonlyMap<string, AlarmView>;
  /** Newest first. */
  readonly events: readonly JsonEvent[];
}

/** Before anything is known. */
export const NO_PLANT: Plant = {
  link: { state: 'connecting' },
  status: undefined,
  skewMs: 0,
  readings: new Map(),
  recent: new Map(),
  alarms: new Map(),
  events: [],
};

/** What is told to the page: an event of the stream, or how the connection is. */
export type Told =
  /** What was read last, asked for before the stream is there. */
  | { readonly kind: 'first'; readonly readings: readonly JsonReading[] }
  | { readonly kind: 'snapshot' | 'readings'; readonly readings: readonly JsonReading[] }
  | { readonly kind: 'status'; readonly status: GatewayStatus; readonly atMs: number }
  | { readonly kind: 'alarms'; readonly alarms: readonly AlarmView[]; readonly gone: readonly string[] }
  | { readonly kind: 'event'; readonly event: JsonEvent }
  | { readonly kind: 'link'; readonly link: Link };

/** The plant after what was told. */
export function after(plant: Plant, told: Told): Plant {
  switch (told.kind) {
    case 'link':
      return { ...plant, link: told.link };
    case 'status':
      return { ...plant, status: told.status, skewMs: told.status.nowMs - told.atMs };
    case 'first':
      if (plant.readings.size > 0) return plant;
      return { ...plant, readings: new Map(told.readings.map((reading) => [reading.tag, reading])) };
    case 'snapshot':
      // What there was of a stream that ended says nothing of what there is now.
      return withReadings({ ...plant, readings: new Map(), alarms: new Map() }, told.readings);
    case 'readings':
      return withReadings(plant, told.readings);
    case 'alarms': {
      const alarms = new Map(plant.alarms);
      for (const alarm of told.alarms) alarms.set(alarm.id, alarm);
      for (const id of told.gone) alarms.delete(id);
      return { ...plant, alarms };
    }
    case 'event':
      if (plant.events.some(({ seq }) => seq === told.event.seq)) return plant;
      return { ...plant, events: [told.event, ...plant.events].slice(0, MOST_EVENTS) };
  }
}

function withReadings(plant: Plant, made: readonly JsonReading[]): Plant {
  const readings = new Map(plant.readings);
  const recent = new Map(plant.recent);
  for (const reading of made) {
    readings.set(reading.tag, reading);
    const number = typeof reading.value === 'boolean' ? +reading.value : reading.value;
    if (typeof number === 'string') continue;
    recent.set(reading.tag, [...(recent.get(reading.tag) ?? []), number ?? null].slice(-MOST_RECENT));
  }
  return { ...plant, readings, recent };
}

/** States of an alarm that want somebody. */
const QUIET = new Set(['normal', 'shelved', 'suppressed', 'out-of-service']);

/** Alarms in the order in which a person should take them: unacknowledged first, by priority, the newest first. */
export function inOrder(alarms: Iterable<AlarmView>): AlarmView[] {
  const rank: Record<AlarmView['priority'], number> = { critical: 1, high: 2, medium: 3, low: 4 };
  return [...alarms].sort(
    (one, other) =>
      +!stands(one) - +!stands(other) ||
      rank[one.priority] - rank[other.priority] ||
      +!isUnacked(one) - +!isUnacked(other) ||
      +!one.firstOut - +!other.firstOut ||
      (other.sinceMs ?? 0) - (one.sinceMs ?? 0) ||
      one.id.localeCompare(other.id),
  );
}

/** Whether an alarm wants somebody. */
export function stands({ state }: Pick<AlarmView, 'state'>): boolean {
  return !QUIET.has(state);
}

/** Whether an alarm still has to be acknowledged. */
export function isUnacked({ state }: Pick<AlarmView, 'state'>): boolean {
  return state === 'unacked' || state === 'returned-unacked' || state === 'latched-unacked';
}

/** How a reading is to be shown: as live only when it is good and young enough. */
type Worth = 'good' | 'uncertain' | 'bad' | 'old' | 'none';

/**
 * @param ageMs of the reading, by the gateway's clock
 * @param reportMs how often the tag is reported at least; undefined: when it changes
 */
export function worthOf(reading: JsonReading | undefined, ageMs: number, reportMs: number | undefined): Worth {
  if (!reading) return 'none';
  if (reading.quality === 'bad') return 'bad';
  if (reportMs !== undefined && ageMs > Math.max(3 * reportMs, reportMs + 5000)) return 'old';
  return reading.quality;
}

/** Tags by device, in the order of the file. */
export function byDevice(tags: readonly JsonTag[]): ReadonlyMap<string, readonly JsonTag[]> {
  const devices = new Map<string, JsonTag[]>();
  for (const tag of tags) {
    const device = tag.tag.split('/')[0]!;
    devices.set(device, [...(devices.get(device) ?? []), tag]);
  }
  return devices;
}

/** What a device says of itself in one line. */
export function describeLine(status: GatewayStatus | undefined, device: string): string {
  for (const channel of status?.channels ?? []) {
    const found = channel.devices.find(({ name }) => name === device);
    if (found)
      return `${found.state} on ${channel.name}${channel.simulated ? ', simulated' : ''}${found.bad > 0 ? `, ${found.bad} of ${found.tags} tags bad` : ''}`;
  }
  return '';
}
