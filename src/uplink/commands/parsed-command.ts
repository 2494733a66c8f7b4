/** What may be ordered over an uplink, and how such a command is read. */
import { COMMAND_KINDS, type CommandKind } from '../../core/configuration.ts';
import { messageOf } from '../../core/errors.ts';
import { parseDuration } from '../../core/quantity.ts';
import { type TagId, type Value, valueOfJson } from '../../core/reading.ts';

/** What is to be done. */
export type Asked =
  | { readonly kind: 'write'; readonly tag: TagId; readonly value: Value }
  /** `occurrence` is the one the sender saw. */
  | { readonly kind: 'ack'; readonly alarm: string; readonly occurrence: number }
  | { readonly kind: 'shelve'; readonly alarm: string; readonly forMs: number }
  /** Numbers of records or events, `to` excluded. */
  | { readonly kind: 'replay'; readonly stream: 'readings' | 'events'; readonly from: number; readonly to: number }
  /** `stop`: number of the stop; undefined: the one that goes on, or else the last. */
  | { readonly kind: 'reason'; readonly machine: string; readonly code: string; readonly stop: number | undefined };

/** One command. */
export interface Command {
  /** By which a repetition is known. */
  readonly id: string;
  /** UTC ms after which it must not be carried out. */
  readonly expiresMs: number;
  /** Who gave it, as the sender says. */
  readonly by: string | undefined;
  readonly asked: Asked;
}

/** What was read: a command, or why it is none, with its id where it has one. */
type Read = { readonly command: Command } | { readonly why: string; readonly id: string | undefined };

/** A command is small; what is larger is not looked into. */
const MAX_BYTES = 8192;

const MAX_ID = 64;
const MAX_BY = 100;
const MAX_NAME = 130;

/** Members of a command beside the one that says what to do. */
const MEMBERS = new Set(['id', 'expires', 'by', ...COMMAND_KINDS]);

/** Wrong in a way that its text names. */
class Wrong extends Error {}

/**
 * Reads a command: `{"id":"a1","expires":MS,"by":"j. doe","write":{"tag":"press-1/setpoint","value":80}}`. Every member has
 * to be known, and there is exactly one thing to do: what cannot be understood whole is not carried out in part.
 */
export function readCommand(payload: Uint8Array): Read {
  if (payload.length > MAX_BYTES)
    return { why: `it has ${payload.length} bytes, and a command has at most ${MAX_BYTES}`, id: undefined };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (error) {
    return { why: `it is no JSON: ${messageOf(error)}`, id: undefined };
  }
  if (!isObject(value)) return { why: 'it is no JSON object', id: undefined };
  const id = idOf(value.id);
  try {
    return { command: commandOf(value, id) };
  } catch (error) {
    if (error instanceof Wrong) return { why: error.message, id };
    throw error;
  }
}

function commandOf(value: Record<string, unknown>, id: string | undefined): Command {
  if (id === undefined)
    throw new Wrong(`it has no id: send "id" as a text of 1 to ${MAX_ID} characters, another one for each command`);
  const strange = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (strange !== undefined) throw new Wrong(`it has an unknown member ${JSON.stringify(strange.slice(0, 40))}`);
  const kinds = COMMAND_KINDS.filter((kind) => value[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1)
    throw new Wrong(`it must ask for exactly one of ${COMMAND_KINDS.join(', ')}`);
  const { expires, by } = value;
  if (typeof expires !== 'number' || !Number.isSafeInteger(expires) || expires < 1e12)
    throw new Wrong('it does not say until when it holds: send "expires" in ms since 1970 (UTC)');
  if (by !== undefined && !isText(by, MAX_BY)) throw new Wrong(`"by" must be a text of 1 to ${MAX_BY} characters`);
  const order = value[kind];
  if (!isObject(order)) throw new Wrong(`"${kind}" must be an object`);
  return { id, expiresMs: expires, by: by as string | undefined, asked: askedOf(kind, order) };
}

function askedOf(kind: CommandKind, order: Record<string, unknown>): Asked {
  const only = (...names: string[]): void => {
    const strange = Object.keys(order).find((name) => !names.includes(name));
    if (strange !== undefined)
      throw new Wrong(`"${kind}" has an unknown member ${JSON.stringify(strange.slice(0, 40))}`);
  };
  const text = (name: string, most = MAX_NAME): string => {
    if (isText(order[name], most)) return order[name] as string;
    throw new Wrong(`"${kind}" needs "${name}" as a text of 1 to ${most} characters`);
  };
  const whole = (name: string): number => {
    const number = order[name];
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 1) return number;
    throw new Wrong(`"${kind}" needs "${name}" as a whole number above 0`);
  };
  switch (kind) {
    case 'write': {
      only('tag', 'value');
      const { value } = order;
      const isNumber = typeof value === 'number' && Number.isFinite(value);
      if (!isNumber && typeof value !== 'boolean' && typeof value !== 'string')
        throw new Wrong('"write" needs "value" as a number, true, false or a text');
      return { kind, tag: text('tag'), value: valueOfJson(value) };
    }
    case 'ack':
      only('alarm', 'occurrence');
      return { kind, alarm: text('alarm'), occurrence: whole('occurrence') };
    case 'shelve': {
      only('alarm', 'for');
      const forMs = parseDuration(text('for', 20));
      if (forMs === undefined) throw new Wrong('"shelve" needs "for" as a duration such as "30m"');
      return { kind, alarm: text('alarm'), forMs };
    }
    case 'replay': {
      only('from', 'to', 'stream');
      const { stream = 'readings' } = order;
      if (stream !== 'readings' && stream !== 'events')
        throw new Wrong('"stream" of "replay" is "readings" or "events"');
      const [from, to] = [whole('from'), whole('to')];
      if (to < from) throw new Wrong('"to" of "replay" must not be below "from"');
      return { kind, stream, from, to: to + 1 };
    }
    case 'reason': {
      only('machine', 'code', 'stop');
      const code = typeof order.code === 'number' ? String(order.code) : text('code', 64);
      return { kind, machine: text('machine'), code, stop: order.stop === undefined ? undefined : whole('stop') };
    }
  }
}

function idOf(id: unknown): string | undefined {
  const text = typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : id;
  return isText(text, MAX_ID) ? (text as string) : undefined;
}

/** A text without control characters, which would break a line of the journal in two. */
function isText(value: unknown, most: number): boolean {
  return typeof value === 'string' && value.length >= 1 && value.length <= most && !/\p{Cc}/u.test(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
