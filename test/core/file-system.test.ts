import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, writeWhole } from '../../src/core/file-system.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millgate-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a folder', () => {
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

describe('a file that is written whole', () => {
  it('takes the place of another, or leaves it where that is wanted', () => {
    const file = join(folder, 'a.yaml');
    writeWhole(file, 'one', { mode: 0o600 });
    writeWhole(file, new Uint8Array([50]), { mode: 0o600 });
    expect(() => writeWhole(file, 'three', { mode: 0o600, replace: false })).toThrow(
      expect.objectContaining({ code: 'EEXIST' }),
    );
    expect(readFileSync(file, 'utf8')).toBe('2');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing behind when it cannot be', () => {
    const file = join(folder, 'a.yaml');
    makeFolder(file);
    expect(() => writeWhole(file, 'text', { mode: 0o600 })).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(folder)).toEqual(['a.yaml']);
  });
});
