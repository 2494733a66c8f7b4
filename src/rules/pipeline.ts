/** The way of one record through the rules: derived tags, judgement, report by exception. */
import { type DeviceRecord, type Instant, type Reading, readingAt, splitTagId, type TagId } from '../core/reading.ts';
import type { Derivation } from './derivation.ts';
import { DueQueue } from './due-queue.ts';
import { type Demand, Outputs } from './outputs.ts';
import type { ReportFilter } from './report.ts';
import type { Command, Finding, Order, Rule, Step, Tick } from './rule.ts';

/** A finding with when it was made: that of a timer when the timer fell due, not when it was noticed. */
interface DatedFinding {
  readonly finding: Finding;
  readonly at: Instant;
  readonly clockKnown: boolean;
}

/**
 * What a record or the passing of time led to: everything of it is committed in one transaction. Events come in the
 * order they happened, then at most one value for each output.
 */
export interface Judged {
  /** What was read and computed. */
  readonly readings: readonly DeviceRecord[];
  /** What is stored of it: that which is news. */
  readonly records: readonly DeviceRecord[];
  readonly findings: readonly DatedFinding[];
  /** States that changed, by key of the store. They are immutable; written as JSON when they are committed. */
  readonly states: ReadonlyMap<string, unknown>;
}

/** What an order led to. `refused`: why nothing was done, and what to do instead. */
type Commanded = Judged & { readonly refused: string | undefined };

interface Live {
  readonly rule: Rule;
  readonly hasSeveralTags: boolean;
  state: unknown;
  /** The part of `state` that was last handed out to be committed; of a rule with `parts` the whole state. */
  kept: unknown;
  /** When it waits to be called; undefined when it does not. */
  wakeMs: number | undefined;
}

/** A tag that rules look at, by its place in a record. */
interface JudgedTag {
  readonly place: number;
  readonly users: readonly Live[];
}

/** What the rules said so far of one input. */
interface Verdict {
  readonly findings: { readonly finding: Finding; readonly at: Instant }[];
  readonly states: Map<string, unknown>;
}

const NO_STATES: ReadonlyMap<string, unknown> = new Map();

/**
 * Computes derived tags, runs every rule over every reading, in the order they were configured, and then leaves out what
 * is not news. Timers that fall due up to a reading come before it, in the order they fall due. Holds the states of the
 * rules; does no I/O and reads no clock. The first `tick` is due at once: restored timers begin there.
 */
export class Pipeline {
  private readonly filter: ReportFilter;
  private readonly derivation: Derivation | undefined;
  private readonly byId = new Map<string, Live>();
  private readonly byTag = new Map<TagId, Live[]>();
  /** The tags that have rules, of a list of names, which the records of a device share. */
  private readonly byNames = new WeakMap<readonly string[], { readonly device: string; readonly tags: JudgedTag[] }>();
  /** Devices of which some tag has a rule: records of the others are not looked into. */
  private readonly judgedDevices = new Set<string>();
  /** Rules that want to hear of alarms, by the alarm. */
  private readonly byAlarm = new Map<string, Live[]>();
  private readonly due = new DueQueue<Live>();
  private outputs = new Outputs();

  /** @param stored states as they were committed last, JSON texts by rule id */
  constructor(
    rules: readonly Rule[],
    filter: ReportFilter,
    stored: ReadonlyMap<string, string>,
    derivation?: Derivation,
  ) {
    this.filter = filter;
    this.derivation = derivation;
    for (const rule of rules) {
      const state = restored(rule, stored.get(rule.id), stored.get(frozenKey(rule.id)));
      const wakeMs = Number.NEGATIVE_INFINITY;
      const hasSeveralTags = rule.tags.length > 1 || rule.stepRecord !== undefined;
      const live: Live = { rule, hasSeveralTags, state, kept: keptOf(rule, state), wakeMs };
      this.byId.set(rule.id, live);
      this.due.set(live, wakeMs);
      for (const tag of rule.tags) {
        const others = this.byTag.get(tag) ?? [];
        others.push(live);
        this.byTag.set(tag, others);
        this.judgedDevices.add(splitTagId(tag)?.device ?? tag);
      }
      for (const alarm of rule.alarms ?? []) this.byAlarm.set(alarm, [...(this.byAlarm.get(alarm) ?? []), live]);
    }
  }

  /**
   * Goes on where another pipeline stands, which must not be used any more: the rules named in `same` as they are, their
   * timers with them; what was reported, and what drives the outputs.
   *
   * @param released outputs that rules held which are no more: what they go back to
   * @returns what the outputs have to be set to now
   */
  takeOver(before: Pipeline, same: ReadonlySet<string>, released: readonly Demand[]): readonly Demand[] {
    for (const id of same) {
      const from = before.byId.get(id);
      const to = this.byId.get(id);
      if (!from || !to) continue;
      to.state = from.state;
      to.kept = from.kept;
      to.wakeMs = from.wakeMs;
      this.due.set(to, from.wakeMs);
    }
    this.filter.takeOver(before.filter);
    this.outputs = before.outputs;
    return released.flatMap((demand) => this.outputs.demand(demand) ?? []);
  }

