/** The segment that is being written. */
import { join } from 'node:path';
import { shapesIn } from '../format/codec.ts';
import { type OpenDatabase, sizeOf } from '../format/disk.ts';
import { KnownShapes } from '../format/record-shapes.ts';
import { createSegment, type Dictionary, deflate, openSegment, type Row, type Segment } from '../format/segment.ts';
import { countRow, emptyInfo, type SegmentInfo } from './catalog.ts';

/** Shapes beyond this are left out of the dictionary; deflate looks back 32 kB at most, and values need some of it. */
const MAX_DICTIONARY_BYTES = 16 * 1024;

/** A new dictionary is begun when shapes came up that the last one lacks, after ever more commits: 8, 64, 512 … */
const DICTIONARY_WAIT_FACTOR = 8;

/** A row before it is deflated. */
type NewRow = Omit<Row, 'latestWallMs' | 'dictionary' | 'readings' | 'events'> & {
  readonly readings: Uint8Array | null;
  readonly events: Uint8Array | null;
};

/** The segment that is being written. */
export interface Writer {
  readonly info: SegmentInfo;
  readonly segment: Segment;
  readonly startedMonoMs: number;
  /** Deflates and writes; durable on return. Gives the bytes handed to SQLite. */
  append(row: NewRow): number;
}

/** Begins a segment. Its tables are made in the transaction of its first row, so that no segment is ever half made. */
export function beginSegment(
  folder: string,
  open: OpenDatabase,
  begin: { id: number; epoch: string; firstCommit: number; monoMs: number },
): Writer {
  const info = emptyInfo('readings', begin.id, begin.firstCommit);
  const file = join(folder, info.file);
  const database = open(file);
  return writerOn(createSegment(file, database, begin), file, info, begin.monoMs, 0);
}

/** Goes on with a segment that an earlier run left. */
export function resumeSegment(folder: string, open: OpenDatabase, info: SegmentInfo, monoMs: number): Writer {
  const file = join(folder, info.file);
  const segment = openSegment(file, open(file));
  return writerOn(segment, file, info, monoMs, segment.lastDictionary());
}

function writerOn(segment: Segment, file: string, info: SegmentInfo, startedMonoMs: number, lastId: number): Writer {
  const known = new KnownShapes();
  const shapes = new Map<string, Uint8Array>();
  let shapeBytes = 0;
  let held = new Set<string>();
  let dictionary: Dictionary = { id: lastId, body: new Uint8Array(0) };
  let latestWallMs = info.maxWallMs;
  let commitsSince = 0;
  let waitCommits = 0;

  /** A new dictionary, when this commit has shapes that the present one lacks and it is time. */
  const renewed = (body: Uint8Array): Dictionary | undefined => {
    const lacking = shapesIn(body, known).filter(({ key }) => !held.has(key));
    for (const { key, bytes } of lacking) {
      if (shapes.has(key) || shapeBytes + bytes.length > MAX_DICTIONARY_BYTES) continue;
      shapes.set(key, bytes);
      shapeBytes += bytes.length;
    }
    if (!lacking.some(({ key }) => shapes.has(key)) || commitsSince < waitCommits) return undefined;
    return { id: dictionary.id + 1, body: Buffer.concat([...shapes.values()]) };
  };

  return {
    info,
    segment,
    startedMonoMs,
    append(row) {
      const next = row.readings ? renewed(row.readings) : undefined;
      const used = next ?? dictionary;
      const hasDictionary = row.readings !== null && used.body.length > 0;
      const stored: Row = {
        ...row,
        latestWallMs: Math.max(latestWallMs, row.maxWallMs),
        dictionary: hasDictionary ? used.id : 0,
        readings: row.readings && deflate(row.readings, hasDictionary ? used.body : undefined),
        events: row.events && deflate(row.events),
      };
      segment.append(stored, next);
      if (next) {
        dictionary = next;
        held = new Set(shapes.keys());
        commitsSince = 0;
        waitCommits = Math.max(1, waitCommits) * DICTIONARY_WAIT_FACTOR;
      } else commitsSince++;
      latestWallMs = stored.latestWallMs;
      countRow(info, stored);
      info.bytes = sizeOf(file);
      return (
        (stored.notes?.length ?? 0) +
        (stored.events?.length ?? 0) +
        (stored.readings?.length ?? 0) +
        (next?.body.length ?? 0)
      );
    },
  };
}
