/** What is remembered of a machine's production between readings and across restarts. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { CounterState } from '../../core/counter.ts';
import type { CodedBy, ProductionConfig, ProductionDoubt, ProductionReport } from '../../core/production/production.ts';
import type { TagId } from '../../core/reading.ts';
import type { Parts } from '../rule.ts';
import type { ShiftSpan } from './shifts.ts';

/** What the machine does, as far as it is known. */
export type Doing = 'run' | 'stop' | 'unknown';

/** A stop. Times are UTC ms; `ms` is what was counted of it in the shift that runs, `beforeMs` in shifts before. */
export interface Stop {
  /** 0 while it may still be no more than the time between two pieces. */
  readonly n: number;
  readonly fromMs: number;
  /** Where it begins in this shift; null before anything of it was counted there. */
  readonly partMs: number | null;
  readonly toMs: number;
  readonly ms: number;
  readonly beforeMs: number;
  /** Whether it is longer than a micro-stop. */
  readonly isLong: boolean;
  readonly code: string | null;
  readonly by: CodedBy | null;
}

/** Stops that the list has no room for, as sums. */
export interface Folded {
  readonly microStops: number;
  readonly microStopMs: number;
  readonly failures: number;
  readonly unplannedMs: number;
  readonly unknownMs: number;
  readonly setupMs: number;
  readonly plannedMs: number;
}

/** What was counted in an hour: of both counters. */
interface HourTally {
  readonly count: number;
  readonly second: number;
}

/** What was counted in a shift. */
export interface Tally {
  readonly noDataMs: number;
  readonly count: number;
  /** Of the counter of good parts, or of rejects. */
  readonly second: number;
  /** The ideal cycle; null: not known yet, or there were several. */
  readonly idealMs: number | null;
  /** Parts counted with an ideal cycle, and the sum of these cycles, ms. */
  readonly timed: number;
  readonly timedMs: number;
  readonly kwh: number | null;
  /** What the kWh cost. */
  readonly cost: number;
  /** Parts, and good ones or rejects, of each hour since the shift began. */
  readonly hours: readonly HourTally[];
  readonly job: string | null;
  readonly hasOneJob: boolean;
  readonly folded: Folded;
  readonly uncertain: readonly ProductionDoubt[];
}

/** A counter as it was last read; `isOld`: before the start, so that its time is only known by the wall clock. */
export interface Counting {
  readonly state: CounterState;
  readonly atWallMs: number;
  readonly isOld?: boolean | undefined;
}

/** The state of one machine; JSON. */
export interface ProductionState {
  /** What its counters are; another configuration starts them anew. */
  readonly series: string;
  /** Up to when its time is accounted for, UTC ms; null before the first reading. */
  readonly atMs: number | null;
  readonly doing: Doing;
  /** The shift that runs; the one that comes next where none does. */
  readonly shift: ShiftSpan | null;
  readonly next: ShiftSpan | null;
  readonly tally: Tally;
  readonly open: Stop | null;
  /** Stops of the shift that are over. */
  readonly stops: readonly Stop[];
  /** Of the last shift that is over. */
  readonly last: ProductionReport | null;
  /** Number of the last stop. */
  readonly n: number;
  readonly job: string | null;
  readonly idealTagMs: number | null;
  /** What the tag with the reason says. */
  readonly code: string | null;
  /** Alarms that give reasons: until when each was active, UTC ms; null: it is. */
  readonly alarms: Readonly<Record<string, number | null>>;
  readonly counters: Readonly<Record<TagId, Counting>>;
  readonly meterKwh: number | null;
  /** When the meter was read last, UTC ms. */
  readonly meterAtMs: number | null;
  /** What was used, what it cost, and how long, since the last shift ended. */
  readonly base: { readonly kwh: number; readonly cost: number; readonly ms: number };
  /** Not kept: when each tag was last read, monotonic, and the instant of the last reading that counts. */
  readonly seenMonoMs: Readonly<Record<TagId, number>>;
  readonly known: { readonly wallMs: number; readonly monoMs: number | null } | null;
}

export const NOTHING_FOLDED: Folded = {
  microStops: 0,
  microStopMs: 0,
  failures: 0,
  unplannedMs: 0,
  unknownMs: 0,
  setupMs: 0,
  plannedMs: 0,
};

/** Nothing used between two shifts. */
export const NO_BASE: ProductionState['base'] = { kwh: 0, cost: 0, ms: 0 };

/** The tally of a shift that begins. */
export function freshTally(job: string | null, hasMeter: boolean): Tally {
  return {
    noDataMs: 0,
    count: 0,
    second: 0,
    idealMs: null,
    timed: 0,
    timedMs: 0,
    kwh: hasMeter ? 0 : null,
    cost: 0,
    hours: [],
    job,
    hasOneJob: true,
    folded: NOTHING_FOLDED,
    uncertain: [],
  };
}

/** The state of a machine that was never read; numbers of stops go on from `n`. */
export function initialState(config: ProductionConfig, n = 0): ProductionState {
  return {
    series: seriesOf(config),
    atMs: null,
    doing: 'unknown',
    shift: null,
    next: null,
    tally: freshTally(null, config.energy !== undefined),
    open: null,
    stops: [],
    last: null,
    n,
    job: null,
    idealTagMs: null,
    code: null,
    alarms: {},
    counters: {},
    meterKwh: null,
    meterAtMs: null,
    base: NO_BASE,
    seenMonoMs: {},
    known: null,
  };
}

