/** Writes one commit to the open segment, and makes room where the disk refuses it. */
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import type { IntervalSet } from '../core/intervals.ts';
import { marksAt, type QualityMarks, withMarks } from './format/chain-marks.ts';
import { isFull, isRefusal, troubleText, unlinkDatabase } from './format/disk.ts';
import type { Lock } from './format/lock.ts';
import { type Carried, type Notes, packNotes, remember } from './format/notes.ts';
import type { WallOffset } from './format/restamp.ts';
import { GAPS_TOLD } from './gaps.ts';
import type { NewLedgerEntry } from './index/meta.ts';
import { beginSegment, type Writer } from './index/writer.ts';
import type { EncodedCommit, EngineOptions, Now } from './protocol.ts';
import type { Home } from './repair/home.ts';
import { reopenMeta } from './repair/recover.ts';
import type { Salvage } from './repair/salvage.ts';
import type { Roller } from './rollup/roller.ts';
import { type Receipt, StoreTrouble, type Stream } from './store.ts';
import { evictToSize, makeRoom } from './write/evict.ts';
import { closeWriter, type House } from './write/rotate.ts';

const STREAMS = ['readings', 'events'] as const;

/** Numbers are reserved for about this many commits: a minute of them at one a second. */
const RESERVE_COMMITS = 60;

/** A segment is closed after a day even when it is small. */
const SEGMENT_MS = 86_400_000;

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
  roller: Roller | undefined;
  /** A damaged segment that is being saved; reads that need it wait. */
  salvage: Salvage | undefined;
  /** Why the last salvage could not go on: one of those who wait is told. */
  salvageFailed: unknown;
  /** How often each segment was saved since the start, by its file. */
  readonly salvages: Map<string, number>;
  isClosed: boolean;
  /** The folder as it was opened, and what it is locked by. */
  home: Home;
  lock: Lock;
  /** What the newest commit that carries some of it says of `meta.db`: later ones carry what changed since. */
  carried: { readonly id: number; readonly forgotten: readonly IntervalSet[]; readonly offsets: readonly WallOffset[] };
}

/** A commit for the sake of cursors. */
export const NOTHING: EncodedCommit = {
  readings: undefined,
  events: undefined,
  states: [],
  dropped: undefined,
  droppedEvents: undefined,
};

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
  const first = {
    readings: next.readings + (ask.dropped?.count ?? 0),
    events: next.events + (ask.droppedEvents?.count ?? 0),
  };
  const receipt: Receipt = {
    readings: { from: first.readings, to: first.readings + (ask.readings?.count ?? 0) },
    events: { from: first.events, to: first.events + (ask.events?.count ?? 0) },
  };
  const isNew = house.writer === undefined;
  const begun = {
    id: state.ids.segment + 1,
    epoch: house.meta.epoch,
    firstCommit: state.ids.commit,
    monoMs: now.monoMs,
  };
  reserve(state, receipt);
  const dropped = ask.dropped && droppedEntry('readings', ask.dropped, next.readings, now);
  const droppedEvents = ask.droppedEvents && droppedEntry('events', ask.droppedEvents, next.events, now);
  const entries = [dropped, droppedEvents].filter((entry) => entry !== undefined);
  const writer = house.writer ?? beginSegment(house.folder, house.open, begun);
  if (isNew) state.ids.segment = begun.id;
  house.writer = writer;
  const areCursorsDue =
    house.cursorsChanged && (ask === NOTHING || now.monoMs - state.cursorsMonoMs >= state.options.cursorEveryMs);
  const change = { states: ask.states, marks: marksAt(receipt.events.from, ask.events?.chain) };
  const notes = {
    ...notesOf(state, change, isNew, areCursorsDue),
    ...(dropped && { dropped }),
    ...(droppedEvents && { droppedEvents }),
  };
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
  settleWrite(state, change, receipt, now, isNew || areCursorsDue);
  // The segment itself tells of both.
  if (isNew) house.meta.enterLater({ segments: new Map([[writer.info.file, 'open']]) });
  if (entries.length > 0) house.meta.enterLater({ ledger: entries });
  return receipt;
}

/** After the disk failed nothing is known of what `meta.db` holds: it is opened anew. */
export function restoreMeta(state: State): void {
  if (!state.isMetaDown) return;
  reopenMeta(state.house);
  state.isMetaDown = false;
}

