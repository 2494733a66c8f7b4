/** Notices that the store's files were deleted or replaced under the running gateway, and stores anew. */
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, Fault } from '../../core/errors.ts';
import { type IntervalSet, intervals, subtract } from '../../core/intervals.ts';
import { isRefusal, sizeOf } from '../format/disk.ts';
import { type Lock, lockFolder } from '../format/lock.ts';
import { emptyInfo, parseSegmentFile, type SegmentInfo } from '../index/catalog.ts';
import { lossesOf } from '../index/losses.ts';
import { createMeta, type NewLedgerEntry } from '../index/meta.ts';
import type { Now } from '../protocol.ts';
import type { Stream } from '../store.ts';
import { cutPending } from '../write/evict.ts';
import { type House, storedIn } from '../write/rotate.ts';
import { rebuildFrom } from './salvage.ts';

const STREAMS = ['readings', 'events'] as const;

/** Files by which the folder is known to be the one that was opened. */
const SIGNS = ['lock.db', 'meta.db'] as const;

/** The folder as it was opened: which files stand for it. */
export type Home = Readonly<Record<(typeof SIGNS)[number], string | undefined>>;

/** How the folder is told from another one at the same place. */
export function homeOf(folder: string): Home {
  return { 'lock.db': fileId(join(folder, 'lock.db')), 'meta.db': fileId(join(folder, 'meta.db')) };
}

/** Whether the files are no longer where they were opened. */
export function isMovedOut(house: House, home: Home): boolean {
  const now = homeOf(house.folder);
  if (SIGNS.some((sign) => home[sign] === undefined || now[sign] !== home[sign])) return true;
  return house.writer !== undefined && house.writer.info.bytes > 0 && !isThere(house, house.writer.info);
}

function isThere(house: House, { file }: SegmentInfo): boolean {
  return existsSync(join(house.folder, file));
}

function fileId(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

/**
 * Locks the folder again and makes what is missing in it out of what is held in memory: identity, ledger and cursors, and
 * the rows of the segment that was being written, whose deleted file is still open. What another store left there is put
 * aside. Numbers go on; what can no longer be read is accounted for. It can be repeated when the disk refuses.
 *
 * @throws Fault when another gateway took the folder meanwhile
 */
export function moveIn(house: House, home: Home, lock: Lock, pid: number, now: Now): Lock {
  const { folder } = house;
  let held = lock;
  if (fileId(join(folder, 'lock.db')) !== home['lock.db']) {
    // What it locked has no name any more.
    lock.release();
    held = lockAgain(folder, pid, now);
  }
  try {
    if (home['meta.db'] === undefined || fileId(join(folder, 'meta.db')) !== home['meta.db']) renewMeta(house);
    rescueWriter(house);
    enterMissing(house, now);
    house.notice(
      home['meta.db'] === undefined
        ? `store ${folder}: the disk has room again, and readings are stored on it.`
        : `store ${folder}: its files were deleted or replaced while the gateway runs. From here on readings are stored ` +
            'anew; what was not delivered and cannot be read any more is in the ledger (millgate status). To make room, ' +
            'lower store.maxSize instead.',
    );
    return held;
  } catch (error) {
    if (held !== lock) held.release();
    throw error;
  }
}

/** As at the start; a disk that refuses is no reason to end, though: readings are held in memory meanwhile. */
function lockAgain(folder: string, pid: number, now: Now): Lock {
  try {
    return lockFolder(folder, { pid, sinceWallMs: now.wallMs });
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    const isTaken = /^SQLITE_(BUSY|LOCKED)/.test(codeOf(cause) ?? '');
    throw isRefusal(cause) && !isTaken ? cause : error;
  }
}

function renewMeta(house: House): void {
  const { folder, meta } = house;
  putAside(folder);
  const streams = { readings: meta.forgotten('readings'), events: meta.forgotten('events') };
  const carried = { ledger: meta.ledger(), forgotten: streams, offsets: meta.offsets() };
  const fresh = createMeta(join(folder, 'meta.db'), house.open, { epoch: meta.epoch, carried, ceilings: undefined });
  try {
    meta.close();
  } catch {
    // Its file is gone; the handle is of no use either way.
  }
  house.meta = fresh;
}

/** Another store that was put in the place of ours stays as it is, in a folder of its own. */
function putAside(folder: string): void {
  const files = readdirSync(folder).filter((file) => /^(meta|readings-|events-|rollups-)/.test(file));
  if (files.length === 0) return;
  let aside = join(folder, 'replaced');
  for (let copy = 1; existsSync(aside); copy++) aside = join(folder, `replaced.${copy}`);
  mkdirSync(aside);
  for (const file of files) renameSync(join(folder, file), join(aside, file));
}

/** The file has no name any more, but its rows can be read as long as it is open. */
function rescueWriter(house: House): void {
  const { writer, catalog } = house;
  if (!writer || isThere(house, writer.info)) return;
  const { kind, id } = parseSegmentFile(writer.info.file)!;
  const info = emptyInfo(kind, id, writer.info.firstCommit);
  const known = { firstCommit: writer.info.firstCommit, lastCommit: writer.info.lastCommit };
  const target = join(house.folder, writer.info.file);
  rebuildFrom(writer.segment, target, house.open, house.meta.epoch, info, known);
  info.bytes = sizeOf(target);
  house.writer = undefined;
  try {
    writer.segment.close();
  } catch {
    // As above.
  }
  if (info.lastCommit >= info.firstCommit) catalog.infos.push(info);
}

function enterMissing(house: House, now: Now): void {
  const { catalog, meta } = house;
  const before = new Map(STREAMS.map((stream) => [stream, storedIn(house, stream)]));
  for (const info of catalog.infos) catalog.release(info.file);
  const left = catalog.infos.filter((info) => isThere(house, info));
  const gone = STREAMS.map((stream) => {
    const lost = subtract(before.get(stream)!, intervals(left.flatMap(({ stored }) => stored[stream])));
    return { stream, ...lossesOf(house, stream, lost, (range) => lossOf(stream, [range], now)) };
  });
  const index = [...catalog.infos].map((info): [string, string | null] => [
    info.file,
    left.includes(info) ? JSON.stringify(info) : null,
  ]);
  meta.enter({
    ledger: gone.flatMap(({ entries }) => entries),
    forgotten: gone.flatMap(({ stream, delivered }) => delivered.map((range) => ({ stream, ...range }))),
    segments: new Map(index),
  });
  catalog.infos.splice(0, catalog.infos.length, ...left);
  for (const { stream, entries } of gone) cutPending(house, stream, intervals(entries));
  house.cursorsChanged = true;
}

function lossOf(stream: Stream, [range]: IntervalSet, now: Now): NewLedgerEntry {
  const { from, to } = range!;
  const detail = 'the files of the store were deleted while the gateway ran';
  return { stream, from, to, count: to - from, cause: 'corrupt', enteredWallMs: now.wallMs, detail };
}
