/** Makes room: lets the oldest segments go, and enters what was lost. */
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import { countOf, type IntervalSet, intersect, intervals, subtract } from '../../core/intervals.ts';
import { isFull, isRefusal, unlinkDatabase } from '../format/disk.ts';
import { isDamage } from '../format/segment.ts';
import { emptyQuarantine, keepReserve, releaseReserve, type SegmentInfo } from '../index/catalog.ts';
import { giveUp, removeGivenUp } from '../index/given-up.ts';
import type { MetaChange, NewLedgerEntry } from '../index/meta.ts';
import type { Stream } from '../store.ts';
import { archiveEvents, closeWriter, type House, totalBytes } from './rotate.ts';

/** A segment smaller than this is not worth giving up. */
const SMALLEST_BYTES = 64_000;

/** Text in the index of a segment whose ledger entries are made and whose file may still be there. */
export const LEAVING = 'leaving';

/**
 * Everything that is pending somewhere. An uplink that has not asked yet waits for everything; without any uplink nothing
 * is pending, and as long as nobody said which there are, everything is.
 */
export function pendingAnywhere(house: Pick<House, 'memory' | 'uplinks'>, stream: Stream): IntervalSet {
  const { cursors } = house.memory;
  const names = house.uplinks ?? [...cursors.keys()];
  const isUnknown = house.uplinks === undefined && ![...cursors.values()].some((cursor) => cursor[stream]);
  const pending = names.map((uplink) => cursors.get(uplink)?.[stream]);
  if (isUnknown || (house.uplinks && pending.includes(undefined))) return [{ from: 1, to: Number.POSITIVE_INFINITY }];
  return intervals(pending.flatMap((ranges) => ranges ?? []));
}

/**
 * Which segment goes first: readings that every uplink has, beyond the replay window; then any that every uplink has;
 * then the oldest; events only when no readings are left. Undefined when nothing may go.
 */
function chooseVictim(
  infos: readonly SegmentInfo[],
  pending: IntervalSet,
  oldestReplayWallMs: number,
): SegmentInfo | undefined {
  const readings = infos.filter(({ kind }) => kind === 'readings').sort((a, b) => a.id - b.id);
  const delivered = readings.filter(({ stored }) => intersect(stored.readings, pending).length === 0);
  const events = infos.filter(({ kind }) => kind === 'events').sort((a, b) => a.id - b.id);
  return delivered.find(({ maxWallMs }) => maxWallMs < oldestReplayWallMs) ?? delivered[0] ?? readings[0] ?? events[0];
}

/** Lets whole segments go until the store is within its size. */
export function evictToSize(house: House, nowWallMs: number): void {
  while (totalBytes(house) > house.maxBytes && evictOne(house, nowWallMs, 'in order')) {}
  keepReserve(house.folder, reserveBytes(house.maxBytes));
}

/** How much is set aside for writing the ledger on a full disk. */
export function reserveBytes(maxBytes: number): number {
  return Math.min(256 * 1024, Math.floor(maxBytes / 50));
}

/**
 * Makes room on a full disk; false when nothing can go any more. As long as it could not be entered what went before,
 * giving up that did not help: whoever fills the disk takes what is freed, and nothing more goes for them.
 */
export function makeRoom(house: House, nowWallMs: number): boolean {
  const hadReserve = releaseReserve(house.folder);
  if (house.givenUp.length > 0) enterDeferred(house);
  if (evictOne(house, nowWallMs, 'forced') || hadReserve) return true;
  // The last resort: what is being written is closed early, so that it can go.
  if (!house.writer || house.writer.info.bytes < SMALLEST_BYTES) return false;
  closeWriter(house);
  return evictOne(house, nowWallMs, 'forced');
}

/** How a segment is let go: `forced` when nothing more can be written before it is gone. */
type Eviction = 'in order' | 'forced';

