/** Keeps roll-ups on the disk. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intervals, union } from '../../core/intervals.ts';
import { splitTagId } from '../../core/reading.ts';
import { type Connection, type OpenDatabase, sizeOf, unlinkDatabase } from '../format/disk.ts';
import { Damage, deflate, isDamage, refuseNewer } from '../format/segment.ts';
import { bodyOf, createPacking, packedTo, readPacks, type StoredChunk } from './packs.ts';
import { decodeRollups, type Merging } from './rollup.ts';

/** Format of a file of roll-ups; a program refuses newer ones. */
const VERSION = 1;

const TABLES = `
  CREATE TABLE covered (id INTEGER PRIMARY KEY, ranges TEXT NOT NULL) STRICT;
  CREATE TABLE chunks (id INTEGER PRIMARY KEY, device TEXT NOT NULL, firstMinute INTEGER NOT NULL,
    lastMinute INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX spans ON chunks (device, id, lastMinute, firstMinute);
  PRAGMA user_version = ${VERSION};
`;

const NAME = /^rollups-(\d{8})\.db$/;

/** The share of the store that roll-ups may take: for 200 tags a second it holds some four times the days of raw data. */
const SHARE = 0.1;

/** They are let go in steps of this part of their share. */
const FILES = 4;

/** How many chunks are looked at in one slice, so that a reader never delays a commit by more than a few milliseconds. */
const SLICE_CHUNKS = 64;

/** Minutes of one device that were rolled up together, encoded: a reader of one tag leaves other devices alone. */
export interface Chunk {
  readonly device: string;
  readonly firstMinute: number;
  readonly lastMinute: number;
  readonly body: Uint8Array;
}

/** The first and the last minute that a reader asks for. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** Where a reader goes on. */
export interface RollupCursor {
  readonly file: number;
  /** Undefined at the beginning of a file. */
  readonly place: RollupPlace | undefined;
  /** The last chunk there was when reading began: what is appended meanwhile was given out of memory. */
  readonly until: { readonly file: number; readonly id: number };
}

/**
 * A place in a file: behind which pack, or behind which chunk. Packs come first, and chunks from `packedTo` on, as it was when
 * the file was begun: what is packed meanwhile is still read as chunks.
 */
interface RollupPlace {
  readonly of: 'packs' | 'chunks';
  readonly id: number;
  readonly packedTo: number;
}

/** Roll-ups on the disk. */
export interface RollupFiles {
  /** Numbers of records that are in them, and all below the first that still is. */
  covered(): IntervalSet;
  /**
   * All or nothing, durable on return. Lets the oldest file go when there is no room within the share.
   *
   * @param ranges numbers of the records that are in the chunks
   */
  append(chunks: readonly Chunk[], ranges: IntervalSet): void;
  /**
   * Adds minutes of one tag out of a bounded number of chunks; returns where to go on, undefined at the end. A minute can
   * come in parts.
   */
  slice(tag: string, span: Span, merging: Merging, after: RollupCursor | undefined): RollupCursor | undefined;
  /** A little of what makes long histories fast to read, see `packs.ts`; true when there is more to do. Throws what the disk says. */
  pack(): boolean;
  close(): void;
}

interface File {
  readonly number: number;
  readonly name: string;
  readonly database: Connection;
  readonly ranges: IntervalSet;
}

/**
 * Opens the roll-ups in `folder`. What is in a damaged file is not covered any more, and so is rolled up again as far as
 * raw data reaches.
 *
 * @param maxBytes size of the whole store
 * @param onDamage puts a damaged file out of the way
 */
export function openRollups(
  folder: string,
  open: OpenDatabase,
  maxBytes: number,
  onDamage: (name: string, cause: unknown) => void,
): RollupFiles {
  const share = maxBytes * SHARE;
  const files = rollupFileNames(folder).flatMap((name) => openFile(folder, name, open, onDamage));
  /** Its minutes are rolled up again as far as raw data reaches: from the next start on. */
  const lose = (file: File, error: unknown): void => {
    if (!isDamage(error)) throw error;
    file.database.close();
    files.splice(files.indexOf(file), 1);
    onDamage(file.name, error);
  };
  const packing = createPacking(files, lose);
  const begin = (): File => {
    const number = (files.at(-1)?.number ?? 0) + 1;
    const name = `rollups-${String(number).padStart(8, '0')}.db`;
    unlinkDatabase(join(folder, name));
    const database = open(join(folder, name));
    database.transaction(() => database.exec(TABLES))();
    const file: File = { number, name, database, ranges: [] };
    files.push(file);
    return file;
  };
  const letGo = (): void => {
    while (files.length > 1 && rollupBytes(folder) > share) {
      const oldest = files.shift()!;
      oldest.database.close();
      unlinkDatabase(join(folder, oldest.name));
    }
  };
  return {
    covered() {
      const all = intervals(files.flatMap(({ ranges }) => ranges));
      // What was rolled up and let go is not to be rolled up again.
      const wasLetGo = (files[0]?.number ?? 1) > 1 && all[0] !== undefined;
      return wasLetGo ? union(all, [{ from: 1, to: all[0]!.from }]) : all;
    },
    append(chunks, ranges) {
      const last = files.at(-1);
      const isFull = last === undefined || sizeOf(join(folder, last.name)) > share / FILES;
      const file = isFull ? begin() : last;
      insertChunks(file.database, chunks, ranges);
      file.database.pragma('wal_checkpoint(TRUNCATE)');
      files[files.length - 1] = { ...file, ranges: union(file.ranges, ranges) };
      letGo();
      packing.appended();
    },
    pack: packing.step,
    slice(tag, span, merging, after) {
      const until = after?.until ?? lastChunk(files);
      const file = files.find(({ number }) => number >= (after?.file ?? 0));
      if (!file || file.number > until.file) return undefined;
      try {
        return sliceOf(file, { tag, span, merging, until, after });
      } catch (error) {
        lose(file, error);
        return { file: file.number + 1, place: undefined, until };
      }
    },
    close() {
      for (const { database } of files) database.close();
    },
  };
}

