import { describe, expect, it } from 'vitest';
import type { Config, TagConfig } from '../../src/config/config.ts';
import { type DeviceRecord, Fields } from '../../src/core/reading.ts';
import { LiveTable } from '../../src/gateway/live.ts';

const tag = (name: string) =>
  ({ tag: { id: `press-1/${name}`, device: 'press-1', name, address: undefined } }) as TagConfig;
const config = {
  derived: [],
  channels: [{ devices: [{ name: 'press-1', tags: [tag('a'), tag('b')] }] }],
} as unknown as Config;

function record(second: number, name = 'a'): DeviceRecord {
  const at = { wallMs: second * 1000, monoMs: second * 1000 };
  return {
    device: 'press-1',
    at,
    clockKnown: true,
    simulated: false,
    fields: Fields.of([{ name, quality: 'good', value: second }]),
  };
}

describe('the present', () => {
  it('has the last reading of each tag and none before the first', () => {
    const live = new LiveTable(config, 0);
    live.accept(record(1));
    live.accept(record(2));
    expect(live.tags()).toMatchObject([
      { last: { tag: 'press-1/a', quality: 'good', value: 2, wallMs: 2000 }, readings: 2 },
      { last: undefined, readings: 0 },
    ]);
    expect(live.counts('press-1')).toEqual({ good: 1, uncertain: 0, bad: 0 });
  });

  it('counts readings a second over the last minute, and forgets what is older', () => {
    const live = new LiveTable(config, 0);
    for (let second = 1; second <= 120; second++) {
      live.accept(record(second, 'a'));
      live.accept(record(second, 'b'));
    }
    expect(live.readingsPerSecond(121_000)).toBeCloseTo(2, 9);
    expect(live.readingsPerSecond(400_000)).toBe(0);
  });

  it('tells listeners until they leave', () => {
    const live = new LiveTable(config, 0);
    const heard: unknown[] = [];
    const leave = live.onReadings((readings) => heard.push(...readings.map(({ tag: id }) => id)));
    live.accept(record(1));
    leave();
    live.accept(record(2));
    expect(heard).toEqual(['press-1/a']);
  });
});
