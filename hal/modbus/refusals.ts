/** Why a question has no value, and what the devices of a line refuse: where requests are therefore cut, until a restart. */

import { addRange, covers, type IntervalSet } from '../../src/core/intervals.ts';
import type { Failure } from '../../src/core/quality.ts';
import type { Outcome } from './line/line.ts';
import type { Table } from './map/address.ts';
import type { Hole, Holes, ReadBlock, Span } from './map/plan.ts';

/*
 * A refused request for several values is asked again in parts, down to one value, within the same scan (reader.ts).
 * Where all parts are answered, the places of the cuts are kept: the device refuses the gap between them, or so many
 * registers at once. A value that is refused by itself is kept as refused and asked for by itself each REASK_MS; the first
 * answer to one makes all of that device due at once and forgets its cuts, because a device that refused for a night
 * begins again as a whole. Nothing of it outlives the process: asking tells it again within a minute.
 */

/** Why a value has no reading, in the words of readings. */
export interface Refusal {
  readonly why: Failure;
  readonly detail: string;
}

/** Between two tries of a refused value, ms: at least this, and up to as much again by its address, so that they spread. */
const REASK_MS = 15_000;
const SPREAD = 16;

/** Cuts are forgotten after this time: what was refused once may have been noise. It takes a few requests to find them again. */
const CUTS_LAST_MS = 3_600_000;

/** Refusals in a row of what was answered before, until it counts as refused. */
const STRIKES = 3;

/** Most cuts and refused values of one table; beyond, nothing more is learned. */
const MOST_KEPT = 512;

/** What is known of one table of one unit. */
interface TableMemory {
  readonly unit: number;
  readonly table: Table;
  /** Registers that were answered in any request, and requests that were answered whole. */
  worked: IntervalSet;
  readonly whole: Set<number>;
  /** Places that no request may pass over, good until `cutsUntilMs`. */
  readonly cuts: Set<number>;
  cutsUntilMs: number;
  readonly refused: Map<number, RefusedValue>;
  readonly strikes: Map<number, Strike>;
}

interface RefusedValue extends Refusal {
  readonly start: number;
  readonly end: number;
  readonly dueMs: number;
}

interface Strike {
  readonly start: number;
  readonly end: number;
  readonly times: number;
  /** How many answers the device had given by then. */
  readonly answers: number;
}

/** What `doctor` may advise of a unit: requests it refused although it answers their parts. */
interface Lesson {
  /** The widest gap of unasked registers that was refused. */
  readonly gap: number;
  /** The largest part it answered of a request that was too long; undefined: none was. */
  readonly registers: number | undefined;
}

/** What matters here of a request. */
type Asked = Pick<ReadBlock, 'unit' | 'table' | 'start' | 'count' | 'values'>;

/** The memory of one line. */
export class Refusals {
  private readonly tables = new Map<string, TableMemory>();
  private readonly lessons = new Map<number, Lesson>();
  private changes = 0;

  /** Grows whenever plans have to be made anew. */
  get version(): number {
    return this.changes;
  }

  /** What requests must not pass over now. */
  barriers(nowMs: number): Holes {
    const found: Hole[] = [];
    for (const memory of this.tables.values()) {
      const { unit, table, refused, cuts } = memory;
      if (nowMs >= memory.cutsUntilMs) cuts.clear();
      for (const { start, end } of refused.values()) found.push({ unit, table, start, count: end - start });
      for (const start of cuts) found.push({ unit, table, start, count: 0 });
    }
    return found;
  }

  /** When the barriers, or what is held back, change by themselves; Infinity: never. */
  nextChangeMs(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { cuts, cutsUntilMs, refused } of this.tables.values()) {
      if (cuts.size > 0) nextMs = Math.min(nextMs, cutsUntilMs);
      for (const { dueMs } of refused.values()) if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }

