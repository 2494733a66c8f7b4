/** Learns which addresses a device cannot read, and forgets it again in time. */
import { z } from 'zod';
import type { Table } from './map/address.ts';
import type { Hole, Holes, ReadBlock } from './map/plan.ts';

/*
 * What a device's register map lacks, learned from exceptions 02 and 03.
 *
 * A request for several tags that is refused is cut in the middle: the planner then makes two of it, and the half that
 * is refused again is cut again, until the refusal is down to one tag (a hole) or to two requests that each succeed (the
 * gap between them cannot be read, and the cut stays). A cut costs one more request and never a value. A hole costs the
 * value, and is therefore never made of noise: where reading worked before, it takes STRIKES refusals in a row over at
 * least STRIKES_SPAN_MS. Cuts and holes are tried again after PROBE_MIN_MS, then twice that, up to PROBE_MAX_MS.
 */

/**
 * Learns from exception 02 or 03 to a request.
 *
 * @param nowMs monotonic
 */
export function onException(state: HoleMemory, block: AskedBlock, nowMs: number): HoleMemory {
  const memory = memoryOf(state, block);
  const range = { start: block.start, end: block.start + block.count };
  const inside = memory.cuts.filter((cut) => range.start < cut.start && cut.start < range.end);
  const due = inside.filter((cut) => cut.probeAtMs <= nowMs);
  if (valuesOf(block) === 1 || block.count === 1) return withMemory(state, block, onRefusedTag(memory, range, nowMs));
  // Planned before the cut was made: nothing new.
  if (inside.length > due.length) return state;
  if (due.length > 0) {
    const cuts = memory.cuts.map((cut) => (due.includes(cut) ? postponed(cut, nowMs) : cut));
    return withMemory(state, block, { ...memory, cuts });
  }
  if (memory.cuts.length >= MAX_ENTRIES) return state;
  const middle = range.start + Math.ceil(block.count / 2);
  return withMemory(state, block, { ...memory, cuts: [...memory.cuts, newBarrier(middle, middle, range, nowMs)] });
}

/**
 * Learns from an answered request. Gives the same object back when there is nothing new, which is nearly always.
 *
 * @param nowMs monotonic
 */
export function onSuccess(state: HoleMemory, block: AskedBlock, _nowMs: number): HoleMemory {
  const start = block.start;
  const end = start + block.count;
  const memory = memoryOf(state, block);
  const isKnown = covers(memory.worked, start, end);
  const isWithin = (range: Range) => start <= range.start && range.end <= end;
  // A value that lies across a cut is read by itself in any case, and says nothing of the cut.
  const isPassed = (cut: Range) => valuesOf(block) > 1 && start < cut.start && cut.start < end;
  const isNews = memory.holes.some(isWithin) || memory.cuts.some(isPassed) || memory.doubts.some(isWithin);
  if (isKnown && !isNews) return state;
  const worked = isKnown || memory.worked.length >= MAX_ENTRIES ? memory.worked : withRange(memory.worked, start, end);
  if (!isNews && worked === memory.worked) return state;
  return withMemory(state, block, {
    ...memory,
    worked,
    holes: memory.holes.filter((hole) => !isWithin(hole)),
    cuts: memory.cuts.filter((cut) => !isPassed(cut)),
    doubts: memory.doubts.filter((doubt) => !isWithin(doubt)),
  });
}

/** What the planner must leave out now. Holes stay listed while they are probed, so that a probe risks no neighbour. */
export function holesAt(state: HoleMemory, nowMs: number): Holes {
  const found: Hole[] = [];
  for (const { unit, table, holes, cuts } of state.tables.values()) {
    for (const hole of holes) found.push({ unit, table, start: hole.start, count: hole.end - hole.start });
    const lifted = liftedCut(cuts, nowMs);
    for (const cut of cuts) if (cut !== lifted) found.push({ unit, table, start: cut.start, count: 0 });
  }
  return found;
}

/**
 * Whether a request need not be sent, because it asks for a hole whose next probe is not due: its tag is
 * `illegal-address`.
 */
export function isWrittenOff(state: HoleMemory, block: AskedBlock, nowMs: number): boolean {
  const memory = state.tables.get(keyOf(block));
  if (!memory || memory.holes.length === 0) return false;
  const end = block.start + block.count;
  return memory.holes.some((hole) => hole.start === block.start && hole.end === end && nowMs < hole.probeAtMs);
}

