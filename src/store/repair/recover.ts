/** Opens the store after whatever happened to it: crash, damage, or a backup that was put back. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import { countOf, intersect, intervals, subtract } from '../../core/intervals.ts';
import { isRefusal, type OpenDatabase, openForReading, sizeOf, troubleText, unlinkDatabase } from '../format/disk.ts';
import { unpackNotes } from '../format/notes.ts';
import { Damage, isDamage, NeverWritten, openSegment } from '../format/segment.ts';
import { claimOfWal } from '../format/wal.ts';
import {
  createCatalog,
  emptyInfo,
  keepReserve,
  listSegmentFiles,
  moveToQuarantine,
  parseSegmentFile,
  type SegmentInfo,
} from '../index/catalog.ts';
import { findGivenUp, givenUpOf } from '../index/given-up.ts';
import { type Meta, type NewLedgerEntry, openMeta } from '../index/meta.ts';
import { type GoOn, goOnFrom } from '../index/numbers.ts';
import { resumeSegment } from '../index/writer.ts';
import type { EngineOptions, Now } from '../protocol.ts';
import type { LedgerEntry, Stream } from '../store.ts';
import { cutPending, enterDeferred, evictionOf, LEAVING, pendingAnywhere, reserveBytes } from '../write/evict.ts';
import { archiveEvents, type House } from '../write/rotate.ts';
import { pastRestored, restoredBecause, settleIn } from './restored.ts';
import { rebuild } from './salvage.ts';
import {
  indexedIn,
  infoIn,
  lostCommitsIn,
  lostCommitsOf,
  memoryOf,
  type Scanned,
  scan,
  withoutLeftovers,
} from './scan.ts';

const STREAMS = ['readings', 'events'] as const;
const META = 'meta.db';

/** Fifty segments fill the store; none is smaller than 64 kB or larger than 64 MB. */
export function segmentBytesOf(maxBytes: number): number {
  return Math.min(64_000_000, Math.max(64_000, Math.floor(maxBytes / 50)));
}

/** The size of the store, or nine tenths of what the disk can give it, so that a small disk has many segments too. */
export function affordable(folder: string, maxBytes: number): number {
  const { bavail, bsize } = statfsSync(folder);
  const ownBytes = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  return Math.min(maxBytes, Math.floor((bavail * bsize + ownBytes) * 0.9));
}

/** What opening gives the engine. */
interface Started {
  readonly house: House;
  readonly next: Record<Stream, number>;
  readonly ids: { segment: number; commit: number };
}

/** Opens everything in the folder, which is locked, and finishes what a crash interrupted. */
export function openHouse(
  options: EngineOptions,
  open: OpenDatabase,
  now: Now,
  notice: (text: string) => void,
): Started {
  const folder = options.path;
  const maxBytes = affordable(folder, options.maxBytes);
  const meta = metaIn(folder, open, notice);
  removeLeaving(folder, meta);
  const givenUp = findGivenUp(folder);
  const scans = withoutLeftovers(folder, scanAll(folder, open, meta, notice));
  const memory = memoryOf(folder, scans);
  const newest = scans.filter(({ info }) => info.kind === 'readings').at(-1);
  const isNewestMissing = [...meta.segments()].some(
    ([file, text]) => text === 'open' && !scans.some(({ info }) => info.file === file),
  );
  const infos = scans.map(({ info }) => info).filter(({ firstCommit, lastCommit }) => lastCommit >= firstCommit);
  const house: House = {
    folder,
    open,
    maxBytes,
    segmentBytes: segmentBytesOf(maxBytes),
    replayMs: options.replayMs,
    meta,
    catalog: createCatalog(folder, infos),
    memory,
    uplinks: undefined,
    writer: undefined,
    cursorsChanged: false,
    givenUp,
    notice,
  };
  const indexed = indexedIn(meta);
  const lost = (stream: Stream): number | undefined => (isNewestMissing ? undefined : lostCommitsIn(scans, stream));
  const next = { readings: 1, events: 1 };
  const restored = restoredBecause(folder, options.machine);
  if (restored) notice(`store: ${restored}; numbers go on past any that may have been given since (see the ledger).`);
  for (const stream of STREAMS) {
    const found = goOnFrom(meta, stream, house.catalog.stored(stream), lost(stream), indexed[stream]);
    next[stream] = enterHoles(house, stream, restored ? pastRestored(found, restored) : found, scans, now);
  }
  enterDeferred(house);
  const lastIds = infos.filter(({ kind }) => kind === 'readings').map(({ id }) => id);
  const ids = {
    segment: Math.max(0, ...lastIds),
    commit: Math.max(0, ...infos.map(({ lastCommit }) => lastCommit)) + 1,
  };
  try {
    settleIn(folder, options.machine);
    settleIndex(house, newest, now, ids);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    // The index only saves time, and the events are where they were: a full disk may not keep the store shut.
    notice(troubleText(folder, error));
  }
  keepReserve(folder, reserveBytes(maxBytes));
  return { house, next, ids };
}

