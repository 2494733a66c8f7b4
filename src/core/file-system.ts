/** Files and folders: made so that they are on the disk, whole; and where those of this program are. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf } from './errors.ts';

/** Permissions of a new folder: its owner, and readers of its group. */
const FOLDER_MODE = 0o750;

/**
 * The folder that holds this program's package.json: above the sources, the compiled files or the bundle alike.
 *
 * @throws Error when no folder above has one: the program was torn out of its package
 */
function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) throw new Error(`There is no package.json above ${import.meta.dirname}.`);
  }
}

/** The absolute path of something that comes with the program, such as `config/profiles`. */
export function installed(path: string): string {
  return join(packageRoot(), path);
}

/** The version of this program, from its package.json. */
export function programVersion(): string {
  return (JSON.parse(readFileSync(installed('package.json'), 'utf8')) as { version: string }).version;
}

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
      mkdirSync(path, { mode: FOLDER_MODE });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** How a file is written whole. */
interface WholeFile {
  /** Permissions, less those that the umask takes. */
  readonly mode: number;
  /** False: a file that is there stays, and is an error `EEXIST`. */
  readonly replace?: boolean;
}

/**
 * Writes a file whole or not at all: into a draft beside it, to the disk, and then under its name. After a power cut
 * there is the file as it was, or the new one.
 *
 * @throws what the system says
 */
export function writeWhole(path: string, content: string | Uint8Array, { mode, replace = true }: WholeFile): void {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${process.pid}.new`);
  try {
    writeDraft(draft, Buffer.from(content), mode);
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
    sync(folder);
  } finally {
    rmSync(draft, { force: true });
  }
}

function writeDraft(path: string, bytes: Uint8Array, mode: number): void {
  const handle = openSync(path, 'wx', mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The names in a folder are on the disk only then. */
function sync(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
