/** Finds the number to go on with after a start, so that none is given twice. */
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intervals, subtract, union } from '../../core/intervals.ts';
import type { Stream } from '../store.ts';
import type { Meta } from './meta.ts';

/** Where numbers go on when nothing says how far they went: no gateway gives so many within a minute. */
const UNKNOWN_JUMP = 1_000_000;

/** The number to go on with, and what may have been given of those before it that cannot be read. */
export interface GoOn {
  readonly next: number;
  /** Numbers that may have been given and are lost: entered as `corrupt`. */
  readonly lost: IntervalSet;
  /** Numbers that were passed over: entered as `skipped`. */
  readonly skipped: IntervalSet;
  /** Why they were, where it is not that the newest commits are lost. */
  readonly detail?: string;
}

/**
 * The number to go on with in a stream: past everything that is stored, indexed or entered. Where commits at the end are
 * lost, no number that they may have had is given again, and no more are passed over than that:
 *
 * - the log says how many commits are lost, and none took more than `perCommit`: a jump of a few records;
 * - the newest file is gone altogether: the jump goes to the ceiling, which is exact after a clean stop and at most about
 *   a minute of commits ahead otherwise;
 * - `meta.db` is gone too, so that no ceiling is known: a jump of a million, which is entered as `skipped` and not as lost.
 *
 * @param lostCommits how many commits at the end may be lost; undefined when that is not known
 * @param indexed what closed segments had according to the index, whether or not it can still be read
 */
export function goOnFrom(
  meta: Pick<Meta, 'reserved' | 'forgotten' | 'ledger'>,
  stream: Stream,
  stored: readonly SeqRange[],
  lostCommits: number | undefined,
  indexed: readonly SeqRange[] = [],
): GoOn {
  const accounted = union(
    union(stored, meta.forgotten(stream)),
    meta.ledger().filter((entry) => entry.stream === stream && entry.cause !== 'quarantined'),
  );
  const end = union(accounted, intervals(indexed)).at(-1)?.to ?? 1;
  const reserved = meta.reserved();
  const holes = (to: number): IntervalSet => subtract(intervals([{ from: 1, to }]), accounted);
  if (lostCommits === 0) return { next: end, lost: holes(end), skipped: [] };
  if (!reserved) {
    const next = end + UNKNOWN_JUMP;
    return { next, lost: holes(end), skipped: [{ from: end, to: next }] };
  }
  const { ceilings, since, perCommit } = reserved;
  // Commits before the reservation may have been larger, but at least `since` is past them.
  const most =
    lostCommits !== undefined && perCommit
      ? Math.max(end, since?.[stream] ?? end) + lostCommits * perCommit[stream]
      : Number.POSITIVE_INFINITY;
  const next = Math.max(end, Math.min(ceilings[stream], most));
  return { next, lost: holes(next), skipped: [] };
}
