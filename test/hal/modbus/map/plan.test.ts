import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModbusAddress, Table } from '../../../../hal/modbus/map/address.ts';
import {
  cheapestPartition,
  type Hole,
  type LineCost,
  planReads,
  type ReadBlock,
  type Span,
  spanOf,
} from '../../../../hal/modbus/map/plan.ts';
import { seededRandom } from '../../../../src/core/random.ts';
import { addressOf } from '../../../double/modbus-data.ts';

/** 19200 baud 8E1: a request costs its 8 bytes, the 5 fixed ones of the answer, two silences and a turnaround. */
const SERIAL: LineCost = { requestMs: 16.5, registerMs: 1.146, bitMs: 0.0716 };

/** A block as `holding 100+4 [0,2]`. */
function show({ table, start, count, members }: ReadBlock): string {
  return `${table} ${start}+${count} [${members.join(',')}]`;
}

/** Line time of a plan under the same cost, ms. */
function planCostMs(blocks: readonly ReadBlock[], cost: LineCost): number {
  let totalMs = 0;
  for (const { table, count } of blocks) {
    const isBits = table === 'coil' || table === 'discrete';
    totalMs += cost.requestMs + count * (isBits ? cost.bitMs : cost.registerMs);
  }
  return totalMs;
}

function registers(...places: [start: number, count: number][]): ModbusAddress[] {
  return places.map(([start, count]) => addressOf({ start, count, type: count === 2 ? 'uint32' : 'uint16' }));
}

function plan(addresses: readonly ModbusAddress[], holes: readonly Hole[] = []): string[] {
  return planReads(addresses, holes, SERIAL).map(show);
}

const hole = (start: number, count: number): Hole => ({ unit: 1, table: 'holding', start, count });

describe('planning reads', () => {
  it('bridges a gap that costs less than another request', () => {
    expect(plan(registers([0, 1], [14, 1]))).toEqual(['holding 0+15 [0,1]']);
    expect(plan(registers([0, 1], [17, 1]))).toEqual(['holding 0+1 [0]', 'holding 17+1 [1]']);
  });

  it('is not greedy: filling up the first request may cost more in the end', () => {
    // Greedy takes 0…124 and is left with a second request that must bridge to 140; the gap after 105 is the one to skip.
    const addresses = registers([0, 1], [12, 1], [24, 1], [118, 1], [130, 1], [142, 1]);
    expect(plan(addresses)).toEqual(['holding 0+25 [0,1,2]', 'holding 118+25 [3,4,5]']);
  });

  it('reads duplicates and overlapping values once, each whole', () => {
    expect(plan(registers([7, 1], [7, 1], [6, 2], [7, 2]))).toEqual(['holding 6+3 [0,1,2,3]']);
  });

  it('keeps units and tables apart', () => {
    const addresses = [
      addressOf({ unit: 2 }),
      addressOf(),
      addressOf({ table: 'coil', type: 'bool' }),
      addressOf({ table: 'input' }),
    ];
    expect(plan(addresses)).toEqual(['coil 0+1 [2]', 'input 0+1 [3]', 'holding 0+1 [1]', 'holding 0+1 [0]']);
  });

  it('never splits a value at the limit', () => {
    const places = Array.from({ length: 63 }, (_, index): [number, number] => [index * 2, 2]);
    const counts = planReads(registers(...places), [], SERIAL).map(({ count }) => count);
    expect(counts).toHaveLength(2);
    expect(counts.every((count) => count % 2 === 0 && count <= 124)).toBe(true);
    expect(counts[0]! + counts[1]!).toBe(126);
  });

  it('respects the smaller limit of a device', () => {
    const addresses = registers([0, 1], [4, 1], [8, 1]).map((address) => ({ ...address, maxRegisters: 5 }));
    expect(plan(addresses)).toEqual(['holding 0+1 [0]', 'holding 4+5 [1,2]']);
  });

  it('reads a value and its scale factor together', () => {
    const addresses = [addressOf({ start: 3, scaleAt: 40 }), addressOf({ start: 41 })];
    expect(plan(addresses)).toEqual(['holding 3+39 [0,1]']);
    expect(spanOf(addressOf({ start: 40, scaleAt: 3 }))).toEqual({ start: 3, end: 41 });
  });

  it('passes over no hole; a tag in a hole is alone', () => {
    expect(plan(registers([0, 1], [2, 1], [4, 1]), [hole(1, 1)])).toEqual(['holding 0+1 [0]', 'holding 2+3 [1,2]']);
    expect(plan(registers([0, 1], [2, 1], [4, 1]), [hole(2, 1)])).toEqual([
      'holding 0+1 [0]',
      'holding 2+1 [1]',
      'holding 4+1 [2]',
    ]);
  });

  it('separates both sides of a cut', () => {
    expect(plan(registers([0, 1], [1, 1]), [hole(1, 0)])).toEqual(['holding 0+1 [0]', 'holding 1+1 [1]']);
    expect(plan(registers([0, 1], [1, 2], [3, 1]), [hole(2, 0)])).toEqual([
      'holding 0+1 [0]',
      'holding 1+2 [1]',
      'holding 3+1 [2]',
    ]);
  });

  it('spans no more unasked registers in a row than the device allows', () => {
    const within = (maxGap: number, places: [number, number][]) =>
      plan(registers(...places).map((address) => ({ ...address, maxGap })));
    expect(
      within(3, [
        [0, 1],
        [4, 1],
        [9, 1],
      ]),
    ).toEqual(['holding 0+5 [0,1]', 'holding 9+1 [2]']);
    expect(
      within(0, [
        [0, 2],
        [2, 1],
        [4, 1],
      ]),
    ).toEqual(['holding 0+3 [0,1]', 'holding 4+1 [2]']);
    // A long value bridges what lies within it, for those behind it, too.
    const long = addressOf({ start: 0, count: 10, type: 'string' });
    const inside = registers([2, 1], [12, 1]);
    expect(plan([long, ...inside].map((address) => ({ ...address, maxGap: 2 })))).toEqual(['holding 0+13 [0,1,2]']);
    expect(plan(inside.map((address) => ({ ...address, maxGap: 2 })))).toEqual(['holding 2+1 [0]', 'holding 12+1 [1]']);
    const coils = [0, 16, 34].map((start) => addressOf({ table: 'coil', type: 'bool', start, maxGap: 1 }));
    expect(plan(coils)).toEqual(['coil 0+17 [0,1]', 'coil 34+1 [2]']);
  });

  it('ignores holes of other units and tables', () => {
    const others: Hole[] = [
      { ...hole(1, 1), unit: 2 },
      { ...hole(1, 1), table: 'input' },
    ];
    expect(plan(registers([0, 1], [2, 1]), others)).toEqual(['holding 0+3 [0,1]']);
  });

  it('has nothing to ask when there are no tags', () => {
    expect(plan([])).toEqual([]);
  });
});

