/** Plans which requests read the wanted tags in the least bus time. */
import type { ModbusAddress, Table } from './address.ts';

/** One read request and the tags it answers. */
export interface ReadBlock {
  readonly unit: number;
  readonly table: Table;
  /** Zero-based protocol address of the first register or bit, and how many. */
  readonly start: number;
  readonly count: number;
  /** Indexes into the addresses that were planned, ascending. */
  readonly members: readonly number[];
  /** How many different values it reads: tags at the same place count once. Undefined: as many as members. */
  readonly values?: number;
}

/** What a request costs on a line: a fixed part, and one for each register or bit of the answer. */
export interface LineCost {
  readonly requestMs: number;
  readonly registerMs: number;
  readonly bitMs: number;
}

/**
 * Places that a device cannot read. No request passes over one; a tag that lies in one is asked for by itself.
 * `count` 0 is a cut before `start`: both sides can be read, but not by one request.
 */
export type Holes = readonly Hole[];

/** One place that a device cannot read. */
export interface Hole {
  readonly unit: number;
  readonly table: Table;
  readonly start: number;
  readonly count: number;
}

/** Largest requests of the Modbus Application Protocol V1.1b3, 6.1 to 6.4. */
export const MAX_REGISTERS = 125;
export const MAX_BITS = 2000;

/** `maxGap` counts registers; that many bits of a coil table cost the line the same. */
const BITS_OF_A_REGISTER = 16;

const TABLES: readonly Table[] = ['coil', 'discrete', 'input', 'holding'];

/** Registers or bits [start, end), and who needs them whole. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly members: number[];
}

/**
 * The requests that read every address once in the least line time under `cost`.
 *
 * Values are never split over two requests (nor a value from its scale factor); requests respect 125 registers and 2000
 * bits or the device's own smaller limits, its `maxGap`, and `holes`. Addresses may repeat and overlap in any way.
 * Blocks come by unit, table and start; equal costs prefer fewer requests.
 */
