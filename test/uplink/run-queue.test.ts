import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { cutRun, type Run, RunQueue, sizeOfRecord, TokenBucket } from '../../src/uplink/run-queue.ts';
import { recordOf } from '../double/forwarding.ts';

const sizeOf = (fields: number) => ({ fields, bytes: fields * 10 });
const limits = fc.record({
  items: fc.integer({ min: 1, max: 20 }),
  fields: fc.integer({ min: 1, max: 50 }),
  bytes: fc.integer({ min: 1, max: 500 }),
});
/** Runs of items of 1…9 fields, with or without a hole before each. */
const runs = fc
  .array(fc.record({ hole: fc.integer({ min: 0, max: 2 }), items: fc.array(fc.integer({ min: 1, max: 9 })) }))
  .map((list) => {
    let from = 1;
    return list.map(({ hole, items }): Run<number> => {
      const run = { from: from + hole, items };
      from += hole + items.length;
      return run;
    });
  });

describe('a queue of runs', () => {
  it('gives every item once, in order, in consecutive cuts within the limits', () => {
    fc.assert(
      fc.property(runs, limits, (list, cut) => {
        const queue = new RunQueue(sizeOf);
        for (const run of list) queue.push(run, 0);
        const given: [number, number][] = [];
        for (let run = queue.take(cut); run; run = queue.take(cut)) {
          const fields = run.items.reduce((sum, item) => sum + item, 0);
          expect(run.items.length).toBeLessThanOrEqual(cut.items);
          if (run.items.length > 1) {
            expect(fields).toBeLessThanOrEqual(cut.fields);
            expect(fields * 10).toBeLessThanOrEqual(cut.bytes);
          }
          given.push(...run.items.map((item, index): [number, number] => [run.from + index, item]));
        }
        expect(given).toEqual(list.flatMap(({ from, items }) => items.map((item, index) => [from + index, item])));
        expect([queue.size, queue.fields]).toEqual([0, 0]);
      }),
    );
  });

  it('forgets from the front, and knows what is left', () => {
    const queue = new RunQueue(sizeOf);
    queue.push({ from: 1, items: [1, 1, 1] }, 5);
    queue.push({ from: 9, items: [2, 2] }, 7);
    queue.take({ items: 1, fields: 9, bytes: 999 });
    expect(queue.sinceMs()).toBe(5);
    expect(queue.dropFirst()).toEqual({ from: 2, to: 4 });
    expect(queue.sinceMs()).toBe(7);
    expect([queue.size, queue.fields]).toEqual([2, 4]);
    expect(queue.dropFirst()).toEqual({ from: 9, to: 11 });
    expect(queue.dropFirst()).toBeUndefined();
  });

  it('the two parts of a run make up the run', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), fc.array(fc.integer(), { minLength: 2 }), fc.nat(), (from, items, nat) => {
        const [first, second] = cutRun({ from, items }, 1 + (nat % (items.length - 1)));
        expect([...first.items, ...second.items]).toEqual(items);
        expect([first.from, second.from]).toEqual([from, from + first.items.length]);
        expect(Math.min(first.items.length, second.items.length)).toBeGreaterThan(0);
      }),
    );
  });

  it('the size of a record grows with its fields', () => {
    expect(sizeOfRecord(recordOf(1, 8)).fields).toBe(8);
    expect(sizeOfRecord(recordOf(1, 80)).bytes).toBeGreaterThan(sizeOfRecord(recordOf(1, 8)).bytes * 4);
  });
});

describe('the rate of the backlog', () => {
  it('over any time is at most the rate and one burst, and the wait it names is enough', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 500 }))),
        async (rate, steps) => {
          const clock = new SimulatedClock();
          const bucket = new TokenBucket(clock, rate);
          let taken = 0;
          for (const [pauseMs, wanted] of steps.slice(0, 20)) {
            await clock.advance(pauseMs);
            const count = Math.min(wanted, bucket.burst);
            await clock.advance(bucket.waitMs(count));
            expect(bucket.waitMs(count)).toBe(0);
            bucket.take(count);
            taken += count;
            expect(taken).toBeLessThanOrEqual(bucket.burst + (clock.monoMs() * rate) / 1000 + 1e-6);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
