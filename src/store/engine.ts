import { join } from 'node:path';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import { type OpenDatabase, unlinkDatabase } from './disk.ts';
import { intersect, union } from './intervals.ts';
import { type Lock, lockFolder } from './lock.ts';
import type { NewLedgerEntry } from './meta.ts';
import { type Notes, packNotes, remember } from './notes.ts';
import type { CallName, Calls, EncodedCommit, EngineOptions, Now, Opened } from './protocol.ts';
import { DamagedSegment, history, peek } from './read.ts';
import { affordable, openHouse, reopenMeta, segmentBytesOf } from './recover.ts';
import { isFull, isRefusal, troubleText } from './refusal.ts';
import { closeWriter, evictToSize, type House, makeRoom, openSized, storedIn, totalBytes } from './rotate.ts';
import { salvage } from './salvage.ts';
import { type Receipt, type SeqRange, type StoreStatus, StoreTrouble, type Stream } from './store.ts';
import { beginSegment, type Writer } from './writer.ts';

/**
 * Numbers are reserved for so many commits like the present one: often enough that few are skipped when a power cut tears
 * the newest write, seldom enough that it costs next to nothing.
 */
const RESERVE_COMMITS = 64;
const RESERVE_STEP = { min: 100, max: 10_000 };

/** A segment is closed after a day even when it is small. */
const SEGMENT_MS = 86_400_000;

/** How many ledger entries a new segment carries, for rebuilding `meta.db`. */
const CARRIED_ENTRIES = 200;

/** How often a damaged segment is salvaged before a read gives up. */
const MAX_SALVAGES = 100;

/** The store's working part: synchronous, on one thread, without a clock. */
export interface Engine {
  readonly opened: Opened;
  /** Answers one call. Throws `StoreTrouble` when the disk refuses, `Fault` when the store is closed. */
  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask'], now: Now): Calls[Name]['answer'];
  /** Lines for the technician since the last time. */
  notices(): string[];
}

/** What {@link openEngine} finds in the world besides the folder. */
export interface EngineWorld {
  readonly pid: number;
  /** Opens files for writing; a failing disk can be put in its place. */
  readonly open?: OpenDatabase;
}

/**
 * Opens the store, repairing whatever a crash or a bad disk left.
 *
 * @throws Fault when another process holds it, when a newer program wrote it, or when the folder may not be written
 */
export function openEngine(options: EngineOptions, now: Now, world: EngineWorld): Engine {
  const lock = lockFolder(options.path, { pid: world.pid, sinceWallMs: now.wallMs });
  const notices: string[] = [];
  let started: ReturnType<typeof openHouse>;
  try {
    const open = world.open ?? openSized(segmentBytesOf(affordable(options.path, options.maxBytes)));
    started = openHouse(options, open, now, (text) => notices.push(text));
  } catch (error) {
    lock.release();
    throw error;
  }
  const { house, next, ids } = started;
  const state: State = {
    options,
    house,
    next,
    ids,
    commits: 0,
    bytesWritten: 0,
    lastCommitMs: undefined,
    trouble: undefined,
    cursorsMonoMs: now.monoMs,
    isMetaDown: false,
    owed: [],
    isClosed: false,
  };
  const handlers = handlersOf(state, lock);
  return {
    opened: { epoch: house.meta.epoch, notices: notices.splice(0) },
    notices: () => notices.splice(0),
    call(name, ask, at) {
      if (state.isClosed && name !== 'close') throw new Fault('the store is closed', EXIT.unavailable);
      try {
        return handlers[name](ask, at);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        throw new StoreTrouble(troubleText(options.path, error), { cause: error });
      }
    },
  };
}

interface State {
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
  /** Ledger entries of commits that are durable, while `meta.db` cannot take them. */
  owed: NewLedgerEntry[];
  isClosed: boolean;
}

const NOTHING: EncodedCommit = { readings: undefined, events: undefined, states: [], dropped: undefined };

type Handlers = { [Name in CallName]: (ask: Calls[Name]['ask'], now: Now) => Calls[Name]['answer'] };

function handlersOf(state: State, lock: Lock): Handlers {
  const { house } = state;
  return {
    commit: (ask, now) => commit(state, ask, now),
    peek: (ask, now) => repairing(state, now, () => peek(house, ask.stream, ask.from, ask.limit)),
    history: (ask, now) => repairing(state, now, () => history(house, ask)),
    pending({ uplink, stream }) {
      const known = house.memory.cursors.get(uplink)?.[stream];
      if (known) return known;
      const pending = [{ from: storedIn(house, stream)[0]?.from ?? state.next[stream], to: Number.POSITIVE_INFINITY }];
      setCursor(state, uplink, stream, pending);
      return pending;
    },
    settle({ uplink, stream, pending }) {
      // Numbers given up meanwhile must not come back.
      const there = union(storedIn(house, stream), [{ from: state.next[stream], to: Number.POSITIVE_INFINITY }]);
      setCursor(state, uplink, stream, intersect(pending, there));
      return undefined;
    },
    flush(_, now) {
      if (house.cursorsChanged) commit(state, NOTHING, now);
      return undefined;
    },
    quarantine(entry, now) {
      restoreMeta(state);
      house.meta.enter({ ledger: [{ ...entry, cause: 'quarantined', enteredWallMs: now.wallMs }] });
      return undefined;
    },
    ledger: () => house.meta.ledger(),
    states: () => new Map(house.memory.states),
    status: () => statusOf(state),
    close(_, now) {
      if (!state.isClosed) close(state, lock, now);
      return undefined;
    },
  };
}

