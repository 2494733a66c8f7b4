import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  countRow,
  createCatalog,
  emptyInfo,
  keepReserve,
  listSegmentFiles,
  moveToQuarantine,
  parseSegmentFile,
  type SegmentInfo,
} from './catalog.ts';
import { type OpenDatabase, sizeOf, unlinkDatabase } from './disk.ts';
import { countOf, intervals, subtract } from './intervals.ts';
import { type Ceilings, type Meta, type NewLedgerEntry, openMeta } from './meta.ts';
import { type Memory, type Notes, remember, unpackNotes } from './notes.ts';
import type { EngineOptions, Now } from './protocol.ts';
import { isFull, isRefusal, troubleText } from './refusal.ts';
import { archiveEvents, cutPending, type House, LEAVING, reserveBytes } from './rotate.ts';
import { rebuild } from './salvage.ts';
import { Damage, isDamage, NeverWritten, openSegment, type Segment } from './segment.ts';
import type { LedgerEntry, SeqRange, Stream } from './store.ts';
import { claimOfWal } from './wal.ts';
import { resumeSegment } from './writer.ts';

const STREAMS = ['readings', 'events'] as const;
const SCAN_ROWS = 128;
const META = 'meta.db';

/** What a rebuilt `meta.db` has reserved at least. */
const UNKNOWN_CEILINGS: Ceilings = { readings: 1, events: 1 };

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
export interface Started {
  readonly house: House;
  readonly next: Record<Stream, number>;
  readonly ids: { segment: number; commit: number };
}

/** A segment after it was looked through. */
interface Scanned {
  readonly info: SegmentInfo;
  /** Notes of all rows, in order; only of segments that were read through. */
  readonly notes: readonly Notes[] | undefined;
  /** Whether commits at its end may be lost. */
  readonly hasLostTail: boolean;
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
    writer: undefined,
    cursorsChanged: false,
    notice,
  };
  const indexed = [...meta.segments().values()].flatMap((text) => infoIn(text) ?? []);
  const isKnown = (file: string): boolean => indexed.some((info) => info.file === file);
  const isTailLost = scans.some(({ info, hasLostTail }) => hasLostTail && !isKnown(info.file));
  const next = nextNumbers(house, indexed, isNewestMissing || isTailLost);
  enterHoles(house, next, scans, now);
  const lastIds = infos.filter(({ kind }) => kind === 'readings').map(({ id }) => id);
  const ids = {
    segment: Math.max(0, ...lastIds),
    commit: Math.max(0, ...infos.map(({ lastCommit }) => lastCommit)) + 1,
  };
  try {
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
  try {
    house.meta.close();
  } catch {
    // The disk refuses; the handle is of no use either way.
  }
  house.meta = metaIn(house.folder, house.open, house.notice);
}

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
  ceilings: Ceilings;
} {
  for (const file of listSegmentFiles(folder)
    .filter((name) => name.startsWith('readings'))
    .reverse()) {
    try {
      const segment = openSegment(join(folder, file));
      try {
        const first = segment.rowsFrom(0, 1)[0];
        const notes = first?.notes ? unpackNotes(segment.inflate(first.notes, 0)) : undefined;
        return { epoch: segment.epoch, ledger: notes?.ledger ?? [], ceilings: UNKNOWN_CEILINGS };
      } finally {
        segment.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return { epoch: undefined, ledger: [], ceilings: UNKNOWN_CEILINGS };
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
      ? { info: known, notes: undefined, hasLostTail: false }
      : scanOrRebuild(folder, file, open, meta, known, lastCommit, notice);
    if (scanned.info.kind === 'readings') lastCommit = Math.max(lastCommit, scanned.info.lastCommit);
    return scanned.info.lastCommit < scanned.info.firstCommit && !scanned.hasLostTail ? [] : [scanned];
  });
}

function infoIn(text: string | undefined): SegmentInfo | undefined {
  return text?.startsWith('{') ? (JSON.parse(text) as SegmentInfo) : undefined;
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
  let bounds: { first: number; last: number } | undefined;
  try {
    const claim = claimOfWal(path);
    const segment = openSegment(path, open(path));
    try {
      const isTailLost = claim !== undefined && isTailLostIn(segment, claim);
      if (segment.epoch !== meta.epoch) throw new Damage(`${file} belongs to another store`);
      bounds = segment.bounds();
      if (!bounds) {
        segment.close();
        unlinkDatabase(path);
        return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, hasLostTail: isTailLost };
      }
      const scanned = scan(segment, emptyInfo(kind, id, bounds.first));
      scanned.info.bytes = sizeOf(path);
      return { ...scanned, hasLostTail: isTailLost };
    } finally {
      segment.close();
    }
  } catch (error) {
    if (error instanceof NeverWritten) {
      unlinkDatabase(path);
      // The index knows a segment only after its first commit.
      const hasLostTail = meta.segments().has(file);
      return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, hasLostTail };
    }
    if (!isDamage(error)) throw error;
    const firstCommit = known?.firstCommit ?? bounds?.first ?? lastCommit + 1;
    const lastOf = known || bounds ? Math.max(known?.lastCommit ?? 0, bounds?.last ?? 0) : undefined;
    const { info, movedTo } = rebuild(folder, open, meta.epoch, { file, firstCommit, lastCommit: lastOf });
    notice(
      `store: ${file} is damaged; it was moved to ${movedTo}, and what could be read of it is served. Check the disk.`,
    );
    return { info, notes: undefined, hasLostTail: true };
  }
}

