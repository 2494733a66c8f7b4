/** The form of one segment file: its tables, its rows and what counts as damage. */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { EXIT, Fault } from '../../core/errors.ts';
import { CodecError } from './bytes.ts';
import type { Connection } from './disk.ts';

/** Format of a segment; a program refuses newer ones. */
const SEGMENT_FORMAT = 1;

/** Level 1: on bodies of about 1 kB higher levels gain under 2 % and cost twice the time. */
const DEFLATE_LEVEL = 1;

/** No body is larger inflated; damage must not ask for endless memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const TABLES = `
  CREATE TABLE about (epoch TEXT NOT NULL, id INTEGER NOT NULL) STRICT;
  CREATE TABLE dictionaries (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE TABLE commits (
    number INTEGER PRIMARY KEY, crc INTEGER NOT NULL,
    readingsFirst INTEGER NOT NULL, readingsCount INTEGER NOT NULL,
    eventsFirst INTEGER NOT NULL, eventsCount INTEGER NOT NULL,
    minWallMs INTEGER NOT NULL, maxWallMs INTEGER NOT NULL, latestWallMs INTEGER NOT NULL,
    dictionary INTEGER NOT NULL, notes BLOB, events BLOB, readings BLOB) STRICT;
  CREATE INDEX commitsWithEvents ON commits (eventsFirst) WHERE eventsCount > 0;
  PRAGMA user_version = ${SEGMENT_FORMAT};
`;

/** One commit as it lies in a segment. Bodies are deflated. */
export interface Row {
  readonly number: number;
  readonly readingsFirst: number;
  readonly readingsCount: number;
  readonly eventsFirst: number;
  readonly eventsCount: number;
  /** Times of its records; 0 when it has none. */
  readonly minWallMs: number;
  readonly maxWallMs: number;
  /** Latest time of any record of this segment so far: rises with `number`, so that it can be searched. */
  readonly latestWallMs: number;
  /** Which preset dictionary `readings` was deflated with; 0 for none. */
  readonly dictionary: number;
  readonly notes: Uint8Array | null;
  readonly events: Uint8Array | null;
  readonly readings: Uint8Array | null;
}

type StoredRow = Row & { readonly crc: number };

/** Stored bytes are not what was written. */
export class Damage extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Damage';
  }
}

/** A file without tables: its first transaction was never committed. */
export class NeverWritten extends Error {
  constructor(file: string) {
    super(`${file}: nothing was ever committed to it`);
    this.name = 'NeverWritten';
  }
}

/** No program will ever count its formats higher; a greater version is damage. */
const HIGHEST_VERSION = 1000;

/**
 * Gives the version of a file's format.
 *
 * @param known the newest format that this program reads
 * @throws Fault when a newer program wrote the file: it is sound, and must neither be changed nor moved
 */
export function refuseNewer(file: string, version: unknown, known: number): number {
  const found = Number(version);
  if (found <= known || found > HIGHEST_VERSION) return found;
  throw new Fault(
    `store ${dirname(file)}: ${basename(file)} was written by a newer millgate (format ${found}, this one knows ` +
      `${known})`,
    'Install that version again, or give this one another store.path.',
    EXIT.unavailable,
  );
}

/** A dictionary to be kept beside the rows that use it. */
export interface Dictionary {
  readonly id: number;
  readonly body: Uint8Array;
}

/** One segment file, open. Every row that it gives was checked against its CRC. */
export class Segment {
  readonly file: string;
  readonly epoch: string;
  private readonly database: Connection;
  private readonly dictionaries = new Map<number, Uint8Array>();
  private readonly statements = new Map<string, Database.Statement>();
  /** Makes the tables, until it has. */
  private makeTables: (() => void) | undefined;

  constructor(file: string, database: Connection, epoch: string, makeTables?: () => void) {
    this.file = file;
    this.database = database;
    this.epoch = epoch;
    this.makeTables = makeTables;
  }

  /** Writes one row, and a dictionary when a new one begins; durable on return, or it throws and nothing was written. */
  append(row: Row, dictionary?: Dictionary): void {
    if (this.makeTables || dictionary) this.together(() => this.insert(row, dictionary));
    else this.insert(row, undefined);
    this.makeTables = undefined;
    if (dictionary) this.dictionaries.set(dictionary.id, dictionary.body);
  }

  /** The row with this number, if there is one. */
  row(number: number): Row | undefined {
    return this.checked(this.prepare('SELECT * FROM commits WHERE number = ?').all(number))[0];
  }

