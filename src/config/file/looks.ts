/** Notes what a configuration was made of: each look at the disk, and a digest of what was there. */
import { createHash } from 'node:crypto';
import { codeOf } from '../../core/errors.ts';
import type { FileAccess } from './disk-files.ts';

/** One look at the disk while a configuration was loaded, and a digest of what was there. */
export type Look = readonly [what: keyof FileAccess, path: string, found: string];

/** An access that notes each look. */
export function watched(files: FileAccess, looks: Look[]): FileAccess {
  const note = <T>(what: keyof FileAccess, path: string, look: (path: string) => T): T => {
    looks.push([what, path, digestOf(what, path, files)]);
    return look(path);
  };
  return {
    read: (path) => note('read', path, files.read),
    list: (path) => note('list', path, files.list),
    exists: (path) => note('exists', path, files.exists),
  };
}

/** Whether the same look finds the same now. */
export function isSame([what, path, found]: Look, files: FileAccess): boolean {
  return digestOf(what, path, files) === found;
}

/** What a look finds, as a short text: that it fails is something that it finds, too. */
function digestOf(what: keyof FileAccess, path: string, files: FileAccess): string {
  try {
    const found = files[what](path);
    if (typeof found === 'boolean') return String(found);
    const data = found instanceof Uint8Array ? found : [...found].sort().join('\n');
    return createHash('sha256').update(data).digest('base64');
  } catch (error) {
    return codeOf(error) ?? 'failed';
  }
}
