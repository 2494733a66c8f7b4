import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromStored,
  type HoleMemory,
  holesAt,
  isWrittenOff,
  MAX_ENTRIES,
  nextProbeMs,
  noHoles,
  onException,
  onSuccess,
  PROBE_MAX_MS,
  PROBE_MIN_MS,
  STRIKES,
  STRIKES_SPAN_MS,
  toStored,
} from '../../../hal/modbus/holes.ts';
import type { ModbusAddress } from '../../../hal/modbus/map/address.ts';
import { type LineCost, planReads, type ReadBlock } from '../../../hal/modbus/map/plan.ts';
import { addressOf } from '../../double/modbus-data.ts';

const COST: LineCost = { requestMs: 16, registerMs: 1, bitMs: 0.1 };

/** Holding registers of unit 1 that a request for `members` tags reads. */
function block(start: number, count: number, members = count): ReadBlock {
  return { unit: 1, table: 'holding', start, count, members: Array.from({ length: members }, (_, index) => index) };
}

/** A device that refuses every request which touches one of `missing`. */
function refuses(missing: ReadonlySet<number>, { start, count }: ReadBlock): boolean {
  for (let register = start; register < start + count; register++) if (missing.has(register)) return true;
  return false;
}

/** Reads all tags once as the driver does; gives what was learned and which tags had a value. */
function scan(state: HoleMemory, tags: readonly ModbusAddress[], missing: ReadonlySet<number>, nowMs: number) {
  let learned = state;
  const good = new Set<number>();
  const blocks = planReads(tags, holesAt(state, nowMs), COST);
  let requests = 0;
  for (const asked of blocks) {
    if (isWrittenOff(learned, asked, nowMs)) continue;
    requests++;
    if (refuses(missing, asked)) {
      learned = onException(learned, asked, nowMs);
    } else {
      learned = onSuccess(learned, asked, nowMs);
      for (const member of asked.members) good.add(member);
    }
  }
  return { state: learned, good, requests };
}

const hundred = Array.from({ length: 100 }, (_, start) => addressOf({ start }));