  /** Every rule's state as it would be read from the store, JSON texts by rule id. */
  texts(): Map<string, string> {
    const texts = [...this.byId].flatMap(([id, { rule, kept, state }]): [string, string][] => {
      if (!rule.parts) return [[id, JSON.stringify(kept)]];
      const { moving, frozen } = rule.parts(state, undefined);
      return [
        [id, JSON.stringify(moving)],
        [frozenKey(id), JSON.stringify(frozen)],
      ];
    });
    return new Map([...texts, ...(this.derivation?.texts() ?? [])]);
  }

  /** Judges one record. */
  accept(record: DeviceRecord): Judged {
    const derived = this.derivation?.accept(record) ?? { records: [record], states: NO_STATES };
    const readings = derived.records;
    const records = this.filter.news(readings);
    if (this.byTag.size === 0) return { readings, records, findings: [], states: derived.states };
    const verdict: Verdict = { findings: [], states: new Map(derived.states) };
    this.passTime(record.at, verdict, record.clockKnown);
    for (const each of readings) this.judge(each, verdict);
    return { readings, records, ...this.told(verdict, record.at, record.clockKnown) };
  }

  /** Tells the rules whose timers fell due up to `at`, each at the time it fell due. */
  tick(at: Instant, clockKnown: boolean): Judged {
    const verdict: Verdict = { findings: [], states: new Map() };
    this.passTime(at, verdict, clockKnown);
    return { readings: [], records: [], ...this.told(verdict, at, clockKnown) };
  }

  /**
   * Gives an operator's order to the rule of this id.
   *
   * @param by who gave it, as it goes into the journal
   */
  command(id: string, order: Order, by: string, at: Instant, clockKnown: boolean, comment?: string): Commanded {
    const verdict: Verdict = { findings: [], states: new Map() };
    this.passTime(at, verdict, clockKnown);
    const live = this.byId.get(id);
    let refused: string | undefined;
    if (!live?.rule.command)
      refused = live ? `${id} takes no orders: it is no alarm` : `there is no alarm ${id}: see "millgate alarms"`;
    else {
      const given = comment === undefined ? {} : { comment };
      const command: Command = { kind: 'command', by, ...given, monoMs: at.monoMs, wallMs: at.wallMs, ...order };
      const step = live.rule.command(live.state, command);
      this.take(live, step, at, verdict);
      refused = step.refused;
    }
    return { readings: [], records: [], ...this.told(verdict, at, clockKnown), refused };
  }

  /** Changes the state of a rule by something that is not of every rule, such as a new baseline. */
  change(
    id: string,
    work: (state: unknown) => (Step<unknown> & { readonly refused?: undefined }) | { readonly refused: string },
    at: Instant,
    clockKnown: boolean,
  ): Commanded {
    const verdict: Verdict = { findings: [], states: new Map() };
    this.passTime(at, verdict, clockKnown);
    const live = this.byId.get(id);
    const step = live ? work(live.state) : { refused: `there is no rule ${id}` };
    if (live && step.refused === undefined) this.take(live, step as Step<unknown>, at, verdict);
    return { readings: [], records: [], ...this.told(verdict, at, clockKnown), refused: step.refused };
  }

  /** The state of a rule as it is now; undefined when there is none of this id. */
  stateOf(id: string): unknown {
    return this.byId.get(id)?.state;
  }

  /** When `tick` is wanted next, on the monotonic clock; undefined when no rule waits. */
  nextWakeMs(): number | undefined {
    return this.due.nextMs;
  }

  /** Lets timers fall due, in their order, up to and with `at`. */
  private passTime(at: Instant, verdict: Verdict, clockKnown: boolean): void {
    for (let dueMs = this.due.nextMs; dueMs !== undefined && dueMs <= at.monoMs; dueMs = this.due.nextMs) {
      const isStart = dueMs === Number.NEGATIVE_INFINITY;
      const then: Instant = isStart ? at : { monoMs: dueMs, wallMs: Math.round(at.wallMs - (at.monoMs - dueMs)) };
      const tick: Tick = { kind: 'tick', monoMs: then.monoMs, wallMs: then.wallMs, clockKnown };
      for (const live of this.due.takeDue(dueMs)) {
        live.wakeMs = undefined;
        this.take(live, live.rule.step(live.state, tick), then, verdict);
      }
    }
  }

