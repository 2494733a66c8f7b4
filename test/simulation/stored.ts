import type { SeqRange } from '../../src/core/intervals.ts';
import { type IntervalSet, intervals } from '../../src/core/intervals.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { LedgerEntry, Store, StoreStatus, Stream } from '../../src/store/store.ts';
import { keyOf, onWire, type Witness } from './witness.ts';

/** Where a store's calls meet the world. */
export interface StoreWorld {
  readonly witness: Witness;
  readonly clock: SimulatedClock;
  readonly hasPower: () => boolean;
  /** How long the disk takes for each call now, ms. */
  readonly stallMs: () => number;
}

/** A new one each time: whoever waits for a promise is held by it. */
const never = () => new Promise<never>(() => {});

/** The store as the gateway sees it: late while the disk stalls, silent for ever once the power is gone. */
export function witnessed(store: Store, world: StoreWorld): Store {
  const { witness, clock, hasPower } = world;
  let last: Promise<unknown> = Promise.resolve();
  const through = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = async (): Promise<T> => {
      if (world.stallMs() > 0) await clock.sleep(world.stallMs());
      if (!hasPower()) return never();
      try {
        const answer = await work();
        return hasPower() ? answer : never();
      } catch (error) {
        if (!hasPower()) return never();
        throw error;
      }
    };
    const result = last.then(turn, turn);
    last = result.catch(() => {});
    return result;
  };
  return {
    epoch: store.epoch,
    commit: (batch) =>
      through(async () => {
        witness.began(batch);
        const receipt = await store.commit(batch);
        if (hasPower()) witness.committed(batch, receipt);
        return receipt;
      }),
    peek: (from, limit) => through(() => store.peek(from, limit)),
    peekTexts: (from, limit) => through(() => store.peekTexts(from, limit)),
    peekEvents: (from, limit) => through(() => store.peekEvents(from, limit)),
    pending: (uplink, stream) => through(() => store.pending(uplink, stream)),
    settle: (uplink, stream, pending) => through(() => store.settle(uplink, stream, pending)),
    quarantine: (entry) => through(() => store.quarantine(entry)),
    ledger: (sinceId) => through(() => store.ledger(sinceId)),
    keepUplinks: (names) => through(() => store.keepUplinks(names)),
    seek: (...asked) => through(() => store.seek(...asked)),
    rollups: (query) => through(() => store.rollups(query)),
    states: () => through(() => store.states()),
    history: (query) => through(() => store.history(query)),
    status: () => through(() => store.status()),
    close: () => through(() => store.close()),
  };
}

/** The whole ledger, page by page. */
export async function wholeLedger(store: Store): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (;;) {
    const page = await store.ledger(entries.at(-1)?.id);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

/** Reads everything that is stored, checks each record against its number, and gives the ranges. */
export async function readAll(store: Store, witness: Witness): Promise<Record<Stream, IntervalSet>> {
  const readings: SeqRange[] = [];
  for (let at = 1; ; ) {
    const { from, records, next } = await store.peek(at, 5000);
    if (records.length === 0) break;
    for (const [index, record] of records.entries()) witness.checkRecord('store', from + index, onWire(record));
    readings.push({ from, to: from + records.length });
    at = next;
  }
  const events: SeqRange[] = [];
  for (let at = 1; ; ) {
    const { from, events: found, next } = await store.peekEvents(at, 5000);
    if (found.length === 0) break;
    for (const [index, event] of found.entries())
      if (JSON.stringify(event.body) !== JSON.stringify(witness.truth.events[from + index]?.body))
        witness.violation(`store: event ${from + index} is not what was committed`);
    events.push({ from, to: from + found.length });
    at = next;
  }
  return { readings: intervals(readings), events: intervals(events) };
}

/**
 * After a restart: numbers beyond the last acknowledged one are those of a batch that was handed over and not answered,
 * all of it or nothing; or they are in the ledger.
 *
 * @param hasFlips whether stored bytes may have been damaged
 */
export async function recovered(store: Store, status: StoreStatus, witness: Witness, hasFlips: boolean): Promise<void> {
  const ledger = await wholeLedger(store);
  for (const stream of ['readings', 'events'] as const) {
    const head = witness.head(stream);
    const next = status.next[stream];
    if (next < head) witness.violation(`${stream}: numbers went back from ${head} to ${next}`);
    const found = new Map<number, unknown>();
    for (let at = head; at < next; ) {
      const page = stream === 'readings' ? await store.peek(at, 5000) : await store.peekEvents(at, 5000);
      const items = 'records' in page ? page.records : page.events;
      if (items.length === 0) break;
      for (const [index, item] of items.entries()) found.set(page.from + index, item);
      at = page.next;
    }
    const first = Math.min(...found.keys());
    const attempt = witness.attempts.find((batch) => {
      const items = stream === 'readings' ? batch.records : batch.events;
      return found.size === items.length && items.every((item, i) => isSame(found.get(first + i), item));
    });
    if (found.size > 0 && !attempt && !hasFlips)
      witness.violation(`${stream}: ${found.size} from ${head} on were never handed over as one`);
    for (const [seq, item] of found) witness.enter(stream, seq, [item as never]);
    if (stream === 'readings' && attempt && found.size > 0) witness.dropped += attempt.dropped?.count ?? 0;
    for (let seq = head; seq < next; seq++)
      if (!found.has(seq) && !ledger.some((entry) => entry.stream === stream && entry.from <= seq && seq < entry.to))
        witness.violation(`${stream} ${seq} was jumped, and the ledger does not say why`);
  }
  witness.attempts = [];
}

function isSame(found: unknown, given: unknown): boolean {
  if (found === undefined) return false;
  const record = given as Parameters<typeof keyOf>[0];
  if ('fields' in record) return keyOf(found as typeof record) === keyOf(record);
  return JSON.stringify(found) === JSON.stringify(given);
}
