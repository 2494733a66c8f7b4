/** The files of a configuration on the disk: how they are read, and which belong to it. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, resolve } from 'node:path';

/** Largest file that is read, bytes. */
export const MAX_FILE_BYTES = 4_000_000;

/** How files are reached; doubles of it serve files from memory. Errors are those of `node:fs`. */
export interface FileAccess {
  /** The bytes of a file, or at least one byte more than `MAX_FILE_BYTES` of a larger one. */
  readonly read: (path: string) => Uint8Array;
  /** Names in a folder, in any order; empty when there is no such folder. */
  readonly list: (path: string) => readonly string[];
  readonly exists: (path: string) => boolean;
}

/** The disk; relative paths start from `folder`. */
export function diskFilesFrom(folder: string): FileAccess {
  const at = (path: string): string => resolve(folder, path);
  return {
    read: (path) => readBounded(at(path)),
    list: (path) => (existsSync(at(path)) ? readdirSync(at(path)) : []),
    exists: (path) => existsSync(at(path)),
  };
}

/** The name of the main file among its files. */
export function mainName(file: string): string {
  return basename(file);
}

/** Whether a path from the folder of the main file names one of the files that belong to it. */
export function isOwn(name: string, main: string): boolean {
  return name === main || /^(conf\.d|profiles)\/[^/]+\.yaml$/.test(name);
}

/** Reads to the limit and one byte beyond, so that an endless file ends in a message and not in memory. */
function readBounded(path: string): Uint8Array {
  const descriptor = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let total = 0; total <= MAX_FILE_BYTES; ) {
      const chunk = Buffer.alloc(Math.min(65_536, MAX_FILE_BYTES + 1 - total));
      const length = readSync(descriptor, chunk);
      if (length === 0) break;
      chunks.push(chunk.subarray(0, length));
      total += length;
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(descriptor);
  }
}
