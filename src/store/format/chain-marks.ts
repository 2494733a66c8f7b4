/** Marks which events are quality records and checkpoints, and says which of them the chain still needs. */
import type { ChainPlaces } from '../../core/event.ts';
import { compact, type IntervalSet, intersect, union } from '../../core/intervals.ts';

/** What is remembered of the chain of quality records, by the numbers of its events. Ascending. */
export interface QualityMarks {
  /** Quality records and checkpoints. */
  readonly chain: IntervalSet;
  /** The newest checkpoint that was confirmed off the device; 0: none was. It covers everything before it. */
  readonly sealed: number;
  /** Checkpoints that are newer than that one. */
  readonly waiting: readonly number[];
}

/** Nothing is known of a chain. */
export const NO_MARKS: QualityMarks = { chain: [], sealed: 0, waiting: [] };

/** Bounds of what is remembered. Beyond them more is kept than is needed: events between records, and records for longer. */
const MOST_RANGES = 500;
const MOST_CHECKPOINTS = 500;

/** Adds what a commit brought. */
export function withMarks(before: QualityMarks, more: QualityMarks): QualityMarks {
  const sealed = Math.max(before.sealed, more.sealed);
  const waiting = [...new Set([...before.waiting, ...more.waiting])].filter((number) => number > sealed);
  return {
    chain: more.chain.length === 0 ? before.chain : compact(union(before.chain, more.chain), MOST_RANGES).ranges,
    waiting: waiting.length <= MOST_CHECKPOINTS ? waiting : waiting.filter((_, index) => index % 2 === 1),
    sealed,
  };
}

/** Forgets what is not stored any more. */
export function withoutGone(marks: QualityMarks, stored: IntervalSet): QualityMarks {
  const from = stored[0]?.from ?? Number.POSITIVE_INFINITY;
  return { ...marks, chain: intersect(marks.chain, [{ from, to: Number.POSITIVE_INFINITY }]) };
}

/** The marks of a commit whose first event has number `first`; `places` count its events from 0. */
export function marksAt(first: number, places: ChainPlaces | undefined): QualityMarks {
  if (!places) return NO_MARKS;
  const ranges = [...places.records, ...places.checkpoints].map((place) => ({
    from: first + place,
    to: first + place + 1,
  }));
  return { chain: union(ranges, []), sealed: 0, waiting: places.checkpoints.map((place) => first + place) };
}

/**
 * The events of the chain that must stay: all behind the newest checkpoint that was delivered, and, so that no hole comes into
 * what is left, all behind the first one that stays where it is.
 *
 * @param first the first event that stays where it is; Infinity: none does
 */
export function neededOfChain({ chain, sealed }: QualityMarks, first: number): IntervalSet {
  return intersect(chain, [{ from: Math.min(sealed, first), to: Number.POSITIVE_INFINITY }]);
}

/** Marks as they are written: ranges of the chain, the newest checkpoint that was delivered, and those after it. */
export type PackedMarks = readonly [readonly (readonly [number, number])[], number, readonly number[]];

/** The marks as they are written; undefined where they say nothing. */
export function packMarks({ chain, sealed, waiting }: QualityMarks): PackedMarks | undefined {
  if (chain.length === 0 && sealed === 0) return undefined;
  return [chain.map(({ from, to }) => [from, to]), sealed, waiting];
}

/** The reverse of {@link packMarks}. */
export function unpackMarks(packed: PackedMarks | undefined): QualityMarks {
  if (!packed) return NO_MARKS;
  const [chain, sealed, waiting] = packed;
  return { chain: chain.map(([from, to]) => ({ from, to })), sealed, waiting };
}
