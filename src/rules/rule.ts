import type { EventBody } from '../core/event.ts';
import type { Reading, TagId, Value } from '../core/reading.ts';

/** Time passing, for rules with delays: given whenever a timer that a rule asked for falls due. */
export interface Tick {
  readonly kind: 'tick';
  readonly monoMs: number;
  readonly wallMs: number;
}

/** What a rule found: events to publish, and outputs to set. */
export type Finding =
  | { readonly kind: 'event'; readonly body: EventBody }
  | { readonly kind: 'set'; readonly tag: TagId; readonly to: Value };

/** The outcome of one step. `wakeAtMonoMs`: call again with a tick then; undefined when time changes nothing. */
export interface Step<S> {
  readonly state: S;
  readonly findings: readonly Finding[];
  readonly wakeAtMonoMs?: number | undefined;
}

/**
 * A rule is a pure function of its state and what comes in; the same function runs live, in `backtest` and in the
 * simulation. States are JSON and are committed with the readings that changed them. Monotonic times in a state do not
 * outlive a restart: `restore` gets the state as it was stored and makes it right for a new clock.
 */
export interface Rule<S = unknown> {
  readonly id: string;
  /** Tags whose readings it wants. */
  readonly tags: readonly TagId[];
  readonly initial: S;
  step(state: S, input: Reading | Tick): Step<S>;
  /** The state to go on with after a restart; throws nothing, gives `initial` for what it cannot read. */
  restore(stored: unknown): S;
}
