import { existsSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';

/** A connection to one file, in the mode that survives a power cut. */
export type Connection = Database.Database;

/** Opens a file of the store for writing. Given as an option, so that a failing disk can stand in for a real one. */
export type OpenDatabase = (file: string) => Connection;

/**
 * The page is small because every commit writes whole pages twice (log, then file) and is itself about 1 kB; see
 * `test/long/store-bytes.mjs` for the measurement.
 */
const PAGE_BYTES = 1024;

/** The log is folded into the file in steps of about this much. */
const CHECKPOINT_BYTES = 1_048_576;

/** Opens `file` so that a commit is on the disk when it returns, and its log never outgrows `logBytes`. */
export function openForWriting(file: string, logBytes = CHECKPOINT_BYTES): Connection {
  const database = new Database(file, { timeout: 1000 });
  try {
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
