/** Remembers segments that were given up while the disk was too full for the ledger. */
import { existsSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { SeqRange } from '../../core/intervals.ts';
import { type IntervalSet, intersect, intervals, subtract } from '../../core/intervals.ts';
import { filesOf } from '../format/disk.ts';
import { syncFolder } from '../format/folder.ts';
import type { Stream } from '../store.ts';
import { type SegmentInfo, type SegmentKind, segmentFile } from './catalog.ts';

/**
 * A segment that was given up on a disk so full that the ledger could not be written. Its name is all that is left of
 * it: a file is renamed and emptied where nothing can be written, and so the cause is known after a power cut too.
 */
export interface GivenUp {
  /** Name of the empty file within the store's folder. */
  readonly file: string;
  readonly kind: SegmentKind;
  readonly id: number;
  /** From the first to past the last number that it had; empty where it had none. */
  readonly numbers: Record<Stream, IntervalSet>;
  /** Times of its records, ms. */
  readonly minWallMs: number;
  readonly maxWallMs: number;
}

const NAME = /^given-up-(readings|events)-(\d{8})-r(\d+)-(\d+)-e(\d+)-(\d+)-t(-?\d+)-(-?\d+)$/;

/** Frees the space of a segment, and leaves its name. Throws what the disk says. */
export function giveUp(folder: string, info: SegmentInfo): GivenUp {
  const bounds = (stream: Stream): string => {
    const own = info.stored[stream];
    return `${own[0]?.from ?? 0}-${own.at(-1)?.to ?? 0}`;
  };
  const id = String(info.id).padStart(8, '0');
  const times = `t${info.minWallMs}-${info.maxWallMs}`;
  const file = `given-up-${info.kind}-${id}-r${bounds('readings')}-e${bounds('events')}-${times}`;
  const [database, ...logs] = filesOf(join(folder, info.file));
  renameSync(database!, join(folder, file));
  try {
    // The new name is on the disk before the content goes.
    syncFolder(folder);
    truncateSync(join(folder, file));
  } catch (error) {
    renameSync(join(folder, file), database!);
    throw error;
  }
  for (const log of logs) rmSync(log, { force: true });
  return parse(file)!;
}

/**
 * Finds what was given up and may not be in the ledger. A file that the power cut left as it was is a segment again.
 */
export function findGivenUp(folder: string): GivenUp[] {
  return readdirSync(folder).flatMap((name) => {
    const found = parse(name);
    if (!found) return [];
    const segment = join(folder, segmentFile(found.kind, found.id));
    if (statSync(join(folder, name)).size === 0 || existsSync(segment)) return [found];
    renameSync(join(folder, name), segment);
    return [];
  });
}

/** Forgets what was given up, once the ledger has it. */
export function removeGivenUp(folder: string, gone: readonly GivenUp[]): void {
  for (const { file } of gone) rmSync(join(folder, file), { force: true });
}

/** The part of `holes` that was given up; the rest is missing for another reason. */
export function givenUpOf(
  gone: readonly GivenUp[],
  stream: Stream,
  holes: IntervalSet,
): { readonly parts: readonly { readonly range: SeqRange; readonly from: GivenUp }[]; readonly rest: IntervalSet } {
  const parts = gone.flatMap((from) => intersect(holes, from.numbers[stream]).map((range) => ({ range, from })));
  return { parts, rest: subtract(holes, intervals(parts.map(({ range }) => range))) };
}

function parse(file: string): GivenUp | undefined {
  const match = NAME.exec(file);
  if (!match) return undefined;
  const [first, end, firstEvent, endEvent, minWallMs, maxWallMs] = match.slice(3).map(Number) as [
    ...[number, number, number],
    ...[number, number, number],
  ];
  return {
    file,
    kind: match[1] as SegmentKind,
    id: Number(match[2]),
    numbers: { readings: between(first, end), events: between(firstEvent, endEvent) },
    minWallMs,
    maxWallMs,
  };
}

function between(from: number, to: number): IntervalSet {
  return from < to ? [{ from, to }] : [];
}