/** When `holesAt` next gives another answer by itself, on the clock of `nowMs`; undefined: never. */
export function nextProbeMs(state: HoleMemory, nowMs: number): number | undefined {
  let nextMs: number | undefined;
  for (const { cuts } of state.tables.values()) {
    const waiting = cuts.filter((cut) => cut.probeAtMs > nowMs).map((cut) => cut.probeAtMs);
    // With two due or more, the turn goes on.
    if (cuts.length - waiting.length > 1) waiting.push((Math.floor(nowMs / PROBE_TURN_MS) + 1) * PROBE_TURN_MS);
    for (const atMs of waiting) nextMs = Math.min(nextMs ?? atMs, atMs);
  }
  return nextMs;
}

/** One tag was refused by itself. */
function onRefusedTag(memory: TableMemory, range: Range, nowMs: number): TableMemory {
  const known = memory.holes.find((hole) => hole.start === range.start && hole.end === range.end);
  if (known) {
    // Asked before its time, it teaches nothing.
    if (nowMs < known.probeAtMs) return memory;
    return { ...memory, holes: memory.holes.map((hole) => (hole === known ? postponed(hole, nowMs) : hole)) };
  }
  const isSame = (other: Range) => other.start === range.start && other.end === range.end;
  const others = memory.doubts.filter((doubt) => !isSame(doubt));
  if (covers(memory.worked, range.start, range.end)) {
    const doubt = memory.doubts.find(isSame) ?? { ...range, strikes: 0, sinceMs: nowMs };
    const strikes = doubt.strikes + 1;
    if (strikes < STRIKES || nowMs - doubt.sinceMs < STRIKES_SPAN_MS) {
      return { ...memory, doubts: [...others, { ...doubt, strikes }].slice(-MAX_ENTRIES) };
    }
  }
  if (memory.holes.length >= MAX_ENTRIES) return memory;
  // The hole explains why the requests around it were refused: they are tried whole again.
  const isExplained = (cut: Barrier) => cut.within.start <= range.start && range.end <= cut.within.end;
  return {
    ...memory,
    doubts: others,
    holes: [...memory.holes, newBarrier(range.start, range.end, range, nowMs)],
    cuts: memory.cuts.filter((cut) => !isExplained(cut)),
  };
}

function liftedCut(cuts: readonly Barrier[], nowMs: number): Barrier | undefined {
  const due = cuts.filter((cut) => cut.probeAtMs <= nowMs);
  return due[Math.floor(Math.abs(nowMs) / PROBE_TURN_MS) % Math.max(due.length, 1)];
}

function newBarrier(start: number, end: number, within: Range, nowMs: number): Barrier {
  return { start, end, within, probeAtMs: nowMs + PROBE_MIN_MS, delayMs: PROBE_MIN_MS };
}

function postponed(barrier: Barrier, nowMs: number): Barrier {
  const delayMs = Math.min(barrier.delayMs * 2, PROBE_MAX_MS);
  return { ...barrier, delayMs, probeAtMs: nowMs + delayMs };
}

function valuesOf(block: AskedBlock): number {
  return block.values ?? block.members.length;
}

function keyOf(block: { readonly unit: number; readonly table: Table }): string {
  return `${block.unit}/${block.table}`;
}

function memoryOf(state: HoleMemory, { unit, table }: AskedBlock): TableMemory {
  return state.tables.get(keyOf({ unit, table })) ?? { unit, table, worked: [], holes: [], cuts: [], doubts: [] };
}

function withMemory(state: HoleMemory, block: AskedBlock, memory: TableMemory): HoleMemory {
  const key = keyOf(block);
  if (!state.tables.has(key) && state.tables.size >= MAX_TABLES) return state;
  return { tables: new Map(state.tables).set(key, memory) };
}

/** Refusals in a row, and the time from the first to the last of them, before a register that worked is written off. */
export const STRIKES = 5;
export const STRIKES_SPAN_MS = 30_000;

/** First and longest wait before a hole or a cut is tried again. */
export const PROBE_MIN_MS = 60_000;
export const PROBE_MAX_MS = 3_600_000;

/** With several cuts of one table due, each is lifted for this long in turn: were all lifted, one bad gap would hide the rest. */
const PROBE_TURN_MS = 10_000;

/** Most cuts, holes, doubts and readable ranges kept of one table; more are not learned. */
export const MAX_ENTRIES = 512;
/** Most (unit, table) pairs remembered: 247 units of 4 tables fit. */
const MAX_TABLES = 1024;

