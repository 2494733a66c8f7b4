/** The working part of the store: everything between a message of the thread and the files. */
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import { countOf, intersect, union } from '../core/intervals.ts';
import { abandonWriter, carriedNow, commit, NOTHING, restoreMeta, type State } from './commit.ts';
import type { OpenDatabase } from './format/disk.ts';
import { isFull, isRefusal, sizeOf, troubleText, unlinkDatabase } from './format/disk.ts';
import { lockFolder } from './format/lock.ts';
import { packMemory } from './format/notes.ts';
import { emptyQuarantine, keepReserve, listSegmentFiles, moveToQuarantine, releaseReserve } from './index/catalog.ts';
import { ledgerPage } from './index/ledger.ts';
import { noteSealed } from './index/sealed.ts';
import type { CallName, Calls, EngineOptions, Now, Opened } from './protocol.ts';
import { history, seek } from './read/history.ts';
import { DamagedSegment, peek } from './read/read.ts';
import { statusOf } from './read/status.ts';
import { createTextWriter } from './read/texts.ts';
import { homeOf, isMovedOut, moveIn } from './repair/home.ts';
import { affordable, openHouse, segmentBytesOf } from './repair/recover.ts';
import { beginSalvage } from './repair/salvage.ts';
import { Roller } from './rollup/roller.ts';
import { Merging } from './rollup/rollup.ts';
import { openRollups, removeOldestRollups } from './rollup/rollup-files.ts';
import { StoreTrouble, type Stream } from './store.ts';
import { type House, openSized, storedIn } from './write/rotate.ts';

/** Less than this cannot hold what opening and the first commits take. */
const SHORT_BYTES = 1_000_000;

/** A segment that is damaged again after it was saved so often lies on a disk that does not hold it: reads of it fail. */
const MAX_SALVAGES = 3;

/** A read met a damaged segment, which is being saved: it is to be asked again once `idle` has gone on. */
export class UnderRepair extends Error {}

/** What is answered from memory, so that it does not matter whether the files are still in their place. */
const FROM_MEMORY: ReadonlySet<CallName> = new Set<CallName>(['pending', 'settle', 'keepUplinks', 'ledger', 'states']);

/** The reserve that a stop leaves at least: room for the log of `meta.db` and a little more. */
const LAST_RESERVE_BYTES = 64 * 1024;

/** The store's working part: synchronous, on one thread, without a clock. */
export interface Engine {
  readonly opened: Opened;
  /**
   * Answers one call. Throws `StoreTrouble` when the disk refuses, `Fault` when the store is closed, {@link UnderRepair}
   * when it is to be asked again.
   */
  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask'], now: Now): Calls[Name]['answer'];
  /** Work that nobody waits for, a few milliseconds of it; true when there is more. To be called after each commit. */
  idle(now: Now): boolean;
  /** Whether a damaged segment is being saved, which {@link idle} goes on with. */
  isSaving(): boolean;
  /** Lines for the technician since the last time. */
  notices(): string[];
}

/** What {@link openEngine} finds in the world besides the folder. */
interface EngineWorld {
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
    started = openWithRoom(options, open, now, (text) => notices.push(text));
  } catch (error) {
    lock.release();
    if (!isRefusal(error)) throw error;
    const remedy = `Look at the disk that holds ${options.path}: df -h, and dmesg for its errors.`;
    throw new Fault(troubleText(options.path, error), remedy, EXIT.unavailable, { cause: error });
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
    roller: rollerOf(house, now),
    salvage: undefined,
    salvageFailed: undefined,
    salvages: new Map(),
    isClosed: false,
    home: homeOf(house.folder),
    lock,
    carried: carriedNow(house),
  };
  const handlers = handlersOf(state);
  return {
    opened: { epoch: house.meta.epoch, offsets: house.meta.offsets(), notices: notices.splice(0) },
    notices: () => notices.splice(0),
    isSaving: () => state.salvage !== undefined,
    idle(at) {
      if (state.isClosed) return false;
      if (state.salvage) return goOnSaving(state);
      try {
        return state.roller ? repairing(state, at, () => state.roller!.step(at)) : false;
      } catch (error) {
        if (error instanceof UnderRepair) return true;
        // Roll-ups wait while the disk refuses; whatever is committed says so.
        if (isRefusal(error)) return false;
        throw error;
      }
    },
    call(name, ask, at) {
      if (state.isClosed && name !== 'close')
        throw new Fault('the store is closed', 'Start the gateway again.', EXIT.unavailable);
      try {
        if (!state.isClosed && !FROM_MEMORY.has(name)) stayAtHome(state, world.pid, at, name === 'commit');
        return handlers[name](ask, at);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        throw new StoreTrouble(troubleText(options.path, error), { cause: error });
      }
    },
  };
}

/**
 * Opens the house. On a disk that is full at the start, what is no part of the account is given up until it opens: the
 * reserve, then what is in quarantine, then the oldest roll-ups.
 */
