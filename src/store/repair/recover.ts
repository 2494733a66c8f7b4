/** Opens what lies in the store's folder, and repairs what a crash or a bad disk left. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import { countOf, intervals, subtract } from '../../core/intervals.ts';
import { isRefusal, type OpenDatabase, openForReading, sizeOf, troubleText, unlinkDatabase } from '../format/disk.ts';
import { type Carried, carriedBy, type Memory, unpackMemory } from '../format/notes.ts';
import { Damage, isDamage, NeverWritten, openSegment } from '../format/segment.ts';
import { GAPS_TOLD } from '../gaps.ts';
import {
  createCatalog,
  emptyInfo,
  keepReserve,
  listSegmentFiles,
  moveToQuarantine,
  parseSegmentFile,
  type SegmentInfo,
} from '../index/catalog.ts';
import { lossesOf } from '../index/losses.ts';
import { type Meta, type NewLedgerEntry, openMeta } from '../index/meta.ts';
import { type GoOn, goOnFrom } from '../index/numbers.ts';
import { resumeSegment } from '../index/writer.ts';
import type { EngineOptions, Now } from '../protocol.ts';
import type { Stream } from '../store.ts';
import { cutPending, LEAVING, letGo, reserveBytes } from '../write/evict.ts';
import type { House } from '../write/rotate.ts';
import { pastRestored, restoredBecause, settleIn } from './restored.ts';
import { finishSalvages, rebuild } from './salvage.ts';
import { indexedIn, infoIn, isEndKnownIn, isLogWhole, memoryOf, type Scanned, scan, withoutLeftovers } from './scan.ts';

const STREAMS = ['readings', 'events'] as const;
const META = 'meta.db';

/** Where a database says that it has no log of its own any more (https://sqlite.org/fileformat2.html, offset 18). */
const WRITE_VERSION = { offset: 18, finished: 1 };

/** Fifty segments fill the store; none is smaller than 64 kB or larger than 64 MB. */
export function segmentBytesOf(maxBytes: number): number {
  return Math.min(64_000_000, Math.max(64_000, Math.floor(maxBytes / 50)));
}

/**
 * The size of the store, or nine tenths of the disk that it is on, so that a small disk has many segments too. What
 * others have on the disk does not count: they may leave, and a disk that is full is dealt with when it is.
 */
export function affordable(folder: string, maxBytes: number): number {
  const { blocks, bsize } = statfsSync(folder);
  return Math.min(maxBytes, Math.floor(blocks * bsize * 0.9));
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
  const { meta, wasRebuilt, isNewestMissing } = metaIn(options.path, open, notice);
  try {
    return houseOn({ options, open, now, notice, meta, wasRebuilt, isNewestMissing });
  } catch (error) {
    meta.close();
    throw error;
  }
}

interface Opening {
  readonly options: EngineOptions;
  readonly open: OpenDatabase;
  readonly now: Now;
  readonly notice: (text: string) => void;
  readonly meta: Meta;
  readonly wasRebuilt: boolean;
  /** Set when `meta.db` had to be made again, and the newest segment that is there was followed by another. */
  readonly isNewestMissing: boolean;
}

function houseOn(opening: Opening): Started {
  const { options, open, now, notice, meta } = opening;
  const folder = options.path;
  const maxBytes = affordable(folder, options.maxBytes);
  removeLeaving(folder, meta);
  finishSalvages(folder);
  takeBackGivenUp(folder);
  const scans = withoutLeftovers(folder, scanAll(folder, open, meta, notice));
  const memory = memoryAtStop(meta, scans) ?? memoryOf(folder, scans);
  if (opening.wasRebuilt) meta.numberPast(Number(memory.states.get(GAPS_TOLD) ?? 0) || 0);
  const newest = scans.filter(({ info }) => info.kind === 'readings').at(-1);
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
    witnesses: undefined,
    writer: undefined,
    cursorsChanged: false,
    notice,
  };
  const next = goOn(house, scans, opening);
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
    // The index only saves time: a full disk may not keep the store shut.
    notice(troubleText(folder, error));
  }
  keepReserve(folder, reserveBytes(maxBytes));
  return { house, next, ids };
}

