/** Keeps what one uplink has delivered, and tells the store. */
import { messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import { addRange, below, compact, countBelow, type Ranges, rangesOf, removeRange } from '../core/intervals.ts';
import type { Logger } from '../core/log.ts';
import type { LedgerEntry, Store, StoreStatus, Stream } from '../store/store.ts';

/** A range that the other side refused for good. */
export type Refusal = Omit<LedgerEntry, 'id' | 'enteredWallMs' | 'cause'>;

/** What the store must offer a forwarder. */
export type ForwarderStore = Pick<
  Store,
  'epoch' | 'peek' | 'peekTexts' | 'peekEvents' | 'pending' | 'settle' | 'quarantine'
> & {
  status(): Promise<Pick<StoreStatus, 'next'>>;
};

/** What one uplink has delivered and what not; the store is told at most now and then. */
export interface Progress {
  /** Reads from the store where the uplink stands. */
  load(): Promise<void>;
  /** The next number of a stream that is to be committed. */
  head(stream: Stream): number;
  /** Notes that numbers up to `to` exist. */
  raiseHead(stream: Stream, to: number): void;
  /** Everything pending that exists, without what is refused and waits to be entered in the store. */
  outstanding(stream: Stream): Ranges;
  /** Notes a confirmation. Returns what has to be sent (again) because the set was getting too finely divided. */
  delivered(stream: Stream, range: SeqRange): Ranges;
  /** Takes what was delivered of a range as not delivered. Returns what has to be sent because of it. */
  again(stream: Stream, range: SeqRange): Ranges;
  /** Notes that the store has these no more; its ledger says why. */
  gone(stream: Stream, range: SeqRange): void;
  /** Enters a refusal in the store; until that is done the range stays pending. */
  quarantine(refusal: Refusal): void;
  /**
   * Writes what changed to the store; joins a write that is under way. Never rejects: trouble is logged and tried again
   * with the next call.
   */
  settle(): Promise<void>;
  counts(): Counts;
}

/** Records and events by what became of them. */
interface Counts {
  readonly pendingRecords: number;
  readonly pendingEvents: number;
  readonly deliveredRecords: number;
  readonly deliveredEvents: number;
  readonly quarantinedRecords: number;
}

/** How many refusals may wait for the store. Those beyond stay pending and are tried again with the next session. */
const MAX_WAITING_REFUSALS = 1000;

const STREAMS: readonly Stream[] = ['events', 'readings'];

interface StreamState {
  pending: Ranges;
  head: number;
  dirty: boolean;
  delivered: number;
  quarantined: number;
}

/** The progress of the uplink called `uplink`. */
export function createProgress(uplink: string, store: ForwarderStore, log: Logger): Progress {
  const fresh = (): StreamState => ({ pending: [], head: 1, dirty: false, delivered: 0, quarantined: 0 });
  const states: Record<Stream, StreamState> = { readings: fresh(), events: fresh() };
  const refusals: Refusal[] = [];
  let settling: Promise<void> | undefined;

  const remove = (stream: Stream, range: SeqRange): { count: number; refilled: Ranges } => {
    const state = states[stream];
    const count = countBelow(state.pending, range.to) - countBelow(state.pending, range.from);
    const { ranges, refilled } = compact(removeRange(state.pending, range));
    state.pending = ranges;
    state.dirty = true;
    return { count, refilled };
  };

  const enterRefusals = async (): Promise<void> => {
    for (let refusal = refusals[0]; refusal; refusal = refusals[0]) {
      await store.quarantine(refusal);
      refusals.shift();
      states[refusal.stream].quarantined += refusal.count;
      remove(refusal.stream, refusal);
    }
  };

  const write = async (): Promise<void> => {
    await enterRefusals().catch((error: unknown) => {
      log.warn(`what was refused could not be entered in the ledger: ${messageOf(error)}. Trying again.`);
    });
    try {
      for (const stream of STREAMS) {
        const state = states[stream];
        if (!state.dirty) continue;
        state.dirty = false;
        await store.settle(uplink, stream, state.pending).catch((error: unknown) => {
          state.dirty = true;
          throw error;
        });
      }
    } catch (error) {
      log.warn(`what was delivered could not be noted: ${messageOf(error)}. After a restart it is sent again.`);
    }
  };

  return {
    async load() {
      const status = await store.status();
      for (const stream of STREAMS) {
        states[stream].pending = compact(rangesOf(await store.pending(uplink, stream))).ranges;
        states[stream].head = Math.max(states[stream].head, status.next[stream]);
      }
    },
    head: (stream) => states[stream].head,
    raiseHead(stream, to) {
      states[stream].head = Math.max(states[stream].head, to);
    },
    outstanding: (stream) =>
      refusals
        .filter((refusal) => refusal.stream === stream)
        .reduce<Ranges>(removeRange, below(states[stream].pending, states[stream].head)),
    delivered(stream, range) {
      const { count, refilled } = remove(stream, range);
      states[stream].delivered += count;
      return refilled;
    },
    again(stream, { from, to }) {
      const state = states[stream];
      const asked = { from: Math.max(1, from), to: Math.min(to, state.head) };
      const settled = state.pending.reduce(removeRange, rangesOf([asked]));
      const { ranges, refilled } = compact(addRange(state.pending, asked));
      state.pending = ranges;
      state.dirty = true;
      return [...settled, ...refilled].reduce(addRange, [] as Ranges);
    },
    gone(stream, range) {
      if (range.from >= range.to) return;
      remove(stream, range);
      log.warn(`${stream} ${range.from} to ${range.to - 1} are not in the store any more; its ledger says why`);
    },
    quarantine(refusal) {
      if (refusals.length >= MAX_WAITING_REFUSALS) {
        log.warn(`too many refused ${refusal.stream} wait to be entered in the ledger; ${refusal.from} stays pending`);
        return;
      }
      refusals.push(refusal);
      log.warn(`${refusal.stream} ${refusal.from} is refused for good and set aside: ${refusal.detail}`);
    },
    settle() {
      const isNews = refusals.length > 0 || states.readings.dirty || states.events.dirty;
      if (!isNews && !settling) return Promise.resolve();
      settling ??= write().finally(() => {
        settling = undefined;
      });
      return settling;
    },
    counts() {
      const { readings, events } = states;
      return {
        pendingRecords: countBelow(readings.pending, readings.head),
        pendingEvents: countBelow(events.pending, events.head),
        deliveredRecords: readings.delivered,
        deliveredEvents: events.delivered,
        quarantinedRecords: readings.quarantined,
      };
    },
  };
}
