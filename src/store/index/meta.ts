/** The index database: segments, ledger, positions of uplinks, and what is reserved. */
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { EXIT, Fault } from '../../core/errors.ts';
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, union } from '../../core/intervals.ts';
import { type Connection, type OpenDatabase, unlinkDatabase } from '../format/disk.ts';
import type { WallOffset } from '../format/restamp.ts';
import { Damage, isDamage } from '../format/segment.ts';
import type { LedgerEntry, Stream } from '../store.ts';
import { mergeEntries } from './ledger.ts';

/** Each migration brings the database from the version of its index to the next; all in one transaction. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE ledger (id INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE segments (file TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  // What became known of the clock of a run after it had stamped records.
  `CREATE TABLE boots (id TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
];

/** Entries are merged after this many more. */
const COMPACT_EVERY = 64;

/** More entries are merged even though nobody told of them yet; the newest of them are left for whoever tells. */
const MOST_ENTRIES = 4000;
const NEWEST_ENTRIES = 1000;

/** An entry as it is made; the ledger numbers it. */
export type NewLedgerEntry = Omit<LedgerEntry, 'id'>;

/** What is known beforehand of the numbers that will be given, so that none is given twice when commits are lost. */
export interface Reserved {
  /** Numbers below may have been given. */
  readonly ceilings: Record<Stream, number>;
  /** Numbers below were given before this was reserved. */
  readonly since: Record<Stream, number> | undefined;
  /** No commit from then on takes more than this many; unknown in a store of schema 1. */
  readonly perCommit: Record<Stream, number> | undefined;
}

/** Losses, delivered ranges and changes of the index, that belong together. */
export interface MetaChange {
  readonly ledger?: readonly NewLedgerEntry[];
  readonly forgotten?: readonly (SeqRange & { stream: Stream })[];
  readonly segments?: ReadonlyMap<string, string | null>;
}

/** What is worth a transaction of its own: identity, reserved numbers, the ledger, the index of closed segments. */
export interface Meta {
  readonly epoch: string;
  /** Undefined after the file was made again: then nobody knows. */
  reserved(): Reserved | undefined;
  reserve(wanted: Reserved): void;
  ledger(): readonly LedgerEntry[];
  /** Merges entries that touch, up to `toldId`; beyond {@link MOST_ENTRIES} all but the newest. Does nothing too often. */
  compact(toldId: number): void;
  /** Numbers whose records were delivered everywhere and unlinked: gone, yet not lost. */
  forgotten(stream: Stream): IntervalSet;
  /** What became known of clocks, for records that are still stored. */
  offsets(): readonly WallOffset[];
  /** Enters an offset, or how far it reaches; those of records below `oldest` go. */
  enterOffset(offset: WallOffset, oldest: Record<Stream, number>): void;
  /** What was written down of closed segments, by file; JSON texts. */
  segments(): Map<string, string>;
  /** Enters a change, after all that was deferred, in one transaction. */
  enter(change: MetaChange): void;
  /** Enters a change in memory, when the disk takes nothing; it is written with the next `enter`. */
  defer(change: MetaChange): void;
  /** What was deferred and is not written yet. */
  deferred(): readonly MetaChange[];
  close(): void;
}

/**
 * Opens or makes `meta.db`.
 *
 * @param rebuilt the epoch and ledger found in the segments, asked for only when the file is missing or damaged
 * @throws Fault when a newer program wrote it
 */
export function openMeta(
  file: string,
  open: OpenDatabase,
  rebuilt: () => { epoch: string | undefined; ledger: readonly LedgerEntry[] },
  quarantine: () => void,
): { meta: Meta; wasRebuilt: boolean } {
  let database: Connection | undefined;
  try {
    database = open(file);
    if (database.pragma('quick_check', { simple: true }) === 'ok') {
      migrate(database, file);
      const epoch = aboutIn<string>(database, 'epoch');
      if (epoch !== undefined) return { meta: metaOn(database, epoch), wasRebuilt: false };
    }
  } catch (error) {
    if (error instanceof Fault || !isDamage(error)) {
      database?.close();
      throw error;
    }
  }
  database?.close();
  // An empty file is what a crash left while it was being made; anything else is damage worth keeping.
  quarantine();
  unlinkDatabase(file);
  const fresh = open(file);
  migrate(fresh, file);
  const found = rebuilt();
  const epoch = found.epoch ?? randomUUID();
  fresh.transaction(() => {
    if (found.epoch === undefined) setAbout(fresh, 'ceilings', { readings: 1, events: 1 });
    for (const entry of found.ledger) insertEntry(fresh, entry);
    setAbout(fresh, 'epoch', epoch);
  })();
  return { meta: metaOn(fresh, epoch), wasRebuilt: found.epoch !== undefined };
}

