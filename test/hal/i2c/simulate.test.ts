import { describe, expect, it } from 'vitest';
import { CHIPS } from '../../../hal/i2c/chips/all.ts';
import { configured, simulated } from '../../double/configured.ts';

const devices = CHIPS.map(({ name, addresses }) => {
  const tags = name === 'registers' ? ', tags: {level: {address: "0x10", type: int16}, on: {address: "0x12.1"}}' : '';
  return `  ${name}-1: {channel: sensors, unit: ${addresses[0]}, chip: ${name}${tags}}\n`;
});

describe('every chip under --simulate', () => {
  it('gives a value of its type, within what the chip can say', async () => {
    const [channel] = configured(`channels:\n  sensors: {driver: i2c, bus: 1}\ndevices:\n${devices.join('')}`);
    const { driver, tags } = simulated(channel!);
    const { signal } = new AbortController();
    await driver.connect(signal);
    const results = await driver.read(tags, signal);
    const limits = channel!.devices.flatMap((device) => device.tags);
    for (const [index, result] of results.entries()) {
      const { tag, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits[index]!;
      const { type } = tag.address as { type: string };
      expect([tag.id, result.ok && typeof result.value]).toEqual([tag.id, type === 'bool' ? 'boolean' : 'number']);
      if (result.ok && typeof result.value === 'number') {
        expect(result.value).toBeGreaterThanOrEqual(min);
        expect(result.value).toBeLessThanOrEqual(max);
      }
    }
    expect(results.length).toBeGreaterThan(50);
  });
});
