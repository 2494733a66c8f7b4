import {
  type AskedBlock,
  type Barrier,
  type HoleMemory,
  MAX_ENTRIES,
  MAX_TABLES,
  PROBE_MAX_MS,
  PROBE_MIN_MS,
  PROBE_TURN_MS,
  STRIKES,
  STRIKES_SPAN_MS,
  type TableMemory,
} from './hole-memory.ts';
import type { Table } from './map/address.ts';
import type { Hole, Holes } from './map/plan.ts';
import { covers, type Range, withRange } from './ranges.ts';

export { type AskedBlock, type HoleMemory, noHoles } from './hole-memory.ts';
export { fromStored, toStored } from './holes-stored.ts';

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