export function planReads(addresses: readonly ModbusAddress[], holes: Holes, cost: LineCost): ReadBlock[] {
  const groups = new Map<number, number[]>();
  addresses.forEach((address, index) => {
    const key = address.unit * TABLES.length + TABLES.indexOf(address.table);
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  const blocks: ReadBlock[] = [];
  for (const key of [...groups.keys()].sort((left, right) => left - right)) {
    const unit = Math.floor(key / TABLES.length);
    const table = TABLES[key % TABLES.length]!;
    const spans = spansOf(addresses, groups.get(key)!);
    const isBits = table === 'coil' || table === 'discrete';
    const problem: PartitionProblem = {
      spans,
      holes: holes.filter((hole) => hole.unit === unit && hole.table === table),
      limit: limitOf(addresses, groups.get(key)!, isBits),
      maxGap: maxGapOf(addresses, groups.get(key)!) * (isBits ? BITS_OF_A_REGISTER : 1),
      requestMs: cost.requestMs,
      itemMs: isBits ? cost.bitMs : cost.registerMs,
    };
    for (const { start, end, members, values } of cheapestPartition(problem).blocks) {
      blocks.push({ unit, table, start, count: end - start, members, values });
    }
  }
  return blocks;
}

/** The first and the last register + 1 that one request must hold for this address: the value and its scale factor. */
export function spanOf(address: ModbusAddress): { start: number; end: number } {
  const end = address.start + address.count;
  const { scaleAt } = address;
  if (scaleAt === undefined) return { start: address.start, end };
  return { start: Math.min(address.start, scaleAt), end: Math.max(end, scaleAt + 1) };
}

/** The reads of one table of one unit. */
interface PartitionProblem {
  /** Distinct spans, by start and then by end. */
  readonly spans: readonly Span[];
  readonly holes: readonly Pick<Hole, 'start' | 'count'>[];
  readonly limit: number;
  /** Most registers or bits in a row that nobody asked for. */
  readonly maxGap: number;
  readonly requestMs: number;
  readonly itemMs: number;
}

/**
 * The cheapest requests for the spans of one table, and how many candidate requests were weighed: at most
 * spans × limit.
 *
 * Why runs of neighbours are enough: in a best plan no request lies within another, so that requests sorted by start are
 * sorted by end as well. Then each span may as well be answered by the last request that starts at or before it, and
 * the spans of one request are a run of the spans sorted by start.
 */
export function cheapestPartition(problem: PartitionProblem): {
  blocks: (Span & { readonly values: number })[];
  steps: number;
} {
  const barriers = [...problem.holes].sort((left, right) => left.start - right.start);
  const alone: Span[] = [];
  const free: Span[] = [];
  for (const span of problem.spans) {
    const isAlone = span.end - span.start > problem.limit || crosses(barriers, span.start, span.end);
    (isAlone ? alone : free).push(span);
  }

  const whole = alone.length === 0 ? wholeOf(free, barriers, problem.limit) : undefined;
  if (whole) return { blocks: [whole], steps: free.length };

  const reach = free.map((span) => nextBarrier(barriers, span.start));
  const bestMs = new Float64Array(free.length + 1);
  const from = new Int32Array(free.length + 1);
  let steps = 0;
  for (let last = 0; last < free.length; last++) {
    let end = 0;
    bestMs[last + 1] = Number.POSITIVE_INFINITY;
    // Where the run goes on behind a gap that is too wide, unless an earlier long value reaches near enough.
    let behindGap = Number.NEGATIVE_INFINITY;
    for (let first = last; first >= 0; first--) {
      const { start } = free[first]!;
      end = Math.max(end, free[first]!.end);
      if (end - start > problem.limit || end > reach[first]!) break;
      steps++;
      const bridged = free[first]!.end + problem.maxGap;
      if (first < last) behindGap = Math.max(behindGap, free[first + 1]!.start);
      if (behindGap <= bridged) behindGap = Number.NEGATIVE_INFINITY;
      else continue;
      const totalMs = bestMs[first]! + problem.requestMs + (end - start) * problem.itemMs;
      if (totalMs <= bestMs[last + 1]!) {
        bestMs[last + 1] = totalMs;
        from[last + 1] = first;
      }
    }
  }

  const chosen = alone.map((span) => merged([span]));
  for (let next = free.length; next > 0; next = from[next]!) chosen.push(merged(free.slice(from[next]!, next)));
  return { blocks: chosen.sort((left, right) => left.start - right.start || left.end - right.end), steps };
}

/** Spans that leave nothing out between them and fit into one request, which is then the cheapest: most devices are so. */
function wholeOf(spans: readonly Span[], barriers: PartitionProblem['holes'], limit: number) {
  const [first] = spans;
  if (!first || barriers.length > 0) return undefined;
  let { end } = first;
  for (const span of spans) {
    if (span.start > end) return undefined;
    end = Math.max(end, span.end);
  }
  return end - first.start <= limit ? merged(spans) : undefined;
}

/** Distinct spans of the group, sorted; addresses with the same span share it. */
export function spansOf(addresses: readonly ModbusAddress[], group: readonly number[]): Span[] {
  const spans = new Map<number, Span>();
  for (const index of group) {
    const { start, end } = spanOf(addresses[index]!);
    const key = start * 0x20000 + end;
    const known = spans.get(key);
    if (known) known.members.push(index);
    else spans.set(key, { start, end, members: [index] });
  }
  return [...spans.values()].sort((left, right) => left.start - right.start || left.end - right.end);
}

function limitOf(addresses: readonly ModbusAddress[], group: readonly number[], isBits: boolean): number {
  let limit = isBits ? MAX_BITS : MAX_REGISTERS;
  for (const index of group) {
    const { maxBits, maxRegisters } = addresses[index]!;
    limit = Math.min(limit, (isBits ? maxBits : maxRegisters) ?? limit);
  }
  return limit;
}

function maxGapOf(addresses: readonly ModbusAddress[], group: readonly number[]): number {
  return Math.min(...group.map((index) => addresses[index]!.maxGap));
}

function merged(run: readonly Span[]): Span & { readonly values: number } {
  let end = 0;
  const members: number[] = [];
  for (const span of run) {
    end = Math.max(end, span.end);
    for (const member of span.members) members.push(member);
  }
  members.sort((left, right) => left - right);
  return { start: run[0]!.start, end, members, values: run.length };
}

/** Whether [start, end) touches a hole or passes over a cut. */
function crosses(barriers: readonly Pick<Hole, 'start' | 'count'>[], start: number, end: number): boolean {
  for (const barrier of barriers) {
    if (barrier.start >= end) return false;
    if (barrier.count === 0 ? barrier.start > start : barrier.start + barrier.count > start) return true;
  }
  return false;
}

/** Where a request that starts at a span free of holes must end at the latest. */
function nextBarrier(barriers: readonly Pick<Hole, 'start' | 'count'>[], start: number): number {
  const next = barriers.find((barrier) => (barrier.count === 0 ? barrier.start > start : barrier.start >= start));
  return next?.start ?? Number.POSITIVE_INFINITY;
}
