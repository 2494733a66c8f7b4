import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, intervals, subtract } from '../../src/core/intervals.ts';
import { reconcile } from '../../src/store/read/status.ts';
import type { LedgerEntry, LossCause } from '../../src/store/store.ts';

const range = fc
  .tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 15 }))
  .map(([from, size]) => ({ from, to: from + size }));

function entryOf(given: { from: number; to: number }, cause: LossCause, uplink?: string): LedgerEntry {
  const count = given.to - given.from;
  return { id: 1, stream: 'readings', ...given, count, cause, enteredWallMs: 0, ...(uplink && { uplink }) };
}

describe('the balance of a stream', () => {
  it('adds up, whatever happened to the numbers', () => {
    const cause = fc.constantFrom<LossCause>('evicted', 'quarantined', 'corrupt', 'memory-full');
    fc.assert(
      fc.property(fc.array(fc.tuple(range, cause)), fc.array(range), fc.array(range), (losses, stored, pending) => {
        const ledger = losses.map(([given, why]) => entryOf(given, why));
        const sum = reconcile({ stream: 'readings', next: 100, stored, ledger, uplink: 'plant', pending, since: 1 });
        const { delivered, waiting, evicted, quarantined, lost, unexplained } = sum;
        expect(delivered + waiting + evicted + quarantined + lost + countOf(unexplained)).toBe(99);
        const explained = intervals([...stored, ...ledger]);
        expect(countOf(subtract(unexplained, explained))).toBe(countOf(unexplained));
      }),
    );
  });

  it('tells an uplink of its own refusals only', () => {
    const ledger = [entryOf({ from: 1, to: 4 }, 'quarantined', 'mes'), entryOf({ from: 4, to: 6 }, 'evicted')];
    const account = {
      stream: 'readings',
      next: 11,
      stored: [{ from: 6, to: 11 }],
      ledger,
      pending: [{ from: 8, to: 11 }],
      since: 1,
    } as const;
    expect(reconcile({ ...account, uplink: 'plant' })).toMatchObject({
      delivered: 5,
      waiting: 3,
      evicted: 2,
      quarantined: 0,
    });
    expect(reconcile({ ...account, uplink: 'mes' })).toMatchObject({
      delivered: 2,
      waiting: 3,
      evicted: 2,
      quarantined: 3,
    });
  });

  it('leaves out what was let go before the uplink was there: it never had it', () => {
    const ledger = [entryOf({ from: 1, to: 4 }, 'evicted'), entryOf({ from: 20, to: 23 }, 'evicted')];
    const common = { stream: 'readings', next: 31, stored: [{ from: 23, to: 31 }], ledger, uplink: 'new' } as const;
    expect(reconcile({ ...common, pending: [{ from: 25, to: 31 }], since: 11 })).toMatchObject({
      ...{ produced: 20, delivered: 11, waiting: 6, evicted: 3, unexplained: [] },
    });
  });

  it('shows numbers that nobody can account for', () => {
    const account = {
      stream: 'readings',
      next: 6,
      stored: [{ from: 1, to: 3 }],
      ledger: [],
      since: 1,
      uplink: 'plant',
    } as const;
    expect(reconcile({ ...account, pending: [{ from: 1, to: 6 }] }).unexplained).toEqual([{ from: 3, to: 6 }]);
  });
});
