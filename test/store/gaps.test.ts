/** Which ledger entries become gap events. */
import { describe, expect, it } from 'vitest';
import { createAlarms, type GatewayEvent } from '../../src/core/event.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { createGapTeller, GAPS_TOLD } from '../../src/store/gaps.ts';
import { type Store, StoreTrouble } from '../../src/store/store.ts';
import { batchOf, eventOf, recordOf } from '../contract/store.ts';
import { localStore } from './stores.ts';

/** A store, and a teller whose events are committed at once; `batches` counts the commits that it made. */
async function telling() {
  const { store } = await localStore();
  let waiting = new Map<string, string | null>();
  const batches: (readonly GatewayEvent[])[] = [];
  const committer = {
    setState: (key: string, text: string | null) => void waiting.set(key, text),
    acceptEvents: (events: readonly GatewayEvent[]) => {
      batches.push(events);
    },
  };
  const teller = createGapTeller(store, committer, new SimulatedClock(0, 'promises'), undefined);
  const tell = async () => {
    const before = batches.length;
    await teller.tell();
    const states = waiting;
    waiting = new Map();
    if (states.size > 0) await store.commit(batchOf([], { events: batches.slice(before).flat(), states }));
    return batches.length - before;
  };
  return { store, tell, batches };
}

/** What an uplink does that refuses every event it has not been given yet. */
async function refuseEvents(store: Store, from: number): Promise<number> {
  const { next } = await store.status();
  for (let seq = from; seq < next.events; seq++)
    await store.quarantine({ stream: 'events', from: seq, to: seq + 1, count: 1, uplink: 'plant', detail: 'refused' });
  return next.events;
}

describe('gap events', () => {
  it('beget no gap events where an uplink refuses every event', async () => {
    const { store, tell, batches } = await telling();
    await store.commit(batchOf([recordOf(0)], { events: [eventOf('one'), eventOf('two')] }));
    let refusedTo = 1;
    for (let look = 0; look < 10; look++) {
      refusedTo = await refuseEvents(store, refusedTo);
      await tell();
    }
    // One commit for both entries of the two events, and nothing about the refusal of what told of them.
    expect(batches.map((batch) => batch.length)).toEqual([2]);
    expect((await store.status()).next.events).toBe(5);
    expect((await store.states()).get(GAPS_TOLD)).toBe('4');
    await store.close();
  });

  it('wait while the disk is in trouble, and are told afterwards', async () => {
    let isDown = true;
    const entry = { id: 1, stream: 'readings', from: 1, to: 2, count: 1, cause: 'evicted', enteredWallMs: 0 } as const;
    const told: (readonly GatewayEvent[])[] = [];
    const teller = createGapTeller(
      {
        ledger: async (since = 0) => {
          if (isDown) throw new StoreTrouble('the disk refused');
          return since < 1 ? [entry] : [];
        },
        peekEvents: async (from) => ({ from, events: [], next: from }),
      },
      { setState: () => {}, acceptEvents: (events) => void told.push(events) },
      new SimulatedClock(0, 'promises'),
      undefined,
    );
    await teller.tell();
    expect(told).toEqual([]);
    isDown = false;
    await teller.tell();
    await teller.tell();
    expect(told.map((batch) => batch.length)).toEqual([1]);
  });

  it('are none for quality records that left too early: that is an alarm, over an hour after the last', async () => {
    const base = { stream: 'events', count: 3, enteredWallMs: 0, cause: 'unsealed' } as const;
    const entries = [{ ...base, id: 1, from: 4, to: 7 }];
    const clock = new SimulatedClock(0, 'promises');
    const told: string[] = [];
    const alarms = createAlarms(({ kind, ...rest }) => void told.push([kind, rest.id, rest.change, rest.count].join()));
    const teller = createGapTeller(
      {
        ledger: async (since = 0) => entries.filter(({ id }) => id > since),
        peekEvents: async (from) => ({ from, events: [], next: from }),
      },
      { setState: () => {}, acceptEvents: () => void told.push('gap') },
      ...([clock, undefined, alarms] as const),
    );
    await teller.tell();
    await clock.advance(3_500_000);
    await teller.tell();
    expect(told).toEqual(['lifecycle,store/quality-chain,raised,3']);
    await clock.advance(200_000);
    await teller.tell();
    expect(told.slice(1)).toEqual(['lifecycle,store/quality-chain,cleared,3']);
  });
});
