import { type DeviceRecord, type Instant, type Reading, readingsOf, type TagId } from '../core/reading.ts';
import { DueQueue } from './due-queue.ts';
import { Outputs } from './outputs.ts';
import type { ReportFilter } from './report.ts';
import type { Command, Finding, Order, Rule, Step, Tick } from './rule.ts';

/**
 * What a record or the passing of time led to: everything of it is committed in one transaction. Events come in the
 * order they happened, then at most one value for each output.
 */
export interface Judged {
  /** What is stored of the record; undefined when nothing of it is news. */
  readonly record: DeviceRecord | undefined;
  readonly findings: readonly { readonly finding: Finding; readonly at: Instant; readonly clockKnown: boolean }[];
  /** States that changed, as JSON texts by rule id. */
  readonly states: ReadonlyMap<string, string>;
}

/** What an order led to. `refused`: why nothing was done, and what to do instead. */
export type Commanded = Judged & { readonly refused: string | undefined };

interface Live {
  readonly rule: Rule;
  state: unknown;
  /** The part of `state` that was last handed out to be committed. */
  kept: unknown;
}

/** What the rules said so far of one input. */
interface Verdict {
  readonly findings: Finding[];
  readonly states: Map<string, string>;
}

const NO_STATES: ReadonlyMap<string, string> = new Map();

/**
 * Runs every rule over every reading, in the order they were configured, and then leaves out what is not news. Holds
 * the states of the rules; does no I/O and reads no clock. The first `tick` is due at once: restored timers begin there.
 */
export class Pipeline {
  private readonly filter: ReportFilter;
  private readonly byId = new Map<string, Live>();
  private readonly byTag = new Map<TagId, Live[]>();
  private readonly due = new DueQueue<Live>();
  private readonly outputs = new Outputs();

  /** @param stored states as they were committed last, JSON texts by rule id */
  constructor(rules: readonly Rule[], filter: ReportFilter, stored: ReadonlyMap<string, string>) {
    this.filter = filter;
    for (const rule of rules) {
      const state = restored(rule, stored.get(rule.id));
      const live: Live = { rule, state, kept: keptOf(rule, state) };
      this.byId.set(rule.id, live);
      this.due.set(live, Number.NEGATIVE_INFINITY);
      for (const tag of rule.tags) {
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
    const verdict: Verdict = { findings: [], states: new Map() };
    const readings = readingsOf(record);
    const ofSeveralTags = new Set<Live>();
    for (const reading of readings) {
      for (const live of this.byTag.get(reading.tag) ?? []) {
        if (live.rule.tags.length > 1) ofSeveralTags.add(live);
        else this.step(live, reading, verdict);
      }
    }
    for (const live of ofSeveralTags) {
      for (const tag of live.rule.tags) {
        for (const reading of readings) if (reading.tag === tag) this.step(live, reading, verdict);
      }
    }
    return this.judged(kept, verdict, record.at, record.clockKnown);
  }

  /** Tells the rules whose timers fell due at `at`. */
  tick(at: Instant, clockKnown: boolean): Judged {
    const verdict: Verdict = { findings: [], states: new Map() };
    const tick: Tick = { kind: 'tick', monoMs: at.monoMs, wallMs: at.wallMs };
    for (const live of this.due.takeDue(at.monoMs)) this.step(live, tick, verdict);
    return this.judged(undefined, verdict, at, clockKnown);
  }

  /**
   * Gives an operator's order to the rule of this id.
   *
   * @param by who gave it, as it goes into the journal
   */
  command(
    id: string,
    order: Order,
    by: string,
    at: Instant,
    clockKnown: boolean,
    comment?: string | undefined,
  ): Commanded {
    const verdict: Verdict = { findings: [], states: new Map() };
    const live = this.byId.get(id);
    if (!live?.rule.command) {
      const refused = live ? `${id} takes no orders: it is no alarm` : `there is no alarm ${id}: see "millgate alarms"`;
      return { ...this.judged(undefined, verdict, at, clockKnown), refused };
    }
    const { monoMs, wallMs } = at;
    const command: Command = {
      kind: 'command',
      by,
      ...(comment === undefined ? {} : { comment }),
      monoMs,
      wallMs,
      ...order,
    };
    const step = live.rule.command(live.state, command);
    this.take(live, step, verdict);
    return { ...this.judged(undefined, verdict, at, clockKnown), refused: step.refused };
  }

  /** The state of a rule as it is now; undefined when there is none of this id. */
  stateOf(id: string): unknown {
    return this.byId.get(id)?.state;
  }

  /** When `tick` is wanted next, on the monotonic clock; undefined when no rule waits. */
  nextWakeMs(): number | undefined {
    return this.due.nextMs;
  }

  private step(live: Live, input: Reading | Tick, verdict: Verdict): void {
    this.take(live, live.rule.step(live.state, input), verdict);
  }

  private take(live: Live, step: Step<unknown>, { findings, states }: Verdict): void {
    this.due.set(live, step.wakeAtMonoMs);
    for (const finding of step.findings) findings.push(finding);
    if (step.state === live.state) return;
    live.state = step.state;
    const kept = keptOf(live.rule, step.state);
    if (kept === live.kept) return;
    live.kept = kept;
    states.set(live.rule.id, JSON.stringify(kept));
  }

  private judged(record: DeviceRecord | undefined, verdict: Verdict, at: Instant, clockKnown: boolean): Judged {
    const findings: Finding[] = [];
    const writes = new Map<TagId, Finding>();
    for (const finding of verdict.findings) {
      if (finding.kind !== 'set') findings.push(finding);
      else {
        const write = this.outputs.demand(finding);
        if (write) writes.set(write.tag, write);
      }
    }
    findings.push(...writes.values());
    return { record, findings: findings.map((finding) => ({ finding, at, clockKnown })), states: verdict.states };
  }
}

function keptOf(rule: Rule, state: unknown): unknown {
  return rule.kept ? rule.kept(state) : state;
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
