/** How well the alarms serve the operator: floods, chattering, stale alarms, and which came first. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { AlarmState, EventBody } from '../../core/event.ts';
import { type Instant, splitTagId } from '../../core/reading.ts';
import type { AlarmStatus } from './describe.ts';

/** Chattering: so many annunciations of one alarm within so long (ISA-18.2 / EEMUA 191). */
const CHATTERING = { count: 3, windowMs: 60_000 };

/** Flood: begins above so many annunciations in the window, ends below so few (ISA-18.2 / EEMUA 191). */
const FLOOD = { above: 10, below: 5, windowMs: 600_000 };

/** Stale: active for longer than this without a break (ISA-18.2 / EEMUA 191). */
const STALE_MS = 86_400_000;

/** A window never holds more than this; a flood is one long before. */
const MAX_WINDOW = 4096;

type AlarmEvent = Extract<EventBody, { kind: 'alarm' }>;

/** The alarms of one device that stand (are not normal), in their order, and the one that stood first. */
interface Standing {
  readonly first: string;
  readonly ids: readonly string[];
}

/** How well the alarms serve the operator, kept from their events. Times are of one clock, any one, in ms. */
export interface AlarmMeasures {
  /** Annunciations within the flood window, oldest first. */
  readonly recent: readonly { readonly id: string; readonly atMs: number }[];
  readonly flood: { readonly sinceMs: number } | undefined;
  readonly standing: ReadonlyMap<string, Standing>;
}

/** Under which key of the store the measures are kept. */
export const MEASURES_KEY = 'alarm-measures';

/** So many annunciations are kept for a restart: enough for a flood to go on, and few enough to be written at each. */
const KEPT_ANNUNCIATIONS = 64;

const keptSchema = lazily(() =>
  z.object({
    recent: z.array(z.object({ id: z.string(), wallMs: z.number() })).max(KEPT_ANNUNCIATIONS),
    floodSinceWallMs: z.number().optional(),
    /** The alarm that stood first, by device. */
    first: z.record(z.string(), z.string()),
  }),
);

/** What outlives a restart, JSON; times by the wall clock. `at`: now, on the clock of the measures and on the wall. */
export function keptMeasures(
  { recent, flood, standing }: AlarmMeasures,
  at: Instant,
): z.infer<ReturnType<typeof keptSchema>> {
  const wall = (atMs: number): number => Math.round(at.wallMs - (at.monoMs - atMs));
  return {
    recent: recent.slice(-KEPT_ANNUNCIATIONS).map(({ id, atMs }) => ({ id, wallMs: wall(atMs) })),
    ...(flood && { floodSinceWallMs: wall(flood.sinceMs) }),
    first: Object.fromEntries([...standing].map(([device, { first }]) => [device, first])),
  };
}

/**
 * The measures to go on with after a restart, at `at`.
 *
 * @param stored as {@link keptMeasures} gave it, JSON text; measures begin anew from what cannot be read
 * @param alarms as their restored states say; they decide what stands
 */
export function restoredMeasures(
  stored: string | undefined,
  alarms: readonly AlarmStatus[],
  at: Instant,
): AlarmMeasures {
  const kept = keptOf(stored);
  // A wall clock that was set back makes nothing younger than now.
  const mono = (wallMs: number): number => at.monoMs - Math.max(0, at.wallMs - wallMs);
  const standing = new Map<string, Standing>();
  for (const { id, tag, state } of [...alarms].sort((a, b) => (a.sinceMs ?? 0) - (b.sinceMs ?? 0))) {
    const device = splitTagId(tag)?.device;
    if (device === undefined || !STANDING.includes(state)) continue;
    const ids = [...(standing.get(device)?.ids ?? []), id];
    const first = kept?.first[device];
    standing.set(device, { first: first === undefined ? ids[0]! : first, ids });
  }
  const recent = (kept?.recent ?? []).map(({ id, wallMs }) => ({ id, atMs: mono(wallMs) }));
  const floodSince = kept?.floodSinceWallMs;
  const flood = floodSince === undefined ? undefined : { sinceMs: mono(floodSince) };
  return measuresAt({ recent, flood, standing }, at.monoMs);
}

