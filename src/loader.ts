/** Loads the bundled program with the code that the engine compiled at an earlier start. */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

// Compiling a megabyte of program takes half of a start. The engine can give what it compiled as bytes, and take it again:
// these are kept in the folder of the cache, which may be deleted at any time. A part is taken only when its file is the one
// that was compiled; the engine itself refuses what another version or other flags made; the whole has a checksum, as the
// engine trusts such bytes; and it must be this user's, as they are a program.

// Node brings its own libraries compiled, and takes them so only under the flags they were compiled with; the bounds on the
// heap in NODE_OPTIONS are others. The heap has taken its bounds when it was made, so the flags may be as they were, which
// changes nothing of how it works. 118 ms become 72 ms for HTTP, TLS and a thread.
setFlagsFromString('--max-old-space-size=0');
setFlagsFromString('--max-semi-space-size=0');

/** Programs and threads whose code is kept in one folder. */
const MOST_KEPT = 8;

const HEADER_BYTES = 8;

/** Most parts fit in, bytes. */
const LEAST_SCRATCH_BYTES = 512 * 1024;

type Require = ((name: string) => unknown) & { importOutside?: (name: string) => Promise<unknown> };

/** A file of the program that was loaded. */
interface Part {
  readonly script: Script;
  /** Tells the file from every other that was at its place. */
  readonly stamp: string;
}

/** What is kept of one part: where its code lies behind the list, and its checksum. */
interface Kept {
  readonly stamp: string;
  readonly at: number;
  readonly length: number;
  readonly sum: number;
}

/** The code that was kept, by the name of the part: in a file that stays open while the program starts. */
interface Code {
  readonly file: number;
  /** Where the first part begins. */
  readonly start: number;
  readonly kept: ReadonlyMap<string, Kept>;
}

/** What is to be loaded. */
interface Program {
  /** Where it lies. */
  readonly folder: string;
  /** The name of the file to run. */
  readonly entry: string;
  /** The threads of a program keep their code apart, by this name. */
  readonly thread: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Imports what is not in the bundle. */
  readonly importOutside: (name: string) => Promise<unknown>;
  /** Calls once everything that belongs to a start has run: then the code is kept. A command is over before. */
  readonly later: (keep: () => Promise<void>) => void;
}

/** Runs a file of the bundled program. */
export function load({ folder, entry, thread, env, importOutside, later }: Program): void {
  const requireOutside = createRequire(join(folder, entry));
  const cache = cacheFile(folder, thread, env);
  let code = cache === undefined ? undefined : openCode(cache);
  const parts = new Map<string, Part>();
  const loaded = new Map<string, { exports: unknown }>();
  let isComplete = true;
  let memory = scratch();
  const requireHere: Require = (name) => {
    if (!name.startsWith('./')) return requireOutside(name);
    const known = loaded.get(name);
    if (known) return known.exports;
    const module = { exports: {} };
    loaded.set(name, module);
    const path = join(folder, name);
    try {
      const { part, isCompiled } = compile(path, code, name, memory);
      if (isStarting) parts.set(name, part);
      isComplete &&= !isCompiled;
      part.script.runInThisContext()(module.exports, requireHere, module, path, folder);
      return module.exports;
    } catch (error) {
      // Whoever tries it again is to be told again.
      loaded.delete(name);
      throw error;
    }
  };
  requireHere.importOutside = importOutside;
  let isStarting = true;
  requireHere(`./${entry}`);
  later(async () => {
    isStarting = false;
    if (cache !== undefined && !isComplete) await keep(cache, folder, parts, code);
    parts.clear();
    memory = Buffer.allocUnsafeSlow;
    if (code) closeSync(code.file);
    code = undefined;
  });
}

/**
 * Memory that files are read into, one at a time: what was given holds until the next is asked for. With memory of its own for
 * each of dozens of parts, a small board spends a twentieth of a start on what is used once.
 */
type Scratch = (length: number) => Buffer;

function scratch(): Scratch {
  let memory = Buffer.alloc(0);
  return (length) => {
    if (memory.length < length) memory = Buffer.allocUnsafeSlow(Math.max(length, LEAST_SCRATCH_BYTES));
    return memory.subarray(0, length);
  };
}

/** One file, of ASCII alone, as a function of what a CommonJS module is given. */
function compile(
  path: string,
  code: Code | undefined,
  name: string,
  memory: Scratch,
): { part: Part; isCompiled: boolean } {
  const stamp = stampOf(path);
  const text = `(function (exports, require, module, __filename, __dirname) {${textOf(path, memory)}\n})`;
  const kept = code?.kept.get(name);
  const cachedData = code && kept?.stamp === stamp ? codeOf(code, kept, memory) : undefined;
  const script = new Script(text, { filename: path, ...(cachedData && { cachedData }) });
  return { part: { script, stamp }, isCompiled: cachedData === undefined || script.cachedDataRejected === true };
}

