/** Makes room: lets the oldest segments go, and enters what was lost. */
import { join } from 'node:path';
import {
  countOf,
  type IntervalSet,
  intersect,
  intervals,
  type SeqRange,
  subtract,
  union,
} from '../../core/intervals.ts';
import { neededOfChain, withoutGone } from '../format/chain-marks.ts';
import { isFull, unlinkDatabase } from '../format/disk.ts';
import { isDamage } from '../format/segment.ts';
import { emptyQuarantine, keepReserve, releaseReserve, type SegmentInfo } from '../index/catalog.ts';
import { lossesOf, pendingAnywhere } from '../index/losses.ts';
import type { NewLedgerEntry } from '../index/meta.ts';
import { noteSealed } from '../index/sealed.ts';
import type { Stream } from '../store.ts';
import { closeWriter, copyEvents, type House, keptEvents, storedIn, totalBytes } from './rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** Quality records that every uplink has, and that wait for their checkpoint alone, take at most this share of the store. */
const CHAIN_SHARE = 1 / 4;

/** A segment smaller than this is not worth giving up. */
const SMALLEST_BYTES = 64_000;

/** What the ledger says of quality records that went too early. */
const UNSEALED = 'quality records that were delivered went before a checkpoint that covers them was';

/** Text in the index of a segment whose ledger entries are made and whose file may still be there. */
export const LEAVING = 'leaving';

/**
 * The segments in the order in which they go: what every uplink has and whose replay window passed; what every uplink
 * has; then the oldest undelivered readings; undelivered events last. The events that a segment of readings holds are
 * kept apart when it goes, as far as they are still needed, so that only its readings count here.
 *
 * @param needed what is still to be delivered, and quality records that wait for their checkpoint
 */
export function evictionOrder(
  infos: readonly SegmentInfo[],
  needed: Readonly<Record<Stream, IntervalSet>>,
  oldestReplayWallMs: number,
): SegmentInfo[] {
  const rankOf = (info: SegmentInfo): number => {
    const isDelivered = intersect(info.stored[info.kind], needed[info.kind]).length === 0;
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
  house.memory.quality = withoutGone(house.memory.quality, storedIn(house, 'events'));
  const pending = { readings: pendingAnywhere(house, 'readings'), events: pendingAnywhere(house, 'events') };
  const events = union(pending.events, chainKept(house, pending.events));
  const order = evictionOrder(house.catalog.infos, { ...pending, events }, nowWallMs - house.replayMs);
  const needed = (info: SegmentInfo): IntervalSet => {
    if (info.kind === 'events') return [];
    const all = union(pending.events, neededOfChain(house.memory.quality, firstEventWithout(house, info)));
    return subtract(intersect(info.stored.events, all), keptEvents(house));
  };
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

/**
 * Quality records in segments of events that stay until their checkpoint is delivered. Beyond their share of the store
 * the oldest of them do not stay.
 */
function chainKept(house: House, pending: IntervalSet): IntervalSet {
  noteSealed(house);
  const needed = neededOfChain(house.memory.quality, firstEventWithout(house, undefined));
  let bytes = 0;
  const tooOld = house.catalog.infos
    .filter(({ kind, stored }) => kind === 'events' && intersect(stored.events, pending).length === 0)
    .sort((a, b) => b.lastCommit - a.lastCommit)
    .filter((info) => {
      if (intersect(info.stored.events, needed).length > 0) bytes += info.bytes;
      return bytes > CHAIN_SHARE * house.maxBytes;
    });
  return subtract(needed, intervals(tooOld.flatMap(({ stored }) => stored.events)));
}

/** The first event that stays where it is when a segment of readings goes; Infinity: none does. */
function firstEventWithout({ catalog, writer }: House, gone: SegmentInfo | undefined): number {
  const staying = [...catalog.infos, ...(writer ? [writer.info] : [])].filter(
    (info) => info !== gone && info.kind === 'readings',
  );
  return Math.min(...staying.map(({ stored }) => stored.events[0]?.from ?? Number.POSITIVE_INFINITY));
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
  const unsealed = unsealedIn(house, victim, others).map((range): NewLedgerEntry => {
    return { ...evictionOf(victim, 'events', range, nowWallMs), cause: 'unsealed', detail: UNSEALED };
  });
  house.meta.enter({
    ledger: [...gone.flatMap(({ entries }) => entries), ...unsealed],
    forgotten: gone.flatMap(({ stream, delivered }) => delivered.map((range) => ({ stream, ...range }))),
    segments: new Map([[victim.file, LEAVING]]),
  });
  letGo(house, victim);
  if (unsealed.length > 0)
    house.notice(
      `store: ${countOf(intervals(unsealed))} events of the chain of quality records went to make room before a ` +
        'checkpoint that covers them was delivered (see the ledger: millgate status). Bring an uplink back that takes ' +
        'events, or raise store.maxSize.',
    );
  for (const { stream, entries } of gone) {
    if (entries.length === 0) continue;
    const lost = intervals(entries);
    house.notice(
      `store: ${countOf(lost)} ${stream} that were not delivered everywhere were given up to make room (see the ` +
        'ledger: millgate status). Raise store.maxSize, free space on the disk, or bring the uplink back.',
    );
  }
}

/** Quality records that go with a segment although no checkpoint that covers them was delivered, and that uplinks have. */
function unsealedIn(house: House, victim: SegmentInfo, others: readonly SegmentInfo[]): IntervalSet {
  const { chain, sealed } = house.memory.quality;
  const open = intersect(chain, [{ from: sealed + 1, to: Number.POSITIVE_INFINITY }]);
  const gone = subtract(
    intersect(victim.stored.events, open),
    intervals(others.flatMap(({ stored }) => stored.events)),
  );
  return subtract(gone, pendingAnywhere(house, 'events'));
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
