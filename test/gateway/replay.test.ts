import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { noAlarms } from '../../src/core/system-alarm.ts';
import { createReplay } from '../../src/gateway/view.ts';
import type { StoreStatus } from '../../src/store/store.ts';
import { Forwarder } from '../../src/uplink/forwarder.ts';
import { createStoreDouble, createUplinkDouble, numbersOf } from '../double/forwarding.ts';

/** A gateway that delivered twenty records and has 6 to 20 of them still. */
async function delivered() {
  const clock = new SimulatedClock();
  const store = createStoreDouble(clock);
  const uplink = createUplinkDouble(clock, seededRandom(1));
  const deps = { clock, alarms: noAlarms, log: silentLogger, random: () => 0.5, backfillRate: 5000 };
  const forwarder = new Forwarder({ uplink, store, ...deps });
  store.commit(20, 0);
  const stop = new AbortController();
  const done = forwarder.run(stop.signal);
  await clock.advance(2000);
  const events: EventBody[] = [];
  const stored = { readings: [{ from: 6, to: 21 }], events: [] };
  const status = async () => ({ stored }) as unknown as StoreStatus;
  const replay = createReplay(
    { status },
    () => [forwarder],
    (body) => events.push(body),
  );
  const close = async () => {
    stop.abort();
    await clock.advance(5000);
    await done;
  };
  return { clock, uplink, events, replay, close };
}

describe('a replay on request', () => {
  it('sends what of the range is stored, says so, and leaves an audit event', async () => {
    const { clock, uplink, events, replay, close } = await delivered();
    const before = uplink.sends.length;
    const range = { stream: 'readings', from: 1, to: 9 } as const;
    expect(await replay('plant', range, 'j. doe')).toEqual({ count: 3, stored: [{ from: 6, to: 8 }] });
    await clock.advance(2000);
    expect(uplink.sends.slice(before).flatMap(({ batch }) => numbersOf(batch))).toEqual([6, 7, 8]);
    expect(events).toMatchObject([{ kind: 'audit', what: 'replay', uplink: 'plant', from: 1, to: 8, by: 'j. doe' }]);
    await close();
  });

  it('to an uplink that is not there is refused', async () => {
    const { replay, close } = await delivered();
    await expect(replay('mes', { stream: 'readings', from: 1, to: 9 }, 'j. doe')).rejects.toThrow('no uplink mes');
    await close();
  });
});
