/** Makes folders, and has their entries on the disk. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../../core/errors.ts';

/** Permissions of a new folder: its owner, and readers of its group. */
const MODE = 0o750;

/**
 * Makes a folder and those above it that are missing, one level at a time: Node's own `recursive` never ends where a
 * file system says ENOENT for whatever is made in it, as /proc does.
 *
 * @throws the error of the level that could not be made
 */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) {
    missing.unshift(path);
    if (path === dirname(path)) break;
  }
  for (const path of missing) {
    try {
      mkdirSync(path, { mode: MODE });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Has the names in a folder on the disk: a file that was made or renamed is safe only then. Throws what the disk says. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
