/** Makes room: lets the oldest segments go, and enters what was lost. */
import { join } from 'node:path';
import { countOf, type IntervalSet, intersect, intervals, type SeqRange, subtract } from '../../core/intervals.ts';
import { isFull, unlinkDatabase } from '../format/disk.ts';
import { isDamage } from '../format/segment.ts';
import { emptyQuarantine, keepReserve, releaseReserve, type SegmentInfo } from '../index/catalog.ts';
import { lossesOf, pendingAnywhere } from '../index/losses.ts';
import type { NewLedgerEntry } from '../index/meta.ts';
import type { Stream } from '../store.ts';
import { closeWriter, copyEvents, type House, keptEvents, storedIn, totalBytes } from './rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** A segment smaller than this is not worth giving up. */
const SMALLEST_BYTES = 64_000;

/** Text in the index of a segment whose ledger entries are made and whose file may still be there. */
export const LEAVING = 'leaving';

/**
 * The segments in the order in which they go: what every uplink has and whose replay window passed; what every uplink
 * has; then the oldest undelivered readings; undelivered events last. The events that a segment of readings holds are
 * kept apart when it goes, as far as an uplink still lacks them, so that only its readings count here.
 */
export function evictionOrder(
  infos: readonly SegmentInfo[],
  pending: Readonly<Record<Stream, IntervalSet>>,
  oldestReplayWallMs: number,
): SegmentInfo[] {
  const rankOf = (info: SegmentInfo): number => {
    const isDelivered = intersect(info.stored[info.kind], pending[info.kind]).length === 0;
    if (isDelivered) return info.maxWallMs < oldestReplayWallMs ? 0 : 1;
    return info.kind === 'readings' ? 2 : 3;
  };
  return infos
    .map((info) => ({ info, rank: rankOf(info) }))
    .sort((a, b) => a.rank - b.rank || a.info.lastCommit - b.info.lastCommit)
    .map(({ info }) => info);
}

/** Lets whole segments go until the store is within its size. */
export function evictToSize(house: House, nowWallMs: number): void {
  while (totalBytes(house) > house.maxBytes && evictOne(house, nowWallMs)) {}
  keepReserve(house.folder, reserveBytes(house.maxBytes));
}

/** How much is set aside to have room for the first steps on a full disk. */
export function reserveBytes(maxBytes: number): number {
  return Math.min(256 * 1024, Math.floor(maxBytes / 50));
}

/**
 * Makes room on a full disk: the reserve goes first, so that there is room to keep events apart, then a segment. What
 * the ledger cannot record does not go: then the disk's refusal is thrown.
 *
 * @returns false when there is nothing left that could go
 */
export function makeRoom(house: House, nowWallMs: number): boolean {
  const hadReserve = releaseReserve(house.folder);
  if (evictOne(house, nowWallMs) || hadReserve) return true;
  // The last resort: what is being written is closed early, so that it can go.
  if (!house.writer || house.writer.info.bytes < SMALLEST_BYTES) return false;
  closeWriter(house);
  return evictOne(house, nowWallMs);
}

function evictOne(house: House, nowWallMs: number): boolean {
  if (emptyQuarantine(house.folder)) return true;
  const pending = { readings: pendingAnywhere(house, 'readings'), events: pendingAnywhere(house, 'events') };
  const order = evictionOrder(house.catalog.infos, pending, nowWallMs - house.replayMs);
  const needed = (info: SegmentInfo): IntervalSet =>
    info.kind === 'events' ? [] : subtract(intersect(info.stored.events, pending.events), keptEvents(house));
  let victim = order[0];
  if (!victim) return false;
  try {
    keepNeeded(house, victim, needed(victim));
  } catch (error) {
    if (!isFull(error)) throw error;
    // There is no room for a copy: a segment goes that needs none, or, if there is no such segment, events go as well.
    victim = order.find((info) => info.kind === 'readings' && needed(info).length === 0) ?? victim;
  }
  evict(house, victim, nowWallMs);
  return true;
}

/** Copies events that are still needed out of a segment that is to go. */
function keepNeeded(house: House, victim: SegmentInfo, needed: IntervalSet): void {
  if (needed.length === 0) return;
  try {
    copyEvents(house, victim, house.catalog.open(victim), needed);
  } catch (error) {
    // What cannot be read now cannot be copied later either: these events are entered with their segment.
    if (!isDamage(error)) throw error;
  }
}

/** The ledger first, then the file: after a crash between the two, opening removes the file. */
function evict(house: House, victim: SegmentInfo, nowWallMs: number): void {
  const others = [...house.catalog.infos, ...(house.writer ? [house.writer.info] : [])].filter((one) => one !== victim);
  const gone = STREAMS.map((stream) => {
    const own = subtract(victim.stored[stream], intervals(others.flatMap(({ stored }) => stored[stream])));
    return { stream, ...lossesOf(house, stream, own, (range) => evictionOf(victim, stream, range, nowWallMs)) };
  });
  house.meta.enter({
    ledger: gone.flatMap(({ entries }) => entries),
    forgotten: gone.flatMap(({ stream, delivered }) => delivered.map((range) => ({ stream, ...range }))),
    segments: new Map([[victim.file, LEAVING]]),
  });
  letGo(house, victim);
  for (const { stream, entries } of gone) {
    if (entries.length === 0) continue;
    const lost = intervals(entries);
    house.notice(
      `store: ${countOf(lost)} ${stream} that were not delivered everywhere were given up to make room (see the ` +
        'ledger: millgate status). Raise store.maxSize, free space on the disk, or bring the uplink back.',
    );
  }
}

/** Removes a segment whose numbers are accounted for. */
export function letGo(house: House, victim: SegmentInfo): void {
  house.catalog.release(victim.file);
  unlinkDatabase(join(house.folder, victim.file));
  house.catalog.infos.splice(house.catalog.infos.indexOf(victim), 1);
  house.meta.enterLater({ segments: new Map([[victim.file, null]]) });
  for (const stream of STREAMS) cutPending(house, stream, subtract(victim.stored[stream], storedIn(house, stream)));
}

function evictionOf(victim: SegmentInfo, stream: Stream, range: SeqRange, nowWallMs: number): NewLedgerEntry {
  const times = { firstWallMs: victim.minWallMs, lastWallMs: victim.maxWallMs };
  return {
    stream,
    from: range.from,
    to: range.to,
    count: range.to - range.from,
    cause: 'evicted',
    ...(stream === 'readings' && times),
    enteredWallMs: nowWallMs,
  };
}

/** Takes numbers that are gone out of what the uplinks wait for. */
export function cutPending(house: House, stream: Stream, gone: IntervalSet): void {
  for (const [uplink, cursor] of house.memory.cursors) {
    const pending = cursor[stream];
    if (!pending || intersect(pending, gone).length === 0) continue;
    house.memory.cursors.set(uplink, { ...cursor, [stream]: subtract(pending, gone) });
    house.cursorsChanged = true;
  }
}