/** Enters what is missing, and gives the number to go on with in each stream. */
function goOn(house: House, scans: readonly Scanned[], opening: Opening): Record<Stream, number> {
  const { meta, options, notice, now } = opening;
  const isOpenMissing = [...meta.segments()].some(
    ([file, text]) => text === 'open' && !scans.some(({ info }) => info.file === file),
  );
  const isNewestMissing = opening.isNewestMissing || isOpenMissing;
  const indexed = indexedIn(meta);
  const restored = restoredBecause(options.path, options.machine);
  if (restored) notice(`store: ${restored}; numbers go on past any that may have been given since (see the ledger).`);
  const next = { readings: 1, events: 1 };
  for (const stream of STREAMS) {
    const isEndKnown = !isNewestMissing && isEndKnownIn(scans, stream);
    const found = goOnFrom(meta, stream, house.catalog.stored(stream), isEndKnown, indexed[stream]);
    next[stream] = enterHoles(house, stream, restored ? pastRestored(found, restored) : found, scans, now);
  }
  return next;
}

/** States and cursors as they were at the last stop, if it was in order and nothing was written since. */
function memoryAtStop(meta: Meta, scans: readonly Scanned[]): Memory | undefined {
  const stopped = meta.stopped();
  const newest = scans.filter(({ info }) => info.kind === 'readings').at(-1);
  if (!stopped || newest?.notes) return undefined;
  const { file, bytes, lastCommit } = stopped.newest ?? {};
  const { info } = newest ?? {};
  const isSame = info?.file === file && info?.bytes === bytes && info?.lastCommit === lastCommit;
  return isSame ? unpackMemory(stopped.memory) : undefined;
}

/** Closes and opens `meta.db` again after the disk failed: what it holds is what the disk has. */
export function reopenMeta(house: House): void {
  const later = house.meta.later();
  try {
    house.meta.close();
  } catch {
    // The disk refuses; the handle is of no use either way.
  }
  house.meta = metaIn(house.folder, house.open, house.notice).meta;
  for (const change of later) house.meta.enterLater(change);
  // What was to go, and of which the disk said that it could not be entered, may be entered all the same.
  for (const info of house.catalog.infos.filter(({ file }) => house.meta.segments().get(file) === LEAVING))
    letGo(house, info);
}

/** Opens `meta.db`, or makes it again from the segments. */
function metaIn(
  folder: string,
  open: OpenDatabase,
  notice: (text: string) => void,
): { meta: Meta; wasRebuilt: boolean; isNewestMissing: boolean } {
  const file = join(folder, META);
  const isThere = existsSync(file);
  let isNewestMissing = false;
  const { meta, wasRebuilt } = openMeta(
    file,
    open,
    () => {
      const newest = readingsFiles(folder).at(-1);
      // It is finished only when another one is begun.
      isNewestMissing = newest !== undefined && isFinished(join(folder, newest));
      return toldBySegments(folder);
    },
    () => isThere && sizeOf(file) > 0 && moveToQuarantine(folder, META),
  );
  if (wasRebuilt)
    notice(
      'store: meta.db was missing or damaged and was made again from the segments. Check the disk (dmesg, smartctl).',
    );
  return { meta, wasRebuilt, isNewestMissing };
}

function readingsFiles(folder: string): string[] {
  return listSegmentFiles(folder).filter((file) => parseSegmentFile(file)?.kind === 'readings');
}

function isFinished(file: string): boolean {
  return readFileSync(file)[WRITE_VERSION.offset] === WRITE_VERSION.finished;
}

