/** Reads stored records in order beside a running gateway, for backtests. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { messageOf } from '../core/errors.ts';
import type { DeviceRecord } from '../core/reading.ts';
import { decodeRecords } from './format/codec.ts';
import { isDamage, openSegment, type Segment } from './format/segment.ts';
import { listSegmentFiles, parseSegmentFile } from './index/catalog.ts';

/** Records of one commit, in order. Monotonic times of two batches compare only where `bootId` is the same. */
export interface ArchivedBatch {
  readonly bootId: string;
  readonly records: readonly DeviceRecord[];
}

/** Rows that are held in memory at a time. */
const ROWS = 64;

/**
 * Reads stored records, oldest first, beside a gateway that may be running: nothing is locked, written or repaired.
 *
 * @param fromMs UTC ms of the first record wanted
 * @param onTrouble gets one line for each part that cannot be read, which is left out
 */
export function* readArchive(
  folder: string,
  fromMs: number,
  onTrouble: (message: string) => void,
): Generator<ArchivedBatch> {
  if (!existsSync(folder)) return;
  const files = listSegmentFiles(folder).filter((file) => parseSegmentFile(file)?.kind === 'readings');
  const segments: Segment[] = [];
  try {
    for (const file of files) {
      const segment = tried(() => openReadOnly(join(folder, file)), file, onTrouble);
      if (segment) segments.push(segment);
    }
    for (const [index, segment] of segments.entries()) {
      // Rows with numbers of the next segment are left over from a commit that failed and was made again there.
      const end = segments[index + 1]?.bounds()?.first ?? Number.POSITIVE_INFINITY;
      yield* batchesOf(segment, fromMs, end, onTrouble);
    }
  } finally {
    for (const segment of segments) segment.close();
  }
}

/** A reader of a log needs its index, which another process may have to make first. */
function openReadOnly(file: string): Segment {
  return openSegment(file, new Database(file, { readonly: true, fileMustExist: true, timeout: 2000 }));
}

function* batchesOf(
  segment: Segment,
  fromMs: number,
  end: number,
  onTrouble: (message: string) => void,
): Generator<ArchivedBatch> {
  let number = tried(() => segment.findTime(fromMs), segment.file, onTrouble);
  while (number !== undefined && number < end) {
    const start: number = number;
    const rows = tried(() => segment.rowsFrom(start, ROWS), segment.file, onTrouble) ?? [];
    for (const { readings, dictionary, number: at, maxWallMs } of rows) {
      if (at >= end || readings === null || maxWallMs < fromMs) continue;
      const batch = tried(() => decodeRecords(segment.inflate(readings, dictionary)), segment.file, onTrouble);
      const records = batch?.records.filter((record) => record.at.wallMs >= fromMs) ?? [];
      if (batch && records.length > 0) yield { bootId: batch.bootId, records };
    }
    const last = rows.at(-1);
    number = last && rows.length === ROWS ? last.number + 1 : undefined;
  }
}

function tried<T>(read: () => T, file: string, onTrouble: (message: string) => void): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    onTrouble(`${file}: part of it cannot be read and is left out: ${messageOf(error)}`);
    return undefined;
  }
}