/** The least cost by trying every way of dividing the tags among requests. */
function bruteForceMs(
  addresses: readonly ModbusAddress[],
  holes: readonly Hole[],
  limit: number,
  cost: LineCost,
): number {
  let leastMs = Number.POSITIVE_INFINITY;
  const groups: ModbusAddress[][] = [];
  const tryFrom = (index: number): void => {
    if (index === addresses.length) {
      const isAllowed = groups.every((group) => isValid(group, holes, limit));
      if (isAllowed)
        leastMs = Math.min(
          leastMs,
          groups.reduce((sumMs, group) => sumMs + groupMs(group, cost), 0),
        );
      return;
    }
    for (const group of groups) {
      group.push(addresses[index]!);
      tryFrom(index + 1);
      group.pop();
    }
    groups.push([addresses[index]!]);
    tryFrom(index + 1);
    groups.pop();
  };
  tryFrom(0);
  return leastMs;
}

function extent(group: readonly ModbusAddress[]): { start: number; end: number } {
  const spans = group.map(spanOf);
  return { start: Math.min(...spans.map(({ start }) => start)), end: Math.max(...spans.map(({ end }) => end)) };
}

function groupMs(group: readonly ModbusAddress[], cost: LineCost): number {
  const { start, end } = extent(group);
  return cost.requestMs + (end - start) * cost.registerMs;
}

function isValid(group: readonly ModbusAddress[], holes: readonly Hole[], limit: number): boolean {
  const { start, end } = extent(group);
  if (new Set(group.map((address) => JSON.stringify(spanOf(address)))).size === 1) return true;
  const isBlocked = holes.some((each) =>
    each.count === 0 ? start < each.start && each.start < end : each.start < end && start < each.start + each.count,
  );
  return end - start <= limit && !isBlocked;
}

const place = fc.record({
  start: fc.integer({ min: 0, max: 40 }),
  count: fc.integer({ min: 1, max: 4 }),
  scaleAt: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined, freq: 8 }),
});
const small = fc.record({
  addresses: fc
    .array(place, { maxLength: 7 })
    .map((places) => places.map((each) => addressOf({ ...each, maxRegisters: 16 }))),
  holes: fc.array(fc.record({ start: fc.integer({ min: 0, max: 44 }), count: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 3,
  }),
  cost: fc.record({
    requestMs: fc.integer({ min: 0, max: 20 }),
    registerMs: fc.integer({ min: 0, max: 4 }),
    bitMs: fc.constant(1),
  }),
});

describe('any plan', () => {
  it('is valid, complete, and as cheap as the best of all divisions', () => {
    fc.assert(
      fc.property(small, ({ addresses, holes: places, cost }) => {
        const holes = places.map(({ start, count }) => hole(start, count));
        const blocks = planReads(addresses, holes, cost);
        expect(blocks.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(
          addresses.map((_, index) => index),
        );
        for (const block of blocks) {
          const group = block.members.map((index) => addresses[index]!);
          expect(isValid(group, holes, 16)).toBe(true);
          expect(extent(group)).toEqual({ start: block.start, end: block.start + block.count });
          expect(block.values).toBe(new Set(group.map((address) => JSON.stringify(spanOf(address)))).size);
        }
        expect(planCostMs(blocks, cost)).toBe(bruteForceMs(addresses, holes, 16, cost));
      }),
      { numRuns: 300 },
    );
  });
});

describe('1,000 scattered tags', () => {
  const random = seededRandom(3);
  const tables: Table[] = ['holding', 'input', 'coil', 'discrete'];
  const scattered = (table: Table): ModbusAddress[] =>
    Array.from({ length: 1000 }, () =>
      addressOf({ table, start: Math.floor(random() * 5000), count: table.length > 5 ? 2 : 1 }),
    );

  it.each(tables)('in the %s table are planned well under 50 ms', (table) => {
    const addresses = scattered(table);
    const startMs = performance.now();
    const blocks = planReads(addresses, [], SERIAL);
    const tookMs = performance.now() - startMs;
    console.log(`planned 1,000 ${table} tags into ${blocks.length} requests in ${tookMs.toFixed(1)} ms`);
    expect(blocks.length).toBeGreaterThan(1);
  });

  it('weigh at most tags × limit candidate requests', () => {
    const spans: Span[] = Array.from({ length: 1000 }, (_, index) => ({
      start: index * 3,
      end: index * 3 + 2,
      members: [index],
    }));
    const { steps } = cheapestPartition({ spans, holes: [], limit: 125, maxGap: 125, requestMs: 16, itemMs: 1 });
    expect(steps).toBeLessThanOrEqual(42 * 1000);
  });
});
