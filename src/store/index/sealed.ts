/** Finds the newest checkpoint of the quality records that is off the device. */
import type { SeqRange } from '../../core/intervals.ts';
import { withMarks } from '../format/chain-marks.ts';
import type { Memory } from '../format/notes.ts';
import type { LedgerEntry } from '../store.ts';

/** What has to be known to say whether a checkpoint was delivered. */
interface Witnessed {
  readonly memory: Memory;
  /** The uplinks that take events; undefined until that was said. */
  readonly witnesses: readonly string[] | undefined;
  readonly meta: { ledger(): readonly LedgerEntry[] };
}

/**
 * Notes the newest checkpoint that an uplink has: one that it waits for no more, and that was neither refused nor given up.
 * One uplink is enough, as one copy off the device is. Without any that takes events, a checkpoint counts once it is stored.
 */
export function noteSealed({ memory, witnesses, meta }: Witnessed): void {
  if (!witnesses) return;
  const { waiting } = memory.quality;
  const isSealed = (number: number): boolean => witnesses.some((uplink) => hasDelivered(memory, meta, uplink, number));
  const sealed = witnesses.length === 0 ? waiting.at(-1) : waiting.findLast(isSealed);
  if (sealed !== undefined) memory.quality = withMarks(memory.quality, { chain: [], sealed, waiting: [] });
}

function hasDelivered(memory: Memory, meta: Witnessed['meta'], uplink: string, number: number): boolean {
  const { events: pending, since } = memory.cursors.get(uplink) ?? {};
  const isIn = ({ from, to }: SeqRange): boolean => from <= number && number < to;
  if (!pending || pending.some(isIn) || number < (since?.events ?? 0)) return false;
  return !meta
    .ledger()
    .some((entry) => entry.stream === 'events' && isIn(entry) && (entry.uplink ?? uplink) === uplink);
}
