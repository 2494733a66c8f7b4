/** Ends a segment and begins the next. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { type IntervalSet, intersect, intervals, union } from '../../core/intervals.ts';
import { type OpenDatabase, openForWriting, sizeOf, unlinkDatabase } from '../format/disk.ts';
import type { Memory } from '../format/notes.ts';
import { createSegment, isDamage, openSegment, type Row, type Segment } from '../format/segment.ts';
import { type Catalog, countRow, emptyInfo, overheadBytes, type SegmentInfo } from '../index/catalog.ts';
import type { Meta } from '../index/meta.ts';
import type { Writer } from '../index/writer.ts';
import { rollupBytes } from '../rollup/rollup-files.ts';
import type { Stream } from '../store.ts';

/** How many rows are held while events are copied. */
const COPY_ROWS = 256;

/** The parts of an open store. Owned by the engine. */
export interface House {
  readonly folder: string;
  readonly open: OpenDatabase;
  readonly maxBytes: number;
  readonly segmentBytes: number;
  readonly replayMs: number;
  meta: Meta;
  readonly catalog: Catalog;
  readonly memory: Memory;
  /** The uplinks there are; undefined until that was said. */
  uplinks: readonly string[] | undefined;
  /** Those of them that take events, and with them the checkpoints of quality records. */
  witnesses: readonly string[] | undefined;
  writer: Writer | undefined;
  /** Set when a cursor changed that is not yet durable. */
  cursorsChanged: boolean;
  readonly notice: (text: string) => void;
}

/** Events that lie in segments of their own. */
export function keptEvents({ catalog }: House): IntervalSet {
  return intervals(catalog.infos.filter(({ kind }) => kind === 'events').flatMap(({ stored }) => stored.events));
}

/**
 * Copies events out of a segment of readings that is about to go, to where they are kept last. Repeating it does no harm.
 *
 * @param needed numbers of the events to keep; their commits are copied with all their events
 */
export function copyEvents(house: House, from: SegmentInfo, source: Segment, needed: IntervalSet): void {
  const { info, segment, isNew } = archiveFor(house);
  try {
    segment.together(() => {
      for (const row of rowsWithin(from, source, needed)) {
        // A copy that failed at its end may be there all the same.
        if (isNew || !segment.row(row.number)) segment.append(row);
        countRow(info, row);
      }
    });
    segment.finish();
  } catch (error) {
    segment.close();
    throw error;
  }
  info.bytes = sizeOf(join(house.folder, info.file));
  const others = house.catalog.infos.filter(({ file }) => file !== info.file);
  house.catalog.infos.splice(0, house.catalog.infos.length, ...others, info);
  house.meta.enter({ segments: new Map([[info.file, JSON.stringify(info)]]) });
}

/** The rows with these events, without their readings. Their replay window is that of the segment they come from. */
function* rowsWithin(from: SegmentInfo, source: Segment, needed: IntervalSet): Generator<Row> {
  for (let seq = needed[0]?.from ?? 0; ; ) {
    const rows = source.rowsWithEvents(seq, COPY_ROWS).filter(({ number }) => number <= from.lastCommit);
    for (const row of rows) {
      const own = [{ from: row.eventsFirst, to: row.eventsFirst + row.eventsCount }];
      if (intersect(own, needed).length === 0) continue;
      const times = { minWallMs: from.maxWallMs, maxWallMs: from.maxWallMs, latestWallMs: from.maxWallMs };
      yield { ...row, ...times, readings: null, readingsCount: 0, notes: null, dictionary: 0 };
    }
    const last = rows.at(-1);
    if (!last || rows.length < COPY_ROWS) return;
    seq = last.eventsFirst + last.eventsCount;
  }
}

/** The events segment that still has room, or a new one; what is known of it is a copy until the events are in. */
function archiveFor(house: House): { info: SegmentInfo; segment: Segment; isNew: boolean } {
  const own = house.catalog.infos.filter(({ kind }) => kind === 'events').sort((a, b) => a.id - b.id);
  const last = own.at(-1);
  if (last && last.bytes < house.segmentBytes) {
    house.catalog.release(last.file);
    const segment = openSound(house, last);
    if (segment) return { info: structuredClone(last), segment, isNew: false };
  }
  const info = emptyInfo('events', (last?.id ?? 0) + 1, 1);
  const file = join(house.folder, info.file);
  if (existsSync(file)) unlinkDatabase(file);
  const segment = createSegment(file, house.open(file), { epoch: house.meta.epoch, id: info.id });
  return { info, segment, isNew: true };
}

/** Opens a segment to write to it; undefined when it is damaged, which whoever reads it finds too, and deals with. */
function openSound(house: House, info: SegmentInfo): Segment | undefined {
  const file = join(house.folder, info.file);
  try {
    const segment = openSegment(file, house.open(file));
    if (segment.isSound()) return segment;
    segment.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return undefined;
}

/** Ends the segment that is being written: its log is folded in, the index knows it. */
export function closeWriter(house: House): void {
  const writer = house.writer;
  if (!writer) return;
  if (writer.info.lastCommit < writer.info.firstCommit) {
    house.writer = undefined;
    writer.segment.close();
    unlinkDatabase(join(house.folder, writer.info.file));
    return;
  }
  house.writer = undefined;
  house.catalog.infos.push(writer.info);
  try {
    writer.segment.finish();
  } catch (error) {
    // Everything is in its log, which is folded in by whoever opens it next.
    writer.segment.close();
    house.notice(`store: ${writer.info.file} could not be finished: ${messageOf(error)}. It is read as it is.`);
    return;
  }
  writer.info.bytes = sizeOf(join(house.folder, writer.info.file));
  house.meta.enter({ segments: new Map([[writer.info.file, JSON.stringify(writer.info)]]) });
}

/** Bytes of everything in the folder. */
export function totalBytes(house: House): number {
  const own = house.catalog.infos.reduce((sum, { bytes }) => sum + bytes, 0);
  return own + (house.writer?.info.bytes ?? 0) + overheadBytes(house.folder) + rollupBytes(house.folder);
}

/** Opens files whose log stays in proportion to the size of a segment. */
export function openSized(segmentBytes: number): OpenDatabase {
  return (file) => openForWriting(file, Math.min(1_048_576, Math.max(32_768, Math.floor(segmentBytes / 4))));
}

/** Numbers of a stream that can be read. */
export function storedIn(house: House, stream: Stream): IntervalSet {
  return union(house.catalog.stored(stream), house.writer?.info.stored[stream] ?? []);
}