function setCursor(state: State, uplink: string, stream: Stream, pending: Calls['pending']['answer']): void {
  const { cursors } = state.house.memory;
  cursors.set(uplink, { ...cursors.get(uplink), [stream]: pending });
  state.house.cursorsChanged = true;
}

function commit(state: State, ask: EncodedCommit, now: Now): Receipt {
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
  if (dropped) state.owed.push(dropped);
  if (isNew || dropped) enterAfter(state, isNew ? new Map([[writer.info.file, 'open']]) : new Map());
  return receipt;
}

/** What is entered after a commit cannot undo it: if the disk refuses, it is owed, and found in the segment anyway. */
function enterAfter(state: State, segments: ReadonlyMap<string, string>): void {
  try {
    state.house.meta.enter({ ledger: state.owed, segments });
    state.owed = [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    state.isMetaDown = true;
  }
}

/** After the disk failed nothing is known of what `meta.db` holds: it is opened anew. */
function restoreMeta(state: State): void {
  if (!state.isMetaDown) return;
  reopenMeta(state.house);
  state.isMetaDown = false;
  if (state.owed.length > 0) enterAfter(state, new Map());
}

/** What follows from a commit that is on the disk. */
function settleWrite(state: State, ask: EncodedCommit, receipt: Receipt, now: Now, hasCursors: boolean): void {
  state.next.readings = receipt.readings.to;
  state.next.events = receipt.events.to;
  state.ids.commit++;
  state.commits++;
  state.lastCommitMs = now.wallMs;
  remember(state.house.memory, { snapshot: false, states: new Map(ask.states), cursors: new Map() });
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
    cursors: isSnapshot || hasCursors ? memory.cursors : new Map(),
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

function reserve(state: State, receipt: Receipt): void {
  const held = state.house.meta.ceilings();
  if (receipt.readings.to <= held.readings && receipt.events.to <= held.events) return;
  state.house.meta.reserve({
    readings: Math.max(held.readings, receipt.readings.to + reserveStep(receipt.readings)),
    events: Math.max(held.events, receipt.events.to + reserveStep(receipt.events)),
  });
}

function reserveStep({ from, to }: SeqRange): number {
  return Math.min(RESERVE_STEP.max, Math.max(RESERVE_STEP.min, RESERVE_COMMITS * (to - from)));
}

/** A commit that succeeded is not undone by trouble in making room after it. */
function evictAfter(state: State, now: Now): void {
  try {
    evictToSize(state.house, now.wallMs);
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
function abandonWriter(house: House): void {
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

/** Reads, and where a segment is damaged saves what can be saved and reads again. */
function repairing<T>(state: State, now: Now, read: () => T): T {
  for (let salvages = 0; ; salvages++) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DamagedSegment) || salvages >= MAX_SALVAGES) throw error;
      if (state.house.writer?.info === error.info) abandonWriter(state.house);
      salvage(state.house, error.info, now.wallMs, error.cause);
    }
  }
}

function statusOf(state: State): StoreStatus {
  const { house, next } = state;
  const oldest = (stream: Stream): number => storedIn(house, stream)[0]?.from ?? next[stream];
  return {
    epoch: house.meta.epoch,
    next: { ...next },
    oldest: { readings: oldest('readings'), events: oldest('events') },
    bytes: totalBytes(house),
    maxBytes: house.maxBytes,
    segments: house.catalog.infos.length + (house.writer ? 1 : 0),
    commits: state.commits,
    bytesWritten: state.bytesWritten,
    lastCommitMs: state.lastCommitMs,
    ledger: house.meta.ledger(),
    trouble: state.trouble,
  };
}

function close(state: State, lock: Lock, now: Now): void {
  const { house } = state;
  try {
    if (house.cursorsChanged) commit(state, NOTHING, now);
  } catch (error) {
    if (!(error instanceof StoreTrouble)) throw error;
    house.notice(`store: cursors could not be written: ${error.message} Some records will be sent again.`);
  }
  state.isClosed = true;
  for (const part of [house.writer?.segment, house.catalog, house.meta]) {
    try {
      part?.close();
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }
  lock.release();
}
