import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import { syncFolder } from '../store/format/folder.ts';

/** That a file is there already and nobody said that it may go. */
export function alreadyThere(file: string): Fault {
  return new Fault(`${file} is there already and stays as it is. --output FILE writes another; --force replaces it.`);
}

/**
 * Writes a file whole or not at all: into a draft beside it, to the disk, and then under its name.
 *
 * @param replace whether a file that is there is replaced
 * @throws Fault: exit 1 when it is there or the folder is not, 77 when it may not be written
 */
export function writeWhole(path: string, text: string, replace: boolean): void {
  const draft = join(dirname(path), `.millgate-init-${process.pid}.new`);
  try {
    const file = openSync(draft, 'wx', 0o644);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
    syncFolder(dirname(path));
  } catch (error) {
    throw explained(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

function explained(path: string, error: unknown): Fault {
  switch (codeOf(error)) {
    case 'EEXIST':
      return existsSync(path) ? alreadyThere(path) : new Fault(`${path}: another init is writing it. Try again.`);
    case 'ENOENT':
    case 'ENOTDIR':
      return new Fault(`${path}: there is no folder ${dirname(path)}. Make it: mkdir -p ${dirname(path)}`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Fault(`${path}: may not be written. Run with sudo, or give --output FILE.`, EXIT.permission, {
        cause: error,
      });
    default:
      return new Fault(`${path}: cannot be written: ${messageOf(error)}. Is the disk full?`);
  }
}
