/** Finds the reports of shifts that are over in the journal: where each stands is remembered, the reports are not. */
import type { ProductionReport } from '../core/production/production.ts';
import type { Store } from '../store/store.ts';

/** Events looked at in one go, so that polling keeps its share. */
const PAGE_EVENTS = 500;

/** Where the newest report of a shift stands. */
interface Place {
  readonly seq: number;
  /** End of the shift, UTC ms. */
  readonly toMs: number;
}

/**
 * The reports in the journal of a store. A shift is told of when it is over, and again when a reason comes late, so that
 * its newest report may stand anywhere behind its end. The journal is gone through once, as far back as somebody
 * asked for; after that only what is new is looked at.
 */
export function createProductionJournal(store: Pick<Store, 'status' | 'peekEvents'>) {
  const places = new Map<string, Map<number, Place>>();
  /** What was gone through: the numbers from the first up to the second. */
  let known: readonly [number, number] | undefined;
  let last = Promise.resolve();
  const goThrough = async (from: number, end: number, isNewer: boolean): Promise<void> => {
    let at = from;
    while (at < end) {
      const page = await store.peekEvents(at, Math.min(PAGE_EVENTS, end - at));
      for (const [index, { body }] of page.events.entries()) {
        if (body.kind !== 'production' || !body.report) continue;
        const ofMachine = places.get(body.machine) ?? new Map<number, Place>();
        places.set(body.machine, ofMachine);
        const seq = page.from + index;
        const before = ofMachine.get(body.report.from);
        if (isNewer || !before || before.seq < seq) ofMachine.set(body.report.from, { seq, toMs: body.report.to });
      }
      if (page.next <= at) return;
      at = page.next;
    }
  };
  const catchUp = async (fromMs: number): Promise<void> => {
    const { next, oldest } = await store.status();
    const from = await firstSince(store, fromMs, oldest.events, next.events);
    const [low, high] = known ?? [from, from];
    if (from < low) await goThrough(from, low, false);
    await goThrough(high, next.events, true);
    known = [Math.min(from, low), next.events];
    for (const ofMachine of places.values())
      for (const [shift, { seq }] of ofMachine) if (seq < oldest.events) ofMachine.delete(shift);
  };
  return {
    /** The newest report of each shift of a machine that ended after an instant (UTC ms), in the order of the shifts. */
    async reports(machine: string, fromMs: number): Promise<readonly ProductionReport[]> {
      // One after the other: two that go through the journal at once would do it twice.
      const caughtUp = last.then(() => catchUp(fromMs));
      last = caughtUp.then(
        () => {},
        () => {},
      );
      await caughtUp;
      const wanted = [...(places.get(machine) ?? [])].filter(([, { toMs }]) => toMs > fromMs);
      const reports: ProductionReport[] = [];
      for (const [, { seq }] of wanted.sort(([a], [b]) => a - b)) {
        const [event] = (await store.peekEvents(seq, 1)).events;
        if (event?.body.kind === 'production' && event.body.report) reports.push(event.body.report);
      }
      return reports;
    },
  };
}

/** The first event that is not older; events are in the order of their times but for clocks that were set. */
export async function firstSince(
  store: Pick<Store, 'peekEvents'>,
  fromMs: number,
  oldest: number,
  end: number,
): Promise<number> {
  let [low, high] = [oldest, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = await store.peekEvents(middle, 1);
    const [event] = found.events;
    if (event && event.wallMs < fromMs) low = found.from + 1;
    else high = middle;
  }
  return low;
}
