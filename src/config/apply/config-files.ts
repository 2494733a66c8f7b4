/** Loads a configuration together with the texts of all the files it was made of. */
import { basename, dirname, relative, resolve } from 'node:path';
import type { ConfigurationEdit, ConfigurationFiles } from '../../core/configuration.ts';
import type { LoadResult } from '../config.ts';
import { diskFilesFrom, type FileAccess, isOwn, mainName } from '../file/disk-files.ts';
import { withEntry } from '../file/edit.ts';
import { type Look, watched } from '../file/looks.ts';
import { type LoadOptions, loadConfig } from '../load.ts';

/** A configuration, and the texts that it was made of. */
export interface LoadedFiles {
  readonly result: LoadResult;
  /** Those below the folder of the main file: itself, `conf.d`, own profiles. */
  readonly files: ConfigurationFiles;
}

/** A configuration with what it was made of, and with every look at the disk that led to it. */
export interface SeenFiles extends LoadedFiles {
  readonly looks: readonly Look[];
}

/** Where files are looked for: all on the disk, the main one in memory, or all of them in memory. */
export type FileSource =
  | { readonly from: 'disk' }
  | { readonly from: 'text'; readonly text: string; readonly edit?: ConfigurationEdit | undefined }
  | { readonly from: 'files'; readonly files: ConfigurationFiles };

/** Loads a configuration as `check` does at the place of its file, and notes what it was made of. */
export function loadWithFiles(options: LoadOptions, given: FileSource = { from: 'disk' }): LoadedFiles {
  const cwd = options.cwd ?? '';
  const main = resolve(cwd, options.file);
  const nameOf = (path: string): string => relative(dirname(main), resolve(cwd, path));
  const disk = options.files ?? diskFilesFrom(cwd);
  const source = edited(given);
  const access = sourceAccess(disk, source, mainName(main), nameOf);
  const noted: Record<string, string> = {};
  const noting: FileAccess = {
    ...access,
    read(path) {
      const bytes = access.read(path);
      if (isOwn(nameOf(path), mainName(main))) noted[nameOf(path)] = Buffer.from(bytes).toString('utf8');
      return bytes;
    },
  };
  return { result: loadConfig({ ...options, files: noting }), files: noted };
}

/** {@link loadWithFiles}, noting each look at the disk. */
export function loadSeen(options: Omit<LoadOptions, 'files'>, given: FileSource): SeenFiles {
  const looks: Look[] = [];
  const files = watched(diskFilesFrom(options.cwd ?? ''), looks);
  return { ...loadWithFiles({ ...options, files }, given), looks };
}

/** A text with the entry that is to be put into it. */
function edited(source: FileSource): FileSource {
  if (source.from !== 'text' || !source.edit) return source;
  return { from: 'text', text: withEntry(source.text, source.edit) };
}

function sourceAccess(
  disk: FileAccess,
  source: FileSource,
  main: string,
  nameOf: (path: string) => string,
): FileAccess {
  if (source.from === 'disk') return disk;
  const files: ConfigurationFiles = source.from === 'text' ? { [main]: source.text } : source.files;
  const isServed = (name: string): boolean =>
    source.from === 'text' ? name === main : isOwn(name, main) || name === 'conf.d' || name === 'profiles';
  return {
    read(path) {
      const name = nameOf(path);
      if (!isServed(name)) return disk.read(path);
      const text = files[name];
      if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
      return new TextEncoder().encode(text);
    },
    list(path) {
      const folder = nameOf(path);
      if (!isServed(folder)) return disk.list(path);
      return Object.keys(files).flatMap((name) => (dirname(name) === folder ? basename(name) : []));
    },
    exists: (path) => (isServed(nameOf(path)) ? files[nameOf(path)] !== undefined : disk.exists(path)),
  };
}
