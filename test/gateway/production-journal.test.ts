/** Reports of shifts that are over, out of a journal that grows, is looked at further and further back, and loses its oldest part. */
import { expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/event.ts';
import { createProductionJournal } from '../../src/gateway/production-journal.ts';
import { emptyReport } from '../../src/rules/production/figures.ts';
import type { Store } from '../../src/store/store.ts';
import { HOUR, MONDAY, machineConfig } from '../rules/production/machine.ts';

/** A journal in memory that says which numbers were asked for. */
class Journal {
  readonly events: GatewayEvent[] = [];
  oldest = 0;
  asked = 0;

  /** Tells of the shift of a day, with so many parts, at a time. */
  tell(day: number, count: number, wallMs = MONDAY + day * 24 * HOUR + 8 * HOUR): void {
    const [from, to] = [MONDAY + day * 24 * HOUR, MONDAY + day * 24 * HOUR + 8 * HOUR];
    const report = { ...emptyReport(machineConfig(), from), from, to, shift: 'early', count };
    const about = { kind: 'production', machine: 'press-1', change: 'shift', reason: null, stop: null } as const;
    this.events.push({ wallMs, monoMs: 0, clockKnown: true, body: { ...about, from, to, report, message: '' } });
  }

  get store(): Pick<Store, 'status' | 'peekEvents'> {
    const store = {
      status: async () => ({ next: { events: this.events.length }, oldest: { events: this.oldest } }),
      peekEvents: async (from: number, limit: number) => {
        const begin = Math.max(from, this.oldest);
        const events = this.events.slice(begin, begin + limit);
        this.asked += events.length;
        return { events, from: begin, next: begin + events.length };
      },
    };
    return store as unknown as Pick<Store, 'status' | 'peekEvents'>;
  }
}

it('gives the newest report of each shift, however far back, and looks at what is new only', async () => {
  const journal = new Journal();
  for (let day = 0; day < 20; day++) journal.tell(day, day);
  const { reports } = createProductionJournal(journal.store);
  const counts = async (fromDay: number) =>
    (await reports('press-1', MONDAY + fromDay * 24 * HOUR)).map((each) => each.count);
  expect(await counts(18)).toEqual([18, 19]);
  // A reason that came late for the shift of day 3, three weeks afterwards.
  journal.tell(3, 333, MONDAY + 21 * 24 * HOUR);
  journal.tell(20, 20);
  expect(await counts(18)).toEqual([18, 19, 20]);
  expect((await counts(2)).slice(0, 3)).toEqual([2, 333, 4]);
  journal.asked = 0;
  expect(await counts(2)).toHaveLength(19);
  // One each, and the search for the beginning: the rest is known.
  expect(journal.asked).toBeLessThan(19 + 8);
  journal.oldest = 5;
  expect((await counts(0)).slice(0, 3)).toEqual([333, 5, 6]);
  expect(await reports('press-2', MONDAY)).toEqual([]);
});
