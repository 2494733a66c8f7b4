/** Knows all segments: which numbers and times each holds, and how large it is; also keeps the reserve and the folder of the quarantine. */
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type IntervalSet, intervals, union } from '../../core/intervals.ts';
import { filesOf, type OpenDatabase, sizeOf } from '../format/disk.ts';
import { Damage, openSegment, type Row, type Segment } from '../format/segment.ts';
import type { Stream } from '../store.ts';

/** Readings segments hold whole commits; events segments hold events of those that went before every uplink had them. */
type SegmentKind = Stream;

/** What is known of a segment without opening it. */
export interface SegmentInfo {
  /** Name of the file within the store's folder. */
  readonly file: string;
  readonly kind: SegmentKind;
  /** Numbered from 1 in the order they were begun, each kind by itself. */
  readonly id: number;
  readonly firstCommit: number;
  /** Rows beyond it are left-overs of a commit that failed. */
  lastCommit: number;
  /** The numbers that can be read from it. */
  stored: Record<Stream, IntervalSet>;
  /** Times of its records, UTC ms; of a segment of events the times of those that their commits held. */
  minWallMs: number;
  maxWallMs: number;
  /** Whether no commit reaches further back than {@link DISORDER_MS} behind what came before it. */
  isOrdered: boolean;
  bytes: number;
}

/** Devices of one commit are read within this time of each other; more is a clock that was set back. */
export const DISORDER_MS = 60_000;

/** How many closed segments are kept open for reading. */
const OPEN_HANDLES = 4;

const NAME = /^(readings|events)-(\d{8})\.db$/;
const QUARANTINE = 'quarantine';
const RESERVE = 'reserve';

/** The reserve is made when the disk has so many times of it. */
const RESERVE_ROOM = 3;

/** Name of a segment file. */
function segmentFile(kind: SegmentKind, id: number): string {
  return `${kind}-${String(id).padStart(8, '0')}.db`;
}

/** Kind and id of a segment file, by its name; undefined for any other file. */
export function parseSegmentFile(file: string): { kind: SegmentKind; id: number } | undefined {
  const match = NAME.exec(file);
  return match ? { kind: match[1] as SegmentKind, id: Number(match[2]) } : undefined;
}

/** A segment without rows yet. */
export function emptyInfo(kind: SegmentKind, id: number, firstCommit: number): SegmentInfo {
  return {
    file: segmentFile(kind, id),
    kind,
    id,
    firstCommit,
    lastCommit: firstCommit - 1,
    stored: { readings: [], events: [] },
    minWallMs: 0,
    maxWallMs: 0,
    isOrdered: true,
    bytes: 0,
  };
}

/** Enters one more row into what is known of its segment. */
export function countRow(info: SegmentInfo, row: Row): void {
  info.lastCommit = Math.max(info.lastCommit, row.number);
  if (row.readingsCount > 0) {
    const isFirst = info.stored.readings.length === 0;
    if (!isFirst && row.minWallMs < info.maxWallMs - DISORDER_MS) info.isOrdered = false;
    info.minWallMs = isFirst ? row.minWallMs : Math.min(info.minWallMs, row.minWallMs);
    info.maxWallMs = isFirst ? row.maxWallMs : Math.max(info.maxWallMs, row.maxWallMs);
    info.stored.readings = extended(info.stored.readings, row.readingsFirst, row.readingsCount);
  } else if (info.kind === 'events') info.maxWallMs = Math.max(info.maxWallMs, row.maxWallMs);
  if (row.eventsCount > 0) info.stored.events = extended(info.stored.events, row.eventsFirst, row.eventsCount);
}

/** Rows come in order, so that nearly all of them lengthen the last range. */
function extended(set: IntervalSet, first: number, count: number): IntervalSet {
  const last = set.at(-1);
  if (last && last.to === first) return [...set.slice(0, -1), { from: last.from, to: first + count }];
  return union(set, [{ from: first, to: first + count }]);
}

