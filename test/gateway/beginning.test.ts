import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { watchBeginning } from '../../src/gateway/beginning.ts';
import { configured } from '../double/configured.ts';

/** Two lines, one of them with two devices. */
const FILE = `channels:
  a: {driver: mock, seed: 1}
  b: {driver: mock, seed: 2}
devices:
  oven: {channel: a, tags: {temp: {address: "sine(min=0,max=1,period=60s)"}}}
  press: {channel: a, tags: {force: {address: "sine(min=0,max=1,period=60s)"}}}
  scales: {channel: b, tags: {weight: {address: "sine(min=0,max=1,period=60s)"}}}
`;

/** What is heard, one after another, and whether polling counts as begun after each. */
async function begunAfter(...heard: readonly string[]): Promise<boolean[]> {
  const beginning = watchBeginning({ channels: configured(FILE) }, new SimulatedClock());
  let begun = false;
  void beginning.begun.then(() => {
    begun = true;
  });
  const seen: boolean[] = [];
  for (const device of heard) {
    beginning.heard(device);
    await Promise.resolve();
    seen.push(begun);
  }
  return seen;
}

describe('polling has begun', () => {
  it('once each line brought something from one of its devices', async () => {
    expect(await begunAfter('press', 'oven', 'scales', 'press')).toEqual([false, false, true, true]);
  });

  it('two seconds after the start, although a device is silent', async () => {
    const clock = new SimulatedClock();
    const { begun, heard } = watchBeginning({ channels: configured(FILE) }, clock);
    heard('oven');
    const startMs = clock.monoMs();
    const endedMs = begun.then(() => clock.monoMs() - startMs);
    await clock.advance(10_000);
    expect(await endedMs).toBe(2000);
  });

  it('at once where nothing is polled', async () => {
    await watchBeginning({ channels: [] }, new SimulatedClock()).begun;
  });
});