function openWithRoom(...given: Parameters<typeof openHouse>): ReturnType<typeof openHouse> {
  const [{ path }, , , notice] = given;
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < SHORT_BYTES && releaseReserve(path))
    notice(
      `store ${path}: the disk is full (${bavail * bsize} bytes are free); the reserve was given up. Free space on it.`,
    );
  for (;;) {
    try {
      return openHouse(...given);
    } catch (error) {
      if (!isFull(error)) throw error;
      if (releaseReserve(path) || emptyQuarantine(path) || removeOldestRollups(path)) continue;
      if (listSegmentFiles(path).length > 0) throw error;
      return openInMemory(...given);
    }
  }
}

/** A store that has nothing yet, on a disk that takes nothing: it begins in memory, and moves in as soon as it can. */
function openInMemory(...[options, open, now, notice]: Parameters<typeof openHouse>): ReturnType<typeof openHouse> {
  unlinkDatabase(join(options.path, 'meta.db'));
  const started = openHouse(options, () => new Database(':memory:'), now, notice);
  return { ...started, house: { ...started.house, open } };
}

/**
 * Stores anew where the files were deleted or replaced under the running gateway. As long as the disk refuses that, a
 * commit is refused as well; everything else is answered from what is held in memory.
 */
function stayAtHome(state: State, pid: number, now: Now, isCommit: boolean): void {
  const { house } = state;
  if (!isMovedOut(house, state.home)) return;
  tried(() => state.salvage?.abandon());
  state.salvage = undefined;
  try {
    state.lock = moveIn(house, state.home, state.lock, pid, now);
    state.home = homeOf(house.folder);
    state.isMetaDown = false;
    // Roll-ups are made again of what is stored.
    tried(() => state.roller?.close());
    state.roller = rollerOf(house, now);
  } catch (error) {
    if (isCommit || !isRefusal(error)) {
      state.trouble = isRefusal(error) ? troubleText(house.folder, error) : state.trouble;
      throw error;
    }
  }
}

type Handlers = { [Name in CallName]: (ask: Calls[Name]['ask'], now: Now) => Calls[Name]['answer'] };

function handlersOf(state: State): Handlers {
  const { house } = state;
  const writeTexts = createTextWriter();
  return {
    commit(ask, now) {
      const receipt = commit(state, ask, now);
      const { readings } = ask;
      if (readings)
        state.roller?.committed({ first: receipt.readings.from, count: readings.count, body: readings.body });
      return receipt;
    },
    peek: (ask, now) => repairing(state, now, () => peek(house, ask.stream, ask.from, ask.limit)),
    texts({ from, limit, offset }, now) {
      const found = repairing(state, now, () => peek(house, 'readings', from, limit));
      return writeTexts(found, [...(offset ? [offset] : []), ...house.meta.offsets()]);
    },
    history: (ask, now) => repairing(state, now, () => history(house, ask)),
    pending({ uplink, stream }) {
      const known = house.memory.cursors.get(uplink)?.[stream];
      if (known) return known;
      const pending = [{ from: firstOf(state, stream), to: Number.POSITIVE_INFINITY }];
      setCursor(state, uplink, stream, pending);
      return pending;
    },
    settle({ uplink, stream, pending }) {
      // Numbers given up meanwhile must not come back.
      const there = union(storedIn(house, stream), [{ from: state.next[stream], to: Number.POSITIVE_INFINITY }]);
      setCursor(state, uplink, stream, intersect(pending, there));
      if (stream === 'events') noteSealed(house);
      return undefined;
    },
    restamp(offset) {
      restoreMeta(state);
      const { oldest } = statusOf(house, state.next);
      house.meta.enterOffset(offset, oldest);
      state.roller?.restamped(offset.readings);
      return undefined;
    },
    flush(_, now) {
      if (house.cursorsChanged) commit(state, NOTHING, now);
      return undefined;
    },
    quarantine(entry, now) {
      restoreMeta(state);
      house.meta.enter({ ledger: [{ ...entry, cause: 'quarantined', enteredWallMs: now.wallMs }] });
      // The next commit carries it as well, and comes by itself where nothing else is committed.
      house.cursorsChanged = true;
      return undefined;
    },
    keepUplinks: (ask) => keepUplinks(state, ask),
    ledger: (sinceId) => ledgerPage(house.meta.ledger(), sinceId),
    states: () => new Map(house.memory.states),
    seek: (wallMs, now) => repairing(state, now, () => seek(house, wallMs)),
    rollups: (ask) => state.roller?.query(ask) ?? { ...new Merging(ask.span, ask.every).merged(), next: undefined },
    status: () => ({ ...statusOf(house, state.next), ...workOf(state) }),
    close(_, now) {
      if (!state.isClosed) close(state, now);
      return undefined;
    },
  };
}

/** The first number that is stored, or the next one. */
function firstOf({ house, next }: State, stream: Stream): number {
  return storedIn(house, stream)[0]?.from ?? next[stream];
}

