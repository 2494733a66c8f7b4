/** What a commit says beside its records: states of rules and positions of uplinks. */
import type { SeqRange } from '../../core/intervals.ts';
import type { LedgerEntry, Pending, Stream } from '../store.ts';
import { deflate } from './segment.ts';

/**
 * What an uplink has still to deliver, of each stream that it asked for; and the number at which it began, where that is
 * known: what was let go before that was never its to deliver.
 */
type Cursor = Partial<Record<Stream, Pending>> & { readonly since?: Partial<Record<Stream, number>> };

/** A cursor in a commit; null stands for an open end. */
type PackedCursor = Partial<Record<Stream, [number, number | null][]>> & Pick<Cursor, 'since'>;

/** What is remembered beside records and events: states of rules by key, cursors by uplink. */
export interface Memory {
  readonly states: Map<string, string>;
  readonly cursors: Map<string, Cursor>;
}

/** What a commit says beside its records and events. */
export interface Notes {
  /** True when everything known is in here; otherwise only what changed. */
  readonly snapshot: boolean;
  readonly states: ReadonlyMap<string, string | null>;
  /** All cursors, where it says anything of them: an uplink that is not among them is forgotten. */
  readonly cursors: ReadonlyMap<string, Cursor> | undefined;
  /** Records dropped before they could be numbered, as the ledger enters them. */
  readonly dropped?: Omit<LedgerEntry, 'id'>;
  /** With a snapshot: the latest ledger entries, from which a lost `meta.db` is rebuilt. */
  readonly ledger?: readonly LedgerEntry[];
}

type Wire = {
  readonly snapshot?: true;
  readonly states?: [string, string | null][];
  readonly cursors?: [string, PackedCursor][];
  readonly dropped?: Omit<LedgerEntry, 'id'>;
  readonly ledger?: readonly LedgerEntry[];
};

/** Notes as stored; null when they say nothing. */
export function packNotes(notes: Notes): Uint8Array | null {
  const wire: Wire = {
    ...(notes.snapshot && { snapshot: true }),
    ...(notes.states.size > 0 && { states: [...notes.states] }),
    ...(notes.cursors && {
      cursors: [...notes.cursors].map(([uplink, cursor]) => [uplink, packCursor(cursor)]),
    }),
    ...(notes.dropped && { dropped: notes.dropped }),
    ...(notes.ledger && { ledger: notes.ledger }),
  };
  return Object.keys(wire).length === 0 ? null : deflate(Buffer.from(JSON.stringify(wire)));
}

/** The reverse of {@link packNotes}, given the inflated text. */
export function unpackNotes(body: Uint8Array): Notes {
  const wire = JSON.parse(Buffer.from(body).toString('utf8')) as Wire;
  return {
    snapshot: wire.snapshot ?? false,
    states: new Map(wire.states),
    cursors: wire.cursors && new Map(wire.cursors.map(([uplink, cursor]) => [uplink, unpackCursor(cursor)])),
    ...(wire.dropped && { dropped: wire.dropped }),
    ...(wire.ledger && { ledger: wire.ledger }),
  };
}

/** Brings the memory to what it was after the commit with these notes. */
export function remember(memory: Memory, notes: Pick<Notes, 'snapshot' | 'states' | 'cursors'>): void {
  if (notes.snapshot) memory.states.clear();
  if (notes.snapshot || notes.cursors) memory.cursors.clear();
  for (const [key, state] of notes.states) {
    if (state === null) memory.states.delete(key);
    else memory.states.set(key, state);
  }
  for (const [uplink, cursor] of notes.cursors ?? []) memory.cursors.set(uplink, cursor);
}

function packCursor(cursor: Cursor): PackedCursor {
  const pack = (pending: Pending): [number, number | null][] =>
    pending.map(({ from, to }) => [from, to === Number.POSITIVE_INFINITY ? null : to]);
  return {
    ...(cursor.readings && { readings: pack(cursor.readings) }),
    ...(cursor.events && { events: pack(cursor.events) }),
    ...(cursor.since && { since: cursor.since }),
  };
}

function unpackCursor(cursor: PackedCursor): Cursor {
  const unpack = (pairs: [number, number | null][]): SeqRange[] =>
    pairs.map(([from, to]) => ({ from, to: to ?? Number.POSITIVE_INFINITY }));
  return {
    ...(cursor.readings && { readings: unpack(cursor.readings) }),
    ...(cursor.events && { events: unpack(cursor.events) }),
    ...(cursor.since && { since: cursor.since }),
  };
}