function isTailLostIn(segment: Segment, claim: NonNullable<ReturnType<typeof claimOfWal>>): boolean {
  try {
    return !claim.isHeaderSound || segment.recoveredFrames() < claim.lastCommitFrame;
  } catch (error) {
    // The log cannot be folded in on a full disk; whether it is whole is seen at the next start.
    if (isFull(error)) return false;
    throw error;
  }
}

/** Looks through the rows up to number `last`. */
function scan(
  segment: Segment,
  info: SegmentInfo,
  last = Number.POSITIVE_INFINITY,
): { info: SegmentInfo; notes: Notes[] } {
  if (!segment.isSound()) throw new Damage(`${info.file}: its pages do not fit together`);
  const notes: Notes[] = [];
  for (let number = info.firstCommit; ; ) {
    const rows = segment.rowsFrom(number, SCAN_ROWS).filter((row) => row.number <= last);
    for (const row of rows) {
      countRow(info, row);
      if (row.notes) notes.push(unpackNotes(segment.inflate(row.notes, 0)));
    }
    const lastRow = rows.at(-1);
    if (!lastRow) return { info, notes };
    number = lastRow.number + 1;
  }
}

/**
 * A commit that failed may have left a row; the next segment began with its number, so that there it is void. Where the
 * readings of that one begin says less: records may have been dropped before them. So its segment is counted again.
 */
function withoutLeftovers(folder: string, scans: readonly Scanned[]): Scanned[] {
  return scans.map((scanned, index) => {
    const { info } = scanned;
    const later = scans.slice(index + 1).filter((other) => other.info.kind === 'readings');
    const bound = Math.min(...later.map((other) => other.info.firstCommit));
    if (info.kind !== 'readings' || info.lastCommit < bound) return scanned;
    let segment: Segment | undefined;
    try {
      segment = openSegment(join(folder, info.file));
      const counted = scan(segment, emptyInfo(info.kind, info.id, info.firstCommit), bound - 1);
      return { info: { ...counted.info, bytes: info.bytes }, notes: counted.notes, hasLostTail: scanned.hasLostTail };
    } catch (error) {
      if (!isDamage(error)) throw error;
      // Whoever reads it next finds the damage, and saves what can be saved.
      return { ...scanned, info: { ...info, lastCommit: bound - 1 } };
    } finally {
      segment?.close();
    }
  });
}

/** States and cursors: from the last snapshot on. Segments from the index are opened only when they are needed. */
function memoryOf(folder: string, scans: readonly Scanned[]): Memory {
  const memory: Memory = { states: new Map(), cursors: new Map() };
  const own = scans.filter(({ info }) => info.kind === 'readings');
  const needed: Notes[][] = [];
  for (const { info, notes } of own.toReversed()) {
    const found = notes ?? notesIn(folder, info);
    needed.unshift([...found]);
    if (found[0]?.snapshot) break;
  }
  for (const notes of needed.flat()) remember(memory, notes);
  return memory;
}