function setCursor(state: State, uplink: string, stream: Stream, pending: Calls['pending']['answer']): void {
  const { cursors } = state.house.memory;
  cursors.set(uplink, { ...cursors.get(uplink), [stream]: pending });
  state.house.cursorsChanged = true;
}

/** Roll-ups are made from what is stored: without a place for them the store works all the same. */
function rollerOf(house: House, now: Now): Roller | undefined {
  try {
    const files = openRollups(house.folder, house.open, house.maxBytes, (name, cause) => {
      const movedTo = moveToQuarantine(house.folder, name);
      house.notice(
        `store: ${name} is damaged (${messageOf(cause)}); it was moved to ${movedTo}. ` +
          'Its minutes are rolled up again as far as raw data reaches.',
      );
    });
    return new Roller(house, files, now);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    house.notice(`${troubleText(house.folder, error)} There are no roll-ups until the gateway is started again.`);
    return undefined;
  }
}

/** What the work since the start came to. */
function workOf({ commits, bytesWritten, lastCommitMs, trouble }: State) {
  return { commits, bytesWritten, lastCommitMs, trouble };
}

function keepUplinks(state: State, { names, witnesses }: Calls['keepUplinks']['ask']): Calls['keepUplinks']['answer'] {
  const { house, next } = state;
  house.uplinks = names;
  house.witnesses = witnesses;
  const gone = [...house.memory.cursors].filter(([uplink]) => !names.includes(uplink));
  // Without any cursor it is not known whether an uplink is new, or all cursors are lost: then it is held to everything.
  const isNews = house.memory.cursors.size > 0;
  const since = { readings: firstOf(state, 'readings'), events: firstOf(state, 'events') };
  const added = isNews ? names.filter((name) => !house.memory.cursors.has(name)) : [];
  for (const name of added) house.memory.cursors.set(name, { since });
  for (const [uplink] of gone) house.memory.cursors.delete(uplink);
  if (gone.length + added.length > 0) house.cursorsChanged = true;
  return gone.map(([uplink, cursor]) => {
    const left = (stream: Stream): number => countOf(intersect(cursor[stream] ?? [], [{ from: 1, to: next[stream] }]));
    return { uplink, records: left('readings'), events: left('events') };
  });
}

/** Reads; where a segment turns out to be damaged, what can be saved of it is saved first, in steps of `idle`. */
function repairing<T>(state: State, now: Now, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DamagedSegment)) throw error;
    const { salvageFailed } = state;
    state.salvageFailed = undefined;
    if (salvageFailed !== undefined) throw salvageFailed;
    if (!state.salvage) {
      const { file } = error.info;
      const times = state.salvages.get(file) ?? 0;
      if (times >= MAX_SALVAGES) throw error;
      state.salvages.set(file, times + 1);
      if (state.house.writer?.info === error.info) abandonWriter(state.house);
      state.salvage = beginSalvage(state.house, error.info, now.wallMs, error.cause);
    }
    throw new UnderRepair(error.message);
  }
}

/** One step of a salvage; true, as whoever waits for it is to be asked again. */
function goOnSaving(state: State): true {
  try {
    if (state.salvage?.step()) state.salvage = undefined;
  } catch (error) {
    state.salvage = undefined;
    if (!isRefusal(error)) throw error;
    state.salvageFailed = error;
  }
  return true;
}

function close(state: State, now: Now): void {
  const { house } = state;
  tried(() => state.salvage?.abandon());
  try {
    if (house.cursorsChanged) commit(state, NOTHING, now);
  } catch (error) {
    if (!(error instanceof StoreTrouble)) throw error;
    house.notice(`store: cursors could not be written: ${error.message} Some records will be sent again.`);
  }
  for (const part of [state.roller, house.writer?.segment, house.catalog]) tried(() => part?.close());
  if (!state.isMetaDown) tried(() => stopInOrder(state));
  state.isClosed = true;
  tried(() => house.meta.close());
  // The logs are gone now: what they took is kept, so that the next start can write to the ledger however full the disk is.
  keepReserve(house.folder, LAST_RESERVE_BYTES, LAST_RESERVE_BYTES);
  state.lock.release();
}

/** Notes how far everything went, so that the next start needs to read nothing. The writer's segment is closed. */
function stopInOrder({ house, next }: State): void {
  const { writer, memory } = house;
  const file = writer && join(house.folder, writer.info.file);
  if (writer && file) {
    // A log that is left has to be looked through at the next start.
    if (existsSync(`${file}-wal`)) return;
    writer.info.bytes = sizeOf(file);
  }
  const [last] = [...house.catalog.infos, ...(writer ? [writer.info] : [])]
    .filter(({ kind }) => kind === 'readings')
    .sort((a, b) => b.id - a.id);
  const newest = last && { file: last.file, bytes: last.bytes, lastCommit: last.lastCommit };
  const closed = writer && new Map([[writer.info.file, JSON.stringify(writer.info)]]);
  house.meta.stop({ newest, next: { ...next }, memory: packMemory(memory) }, closed);
}

function tried(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}