  /** Rows from `number` on, at most `limit`. */
  rowsFrom(number: number, limit: number): Row[] {
    return this.checked(
      this.prepare('SELECT * FROM commits WHERE number >= ? ORDER BY number LIMIT ?').all(number, limit),
    );
  }

  /** Rows with events, those that hold event `seq` or later ones. */
  rowsWithEvents(seq: number, limit: number): Row[] {
    const rows = this.prepare(
      `SELECT * FROM commits WHERE eventsCount > 0 AND eventsFirst >=
        coalesce((SELECT max(eventsFirst) FROM commits WHERE eventsCount > 0 AND eventsFirst <= @seq), 0)
        ORDER BY eventsFirst LIMIT @limit`,
    ).all({ seq, limit });
    return this.checked(rows).filter((row) => row.eventsFirst + row.eventsCount > seq);
  }

  /** First and last row number; undefined when there is none. */
  bounds(): { first: number; last: number } | undefined {
    // Asked one by one: SQLite finds both at once only by looking at every row.
    const { first, last } = this.prepare(
      'SELECT (SELECT min(number) FROM commits) AS first, (SELECT max(number) FROM commits) AS last',
    ).get() as { first: number | null; last: number | null };
    return first === null || last === null ? undefined : { first, last };
  }

  /** The number of the last row that begins at or before reading `seq`. */
  findReading(seq: number): number | undefined {
    return this.searchLast('readingsFirst', (value) => value <= seq);
  }

  /** The number of the first row at or after which records of `wallMs` or later can be. */
  findTime(wallMs: number): number | undefined {
    const before = this.searchLast('latestWallMs', (value) => value < wallMs);
    const found = this.prepare('SELECT min(number) AS number FROM commits WHERE number > ?').get(before ?? -1);
    return (found as { number: number | null }).number ?? undefined;
  }

  /** The id of the dictionary that was begun last; 0 when there is none. */
  lastDictionary(): number {
    return (this.prepare('SELECT coalesce(max(id), 0) AS id FROM dictionaries').get() as { id: number }).id;
  }

  /** A dictionary by its id; throws {@link Damage} when it cannot be read. */
  dictionary(id: number): Uint8Array {
    const held = this.dictionaries.get(id);
    if (held) return held;
    const row = this.prepare('SELECT crc, body FROM dictionaries WHERE id = ?').get(id) as
      | { crc: number; body: Uint8Array }
      | undefined;
    if (!(row?.body instanceof Uint8Array) || crc32(row.body) !== row.crc)
      throw new Damage(`${this.file}: dictionary ${id} is damaged`);
    this.dictionaries.set(id, row.body);
    return row.body;
  }

  /** A body as it was before it was deflated. */
  inflate(body: Uint8Array, dictionary: number): Uint8Array<ArrayBuffer> {
    return inflate(this.file, body, dictionary === 0 ? undefined : this.dictionary(dictionary));
  }

  /** Whether its pages fit together; says nothing of what is in them. */
  isSound(): boolean {
    return this.database.pragma('quick_check(1)', { simple: true }) === 'ok';
  }

  /** Folds the log in as far as it goes; how many frames of it SQLite took for good, right after it was opened. */
  foldLog(): number {
    const [result] = this.database.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
    return result?.log ?? 0;
  }

  /** Runs `work` in one transaction. */
  together(work: () => void): void {
    this.database.transaction(work)();
  }

  /** Folds the log into the file, so that a single file without a log remains. */
  finish(): void {
    this.database.pragma('journal_mode = DELETE');
    this.database.close();
  }

  close(): void {
    this.database.close();
  }

  private prepare(sql: string): Database.Statement {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = this.database.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  private insert(row: Row, dictionary: Dictionary | undefined): void {
    this.makeTables?.();
    if (dictionary)
      this.prepare('INSERT INTO dictionaries VALUES (?, ?, ?)').run(
        dictionary.id,
        crc32(dictionary.body),
        dictionary.body,
      );
    this.prepare(
      `INSERT INTO commits VALUES (@number, @crc, @readingsFirst, @readingsCount, @eventsFirst, @eventsCount,
        @minWallMs, @maxWallMs, @latestWallMs, @dictionary, @notes, @events, @readings)`,
    ).run({ ...row, crc: crcOf(row) });
  }

  private checked(rows: unknown[]): Row[] {
    return (rows as StoredRow[]).map((row) => checked(this.file, row));
  }

  /**
   * The last row number for which `holds` is true of a column that rises with the number. Searched, not indexed: an
   * index would add a page to every commit.
   */
  private searchLast(column: 'readingsFirst' | 'latestWallMs', holds: (value: number) => boolean): number | undefined {
    const probe = this.prepare(
      `SELECT number, ${column} AS value FROM commits WHERE number <= ? ORDER BY number DESC LIMIT 1`,
    );
    const bounds = this.bounds();
    if (!bounds) return undefined;
    let low = bounds.first - 1;
    let high = bounds.last;
    let found: number | undefined;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const row = probe.get(middle) as { number: number; value: number } | undefined;
      if (!row || row.number <= low) low = middle;
      else if (holds(row.value)) {
        found = row.number;
        low = middle;
      } else high = row.number - 1;
    }
    return found;
  }
}

