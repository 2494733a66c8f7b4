/** What a commit says beside its records: states of rules, positions of uplinks, and what meta.db gained. */
import type { IntervalSet, SeqRange } from '../../core/intervals.ts';
import type { LedgerEntry, Pending, Stream } from '../store.ts';
import { NO_MARKS, type PackedMarks, packMarks, type QualityMarks, unpackMarks, withMarks } from './chain-marks.ts';
import type { WallOffset } from './restamp.ts';
import { deflate } from './segment.ts';

/**
 * What an uplink has still to deliver, of each stream that it asked for; and the number at which it began, where that is
 * known: what was let go before that was never its to deliver.
 */
type Cursor = Partial<Record<Stream, Pending>> & { readonly since?: Partial<Record<Stream, number>> };

/** A cursor in a commit; null stands for an open end. */
type PackedCursor = Partial<Record<Stream, [number, number | null][]>> & Pick<Cursor, 'since'>;

/** What is remembered beside records and events: states of rules by key, cursors by uplink, and marks of the quality records. */
export interface Memory {
  readonly states: Map<string, string>;
  readonly cursors: Map<string, Cursor>;
  quality: QualityMarks;
}

/** {@link Memory} as JSON. */
export interface PackedMemory {
  readonly states: [string, string][];
  readonly cursors: [string, PackedCursor][];
  readonly quality?: PackedMarks;
}

/**
 * What commits carry of `meta.db`, so that it can be made again from them: all of it with a snapshot, else what changed.
 */
export interface Carried {
  readonly ledger?: readonly LedgerEntry[];
  readonly forgotten?: Record<Stream, IntervalSet>;
  readonly offsets?: readonly WallOffset[];
}

/** What a commit says beside its records and events. */
export interface Notes extends Carried {
  /** True when everything known is in here; otherwise only what changed. */
  readonly snapshot: boolean;
  readonly states: ReadonlyMap<string, string | null>;
  /** All cursors, where it says anything of them: an uplink that is not among them is forgotten. */
  readonly cursors: ReadonlyMap<string, Cursor> | undefined;
  /** Marks of the chain of quality records that came with the commit; with a snapshot, or after a checkpoint was delivered, all of them. */
  readonly quality: QualityMarks;
  /** Records dropped before they could be numbered, as the ledger enters them. */
  readonly dropped?: Omit<LedgerEntry, 'id'>;
  /** Events that were dropped in the same way. */
  readonly droppedEvents?: Omit<LedgerEntry, 'id'>;
}

type Wire = Carried & {
  readonly snapshot?: true;
  readonly states?: [string, string | null][];
  readonly cursors?: [string, PackedCursor][];
  readonly quality?: PackedMarks;
  readonly dropped?: Omit<LedgerEntry, 'id'>;
  readonly droppedEvents?: Omit<LedgerEntry, 'id'>;
};

/** Notes as stored; null when they say nothing. */
export function packNotes(notes: Notes): Uint8Array | null {
  const quality = packMarks(notes.quality);
  const wire: Wire = {
    ...(notes.snapshot && { snapshot: true }),
    ...(notes.states.size > 0 && { states: [...notes.states] }),
    ...(notes.cursors && {
      cursors: [...notes.cursors].map(([uplink, cursor]) => [uplink, packCursor(cursor)]),
    }),
    ...(quality && { quality }),
    ...(notes.dropped && { dropped: notes.dropped }),
    ...(notes.droppedEvents && { droppedEvents: notes.droppedEvents }),
    ...carriedIn(notes),
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
    quality: unpackMarks(wire.quality),
    ...(wire.dropped && { dropped: wire.dropped }),
    ...(wire.droppedEvents && { droppedEvents: wire.droppedEvents }),
    ...carriedIn(wire),
  };
}

function carriedIn({ ledger, forgotten, offsets }: Carried): Carried {
  return {
    ...(ledger && { ledger }),
    ...(forgotten && { forgotten }),
    ...(offsets && { offsets }),
  };
}

/** What the notes of consecutive commits carry, together. */
export function carriedBy(all: Iterable<Notes>): Carried {
  const ledger = new Map<number, LedgerEntry>();
  let forgotten: Carried['forgotten'];
  let offsets: Carried['offsets'];
  for (const notes of all) {
    if (notes.snapshot) ledger.clear();
    for (const entry of notes.ledger ?? []) ledger.set(entry.id, entry);
    forgotten = notes.forgotten ?? forgotten;
    offsets = notes.offsets ?? offsets;
  }
  return carriedIn({
    ledger: [...ledger.values()].sort((a, b) => a.id - b.id),
    ...(forgotten && { forgotten }),
    ...(offsets && { offsets }),
  });
}

/** The memory as JSON. */
export function packMemory({ states, cursors, quality: marks }: Memory): PackedMemory {
  const quality = packMarks(marks);
  const packed = [...cursors].map(([uplink, cursor]): [string, PackedCursor] => [uplink, packCursor(cursor)]);
  return { states: [...states], cursors: packed, ...(quality && { quality }) };
}

/** The reverse of {@link packMemory}. */
export function unpackMemory({ states, cursors, quality }: PackedMemory): Memory {
  return {
    states: new Map(states),
    cursors: new Map(cursors.map(([uplink, cursor]) => [uplink, unpackCursor(cursor)])),
    quality: unpackMarks(quality),
  };
}

/** Brings the memory to what it was after the commit with these notes. */
export function remember(memory: Memory, notes: Pick<Notes, 'snapshot' | 'states' | 'cursors' | 'quality'>): void {
  memory.quality = withMarks(notes.snapshot ? NO_MARKS : memory.quality, notes.quality);
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