function evictOne(house: House, nowWallMs: number, how: Eviction): boolean {
  if (emptyQuarantine(house.folder)) return true;
  const choose = (infos: readonly SegmentInfo[]): SegmentInfo | undefined =>
    chooseVictim(infos, pendingAnywhere(house, 'readings'), nowWallMs - house.replayMs);
  let victim = choose(house.catalog.infos);
  if (!victim) return false;
  try {
    if (victim.kind === 'readings') archiveEvents(house);
  } catch (error) {
    if (isFull(error) && how === 'forced') {
      // There is no room for a copy: a segment goes whose events are kept already.
      const kept = intervals(
        house.catalog.infos.filter(({ kind }) => kind === 'events').flatMap((i) => i.stored.events),
      );
      const isKept = (info: SegmentInfo): boolean => subtract(info.stored.events, kept).length === 0;
      victim = choose(house.catalog.infos.filter((info) => info.kind === 'readings' && isKept(info)));
      if (!victim) throw error;
    }
    // What cannot be read will not be copied later either: these events are entered with their segment.
    else if (!isDamage(error)) throw error;
  }
  evict(house, victim, nowWallMs, how);
  return true;
}

/** Enters what was deferred; what went before it could be entered needs its mark no more then. Throws what the disk says. */
export function enterDeferred(house: House): void {
  house.meta.enter({});
  removeGivenUp(house.folder, house.givenUp);
  house.givenUp = [];
}

/**
 * The ledger first, then the file: after a crash between the two, opening removes the file. On a disk that takes nothing
 * the file goes first, since only that frees something, and leaves its name, from which opening enters its numbers after
 * a crash. Events go with their segment only where keeping them apart failed.
 */
function evict(house: House, victim: SegmentInfo, nowWallMs: number, how: Eviction): void {
  const gone = goneWith(house, victim);
  const change: MetaChange = {
    ledger: gone.flatMap(({ stream, lost }) => lost.map((range) => evictionOf(victim, stream, range, nowWallMs))),
    forgotten: gone.flatMap(({ stream, delivered }) => delivered.map((range) => ({ stream, ...range }))),
    segments: new Map([[victim.file, LEAVING]]),
  };
  let isEntered = true;
  try {
    house.meta.enter(change);
  } catch (error) {
    if (how === 'in order' || !isRefusal(error)) throw error;
    isEntered = false;
  }
  house.catalog.release(victim.file);
  if (isEntered) unlinkDatabase(join(house.folder, victim.file));
  else {
    house.givenUp = [...house.givenUp, giveUp(house.folder, victim)];
    house.meta.defer(change);
  }
  house.catalog.infos.splice(house.catalog.infos.indexOf(victim), 1);
  leave(house, victim);
  for (const { stream, lost } of gone) {
    if (lost.length === 0) continue;
    cutPending(house, stream, lost);
    house.notice(
      `store: ${countOf(lost)} ${stream} that were not delivered were given up to stay within its size (see the ledger). ` +
        'Raise store.maxSize, or bring the uplink back.',
    );
  }
}

/** Takes a segment out of the index, now or as soon as the disk takes it. */
function leave(house: House, victim: SegmentInfo): void {
  house.meta.defer({ segments: new Map([[victim.file, null]]) });
  try {
    enterDeferred(house);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/** Of each stream, what only this segment has: what nobody got, and what every uplink has. */
function goneWith(house: House, victim: SegmentInfo): { stream: Stream; lost: IntervalSet; delivered: IntervalSet }[] {
  const others = [
    ...house.catalog.infos.filter((info) => info !== victim),
    ...(house.writer ? [house.writer.info] : []),
  ];
  return (['readings', 'events'] as const).map((stream) => {
    const own = subtract(victim.stored[stream], intervals(others.flatMap(({ stored }) => stored[stream])));
    const lost = intersect(own, pendingAnywhere(house, stream));
    return { stream, lost, delivered: subtract(own, lost) };
  });
}

/** What is entered for numbers that nobody got and that went with a segment. */
export function evictionOf(
  victim: Pick<SegmentInfo, 'minWallMs' | 'maxWallMs'>,
  stream: Stream,
  range: SeqRange,
  nowWallMs: number,
): NewLedgerEntry {
  return {
    stream,
    ...range,
    count: range.to - range.from,
    cause: 'evicted',
    ...(stream === 'readings' && { firstWallMs: victim.minWallMs, lastWallMs: victim.maxWallMs }),
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