/** Makes a segment. Its tables are made in the transaction of its first row. */
export function createSegment(file: string, database: Connection, about: { epoch: string; id: number }): Segment {
  return new Segment(file, database, about.epoch, () => {
    database.exec(TABLES);
    database.prepare('INSERT INTO about VALUES (?, ?)').run(about.epoch, about.id);
  });
}

/**
 * Opens a segment that exists.
 *
 * @throws Damage when it cannot be read, NeverWritten when a crash interrupted its making
 */
export function openSegment(file: string, database?: Connection): Segment {
  let connection = database;
  try {
    // A log left by a crash can only be folded in by a connection that may write.
    connection ??= new Database(file, { readonly: !existsSync(`${file}-wal`), fileMustExist: true });
    if (connection.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0) throw new NeverWritten(file);
    const format = connection.pragma('user_version', { simple: true }) as number;
    if (refuseNewer(file, format, SEGMENT_FORMAT) !== SEGMENT_FORMAT)
      throw new Damage(`${file}: format ${format} is not known`);
    const about = connection.prepare('SELECT epoch, id FROM about').get() as { epoch: string } | undefined;
    if (!about) throw new Damage(`${file}: does not say whose it is`);
    return new Segment(file, connection, about.epoch);
  } catch (error) {
    connection?.close();
    throw error;
  }
}

/** Deflates a body; what it holds is compared with the dictionary first. */
export function deflate(body: Uint8Array, dictionary?: Uint8Array): Uint8Array {
  return deflateRawSync(body, { level: DEFLATE_LEVEL, ...(dictionary && { dictionary }) });
}

/** The reverse of {@link deflate}. Throws {@link Damage} when it cannot be. */
export function inflate(file: string, body: Uint8Array, dictionary?: Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    return ownBuffer(inflateRawSync(body, { maxOutputLength: MAX_BODY_BYTES, ...(dictionary && { dictionary }) }));
  } catch (error) {
    throw new Damage(`${file}: a body cannot be inflated`, { cause: error });
  }
}

/** Whether an error says that stored bytes are damaged, as against a disk that refuses. */
export function isDamage(error: unknown): boolean {
  const code = String((error as { code?: unknown } | null)?.code ?? '');
  return (
    error instanceof Damage ||
    error instanceof NeverWritten ||
    error instanceof CodecError ||
    /^SQLITE_(CORRUPT|NOTADB|ERROR|FORMAT)/.test(code)
  );
}

const NO_BYTES = new Uint8Array(0);

/** Over the numbers as well: a flipped bit in one of them would give a reading another's number. */
function crcOf(row: Row): number {
  const numbers = [
    row.number,
    row.readingsFirst,
    row.readingsCount,
    row.eventsFirst,
    row.eventsCount,
    row.minWallMs,
    row.maxWallMs,
    row.latestWallMs,
    row.dictionary,
    row.notes?.length ?? -1,
    row.events?.length ?? -1,
    row.readings?.length ?? -1,
  ].join();
  return [row.notes, row.events, row.readings].reduce((crc, body) => crc32(body ?? NO_BYTES, crc), crc32(numbers));
}

function checked(file: string, row: StoredRow): Row {
  const { crc, ...rest } = row;
  // A flipped bit can change the type of a value too.
  const areBytes = [rest.notes, rest.events, rest.readings].every(
    (body) => body === null || body instanceof Uint8Array,
  );
  if (!areBytes || crcOf(rest) !== crc) throw new Damage(`${file}: commit ${row.number} does not match its checksum`);
  return rest;
}

/** zlib's small results share a pool; what is transferred to another thread must own its buffer. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(bytes.length);
  own.set(bytes);
  return own;
}
