import { type DeviceRecord, type Instant, type Reading, readingsOf, type TagId } from '../core/reading.ts';
import type { ReportFilter } from './report.ts';
import type { Finding, Rule, Tick } from './rule.ts';

/** What a record or the passing of time led to: everything of it is committed in one transaction. */
export interface Judged {
  /** What is stored of the record; undefined when nothing of it is news. */
  readonly record: DeviceRecord | undefined;
  readonly findings: readonly { readonly finding: Finding; readonly at: Instant; readonly clockKnown: boolean }[];
  /** States that changed, as JSON texts by rule id. */
  readonly states: ReadonlyMap<string, string>;
}

interface Live {
  readonly rule: Rule;
  state: unknown;
  wakeAtMonoMs: number | undefined;
}

const NO_STATES: ReadonlyMap<string, string> = new Map();

/**
 * Runs every rule over every reading, in the order they were configured, and then leaves out what is not news. Holds
 * the states of the rules; does no I/O and reads no clock.
 */
export class Pipeline {
  private readonly filter: ReportFilter;
  private readonly live: Live[];
  private readonly byTag = new Map<TagId, Live[]>();

  /** @param stored states as they were committed last, JSON texts by rule id */
  constructor(rules: readonly Rule[], filter: ReportFilter, stored: ReadonlyMap<string, string>) {
    this.filter = filter;
    this.live = rules.map((rule) => ({ rule, state: restored(rule, stored.get(rule.id)), wakeAtMonoMs: undefined }));
    for (const live of this.live) {
      for (const tag of live.rule.tags) {
        const others = this.byTag.get(tag) ?? [];
        others.push(live);
        this.byTag.set(tag, others);
      }
    }
  }

  /** Judges one record. */
  accept(record: DeviceRecord): Judged {
    const kept = this.filter.filter(record);
    if (this.byTag.size === 0) return { record: kept, findings: [], states: NO_STATES };
    const findings: Finding[] = [];
    const states = new Map<string, string>();
    for (const reading of readingsOf(record)) {
      for (const live of this.byTag.get(reading.tag) ?? []) this.step(live, reading, findings, states);
    }
    return judged(kept, findings, record.at, record.clockKnown, states);
  }

  /** Tells the rules whose timers fell due at `at`. */
  tick(at: Instant, clockKnown: boolean): Judged {
    const findings: Finding[] = [];
    const states = new Map<string, string>();
    const tick: Tick = { kind: 'tick', monoMs: at.monoMs, wallMs: at.wallMs };
    for (const live of this.live) {
      if (live.wakeAtMonoMs !== undefined && live.wakeAtMonoMs <= at.monoMs) this.step(live, tick, findings, states);
    }
    return judged(undefined, findings, at, clockKnown, states);
  }

  /** When `tick` is wanted next, on the monotonic clock; undefined when no rule waits. */
  nextWakeMs(): number | undefined {
    let earliest: number | undefined;
    for (const { wakeAtMonoMs } of this.live) {
      if (wakeAtMonoMs !== undefined && (earliest === undefined || wakeAtMonoMs < earliest)) earliest = wakeAtMonoMs;
    }
    return earliest;
  }

  private step(live: Live, input: Reading | Tick, findings: Finding[], states: Map<string, string>): void {
    const step = live.rule.step(live.state, input);
    live.wakeAtMonoMs = step.wakeAtMonoMs;
    findings.push(...step.findings);
    if (step.state === live.state) return;
    live.state = step.state;
    states.set(live.rule.id, JSON.stringify(step.state));
  }
}

function judged(
  record: DeviceRecord | undefined,
  findings: readonly Finding[],
  at: Instant,
  clockKnown: boolean,
  states: ReadonlyMap<string, string>,
): Judged {
  return { record, findings: findings.map((finding) => ({ finding, at, clockKnown })), states };
}

/** A stored state that cannot be read is as good as none; the rule decides. */
function restored(rule: Rule, stored: string | undefined): unknown {
  if (stored === undefined) return rule.initial;
  try {
    return rule.restore(JSON.parse(stored));
  } catch {
    return rule.initial;
  }
}
