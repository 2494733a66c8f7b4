import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawAnswer } from '../../hal/modbus/abilities.ts';
import { type AskBlock, type Block, itemsIn, lookAgain, survey } from '../../src/probe/probe-read.ts';

const REFUSED: RawAnswer = { ok: false, why: 'illegal-address', detail: 'Modbus exception 2' };

/** A device that has these registers of the table, and refuses every block that has another in it. */
function device(present: ReadonlySet<number>): { ask: AskBlock; asked: Block[] } {
  const asked: Block[] = [];
  return {
    asked,
    async ask(block) {
      asked.push(block);
      const addresses = Array.from({ length: block.count }, (_, index) => block.start + index);
      if (!addresses.every((address) => present.has(address))) return REFUSED;
      return { ok: true, items: addresses.map((address) => address * 3) };
    },
  };
}

describe('the first look', () => {
  it('sees every register that is there and none that is not, wherever the holes are', async () => {
    const map = fc.tuple(fc.integer({ min: 0, max: 900 }), fc.uniqueArray(fc.nat({ max: 299 }), { maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(map, async ([start, holes]) => {
        const present = new Set(Array.from({ length: 300 }, (_, index) => start + index));
        for (const hole of holes) present.delete(start + hole);
        const { ask, asked } = device(present);
        const { look, blocks, troubles } = await survey(ask, [{ table: 'input', start, count: 300 }]);
        expect(troubles).toEqual([]);
        const expected = Array.from({ length: 300 }, (_, index) =>
          present.has(start + index) ? (start + index) * 3 : undefined,
        );
        expect(itemsIn(look, 'input', start, 300)).toEqual(expected);
        expect(asked.every(({ count }) => count <= 125)).toBe(true);
        // The next look asks only for what is there.
        expect(await lookAgain(ask, blocks)).toEqual(look);
        expect(blocks.length).toBeLessThanOrEqual(3 + 7 * holes.length);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps pairs together for a device that refuses half a value', async () => {
    const ask: AskBlock = async ({ start, count }) =>
      start % 2 === 0 && count % 2 === 0 && start + count <= 110
        ? { ok: true, items: new Array(count).fill(7) }
        : REFUSED;
    const { look } = await survey(ask, [{ table: 'holding', start: 100, count: 22 }]);
    expect([...look.get('holding')!.keys()]).toEqual([100, 101, 102, 103, 104, 105, 106, 107, 108, 109]);
  });

  it('asks a table that the device does not know only once', async () => {
    let questions = 0;
    const ask: AskBlock = async ({ table, count }) => {
      if (table === 'input') return { ok: true, items: new Array(count).fill(1) };
      questions++;
      return { ok: false, why: 'illegal-function', detail: 'Modbus exception 1' };
    };
    const wanted = (['holding', 'input'] as const).map((table) => ({ table, start: 0, count: 500 }));
    const { absent, look } = await survey(ask, wanted);
    expect({ questions, absent, seen: look.get('input')!.size }).toEqual({
      questions: 1,
      absent: ['holding'],
      seen: 500,
    });
  });

  it('does not go on asking a unit that is silent', async () => {
    let questions = 0;
    const ask: AskBlock = async () => {
      questions++;
      return { ok: false, why: 'timeout', detail: 'no answer before the deadline' };
    };
    const { troubles } = await survey(ask, [{ table: 'input', start: 0, count: 1000 }]);
    expect(questions).toBe(1);
    expect(troubles).toMatchObject([{ why: 'timeout' }]);
  });

  it('leaves a block alone that the device has trouble with, and says so', async () => {
    const ask: AskBlock = async ({ start, count }) =>
      start === 0
        ? { ok: false, why: 'device-failure', detail: 'Modbus exception 4' }
        : { ok: true, items: new Array(count).fill(1) };
    const { troubles, look } = await survey(ask, [{ table: 'input', start: 0, count: 200 }]);
    expect(troubles).toMatchObject([{ block: { start: 0, count: 124 }, why: 'device-failure' }]);
    expect(look.get('input')!.size).toBe(76);
  });
});
