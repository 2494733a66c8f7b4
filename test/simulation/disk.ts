import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Random } from '../../src/core/random.ts';
import type { Connection, OpenDatabase } from '../../src/store/format/disk.ts';

/** Thrown where the machine lost its power: nothing after it happens. */
export class PowerLost extends Error {}

/** What the disk answers to writes. `isDone`: it does what it is told, and then says that it failed. */
export interface DiskFault {
  readonly code: 'SQLITE_FULL' | 'SQLITE_IOERR_FSYNC' | 'SQLITE_IOERR_WRITE' | 'SQLITE_READONLY';
  readonly isDone: boolean;
  times: number;
  /** It refuses only while the folder holds more than this: what goes makes room. */
  readonly roomBytes?: number;
}

type Image = Map<string, Buffer>;

const SECTOR_BYTES = 512;

/** Files that do not outlive the process, or whose content nobody trusts after a crash. */
const VOLATILE = /(-shm|holder\.json)$/;

/**
 * The disk of one boot: every database is opened through it, so that it can refuse, and so that the power can be cut
 * between any two operations or in the middle of one. What was synced is on the image; of the operation under way any
 * part of the log may be.
 */
export class SimulatedDisk {
  fault: DiskFault | undefined;
  /** How often it refused. */
  refusals = 0;
  isCut = false;
  private armed: number | undefined;
  private depth = 0;
  private isScrapped = false;
  private image: Image | undefined;
  private readonly connections: Connection[] = [];
  private readonly folder: string;
  private readonly inner: OpenDatabase;
  private readonly random: Random;

  constructor(folder: string, inner: OpenDatabase, random: Random) {
    this.folder = folder;
    this.inner = inner;
    this.random = random;
  }

  /** Cuts the power in the middle of the operation that comes after `operations` others; undefined: not any more. */
  arm(operations: number | undefined): void {
    this.armed = operations;
  }

  /** Cuts the power now, between two operations. */
  cutNow(): void {
    this.image ??= withLooseEnds(snapshot(this.folder), this.random);
    this.isCut = true;
  }

  /** Closes what the dead process had open. */
  release(): void {
    for (const connection of this.connections) connection.close();
  }

  /** Writes what the power cut left into an empty folder; what is done to the old one has no effect any more. */
  restore(folder: string): void {
    this.isScrapped = true;
    for (const [name, bytes] of this.image ?? []) {
      const file = join(folder, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    }
  }

  /** The store's way to its files. */
  readonly open: OpenDatabase = (file) => {
    if (this.isCut && !this.isScrapped) throw new PowerLost('open');
    if (this.fault?.code === 'SQLITE_READONLY' && !existsSync(file)) this.refuse(false);
    const database = this.inner(file);
    this.connections.push(database);
    return this.guarded(database);
  };

  private guarded(database: Connection): Connection {
    const { prepare, exec, pragma, close, transaction } = database;
    return Object.assign(database, {
      prepare: (sql: string) => {
        const statement = prepare.call(database, sql);
        if (!/^(INSERT|UPDATE|DELETE)/.test(sql)) return statement;
        const run = statement.run.bind(statement) as (...given: unknown[]) => unknown;
        return Object.assign(statement, { run: (...given: unknown[]) => this.operation(() => run(...given)) });
      },
      exec: (sql: string) => this.operation(() => exec.call(database, sql)),
      pragma: (source: string, options?: { simple?: boolean }) => {
        const ask = () => pragma.call(database, source, options);
        return /journal_mode|wal_checkpoint/.test(source) ? this.operation(ask) : ask();
      },
      transaction: (work: (...given: unknown[]) => unknown) => {
        const whole = transaction.call(database, work);
        return (...given: unknown[]) => this.operation(() => whole(...given));
      },
      close: () => {
        // Closing folds the log in; it says nothing when that fails.
        if (!database.open) return database;
        this.step(() => close.call(database));
        return database;
      },
    }) as Connection;
  }

  private operation<T>(work: () => T): T {
    if (this.isScrapped) return work();
    const fault = this.fault;
    if (fault && !fault.isDone) this.refuse(false);
    const answer = this.step(work);
    if (fault?.isDone && this.depth === 0) this.refuse(true);
    return answer;
  }

  private refuse(isDone: boolean): void {
    const { fault } = this;
    if (!fault || fault.isDone !== isDone || fault.times <= 0) return;
    if (fault.roomBytes !== undefined && bytesIn(this.folder) <= fault.roomBytes) return;
    fault.times--;
    this.refusals++;
    throw Object.assign(new Error('the disk refused'), { code: fault.code });
  }

  /** Does the work, unless the power goes before it or in its middle. */
  private step<T>(work: () => T): T {
    if (this.isScrapped) return work();
    if (this.isCut) throw new PowerLost('cut');
    if (this.armed === undefined) return this.nested(work);
    if (this.armed-- > 0) return this.nested(work);
    this.armed = undefined;
    const before = snapshot(this.folder);
    // In the middle of a transaction nothing of it is on the disk.
    if (this.depth > 0) this.image = before;
    else {
      this.nested(work);
      this.image = torn(before, snapshot(this.folder), this.random);
    }
    this.isCut = true;
    throw new PowerLost('cut');
  }

  private nested<T>(work: () => T): T {
    this.depth++;
    try {
      return work();
    } finally {
      this.depth--;
    }
  }
}

/** Flips one bit of a file. */
export function flipBit(file: string, random: Random): void {
  const bytes = readFileSync(file);
  if (bytes.length === 0) return;
  const at = Math.floor(random() * bytes.length);
  bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
  writeFileSync(file, bytes);
}

/** Closed segments in a folder: every one but the newest, none with a log. */
export function closedSegments(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => /^(readings|events)-\d+\.db$/.test(file));
  const newest = files
    .filter((file) => file.startsWith('readings'))
    .sort()
    .at(-1);
  return files
    .filter((file) => file !== newest && !existsSync(join(folder, `${file}-wal`)))
    .sort()
    .map((file) => join(folder, file));
}