describe('a register map with a hole', () => {
  it('is bisected: one missing register of a hundred is found in eight scans, and the others flow again', () => {
    let state = noHoles;
    const missing = new Set([37]);
    let scans = 0;
    let result = scan(state, hundred, missing, 0);
    for (; result.good.size < 99; scans++) {
      state = result.state;
      result = scan(state, hundred, missing, scans * 1000);
    }
    expect(scans).toBeLessThanOrEqual(8);
    expect(holesAt(result.state, 9000)).toEqual([{ unit: 1, table: 'holding', start: 37, count: 1 }]);
    expect(scan(result.state, hundred, missing, 9000)).toMatchObject({ requests: 2 });
  });

  it('costs no neighbour a value when the parts are asked for at once, in the same scan', () => {
    const missing = new Set([37]);
    let state = noHoles;
    let requests = 0;
    const good = new Set<number>();
    const readAll = (members: readonly number[]): void => {
      const part = members.map((member) => hundred[member]!);
      for (const asked of planReads(part, holesAt(state, 0), COST)) {
        requests++;
        const tags = asked.members.map((member) => members[member]!);
        const isRefused = refuses(missing, asked);
        state = isRefused ? onException(state, asked, 0) : onSuccess(state, asked, 0);
        if (isRefused && tags.length > 1) readAll(tags);
        if (!isRefused) for (const tag of tags) good.add(tag);
      }
    };
    readAll(hundred.map((_, index) => index));
    expect(good.size).toBe(99);
    // The refused requests halve: 100, 50, 25 … 1, each with one that succeeds beside it.
    expect(requests).toBeLessThanOrEqual(15);
  });

  it('may have its hole between the tags: they are read by two requests from then on', () => {
    const tags = [addressOf({ start: 0 }), addressOf({ start: 9 })];
    const missing = new Set([5]);
    const first = scan(noHoles, tags, missing, 0);
    expect(first.good.size).toBe(0);
    const second = scan(first.state, tags, missing, 1000);
    expect(second).toMatchObject({ requests: 2, good: new Set([0, 1]) });
    expect(isWrittenOff(second.state, block(0, 1), 1000)).toBe(false);
  });

  it('is tried again after a minute, then two, and at most an hour', () => {
    const alone = block(7, 1);
    let state = onException(noHoles, alone, 0);
    let nowMs = 0;
    const waitsMs: number[] = [];
    for (let probe = 0; probe < 9; probe++) {
      let waitMs = PROBE_MIN_MS;
      while (isWrittenOff(state, alone, nowMs + waitMs - 1)) waitMs *= 2;
      waitMs /= 2;
      nowMs += waitMs;
      waitsMs.push(waitMs / 60_000);
      state = onException(state, alone, nowMs);
    }
    expect(waitsMs.slice(0, 5)).toEqual([1, 2, 4, 8, 16]);
    expect(isWrittenOff(state, alone, nowMs + PROBE_MAX_MS)).toBe(false);
  });

  it('learns nothing from a hole that is asked before its time', () => {
    const state = onException(noHoles, block(7, 1), 0);
    expect(onException(state, block(7, 1), 1000)).toEqual(state);
  });

  it('forgets the hole when the register answers', () => {
    const state = onSuccess(onException(noHoles, block(7, 1), 0), block(7, 1), PROBE_MIN_MS);
    expect(holesAt(state, PROBE_MIN_MS)).toEqual([]);
  });

  it('lifts a cut when its time has come, one a turn, and puts it back when that was wrong', () => {
    const refused = onException(noHoles, block(0, 10), 0);
    expect(holesAt(refused, PROBE_MIN_MS - 1)).toEqual([{ unit: 1, table: 'holding', start: 5, count: 0 }]);
    expect(nextProbeMs(refused, 0)).toBe(PROBE_MIN_MS);
    expect(holesAt(refused, PROBE_MIN_MS)).toEqual([]);
    const again = onException(refused, block(0, 10), PROBE_MIN_MS);
    expect(holesAt(again, PROBE_MIN_MS + 1)).toHaveLength(1);
    expect(nextProbeMs(again, PROBE_MIN_MS)).toBe(3 * PROBE_MIN_MS);
    expect(holesAt(onSuccess(again, block(0, 10), 3 * PROBE_MIN_MS), 3 * PROBE_MIN_MS)).toEqual([]);
  });

  it('is not confused by a request that was planned before the cut', () => {
    const cut = onException(noHoles, block(0, 10), 0);
    expect(onException(cut, block(0, 10), 100)).toBe(cut);
  });
});

describe('noise', () => {
  const worked = onSuccess(noHoles, block(0, 10), 0);
  const tag = block(4, 1);

  it('does not write a register off that worked: that takes five refusals in a row over half a minute', () => {
    let state = worked;
    for (let strike = 1; strike < STRIKES; strike++) state = onException(state, tag, strike * STRIKES_SPAN_MS);
    expect(holesAt(state, 1e6)).toEqual([]);
    expect(holesAt(onException(state, tag, STRIKES * STRIKES_SPAN_MS), 1e6)).toHaveLength(1);
  });

  it('in a burst counts as one disturbance, however many refusals it has', () => {
    let state = worked;
    for (let refusal = 0; refusal < 1000; refusal++) state = onException(state, tag, 1000 + refusal * 10);
    expect(holesAt(state, 1e6)).toEqual([]);
  });

  it('is forgotten with the next good answer, alone or among others', () => {
    let state = worked;
    for (let round = 0; round < 20; round++) {
      for (let strike = 1; strike < STRIKES; strike++) state = onException(state, tag, round * 1e6 + strike * 20_000);
      state = onSuccess(state, round % 2 ? tag : block(0, 10), round * 1e6 + 200_000);
    }
    expect(holesAt(state, 1e9)).toEqual([]);
  });

  it('never hides a register that can be read, whatever the refusals, when it answers every fourth time', () => {
    const refusal = fc.array(fc.boolean(), { minLength: 50, maxLength: 50 });
    fc.assert(
      fc.property(refusal, (refusals) => {
        let { state } = scan(noHoles, hundred, new Set(), 0);
        refusals.forEach((isNoise, index) => {
          const everything = new Set(isNoise && index % 4 !== 0 ? hundred.map(({ start }) => start) : []);
          state = scan(state, hundred, everything, index * 20_000).state;
        });
        expect(holesAt(state, 1e9).filter(({ count }) => count > 0)).toEqual([]);
      }),
    );
  });
});

