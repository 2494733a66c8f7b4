import { basename, dirname, join, resolve } from 'node:path';
import type { LoadResult } from '../config/config.ts';
import type { CliContext } from './context.ts';

/**
 * Checks a configuration that is not written yet, as `check` would once it is: profiles beside the file count, and files
 * in `conf.d` only if wanted.
 *
 * @param file where it would be
 */
export async function loadText(
  file: string,
  text: string,
  context: CliContext,
  withConfD = false,
): Promise<LoadResult> {
  const [{ loadConfig }, { diskFilesFrom }, { DRIVERS }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/files.ts'),
    import('../../hal/registry.ts'),
  ]);
  const disk = diskFilesFrom(context.cwd);
  const bytes = new TextEncoder().encode(text);
  const absolute = resolve(context.cwd, file);
  const isIt = (path: string): boolean => resolve(context.cwd, path) === absolute;
  return loadConfig({
    file,
    cwd: context.cwd,
    drivers: DRIVERS,
    hostname: context.hostname,
    files: {
      read: (path) => (isIt(path) ? bytes : disk.read(path)),
      list: (path) => (basename(path) === 'conf.d' && !withConfD ? [] : disk.list(path)),
      exists: (path) => isIt(path) || disk.exists(path),
    },
  });
}

/** Folders in which profiles for a configuration file are looked for, the technician's own first. */
export async function profileFolders(file: string): Promise<string[]> {
  const { builtInProfiles } = await import('../config/profiles.ts');
  return [join(dirname(file), 'profiles'), builtInProfiles()];
}