/** The text of a file of ASCII alone. */
function textOf(path: string, memory: Scratch): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = memory(size);
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, size, 0));
  } finally {
    closeSync(file);
  }
}

/** The code of one part; undefined where it is not as it was written. */
function codeOf(
  { file, start }: Code,
  { at, length, sum }: Omit<Kept, 'stamp'>,
  memory: Scratch = Buffer.allocUnsafeSlow,
): Buffer | undefined {
  const bytes = memory(length);
  try {
    return readSync(file, bytes, 0, length, start + at) === length && crc32(bytes) === sum ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** A file whose bytes changed has another time of change, whatever else it was given. */
function stampOf(path: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statSync(path);
  return [ino, size, mtimeMs, ctimeMs].join(' ');
}

/** Opens the code that was kept; undefined where there is none that may be trusted. */
function openCode(path: string): Code | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { uid, mode, size } = fstatSync(file);
    const isOwn = uid === process.geteuid?.() && (mode & 0o022) === 0;
    const header = Buffer.alloc(HEADER_BYTES);
    if (isOwn && readSync(file, header) === HEADER_BYTES) {
      const list = { at: 0, length: Math.min(header.readUInt32LE(4), size), sum: header.readUInt32LE(0) };
      const index = codeOf({ file, start: HEADER_BYTES, kept: new Map() }, list);
      const start = HEADER_BYTES + list.length;
      if (index) return { file, start, kept: new Map(JSON.parse(index.toString()) as [string, Kept][]) };
    }
  } catch {
    // There is none, or not a whole one: the program is compiled again.
  }
  if (file !== undefined) closeSync(file);
  return undefined;
}

/** Keeps the code of what was loaded, and of what was loaded at other times and is there still. Never throws. */
async function keep(path: string, folder: string, parts: ReadonlyMap<string, Part>, code: Code | undefined) {
  const pieces: { readonly name: string; readonly stamp: string; readonly bytes: Buffer }[] = [];
  try {
    for (const [name, { script, stamp }] of parts) {
      pieces.push({ name, stamp, bytes: script.createCachedData() });
      // One part takes a few milliseconds: the lines go on between them.
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [name, kept] of code?.kept ?? []) {
      const bytes = !parts.has(name) && isThere(join(folder, name), kept.stamp) && codeOf(code!, kept);
      if (bytes) pieces.push({ name, stamp: kept.stamp, bytes });
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, encoded(pieces), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    forgetOld(dirname(path));
  } catch {
    // Without it the next start takes longer, and nothing else.
  }
}

/** Checksum and length of the list, the list, and the parts one behind the other. */
function encoded(pieces: readonly { readonly name: string; readonly stamp: string; readonly bytes: Buffer }[]): Buffer {
  let at = 0;
  const list = pieces.map(({ name, stamp, bytes }) => {
    const kept: Kept = { stamp, at, length: bytes.length, sum: crc32(bytes) };
    at += bytes.length;
    return [name, kept];
  });
  const index = Buffer.from(JSON.stringify(list));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(crc32(index), 0);
  header.writeUInt32LE(index.length, 4);
  return Buffer.concat([header, index, ...pieces.map(({ bytes }) => bytes)]);
}

function isThere(path: string, stamp: string): boolean {
  try {
    return stampOf(path) === stamp;
  } catch {
    return false;
  }
}

/** Programs come and go while somebody develops: the oldest code goes. */
function forgetOld(folder: string): void {
  const kept = readdirSync(folder)
    .filter((name) => /\.code(\.new)?$/.test(name))
    .map((name) => ({ path: join(folder, name), ms: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.ms - a.ms);
  for (const { path } of kept.slice(MOST_KEPT)) rmSync(path, { force: true });
}

/** Where the code of a thread of the program in this folder is kept; undefined where there is no place for it. */
function cacheFile(
  folder: string,
  thread: string,
  { CACHE_DIRECTORY, XDG_CACHE_HOME, HOME }: Program['env'],
): string | undefined {
  const home = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
  const cache = CACHE_DIRECTORY || (home && join(home, 'millgate'));
  const program = crc32(`${folder} ${process.version} ${process.arch}`).toString(16);
  return cache ? join(cache, `${thread}-${program}.code`) : undefined;
}
