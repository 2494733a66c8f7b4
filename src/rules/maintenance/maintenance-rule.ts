/** The rule of one item of maintenance, with what a technician can order. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { Instant } from '../../core/reading.ts';
import type { LimitMaintenance, MaintenanceConfig, MaintenanceReport } from '../../core/rules/maintenance.ts';
import type { Parts, Rule, Step } from '../rule.ts';
import {
  endLimit,
  freshLimit,
  KEPT_BASELINES,
  type LimitState,
  limitDone,
  limitReport,
  stepLimit,
} from './trend-to-limit.ts';
import { freshUsage, restoredUsage, stepUsage, type UsageState, usageDone, usageParts, usageReport } from './usage.ts';

/** Who says that the work was done, and what he notes. */
interface Asked {
  readonly by: string;
  readonly comment?: string | undefined;
}

/** The rule of an item, with its report. */
export interface MaintenanceRule<S = unknown> extends Rule<S> {
  /** The work was done: the interval or the trend begins anew. */
  done(state: S, at: Instant, asked: Asked): Step<S>;
  /** Ends the period that is gathered, as at the end of recorded data. */
  end(state: S, at: Instant): Step<S>;
  report(state: S): MaintenanceReport;
}

/** The rule of an item of maintenance. */
export function maintenanceRule(config: MaintenanceConfig): MaintenanceRule {
  const rule = config.kind === 'limit' ? limitRule(config) : usageRule(config);
  return rule as unknown as MaintenanceRule;
}

function usageRule(config: Exclude<MaintenanceConfig, LimitMaintenance>): MaintenanceRule<UsageState> {
  return {
    id: config.id,
    tags: [config.tag],
    initial: freshUsage(config),
    step: (state, input) => stepUsage(config, state, input),
    parts: usageParts,
    restore: (stored) => restoredUsage(config, stored),
    done: (state, at, asked) => usageDone(config, state, at, asked),
    end: (state) => ({ state, findings: [] }),
    report: (state) => usageReport(config, state),
  };
}

function limitRule(config: LimitMaintenance): MaintenanceRule<LimitState> {
  // Made of the means alone, from all pairs of them: once a period is enough, however often somebody asks.
  let made: { readonly of: LimitState['settled']; readonly report: MaintenanceReport } | undefined;
  const report = (state: LimitState): MaintenanceReport => {
    if (made?.of !== state.settled) made = { of: state.settled, report: limitReport(config, state) };
    return made.report;
  };
  return {
    id: config.id,
    tags: config.while ? [config.while.tag, config.tag] : [config.tag],
    initial: freshLimit(config),
    step: (state, input) => stepLimit(config, state, input),
    parts: limitParts,
    restore: (moving, frozen) => restoredLimit(config, moving, frozen),
    done: (state, at, asked) => limitDone(config, state, at, asked),
    end: (state, at) => endLimit(config, state, at),
    report,
  };
}

/** A period that is still open is written this often: so much of it is lost with the power at most. */
const OPEN_EVERY_MS = 60_000;

/** What of a limit is written: the means with each period, the period that is open now and then. */
function limitParts(state: LimitState, saved: LimitState | undefined): Parts {
  const { series, isOpen, open, settled } = state;
  const moving = { series, isOpen, open };
  const frozen = { series, ...settled };
  if (!saved) return { moving, frozen };
  const isStill = (state.seenMs ?? 0) - (saved.seenMs ?? 0) < OPEN_EVERY_MS;
  if (settled !== saved.settled) return { moving, frozen };
  return isStill ? {} : { moving };
}

const count = lazily(() => z.int().min(0));
const baseline = lazily(() => z.strictObject({ value: z.number(), samples: count(), atMs: z.number() }));
const movingSchema = lazily(() =>
  z.strictObject({
    series: z.string(),
    isOpen: z.boolean(),
    open: z.strictObject({ index: z.int(), count: count(), wallMs: z.number(), value: z.number() }).nullable(),
  }),
);
const frozenSchema = lazily(() =>
  z.strictObject({
    series: z.string(),
    means: z.array(z.tuple([z.number(), z.number()])).max(10_000),
    zone: z.enum(['A', 'B', 'C', 'D']).nullable(),
    state: z.enum(['ok', 'due', 'overdue']),
    isTrending: z.boolean(),
    collected: z.array(z.number()).max(10_000),
    baseline: baseline().nullable(),
    earlier: z.array(baseline()).max(KEPT_BASELINES),
  }),
);

/** The state to go on with after a restart; the gate is as it was until it is read again. */
function restoredLimit(config: LimitMaintenance, moving: unknown, frozen: unknown): LimitState {
  const initial = freshLimit(config);
  const kept = frozenSchema().safeParse(frozen);
  if (!kept.success || kept.data.series !== initial.series) return initial;
  const { series, ...settled } = kept.data;
  const read = movingSchema().safeParse(moving);
  if (!read.success || read.data.series !== series) return { ...initial, settled };
  const { isOpen, open } = read.data;
  return { ...initial, isOpen: config.while === undefined || isOpen, settled, open };
}