function notesIn(folder: string, info: SegmentInfo): readonly Notes[] {
  if (info.lastCommit < info.firstCommit) return [];
  let segment: Segment | undefined;
  try {
    segment = openSegment(join(folder, info.file));
    return scan(segment, emptyInfo(info.kind, info.id, info.firstCommit)).notes;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  } finally {
    segment?.close();
  }
}

/** The numbers to go on with: past everything that is stored or entered, and past all that was reserved if some is lost. */
function nextNumbers(house: House, indexed: readonly SegmentInfo[], isTailLost: boolean): Record<Stream, number> {
  const ceilings = house.meta.ceilings();
  const after = (stream: Stream): number =>
    Math.max(
      1,
      house.catalog.stored(stream).at(-1)?.to ?? 1,
      ...indexed.map(({ stored }) => stored[stream].at(-1)?.to ?? 1),
      house.meta.forgotten(stream).at(-1)?.to ?? 1,
      ...house.meta
        .ledger()
        .filter((entry) => entry.stream === stream && entry.cause !== 'quarantined')
        .map(({ to }) => to),
      isTailLost ? ceilings[stream] : 1,
    );
  return { readings: after('readings'), events: after('events') };
}

/** Enters every number that was given, cannot be read and is not accounted for: the ledger is complete after each start. */
function enterHoles(house: House, next: Record<Stream, number>, scans: readonly Scanned[], now: Now): void {
  const dropped = scans.flatMap(({ notes }) => notes ?? []).flatMap((notes) => notes.dropped ?? []);
  for (const stream of STREAMS) {
    const accounted = intervals([
      ...house.catalog.stored(stream),
      ...house.meta.forgotten(stream),
      ...house.meta.ledger().filter((entry) => entry.stream === stream && entry.cause !== 'quarantined'),
    ]);
    const holes = subtract([{ from: 1, to: next[stream] }], accounted);
    const entries = holes.flatMap((hole) => [
      ...dropped.filter((entry) => stream === 'readings' && entry.from >= hole.from && entry.to <= hole.to),
      ...subtract([hole], stream === 'readings' ? intervals(dropped) : []).map((range) => lossOf(stream, range, now)),
    ]);
    house.meta.enter({ ledger: entries });
    if (entries.length === 0) continue;
    cutPending(house, stream, intervals(entries));
    const corrupt = entries.filter(({ cause }) => cause === 'corrupt');
    if (corrupt.length > 0)
      house.notice(
        `store: up to ${countOf(intervals(corrupt))} ${stream} cannot be read any more (see the ledger). Check the disk.`,
      );
  }
}

function lossOf(stream: Stream, range: SeqRange, now: Now): NewLedgerEntry {
  return {
    ...{ stream, from: range.from, to: range.to, count: range.to - range.from },
    cause: 'corrupt',
    enteredWallMs: now.wallMs,
    detail: 'found missing at the start; numbers that were only reserved are counted',
  };
}

/** Goes on with the newest segment if it is sound and has room; brings the index up to date with the rest. */
function settleIndex(house: House, newest: Scanned | undefined, now: Now, ids: { segment: number }): void {
  const { infos } = house.catalog;
  const canResume =
    newest?.notes && !newest.hasLostTail && newest.info.bytes < house.segmentBytes && infos.includes(newest.info);
  if (canResume) {
    infos.splice(infos.indexOf(newest.info), 1);
    house.writer = resumeSegment(house.folder, house.open, newest.info, now.monoMs);
  }
  const index = house.meta.segments();
  const changes = new Map<string, string | null>();
  for (const info of infos) {
    const text = JSON.stringify(info);
    if (index.get(info.file) !== text && !existsSync(join(house.folder, `${info.file}-wal`)))
      changes.set(info.file, text);
  }
  const isThere = new Set([...infos, ...(house.writer ? [house.writer.info] : [])].map(({ file }) => file));
  for (const file of index.keys()) {
    if (!isThere.has(file)) changes.set(file, null);
    ids.segment = Math.max(ids.segment, parseSegmentFile(file)?.kind === 'readings' ? parseSegmentFile(file)!.id : 0);
  }
  if (house.writer) changes.set(house.writer.info.file, 'open');
  house.meta.enter({ segments: changes });
  archiveEvents(house);
}