/** Removes a folder with all that is in it. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Bytes of all files in a folder and below. */
export function bytesIn(folder: string): number {
  return namesIn(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function namesIn(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function snapshot(folder: string): Image {
  const names = namesIn(folder);
  return new Map(
    names
      .filter((name) => !VOLATILE.test(name))
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

/**
 * What may be on the disk after an operation that was cut. The log is synced before anything else changes, so that
 * either part of the log is there and nothing else, or all of the log and part of the rest.
 */
function torn(before: Image, after: Image, random: Random): Image {
  const dice = random();
  if (dice < 0.2) return before;
  if (dice < 0.4) return after;
  const changed = [...after].filter(([name, bytes]) => before.get(name)?.equals(bytes) !== true).map(([name]) => name);
  const logs = changed.filter((name) => name.endsWith('-wal'));
  if (changed.length === 1 && logs.length === 1)
    return new Map([...before, [logs[0]!, mixed(before.get(logs[0]!), after.get(logs[0]!)!, random)]]);
  return random() < 0.5 ? before : after;
}

/** The first sectors of the new content over the old one, and a few of the later ones: a disk may reorder. */
function mixed(before: Buffer | undefined, after: Buffer, random: Random): Buffer {
  const sectors = Math.ceil(after.length / SECTOR_BYTES);
  const reached = Math.floor(random() * (sectors + 1));
  const isReordered = random() < 0.3;
  const result = Buffer.alloc(Math.max(before?.length ?? 0, after.length));
  before?.copy(result);
  let end = before?.length ?? 0;
  for (let sector = 0; sector < sectors; sector++) {
    if (sector >= reached && !(isReordered && random() < 0.3)) continue;
    const from = sector * SECTOR_BYTES;
    const to = Math.min(from + SECTOR_BYTES, after.length);
    after.copy(result, from, from, to);
    end = Math.max(end, to);
  }
  return result.subarray(0, end);
}

/** What was never synced may be missing, and a log may have grown by what never came. */
function withLooseEnds(image: Image, random: Random): Image {
  if (image.has('reserve') && random() < 0.3) image.set('reserve', Buffer.alloc(0));
  for (const [name, bytes] of [...image]) {
    if (!name.endsWith('-wal') || bytes.length === 0 || random() < 0.5) continue;
    const tail = Buffer.alloc(Math.floor(random() * 3000), random() < 0.5 ? 0 : 0xa5);
    image.set(name, Buffer.concat([bytes, tail]));
  }
  return image;
}
