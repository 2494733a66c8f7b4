/** Writes one commit to the open segment, and makes room where the disk refuses it. */
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { isFull, isRefusal, troubleText, unlinkDatabase } from './format/disk.ts';
import { type Notes, packNotes, remember } from './format/notes.ts';
import { GAPS_TOLD } from './gaps.ts';
import type { MetaChange, NewLedgerEntry } from './index/meta.ts';
import { beginSegment, type Writer } from './index/writer.ts';
import type { EncodedCommit, EngineOptions, Now } from './protocol.ts';
import { reopenMeta } from './repair/recover.ts';
import type { Roller } from './rollup/roller.ts';
import { type Receipt, StoreTrouble, type Stream } from './store.ts';
import { enterDeferred, evictToSize, makeRoom } from './write/evict.ts';
import { closeWriter, type House } from './write/rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** Numbers are reserved for about this many commits: a minute of them at one a second. */
const RESERVE_COMMITS = 60;

/** A commit may be larger than the largest of late by this factor before numbers are reserved anew. */
const RESERVE_SLACK = 1.5;

/** A segment is closed after a day even when it is small. */
const SEGMENT_MS = 86_400_000;

/** How many ledger entries a new segment carries, for rebuilding `meta.db`. */
const CARRIED_ENTRIES = 200;

/** An open store at work. */
export interface State {
  readonly options: EngineOptions;
  readonly house: House;
  readonly next: Record<Stream, number>;
  readonly ids: { segment: number; commit: number };
  commits: number;
  bytesWritten: number;
  lastCommitMs: number | undefined;
  trouble: string | undefined;
  cursorsMonoMs: number;
  /** Set after the disk failed, until `meta.db` was opened anew. */
  isMetaDown: boolean;
  /** Undefined when the disk refused to have its files opened. */
  readonly roller: Roller | undefined;
  isClosed: boolean;
  /** The largest commit since numbers were last reserved. */
  readonly largest: Record<Stream, number>;
}

/** A commit for the sake of cursors. */
export const NOTHING: EncodedCommit = { readings: undefined, events: undefined, states: [], dropped: undefined };

/** Writes one commit; makes room or moves to a new segment when the disk refuses, and throws `StoreTrouble` when that does not help. */
export function commit(state: State, ask: EncodedCommit, now: Now): Receipt {
  const { house } = state;
  for (let hasMoved = false; ; ) {
    try {
      const receipt = write(state, ask, now);
      state.trouble = undefined;
      evictAfter(state, now);
      return receipt;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isFull(error) && makeRoomOn(state, now)) continue;
      // What became of a commit that failed is not known; the next segment begins with its numbers, which voids it here.
      abandonWriter(house);
      if (!hasMoved && !isFull(error)) {
        hasMoved = true;
        state.isMetaDown = true;
        continue;
      }
      state.isMetaDown = true;
      state.trouble = troubleText(state.options.path, error);
      throw new StoreTrouble(state.trouble, { cause: error });
    }
  }
}

function write(state: State, ask: EncodedCommit, now: Now): Receipt {
  const { house, next } = state;
  restoreMeta(state);
  const isStale = (writer: Writer): boolean =>
    writer.info.bytes >= house.segmentBytes || now.monoMs - writer.startedMonoMs >= SEGMENT_MS;
  if (house.writer && isStale(house.writer)) closeWriter(house);
  const droppedTo = next.readings + (ask.dropped?.count ?? 0);
  const receipt: Receipt = {
    readings: { from: droppedTo, to: droppedTo + (ask.readings?.count ?? 0) },
    events: { from: next.events, to: next.events + (ask.events?.count ?? 0) },
  };
  reserve(state, receipt);
  const dropped = ask.dropped && droppedEntry(ask.dropped, next.readings, now);
  const isNew = house.writer === undefined;
  const writer =
    house.writer ??
    beginSegment(house.folder, house.open, {
      id: ++state.ids.segment,
      epoch: house.meta.epoch,
      firstCommit: state.ids.commit,
      monoMs: now.monoMs,
    });
  house.writer = writer;
  const areCursorsDue =
    house.cursorsChanged && (ask === NOTHING || now.monoMs - state.cursorsMonoMs >= state.options.cursorEveryMs);
  const notes = notesOf(state, ask, isNew, areCursorsDue, dropped);
  state.bytesWritten += writer.append({
    number: state.ids.commit,
    readingsFirst: receipt.readings.from,
    readingsCount: ask.readings?.count ?? 0,
    eventsFirst: receipt.events.from,
    eventsCount: ask.events?.count ?? 0,
    minWallMs: Math.floor(ask.readings?.minWallMs ?? 0),
    maxWallMs: Math.ceil(ask.readings?.maxWallMs ?? 0),
    notes: packNotes(notes),
    events: ask.events?.body ?? null,
    readings: ask.readings?.body ?? null,
  });
  settleWrite(state, ask, receipt, now, isNew || areCursorsDue);
  if (isNew || dropped)
    enterAfter(state, {
      ledger: dropped ? [dropped] : [],
      segments: isNew ? new Map([[writer.info.file, 'open']]) : new Map(),
    });
  return receipt;
}

