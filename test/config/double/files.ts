import { dirname, join } from 'node:path';
import type { LoadResult } from '../../../src/config/config.ts';
import type { FileAccess } from '../../../src/config/file/disk-files.ts';
import { formatProblem } from '../../../src/config/file/problems.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { drivers } from './drivers.ts';

/** Where the doubles keep the profiles that come with the program. */
export const BUILT_IN = '/opt/millgate/config/profiles';

/** Files in memory: paths to their texts or bytes. Missing ones fail as on a disk. */
export function memoryFiles(contents: Record<string, string | Uint8Array>): FileAccess {
  const paths = Object.keys(contents);
  return {
    read: (path) => {
      const content = contents[path];
      if (content === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
    list: (folder) =>
      paths.filter((path) => dirname(path) === folder).map((path) => path.slice(join(folder, '/').length)),
    exists: (path) => paths.includes(path),
  };
}

/** Loads `millgate.yaml` out of files in memory. */
export function load(contents: Record<string, string | Uint8Array>, hostname = 'gate-1'): LoadResult {
  return loadConfig({
    file: 'millgate.yaml',
    drivers,
    hostname,
    timezone: 'Europe/London',
    files: memoryFiles(contents),
    profiles: BUILT_IN,
  });
}

/** Every line that `check` prints of these files. */
export function linesOf(contents: Record<string, string | Uint8Array>, hostname?: string): string[] {
  const result = load(contents, hostname);
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

/** Lines joined by hand, so that line numbers can be counted in the test. */
export function yaml(...lines: string[]): string {
  return `${lines.join('\n')}\n`;
}
