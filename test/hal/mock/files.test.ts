import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseSignal } from '../../../hal/mock/parse.ts';
import { PRESS_REGISTERS } from '../../../hal/mock/plant.ts';
import { mockChannel, mockTag } from './bench.ts';

const CONFIG = join(import.meta.dirname, '../../../config');
const FILES = ['demo.yaml', ...readdirSync(join(CONFIG, 'examples')).map((file) => join('examples', file))];

type Tags = Record<string, Record<string, unknown>>;
interface Written {
  channels: Record<string, Record<string, unknown>>;
  devices: Record<string, { channel: string; unit?: number; faults?: unknown; tags: Tags }>;
}

const read = (file: string): Written => parse(readFileSync(join(CONFIG, file), 'utf8'));

describe.each(FILES)('%s', (file) => {
  it('has a channel for every device', () => {
    const { channels, devices } = read(file);
    for (const { channel } of Object.values(devices)) expect(Object.keys(channels)).toContain(channel);
  });

  it('has mock channels, signals and faults that the mock driver takes', () => {
    const { channels, devices } = read(file);
    const checked: string[] = [];
    for (const [name, { driver, ...options }] of Object.entries(channels))
      if (driver === 'mock') checked.push(name, String(mockChannel(options).seed));
    for (const [device, { channel, faults, tags }] of Object.entries(devices)) {
      if (channels[channel]!.driver !== 'mock') continue;
      for (const [name, { address, type, faults: own }] of Object.entries(tags)) {
        // Computed tags (`expr`) have no address.
        if (address === undefined) continue;
        const tag = mockTag(`${device}/${name}`, { address, type, faults: own }, { faults });
        checked.push(tag.id);
      }
    }
    const hasMock = Object.values(channels).some(({ driver }) => driver === 'mock');
    expect(checked.length > 0).toBe(hasMock);
  });
});

describe('the demonstration', () => {
  it('names every register of the presses as the plant has it', () => {
    const { devices } = read('demo.yaml');
    for (const press of ['press-1', 'press-2']) {
      const { tags } = devices[press]!;
      const written = Object.entries(tags).map(([tag, { address, type, order }]) => [tag, address, type, order]);
      const served = PRESS_REGISTERS.map(({ tag, table, start, bit, type }) => [
        tag,
        `${table}:${start}${bit === undefined ? '' : `.${bit}`}`,
        type,
        type === 'float32' ? 'CDAB' : undefined,
      ]);
      expect(written.sort()).toEqual(served.sort());
    }
  });
});

describe('the manual of the signals', () => {
  it('shows only signals that can be read', () => {
    const manual = readFileSync(join(import.meta.dirname, '../../../hal/mock/README.md'), 'utf8');
    const shown = [...manual.matchAll(/`([a-z]+\([^`]*=[^`]*\))`/g)].map((match) => match[1]!);
    expect(shown.length).toBeGreaterThan(10);
    for (const signal of shown) expect(parseSignal(signal), signal).toMatchObject({ ok: true });
  });
});
