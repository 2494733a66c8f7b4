/** Where this program is installed, and which version it is. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
