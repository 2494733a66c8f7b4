/** The database of what is worth a transaction of its own: identity, ceilings, ledger, index of closed segments. */
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, union } from '../../core/intervals.ts';
import { type Connection, isRefusal, type OpenDatabase, unlinkDatabase } from '../format/disk.ts';
import type { Carried, PackedMemory } from '../format/notes.ts';
import type { WallOffset } from '../format/restamp.ts';
import { Damage, isDamage, refuseNewer } from '../format/segment.ts';
import type { LedgerEntry, Stream } from '../store.ts';
import { mergeEntries } from './ledger.ts';

/** Each migration brings the database from the version of its index to the next; all in one transaction. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE ledger (id INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE segments (file TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  // What became known of the clock of a run after it had stamped records.
  `CREATE TABLE boots (id TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  // One ceiling is reserved ahead; how large a commit can be is not kept any more.
  `DELETE FROM about WHERE key IN ('perCommit', 'reservedSince');`,
];

/** Entries are merged after this many more. */
const COMPACT_EVERY = 64;

/** More entries are merged even though nobody told of them yet; the newest of them are left for whoever tells. */
const MOST_ENTRIES = 4000;
const NEWEST_ENTRIES = 1000;

/**
 * Room that the file and its log keep for themselves, so that the ledger can be written on a disk that gives no new
 * block: some hundred entries.
 */
const OWN_ROOM_BYTES = 24 * 1024;

/** The log is folded in after so many pages, so that it stays within the room it has. */
const LOG_PAGES = 16;

/** An entry as it is made; the ledger numbers it. */
export type NewLedgerEntry = Omit<LedgerEntry, 'id'>;

/** Losses, delivered ranges and changes of the index, that belong together. */
interface MetaChange {
  readonly ledger?: readonly NewLedgerEntry[];
  readonly forgotten?: readonly (SeqRange & { stream: Stream })[];
  readonly segments?: ReadonlyMap<string, string | null>;
}

/** What is known after a stop in order, so that the next start needs to read no segment. */
interface Stopped {
  /** The segment that was being written, as it was left; undefined where there was none. */
  readonly newest: { readonly file: string; readonly bytes: number; readonly lastCommit: number } | undefined;
  readonly next: Record<Stream, number>;
  readonly memory: PackedMemory;
}

/** What `meta.db` keeps. Everything in it is held in memory as well, and read at once: damage shows now and not later. */
export class Meta {
  readonly epoch: string;
  private readonly database: Connection;
  private entries: readonly LedgerEntry[];
  private readonly known: Map<string, string>;
  private reserved: Record<Stream, number> | undefined;
  private atStop: Stopped | undefined;
  private clocks: readonly WallOffset[];
  private gone: Record<Stream, IntervalSet>;
  /** Entries that were left the last time that they were merged. */
  private compacted = 0;
  private unsaved: MetaChange[] = [];
  private savedId: number;
  private lastId: number;

  constructor(database: Connection, epoch: string) {
    this.database = database;
    this.epoch = epoch;
    this.entries = valuesIn<LedgerEntry>(database, 'ledger ORDER BY id');
    const rows = database.prepare('SELECT file, value FROM segments').all() as { file: string; value: string }[];
    this.known = new Map(rows.map(({ file, value }) => [file, unsealed<string>(value)]));
    this.reserved = aboutIn(database, 'ceilings');
    this.atStop = aboutIn(database, 'stopped');
    this.clocks = offsetsIn(database);
    this.gone = aboutIn(database, 'forgotten') ?? { readings: [], events: [] };
    this.savedId = this.entries.at(-1)?.id ?? 0;
    this.lastId = this.savedId;
  }

  /** Numbers below may have been given; undefined after the file was made again: then nobody knows. */
  ceilings(): Record<Stream, number> | undefined {
    return this.reserved;
  }

  /** Says, before they are given, how far numbers may go from now on. */
  reserve(ceilings: Record<Stream, number>): void {
    this.save({}, () => {
      setAbout(this.database, 'ceilings', ceilings);
      this.database.prepare('DELETE FROM about WHERE key = ?').run('stopped');
    });
    this.reserved = ceilings;
    this.atStop = undefined;
  }

  /** Set from a stop in order until numbers are reserved again: then the ceilings are exact. */
  stopped(): Stopped | undefined {
    return this.atStop;
  }

  /** The last word of a run that stops in order: how far numbers went, and what its newest segment holds. */
  stop(stopped: Stopped, segments: MetaChange['segments']): void {
    this.save({ ...(segments && { segments }) }, () => {
      setAbout(this.database, 'ceilings', stopped.next);
      setAbout(this.database, 'stopped', stopped);
    });
    this.reserved = stopped.next;
    this.atStop = stopped;
  }

