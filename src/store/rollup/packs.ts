/**
 * Packs minutes anew, one tag by itself: chunks hold all tags of a device for ten minutes, so that a month of one tag would
 * be thousands of reads. Beside each pack lie its cells of ten minutes, for who does not ask for single minutes. Neither
 * says anything that the chunks do not say, and the chunks stay.
 */
import { crc32 } from 'node:zlib';
import { splitTagId } from '../../core/reading.ts';
import type { Connection } from '../format/disk.ts';
import { Damage, deflate, inflate } from '../format/segment.ts';
import { CELL_MINUTES, decodeCells, encodeCells } from './minute-cells.ts';
import { type Cell, decodeRollups, encodeRollups, type Merging, mergeInto, tagsIn } from './rollup.ts';

/** Chunks of a device that are packed together: twelve hours of them. */
const RUN_CHUNKS = 72;

/** Chunks that are inflated in one step, so that no commit waits for more than a few milliseconds. */
const STEP_CHUNKS = 8;

/** Packs that are read in one slice, by minutes and by cells. */
const SLICE_PACKS = 8;
const SLICE_CELLS = 64;

/**
 * A run is known by the id of its last chunk. `packed` says up to which chunk a device is packed, `celled` up to which it
 * has cells, too: a file that was packed before there were cells is packed once more, to the same runs.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS packs (tag TEXT NOT NULL, run INTEGER NOT NULL, firstMinute INTEGER NOT NULL,
    lastMinute INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tag, run)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS packed (device TEXT PRIMARY KEY, lastId INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cells (tag TEXT NOT NULL, run INTEGER NOT NULL, firstMinute INTEGER NOT NULL,
    lastMinute INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tag, run)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS celled (device TEXT PRIMARY KEY, lastId INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** A file of roll-ups, as far as packing goes. */
interface PackedFile {
  readonly number: number;
  readonly name: string;
  readonly database: Connection;
}

/** A body as it is stored. */
export type StoredChunk = { readonly id: number; readonly crc: number; readonly body: Uint8Array };

/** What is in a stored body. Throws `Damage` where its checksum does not fit. */
export function bodyOf(file: { readonly name: string }, chunk: StoredChunk): Uint8Array {
  return inflate(file.name, checked(file, chunk));
}

function checked(file: { readonly name: string }, { id, crc, body }: StoredChunk): Uint8Array {
  if (crc32(body) !== crc) throw new Damage(`${file.name}: chunk ${id} does not match its checksum`);
  return body;
}

/** The chunks of one run of a device: first they are inflated, then each tag is packed, and then all packs are written. */
interface Run {
  /** Number of the file that it is in. */
  readonly file: number;
  readonly device: string;
  readonly ids: readonly number[];
  readonly bodies: Uint8Array[];
  tags: string[] | undefined;
  readonly packs: Pack[];
}

/** The minutes of one tag in a run, and the same as cells. */
interface Pack {
  readonly tag: string;
  readonly first: number;
  readonly last: number;
  readonly body: Uint8Array;
  readonly cells: Uint8Array;
}

/** Packs files, little by little, the oldest first. */
interface Packing {
  /** A few milliseconds of it; true when there is more to do. */
  readonly step: () => boolean;
  /** Says that chunks came to the newest file. */
  readonly appended: () => void;
}

/**
 * @param files those that there are, as they come and go, the newest last
 * @param lose takes a file out of them that is damaged; throws any other error
 */
export function createPacking<F extends PackedFile>(
  files: readonly F[],
  lose: (file: F, error: unknown) => void,
): Packing {
  /** Nothing is left to do in files below this number; undefined: in any. */
  let from: number | undefined = 0;
  let run: Run | undefined;
  return {
    step() {
      const file = from === undefined ? undefined : files.find(({ number }) => number >= from!);
      if (!file) {
        from = undefined;
        return false;
      }
      if (run?.file !== file.number) run = undefined;
      try {
        if (!run) file.database.exec(TABLES);
        // Nothing comes to an older file any more: what is left at its end is a run, too.
        run ??= nextRun(file, file === files.at(-1) ? RUN_CHUNKS : 1);
        if (!run) from = file.number + 1;
        else if (stepOf(file, run)) run = undefined;
      } catch (error) {
        run = undefined;
        lose(file, error);
      }
      return true;
    },
    appended() {
      // The one before it, too, which may have been the newest until now.
      from = Math.min(from ?? Number.POSITIVE_INFINITY, files.at(-2)?.number ?? files.at(-1)!.number);
    },
  };
}

/** From device to device through the index, and of each no more than a run: a month has a few hundred thousand chunks. */
const NEXT_DEVICE = `
  WITH RECURSIVE devices (device) AS (
    SELECT min(device) FROM chunks
    UNION ALL
    SELECT (SELECT min(device) FROM chunks WHERE device > devices.device) FROM devices WHERE device IS NOT NULL)
  SELECT device FROM devices LEFT JOIN celled USING (device)
    WHERE device IS NOT NULL AND (SELECT count(*) FROM
      (SELECT 1 FROM chunks WHERE chunks.device = devices.device AND id > coalesce(lastId, 0) LIMIT ${RUN_CHUNKS})) >= ?
    LIMIT 1`;

