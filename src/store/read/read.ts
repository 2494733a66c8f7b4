/** Finds what holds a range of numbers, and reads it. */
import { Damage, isDamage, type Row, type Segment } from '../format/segment.ts';
import type { SegmentInfo } from '../index/catalog.ts';
import type { Piece, Pieces } from '../protocol.ts';
import type { Stream } from '../store.ts';
import type { House } from '../write/rotate.ts';

/** Bounds of one slice, so that a reader never delays a commit by more than a few milliseconds. */
const PEEK_ROWS = 64;
const PEEK_BYTES = 1024 * 1024;

/** A segment turned out to be damaged while it was read; the engine salvages it and asks again. */
export class DamagedSegment extends Error {
  readonly info: SegmentInfo;

  constructor(info: SegmentInfo, cause: unknown) {
    super(`${info.file} is damaged`, { cause });
    this.name = 'DamagedSegment';
    this.info = info;
  }
}

/** Everything a stream can be read from, oldest first. */
export function sources(house: House, stream: Stream): SegmentInfo[] {
  const own = house.writer ? [...house.catalog.infos, house.writer.info] : house.catalog.infos;
  return own
    .filter(({ stored }) => stored[stream].length > 0)
    .sort((a, b) => a.stored[stream][0]!.from - b.stored[stream][0]!.from);
}

/** Runs `work` on the segment, and names the segment when it turns out to be damaged. */
export function within<T>(house: House, info: SegmentInfo, work: (segment: Segment) => T): T {
  try {
    return work(house.writer?.info === info ? house.writer.segment : house.catalog.open(info));
  } catch (error) {
    throw isUnreadable(error) ? new DamagedSegment(info, error) : error;
  }
}

/** Damage, or a place on the disk that cannot be read. A fault of the program must never send a segment to quarantine. */
function isUnreadable(error: unknown): boolean {
  return isDamage(error) || String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_IOERR');
}

/** Stored bodies from number `from` on; at least one when there is any, else nothing and `next` = `from`. */
export function peek(house: House, stream: Stream, from: number, limit: number): Pieces {
  // Events can lie in two segments, either of which may have lost some: the nearest one that has them is asked.
  let nearest: { info: SegmentInfo; start: number; to: number } | undefined;
  for (const info of sources(house, stream)) {
    const range = info.stored[stream].find(({ to }) => to > from);
    const start = Math.max(from, range?.from ?? 0);
    if (range && (!nearest || start < nearest.start)) nearest = { info, start, to: range.to };
  }
  if (!nearest) return { from, pieces: [], next: from };
  const { info, start, to } = nearest;
  const pieces = within(house, info, (segment) => piecesOf(info, segment, stream, start, to, limit));
  const last = pieces.at(-1)!;
  return { from: start, pieces, next: Math.min(last.first + last.count, start + limit) };
}

function piecesOf(
  info: SegmentInfo,
  segment: Segment,
  stream: Stream,
  from: number,
  to: number,
  limit: number,
): Piece[] {
  const pieces: Piece[] = [];
  let bytes = 0;
  let at = from;
  for (const row of rowsAt(info, segment, stream, from)) {
    const [first, count, body, dictionary] = bodyOf(row, stream);
    if (count === 0 || first + count <= at) continue;
    if (first > at || body === null) throw new Damage(`${info.file}: ${stream} ${at} is not where it belongs`);
    const inflated = segment.inflate(body, dictionary);
    pieces.push({ first, count, body: inflated });
    at = first + count;
    bytes += inflated.length;
    if (at >= to || at - from >= limit || bytes >= PEEK_BYTES) break;
  }
  if (pieces.length === 0) throw new Damage(`${info.file}: ${stream} ${from} is missing`);
  return pieces;
}

function rowsAt(info: SegmentInfo, segment: Segment, stream: Stream, seq: number): Row[] {
  const rows =
    stream === 'events'
      ? segment.rowsWithEvents(seq, PEEK_ROWS)
      : segment.rowsFrom(segment.findReading(seq) ?? info.firstCommit, PEEK_ROWS);
  return rows.filter(({ number }) => number <= info.lastCommit);
}

function bodyOf(row: Row, stream: Stream): [number, number, Uint8Array | null, number] {
  return stream === 'readings'
    ? [row.readingsFirst, row.readingsCount, row.readings, row.dictionary]
    : [row.eventsFirst, row.eventsCount, row.events, 0];
}
