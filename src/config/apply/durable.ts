/** Writes files so that after a power cut the old or the new one is there, whole. */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';

/** Steps on a disk that are each on it for good when they resolve, or, where said, after the next `syncFolder`. */
export interface Disk {
  /** The text of a file; undefined when there is none. */
  read(path: string): Promise<string | undefined>;
  /** Writes a file anew, its bytes on the disk; its name is after `syncFolder`. `like`: a file with the same owner and rights. */
  write(path: string, text: string, like?: string): Promise<void>;
  /** After `syncFolder`: for good. Either name is seen after a power cut, never none and never half a file. */
  rename(from: string, to: string): Promise<void>;
  /** After `syncFolder`: for good. No error when there is none. */
  remove(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** Names in a folder; empty when there is none. */
  list(folder: string): Promise<readonly string[]>;
  /** Makes a folder in one that is there, with its owner. */
  makeFolder(folder: string): Promise<void>;
  /** Where a file really is, behind links. */
  realPath(path: string): Promise<string>;
}

/** What a new file is called until it is whole. */
export function stagedName(path: string): string {
  return `${path}.new`;
}

/** Replaces a file so that after a power cut there is the old one or the new one, whole. */
export async function writeAtomically(disk: Disk, path: string, text: string): Promise<void> {
  const target = await disk.realPath(path);
  await disk.write(stagedName(target), text, target);
  await disk.rename(stagedName(target), target);
  await disk.syncFolder(dirname(target));
}

/** What the disk refused, in a technician's words: exit 77 when this user may not, else 1. */
export function diskFault(what: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  const cause = { cause: error };
  if (code === 'EACCES' || code === 'EPERM')
    return new Fault(
      `${what}: this user may not write there. Let the user that runs millgate write its folder (chgrp millgate, chmod g+w), or edit the file as root and then: systemctl reload millgate.`,
      EXIT.permission,
      cause,
    );
  if (code === 'EROFS')
    return new Fault(
      `${what}: is on a file system that is read-only here. Mount it writable, or give the service ReadWritePaths= for its folder (systemctl edit millgate).`,
      EXIT.permission,
      cause,
    );
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Fault(`${what}: the disk is full. Make room, then try again.`, EXIT.failed, cause);
  return new Fault(`${what}: ${messageOf(error)}. Check the disk (dmesg).`, EXIT.failed, cause);
}

/** The same of what cannot be read. */
export function readFault(what: string, error: unknown): Fault {
  const code = codeOf(error);
  if (code !== 'EACCES' && code !== 'EPERM') return diskFault(what, error);
  const remedy = 'Use sudo -u millgate, or join its group (usermod -aG millgate).';
  return new Fault(`${what}: this user may not read it. ${remedy}`, EXIT.permission, { cause: error });
}

/** Rights of a new file: its owner writes, its group reads. */
const MODE = 0o640;
const FOLDER_MODE = 0o750;

/** The machine's disk. */
export const realDisk: Disk = {
  async read(path) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  async write(path, text, like) {
    await withHandle(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, async (file) => {
      await adopt(file, like ?? dirname(path), like === undefined);
      await file.writeFile(text);
      await file.sync();
    });
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder: (path) => withHandle(path, constants.O_RDONLY, (folder) => folder.sync()),
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  async makeFolder(folder) {
    try {
      await mkdir(folder, { mode: FOLDER_MODE });
      await withHandle(folder, constants.O_RDONLY, (made) => adopt(made, dirname(folder), true));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  },
  async realPath(path) {
    try {
      return await realpath(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return path;
      throw error;
    }
  },
};

async function withHandle(path: string, flags: number, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, MODE);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}

/** Gives a file the owner of another, where that is allowed, and its rights unless only the owner is wanted. */
async function adopt(handle: FileHandle, like: string, ownerOnly: boolean): Promise<void> {
  try {
    const { uid, gid, mode } = await stat(like);
    await handle.chown(uid, gid).catch(() => {});
    if (!ownerOnly) await handle.chmod(mode & 0o777);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