function keptOf(stored: string | undefined): z.infer<ReturnType<typeof keptSchema>> | undefined {
  try {
    return stored === undefined ? undefined : keptSchema().safeParse(JSON.parse(stored)).data;
  } catch {
    return undefined;
  }
}

/** Takes in one alarm event. Every transition to `unacked` is an annunciation, and nothing else is. */
export function measure(measures: AlarmMeasures, event: AlarmEvent, atMs: number): AlarmMeasures {
  const passed = measuresAt(measures, atMs);
  const standing = stand(passed.standing, event);
  if (event.state !== 'unacked') return { ...passed, standing };
  const recent = [...passed.recent, { id: event.id, atMs }].slice(-MAX_WINDOW);
  const flood = passed.flood ?? (recent.length > FLOOD.above ? { sinceMs: atMs } : undefined);
  return { recent, flood, standing };
}

/** Lets time pass: annunciations leave the window when they are as old as it is, and a flood may end. */
export function measuresAt(measures: AlarmMeasures, nowMs: number): AlarmMeasures {
  const recent = measures.recent.filter(({ atMs }) => nowMs - atMs < FLOOD.windowMs);
  if (recent.length === measures.recent.length) return measures;
  return { ...measures, recent, flood: recent.length < FLOOD.below ? undefined : measures.flood };
}

/** The measures without those of alarms that are no more. */
export function measuresOf(measures: AlarmMeasures, isThere: (id: string) => boolean): AlarmMeasures {
  const standing = [...measures.standing].flatMap(([device, { first, ids }]): [string, Standing][] => {
    const left = ids.filter(isThere);
    return left.length === 0 ? [] : [[device, { first: isThere(first) ? first : left[0]!, ids: left }]];
  });
  return { ...measures, recent: measures.recent.filter(({ id }) => isThere(id)), standing: new Map(standing) };
}

/** Ids of the alarms that chatter: three annunciations within the last 60 s. */
export function chattering({ recent }: AlarmMeasures, nowMs: number): string[] {
  const counts = new Map<string, number>();
  for (const { id, atMs } of recent) if (nowMs - atMs <= CHATTERING.windowMs) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= CHATTERING.count).map(([id]) => id);
}

/** Alarms active for more than 24 h without a break; `nowMs` is UTC. */
export function staleAlarms(alarms: readonly AlarmStatus[], nowMs: number): AlarmStatus[] {
  return alarms.filter(({ active, sinceMs }) => active && sinceMs !== undefined && nowMs - sinceMs > STALE_MS);
}

/**
 * First-out: of each device the alarm that came first since nothing of it stood, by device. It stays the first until
 * all alarms of the device are normal again (or silenced), though it may itself be gone by then.
 */
export function firstOut({ standing }: AlarmMeasures): ReadonlyMap<string, string> {
  return new Map([...standing].map(([device, { first }]) => [device, first]));
}

function stand(standing: AlarmMeasures['standing'], { id, tag, state }: AlarmEvent): AlarmMeasures['standing'] {
  const device = tag === undefined ? undefined : splitTagId(tag)?.device;
  if (device === undefined) return standing;
  const before = standing.get(device);
  const others = before?.ids.filter((other) => other !== id) ?? [];
  const ids = STANDING.includes(state) ? [...others, id] : others;
  const after = new Map(standing);
  if (ids.length === 0) after.delete(device);
  else after.set(device, { first: before?.first ?? id, ids });
  return after;
}

const STANDING: readonly AlarmState[] = ['unacked', 'acked', 'returned-unacked', 'latched-unacked', 'latched-acked'];