function seriesOf({ count, second, running, energy }: ProductionConfig): string {
  return JSON.stringify([count, second ?? null, running ?? null, energy?.tag ?? null]);
}

const whole = lazily(() => z.int().min(0));
const span = lazily(() =>
  z.strictObject({
    name: z.string(),
    fromMs: z.number(),
    toMs: z.number(),
    breaks: z.array(z.tuple([z.number(), z.number()])),
  }),
);
const stop = lazily(() =>
  z.strictObject({
    n: whole(),
    fromMs: z.number(),
    partMs: z.number().nullable(),
    toMs: z.number(),
    ms: z.number().min(0),
    beforeMs: z.number().min(0),
    isLong: z.boolean(),
    code: z.string().nullable(),
    by: z.enum(['alarm', 'tag', 'person']).nullable(),
  }),
);
const tally = lazily(() =>
  z.strictObject({
    noDataMs: z.number().min(0),
    count: z.number(),
    second: z.number(),
    idealMs: z.number().nullable(),
    timed: z.number(),
    timedMs: z.number(),
    kwh: z.number().nullable(),
    cost: z.number().default(0),
    hours: z.array(z.strictObject({ count: z.number(), second: z.number() })).default([]),
    job: z.string().nullable(),
    hasOneJob: z.boolean(),
    folded: z.strictObject({
      microStops: whole(),
      microStopMs: whole(),
      failures: whole(),
      unplannedMs: whole(),
      unknownMs: whole(),
      setupMs: whole(),
      plannedMs: whole(),
    }),
    uncertain: z.array(z.custom<ProductionDoubt>((word) => typeof word === 'string')),
  }),
);
const counterState = lazily(() =>
  z.strictObject({
    value: z.number(),
    atMs: z.number(),
    fastest: z.number(),
    counted: whole(),
    rejected: z.strictObject({ value: z.number(), atMs: z.number() }).optional(),
  }),
);
const movingSchema = lazily(() =>
  z.strictObject({
    series: z.string(),
    atMs: z.number().nullable(),
    doing: z.enum(['run', 'stop', 'unknown']),
    shift: span().nullable(),
    next: span().nullable(),
    tally: tally(),
    open: stop().nullable(),
    n: whole(),
    job: z.string().nullable(),
    idealTagMs: z.number().nullable(),
    code: z.string().nullable(),
    alarms: z.record(z.string(), z.number().nullable()),
    counters: z.record(
      z.string(),
      z.strictObject({ state: counterState(), atWallMs: z.number(), isOld: z.boolean().optional() }),
    ),
    meterKwh: z.number().nullable(),
    meterAtMs: z.number().nullable().default(null),
    base: z.strictObject({ kwh: z.number(), cost: z.number().default(0), ms: z.number() }),
  }),
);
const frozenSchema = lazily(() =>
  z.object({
    stops: z.array(stop()),
    last: z.custom<ProductionReport>((report) => typeof report === 'object').nullable(),
  }),
);

/** The moving part is written this often while nothing but time passes: so much has no data after a power cut at most. */
const MOVING_EVERY_MS = 10_000;

/** The parts of a state that are worth writing: the stops of the shift when there is one more, the rest as it moves. */
export function partsOf(state: ProductionState, saved: ProductionState | undefined): Parts {
  const { stops, last, seenMonoMs: _seen, known: _known, ...moving } = state;
  const frozen = { series: state.series, stops, last };
  if (!saved) return { moving, frozen };
  const isFrozen = stops === saved.stops && last === saved.last;
  const isStill =
    isFrozen &&
    state.shift === saved.shift &&
    (state.doing === 'unknown') === (saved.doing === 'unknown') &&
    state.open?.n === saved.open?.n &&
    state.open?.isLong === saved.open?.isLong &&
    state.open?.code === saved.open?.code &&
    state.job === saved.job &&
    state.alarms === saved.alarms &&
    saved.atMs !== null &&
    Math.abs((state.atMs ?? 0) - saved.atMs) < MOVING_EVERY_MS;
  return { ...(isStill ? {} : { moving }), ...(isFrozen ? {} : { frozen }) };
}

/**
 * The state to go on with after a restart. What cannot be read, or is of other counters, gives the initial one, with the
 * numbers of stops going on.
 */
export function restoreState(config: ProductionConfig, stored: unknown, frozen: unknown): ProductionState {
  const read = movingSchema().safeParse(stored);
  const rest = frozenSchema().safeParse(frozen);
  if (!read.success || read.data.series !== seriesOf(config)) return initialState(config, numberIn(stored));
  const { stops, last } = rest.success ? rest.data : { stops: [], last: null };
  const counters = Object.entries(read.data.counters).map(([tag, each]) => [tag, { ...each, isOld: true }]);
  const { atMs } = read.data;
  return {
    ...read.data,
    stops,
    last,
    counters: Object.fromEntries(counters),
    seenMonoMs: {},
    known: atMs === null ? null : { wallMs: atMs, monoMs: null },
  };
}

function numberIn(stored: unknown): number {
  const read = z.object({ n: whole() }).safeParse(stored);
  return read.success ? read.data.n : 0;
}