  ledger(): readonly LedgerEntry[] {
    return this.entries;
  }

  /** Merges entries that touch, up to `toldId`; beyond {@link MOST_ENTRIES} all but the newest. Does nothing too often. */
  compact(toldId: number): void {
    const { entries, database } = this;
    if (this.unsaved.length > 0 || entries.length - this.compacted < COMPACT_EVERY) return;
    const forcedId = entries.length > MOST_ENTRIES ? entries.at(-NEWEST_ENTRIES)!.id : 0;
    const isOld = ({ id }: LedgerEntry): boolean => id <= Math.max(toldId, forcedId);
    const old = entries.filter(isOld);
    const merged = mergeEntries(old);
    if (merged.length < old.length) {
      const kept = new Set(merged.map(({ id }) => id));
      database.transaction(() => {
        for (const { id } of old) if (!kept.has(id)) database.prepare('DELETE FROM ledger WHERE id = ?').run(id);
        for (const entry of merged) insertEntry(database, entry);
      })();
      this.entries = [...merged, ...entries.filter((entry) => !isOld(entry))];
    }
    this.compacted = this.entries.length;
  }

  /** Has entries numbered past `id` from now on. */
  numberPast(id: number): void {
    this.lastId = Math.max(this.lastId, id);
    this.savedId = Math.max(this.savedId, id);
  }

  /** Numbers whose records were delivered everywhere and unlinked: gone, yet not lost. */
  forgotten(stream: Stream): IntervalSet {
    return this.gone[stream];
  }

  /** What became known of clocks, for records that are still stored. */
  offsets(): readonly WallOffset[] {
    return this.clocks;
  }

  /** Enters an offset, or how far it reaches; those of records below `oldest` go. */
  enterOffset(offset: WallOffset, oldest: Record<Stream, number>): void {
    const isNeeded = (known: WallOffset): boolean =>
      known.boot !== offset.boot && (known.readings.to > oldest.readings || known.events.to > oldest.events);
    const kept = [...this.clocks.filter(isNeeded), offset];
    this.database.transaction(() => saveOffsets(this.database, kept))();
    this.clocks = kept;
  }

  /** What was written down of closed segments, by file; JSON texts. */
  segments(): Map<string, string> {
    return new Map(this.known);
  }

  /** Enters a change, after all that was to be entered later, in one transaction. Throws what the disk says. */
  enter(change: MetaChange): void {
    if (![...this.unsaved, change].every(isNothing)) this.save(change);
  }

  /** Enters a change that a segment tells of as well: in memory now, on the disk with the next `enter`. */
  enterLater(change: MetaChange): void {
    this.unsaved.push(change);
    this.apply(change);
  }

  /** What is to be entered and is not on the disk yet. */
  later(): readonly MetaChange[] {
    return this.unsaved;
  }

  close(): void {
    this.database.close();
  }

  private apply({ ledger = [], forgotten, segments = new Map() }: MetaChange): void {
    this.entries = [...this.entries, ...numbered(ledger, this.lastId)];
    this.lastId = Math.max(this.lastId, this.entries.at(-1)?.id ?? 0);
    this.gone = withForgotten(this.gone, forgotten);
    for (const [file, info] of segments) {
      if (info === null) this.known.delete(file);
      else this.known.set(file, info);
    }
  }

  private save(change: MetaChange, more = (): void => {}): void {
    const { database } = this;
    const changes = [...this.unsaved, change];
    // A closed file is one that the disk did not give back.
    if (!database.open) throw Object.assign(new Error('meta.db is not open'), { code: 'SQLITE_CANTOPEN' });
    const added = changes.flatMap(({ ledger = [] }) => ledger);
    const gone = withForgotten(this.gone, change.forgotten);
    database.transaction(() => {
      for (const entry of numbered(added, this.savedId)) insertEntry(database, entry);
      if (changes.some(({ forgotten }) => forgotten?.length)) setAbout(database, 'forgotten', gone);
      for (const { segments = [] } of changes) for (const [file, info] of segments) saveSegment(database, file, info);
      more();
    })();
    this.unsaved = [];
    this.apply(change);
    this.savedId = this.lastId;
  }
}

/**
 * Opens or makes `meta.db`.
 *
 * @param rebuilt what the segments tell of it, asked for only when the file is missing or damaged; undefined without any
 * @throws Fault when a newer program wrote it
 */
