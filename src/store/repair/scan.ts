/** Looks through segments for what they really hold. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import { NO_MARKS } from '../format/chain-marks.ts';
import type { OpenDatabase } from '../format/disk.ts';
import { isFull } from '../format/disk.ts';
import { type Memory, type Notes, remember, unpackNotes } from '../format/notes.ts';
import { Damage, isDamage, openSegment, type Segment } from '../format/segment.ts';
import { countRow, emptyInfo, type SegmentInfo } from '../index/catalog.ts';
import type { Meta } from '../index/meta.ts';
import type { Stream } from '../store.ts';

const SCAN_ROWS = 128;

/** A segment after it was looked through. */
export interface Scanned {
  readonly info: SegmentInfo;
  /** Notes of all rows, in order; only of segments that were read through. */
  readonly notes: readonly Notes[] | undefined;
  /** Whether all commits that were acknowledged are in it, as far as anything tells. */
  readonly isEndKnown: boolean;
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
 * Whether the last commits of a stream can be read. Segments that were followed by others count as well, as long as none
 * of those has anything of the stream that came after it.
 */
export function isEndKnownIn(scans: readonly Scanned[], stream: Stream): boolean {
  // Events that were kept apart when their segment went are nowhere else.
  if (stream === 'events' && scans.some(({ info, isEndKnown }) => info.kind === 'events' && !isEndKnown)) return false;
  for (const { info, isEndKnown } of scans.filter((one) => one.info.kind === 'readings').toReversed()) {
    if (!isEndKnown) return false;
    if (info.stored[stream].length > 0) return true;
  }
  return true;
}

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

/**
 * Whether SQLite took every commit of the log beside `file`, right after it was opened: it stops silently at the first
 * frame that is damaged (https://sqlite.org/fileformat2.html#the_write_ahead_log). A commit that was cut short is none.
 */
export function isLogWhole(file: string, segment: Segment): boolean {
  const wal = `${file}-wal`;
  const log = existsSync(wal) ? readFileSync(wal) : undefined;
  if (!log || log.length <= HEADER_BYTES) return true;
  let taken: number;
  try {
    taken = segment.foldLog();
  } catch (error) {
    // The log cannot be folded in on a full disk; whether it is whole is seen at the next start.
    if (isFull(error)) return true;
    throw error;
  }
  if (!isHeaderSound(log)) return false;
  const step = FRAME_HEADER_BYTES + log.readUInt32BE(8);
  for (let at = HEADER_BYTES + taken * step; at + FRAME_HEADER_BYTES <= log.length; at += step) {
    // Frames of an earlier generation differ in both salts; one that differs is damage. The second field is not zero in
    // the last frame of a commit.
    const isCurrent = [8, 12].some((salt) => log.readUInt32BE(at + salt) === log.readUInt32BE(salt + 8));
    if (isCurrent && log.readUInt32BE(at + 4) !== 0) return false;
  }
  return true;
}

function isHeaderSound(log: Buffer): boolean {
  const magic = log.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return false;
  const word = (offset: number): number => (magic & 1 ? log.readUInt32BE(offset) : log.readUInt32LE(offset));
  let first = 0;
  let second = 0;
  for (let offset = 0; offset < 24; offset += 8) {
    first = (first + word(offset) + second) >>> 0;
    second = (second + word(offset + 4) + first) >>> 0;
  }
  return first === log.readUInt32BE(24) && second === log.readUInt32BE(28);
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
  const memory: Memory = { states: new Map(), cursors: new Map(), quality: NO_MARKS };
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
