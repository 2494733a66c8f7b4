import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../../../src/store/format/folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'millgate-folder-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the folder of the store', () => {
  it('is made with those above it, and may be there already', () => {
    const deep = join(folder, 'a/b/c');
    makeFolder(deep);
    makeFolder(deep);
    expect(existsSync(deep)).toBe(true);
  });

  it('ends with an error where nothing can be made, as below /proc', () => {
    expect(() => makeFolder('/proc/millgate/store')).toThrow(/ENOENT|EACCES|EPERM/);
  });
});
