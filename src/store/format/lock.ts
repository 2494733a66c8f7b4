/** The lock that lets one process at a time have the store. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { makeFolder } from '../../core/file-system.ts';
import { isFull } from './disk.ts';

/** The store's single-instance lock. The kernel gives it back when its process dies, however it dies. */
export interface Lock {
  release(): void;
}

/**
 * Makes the folder and locks it for this process.
 *
 * @param holder said to whoever comes second: which process, since when
 * @throws Fault 69 when another process has the store, 77 when the folder may not be written
 */
export function lockFolder(folder: string, holder: { pid: number; sinceWallMs: number }): Lock {
  const holderFile = join(folder, 'holder.json');
  let database: Database.Database | undefined;
  try {
    makeFolder(folder);
    database = new Database(join(folder, 'lock.db'), { timeout: 0 });
    database.pragma('journal_mode = MEMORY');
    // The lock that SQLite takes for a writer is released by the kernel, unlike a file with a process number in it.
    database.exec('BEGIN EXCLUSIVE');
    sayHolder(holderFile, holder);
  } catch (error) {
    database?.close();
    throw refusal(folder, holderFile, error);
  }
  const held = database;
  return {
    release() {
      if (!held.open) return;
      rmSync(holderFile, { force: true });
      held.close();
    },
  };
}

/** The lock is held without it: a full disk may not keep the store shut. Whoever comes second then learns no process. */
function sayHolder(holderFile: string, holder: { pid: number; sinceWallMs: number }): void {
  try {
    writeFileSync(holderFile, JSON.stringify(holder));
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

/**
 * For tools that read the store of a stopped gateway: passes when nobody holds it, takes nothing.
 *
 * @throws Fault 69 when a process holds it or there is no store, 77 when the folder may not be read
 */
export function refuseIfHeld(folder: string): void {
  const file = join(folder, 'lock.db');
  if (!existsSync(folder))
    throw new Fault(
      `store ${folder}: it is not there`,
      'Check store.path, or start the gateway once.',
      EXIT.unavailable,
    );
  if (!existsSync(file)) return;
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, timeout: 0 });
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
  } catch (error) {
    throw refusal(folder, join(folder, 'holder.json'), error);
  } finally {
    database?.close();
  }
}

function refusal(folder: string, holderFile: string, error: unknown): Fault {
  const code = codeOf(error) ?? '';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return new Fault(
      `store ${folder}: in use by ${holderText(holderFile)}`,
      'Stop it first (systemctl stop millgate), or give this one another store.path.',
      EXIT.unavailable,
      { cause: error },
    );
  if (['EACCES', 'EPERM', 'SQLITE_CANTOPEN', 'SQLITE_READONLY'].includes(code))
    return new Fault(
      `store ${folder}: ${messageOf(error)}`,
      'Let the user that runs millgate write there, or set store.path.',
      EXIT.permission,
      { cause: error },
    );
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_DLOPEN_FAILED')
    return new Fault(
      `the store needs SQLite, which cannot be loaded: ${messageOf(error).split('\n', 1)[0]}`,
      `It has to be built for this Node.js (${process.version}): install the package again, or run "npm rebuild better-sqlite3" in a checkout.`,
      EXIT.unavailable,
      { cause: error },
    );
  return new Fault(
    `store ${folder}: ${messageOf(error)}`,
    'Check that the disk is mounted and sound, or set store.path.',
    EXIT.unavailable,
    { cause: error },
  );
}

function holderText(holderFile: string): string {
  try {
    const { pid, sinceWallMs } = JSON.parse(readFileSync(holderFile, 'utf8'));
    return `process ${pid} since ${new Date(sinceWallMs).toISOString()}`;
  } catch {
    return 'another process';
  }
}
