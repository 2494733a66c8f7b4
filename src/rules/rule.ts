/** The contract of a rule, as types: what goes in and what comes out. */
import type { EventBody } from '../core/event.ts';
import type { Instant, Reading, TagId, Value } from '../core/reading.ts';

/** Time passing, for rules with delays: given once at the start, and whenever a timer that a rule asked for falls due. */
export interface Tick {
  readonly kind: 'tick';
  readonly monoMs: number;
  readonly wallMs: number;
  /** False while the wall clock is not known to be right; undefined: not said. */
  readonly clockKnown?: boolean | undefined;
}

/** What an operator wants of an alarm. */
export type Order =
  /** `occurrence` is the one the operator saw; another one is not acknowledged by it. */
  | { readonly do: 'ack'; readonly occurrence: number }
  | { readonly do: 'shelve'; readonly forMs: number }
  | { readonly do: 'unshelve' | 'reset' | 'out-of-service' | 'in-service' };

/** An order with who gave it and when. */
export type Command = { readonly kind: 'command'; readonly by: string; readonly comment?: string } & Instant & Order;

/**
 * What a rule found: events to publish, and outputs to set. A rule that sets an output holds it until it sets it again
 * with `holds: false`; then `to` is what the output goes back to, once no other rule holds it.
 */
export type Finding =
  | { readonly kind: 'event'; readonly body: EventBody }
  | { readonly kind: 'set'; readonly tag: TagId; readonly to: Value; readonly by: string; readonly holds: boolean };

/** The outcome of one step. `wakeAtMonoMs`: call again with a tick then; undefined when time changes nothing. */
export interface Step<S> {
  readonly state: S;
  readonly findings: readonly Finding[];
  readonly wakeAtMonoMs?: number | undefined;
}

/** What of a state is written: what moves with the readings, and what changes now and then only. */
export interface Parts {
  readonly moving?: unknown;
  readonly frozen?: unknown;
}

/** The outcome of a command. `refused`: why nothing was done, and what to do instead. */
export type CommandStep<S> = Step<S> & { readonly refused?: string | undefined };

/**
 * A rule is a pure function of its state and what comes in; the same function runs live, in `backtest` and in the
 * simulation. States are JSON and are committed with the readings that changed them. Monotonic times in a state do not
 * outlive a restart: `restore` gets the state as it was stored and makes it right for a new clock.
 */
export interface Rule<S = unknown> {
  readonly id: string;
  /** Tags whose readings it wants; those that come in one record are given in this order. */
  readonly tags: readonly TagId[];
  readonly initial: S;
  step(state: S, input: Reading | Tick): Step<S>;
  /**
   * As `step`, for all its readings of one record at once; for a rule that looks at them together.
   *
   * @param clockKnown whether the wall clock was known to be right when the record was taken
   */
  stepRecord?(state: S, readings: readonly Reading[], clockKnown: boolean): Step<S>;
  /** Alarms it wants to hear of, with what to do when one of them is raised or ends. */
  readonly alarms?: readonly string[];
  heard?(state: S, alarm: string, isActive: boolean, at: Instant): Step<S>;
  /** Carries out an operator's order; absent where there is nothing to order. */
  command?(state: S, command: Command): CommandStep<S>;
  /**
   * The part of a state that is worth committing, as JSON; the same object while that part has not changed. Absent: the
   * whole state. `restore` gets what this gave.
   */
  kept?(state: S): unknown;
  /**
   * In place of `kept`, a state in two parts of different pace, each a row of the store.
   *
   * @param saved the state that was handed out last; undefined: every part is wanted
   * @returns the parts that are worth writing again
   */
  parts?(state: S, saved: S | undefined): Parts;
  /**
   * The state to go on with after a restart; throws nothing, gives `initial` for what it cannot read.
   *
   * @param frozen the part of that name, of a rule with `parts`
   */
  restore(stored: unknown, frozen?: unknown): S;
}
