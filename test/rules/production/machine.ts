/** A machine whose production is counted, on a clock of its own: readings in, events and reports out. */
import type { EventBody } from '../../../src/core/event.ts';
import type { ProductionConfig, ProductionReport } from '../../../src/core/production/production.ts';
import { type Field, Fields, type Value } from '../../../src/core/reading.ts';
import { pastReports, type Refusal } from '../../../src/rules/production/reasons.ts';
import type { ProductionState } from '../../../src/rules/production/state.ts';
import { createRuleSet, type RuleSet } from '../../../src/rules/rule-set.ts';

export const MIN = 60_000;
export const HOUR = 60 * MIN;

/** Monday 2026-11-30, 00:00 in London, which is UTC then. */
export const MONDAY = Date.UTC(2026, 10, 30);

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

/** A machine with a running signal, one shift a day from 06:00 to 14:00 and a break at 09:30. */
export function machineConfig(over: Partial<ProductionConfig> = {}): ProductionConfig {
  return {
    id: 'press-1',
    count: { tag: 'press-1/parts', modulus: undefined },
    second: { tag: 'press-1/rejects', modulus: undefined, counts: 'reject' },
    running: 'press-1/running',
    reason: 'press-1/code',
    job: 'press-1/job',
    idealCycle: { by: 'fixed', ms: 2000 },
    microStopMs: 5 * MIN,
    maxPerSecond: undefined,
    energy: { tag: 'press-1/kwh', tariff: [], currency: 'EUR' },
    targetPerSecond: undefined,
    timezone: 'Europe/London',
    shifts: [
      {
        name: 'early',
        days: EVERY_DAY,
        fromMin: 360,
        toMin: 840,
        breaks: [{ fromMin: 570, toMin: 585 }],
      },
    ],
    reasons: {
      '10': { name: 'jam', kind: 'unplanned' },
      '20': { name: 'changeover', kind: 'setup' },
      '30': { name: 'no order', kind: 'planned' },
    },
    reasonOf: [],
    silenceMs: 30_000,
    ...over,
  };
}

/** What a machine is told at one instant, by the name of the tag; undefined: a bad reading. */
export type Said = Readonly<Record<string, Value | undefined>>;

export class TestMachine {
  readonly events: EventBody[] = [];
  private readonly config: ProductionConfig;
  private readonly states = new Map<string, unknown>();
  private rules: RuleSet;
  /** What the wall clock is ahead of the monotonic one. */
  offsetMs = 0;

  constructor(config: ProductionConfig) {
    this.config = config;
    this.rules = this.made(new Map());
  }

  private made(stored: ReadonlyMap<string, string>): RuleSet {
    const policies = new Map();
    return createRuleSet(
      { alarms: [], spc: [], maintenance: [], production: [this.config], derived: [], counters: new Set(), policies },
      stored,
    );
  }

  /** Readings of one record. @param at monotonic ms, which is UTC ms while the clock is not stepped */
  say(at: number, said: Said, clockKnown = true): void {
    const fields = Object.entries(said).map(
      ([name, value]): Field =>
        value === undefined ? { name, quality: 'bad', why: 'timeout' } : { name, quality: 'good', value },
    );
    const instant = { monoMs: at, wallMs: at + this.offsetMs };
    this.note(
      this.rules.pipeline.accept({
        device: 'press-1',
        at: instant,
        clockKnown,
        simulated: false,
        fields: Fields.of(fields),
      }),
    );
  }

  tick(at: number): void {
    this.note(this.rules.pipeline.tick({ monoMs: at, wallMs: at + this.offsetMs }, true));
  }

  /** Gives a stop its reason; why not, when it is refused. Past shifts are looked up as a gateway does it. */
  code(at: number, order: { code: string; stop?: number; fromMs?: number; join?: number }): string | undefined {
    const { key, rule } = this.rules.machines[0]!;
    const instant = { monoMs: at, wallMs: at + this.offsetMs };
    const ordered = (past?: readonly ProductionReport[]): Refusal | undefined => {
      let refusal: Refusal | undefined;
      const work = (state: unknown) => {
        const coded = rule.code(state as ProductionState, { by: 'kim', ...order, past }, instant);
        if (coded.refused !== undefined) refusal = coded;
        return coded;
      };
      this.note(this.rules.pipeline.change(key, work, instant, true));
      return refusal;
    };
    const first = ordered();
    return (first?.pastOf ? ordered(pastReports(this.shifts, first.pastOf)) : first)?.refused;
  }

  /** Stops and starts again with what was stored. `exactly`: as if it had been written just now. */
  restart(exactly = true): void {
    const texts = exactly
      ? this.rules.pipeline.texts()
      : new Map([...this.states].map(([k, v]) => [k, JSON.stringify(v)]));
    this.rules = this.made(texts);
  }

  get state(): ProductionState {
    return this.rules.pipeline.stateOf(this.rules.machines[0]!.key) as ProductionState;
  }

  report(at: number): ProductionReport {
    return this.rules.machines[0]!.rule.report(this.state, at + this.offsetMs);
  }

  /** Reports of shifts that are over, in the order they were told. */
  get reports(): readonly ProductionReport[] {
    return this.events.flatMap((body) => (body.kind === 'production' && body.report ? [body.report] : []));
  }

  /** The newest report of each shift that is over, oldest first. */
  get shifts(): readonly ProductionReport[] {
    return [...new Map(this.reports.map((report) => [report.from, report])).values()].sort((a, b) => a.from - b.from);
  }

  /** Events without reports, short. */
  get told(): readonly unknown[] {
    return this.events.map((body) =>
      body.kind === 'production' ? [body.change, body.stop, body.reason] : [body.kind, body.what],
    );
  }

  private note({ findings, states }: ReturnType<RuleSet['pipeline']['accept']>): void {
    for (const { finding } of findings) if (finding.kind === 'event') this.events.push(finding.body);
    for (const [key, state] of states) this.states.set(key, state);
  }
}
