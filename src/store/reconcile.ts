import { countOf, type IntervalSet, intersect, intervals, subtract, union } from '../core/intervals.ts';
import type { LedgerEntry, Pending, SeqRange, Stream, StreamAccount } from './store.ts';

/** What is known of one stream at one moment. */
export interface Account {
  readonly stream: Stream;
  /** The next number; those below were given. */
  readonly next: number;
  /** Numbers that can be read. */
  readonly stored: readonly SeqRange[];
  readonly ledger: readonly LedgerEntry[];
  /** The uplink that is asked about, and what it has still to deliver; undefined where there is none. */
  readonly uplink: string | undefined;
  readonly pending: Pending;
  /** The first number that concerns the uplink: those before it were let go before the uplink was there. */
  readonly since: number;
}

/** Where every number of a stream went, for one uplink. */
export type Balance = Omit<StreamAccount, 'stream' | 'uplink'>;

/**
 * Puts every number that was given into exactly one class, so that
 * produced = delivered + waiting + evicted + quarantined + lost + skipped holds if and only if nothing is unexplained.
 * What is in the ledger for this uplink counts as gone, even where the record itself is still stored for another one.
 */
export function reconcile(account: Account): Balance {
  const { stream, next, uplink, since } = account;
  const given: IntervalSet = [{ from: since, to: next }].filter(({ from, to }) => from < to);
  const entered = (causes: readonly LedgerEntry['cause'][]): IntervalSet =>
    intersect(
      intervals(
        account.ledger.filter(
          (entry) =>
            entry.stream === stream &&
            causes.includes(entry.cause) &&
            (entry.uplink === undefined || entry.uplink === uplink),
        ),
      ),
      given,
    );
  const pending = intersect(intervals(account.pending), given);
  const evicted = entered(['evicted']);
  const quarantined = subtract(entered(['quarantined']), evicted);
  const lost = subtract(entered(['corrupt', 'memory-full']), union(evicted, quarantined));
  const named = union(union(evicted, quarantined), lost);
  const skipped = subtract(entered(['skipped']), named);
  const gone = union(named, skipped);
  const waiting = subtract(intersect(pending, intervals(account.stored)), gone);
  const unexplained = subtract(subtract(pending, waiting), gone);
  const delivered = subtract(subtract(given, gone), union(waiting, unexplained));
  return {
    produced: countOf(given),
    delivered: countOf(delivered),
    waiting: countOf(waiting),
    evicted: countOf(evicted),
    quarantined: countOf(quarantined),
    lost: countOf(lost),
    skipped: countOf(skipped),
    unexplained,
  };
}
