/** Says what is stored, and accounts for every number that was given. */
import type { SeqRange } from '../../core/intervals.ts';
import { countOf, type IntervalSet, intersect, intervals, subtract, union } from '../../core/intervals.ts';
import { sumEntries } from '../index/ledger.ts';
import {
  type LedgerEntry,
  type Pending,
  STATUS_ENTRIES,
  type StoreStatus,
  type Stream,
  type StreamAccount,
} from '../store.ts';
import { type House, storedIn, totalBytes } from '../write/rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** What the work of one run comes to; the rest of the status is what lies on the disk. */
type Work = 'commits' | 'bytesWritten' | 'lastCommitMs' | 'trouble';

/** The status of what is stored, without the work of the run. */
export function statusOf(house: House, next: Record<Stream, number>): Omit<StoreStatus, Work> {
  const stored = { readings: storedIn(house, 'readings'), events: storedIn(house, 'events') };
  const ledger = house.meta.ledger();
  const infos = [...house.catalog.infos, ...(house.writer ? [house.writer.info] : [])];
  const filled = infos.filter((info) => info.stored.readings.length > 0);
  return {
    epoch: house.meta.epoch,
    next: { ...next },
    oldest: {
      readings: stored.readings[0]?.from ?? next.readings,
      events: stored.events[0]?.from ?? next.events,
    },
    bytes: totalBytes(house),
    maxBytes: house.maxBytes,
    segments: infos.length,
    oldestWallMs: filled.length > 0 ? Math.min(...filled.map(({ minWallMs }) => minWallMs)) : undefined,
    newestWallMs: filled.length > 0 ? Math.max(...filled.map(({ maxWallMs }) => maxWallMs)) : undefined,
    stored,
    pending: pendingOf(house, next),
    accounts: accountsOf(house, next, stored),
    losses: sumEntries(ledger),
    ledger: ledger.slice(-STATUS_ENTRIES),
  };
}

function uplinksOf(house: House): string[] {
  return [...new Set([...(house.uplinks ?? []), ...house.memory.cursors.keys()])];
}

/** What `uplink` has still to be given, finite; everything for one that did not ask yet, or whose cursors are lost. */
function pendingFor(house: House, uplink: string, stream: Stream, next: number): readonly SeqRange[] {
  const given = [{ from: 1, to: next }];
  const pending = house.memory.cursors.get(uplink)?.[stream];
  return pending ? intersect(pending, given) : subtract(given, house.meta.forgotten(stream));
}

function pendingOf(house: House, next: Record<Stream, number>): StoreStatus['pending'] {
  return Object.fromEntries(
    uplinksOf(house).map((uplink) => [
      uplink,
      {
        readings: pendingFor(house, uplink, 'readings', next.readings),
        events: pendingFor(house, uplink, 'events', next.events),
      },
    ]),
  );
}

function accountsOf(
  house: House,
  next: Record<Stream, number>,
  stored: Record<Stream, readonly SeqRange[]>,
): StreamAccount[] {
  const ledger = house.meta.ledger();
  const uplinks = uplinksOf(house);
  return STREAMS.flatMap((stream) => {
    const common = { stream, next: next[stream], stored: stored[stream], ledger };
    // Without an uplink, what was let go by age is settled, and all else waits.
    const kept = subtract([{ from: 1, to: next[stream] }], house.meta.forgotten(stream));
    const each: readonly { uplink: string | undefined; pending: readonly SeqRange[] }[] =
      uplinks.length === 0
        ? [{ uplink: undefined, pending: kept }]
        : uplinks.map((uplink) => ({ uplink, pending: pendingFor(house, uplink, stream, next[stream]) }));
    return each.map(({ uplink, pending }) => {
      const since = (uplink === undefined ? undefined : house.memory.cursors.get(uplink)?.since?.[stream]) ?? 1;
      return { stream, uplink, ...reconcile({ ...common, uplink, pending, since }) };
    });
  });
}

/** What is known of one stream at one moment. */
interface Account {
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
type Balance = Omit<StreamAccount, 'stream' | 'uplink'>;

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
