import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serveTwin } from '../../../hal/mock/server.ts';
import { createTwin, type TwinTag } from '../../../hal/mock/twin.ts';
import type { ModbusAddress } from '../../../hal/modbus/map/address.ts';
import { loopbackModbus } from '../../../hal/modbus/type.ts';
import { DRIVERS } from '../../../hal/registry.ts';
import type { TagConfig } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Value } from '../../../src/core/reading.ts';
import { outcomeOf } from '../../../src/poll/outcome.ts';
import { memoryFiles } from '../../config/double/files.ts';

const { signal } = new AbortController();
const FOLDER = join(import.meta.dirname, '../../../config/profiles');
const PROFILES = readdirSync(FOLDER).flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -5)] : []));

/** The power of ten that every scale factor register of a twin holds. */
const EXPONENT = -1;

/** The tags of a device with this profile, as the loader of the configuration gives them. */
function tagsOf(profile: string): readonly TagConfig[] {
  const file = '/bench/millgate.yaml';
  const shipped = join(FOLDER, `${profile}.yaml`);
  const files = memoryFiles({
    [file]: `
channels: {line: {driver: modbus-tcp, host: 127.0.0.1}}
devices: {meter: {channel: line, unit: 7, profile: ${profile}}}
`,
    [shipped]: readFileSync(shipped),
  });
  const loaded = loadConfig({ file, drivers: DRIVERS, hostname: 'bench', files, profiles: FOLDER });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  return loaded.config.channels[0]!.devices[0]!.tags;
}

/** Scans within which the gaps of a map are known. */
const MOST_SCANS = 3;

interface Held {
  readonly config: TagConfig;
  readonly address: ModbusAddress;
  /** What the registers of the twin say. */
  readonly raw: Value;
  /** What must be published for that. */
  readonly published: Value;
}

/** Every tag with a value of its own, somewhere inside its range, and what becomes of it. */
function held(tags: readonly TagConfig[]): Held[] {
  const addresses = tags.map(({ tag }) => tag.address as ModbusAddress);
  const isFactor = ({ start }: ModbusAddress) => addresses.some(({ scaleAt }) => scaleAt === start);
  return tags.map((config, index) => {
    const address = addresses[index]!;
    const { type, scaleAt } = address;
    if (type === 'bool') return { config, address, raw: index % 2 === 0, published: index % 2 === 0 };
    if (type === 'string') return { config, address, raw: `text ${index}`, published: `text ${index}` };
    if (isFactor(address)) return { config, address, raw: EXPONENT, published: EXPONENT };
    const { min = 0, max = 1000, scale, offset } = config;
    const exponent = scaleAt === undefined ? 0 : EXPONENT;
    const wished = min + ((max - min) * (index + 1)) / (tags.length + 2);
    const limit = { int16: 32_000, uint16: 65_000 }[type as string] ?? 2_000_000_000;
    const unbounded = (wished - offset) / scale / 10 ** exponent;
    const near = Math.max(-limit, Math.min(limit, unbounded));
    const raw = type === 'float32' ? Math.fround(near) : type === 'float64' ? near : Math.round(near);
    return { config, address, raw, published: raw * 10 ** exponent * scale + offset };
  });
}

async function readTwin(profile: string, framing: 'tcp' | 'rtu', fillGaps: boolean): Promise<void> {
  const all = held(tagsOf(profile));
  const twinTags = all.map(({ address, raw }): TwinTag => ({ address, valueAt: () => raw }));
  const twin = createTwin(twinTags, { fillGaps });
  const server = await serveTwin({ twin, framing, port: 0, clock: systemClock, seed: 1, faults: [] });
  const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
  const driver = loopbackModbus(server.port, framing, deps);
  try {
    await driver.connect(signal);
    const tags = all.map(({ config }) => config.tag);
    let results = await driver.read(tags, signal);
    // A map with many gaps takes more than one scan to learn: each spends a bounded number of requests on it.
    for (let scan = 1; scan < MOST_SCANS && results.some(({ ok }) => !ok); scan++)
      results = await driver.read(tags, signal);
    all.forEach(({ config, published }, index) => {
      const outcome = outcomeOf(config, results[index]!);
      expect(outcome, config.tag.id).toMatchObject({ quality: 'good' });
      if (outcome.quality !== 'good') return;
      // Of a float32 its fewest digits are published, which keep seven of them for certain.
      if (typeof published === 'number')
        expect(Math.abs(Number(outcome.value) - published), config.tag.id).toBeLessThanOrEqual(
          Math.max(5e-4, 1e-7 * Math.abs(published)),
        );
      else expect(outcome.value, config.tag.id).toBe(published);
    });
  } finally {
    await driver.close();
    await server.close();
  }
}

describe.each(PROFILES)('%s, read from its twin by the real driver', (profile) => {
  it('over Modbus TCP', () => readTwin(profile, 'tcp', true));
  it('as RTU frames, from a device that has nothing between its registers', () => readTwin(profile, 'rtu', false));
});
