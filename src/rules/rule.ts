/** The contract of a rule, as types: what goes in and what comes out. */
import type { EventBody } from '../core/event.ts';
import type { Instant, Reading, TagId, Value } from '../core/reading.ts';

/** Time passing, for rules with delays: given once at the start, and whenever a timer that a rule asked for falls due. */
export interface Tick {
  readonly kind: 'tick';
  readonly monoMs: number;
  readonly wallMs: number;
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
  /** Carries out an operator's order; absent where there is nothing to order. */
  command?(state: S, command: Command): CommandStep<S>;
  /**
   * The part of a state that is worth committing, as JSON; the same object while that part has not changed. Absent: the
   * whole state. `restore` gets what this gave.
   */
  kept?(state: S): unknown;
  /** The state to go on with after a restart; throws nothing, gives `initial` for what it cannot read. */
  restore(stored: unknown): S;
}