  /** Rules that look at one tag first, then those that look at several. */
  private judge(record: DeviceRecord, verdict: Verdict): void {
    if (!this.judgedDevices.has(record.device)) return;
    const readings: Reading[] = [];
    let ofSeveralTags: Set<Live> | undefined;
    let together: Map<Live, Reading[]> | undefined;
    for (const { place, users } of this.judgedOf(record)) {
      const reading = readingAt(record, place);
      readings.push(reading);
      for (const live of users) {
        if (!live.hasSeveralTags) {
          this.step(live, reading, verdict);
          continue;
        }
        if (live.rule.stepRecord) {
          together ??= new Map();
          const own = together.get(live);
          if (own) own.push(reading);
          else together.set(live, [reading]);
          continue;
        }
        ofSeveralTags ??= new Set();
        ofSeveralTags.add(live);
      }
    }
    for (const live of ofSeveralTags ?? []) {
      for (const tag of live.rule.tags) {
        for (const reading of readings) if (reading.tag === tag) this.step(live, reading, verdict);
      }
    }
    for (const [live, own] of together ?? [])
      this.take(live, live.rule.stepRecord!(live.state, own, record.clockKnown), record.at, verdict);
  }

  /** The tags of a record that rules look at; nothing is made of the others. */
  private judgedOf({ device, fields: { names } }: DeviceRecord): readonly JudgedTag[] {
    let known = this.byNames.get(names);
    if (known?.device !== device) {
      const tags = names.flatMap((name, place): JudgedTag[] => {
        const users = this.byTag.get(`${device}/${name}`);
        return users ? [{ place, users }] : [];
      });
      known = { device, tags };
      this.byNames.set(names, known);
    }
    return known.tags;
  }

  private step(live: Live, reading: Reading, verdict: Verdict): void {
    this.take(live, live.rule.step(live.state, reading), reading, verdict);
  }

  private take(live: Live, step: Step<unknown>, at: Instant, verdict: Verdict): void {
    this.adopt(live, step, at, verdict);
    for (const finding of step.findings) this.tellListeners(finding, at, verdict);
  }

  /** Lets those rules hear of an alarm that want to. */
  private tellListeners(finding: Finding, at: Instant, verdict: Verdict): void {
    if (finding.kind !== 'event' || finding.body.kind !== 'alarm') return;
    const { id, state } = finding.body;
    const isActive = state === 'unacked' || state === 'acked';
    for (const live of this.byAlarm.get(id) ?? [])
      this.adopt(live, live.rule.heard!(live.state, id, isActive, at), at, verdict);
  }

  private adopt(live: Live, step: Step<unknown>, at: Instant, { findings, states }: Verdict): void {
    // A rule that asks for a time that has passed is asked again a little later, not for ever now.
    const { wakeAtMonoMs } = step;
    const wakeMs = wakeAtMonoMs === undefined ? undefined : Math.max(wakeAtMonoMs, at.monoMs + 0.001);
    if (wakeMs !== live.wakeMs) {
      live.wakeMs = wakeMs;
      this.due.set(live, wakeMs);
    }
    for (const finding of step.findings) findings.push({ finding, at });
    if (step.state === live.state) return;
    live.state = step.state;
    if (live.rule.parts) {
      const { moving, frozen } = live.rule.parts(step.state, live.kept);
      if (moving !== undefined || frozen !== undefined) live.kept = step.state;
      if (moving !== undefined) states.set(live.rule.id, moving);
      if (frozen !== undefined) states.set(frozenKey(live.rule.id), frozen);
      return;
    }
    const kept = keptOf(live.rule, step.state);
    if (kept === live.kept) return;
    live.kept = kept;
    states.set(live.rule.id, kept);
  }

  private told(
    { findings: all, states }: Verdict,
    at: Instant,
    clockKnown: boolean,
  ): Pick<Judged, 'findings' | 'states'> {
    const findings: DatedFinding[] = [];
    const writes = new Map<TagId, Finding>();
    for (const { finding, at: then } of all) {
      if (finding.kind !== 'set') {
        const { wallMs, monoMs } = then;
        findings.push({ finding, at: { wallMs, monoMs }, clockKnown });
        continue;
      }
      const write = this.outputs.demand(finding);
      if (write) writes.set(write.tag, write);
    }
    for (const finding of writes.values()) findings.push({ finding, at, clockKnown });
    return { findings, states };
  }
}

function keptOf(rule: Rule, state: unknown): unknown {
  return rule.kept ? rule.kept(state) : state;
}

/** The key of the part of a state that changes now and then only. */
function frozenKey(id: string): string {
  return `${id}:frozen`;
}

/** A stored state that cannot be read is as good as none; the rule decides. */
function restored(rule: Rule, stored: string | undefined, frozen: string | undefined): unknown {
  if (stored === undefined) return rule.initial;
  try {
    return rule.restore(JSON.parse(stored), frozen === undefined ? undefined : JSON.parse(frozen));
  } catch {
    return rule.initial;
  }
}