/** The next run of at least so many chunks that is not packed yet. */
function nextRun({ number, database }: PackedFile, least: number): Run | undefined {
  const device = database.prepare(NEXT_DEVICE).pluck().get(least) as string | undefined;
  if (device === undefined) return undefined;
  const ids = database
    .prepare(
      `SELECT id FROM chunks WHERE device = ? AND id > coalesce((SELECT lastId FROM celled WHERE device = ?), 0)
         ORDER BY id LIMIT ${RUN_CHUNKS}`,
    )
    .pluck()
    .all(device, device) as number[];
  return { file: number, device, ids, bodies: [], tags: undefined, packs: [] };
}

/** One step of a run; true when it is done. */
function stepOf(file: PackedFile, run: Run): boolean {
  const { ids, bodies, packs } = run;
  if (bodies.length < ids.length) {
    const chunk = file.database.prepare('SELECT id, crc, body FROM chunks WHERE id = ?');
    for (const id of ids.slice(bodies.length, bodies.length + STEP_CHUNKS))
      bodies.push(bodyOf(file, chunk.get(id) as StoredChunk));
    return false;
  }
  run.tags ??= [...new Set(bodies.flatMap(tagsIn))];
  const tag = run.tags.pop();
  if (tag === undefined) {
    write(file.database, run);
    return true;
  }
  const cells = new Map<number, Cell>();
  for (const body of bodies) for (const minute of decodeRollups(body, tag)) mergeInto(cells, minute.minute, minute);
  const minutes = [...cells.values()].sort((a, b) => a.minute - b.minute);
  if (minutes.length === 0) return false;
  packs.push({
    tag,
    first: minutes[0]!.minute,
    last: minutes.at(-1)!.minute,
    body: deflate(encodeRollups(new Map([[tag, cells]]))),
    cells: encodeCells(minutes),
  });
  return false;
}

function write(database: Connection, { device, ids, packs }: Run): void {
  const run = ids.at(-1)!;
  const insert = database.prepare('INSERT OR REPLACE INTO packs VALUES (?, ?, ?, ?, ?, ?)');
  const insertCells = database.prepare('INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?)');
  database.transaction(() => {
    for (const { tag, first, last, body, cells } of packs) {
      insert.run(tag, run, first, last, crc32(body), body);
      insertCells.run(tag, run, first, last, crc32(cells), cells);
    }
    database
      .prepare('INSERT INTO packed VALUES (?, ?) ON CONFLICT DO UPDATE SET lastId = max(lastId, excluded.lastId)')
      .run(device, run);
    database.prepare('INSERT OR REPLACE INTO celled VALUES (?, ?)').run(device, run);
  })();
  database.pragma('wal_checkpoint(TRUNCATE)');
}

/** Up to which chunk a tag is to be read from packs, by a reader who wants no chunk behind `untilId`. */
export function packedTo({ database }: PackedFile, tag: string, untilId: number): number {
  if (!hasTable(database, 'packed')) return 0;
  const device = splitTagId(tag)?.device;
  const lastId = database.prepare('SELECT lastId FROM packed WHERE device = ?').pluck().get(device) as
    | number
    | undefined;
  if (lastId === undefined || lastId <= untilId) return lastId ?? 0;
  const within = database.prepare('SELECT coalesce(max(run), 0) FROM packs WHERE tag = ? AND run <= ?').pluck();
  return within.get(tag, untilId) as number;
}

/**
 * Adds some packs of a tag behind `place`, or their cells where that is enough; returns the run of the last of them,
 * undefined when there are no more.
 */
export function readPacks(
  file: PackedFile,
  tag: string,
  span: { readonly first: number; readonly last: number },
  place: { readonly id: number; readonly packedTo: number },
  merging: Merging,
): number | undefined {
  if (place.packedTo === 0) return undefined;
  const isByCells = merging.every % CELL_MINUTES === 0 && celledTo(file, tag) >= place.packedTo;
  const limit = isByCells ? SLICE_CELLS : SLICE_PACKS;
  const rows = file.database
    .prepare(
      `SELECT run AS id, crc, body FROM ${isByCells ? 'cells' : 'packs'}
         WHERE tag = ? AND run > ? AND run <= ? AND lastMinute >= ? AND firstMinute <= ? ORDER BY run LIMIT ${limit}`,
    )
    .all(tag, place.id, place.packedTo, span.first, span.last) as StoredChunk[];
  for (const row of rows) {
    if (isByCells) {
      const { cells, runs } = decodeCells(file.name, checked(file, row));
      merging.smaller(cells, runs);
    } else merging.minutes(decodeRollups(bodyOf(file, row), tag));
  }
  return rows.length < limit ? undefined : rows.at(-1)!.id;
}

/** Up to which chunk the device of a tag has cells. */
function celledTo({ database }: PackedFile, tag: string): number {
  if (!hasTable(database, 'celled')) return 0;
  const lastId = database.prepare('SELECT lastId FROM celled WHERE device = ?').pluck().get(splitTagId(tag)?.device);
  return (lastId as number | undefined) ?? 0;
}

function hasTable(database: Connection, name: string): boolean {
  return database.prepare('SELECT count(*) FROM sqlite_master WHERE name = ?').pluck().get(name) === 1;
}
