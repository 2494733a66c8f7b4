/** How far the numbers of a stream went, told at the start from what is stored, entered and reserved. */
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intervals, subtract, union } from '../../core/intervals.ts';
import type { Stream } from '../store.ts';
import type { Meta } from './meta.ts';

/** Where numbers go on when nothing says how far they went: no gateway gives so many within a minute. */
const UNKNOWN_JUMP = 1_000_000;

/** The number to go on with, and what may have been given of those before it that cannot be read. */
export interface GoOn {
  readonly next: number;
  /** Numbers that were given and cannot be read. */
  readonly lost: IntervalSet;
  /** Numbers that were passed over, since nothing says how many of them were given: entered as `skipped`. */
  readonly skipped: IntervalSet;
  /** Why they were, where it is not that the newest commits cannot be read. */
  readonly detail?: string;
}

/**
 * The number to go on with in a stream: past everything that is stored, indexed or entered. Where the end of what was
 * stored cannot be read, it is the ceiling: before numbers are given, `meta.db` says how far they may go, about a minute
 * ahead; a stop in order leaves it at the exact number. Where `meta.db` is lost as well it is a million further on.
 *
 * @param isEndKnown whether all commits that were acknowledged can be read up to the last one
 * @param indexed what closed segments had according to the index, whether or not it can still be read
 */
export function goOnFrom(
  meta: Pick<Meta, 'ceilings' | 'stopped' | 'forgotten' | 'ledger'>,
  stream: Stream,
  stored: readonly SeqRange[],
  isEndKnown: boolean,
  indexed: readonly SeqRange[] = [],
): GoOn {
  const accounted = union(
    union(stored, meta.forgotten(stream)),
    meta.ledger().filter((entry) => entry.stream === stream && entry.cause !== 'quarantined'),
  );
  const end = union(accounted, intervals(indexed)).at(-1)?.to ?? 1;
  const holes = (to: number): IntervalSet => subtract(intervals([{ from: 1, to }]), accounted);
  if (isEndKnown) return { next: end, lost: holes(end), skipped: [] };
  const ceilings = meta.ceilings();
  const next = ceilings ? Math.max(end, ceilings[stream]) : end + UNKNOWN_JUMP;
  if (meta.stopped()) return { next, lost: holes(next), skipped: [] };
  return { next, lost: holes(end), skipped: intervals([{ from: end, to: next }]) };
}
