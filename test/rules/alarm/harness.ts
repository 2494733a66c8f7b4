import { type AlarmConfig, DEFAULT_MAX_SHELVE_MS } from '../../../src/core/alarm.ts';
import type { EventBody } from '../../../src/core/event.ts';
import type { Doubt, Failure } from '../../../src/core/quality.ts';
import type { Reading, Value } from '../../../src/core/reading.ts';
import { alarmRule } from '../../../src/rules/alarm/alarm.ts';
import type { AlarmRuleState } from '../../../src/rules/alarm/state.ts';
import type { Command, CommandStep, Finding, Order, Step } from '../../../src/rules/rule.ts';

export type AlarmEvent = Extract<EventBody, { kind: 'alarm' }>;

/** The wall clock at second 0 of every test. */
export const EPOCH_MS = Date.UTC(2025, 10, 24, 6);
const OIL = 'press-1/oil-temp';

/** An alarm above 80 with a deadband of 2, unless told otherwise. */
export function alarm(over: Partial<AlarmConfig> = {}): AlarmConfig {
  return {
    id: 'oil-hot',
    tag: OIL,
    condition: { kind: 'above', limit: 80 },
    unit: '°C',
    deadband: 2,
    onDelayMs: 0,
    offDelayMs: 0,
    priority: 'high',
    latch: false,
    ack: true,
    message: undefined,
    while: undefined,
    set: undefined,
    maxShelveMs: DEFAULT_MAX_SHELVE_MS,
    ...over,
  };
}

/** Something that happened, with the second it happened at. */
export interface Seen {
  readonly t: number;
  readonly event: AlarmEvent;
}

/**
 * Plays a rule on clocks that the test moves: timers fire when they are due, as the pipeline would fire them. The
 * wall clock may be set apart from the monotonic one.
 */
export class Bench {
  readonly config: AlarmConfig;
  readonly seen: Seen[] = [];
  readonly sets: { t: number; to: Value; holds: boolean }[] = [];
  state: AlarmRuleState;
  /** States handed out to be committed. */
  commits = 0;
  private rule;
  private wakeMs: number | undefined = Number.NEGATIVE_INFINITY;
  private nowMs = 0;
  private wallOffsetMs = EPOCH_MS;
  /** Seconds of the test at which the monotonic clock was 0. */
  private originMs = 0;

  constructor(config: AlarmConfig) {
    this.config = config;
    this.rule = alarmRule(config);
    this.state = this.rule.initial;
  }

  /** A good value, or what `outcome` makes of it. */
  read(t: number, value: Value, tag = this.config.tag): this {
    return this.give(t, { tag, ...this.instant(t), quality: 'good', value });
  }

  bad(t: number, why: Failure = 'timeout', tag = this.config.tag): this {
    return this.give(t, { tag, ...this.instant(t), quality: 'bad', why });
  }

  doubtful(t: number, value: Value, why: Doubt): this {
    return this.give(t, { tag: this.config.tag, ...this.instant(t), quality: 'uncertain', value, why });
  }

  /** A reading whose source time is `sourceT`, arriving at `t`. */
  late(t: number, sourceT: number, value: Value): this {
    this.until(t);
    const reading: Reading = { tag: this.config.tag, ...this.instant(sourceT), quality: 'good', value };
    return this.took(t, this.rule.step(this.state, reading));
  }

  /** Gives an order; returns why it was refused. */
  order(t: number, order: Order, comment?: string): string | undefined {
    this.until(t);
    const command: Command = { kind: 'command', by: 'anna', comment, ...this.instant(t), ...order } as Command;
    const step: CommandStep<AlarmRuleState> = this.rule.command!(this.state, command);
    this.took(t, step);
    return step.refused;
  }

  /** Acknowledges the present occurrence. */
  ack(t: number): string | undefined {
    this.until(t);
    return this.order(t, { do: 'ack', occurrence: this.state.kept.occurrence });
  }

  /** Lets time pass, and the timers in it fire. */
  until(t: number): this {
    // Whole milliseconds: 4.012 s times 1000 is a little less than 4012.
    const endMs = Math.round(t * 1000) - this.originMs;
    while (this.wakeMs !== undefined && this.wakeMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.wakeMs);
      this.took(
        (this.originMs + this.nowMs) / 1000,
        this.rule.step(this.state, { kind: 'tick', ...this.instantAt(this.nowMs) }),
      );
    }
    this.nowMs = Math.max(this.nowMs, endMs);
    return this;
  }

  /** Power cut and restart, with the monotonic clock back at 0 and `gapS` of wall time gone. */
  restart(gapS = 0, config = this.config): this {
    const stored = JSON.parse(JSON.stringify(this.rule.kept!(this.state)));
    this.wallOffsetMs += this.nowMs + gapS * 1000;
    this.nowMs = 0;
    this.originMs = 0;
    this.rule = alarmRule(config);
    this.state = this.rule.restore(stored);
    this.wakeMs = Number.NEGATIVE_INFINITY;
    return this;
  }

  /** A power cut and a restart within the same instant: the seconds of the test go on. */
  powerCut(): this {
    const atMs = this.originMs + this.nowMs;
    this.restart();
    this.originMs = atMs;
    return this;
  }

  /** `t change state` of everything seen. */
  get story(): string[] {
    return this.seen.map(({ t, event }) => `${t} ${event.change} ${event.state}`);
  }

  private give(t: number, reading: Reading): this {
    this.until(t - 1e-9);
    this.nowMs = Math.max(this.nowMs, t * 1000 - this.originMs);
    return this.took(t, this.rule.step(this.state, reading));
  }

  private took(t: number, step: Step<AlarmRuleState>): this {
    if (step.state.kept !== this.state.kept) this.commits++;
    this.state = step.state;
    this.wakeMs = step.wakeAtMonoMs;
    for (const finding of step.findings) this.note(t, finding);
    return this;
  }

  private note(t: number, finding: Finding): void {
    if (finding.kind === 'set') this.sets.push({ t, to: finding.to, holds: finding.holds });
    else if (finding.body.kind === 'alarm') this.seen.push({ t, event: finding.body });
  }

  private instant(t: number): { monoMs: number; wallMs: number } {
    return this.instantAt(t * 1000 - this.originMs);
  }

  private instantAt(monoMs: number): { monoMs: number; wallMs: number } {
    return { monoMs, wallMs: Math.round(this.wallOffsetMs + monoMs) };
  }
}