  /** Why a request is not sent now: it asks for a refused value that is not due. */
  heldBack(block: Asked, nowMs: number): Refusal | undefined {
    const refused = this.refusedAt(block);
    return refused && nowMs < refused.dueMs ? refused : undefined;
  }

  /** Whether a request is the slow retry of a refused value. */
  isRetry(block: Asked): boolean {
    return this.refusedAt(block) !== undefined;
  }

  /** A request was answered. Costs next to nothing when that is no news. */
  answered(block: Asked): void {
    const { start } = block;
    const end = start + block.count;
    const memory = this.memoryOf(block);
    const key = keyOf(block);
    if (!memory.whole.has(key) && memory.whole.size < MOST_KEPT) {
      memory.whole.add(key);
      if (memory.worked.length < MOST_KEPT) memory.worked = addRange(memory.worked, { from: start, to: end });
    }
    const isWithin = (place: { start: number; end: number }) => start <= place.start && place.end <= end;
    for (const [each, place] of memory.strikes) if (isWithin(place)) memory.strikes.delete(each);
    let isBack = false;
    for (const [each, place] of memory.refused) if (isWithin(place)) isBack = memory.refused.delete(each);
    if (isBack) this.recovered(block.unit);
  }

  /**
   * A request was refused, or not answered. True when that is to be blamed on what it asks for: the first time where it
   * was never answered, the third in a row where it was. A silence counts when the device answered something since the
   * last one; to blame a single value for it, it takes one more.
   *
   * @param answers how many answers the device has given so far
   */
  isToBlame(block: Asked, cause: 'refusal' | 'silence', answers: number): boolean {
    const memory = this.memoryOf(block);
    const key = keyOf(block);
    const { start, count } = block;
    const before = memory.strikes.get(key);
    if (before && cause === 'silence' && answers <= before.answers) return false;
    const times = (before?.times ?? 0) + 1;
    if (before || memory.strikes.size < MOST_KEPT)
      memory.strikes.set(key, { start, end: start + count, times, answers });
    const isSingle = block.values === 1;
    const hasWorked = isSingle
      ? covers(memory.worked, { from: start, to: start + count })
      : memory.whole.has(key) && cause === 'silence';
    return times >= (hasWorked ? STRIKES : isSingle && cause === 'silence' ? 2 : 1);
  }

  /** A value is refused by itself; it is asked for again slowly. */
  refuse(block: Asked, refusal: Refusal, nowMs: number): void {
    const memory = this.memoryOf(block);
    const { start, count } = block;
    const key = keyOf(block);
    if (!memory.refused.has(key) && memory.refused.size >= MOST_KEPT) return;
    const dueMs = nowMs + REASK_MS * (1 + (start % SPREAD) / SPREAD);
    memory.refused.set(key, { start, end: start + count, dueMs, why: refusal.why, detail: refusal.detail });
    this.changes++;
  }

  /**
   * A request is answered in parts, but not as a whole: it is cut for good where the parts begin; one that was answered
   * whole before, only when it was refused several times in a row.
   */
  cut(block: Asked, parts: readonly Asked[], nowMs: number): void {
    const memory = this.memoryOf(block);
    const key = keyOf(block);
    if (memory.whole.has(key) && (memory.strikes.get(key)?.times ?? 0) < STRIKES) return;
    if (memory.cuts.size + parts.length > MOST_KEPT) return;
    if (memory.cuts.size === 0) memory.cutsUntilMs = nowMs + CUTS_LAST_MS;
    let gap = 0;
    for (const [index, { start }] of parts.entries()) {
      const before = parts[index - 1];
      if (!before) continue;
      memory.cuts.add(start);
      gap = Math.max(gap, start - before.start - before.count);
    }
    this.changes++;
    const known = this.lessons.get(block.unit) ?? { gap: 0, registers: undefined };
    if (gap > 0) this.lessons.set(block.unit, { ...known, gap: Math.max(gap, known.gap) });
    else {
      const largest = Math.max(...parts.map(({ count }) => count));
      this.lessons.set(block.unit, { ...known, registers: Math.min(largest, known.registers ?? largest) });
    }
  }