/** What is entered after a commit cannot undo it: if the disk refuses, it is deferred, and found in the segment anyway. */
function enterAfter(state: State, change: MetaChange): void {
  const { meta } = state.house;
  try {
    meta.enter(change);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    meta.defer(change);
    state.isMetaDown = true;
  }
}

/** After the disk failed nothing is known of what `meta.db` holds: it is opened anew, and what was deferred is written. */
export function restoreMeta(state: State): void {
  if (!state.isMetaDown) return;
  reopenMeta(state.house);
  enterDeferred(state.house);
  state.isMetaDown = false;
}

/** What follows from a commit that is on the disk. */
function settleWrite(state: State, ask: EncodedCommit, receipt: Receipt, now: Now, hasCursors: boolean): void {
  state.next.readings = receipt.readings.to;
  state.next.events = receipt.events.to;
  state.ids.commit++;
  state.commits++;
  state.lastCommitMs = now.wallMs;
  remember(state.house.memory, { snapshot: false, states: new Map(ask.states), cursors: undefined });
  if (!hasCursors) return;
  state.house.cursorsChanged = false;
  state.cursorsMonoMs = now.monoMs;
}

function notesOf(
  state: State,
  ask: EncodedCommit,
  isSnapshot: boolean,
  hasCursors: boolean,
  dropped: NewLedgerEntry | undefined,
): Notes {
  const { memory, meta } = state.house;
  const changed = new Map(ask.states);
  return {
    snapshot: isSnapshot,
    states: isSnapshot ? new Map([...memory.states, ...changed]) : changed,
    cursors: isSnapshot || hasCursors ? memory.cursors : undefined,
    ...(dropped && { dropped }),
    ...(isSnapshot && { ledger: meta.ledger().slice(-CARRIED_ENTRIES) }),
  };
}

function droppedEntry(dropped: NonNullable<EncodedCommit['dropped']>, from: number, now: Now): NewLedgerEntry {
  const { count, firstWallMs, lastWallMs } = dropped;
  const to = from + count;
  return {
    stream: 'readings',
    from,
    to,
    count,
    cause: 'memory-full',
    firstWallMs,
    lastWallMs,
    enteredWallMs: now.wallMs,
  };
}

/**
 * Says on the disk, before they are given, how far numbers will go and how many a commit takes. Should the newest commits
 * be lost, the next number is past all that can have been given, and not far past: see `numbers.ts`.
 */
function reserve(state: State, receipt: Receipt): void {
  const held = state.house.meta.reserved();
  const counts = {
    readings: receipt.readings.to - state.next.readings,
    events: receipt.events.to - state.next.events,
  };
  const fits = (stream: Stream): boolean =>
    held?.perCommit !== undefined &&
    receipt[stream].to <= held.ceilings[stream] &&
    counts[stream] <= held.perCommit[stream];
  for (const stream of STREAMS) state.largest[stream] = Math.max(state.largest[stream], counts[stream]);
  if (STREAMS.every(fits)) return;
  const perCommit = {
    readings: Math.ceil(state.largest.readings * RESERVE_SLACK) + 1,
    events: Math.ceil(state.largest.events * RESERVE_SLACK) + 1,
  };
  const ceiling = (stream: Stream): number =>
    Math.max(held?.ceilings[stream] ?? 1, receipt[stream].to + RESERVE_COMMITS * perCommit[stream]);
  state.house.meta.reserve({
    ceilings: { readings: ceiling('readings'), events: ceiling('events') },
    since: { ...state.next },
    perCommit,
  });
  state.largest.readings = counts.readings;
  state.largest.events = counts.events;
}

/** After the last commit nothing is given any more: should the newest segment be lost now, it is known how far it went. */
export function reserveNothing(state: State): void {
  const { since, perCommit } = state.house.meta.reserved() ?? { since: undefined, perCommit: undefined };
  state.house.meta.reserve({ ceilings: { ...state.next }, since, perCommit });
}

/** A commit that succeeded is not undone by trouble in making room after it. */
function evictAfter(state: State, now: Now): void {
  try {
    enterDeferred(state.house);
  } catch (error) {
    // It stays deferred until the next commit: a crash before that would make a loss of it, but for what was given up.
    if (!isRefusal(error)) throw error;
  }
  try {
    evictToSize(state.house, now.wallMs);
    state.house.meta.compact(Number(state.house.memory.states.get(GAPS_TOLD) ?? 0) || 0);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    state.house.notice(`store: room could not be made: ${messageOf(error)}. It is tried again with the next commit.`);
  }
}

function makeRoomOn(state: State, now: Now): boolean {
  try {
    return makeRoom(state.house, now.wallMs);
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** Ends a segment whose last write failed. What was acknowledged stays readable from it. */
export function abandonWriter(house: House): void {
  const writer = house.writer;
  house.writer = undefined;
  if (!writer) return;
  try {
    writer.segment.close();
  } catch {
    // The disk refuses; the handle is of no use either way.
  }
  if (writer.info.lastCommit >= writer.info.firstCommit) {
    house.catalog.infos.push(writer.info);
    return;
  }
  try {
    unlinkDatabase(join(house.folder, writer.info.file));
  } catch {
    // A file without a valid commit is removed at the next start.
  }
}
