/** What an alarm remembers, and which part of it outlives a restart. */
import { z } from 'zod';
import type { AlarmConfig } from '../../core/alarm.ts';
import { lazily } from '../../core/checked.ts';
import type { AlarmState } from '../../core/event.ts';
import { FAILURES, type Failure } from '../../core/quality.ts';
import type { Instant, Reading } from '../../core/reading.ts';
import type { Sample } from './condition.ts';

const STATES = [
  'normal',
  'unacked',
  'acked',
  'returned-unacked',
  'latched-unacked',
  'latched-acked',
  'shelved',
  'suppressed',
  'out-of-service',
] as const satisfies readonly AlarmState[];

const failures = Object.keys(FAILURES) as [Failure, ...Failure[]];

const keptSchema = lazily(() =>
  z.object({
    state: z.enum(STATES),
    /** How often it was annunciated; names the present occurrence. */
    occurrence: z.int().min(0),
    /** Whether the condition holds, delays and deadband counted in; goes on in every state. */
    active: z.boolean(),
    /** When the condition that made it active began, UTC ms. */
    sinceWallMs: z.number().optional(),
    /** When it was last annunciated, UTC ms, and the value then; gone with the alarm. */
    raised: z.object({ wallMs: z.number(), value: z.union([z.number(), z.boolean()]) }).optional(),
    /** The delay that runs. */
    pending: z.enum(['on', 'off']).optional(),
    /** Whether its gate was closed when last read. */
    gated: z.boolean(),
    /** The value before, of an alarm on changes. */
    last: z.string().optional(),
    /** The state in which it was shelved or taken out of service. */
    before: z.enum(STATES).optional(),
    shelf: z.object({ untilWallMs: z.number(), forMs: z.number().min(0) }).optional(),
    /** Of an instrument alarm: the tags that failed since it came; see {@link Instrument}. */
    instruments: z.array(z.object({ tag: z.string(), why: z.enum(failures).optional() })).optional(),
    /** What is watched; with another tag or kind, values from before mean nothing. */
    watches: z.string(),
  }),
);

/** The part of an alarm's state that outlives a restart. */
export type KeptAlarm = Readonly<z.infer<ReturnType<typeof keptSchema>>>;

/** The part that does not: what was last read, and everything on the monotonic clock. */
export interface FleetingAlarm {
  /** False until the first input after the start: until then restored timers do not run. */
  readonly started: boolean;
  /** The last reading that was evaluated; later ones must be newer. */
  readonly reading: Reading | undefined;
  readonly gateMonoMs: number | undefined;
  readonly pendingSince: Instant | undefined;
  /** When a usable reading last came; undefined when that is too long ago. For `stale` only. */
  readonly freshMonoMs: number | undefined;
  readonly shelvedUntilMonoMs: number | undefined;
  /** For rates only. */
  readonly samples: readonly Sample[];
  /** Whether the output was last told to show the alarm; undefined before the first time. */
  readonly holding: boolean | undefined;
}

/** The state of an alarm rule. */
export interface AlarmRuleState {
  readonly kept: KeptAlarm;
  readonly now: FleetingAlarm;
}

const NOT_STARTED: FleetingAlarm = {
  started: false,
  reading: undefined,
  gateMonoMs: undefined,
  pendingSince: undefined,
  freshMonoMs: undefined,
  shelvedUntilMonoMs: undefined,
  samples: [],
  holding: undefined,
};

/** The state of an alarm that has never seen a reading. */
export function initialState(config: AlarmConfig): AlarmRuleState {
  const kept: KeptAlarm = { state: 'normal', occurrence: 0, active: false, gated: false, watches: watchesOf(config) };
  return { kept, now: NOT_STARTED };
}

/** The state to go on with after a restart; the initial one when `stored` cannot be read. */
export function restoredState(config: AlarmConfig, stored: unknown): AlarmRuleState {
  const parsed = keptSchema().safeParse(stored);
  if (!parsed.success) return initialState(config);
  const watches = watchesOf(config);
  if (parsed.data.watches === watches) return { kept: parsed.data, now: NOT_STARTED };
  if (config.condition.kind === 'instrument') {
    const { tags } = config.condition;
    const instruments = parsed.data.instruments?.filter(({ tag }) => tags.includes(tag));
    return { kept: { ...parsed.data, instruments, watches }, now: NOT_STARTED };
  }
  const { last: _last, pending: _pending, ...kept } = parsed.data;
  return { kept: { ...kept, watches }, now: NOT_STARTED };
}

function watchesOf({ tag, condition }: AlarmConfig): string {
  return condition.kind === 'instrument' ? `instrument ${condition.tags.join(' ')}` : `${condition.kind} ${tag}`;
}