  /** What a unit taught; undefined: it answers all that it is asked. */
  lessonOf(unit: number): Lesson | undefined {
    return this.lessons.get(unit);
  }

  private recovered(unit: number): void {
    this.changes++;
    for (const memory of this.tables.values()) {
      if (memory.unit !== unit) continue;
      memory.cuts.clear();
      for (const [key, value] of memory.refused) memory.refused.set(key, { ...value, dueMs: 0 });
    }
  }

  private refusedAt(block: Asked): RefusedValue | undefined {
    const memory = this.tables.get(`${block.unit}/${block.table}`);
    return memory && memory.refused.size > 0 ? memory.refused.get(keyOf(block)) : undefined;
  }

  private memoryOf({ unit, table }: Asked): TableMemory {
    const key = `${unit}/${table}`;
    let memory = this.tables.get(key);
    if (!memory) {
      memory = {
        unit,
        table,
        worked: [],
        whole: new Set(),
        cuts: new Set(),
        cutsUntilMs: 0,
        refused: new Map(),
        strikes: new Map(),
      };
      this.tables.set(key, memory);
    }
    return memory;
  }
}

function keyOf({ start, count }: Asked): number {
  return start * 0x20000 + count;
}

/** The parts of a request that was refused: cut at its gaps of unasked registers, else in the middle of its values. */
export function partsOf(spans: readonly Span[]): Span[][] {
  const parts: Span[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const span of spans) {
    if (span.start > end) parts.push([span]);
    else parts.at(-1)!.push(span);
    end = Math.max(end, span.end);
  }
  if (parts.length > 1) return parts;
  const middle = Math.ceil(spans.length / 2);
  return [spans.slice(0, middle), spans.slice(middle)];
}

/** Meaning of the exception codes (MODBUS Application Protocol V1.1b3, section 7). */
const EXCEPTION_FAILURE: Record<number, Failure> = {
  1: 'illegal-function',
  2: 'illegal-address',
  3: 'illegal-value',
  4: 'device-failure',
  5: 'device-busy',
  6: 'device-busy',
  8: 'device-failure',
  10: 'gateway-path',
  11: 'gateway-target',
};

/** The last code of the standard; makers use others for causes of their own. */
const LAST_STANDARD_CODE = 11;

/** Exceptions that speak of the moment or of a gateway, not of what was asked for. */
const PASSING_CODES = [5, 6, 10, 11];

/** Exceptions that pass by themselves: the question may be asked again after a rest. */
export function isBusy(code: number): boolean {
  return code === 5 || code === 6;
}

/** Whether an outcome may be blamed on what was asked for, and how; undefined: it has another cause. */
export function causeOf(outcome: Outcome): 'refusal' | 'silence' | undefined {
  if (outcome.kind === 'exception') return PASSING_CODES.includes(outcome.code) ? undefined : 'refusal';
  return outcome.kind === 'timeout' || outcome.kind === 'garbled' ? 'silence' : undefined;
}

/** Why there is no value, in the words of readings. */
export function failureOf(outcome: Exclude<Outcome, { kind: 'answer' | 'lost' }>): Refusal & { asked?: false } {
  switch (outcome.kind) {
    case 'timeout':
      return { why: 'timeout', detail: 'no answer before the deadline' };
    case 'not-asked':
      return { why: 'timeout', detail: outcome.detail, asked: false };
    case 'garbled':
      return { why: 'garbled', detail: outcome.detail };
    case 'hung-up':
      return { why: 'not-connected', detail: outcome.detail };
    case 'exception':
      return { why: EXCEPTION_FAILURE[outcome.code] ?? 'device-failure', detail: exceptionText(outcome.code) };
  }
}

function exceptionText(code: number): string {
  const own = `Modbus exception ${code}`;
  return code <= LAST_STANDARD_CODE ? own : `${own} (${code.toString(16).toUpperCase()} hex), the maker's own code`;
}
