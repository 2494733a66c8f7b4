/** Keeps what one uplink has delivered, and tells the store. */
import { messageOf } from '../core/errors.ts';
import type { SeqRange } from '../core/intervals.ts';
import { addRange, below, compact, countBelow, covers, type Ranges, rangesOf, removeRange } from '../core/intervals.ts';
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

const fresh = (): StreamState => ({ pending: [], head: 1, dirty: false, delivered: 0, quarantined: 0 });

/** What one uplink has delivered and what not; the store is told at most now and then. */
export class Progress {
  private readonly uplink: string;
  private readonly store: ForwarderStore;
  private readonly log: Logger;
  private readonly states: Record<Stream, StreamState> = { readings: fresh(), events: fresh() };
  private readonly refusals: Refusal[] = [];
  /** Numbers that are not wanted, behind some that have still to be delivered: `from` to `to`. */
  private readonly passed: Record<Stream, Map<number, number>> = { readings: new Map(), events: new Map() };
  private settling: Promise<void> | undefined;

  constructor(uplink: string, store: ForwarderStore, log: Logger) {
    this.log = log;
    this.store = store;
    this.uplink = uplink;
  }

  /** Reads from the store where the uplink stands. */
  async load(): Promise<void> {
    const status = await this.store.status();
    for (const stream of STREAMS) {
      this.states[stream].pending = compact(rangesOf(await this.store.pending(this.uplink, stream))).ranges;
      this.states[stream].head = Math.max(this.states[stream].head, status.next[stream]);
    }
  }

  /** The next number of a stream that is to be committed. */
  head(stream: Stream): number {
    return this.states[stream].head;
  }

  /** Notes that numbers up to `to` exist. */
  raiseHead(stream: Stream, to: number): void {
    this.states[stream].head = Math.max(this.states[stream].head, to);
  }

  /** Everything pending that exists, without what is refused and waits to be entered in the store. */
  outstanding(stream: Stream): Ranges {
    return this.refusals
      .filter((refusal) => refusal.stream === stream)
      .reduce<Ranges>(removeRange, below(this.states[stream].pending, this.states[stream].head));
  }

  /** Notes a confirmation. Returns what has to be sent (again) because the set was getting too finely divided. */
  delivered(stream: Stream, range: SeqRange): Ranges {
    const { count, refilled } = this.remove(stream, range);
    this.states[stream].delivered += count;
    const end = this.endOf(stream, range.to);
    return end === range.to ? refilled : [...refilled, ...this.remove(stream, { from: range.to, to: end }).refilled];
  }

  /**
   * Notes that numbers are not wanted: they are done with as soon as what is before them is. So the set of what is
   * pending is not cut into pieces by them, whatever share of the numbers they are.
   */
  pass(stream: Stream, range: SeqRange): void {
    const isBehind = covers(this.states[stream].pending, { from: range.from - 1, to: range.from });
    if (isBehind) this.passed[stream].set(range.from, range.to);
    else this.remove(stream, { from: range.from, to: this.endOf(stream, range.to) });
  }

  /** As {@link pass}, while nothing is sent: long stretches are let go at once, so that the store need not keep them. */
  passUnsent(stream: Stream, range: SeqRange): void {
    this.remove(stream, range);
  }

  /** A session begins: what was passed is looked at again where it is still pending. */
  beginSession(): void {
    for (const stream of STREAMS) this.passed[stream].clear();
  }

  /** Takes what was delivered of a range as not delivered. Returns what has to be sent because of it. */
  again(stream: Stream, { from, to }: SeqRange): Ranges {
    const state = this.states[stream];
    const asked = { from: Math.max(1, from), to: Math.min(to, state.head) };
    const settled = state.pending.reduce(removeRange, rangesOf([asked]));
    const { ranges, refilled } = compact(addRange(state.pending, asked));
    state.pending = ranges;
    state.dirty = true;
    return [...settled, ...refilled].reduce(addRange, [] as Ranges);
  }

  /** Notes that the store has these no more; its ledger says why. */
  gone(stream: Stream, range: SeqRange): void {
    if (range.from >= range.to) return;
    this.remove(stream, range);
    this.log.warn(`${stream} ${range.from} to ${range.to - 1} are not in the store any more; its ledger says why`);
  }

  /** Enters a refusal in the store; until that is done the range stays pending. */
  quarantine(refusal: Refusal): void {
    if (this.refusals.length >= MAX_WAITING_REFUSALS) {
      this.log.warn(
        `too many refused ${refusal.stream} wait to be entered in the ledger; ${refusal.from} stays pending`,
      );
      return;
    }
    this.refusals.push(refusal);
    this.log.warn(`${refusal.stream} ${refusal.from} is refused for good and set aside: ${refusal.detail}`);
  }

  /**
   * Writes what changed to the store; joins a write that is under way. Never rejects: trouble is logged and tried again
   * with the next call.
   */
  settle(): Promise<void> {
    const isNews = this.refusals.length > 0 || this.states.readings.dirty || this.states.events.dirty;
    if (!isNews && !this.settling) return Promise.resolve();
    this.settling ??= this.write().finally(() => {
      this.settling = undefined;
    });
    return this.settling;
  }

  counts(): Counts {
    const { readings, events } = this.states;
    return {
      pendingRecords: countBelow(readings.pending, readings.head),
      pendingEvents: countBelow(events.pending, events.head),
      deliveredRecords: readings.delivered,
      deliveredEvents: events.delivered,
      quarantinedRecords: readings.quarantined,
    };
  }

  /** Where the numbers end that are not wanted and follow one that is done with. */
  private endOf(stream: Stream, to: number): number {
    const passed = this.passed[stream];
    let end = to;
    for (let next = passed.get(end); next !== undefined; next = passed.get(end)) {
      passed.delete(end);
      end = next;
    }
    return end;
  }

  private remove(stream: Stream, range: SeqRange): { count: number; refilled: Ranges } {
    const state = this.states[stream];
    const count = countBelow(state.pending, range.to) - countBelow(state.pending, range.from);
    const { ranges, refilled } = compact(removeRange(state.pending, range));
    state.pending = ranges;
    state.dirty = true;
    return { count, refilled };
  }

  private async enterRefusals(): Promise<void> {
    for (let refusal = this.refusals[0]; refusal; refusal = this.refusals[0]) {
      await this.store.quarantine(refusal);
      this.refusals.shift();
      this.states[refusal.stream].quarantined += refusal.count;
      this.remove(refusal.stream, { from: refusal.from, to: this.endOf(refusal.stream, refusal.to) });
    }
  }

  private async write(): Promise<void> {
    await this.enterRefusals().catch((error: unknown) => {
      this.log.warn(`what was refused could not be entered in the ledger: ${messageOf(error)}. Trying again.`);
    });
    try {
      for (const stream of STREAMS) {
        const state = this.states[stream];
        if (!state.dirty) continue;
        state.dirty = false;
        await this.store.settle(this.uplink, stream, state.pending).catch((error: unknown) => {
          state.dirty = true;
          throw error;
        });
      }
    } catch (error) {
      this.log.warn(`what was delivered could not be noted: ${messageOf(error)}. After a restart it is sent again.`);
    }
  }
}
