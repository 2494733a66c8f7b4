/** Reads what a write-ahead log claims before SQLite may act on it. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

/** What a write-ahead log says of itself, before SQLite reads it (https://sqlite.org/fileformat2.html#the_write_ahead_log). */
export interface WalClaim {
  /** False when its header does not match its own checksum, so that SQLite will ignore all of it. */
  readonly isHeaderSound: boolean;
  /** Numbers of the frames that end a transaction of this generation, from 1. */
  readonly commitFrames: readonly number[];
}

/**
 * Reads what the log beside `file` holds. SQLite stops silently at the first frame that is damaged; comparing what it
 * recovered with what was there is the only way to know that commits after it are lost.
 *
 * @returns undefined when there is no log, or nothing in it
 */
export function claimOfWal(file: string): WalClaim | undefined {
  const wal = `${file}-wal`;
  if (!existsSync(wal) || statSync(wal).size <= HEADER_BYTES) return undefined;
  const handle = openSync(wal, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(handle, header, 0, HEADER_BYTES, 0);
    const pageBytes = header.readUInt32BE(8);
    if (!isSound(header) || pageBytes < 512 || pageBytes > 65_536) return { isHeaderSound: false, commitFrames: [] };
    return { isHeaderSound: true, commitFrames: commitFrames(handle, header, pageBytes) };
  } finally {
    closeSync(handle);
  }
}

function commitFrames(handle: number, header: Buffer, pageBytes: number): number[] {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES);
  const found: number[] = [];
  for (let number = 1; ; number++) {
    const offset = HEADER_BYTES + (number - 1) * (FRAME_HEADER_BYTES + pageBytes);
    if (readSync(handle, frame, 0, FRAME_HEADER_BYTES, offset) < FRAME_HEADER_BYTES) return found;
    // Frames of an earlier generation differ in both salts; one that differs is damage. The second field is not zero in
    // the last frame of a commit.
    const isCurrent = [16, 20].some((salt) => frame.compare(header, salt, salt + 4, salt - 8, salt - 4) === 0);
    if (isCurrent && frame.readUInt32BE(4) !== 0) found.push(number);
  }
}

function isSound(header: Buffer): boolean {
  const magic = header.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return false;
  const word = (offset: number): number => (magic & 1 ? header.readUInt32BE(offset) : header.readUInt32LE(offset));
  let first = 0;
  let second = 0;
  for (let offset = 0; offset < 24; offset += 8) {
    first = (first + word(offset) + second) >>> 0;
    second = (second + word(offset + 4) + first) >>> 0;
  }
  return first === header.readUInt32BE(24) && second === header.readUInt32BE(28);
}
