/** Looks through segments for what they really hold. */
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import type { OpenDatabase } from '../format/disk.ts';
import { isFull } from '../format/disk.ts';
import { type Memory, type Notes, remember, unpackNotes } from '../format/notes.ts';
import { Damage, isDamage, openSegment, type Segment } from '../format/segment.ts';
import type { WalClaim } from '../format/wal.ts';
import { countRow, emptyInfo, type SegmentInfo } from '../index/catalog.ts';
import type { Meta } from '../index/meta.ts';
import type { Stream } from '../store.ts';

const SCAN_ROWS = 128;

/** A segment after it was looked through. */
export interface Scanned {
  readonly info: SegmentInfo;
  /** Notes of all rows, in order; only of segments that were read through. */
  readonly notes: readonly Notes[] | undefined;
  /** How many commits at its end may be lost at most; undefined when that is not known. */
  readonly lostCommits: number | undefined;
}

/** What the index says of a segment that was closed in order. */
export function infoIn(text: string | undefined): SegmentInfo | undefined {
  return text?.startsWith('{') ? (JSON.parse(text) as SegmentInfo) : undefined;
}

/** The numbers that closed segments have according to the index, in no order. */
export function indexedIn(meta: Pick<Meta, 'segments'>): Record<Stream, readonly SeqRange[]> {
  const infos = [...meta.segments().values()].flatMap((text) => infoIn(text) ?? []);
  const of = (stream: Stream): SeqRange[] => infos.flatMap(({ stored }) => stored[stream]);
  return { readings: of('readings'), events: of('events') };
}

/**
 * How many of the last commits of a stream may be lost; undefined when that is not known. A segment that was followed by
 * others counts as well, as long as none of those has anything of the stream that came after it.
 */
export function lostCommitsIn(scans: readonly Scanned[], stream: Stream): number | undefined {
  // What an archive of events lost of its log is still where it was copied from.
  const isArchiveLost = scans.some(({ info, lostCommits }) => info.kind === 'events' && lostCommits === undefined);
  if (stream === 'events' && isArchiveLost) return undefined;
  let lost = 0;
  for (const { info, lostCommits } of scans.filter((one) => one.info.kind === 'readings').toReversed()) {
    if (lostCommits === undefined) return undefined;
    lost += lostCommits;
    if (info.stored[stream].length > 0) break;
  }
  return lost;
}

/**
 * How many commits of its log SQLite did not take, right after the segment was opened. One more is counted than can be
 * seen, since damage may hide the end of one.
 */
export function lostCommitsOf(segment: Segment, claim: WalClaim | undefined): number | undefined {
  if (!claim) return 0;
  if (!claim.isHeaderSound) return undefined;
  try {
    const taken = segment.recoveredFrames();
    const lost = claim.commitFrames.filter((frame) => frame > taken).length;
    return lost === 0 ? 0 : lost + 1;
  } catch (error) {
    // The log cannot be folded in on a full disk; whether it is whole is seen at the next start.
    if (isFull(error)) return 0;
    throw error;
  }
}

/** Reads a segment through, up to the row `last`. Throws {@link Damage} when anything of it does not fit. */
export function scan(
  segment: Segment,
  info: SegmentInfo,
  last = Number.POSITIVE_INFINITY,
): { info: SegmentInfo; notes: Notes[] } {
  if (!segment.isSound()) throw new Damage(`${info.file}: its pages do not fit together`);
  const notes: Notes[] = [];
  for (let number = info.firstCommit; ; ) {
    const rows = segment.rowsFrom(number, SCAN_ROWS).filter((row) => row.number <= last);
    for (const row of rows) {
      countRow(info, row);
      if (row.notes) notes.push(unpackNotes(segment.inflate(row.notes, 0)));
    }
    const lastRow = rows.at(-1);
    if (!lastRow) return { info, notes };
    number = lastRow.number + 1;
  }
}

/**
 * A commit that failed may have left a row; the next segment began with its number, so that there it is void. Where the
 * readings of that one begin says less: records may have been dropped before them. So its segment is counted again.
 */
export function withoutLeftovers(folder: string, scans: readonly Scanned[], open?: OpenDatabase): Scanned[] {
  return scans.map((scanned, index) => {
    const { info } = scanned;
    const later = scans.slice(index + 1).filter((other) => other.info.kind === 'readings');
    const bound = Math.min(...later.map((other) => other.info.firstCommit));
    if (info.kind !== 'readings' || info.lastCommit < bound) return scanned;
    let segment: Segment | undefined;
    try {
      const file = join(folder, info.file);
      segment = openSegment(file, open?.(file));
      const counted = scan(segment, emptyInfo(info.kind, info.id, info.firstCommit), bound - 1);
      return { ...scanned, info: { ...counted.info, bytes: info.bytes }, notes: counted.notes };
    } catch (error) {
      if (!isDamage(error)) throw error;
      // Whoever reads it next finds the damage, and saves what can be saved.
      return { ...scanned, info: { ...info, lastCommit: bound - 1 } };
    } finally {
      segment?.close();
    }
  });
}

/** States and cursors: from the last snapshot on. Segments from the index are opened only when they are needed. */
export function memoryOf(folder: string, scans: readonly Scanned[], open?: OpenDatabase): Memory {
  const memory: Memory = { states: new Map(), cursors: new Map() };
  const own = scans.filter(({ info }) => info.kind === 'readings');
  const needed: Notes[][] = [];
  for (const { info, notes } of own.toReversed()) {
    const found = notes ?? notesIn(folder, info, open);
    needed.unshift([...found]);
    if (found[0]?.snapshot) break;
  }
  for (const notes of needed.flat()) remember(memory, notes);
  return memory;
}

function notesIn(folder: string, info: SegmentInfo, open: OpenDatabase | undefined): readonly Notes[] {
  if (info.lastCommit < info.firstCommit) return [];
  let segment: Segment | undefined;
  try {
    const file = join(folder, info.file);
    segment = openSegment(file, open?.(file));
    return scan(segment, emptyInfo(info.kind, info.id, info.firstCommit)).notes;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  } finally {
    segment?.close();
  }
}