describe('any map', () => {
  it('ends with every readable tag read, and only missing ones written off', () => {
    const tags = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(tags, fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: 12 }), (starts, gaps) => {
        const addresses = starts.map((start) => addressOf({ start, count: (start % 3) + 1 }));
        const missing = new Set(gaps);
        const readable = addresses.flatMap(({ start, count }, index) =>
          refuses(missing, block(start, count)) ? [] : [index],
        );
        let result = scan(noHoles, addresses, missing, 0);
        for (let round = 1; round < 50; round++) result = scan(result.state, addresses, missing, round * 1000);
        expect([...result.good].sort((a, b) => a - b)).toEqual(readable);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the same object when an answer teaches nothing', () => {
    const state = onSuccess(noHoles, block(0, 10), 0);
    expect(onSuccess(state, block(2, 3), 1)).toBe(state);
  });

  it('stays within its bounds when a device refuses everything', () => {
    let state = noHoles;
    for (let start = 0; start < 2000; start++) {
      state = onException(state, block(start * 4, 1), start);
      state = onException(state, block(start * 4, 4, 2), start);
      state = onSuccess(state, block(start * 4 + 2, 1), start);
    }
    const memory = [...state.tables.values()][0]!;
    expect(memory.holes.length + memory.cuts.length + memory.worked.length).toBeLessThanOrEqual(3 * MAX_ENTRIES);
  });
});

describe('across a restart', () => {
  const before = onException(onException(onSuccess(noHoles, block(0, 10), 0), block(20, 1), 0), block(30, 8), 0);

  it('holes and cuts are remembered, and each is tried once', () => {
    const after = fromStored(JSON.parse(JSON.stringify(toStored(before))), 5);
    expect(holesAt(after, 4)).toEqual(holesAt(before, 0));
    expect(isWrittenOff(after, block(20, 1), 5)).toBe(false);
    const refused = onException(after, block(20, 1), 5);
    expect(isWrittenOff(refused, block(20, 1), 5 + 2 * PROBE_MIN_MS - 1)).toBe(true);
  });

  it('what worked before still is not written off for noise', () => {
    const after = fromStored(toStored(before));
    expect(holesAt(onException(after, block(3, 1), 0), 0)).toEqual(holesAt(after, 0));
  });

  it.each([
    undefined,
    null,
    7,
    'holes',
    {},
    { version: 2, tables: [] },
    { version: 1, tables: [{ unit: 300 }] },
    { version: 1, tables: [{ unit: 1, table: 'holding', worked: [{ start: 9, end: 1 }], holes: [], cuts: [] }] },
    {
      version: 1,
      tables: [
        {
          unit: 1,
          table: 'holding',
          worked: [
            { start: 0, end: 9 },
            { start: 3, end: 5 },
          ],
          holes: [],
          cuts: [],
        },
      ],
    },
    { version: 1, tables: [{ unit: 1, table: 'holding', worked: [], holes: [{ start: 0, end: 1e9 }], cuts: [] }] },
  ])('%j is not believed', (stored) => {
    expect(fromStored(stored)).toBe(noHoles);
  });

  it('any JSON is survived', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (stored) => {
        expect(holesAt(fromStored(stored), 0)).toEqual([]);
      }),
    );
  });
});
