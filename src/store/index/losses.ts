/** Says whose loss it is when numbers can no longer be read. */
import { type IntervalSet, intersect, intervals, type SeqRange, subtract } from '../../core/intervals.ts';
import type { Memory } from '../format/notes.ts';
import type { Stream } from '../store.ts';
import type { NewLedgerEntry } from './meta.ts';

/** What has to be known to say who still waits for a number. */
interface Waiting {
  readonly memory: Pick<Memory, 'cursors'>;
  /** The uplinks there are; undefined until that was said. */
  readonly uplinks: readonly string[] | undefined;
}

/**
 * What each uplink has still to be given. An uplink that has not asked yet waits for everything since it was added.
 * Undefined as long as nobody said which uplinks there are and no cursor tells of one.
 */
function pendingByUplink({ memory, uplinks }: Waiting, stream: Stream): ReadonlyMap<string, IntervalSet> | undefined {
  const { cursors } = memory;
  if (!uplinks && ![...cursors.values()].some((cursor) => cursor[stream])) return undefined;
  return new Map(
    (uplinks ?? [...cursors.keys()]).map((uplink) => {
      const { [stream]: pending, since } = cursors.get(uplink) ?? {};
      const all = uplinks ? [{ from: since?.[stream] ?? 1, to: Number.POSITIVE_INFINITY }] : [];
      return [uplink, pending ?? all];
    }),
  );
}

/**
 * Everything that some uplink has still to be given. Without any uplink that is nothing; as long as nobody said which
 * there are, it is everything.
 */
export function pendingAnywhere(house: Waiting, stream: Stream): IntervalSet {
  const pending = pendingByUplink(house, stream);
  if (!pending) return [{ from: 1, to: Number.POSITIVE_INFINITY }];
  return intervals([...pending.values()].flat());
}

/**
 * What it means that `gone` can no longer be read: what every uplink has is `delivered` and no loss; what all of them
 * lack is one entry a range, and what some of them lack is one entry for each of those, with its name.
 *
 * @param entryOf makes the entry of one range
 */
export function lossesOf(
  house: Waiting,
  stream: Stream,
  gone: IntervalSet,
  entryOf: (range: SeqRange) => NewLedgerEntry,
): { readonly entries: NewLedgerEntry[]; readonly delivered: IntervalSet } {
  const pending = pendingByUplink(house, stream);
  if (!pending) return { entries: gone.map(entryOf), delivered: [] };
  const lacking = [...pending].map(([uplink, ranges]) => ({ uplink, ranges: intersect(gone, ranges) }));
  const byAll = lacking.reduce<IntervalSet>((common, { ranges }) => intersect(common, ranges), gone);
  const forAll = lacking.length > 0 ? byAll.map(entryOf) : [];
  const forSome = lacking.flatMap(({ uplink, ranges }) =>
    subtract(ranges, byAll).map((range) => ({ ...entryOf(range), uplink })),
  );
  return {
    entries: [...forAll, ...forSome],
    delivered: subtract(gone, intervals(lacking.flatMap(({ ranges }) => ranges))),
  };
}
