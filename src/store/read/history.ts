/** Reads the history of a tag, and records page by page. */
import { intersect } from '../../core/intervals.ts';
import { MARK, splitTagId } from '../../core/reading.ts';
import { decodeTag } from '../format/codec.ts';
import { offsetOf, trueWallMs, type WallOffset } from '../format/restamp.ts';
import type { Segment } from '../format/segment.ts';
import { DISORDER_MS, type SegmentInfo } from '../index/catalog.ts';
import type { HistorySlice } from '../protocol.ts';
import type { HistoryQuery, RecordPage, RecordQuery, Store } from '../store.ts';
import type { House } from '../write/rotate.ts';
import { sources, within } from './read.ts';

/** Bound of one slice, so that a reader never delays a commit by more than a few milliseconds. */
const HISTORY_ROWS = 64;

/** One slice of history; see {@link HistorySlice}. */
export function history(house: House, query: HistoryQuery): HistorySlice {
  const tag = splitTagId(query.tag);
  const after = query.afterSeq ?? 0;
  if (!tag) return { points: [], scannedTo: undefined };
  const all = house.meta.offsets();
  for (const info of sources(house, 'readings')) {
    const last = info.stored.readings.at(-1)!;
    if (last.to - 1 <= after) continue;
    const near = nearIn(house, info, query);
    if (near.length === 0 && (info.maxWallMs < query.fromMs || info.minWallMs >= query.toMs)) continue;
    const slice = within(house, info, (segment) =>
      sliceOf(info, segment, { ...query, afterSeq: after }, tag, { near, all }),
    );
    return { points: slice.points, scannedTo: slice.scannedTo ?? last.to - 1 };
  }
  return { points: [], scannedTo: undefined };
}

/** The number of the first record that can be of `wallMs` or later; the next number when there is none. */
export function seek(house: House, wallMs: number): number {
  for (const info of sources(house, 'readings')) {
    const near = nearIn(house, info, { fromMs: wallMs, toMs: Number.POSITIVE_INFINITY });
    if (near.length === 0 && info.maxWallMs < wallMs) continue;
    const found = within(house, info, (segment) => {
      const start = startOf(info, segment, { fromMs: wallMs, afterSeq: 0 }, near);
      return start === undefined ? undefined : segment.rowsFrom(start, 1)[0];
    });
    if (found && found.number <= info.lastCommit) return found.readingsFirst;
  }
  return sources(house, 'readings').at(-1)?.stored.readings.at(-1)?.to ?? 1;
}

/** What became known of clocks: of records that were taken in the time that is asked for, and of any. */
interface Offsets {
  readonly near: readonly WallOffset[];
  readonly all: readonly WallOffset[];
}

/** Offsets of records in a segment that were taken in the time that is asked for, as far as is known by now. */
function nearIn(
  house: House,
  info: SegmentInfo,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): readonly WallOffset[] {
  return house.meta
    .offsets()
    .filter(({ firstWallMs, lastWallMs }) => lastWallMs >= fromMs && firstWallMs < toMs)
    .filter(({ readings }) => intersect([readings], info.stored.readings).length > 0);
}

/** The first row that can hold what is asked for; rows whose stamps say nothing of their time are found by their numbers. */
function startOf(
  info: SegmentInfo,
  segment: Segment,
  { fromMs, afterSeq }: { readonly fromMs: number; readonly afterSeq: number },
  near: readonly WallOffset[],
): number | undefined {
  const byNumber = near.map(({ readings }) => segment.findReading(readings.from) ?? info.firstCommit);
  const starts = [segment.findTime(fromMs), ...byNumber].filter((start) => start !== undefined);
  if (starts.length === 0) return undefined;
  return Math.max(Math.min(...starts), segment.findReading(afterSeq + 1) ?? info.firstCommit);
}

/** Readings within one segment; `scannedTo` is undefined when nothing of it is left to look at. */
function sliceOf(
  info: SegmentInfo,
  segment: Segment,
  query: HistoryQuery & { readonly afterSeq: number },
  tag: { device: string; name: string },
  { near, all }: Offsets,
): HistorySlice {
  const points: HistorySlice['points'][number][] = [];
  const start = startOf(info, segment, query, near);
  if (start === undefined) return { points, scannedTo: undefined };
  const rows = segment.rowsFrom(start, HISTORY_ROWS);
  for (const row of rows) {
    if (row.number > info.lastCommit) return { points, scannedTo: undefined };
    if (row.readingsCount === 0 || row.readings === null) continue;
    const own = [{ from: row.readingsFirst, to: row.readingsFirst + row.readingsCount }];
    const isStampedAgain = near.some(({ readings }) => intersect([readings], own).length > 0);
    if (!isStampedAgain) {
      if (info.isOrdered && row.minWallMs >= query.toMs + DISORDER_MS) return { points, scannedTo: undefined };
      if (row.maxWallMs < query.fromMs || row.minWallMs >= query.toMs) continue;
    }
    for (const { index, clockKnown, simulated, monoMs, ...stamped } of decodeTag(
      segment.inflate(row.readings, row.dictionary),
      tag.device,
      tag.name,
    )) {
      const seq = row.readingsFirst + index;
      const offsetMs = clockKnown ? undefined : offsetOf(all, 'readings', seq);
      const outcome = offsetMs === undefined ? stamped : { ...stamped, wallMs: trueWallMs(monoMs, offsetMs) };
      if (seq <= query.afterSeq || outcome.wallMs < query.fromMs || outcome.wallMs >= query.toMs) continue;
      const isUnsynced = !clockKnown && offsetMs === undefined;
      const marks = (simulated ? MARK.simulated : 0) | (isUnsynced ? MARK.unsynced : 0);
      points.push(marks === 0 ? { seq, ...outcome } : { seq, ...outcome, marks });
      if (points.length >= query.limit) return { points, scannedTo: seq };
    }
  }
  const last = rows.at(-1);
  if (!last || rows.length < HISTORY_ROWS) return { points, scannedTo: undefined };
  return { points, scannedTo: last.readingsFirst + last.readingsCount - 1 };
}

/** One page of whole records: a bounded piece of work, so that a reader of all there is never holds up the writer. */
export async function recordPage(
  store: Pick<Store, 'seek' | 'peek' | 'status'>,
  { fromMs, toMs, limit, after }: RecordQuery,
): Promise<RecordPage> {
  const until = after?.until ?? (await store.status()).next.readings;
  const seq = after?.seq ?? (await store.seek(fromMs));
  if (seq >= until) return { records: [], next: undefined };
  const found = await store.peek(seq, Math.min(limit, until - seq));
  const records = found.records
    .map((record, index) => ({ seq: found.from + index, record }))
    .filter(({ seq: number, record }) => number < until && record.at.wallMs >= fromMs && record.at.wallMs < toMs);
  const isEnd = found.next <= seq || found.next >= until;
  return { records, next: isEnd ? undefined : { seq: found.next, until } };
}
