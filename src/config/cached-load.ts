/** Keeps the checked configuration beside what it was made of, so that a gateway that starts again need not check it anew. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { LoadedFiles, SeenFiles } from './apply/config-files.ts';
import type { FileAccess } from './file/disk-files.ts';
import { isSame, type Look } from './file/looks.ts';
import { type PackedFiles, packed, unpacked } from './load-thread.ts';

/** Where what was checked is kept, and for whom. */
interface CacheOptions {
  /** The folder of the cache, which may be deleted at any time; undefined: nothing is kept. */
  readonly folder: string | undefined;
  /** The main file, absolute. */
  readonly file: string;
  /** All that the result depends on beside the files: program, machine, time zone. */
  readonly about: string;
  readonly files: FileAccess;
}

/** What is kept of one main file. */
interface Kept {
  readonly about: string;
  readonly looks: readonly Look[];
  readonly loaded: PackedFiles;
}

const DIGEST_BYTES = 32;

/** Configurations that are kept in one folder. */
const MOST_KEPT = 8;

/**
 * Gives the configuration that was kept if every look at the disk that led to it gives the same again, and else loads it.
 *
 * @returns `keep` keeps what was checked for the next start; it never throws: without it, the next start checks again
 */
export async function loadCached(
  options: CacheOptions,
  load: () => Promise<SeenFiles>,
): Promise<{ readonly loaded: LoadedFiles; readonly isFromCache: boolean; readonly keep: () => void }> {
  const kept = readKept(options);
  if (kept) return { loaded: unpacked(kept), isFromCache: true, keep: () => {} };
  const { looks, ...loaded } = await load();
  return { loaded, isFromCache: false, keep: () => keep(options, looks, loaded) };
}

function readKept({ folder, file, about, files }: CacheOptions): PackedFiles | undefined {
  if (folder === undefined) return undefined;
  try {
    const path = pathOf(folder, file);
    const { uid, mode } = statSync(path);
    // Whoever can write it chooses what runs: with sudo, that must not be the user whose home this is.
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) return undefined;
    const bytes = readFileSync(path);
    const body = bytes.subarray(DIGEST_BYTES);
    if (!sha256(body).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
    const kept = deserialize(body) as Kept;
    return kept.about === about && kept.looks.every((look) => isSame(look, files)) ? kept.loaded : undefined;
  } catch {
    // There is none, or none that this program can read: it is made again.
    return undefined;
  }
}

function keep({ folder, file, about }: CacheOptions, looks: readonly Look[], loaded: LoadedFiles): void {
  if (folder === undefined || !loaded.result.ok) return;
  try {
    const body = serialize({ about, looks, loaded: packed(loaded) } satisfies Kept);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = pathOf(folder, file);
    writeFileSync(`${path}.new`, Buffer.concat([sha256(body), body]), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    forgetOld(folder);
  } catch {
    // A cache that cannot be written costs time at the next start, and nothing else.
  }
}

/** A machine has one file, and who tries things out a few: what was kept of others goes, the oldest first. */
function forgetOld(folder: string): void {
  const kept = readdirSync(folder)
    .filter((name) => /^[0-9a-f]{16}\.checked/.test(name))
    .map((name) => ({ path: join(folder, name), ms: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.ms - a.ms);
  for (const { path } of kept.slice(MOST_KEPT)) rmSync(path, { force: true });
}

function pathOf(folder: string, file: string): string {
  return join(folder, `${sha256(resolve(file)).toString('hex').slice(0, 16)}.checked`);
}

function sha256(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
