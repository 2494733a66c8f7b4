import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { eventsPage } from '../../src/gateway/rules.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, eventOf } from '../contract/store.ts';
import { storeOptions, temporaryFolder } from '../store/stores.ts';

describe('a page of the journal', () => {
  it('has as many events as are asked for, in however many commits they lie', async () => {
    const store = await openLocalStore({ ...storeOptions(temporaryFolder()), clock: new SimulatedClock() });
    for (let event = 1; event <= 100; event++) await store.commit(batchOf([], { events: [eventOf(`event ${event}`)] }));
    const ask = (afterSeq: number, limit: number) =>
      eventsPage(store, { gateway: 'g', config: 'c' }, { afterSeq, fromMs: undefined, limit });
    const first = await ask(0, 80);
    expect(first.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 80 }, (_, place) => place + 1));
    expect(first.next).toBe(80);
    const rest = await ask(first.next!, 80);
    expect(rest.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, place) => place + 81));
    expect(rest.next).toBeUndefined();
    await store.close();
  });
});