/**
 * Reads `meta.db` as it is, of this schema or an earlier one.
 *
 * @throws Fault when a newer program wrote it, Damage when it cannot be read
 */
export function readMeta(file: string, database: Connection): Meta {
  refuseNewer(database, file);
  const epoch = aboutIn<string>(database, 'epoch');
  if (epoch === undefined) throw new Damage(`${file}: does not say whose it is`);
  return metaOn(database, epoch);
}

function refuseNewer(database: Connection, file: string): number {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version <= MIGRATIONS.length) return version;
  throw new Fault(
    `store ${file}: written by a newer millgate (schema ${version}, this one knows ${MIGRATIONS.length}). ` +
      'Install that version again, or give this one another store.path.',
    EXIT.unavailable,
  );
}

function migrate(database: Connection, file: string): void {
  const version = refuseNewer(database, file);
  if (version === MIGRATIONS.length) return;
  database.transaction(() => {
    for (const statements of MIGRATIONS.slice(version)) database.exec(statements);
    database.pragma(`user_version = ${MIGRATIONS.length}`);
  })();
}

/** A text with its checksum before it: SQLite does not notice a flipped bit in a value. */
function sealed(value: unknown): string {
  const text = JSON.stringify(value);
  return `${crc32(text).toString(16).padStart(8, '0')}${text}`;
}

function unsealed<T>(text: string): T {
  const json = text.slice(8);
  if (crc32(json) !== Number.parseInt(text.slice(0, 8), 16))
    throw new Damage('meta.db: a value does not match its checksum');
  return JSON.parse(json) as T;
}

function aboutIn<T>(database: Connection, key: string): T | undefined {
  const row = database.prepare('SELECT value FROM about WHERE key = ?').get(key) as { value: string } | undefined;
  return row && unsealed<T>(row.value);
}

function setAbout(database: Connection, key: string, value: unknown): void {
  database.prepare('INSERT OR REPLACE INTO about VALUES (?, ?)').run(key, sealed(value));
}

function insertEntry(database: Connection, entry: LedgerEntry): void {
  database.prepare('INSERT OR REPLACE INTO ledger VALUES (?, ?)').run(entry.id, sealed(entry));
}

function isNothing({ ledger, forgotten, segments }: MetaChange): boolean {
  return !ledger?.length && !forgotten?.length && !segments?.size;
}

function numbered(entries: readonly NewLedgerEntry[], lastId: number): LedgerEntry[] {
  return entries.map((entry, index) => ({ ...entry, id: lastId + 1 + index }));
}

function withForgotten(
  before: Record<Stream, IntervalSet>,
  { forgotten = [] }: MetaChange,
): Record<Stream, IntervalSet> {
  const gone = { ...before };
  for (const { stream, from, to } of forgotten) gone[stream] = union(gone[stream], [{ from, to }]);
  return gone;
}

function saveSegment(database: Connection, file: string, info: string | null): void {
  if (info === null) database.prepare('DELETE FROM segments WHERE file = ?').run(file);
  else database.prepare('INSERT OR REPLACE INTO segments VALUES (?, ?)').run(file, sealed(info));
}

/** Read as it is, a store of schema 1 has no offsets. */
function offsetsIn(database: Connection): readonly WallOffset[] {
  if (database.pragma('user_version', { simple: true }) === 1) return [];
  const rows = database.prepare('SELECT value FROM boots').all() as { value: string }[];
  return rows.map(({ value }) => unsealed<WallOffset>(value));
}

