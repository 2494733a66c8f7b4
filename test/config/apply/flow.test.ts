import { describe, expect, it } from 'vitest';
import { type DeviceStand, type Expected, flowOf, silent } from '../../../src/config/apply/flow.ts';

const SINCE_MS = 1_000_000;

/** How one device stands, so many ms after the change. */
function stateOf(awaited: Partial<Expected>, stand: Partial<DeviceStand>, afterMs: number) {
  const device = { device: 'press-1', channel: 'line-a' };
  const one = { ...device, required: true, by: 'reading' as const, deadlineMs: 30_000, silentMs: 30_000, ...awaited };
  const stands = [{ ...device, isGood: true, lastGoodMs: undefined, isConnected: true, ...stand }];
  const [flow] = flowOf([one], stands, SINCE_MS, SINCE_MS + afterMs);
  return [flow!.state, silent([flow!]).length > 0];
}

describe('an awaited device', () => {
  it.each([
    ['has given nothing yet', undefined, 10_000, 'waiting', true],
    ['gave its last good reading before the change', -1, 10_000, 'waiting', true],
    ['has given nothing in its time', undefined, 30_000, 'late', true],
    ['gave a good reading since', 1000, 31_000, 'flows', false],
    ['gave one, and then no other for as long', 1000, 31_001, 'late', true],
  ])('that %s', (_what, goodAfterMs, afterMs, state, isSilent) => {
    const lastGoodMs = goodAfterMs === undefined ? undefined : SINCE_MS + goodAfterMs;
    expect(stateOf({}, { lastGoodMs }, afterMs)).toEqual([state, isSilent]);
  });

  it('that is read once an hour is not silent between two readings', () => {
    const hourly = { deadlineMs: 600_000, silentMs: 3 * 3_600_000 };
    expect(stateOf(hourly, { lastGoodMs: SINCE_MS + 1000 }, 3_600_000)).toEqual(['flows', false]);
  });

  it('that reports by itself flows while its channel is connected, however long it says nothing', () => {
    expect(stateOf({ by: 'connection' }, {}, 3_600_000)).toEqual(['flows', false]);
    expect(stateOf({ by: 'connection' }, { isConnected: false }, 3_600_000)).toEqual(['late', true]);
  });

  it('that is not required is told of, and is in no way', () => {
    expect(stateOf({ required: false }, {}, 60_000)).toEqual(['late', false]);
  });
});