/** A place that is left out until `probeAtMs`, and how long it is left out after the next refusal. */
interface Barrier extends Range {
  readonly probeAtMs: number;
  readonly delayMs: number;
  /** What was refused when the barrier was made. */
  readonly within: Range;
}

/** Refusals in a row of something that worked before. */
export interface Doubt extends Range {
  readonly strikes: number;
  readonly sinceMs: number;
}

/** What is known of one table of one unit. */
interface TableMemory {
  readonly unit: number;
  readonly table: Table;
  readonly worked: Ranges;
  /** Tags that are refused by themselves. */
  readonly holes: readonly Barrier[];
  /** Places that no request may pass over; `start` equals `end`. */
  readonly cuts: readonly Barrier[];
  readonly doubts: readonly Doubt[];
}

/** Everything learned of the devices of one line. Immutable; JSON-serialisable through `toStored`. */
export interface HoleMemory {
  readonly tables: ReadonlyMap<string, TableMemory>;
}

/** What of a request matters here. */
type AskedBlock = Pick<ReadBlock, 'unit' | 'table' | 'start' | 'count' | 'members' | 'values'>;

/** Nothing learned yet. */
export const noHoles: HoleMemory = { tables: new Map() };

const position = z.int().min(0).max(65_536);
const range = z.strictObject({ start: position, end: position }).refine(({ start, end }) => start <= end);
const barrier = z
  .strictObject({
    start: position,
    end: position,
    within: range,
    delayMs: z.number().min(PROBE_MIN_MS).max(PROBE_MAX_MS),
  })
  .refine(({ start, end }) => start <= end);

const storedTable = z.strictObject({
  unit: z.int().min(0).max(255),
  table: z.enum(['coil', 'discrete', 'input', 'holding']),
  worked: z
    .array(range)
    .max(MAX_ENTRIES)
    .refine((ranges) => ranges.every(({ start }, index) => index === 0 || start > ranges[index - 1]!.end)),
  holes: z.array(barrier.refine(({ start, end }) => start < end)).max(MAX_ENTRIES),
  cuts: z.array(barrier.refine(({ start, end }) => start === end)).max(MAX_ENTRIES),
});

const storedMemory = z.strictObject({ version: z.literal(1), tables: z.array(storedTable).max(MAX_TABLES) });

/** What is worth remembering across a restart, as JSON. Times are left out: the monotonic clock begins anew. */
export function toStored(state: HoleMemory): unknown {
  const tables = [...state.tables.values()].map(({ unit, table, worked, holes, cuts }) => ({
    unit,
    table,
    worked,
    holes: holes.map(({ start, end, within, delayMs }) => ({ start, end, within, delayMs })),
    cuts: cuts.map(({ start, end, within, delayMs }) => ({ start, end, within, delayMs })),
  }));
  return { version: 1, tables };
}

/**
 * The memory that `toStored` gave. Everything in it is tried once soon after the restart, because a restart is when a
 * device may have been changed; what is refused again waits twice as long as it did before.
 *
 * @param stored untrusted; anything that is not what `toStored` gives is forgotten whole
 * @param nowMs monotonic
 */
export function fromStored(stored: unknown, nowMs = 0): HoleMemory {
  const parsed = storedMemory.safeParse(stored);
  if (!parsed.success) return noHoles;
  const due = <T>(barriers: readonly T[]) => barriers.map((each) => ({ ...each, probeAtMs: nowMs }));
  return {
    tables: new Map(
      parsed.data.tables.map(({ holes, cuts, ...rest }) => [
        `${rest.unit}/${rest.table}`,
        { ...rest, holes: due(holes), cuts: due(cuts), doubts: [] },
      ]),
    ),
  };
}

/** Registers or bits [start, end). */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Disjoint ranges in ascending order that do not touch. */
type Ranges = readonly Range[];

/** Whether one of the ranges holds all of [start, end). */
export function covers(ranges: Ranges, start: number, end: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.start <= start) low = middle + 1;
    else high = middle;
  }
  const candidate = ranges[low - 1];
  return candidate !== undefined && candidate.end >= end;
}

/** The ranges with [start, end) added; what touches or overlaps is joined. */
function withRange(ranges: Ranges, start: number, end: number): Ranges {
  const before = ranges.filter((range) => range.end < start);
  const after = ranges.filter((range) => range.start > end);
  const joined = ranges.filter((range) => range.end >= start && range.start <= end);
  const first = Math.min(start, ...joined.map((range) => range.start));
  const last = Math.max(end, ...joined.map((range) => range.end));
  return [...before, { start: first, end: last }, ...after];
}
