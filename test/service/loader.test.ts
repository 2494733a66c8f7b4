import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { load } from '../../src/loader.ts';

let folder: string;
let cache: string;
let said: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millgate-loader-'));
  cache = join(folder, 'cache');
  said = [];
  vi.stubGlobal('say', (word: string) => said.push(word));
  writeFileSync(join(folder, 'main.cjs'), "const { word } = require('./word.cjs');\nsay(word());\n");
  writeFileSync(join(folder, 'word.cjs'), "exports.word = () => require('node:path').basename('/x/first');\n");
});
afterEach(() => {
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true });
});

/** Starts the program and lets its time pass; whether the code was written, and what the program said. */
async function start(entry = 'main.cjs'): Promise<{ isWritten: boolean; word: string | undefined }> {
  const before = kept();
  let keep = () => Promise.resolve();
  const later = (call: () => Promise<void>) => {
    keep = call;
  };
  const importOutside = async (name: string) => said.push(`import ${name}`);
  load({ folder, entry, thread: 'main', env: { CACHE_DIRECTORY: cache }, importOutside, later });
  await keep();
  return { isWritten: kept() !== before, word: said.pop() };
}

const codeFile = (): string => join(cache, readdirSync(cache)[0]!);

/** The code of each part as it lies in the file: checksum and length of the list, the list, the parts. */
function codeOfParts(): Map<string, Buffer> {
  const bytes = readFileSync(codeFile());
  const start = 8 + bytes.readUInt32LE(4);
  const list: [string, { at: number; length: number }][] = JSON.parse(bytes.toString('utf8', 8, start));
  return new Map(list.map(([name, { at, length }]) => [name, bytes.subarray(start + at, start + at + length)]));
}

/** Tells one writing of the code from another. */
function kept(): string {
  try {
    const { ino, mtimeMs, ctimeMs } = statSync(codeFile());
    return [ino, mtimeMs, ctimeMs].join(' ');
  } catch {
    return 'none';
  }
}

describe('the code that is kept of a program', () => {
  it('leaves an import of another package to the file that started the program, however late it comes', async () => {
    writeFileSync(join(folder, 'late.cjs'), "say('begun'); setImmediate(() => require.importOutside('serialport'));\n");
    for (const isCompiled of [false, true]) {
      const { isWritten, word } = await start('late.cjs');
      expect(isWritten).toBe(!isCompiled);
      await new Promise(setImmediate);
      expect([...said.splice(0), word].sort()).toEqual(['begun', 'import serialport']);
    }
  });

  it('is written once, for its user alone, and taken from then on', async () => {
    expect(await start()).toEqual({ isWritten: true, word: 'first' });
    expect(statSync(codeFile()).mode & 0o777).toBe(0o600);
    expect(await start()).toEqual({ isWritten: false, word: 'first' });
  });

  it('is not taken for a file that changed, even where it is as long as before', async () => {
    await start();
    const path = join(folder, 'word.cjs');
    writeFileSync(path, readFileSync(path, 'utf8').replace('first', 'other'));
    expect(await start()).toEqual({ isWritten: true, word: 'other' });
    expect(await start()).toEqual({ isWritten: false, word: 'other' });
  });

  it('is made again wherever a byte of it is wrong, and where it was cut', async () => {
    await start();
    const whole = readFileSync(codeFile());
    const damaged = Array.from({ length: 24 }, (_, nth) => {
      const bytes = Buffer.from(whole);
      bytes[Math.floor((nth * whole.length) / 24)]! ^= 0x55;
      return bytes;
    });
    for (const bytes of [...damaged, whole.subarray(0, 5), whole.subarray(0, -1), Buffer.alloc(0)]) {
      writeFileSync(codeFile(), bytes);
      expect(await start()).toEqual({ isWritten: true, word: 'first' });
      expect(await start()).toEqual({ isWritten: false, word: 'first' });
    }
  });

  it('is not taken where others may write it, as it would run with the rights of who starts it', async () => {
    await start();
    chmodSync(codeFile(), 0o666);
    expect(await start()).toEqual({ isWritten: true, word: 'first' });
  });

  it('holds on to what other commands loaded of the same program', async () => {
    writeFileSync(join(folder, 'more.cjs'), "say(require('./word.cjs').word());\n");
    await start();
    const small = readFileSync(codeFile()).length;
    expect(await start('more.cjs')).toEqual({ isWritten: true, word: 'first' });
    expect(readFileSync(codeFile()).length).toBeGreaterThan(small);
    expect(await start()).toEqual({ isWritten: false, word: 'first' });
  });

  it('holds on to each of several parts that another command did not load', async () => {
    const part = (name: string, word: string) => writeFileSync(join(folder, name), `exports.word = () => '${word}';\n`);
    part('one.cjs', 'first');
    part('two.cjs', 'other');
    writeFileSync(join(folder, 'both.cjs'), "require('./one.cjs').word();\nsay(require('./two.cjs').word());\n");
    writeFileSync(join(folder, 'more.cjs'), "say('more');\n");
    await start('both.cjs');
    // The engine of this process remembers what it compiled by itself: what matters is what another will find in the file.
    const before = codeOfParts();
    expect([...before.keys()]).toEqual(['./both.cjs', './one.cjs', './two.cjs']);
    await start('more.cjs');
    const after = codeOfParts();
    expect(after.size).toBe(4);
    for (const [name, bytes] of before) expect(after.get(name), name).toEqual(bytes);
  });

  it('changes nothing where there is no place for it', async () => {
    writeFileSync(join(folder, 'file'), '');
    cache = join(folder, 'file/below');
    expect(await start()).toEqual({ isWritten: false, word: 'first' });
  });

  it('lets a part that failed be tried again, and says why again', async () => {
    writeFileSync(join(folder, 'word.cjs'), "throw new Error('no such library');\n");
    await expect(start()).rejects.toThrow('no such library');
    writeFileSync(join(folder, 'main.cjs'), "try { require('./word.cjs'); } catch {}\nrequire('./word.cjs');\n");
    await expect(start()).rejects.toThrow('no such library');
  });
});
