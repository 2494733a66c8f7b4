/** Opens the SQLite files of the store in the mode that survives a power cut. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import Database from 'better-sqlite3';
import { messageOf } from '../../core/errors.ts';

/** A connection to one file, in the mode that survives a power cut. */
export type Connection = Database.Database;

/** Opens a file of the store for writing. Given as an option, so that a failing disk can stand in for a real one. */
export type OpenDatabase = (file: string) => Connection;

/**
 * The page is small because every commit writes whole pages twice (log, then file) and is itself below 1 kB; see
 * `test/long/store-bytes.mjs` for the measurement.
 */
const PAGE_BYTES = 512;

/** The log is folded into the file in steps of about this much. */
const CHECKPOINT_BYTES = 1_048_576;

/** Opens `file` so that a commit is on the disk when it returns, and its log never outgrows `logBytes`. */
export function openForWriting(file: string, logBytes = CHECKPOINT_BYTES): Connection {
  const database = new Database(file, { timeout: 1000 });
  try {
    // Only segments are read beside the gateway. Whoever is alone needs no shared memory, which is 32 kB of disk.
    if (!/^(readings|events)-/.test(basename(file))) database.pragma('locking_mode = EXCLUSIVE');
    database.pragma(`page_size = ${PAGE_BYTES}`);
    database.pragma('journal_mode = WAL');
    // The library is built with NORMAL for WAL, which loses commits in a power cut.
    database.pragma('synchronous = FULL');
    database.pragma(`journal_size_limit = ${logBytes}`);
    database.pragma(`wal_autocheckpoint = ${Math.max(8, Math.floor(logBytes / PAGE_BYTES))}`);
    database.pragma('cache_size = -2000');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens `file` for reading; nothing of it is changed, and whoever writes it goes on. */
export function openForReading(file: string): Connection {
  return new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 });
}

/** The files that belong to one database. */
export function filesOf(file: string): string[] {
  return [file, `${file}-wal`, `${file}-shm`, `${file}-journal`];
}

/** Bytes of a database and its log; 0 when it is not there. The shared-memory index is no part of the disk's burden. */
export function sizeOf(file: string): number {
  return (
    (statSync(file, { throwIfNoEntry: false })?.size ?? 0) +
    (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  );
}

/** Removes a database with all that belongs to it. The log goes first: alone it would be taken for another's. */
export function unlinkDatabase(file: string): void {
  for (const part of filesOf(file).reverse()) if (existsSync(part)) rmSync(part, { force: true });
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

/** Node has no name for some errors of the system, and gives their number. */
const QUOTA = 'Unknown system error -122';

/** What the disk may answer. Of the system's own errors all but those that only a fault of the program can bring. */
const REFUSALS =
  /^(SQLITE_(FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|BUSY|LOCKED|PROTOCOL|PERM)|E(?!BADF|INVAL|FAULT)[A-Z0-9]+$|Unknown system error)/;

/** Whether the disk has no room; SQLite says so of its shared memory in words of its own. */
export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  return /^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/.test(code) || code === QUOTA;
}

/** Whether the disk refused, as against a fault of the program: a damaged, unmounted or stale file system does as well. */
export function isRefusal(error: unknown): boolean {
  return REFUSALS.test(errorCode(error));
}

/** What the disk said of the store in `path`, and what to do. */
export function troubleText(path: string, error: unknown): string {
  const code = errorCode(error);
  const what = `store ${path}: ${messageOf(error)} (${code}).`;
  if (isFull(error))
    return `${what} The disk is full and nothing of the store is left to give up: free space on it. Polling goes on; readings are held in memory.`;
  if (/READONLY|EROFS|PERM|EACCES/.test(code))
    return `${what} The disk became read-only or its rights changed: check dmesg, then mount -o remount,rw.`;
  return `${what} Readings are held in memory and the commit is tried again: check the disk (dmesg, smartctl).`;
}