/** Closed segments and the handles to read them. */
export interface Catalog {
  readonly infos: SegmentInfo[];
  /** Numbers of a stream that can be read, from closed segments. */
  stored(stream: Stream): IntervalSet;
  /** Opens a closed segment, or gives the handle that is open. */
  open(info: SegmentInfo): Segment;
  /** Closes the handle of a segment, if it has one. */
  release(file: string): void;
  close(): void;
}

/**
 * A catalog of closed segments in `folder`, ordered by id within each kind.
 *
 * @param open how they are opened; by default folding in a log that a crash left
 */
export function createCatalog(folder: string, infos: SegmentInfo[], open?: OpenDatabase): Catalog {
  const handles = new Map<string, Segment>();
  const release = (file: string): void => {
    handles.get(file)?.close();
    handles.delete(file);
  };
  return {
    infos,
    stored: (stream) => intervals(infos.flatMap((info) => info.stored[stream])),
    open(info) {
      const held = handles.get(info.file);
      if (held) {
        handles.delete(info.file);
        handles.set(info.file, held);
        return held;
      }
      const oldest = handles.size >= OPEN_HANDLES ? handles.keys().next().value : undefined;
      if (oldest !== undefined) release(oldest);
      if (!existsSync(join(folder, info.file))) throw new Damage(`${info.file} is missing`);
      const file = join(folder, info.file);
      const segment = openSegment(file, open?.(file));
      handles.set(info.file, segment);
      return segment;
    },
    release,
    close() {
      for (const file of [...handles.keys()]) release(file);
    },
  };
}

/** Names of the segment files in the folder, in the order they were begun. */
export function listSegmentFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => NAME.test(file))
    .sort();
}

/** Puts a database with its log out of the way, where it can be looked at; never over another. */
export function moveToQuarantine(folder: string, file: string): string {
  mkdirSync(join(folder, QUARANTINE), { recursive: true });
  let target = join(folder, QUARANTINE, file);
  for (let copy = 1; existsSync(target); copy++) target = join(folder, QUARANTINE, `${file}.${copy}`);
  const parts = filesOf(join(folder, file));
  const targets = filesOf(target);
  for (const [index, part] of parts.entries()) if (existsSync(part)) renameSync(part, targets[index]!);
  return join(QUARANTINE, basename(target));
}

/** Bytes in quarantine. */
function quarantineBytes(folder: string): number {
  return quarantined(folder).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Removes what is in quarantine; true when there was something. It is the first to go when space is needed. */
export function emptyQuarantine(folder: string): boolean {
  const files = quarantined(folder);
  for (const file of files) rmSync(file, { force: true });
  return files.length > 0;
}

function quarantined(folder: string): string[] {
  const place = join(folder, QUARANTINE);
  return existsSync(place) ? readdirSync(place).map((file) => join(place, file)) : [];
}

/**
 * Sets aside space that is given up when the disk is full, so that the ledger can be written before files go.
 *
 * @param neededBytes how much must be free on the disk for it
 */
export function keepReserve(folder: string, bytes: number, neededBytes = RESERVE_ROOM * bytes): void {
  const file = join(folder, RESERVE);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= bytes) return;
  try {
    // A disk that is nearly full needs its last bytes for commits.
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < neededBytes) return;
    writeFileSync(file, randomFillSync(Buffer.alloc(bytes)));
  } catch {
    // A disk too full for the reserve is found out, and dealt with, by the next commit.
    rmSync(file, { force: true });
  }
}

/** Gives the reserve up; true when there was one. */
export function releaseReserve(folder: string): boolean {
  const file = join(folder, RESERVE);
  if (!existsSync(file)) return false;
  rmSync(file, { force: true });
  return true;
}

/** Bytes of everything else in the folder. */
export function overheadBytes(folder: string): number {
  const reserve = statSync(join(folder, RESERVE), { throwIfNoEntry: false })?.size ?? 0;
  return sizeOf(join(folder, 'meta.db')) + reserve + quarantineBytes(folder);
}