export function openMeta(
  file: string,
  open: OpenDatabase,
  rebuilt: () => { epoch: string; carried: Carried } | undefined,
  quarantine: () => void,
): { meta: Meta; wasRebuilt: boolean } {
  let database: Connection | undefined;
  try {
    database = open(file);
    if (database.pragma('quick_check', { simple: true }) === 'ok') {
      migrate(database, file);
      const epoch = aboutIn<string>(database, 'epoch');
      if (epoch !== undefined) return { meta: metaToWrite(database, epoch), wasRebuilt: false };
    }
  } catch (error) {
    if (!isDamage(error)) {
      database?.close();
      throw error;
    }
  }
  database?.close();
  // An empty file is what a crash left while it was being made; anything else is damage worth keeping.
  quarantine();
  const found = rebuilt();
  const meta = createMeta(file, open, {
    epoch: found?.epoch ?? randomUUID(),
    carried: found?.carried ?? { ledger: [] },
    ceilings: found ? undefined : { readings: 1, events: 1 },
  });
  return { meta, wasRebuilt: found !== undefined };
}

/** Makes `meta.db` anew from what is known of it. */
export function createMeta(
  file: string,
  open: OpenDatabase,
  { epoch, carried, ceilings }: { epoch: string; carried: Carried; ceilings: Record<Stream, number> | undefined },
): Meta {
  unlinkDatabase(file);
  const database = open(file);
  try {
    migrate(database, file);
    database.transaction(() => {
      if (ceilings) setAbout(database, 'ceilings', ceilings);
      if (carried.forgotten) setAbout(database, 'forgotten', carried.forgotten);
      for (const entry of carried.ledger ?? []) insertEntry(database, entry);
      saveOffsets(database, carried.offsets ?? []);
      // Last, since a file without it was never finished.
      setAbout(database, 'epoch', epoch);
    })();
    return metaToWrite(database, epoch);
  } catch (error) {
    database.close();
    unlinkDatabase(file);
    throw error;
  }
}

/**
 * Reads `meta.db` as it is, of this schema or an earlier one.
 *
 * @throws Fault when a newer program wrote it, Damage when it cannot be read
 */
export function readMeta(file: string, database: Connection): Meta {
  refuseNewer(file, database.pragma('user_version', { simple: true }), MIGRATIONS.length);
  const epoch = aboutIn<string>(database, 'epoch');
  if (epoch === undefined) throw new Damage(`${file}: does not say whose it is`);
  return new Meta(database, epoch);
}

function migrate(database: Connection, file: string): void {
  const version = refuseNewer(file, database.pragma('user_version', { simple: true }), MIGRATIONS.length);
  if (version === MIGRATIONS.length) return;
  database.transaction(() => {
    for (const statements of MIGRATIONS.slice(version)) database.exec(statements);
    database.pragma(`user_version = ${MIGRATIONS.length}`);
  })();
}

function metaToWrite(database: Connection, epoch: string): Meta {
  const meta = new Meta(database, epoch);
  keepRoom(database);
  return meta;
}

/** Makes the room that {@link OWN_ROOM_BYTES} asks for: a stop in order removes the log. Where the disk refuses, what there is has to do. */
function keepRoom(database: Connection): void {
  database.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
  const pageBytes = database.pragma('page_size', { simple: true }) as number;
  try {
    // One transaction writes it and takes it out again: its pages are free then, and its log is as long as it will be.
    database.transaction(() => {
      setAbout(database, 'room', 'x'.repeat(OWN_ROOM_BYTES + pageBytes));
      database.prepare('DELETE FROM about WHERE key = ?').run('room');
    })();
  } catch (error) {
    if (isDamage(error) || !isRefusal(error)) throw error;
  }
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

function valuesIn<T>(database: Connection, from: string): T[] {
  const rows = database.prepare(`SELECT value FROM ${from}`).all() as { value: string }[];
  return rows.map(({ value }) => unsealed<T>(value));
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
  forgotten: MetaChange['forgotten'] = [],
): Record<Stream, IntervalSet> {
  const gone = { ...before };
  for (const { stream, from, to } of forgotten) gone[stream] = union(gone[stream], [{ from, to }]);
  return gone;
}

function saveSegment(database: Connection, file: string, info: string | null): void {
  if (info === null) database.prepare('DELETE FROM segments WHERE file = ?').run(file);
  else database.prepare('INSERT OR REPLACE INTO segments VALUES (?, ?)').run(file, sealed(info));
}

function saveOffsets(database: Connection, offsets: readonly WallOffset[]): void {
  database.prepare('DELETE FROM boots').run();
  for (const known of offsets) database.prepare('INSERT INTO boots VALUES (?, ?)').run(known.boot, sealed(known));
}

/** Read as it is, a store of schema 1 has no offsets. */
function offsetsIn(database: Connection): readonly WallOffset[] {
  if (database.pragma('user_version', { simple: true }) === 1) return [];
  return valuesIn<WallOffset>(database, 'boots');
}
