/** Lets several alarms order one output. */
import type { TagId, Value } from '../core/reading.ts';
import type { Finding } from './rule.ts';

/** What a rule wants of an output. */
export type Demand = Extract<Finding, { kind: 'set' }>;

/**
 * Lets several rules drive one output: it goes back only when the last of them lets go. Where two hold it to different
 * values, the one that came last decides. What the output was left at before the start is not known, so that the first
 * demand is always written; rules make theirs again after a restart.
 */
export class Outputs {
  private readonly holders = new Map<TagId, Map<string, Value>>();

  /** What must be written now; undefined when the output stays as it is. */
  demand({ tag, to, by, holds, kind }: Demand): Demand | undefined {
    const known = this.holders.get(tag);
    const holders = known ?? new Map<string, Value>();
    this.holders.set(tag, holders);
    const before = [...holders.values()].at(-1);
    holders.delete(by);
    if (holds) holders.set(by, to);
    const held = [...holders.values()].at(-1);
    if (known && held === before) return undefined;
    return { kind, tag, to: held ?? to, by, holds: held !== undefined };
  }
}
