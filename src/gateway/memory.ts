/** The names under which the gateway keeps what it learned in the store. */
import type { Config } from '../config/config.ts';
import { withKept } from '../rules/succession.ts';

/** Under which key of the store is kept what the driver of a channel learned. */
export function learnedKey(channel: string): string {
  return `learned:${channel}`;
}

/** Under which key of the store is kept which retained topics of an uplink hold a value of ours. */
export function topicsKey(uplink: string): string {
  return `topics:${uplink}`;
}

/** Under which key of the store is kept the number of the last connection of an uplink that is an edge node. */
export function bdSeqKey(uplink: string): string {
  return `bdseq:${uplink}`;
}

/** Under which key of the store is kept what became of a command that came over an uplink. */
export function commandKey(uplink: string, id: string): string {
  return `command:${uplink}:${id}`;
}

/** Under which key of the store is kept what a notifier has still to tell. */
export function notifyKey(notifier: string): string {
  return `notify:${notifier}`;
}

/** A stored list of texts; empty where there is none. */
export function textList(text: string | undefined): readonly string[] {
  const list = parsed(text);
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
}

/** Under which key the store keeps states that a configuration on trial overwrites; see {@link KeptStates}. */
export const BEFORE_KEY = 'before-apply';

/** States of rules of an earlier configuration, should it come back. */
export interface KeptStates {
  /** Hash of that configuration. */
  readonly of: string;
  /** JSON texts by key of the store. */
  readonly states: ReadonlyMap<string, string>;
}

/**
 * The states that the rules of a configuration begin with. Where another configuration was on trial when the power went,
 * they are those from before it.
 */
export function statesFor(config: Config, stored: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const kept = parsed(stored.get(BEFORE_KEY)) as { of?: unknown; states?: unknown } | undefined;
  if (kept?.of !== config.hash || !Array.isArray(kept.states)) return stored;
  const pairs = kept.states.filter((pair): pair is [string, string] => {
    return Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string');
  });
  return withKept(stored, new Map(pairs));
}

/** What was stored, or nothing where it cannot be read. */
export function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