function insertChunks(database: Connection, chunks: readonly Chunk[], ranges: IntervalSet): void {
  const insert = database.prepare(
    'INSERT INTO chunks (device, firstMinute, lastMinute, crc, body) VALUES (?, ?, ?, ?, ?)',
  );
  database.transaction(() => {
    for (const { device, firstMinute, lastMinute, body } of chunks) {
      const deflated = deflate(body);
      insert.run(device, firstMinute, lastMinute, crc32(deflated), deflated);
    }
    database.prepare('INSERT INTO covered (ranges) VALUES (?)').run(JSON.stringify(ranges));
  })();
}

/** What a reader asks for, and where the minutes go. */
interface Reading {
  readonly tag: string;
  readonly span: Span;
  readonly merging: Merging;
  readonly until: RollupCursor['until'];
  readonly after: RollupCursor | undefined;
}

function sliceOf(file: File, { tag, span, merging, until, after }: Reading): RollupCursor | undefined {
  const untilId = file.number === until.file ? until.id : Number.MAX_SAFE_INTEGER;
  const begun = file.number === after?.file ? after.place : undefined;
  const place = begun ?? { of: 'packs', id: 0, packedTo: packedTo(file, tag, untilId) };
  if (place.of === 'packs') {
    const last = readPacks(file, tag, span, place, merging);
    const on = last === undefined ? { of: 'chunks' as const, id: place.packedTo } : { of: 'packs' as const, id: last };
    return { file: file.number, place: { ...on, packedTo: place.packedTo }, until };
  }
  const rows = file.database
    .prepare(
      `SELECT id, crc, body FROM chunks WHERE device = ? AND lastMinute >= ? AND firstMinute <= ? AND id > ? AND id <= ?
            ORDER BY id LIMIT ${SLICE_CHUNKS}`,
    )
    .all(splitTagId(tag)?.device, span.first, span.last, place.id, untilId) as StoredChunk[];
  for (const row of rows) merging.minutes(decodeRollups(bodyOf(file, row), tag));
  const isDone = rows.length < SLICE_CHUNKS;
  if (isDone && file.number === until.file) return undefined;
  if (isDone) return { file: file.number + 1, place: undefined, until };
  return { file: file.number, place: { ...place, id: rows.at(-1)!.id }, until };
}

function lastChunk(files: readonly File[]): RollupCursor['until'] {
  const file = files.at(-1);
  const id = file?.database.prepare('SELECT coalesce(max(id), 0) FROM chunks').pluck().get() as number | undefined;
  return { file: file?.number ?? 0, id: id ?? 0 };
}

function openFile(
  folder: string,
  name: string,
  open: OpenDatabase,
  onDamage: (name: string, cause: unknown) => void,
): File[] {
  const path = join(folder, name);
  let database: Connection | undefined;
  try {
    // After a stop in order there is no log, and damage shows when it is read: a look through all would take long.
    const isLeft = sizeOf(path) > (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
    database = open(path);
    const version = refuseNewer(path, database.pragma('user_version', { simple: true }), VERSION);
    const isSound = !isLeft || database.pragma('quick_check(1)', { simple: true }) === 'ok';
    if (!isSound || version !== VERSION) throw new Damage(`${name}: its pages do not fit together`);
    const rows = database.prepare('SELECT ranges FROM covered').all() as { ranges: string }[];
    const ranges = intervals(rows.flatMap((row) => JSON.parse(row.ranges) as SeqRange[]));
    return [{ number: Number(NAME.exec(name)![1]), name, database, ranges }];
  } catch (error) {
    database?.close();
    if (!isDamage(error) && !(error instanceof SyntaxError)) throw error;
    onDamage(name, error);
    return [];
  }
}

function rollupFileNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => NAME.test(file))
    .sort();
}

/** Bytes of all roll-ups in the folder. */
export function rollupBytes(folder: string): number {
  return rollupFileNames(folder).reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);
}

/** Lets the oldest file go, to make room; false when there is none. */
export function removeOldestRollups(folder: string): boolean {
  const [oldest] = rollupFileNames(folder);
  if (oldest) unlinkDatabase(join(folder, oldest));
  return oldest !== undefined;
}