/** Epoch, ledger and clocks as the newest readable segment carries them. */
function toldBySegments(folder: string): { epoch: string; carried: Carried } | undefined {
  for (const file of readingsFiles(folder).reverse()) {
    try {
      // For reading only: folding its log in here would hide that the log is torn.
      const segment = openSegment(join(folder, file), openForReading(join(folder, file)));
      try {
        const first = segment.bounds()?.first;
        if (first === undefined) continue;
        const { kind, id } = parseSegmentFile(file)!;
        return { epoch: segment.epoch, carried: carriedBy(scan(segment, emptyInfo(kind, id, first)).notes) };
      } finally {
        segment.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}

/** Finishes evictions: their ledger entries are made, their files may still be there. */
function removeLeaving(folder: string, meta: Meta): void {
  const leaving = [...meta.segments()].filter(([, text]) => text === LEAVING).map(([file]) => file);
  for (const file of leaving) unlinkDatabase(join(folder, file));
  meta.enter({ segments: new Map(leaving.map((file) => [file, null])) });
}

/**
 * Versions before schema 3 renamed and emptied a segment that was given up on a full disk. What a power cut left whole is
 * a segment again; numbers of one that is empty are found missing, and entered.
 */
function takeBackGivenUp(folder: string): void {
  for (const name of readdirSync(folder)) {
    const found = /^given-up-((?:readings|events)-\d{8})-/.exec(name);
    if (!found) continue;
    const segment = join(folder, `${found[1]}.db`);
    if (sizeOf(join(folder, name)) === 0 || existsSync(segment)) rmSync(join(folder, name));
    else renameSync(join(folder, name), segment);
  }
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
      ? { info: known, notes: undefined, isEndKnown: true }
      : scanOrRebuild(folder, file, open, meta, known, lastCommit, notice);
    if (scanned.info.kind === 'readings') lastCommit = Math.max(lastCommit, scanned.info.lastCommit);
    return scanned.info.lastCommit < scanned.info.firstCommit && scanned.isEndKnown ? [] : [scanned];
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
    const segment = openSegment(path, open(path));
    try {
      const isEndKnown = isLogWhole(path, segment);
      if (segment.epoch !== meta.epoch) throw new Damage(`${file} belongs to another store`);
      bounds = segment.bounds();
      if (!bounds) {
        segment.close();
        unlinkDatabase(path);
        return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, isEndKnown };
      }
      const scanned = scan(segment, emptyInfo(kind, id, bounds.first));
      scanned.info.bytes = sizeOf(path);
      return { ...scanned, isEndKnown };
    } finally {
      segment.close();
    }
  } catch (error) {
    if (error instanceof NeverWritten) {
      unlinkDatabase(path);
      // The index knows a segment only after its first commit.
      const isEndKnown = isTold || !meta.segments().has(file);
      return { info: emptyInfo(kind, id, lastCommit + 1), notes: undefined, isEndKnown };
    }
    if (!isDamage(error)) throw error;
    const firstCommit = known?.firstCommit ?? bounds?.first ?? lastCommit + 1;
    const lastOf = known || bounds ? Math.max(known?.lastCommit ?? 0, bounds?.last ?? 0) : undefined;
    const { info, movedTo } = rebuild(folder, open, meta.epoch, { file, firstCommit, lastCommit: lastOf });
    notice(
      `store: ${file} is damaged; it was moved to ${movedTo}, and what could be read of it is served. Check the disk.`,
    );
    return { info, notes: undefined, isEndKnown: isTold };
  }
}

/**
 * Enters every number that was given, cannot be read and is not accounted for: the ledger is complete after each start.
 *
 * @returns the number to go on with
 */
function enterHoles(house: House, stream: Stream, found: GoOn, scans: readonly Scanned[], now: Now): number {
  const dropped = scans
    .flatMap(({ notes }) => notes ?? [])
    .flatMap((notes) => (stream === 'readings' ? notes.dropped : notes.droppedEvents) ?? []);
  const known = dropped.filter(({ from, to }) => found.lost.some((hole) => from >= hole.from && to <= hole.to));
  const rest = subtract(found.lost, intervals(known));
  const { entries: losses, delivered } = lossesOf(house, stream, rest, (range) => lossOf(stream, range, now));
  const entries = [...known, ...losses, ...found.skipped.map((range) => skipOf(stream, range, now, found.detail))];
  house.meta.enter({ ledger: entries, forgotten: delivered.map((range) => ({ stream, ...range })) });
  if (entries.length > 0) cutPending(house, stream, intervals(entries));
  const corrupt = entries.filter(({ cause }) => cause === 'corrupt');
  if (corrupt.length > 0)
    house.notice(
      `store: ${countOf(intervals(corrupt))} ${stream} cannot be read any more (see the ledger). Check the disk.`,
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
    detail: 'found missing at the start',
  };
}

function skipOf(stream: Stream, range: SeqRange, now: Now, detail?: string): NewLedgerEntry {
  return {
    ...lossOf(stream, range, now),
    cause: 'skipped',
    detail: detail ?? 'the newest commits cannot be read: numbers go on past any that they can have had',
  };
}

/** Goes on with the newest segment if it is sound and has room; brings the index up to date with the rest. */
function settleIndex(house: House, newest: Scanned | undefined, now: Now, ids: { segment: number }): void {
  const { infos } = house.catalog;
  const canResume = newest?.isEndKnown && newest.info.bytes < house.segmentBytes && infos.includes(newest.info);
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
}