/** Closes and opens `meta.db` again after the disk failed. */
export function reopenMeta(house: House): void {
  const deferred = house.meta.deferred();
  try {
    house.meta.close();
  } catch {
    // The disk refuses; the handle is of no use either way.
  }
  house.meta = metaIn(house.folder, house.open, house.notice);
  for (const change of deferred) house.meta.defer(change);
}

/** Opens `meta.db`, or makes it again from the segments. */
function metaIn(folder: string, open: OpenDatabase, notice: (text: string) => void): Meta {
  const file = join(folder, META);
  const isThere = existsSync(file);
  const { meta, wasRebuilt } = openMeta(
    file,
    open,
    () => identityInSegments(folder),
    () => isThere && sizeOf(file) > 0 && moveToQuarantine(folder, META),
  );
  if (wasRebuilt)
    notice(
      'store: meta.db was missing or damaged and was made again from the segments. Check the disk (dmesg, smartctl).',
    );
  return meta;
}

/** Epoch and ledger as the newest readable segment carries them. */
function identityInSegments(folder: string): {
  epoch: string | undefined;
  ledger: readonly LedgerEntry[];
} {
  for (const file of listSegmentFiles(folder)
    .filter((name) => name.startsWith('readings'))
    .reverse()) {
    try {
      // For reading only: folding its log in here would hide that the log is torn.
      const segment = openSegment(join(folder, file), openForReading(join(folder, file)));
      try {
        const first = segment.rowsFrom(0, 1)[0];
        const notes = first?.notes ? unpackNotes(segment.inflate(first.notes, 0)) : undefined;
        return { epoch: segment.epoch, ledger: notes?.ledger ?? [] };
      } finally {
        segment.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return { epoch: undefined, ledger: [] };
}

/** Finishes evictions: their ledger entries are made, their files may still be there. */
function removeLeaving(folder: string, meta: Meta): void {
  const leaving = [...meta.segments()].filter(([, text]) => text === LEAVING).map(([file]) => file);
  for (const file of leaving) unlinkDatabase(join(folder, file));
  meta.enter({ segments: new Map(leaving.map((file) => [file, null])) });
}

/** Every segment: from the index where it was closed in order, else by reading it through. */
function scanAll(folder: string, open: OpenDatabase, meta: Meta, notice: (text: string) => void): Scanned[] {
  const index = meta.segments();
  let lastCommit = 0;
  return listSegmentFiles(folder).flatMap((file) => {
    const known = infoIn(index.get(file));
    const path = join(folder, file);
    const isAsIndexed = known && known.bytes === sizeOf(path) && !existsSync(`${path}-wal`);
    const scanned = isAsIndexed
      ? { info: known, notes: undefined, lostCommits: 0 }
      : scanOrRebuild(folder, file, open, meta, known, lastCommit, notice);
    if (scanned.info.kind === 'readings') lastCommit = Math.max(lastCommit, scanned.info.lastCommit);
    return scanned.info.lastCommit < scanned.info.firstCommit && scanned.lostCommits === 0 ? [] : [scanned];
  });
}

function scanOrRebuild(
  folder: string,
  file: string,
  open: OpenDatabase,
  meta: Meta,
  known: SegmentInfo | undefined,
  lastCommit: number,
  notice: (text: string) => void,
): Scanned {
  const path = join(folder, file);
  const { kind, id } = parseSegmentFile(file)!;
  // The index says how far a segment went that was closed in order and has not been written to since.
  const isTold = known !== undefined && !existsSync(`${path}-wal`);
  let bounds: { first: number; last: number } | undefined;
  try {
    const claim = claimOfWal(path);
    const segment = openSegment(path, open(path));
    try {
      const lostCommits = lostCommitsOf(segment, claim);
      if (segment.epoch !== meta.epoch) throw new Damage(`${file} belongs to another store`);
      bounds = segment.bounds();
      if (!bounds) {
        segment.close();
        unlinkDatabase(path);
        return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, lostCommits };
      }
      const scanned = scan(segment, emptyInfo(kind, id, bounds.first));
      scanned.info.bytes = sizeOf(path);
      return { ...scanned, lostCommits };
    } finally {
      segment.close();
    }
  } catch (error) {
    if (error instanceof NeverWritten) {
      unlinkDatabase(path);
      // The index knows a segment only after its first commit.
      const lostCommits = isTold || !meta.segments().has(file) ? 0 : undefined;
      return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, lostCommits };
    }
    if (!isDamage(error)) throw error;
    const firstCommit = known?.firstCommit ?? bounds?.first ?? lastCommit + 1;
    const lastOf = known || bounds ? Math.max(known?.lastCommit ?? 0, bounds?.last ?? 0) : undefined;
    const { info, movedTo } = rebuild(folder, open, meta.epoch, { file, firstCommit, lastCommit: lastOf });
    notice(
      `store: ${file} is damaged; it was moved to ${movedTo}, and what could be read of it is served. Check the disk.`,
    );
    return { info, notes: undefined, lostCommits: isTold ? 0 : undefined };
  }
}

/**
 * Enters every number that was given, cannot be read and is not accounted for: the ledger is complete after each start.
 *
 * @returns the number to go on with
 */
function enterHoles(house: House, stream: Stream, found: GoOn, scans: readonly Scanned[], now: Now): number {
  const dropped =
    stream === 'readings' ? scans.flatMap(({ notes }) => notes ?? []).flatMap((notes) => notes.dropped ?? []) : [];
  const { parts, rest } = givenUpOf(house.givenUp, stream, found.lost);
  const gone = parts.map(({ range, from }) => ({
    from,
    lost: intersect([range], pendingAnywhere(house, stream)),
    range,
  }));
  const entries = [
    ...gone.flatMap(({ from, lost }) => lost.map((range) => evictionOf(from, stream, range, now.wallMs))),
    ...rest.flatMap((hole) => [
      ...dropped.filter((entry) => entry.from >= hole.from && entry.to <= hole.to),
      ...subtract([hole], intervals(dropped)).map((range) => lossOf(stream, range, now)),
    ]),
    ...found.skipped.map((range) => skipOf(stream, range, now, found.detail)),
  ];
  const delivered = gone.flatMap(({ range, lost }) => subtract([range], lost));
  house.meta.enter({ ledger: entries, forgotten: delivered.map((range) => ({ stream, ...range })) });
  if (entries.length > 0) cutPending(house, stream, intervals(entries));
  const corrupt = entries.filter(({ cause }) => cause === 'corrupt');
  if (corrupt.length > 0)
    house.notice(
      `store: up to ${countOf(intervals(corrupt))} ${stream} cannot be read any more (see the ledger). Check the disk.`,
    );
  return found.next;
}

function lossOf(stream: Stream, range: SeqRange, now: Now): NewLedgerEntry {
  return {
    stream,
    from: range.from,
    to: range.to,
    count: range.to - range.from,
    cause: 'corrupt',
    enteredWallMs: now.wallMs,
    detail: 'found missing at the start; the last commits are counted at the size they can have had at most',
  };
}

function skipOf(stream: Stream, range: SeqRange, now: Now, detail?: string): NewLedgerEntry {
  return {
    ...lossOf(stream, range, now),
    cause: 'skipped',
    detail:
      detail ?? 'meta.db and the newest commits were lost together: numbers go on past any that can have been given',
  };
}

/** Goes on with the newest segment if it is sound and has room; brings the index up to date with the rest. */
function settleIndex(house: House, newest: Scanned | undefined, now: Now, ids: { segment: number }): void {
  const { infos } = house.catalog;
  const canResume =
    newest?.notes && newest.lostCommits === 0 && newest.info.bytes < house.segmentBytes && infos.includes(newest.info);
  const index = house.meta.segments();
  const changes = new Map<string, string | null>();
  for (const info of infos) {
    const text = JSON.stringify(info);
    if (index.get(info.file) !== text && !existsSync(join(house.folder, `${info.file}-wal`)))
      changes.set(info.file, text);
  }
  const isThere = new Set(infos.map(({ file }) => file));
  for (const file of index.keys()) {
    if (!isThere.has(file)) changes.set(file, null);
    ids.segment = Math.max(ids.segment, parseSegmentFile(file)?.kind === 'readings' ? parseSegmentFile(file)!.id : 0);
  }
  // The index says `open` before anything is written: of what it has as closed, it must say how far it went.
  if (canResume) changes.set(newest.info.file, 'open');
  house.meta.enter({ segments: changes });
  if (canResume) {
    house.writer = resumeSegment(house.folder, house.open, newest.info, now.monoMs);
    infos.splice(infos.indexOf(newest.info), 1);
  }
  archiveEvents(house);
}
