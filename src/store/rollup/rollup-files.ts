/** Keeps roll-ups on the disk. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intervals, union } from '../../core/intervals.ts';
import { splitTagId } from '../../core/reading.ts';
import { type Connection, type OpenDatabase, sizeOf, unlinkDatabase } from '../format/disk.ts';
import { Damage, deflate, inflate, isDamage } from '../format/segment.ts';
import { decodeRollups, type MinuteRollup } from './rollup.ts';

const TABLES = `
  CREATE TABLE covered (id INTEGER PRIMARY KEY, ranges TEXT NOT NULL) STRICT;
  CREATE TABLE chunks (id INTEGER PRIMARY KEY, device TEXT NOT NULL, firstMinute INTEGER NOT NULL,
    lastMinute INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX spans ON chunks (device, id, lastMinute, firstMinute);
  PRAGMA user_version = 1;
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

/** Where a reader goes on. */
export interface RollupCursor {
  readonly file: number;
  readonly id: number;
  /** The last chunk there was when reading began: what is appended meanwhile was given out of memory. */
  readonly until: { readonly file: number; readonly id: number };
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
  /** Minutes of one tag out of a bounded number of chunks; `next` is undefined at the end. Minutes can be given in parts. */
  slice(
    tag: string,
    span: { readonly first: number; readonly last: number },
    after: RollupCursor | undefined,
  ): { readonly minutes: readonly MinuteRollup[]; readonly next: RollupCursor | undefined };
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
      const insert = file.database.prepare(
        'INSERT INTO chunks (device, firstMinute, lastMinute, crc, body) VALUES (?, ?, ?, ?, ?)',
      );
      file.database.transaction(() => {
        for (const { device, firstMinute, lastMinute, body } of chunks) {
          const deflated = deflate(body);
          insert.run(device, firstMinute, lastMinute, crc32(deflated), deflated);
        }
        file.database.prepare('INSERT INTO covered (ranges) VALUES (?)').run(JSON.stringify(ranges));
      })();
      file.database.pragma('wal_checkpoint(TRUNCATE)');
      files[files.length - 1] = { ...file, ranges: union(file.ranges, ranges) };
      letGo();
    },
    slice(tag, span, after) {
      const until = after?.until ?? lastChunk(files);
      const file = files.find(({ number }) => number >= (after?.file ?? 0));
      if (!file || file.number > until.file) return { minutes: [], next: undefined };
      const untilId = file.number === until.file ? until.id : Number.MAX_SAFE_INTEGER;
      const rows = file.database
        .prepare(
          `SELECT id, crc, body FROM chunks WHERE device = ? AND lastMinute >= ? AND firstMinute <= ? AND id > ? AND id <= ?
            ORDER BY id LIMIT ${SLICE_CHUNKS}`,
        )
        .all(
          splitTagId(tag)?.device,
          span.first,
          span.last,
          file.number === after?.file ? after.id : 0,
          untilId,
        ) as StoredChunk[];
      const minutes = rows
        .flatMap((row) => minutesOf(file, row, tag))
        .filter(({ minute }) => minute >= span.first && minute <= span.last);
      const isDone = rows.length < SLICE_CHUNKS;
      if (isDone && file.number === until.file) return { minutes, next: undefined };
      const at = isDone ? { file: file.number + 1, id: 0 } : { file: file.number, id: rows.at(-1)!.id };
      return { minutes, next: { ...at, until } };
    },
    close() {
      for (const { database } of files) database.close();
    },
  };
}

function lastChunk(files: readonly File[]): RollupCursor['until'] {
  const file = files.at(-1);
  const id = file?.database.prepare('SELECT coalesce(max(id), 0) FROM chunks').pluck().get() as number | undefined;
  return { file: file?.number ?? 0, id: id ?? 0 };
}

type StoredChunk = { readonly id: number; readonly crc: number; readonly body: Uint8Array };

function minutesOf(file: File, { id, crc, body }: StoredChunk, tag: string): MinuteRollup[] {
  if (crc32(body) !== crc) throw new Damage(`${file.name}: chunk ${id} does not match its checksum`);
  return decodeRollups(inflate(file.name, body), tag);
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
    database = open(path);
    const isSound = database.pragma('quick_check(1)', { simple: true }) === 'ok';
    if (!isSound || database.pragma('user_version', { simple: true }) !== 1)
      throw new Damage(`${name}: its pages do not fit together`);
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
