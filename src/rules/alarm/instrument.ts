/** Alarms for dead instruments: one a device, which names the tags that cannot be read. */
import { type AlarmConfig, DEFAULT_MAX_SHELVE_MS } from '../../core/alarm.ts';
import type { Priority } from '../../core/event.ts';
import { FAILURES, type Failure } from '../../core/quality.ts';
import { type Reading, splitTagId, type TagId } from '../../core/reading.ts';

/** A tag that reads bad; without `why` it did since the alarm came, and reads well again. */
export interface Instrument {
  readonly tag: TagId;
  readonly why?: Failure | undefined;
}

const PRIORITIES: readonly Priority[] = ['low', 'medium', 'high', 'critical'];

/** Failures of the way to a device, which all of its tags share; the others are those of one sensor. */
const OF_THE_DEVICE: readonly Failure[] = [
  ...(['timeout', 'not-connected', 'offline', 'garbled', 'gateway-path', 'gateway-target', 'device-busy'] as const),
];

/** Tags that are named one by one; the rest is counted. */
const NAMED = 8;

/** The id of a device's instrument alarm: `press-1:instrument`, which no alarm of the file can have. */
function instrumentIdOf(device: string): string {
  return `${device}:instrument`;
}

/**
 * One alarm for each device that has a tag which alarms watch, or whose tag is the gate of one: a dead device is one
 * fault, however many alarms it silences. Of a computed tag the inputs are watched, too, and it only among them. The alarm is as important
 * as the most important of those it is for, waits as long as the quickest of them may, and needs no acknowledgement. It
 * has a gate only where all of them share one that is read from another device. An alarm on stale readings tells of a
 * dead instrument by itself.
 *
 * @param inputsOf the tags a computed tag is computed from; empty of one that is read
 */
export function instrumentAlarms(
  alarms: readonly AlarmConfig[],
  inputsOf: (tag: TagId) => readonly TagId[],
): AlarmConfig[] {
  const read = (tag: TagId): TagId[] => {
    const inputs = inputsOf(tag);
    const device = splitTagId(tag)?.device;
    const isOwn = inputs.length === 0 || inputs.some((input) => splitTagId(input)?.device === device);
    return [...inputs.flatMap(read), ...(isOwn ? [tag] : [])];
  };
  const byDevice = new Map<string, { readonly tags: Set<TagId>; readonly alarms: Set<AlarmConfig> }>();
  for (const alarm of alarms) {
    const own = alarm.condition.kind === 'stale' ? [] : read(alarm.tag);
    for (const tag of [...own, ...(alarm.while ? read(alarm.while.tag) : [])]) {
      const device = splitTagId(tag)?.device ?? tag;
      const watched = byDevice.get(device) ?? { tags: new Set(), alarms: new Set() };
      byDevice.set(device, watched);
      watched.tags.add(tag);
      watched.alarms.add(alarm);
    }
  }
  return [...byDevice].map(([device, watched]) => alarmFor(device, [...watched.tags], [...watched.alarms], read));
}

function alarmFor(
  device: string,
  tags: readonly TagId[],
  alarms: readonly AlarmConfig[],
  read: (tag: TagId) => readonly TagId[],
): AlarmConfig {
  const gates = alarms.map((alarm) => alarm.while);
  const [gate] = gates;
  const isShared = gates.every((other) => other?.tag === gate?.tag && other?.equals === gate?.equals);
  const isOwn = gate !== undefined && read(gate.tag).some((tag) => tags.includes(tag));
  return {
    id: instrumentIdOf(device),
    tag: tags[0]!,
    condition: { kind: 'instrument', device, tags },
    unit: undefined,
    deadband: 0,
    onDelayMs: Math.min(...alarms.map(({ onDelayMs }) => onDelayMs)),
    offDelayMs: 0,
    priority: PRIORITIES[Math.max(...alarms.map(({ priority }) => PRIORITIES.indexOf(priority)))]!,
    latch: false,
    ack: false,
    message: undefined,
    while: isShared && !isOwn ? gate : undefined,
    set: undefined,
    maxShelveMs: DEFAULT_MAX_SHELVE_MS,
  };
}

/** What the readings of one record change in the list; the same list when nothing. Empty: all read well. */
export function instrumentsAfter(before: readonly Instrument[], readings: readonly Reading[]): readonly Instrument[] {
  const after = new Map(before.map((one) => [one.tag, one]));
  let isChanged = false;
  for (const { tag, why } of readings.map((reading) => ({ tag: reading.tag, why: failureOf(reading) }))) {
    const known = after.get(tag);
    if (known ? known.why === why : why === undefined) continue;
    after.set(tag, why === undefined ? { tag } : { tag, why });
    isChanged = true;
  }
  if (!isChanged) return before;
  const list = [...after.values()];
  return list.some(({ why }) => why !== undefined) ? list : [];
}

/** Whether a sensor has failed that was not told of before: its failure is another fault than those that are told. */
export function isAnotherFault(before: readonly Instrument[], after: readonly Instrument[]): boolean {
  if (after === before) return false;
  const told = new Set(before.map(({ tag }) => tag));
  return after.some(({ tag, why }) => why !== undefined && !OF_THE_DEVICE.includes(why) && !told.has(tag));
}

/** `press-1 cannot be read (no connection): oil-temp, pressure` */
export function instrumentMessage(device: string, instruments: readonly Instrument[]): string {
  const byFailure = new Map<Failure, string[]>();
  for (const { tag, why } of instruments) {
    const name = splitTagId(tag)?.name ?? tag;
    if (why !== undefined) byFailure.set(why, [...(byFailure.get(why) ?? []), name]);
  }
  if (byFailure.size === 0) return `${device}: all instruments that alarms need can be read`;
  const parts = [...byFailure].map(([why, names]) => {
    const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
    const cause = why === 'not-connected' ? 'no connection' : FAILURES[why].means;
    return `(${cause}): ${names.slice(0, NAMED).join(', ')}${more}`;
  });
  return `${device} cannot be read ${parts.join('; ')}`;
}

/** Before the first read, and by hand out of service, an instrument has not failed. */
function failureOf(reading: Reading): Failure | undefined {
  if (reading.quality !== 'bad' || reading.why === 'waiting' || reading.why === 'out-of-service') return undefined;
  return reading.why;
}
