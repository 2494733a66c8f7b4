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
  const beginning = watchBeginning({ channels: configured(FILE), uplinks: [] }, new SimulatedClock());
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
    const { begun, heard } = watchBeginning({ channels: configured(FILE), uplinks: [] }, clock);
    heard('oven');
    const startMs = clock.monoMs();
    const endedMs = begun.then(() => clock.monoMs() - startMs);
    await clock.advance(10_000);
    expect(await endedMs).toBe(2000);
  });

  it('at once where nothing is polled', async () => {
    await watchBeginning({ channels: [], uplinks: [] }, new SimulatedClock()).begun;
  });
});

describe('what was read first goes upstream before the rest is loaded', () => {
  const uplinks = [{ name: 'plant' }, { name: 'cloud' }];

  it('uplinks may load with the first record, while another device is silent', async () => {
    const { heardOf, heard } = watchBeginning({ channels: configured(FILE), uplinks }, new SimulatedClock());
    heard('press');
    await heardOf;
  });

  it('the rest waits for every uplink to have sent something, or failed', async () => {
    const { begun, heard, tried } = watchBeginning({ channels: configured(FILE), uplinks }, new SimulatedClock());
    const steps: string[] = [];
    const whole = begun.then(() => steps.push('begun'));
    tried('plant');
    for (const device of ['press', 'scales']) heard(device);
    await Promise.resolve();
    steps.push('cloud');
    tried('cloud');
    await whole;
    expect(steps).toEqual(['cloud', 'begun']);
  });

  it('but at most half a second longer than the lines take', async () => {
    const clock = new SimulatedClock();
    const { begun, heard } = watchBeginning({ channels: configured(FILE), uplinks }, clock);
    const startMs = clock.monoMs();
    const endedMs = begun.then(() => clock.monoMs() - startMs);
    await clock.advance(300);
    for (const device of ['press', 'scales']) heard(device);
    await clock.advance(10_000);
    expect(await endedMs).toBe(800);
  });
});