/** What follows from a commit that is on the disk. */
function settleWrite(state: State, change: Change, receipt: Receipt, now: Now, hasCursors: boolean): void {
  state.next.readings = receipt.readings.to;
  state.next.events = receipt.events.to;
  state.ids.commit++;
  state.commits++;
  state.lastCommitMs = now.wallMs;
  state.carried = carriedNow(state.house);
  const { memory } = state.house;
  remember(memory, { snapshot: false, states: new Map(change.states), cursors: undefined, quality: change.marks });
  if (!hasCursors) return;
  state.house.cursorsChanged = false;
  state.cursorsMonoMs = now.monoMs;
}

/** What a commit changes beside its records and events. */
interface Change {
  readonly states: EncodedCommit['states'];
  readonly marks: QualityMarks;
}

function notesOf(state: State, { states, marks }: Change, isSnapshot: boolean, hasCursors: boolean): Notes {
  const { memory, meta } = state.house;
  const changed = new Map(states);
  const sealed = hasCursors ? memory.quality.sealed : 0;
  return {
    snapshot: isSnapshot,
    states: isSnapshot ? new Map([...memory.states, ...changed]) : changed,
    cursors: isSnapshot || hasCursors ? memory.cursors : undefined,
    quality: isSnapshot ? withMarks(memory.quality, marks) : { ...marks, sealed },
    ...changesOf(meta, isSnapshot ? undefined : state.carried),
  };
}

/** What a commit carries of `meta.db`: what changed since it was last carried, or all of it. */
function changesOf(meta: House['meta'], since: State['carried'] | undefined): Carried {
  const ledger = meta.ledger().filter(({ id }) => id > (since?.id ?? 0));
  const forgotten = STREAMS.map((stream) => meta.forgotten(stream));
  return {
    ...(ledger.length > 0 && { ledger }),
    ...(STREAMS.some((_, index) => forgotten[index] !== since?.forgotten[index]) && {
      forgotten: { readings: forgotten[0]!, events: forgotten[1]! },
    }),
    ...(meta.offsets() !== since?.offsets && { offsets: meta.offsets() }),
  };
}

/** All that `meta.db` holds now, as carried. */
export function carriedNow({ meta }: Pick<House, 'meta'>): State['carried'] {
  return {
    id: meta.ledger().at(-1)?.id ?? 0,
    forgotten: STREAMS.map((stream) => meta.forgotten(stream)),
    offsets: meta.offsets(),
  };
}

function droppedEntry(
  stream: Stream,
  dropped: NonNullable<EncodedCommit['dropped']>,
  from: number,
  now: Now,
): NewLedgerEntry {
  const { count, firstWallMs, lastWallMs } = dropped;
  const to = from + count;
  return {
    stream,
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
 * Says on the disk, before they are given, how far numbers will go: should the newest commits not be readable, the next
 * number is past all that can have been given. See `numbers.ts`.
 */
function reserve(state: State, receipt: Receipt): void {
  const { meta } = state.house;
  const held = meta.ceilings();
  if (held && !meta.stopped() && STREAMS.every((stream) => receipt[stream].to <= held[stream])) return;
  const ceiling = (stream: Stream): number => {
    const count = Math.max(1, receipt[stream].to - state.next[stream]);
    return Math.max(held?.[stream] ?? 1, receipt[stream].to + RESERVE_COMMITS * count);
  };
  meta.reserve({ readings: ceiling('readings'), events: ceiling('events') });
}

/** A commit that succeeded is not undone by trouble in making room after it. */
function evictAfter(state: State, now: Now): void {
  try {
    state.house.meta.enter({});
    evictToSize(state.house, now.wallMs);
    state.house.meta.compact(Number(state.house.memory.states.get(GAPS_TOLD) ?? 0) || 0);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    state.isMetaDown = true;
    state.house.notice(`store: room could not be made: ${messageOf(error)}. It is tried again with the next commit.`);
  }
}

function makeRoomOn(state: State, now: Now): boolean {
  try {
    restoreMeta(state);
    return makeRoom(state.house, now.wallMs);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    state.isMetaDown = true;
    return false;
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
