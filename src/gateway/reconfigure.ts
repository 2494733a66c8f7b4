/** Puts another configuration in force while the gateway runs. */

import { changedTags, touchedChannels } from '../config/apply/changes.ts';
import type { ChannelConfig, Config } from '../config/config.ts';
import { type Clock, within } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { Serving } from '../serve/serving.ts';
import type { Committer } from '../store/committer.ts';
import type { ForgottenUplink, Store } from '../store/store.ts';
import type { Judging } from './judging.ts';
import type { Lines, MadeLine } from './lines.ts';
import type { LiveTable } from './live.ts';
import { BEFORE_KEY, type KeptStates, learnedKey, parsed } from './memory.ts';
import type { OutputDriver } from './outputs.ts';
import type { Notifiers } from './upstream/notifiers.ts';
import type { Uplinks } from './upstream/uplinks.ts';

/** What is changed while the gateway runs. */
export interface ReconfigureParts {
  readonly clock: Clock;
  readonly store: Store;
  readonly committer: Committer;
  readonly live: LiveTable;
  readonly lines: Lines;
  readonly uplinks: Uplinks;
  readonly notifiers: Notifiers;
  readonly serving: Serving;
  readonly judging: Judging;
  readonly outputs: OutputDriver;
  readonly current: Current;
  readonly stopping: AbortSignal;
  /** Called when a change failed half done: the process has to be started again. */
  readonly onFailed: (cause: unknown) => void;
}

/** The configuration in force, and what its predecessor's rules left behind until it is settled. */
export interface Current {
  config: Config;
  kept: KeptStates | undefined;
}

/** A driver lets go within a second; one that has not by now never will. */
const HALT_MS = 10_000;

/** An uplink says goodbye and notes how far it got, which takes seconds at most. */
const UPLINK_MS = 20_000;

/** A server ends its connections at once. */
const SERVERS_MS = 5000;

/** How long the disk may take to say what it holds. */
const STORE_MS = 10_000;

/**
 * Puts another configuration in force. Only channels and uplinks that differ are stopped and started; the rules change
 * between two records. Fails as a whole: then everything runs as before; once channels were stopped, `onFailed` is called
 * instead, as a line that nobody polls must not go unnoticed.
 *
 * @returns since when it is in force, monotonic ms: no reading made for the one before is younger
 * @throws Fault when the store does not answer or the gateway stops
 */
export async function reconfigure(parts: ReconfigureParts, next: Config): Promise<number> {
  const { lines, current, uplinks } = parts;
  const before = current.config;
  const touched = touchedChannels(before, next);
  const wanted = [...before.uplinks, ...next.uplinks];
  const stored = await inTime(parts.clock, STORE_MS, storedStates(parts, wanted), 'the store does not answer').catch(
    (error: unknown) => {
      // What is needed to come back was kept in memory: that must not wait for a disk.
      if (current.kept?.of === next.hash) return new Map<string, string>();
      throw error;
    },
  );
  // Made before anything is stopped: what cannot be made leaves everything as it is.
  const made = makeLines(parts, next, touched, stored);
  try {
    const halted = lines.made().filter(({ poller }) => touched.has(poller.channel.name));
    await inTime(parts.clock, HALT_MS, lines.halt(halted), 'a channel does not let go of its line');
    parts.stopping.throwIfAborted();
    const sinceMs = parts.clock.monoMs();
    swap(parts, next, made, stored);
    await inTime(parts.clock, SERVERS_MS, parts.serving.replace(next.serve), 'a server does not end');
    await inTime(parts.clock, UPLINK_MS, uplinks.replace(next.uplinks, next.gateway.id), 'an uplink does not end');
    uplinks.announce();
    await inTime(parts.clock, UPLINK_MS, parts.notifiers.replace(next), 'a notifier does not end');
    return sinceMs;
  } catch (error) {
    if (!parts.stopping.aborted) parts.onFailed(error);
    throw error;
  }
}

/** Tells the store which uplinks there are, and which of them take events: those are given the checkpoints of quality records. */
export function keepUplinks(
  store: Pick<Store, 'keepUplinks'>,
  uplinks: Config['uplinks'],
): Promise<readonly ForgottenUplink[]> {
  const namesOf = (some: Config['uplinks']): string[] => [...new Set(some.map(({ name }) => name))];
  return store.keepUplinks(namesOf(uplinks), namesOf(uplinks.filter(({ events }) => events)));
}

/** What the store holds of rules, once everything so far is in it; and it keeps the place of every uplink. */
async function storedStates(
  { committer, store }: ReconfigureParts,
  uplinks: Config['uplinks'],
): Promise<ReadonlyMap<string, string>> {
  await committer.flush();
  await keepUplinks(store, uplinks);
  return store.states();
}

/** From here to the end nothing waits, so that no record comes between. */
function swap(
  { lines, live, judging, outputs, current, committer }: ReconfigureParts,
  next: Config,
  made: ReadonlyMap<string, MadeLine>,
  stored: ReadonlyMap<string, string>,
): void {
  const before = current.config;
  const changed = changedTags(before, next);
  const old = new Map(lines.made().map((line) => [line.poller.channel.name, line]));
  const kept = current.kept?.of === next.hash ? current.kept.states : new Map<string, string>();
  live.reconfigure(next, changed);
  current.config = next;
  lines.set(next.channels.map(({ name }) => made.get(name) ?? old.get(name)!));
  const { texts, overwritten } = judging.swap(next, { stored, kept }, changed);
  current.kept = { of: before.hash, states: texts };
  committer.setState(BEFORE_KEY, JSON.stringify({ of: before.hash, states: [...overwritten] }));
  outputs.again(
    (tag) => live.find(tag) !== undefined,
    (tag) => made.has(lines.of(live.find(tag)!.tag.device)?.poller.channel.name ?? ''),
  );
  for (const line of made.values()) lines.start(line);
}

/** The channels that have to be started, each with what its driver learned so far. */
function makeLines(
  { lines, current }: ReconfigureParts,
  next: Config,
  touched: ReadonlySet<string>,
  stored: ReadonlyMap<string, string>,
): ReadonlyMap<string, MadeLine> {
  const learned = lines.learned();
  const isSameDriver = ({ name, driver }: ChannelConfig) =>
    current.config.channels.some((channel) => channel.name === name && channel.driver === driver);
  return new Map(
    next.channels
      .filter(({ name }) => touched.has(name))
      .map((channel) => {
        const { name } = channel;
        const known = isSameDriver(channel) ? learned.get(name) : parsed(stored.get(learnedKey(name)));
        return [name, lines.make(channel, known)];
      }),
  );
}

/** Waits for a part of the gateway, and says which part it was when it takes too long. */
function inTime<T>(clock: Clock, ms: number, work: Promise<T>, what: string): Promise<T> {
  return within(
    clock,
    ms,
    () => work,
    () => {
      throw new Fault(`${what} (waited ${ms / 1000} s)`, 'See millgate status.', EXIT.unavailable);
    },
  );
}