/** Reads everything, so that damage shows now and not later. */
function metaOn(database: Connection, epoch: string): Meta {
  let ledger = (database.prepare('SELECT value FROM ledger ORDER BY id').all() as { value: string }[]).map(
    ({ value }) => unsealed<LedgerEntry>(value),
  );
  const segments = new Map(
    (database.prepare('SELECT file, value FROM segments').all() as { file: string; value: string }[]).map(
      ({ file, value }) => [file, unsealed<string>(value)],
    ),
  );
  const ceilings = aboutIn<Reserved['ceilings']>(database, 'ceilings');
  let reserved: Reserved | undefined = ceilings && {
    ceilings,
    since: aboutIn<Reserved['since']>(database, 'reservedSince'),
    perCommit: aboutIn<Reserved['perCommit']>(database, 'perCommit'),
  };
  let offsets = offsetsIn(database);
  let compacted = 0;
  let forgotten = aboutIn<Record<Stream, IntervalSet>>(database, 'forgotten') ?? { readings: [], events: [] };
  let unsaved: MetaChange[] = [];
  let savedId = ledger.at(-1)?.id ?? 0;
  const apply = (change: MetaChange): void => {
    ledger = [...ledger, ...numbered(change.ledger ?? [], ledger.at(-1)?.id ?? 0)];
    forgotten = withForgotten(forgotten, change);
    for (const [file, info] of change.segments ?? []) {
      if (info === null) segments.delete(file);
      else segments.set(file, info);
    }
  };
  return {
    epoch,
    reserved: () => reserved,
    reserve(wanted) {
      database.transaction(() => {
        setAbout(database, 'ceilings', wanted.ceilings);
        if (wanted.perCommit) setAbout(database, 'perCommit', wanted.perCommit);
        if (wanted.since) setAbout(database, 'reservedSince', wanted.since);
      })();
      reserved = wanted;
    },
    ledger: () => ledger,
    compact(toldId) {
      if (unsaved.length > 0 || ledger.length - compacted < COMPACT_EVERY) return;
      const forcedId = ledger.length > MOST_ENTRIES ? ledger.at(-NEWEST_ENTRIES)!.id : 0;
      const isOld = ({ id }: LedgerEntry): boolean => id <= Math.max(toldId, forcedId);
      const old = ledger.filter(isOld);
      const merged = mergeEntries(old);
      if (merged.length < old.length) {
        const kept = new Set(merged.map(({ id }) => id));
        database.transaction(() => {
          for (const { id } of old) if (!kept.has(id)) database.prepare('DELETE FROM ledger WHERE id = ?').run(id);
          for (const entry of merged) insertEntry(database, entry);
        })();
        ledger = [...merged, ...ledger.filter((entry) => !isOld(entry))];
      }
      compacted = ledger.length;
    },
    forgotten: (stream) => forgotten[stream],
    offsets: () => offsets,
    enterOffset(offset, oldest) {
      const isNeeded = (known: WallOffset): boolean =>
        known.boot !== offset.boot && (known.readings.to > oldest.readings || known.events.to > oldest.events);
      const kept = [...offsets.filter(isNeeded), offset];
      database.transaction(() => {
        database.prepare('DELETE FROM boots').run();
        for (const known of kept) database.prepare('INSERT INTO boots VALUES (?, ?)').run(known.boot, sealed(known));
      })();
      offsets = kept;
    },
    segments: () => new Map(segments),
    enter(change) {
      const changes = [...unsaved, change];
      if (changes.every(isNothing)) return;
      // A closed file is one that the disk did not give back.
      if (!database.open) throw Object.assign(new Error('meta.db is not open'), { code: 'SQLITE_CANTOPEN' });
      const entries = numbered(
        changes.flatMap(({ ledger: added = [] }) => added),
        savedId,
      );
      const gone = withForgotten(forgotten, change);
      database.transaction(() => {
        for (const entry of entries) insertEntry(database, entry);
        if (changes.some((one) => one.forgotten?.length)) setAbout(database, 'forgotten', gone);
        for (const [file, info] of changes.flatMap((one) => [...(one.segments ?? [])]))
          saveSegment(database, file, info);
      })();
      unsaved = [];
      apply(change);
      savedId = ledger.at(-1)?.id ?? 0;
    },
    defer(change) {
      unsaved.push(change);
      apply(change);
    },
    deferred: () => unsaved,
    close: () => database.close(),
  };
}
