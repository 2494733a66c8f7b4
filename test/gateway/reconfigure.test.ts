import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Driver, WriteResult } from '../../hal/driver.ts';
import type { DriverDeps, DriverType } from '../../hal/driver-type.ts';
import type { ChannelConfig, Config, TagConfig, UplinkConfig } from '../../src/config/config.ts';
import { instantOf } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Value } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { type RunningGateway, startGateway } from '../../src/gateway/gateway.ts';
import { type Store, StoreTrouble } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { alarm } from '../rules/alarm/harness.ts';

/** A whole gateway in this process, on a clock that moves when told to, with a line that the test can see into. */

/** What happened on the lines, in order. */
let calls: string[];
let clock: SimulatedClock;
let store: Store;
let gateway: RunningGateway;
let folder: string;
let isStoreSilent: boolean;
let oil: number;
/** What closing a line waits for. */
let letsGo: Promise<void>;
/** What an attempt to connect upstream waits for. */
let hangsUp: Promise<void>;

const line: DriverType = {
  type: 'line',
  simulated: false,
  estimate: () => ({ requests: [] }),
  create: (options: unknown, deps: DriverDeps): Driver => {
    const { name } = options as { name: string };
    let learned = (deps.learned as { scans: number } | undefined)?.scans ?? 0;
    const driver = {
      concurrency: 1,
      connect: async () => void calls.push(`${name} opened, ${learned} scans known`),
      plan: (tags: readonly never[]) => [tags],
      read: async (tags: readonly { name: string }[]) => {
        learned++;
        const at = instantOf(clock);
        return tags.map(() => ({ at, ok: true as const, value: oil as Value }));
      },
      write: async (tag: { id: string }, value: Value): Promise<WriteResult> => {
        calls.push(`${tag.id} set to ${value}`);
        return { ok: true, readBack: value };
      },
      learned: () => ({ scans: learned }),
      async close() {
        await letsGo;
        calls.push(`${name} closed`);
      },
    };
    return driver as unknown as Driver;
  },
} as unknown as DriverType;

function tag(device: string, name: string, writable = false): TagConfig {
  return {
    tag: { id: `${device}/${name}`, device, name, address: name },
    everyMs: writable ? 3_600_000 : 1000,
    ...{ scale: 1, offset: 0, unit: undefined, deadband: undefined, heartbeatMs: undefined, min: undefined },
    ...{ max: undefined, counter: false, description: undefined },
    writable: writable ? { min: undefined, max: undefined, perMinute: undefined } : undefined,
  };
}

function channel(name: string, tags: readonly TagConfig[]): ChannelConfig {
  return { name, driver: line, options: { name }, devices: [{ name: `${name}-1`, profile: undefined, tags }] };
}

const HOT = alarm({ id: 'hot', tag: 'a-1/oil', set: { tag: 'b-1/lamp', to: true, back: false } });

function config(hash: string, over: Partial<Config> = {}): Config {
  return {
    ...{ file: '/etc/millgate/millgate.yaml', hash, gateway: { id: 'bench', location: undefined, timezone: 'UTC' } },
    channels: [channel('a', [tag('a-1', 'oil')]), channel('b', [tag('b-1', 'level'), tag('b-1', 'lamp', true)])],
    ...{
      derived: [],
      alarms: [HOT],
      spc: [],
      production: [],
      maintenance: [],
      parts: [],
      inventory: [],
      uplinks: [],
      api: { listen: undefined, tls: undefined, hosts: [] },
      commands: { enabled: true },
    },
    store: { path: folder, maxBytes: 1e8, commitEveryMs: 1000, replayMs: 3_600_000 },
    ...over,
  };
}

beforeEach(async () => {
  calls = [];
  oil = 60;
  isStoreSilent = false;
  letsGo = Promise.resolve();
  hangsUp = Promise.resolve();
  folder = mkdtempSync(join(tmpdir(), 'millgate-test-'));
  clock = new SimulatedClock();
  const log = silentLogger;
  store = await openLocalStore({ path: folder, maxBytes: 1e8, clock, log });
  const broken: Store = {
    ...store,
    commit: (batch) => (isStoreSilent ? Promise.reject(new StoreTrouble('the disk is gone')) : store.commit(batch)),
    states: () => (isStoreSilent ? new Promise(() => {}) : store.states()),
  };
  gateway = await startGateway({
    ...{ config: config('1'), simulate: false, version: '0', clock, log, random: seededRandom(1), environment: {} },
    openStore: async () => broken,
    createUplink: ({ name }) => ({
      ...{ name, limits: { records: 500, fields: 5000 } },
      async connect() {
        await hangsUp;
        throw new Error('nobody answers');
      },
    }),
  });
  // An output that could not be set before its line was open is tried again after five seconds.
  await clock.advance(6500);
});

afterEach(async () => {
  const closing = gateway.close();
  await clock.advance(30_000);
  await closing;
  rmSync(folder, { recursive: true, force: true });
});

/** Waits for work while time passes. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  done.catch(() => {});
  for (let waited = 0; !isDone && waited < 600; waited++) await clock.advance(100);
  return done;
}

const readings = (id: string) => gateway.view.tags().find(({ tag: name }) => name === id)?.readings;

describe('a gateway that is reconfigured', () => {
  it('starts anew only the channel that differs, with what its driver had learned', async () => {
    calls.length = 0;
    const before = readings('a-1/oil')!;
    const channels = [config('1').channels[0]!, channel('b', [tag('b-1', 'level'), tag('b-1', 'more')])];
    await passing(gateway.reconfigure(config('2', { channels, alarms: [] })));
    await clock.advance(3000);
    expect(calls).toEqual(['b closed', 'b opened, 7 scans known']);
    expect(readings('a-1/oil')).toBeGreaterThan(before + 2);
    expect((await gateway.view.status()).config.hash).toBe('2');
  });

  it('shows an alarm that stands on an output whose channel was started anew', async () => {
    oil = 90;
    await clock.advance(2000);
    expect(calls).toContain('b-1/lamp set to true');
    calls.length = 0;
    const channels = [config('1').channels[0]!, channel('b', [tag('b-1', 'more'), tag('b-1', 'lamp', true)])];
    await passing(gateway.reconfigure(config('2', { channels })));
    await clock.advance(6000);
    expect(calls).toEqual(['b closed', expect.stringMatching(/^b opened/), 'b-1/lamp set to true']);
    expect(gateway.view.alarms().alarms.find(({ id }) => id === 'hot')).toMatchObject({
      state: 'unacked',
      occurrence: 1,
    });
  });

  it('lets go of the output of an alarm that is gone', async () => {
    oil = 90;
    await clock.advance(2000);
    await passing(gateway.reconfigure(config('2', { alarms: [] })));
    await clock.advance(1000);
    expect(calls.at(-1)).toBe('b-1/lamp set to false');
  });

  it('stays as it is when the store does not answer: nothing was stopped', async () => {
    calls.length = 0;
    isStoreSilent = true;
    const before = readings('b-1/level')!;
    const change = passing(gateway.reconfigure(config('2', { channels: [config('1').channels[0]!], alarms: [] })));
    await expect(change).rejects.toThrow(/the store does not answer .* See millgate status/);
    isStoreSilent = false;
    expect(calls).toEqual([]);
    expect([gateway.config().hash, readings('b-1/level')! > before]).toEqual(['1', true]);
  });

  it('comes back to what it was without the store, should the disk be gone meanwhile', async () => {
    oil = 90;
    await clock.advance(1000);
    await passing(gateway.reconfigure(config('2', { alarms: [] })));
    isStoreSilent = true;
    await passing(gateway.reconfigure(config('1')));
    expect(gateway.config().hash).toBe('1');
    expect(gateway.view.alarms().alarms.find(({ id }) => id === 'hot')).toMatchObject({
      state: 'unacked',
      occurrence: 1,
    });
    isStoreSilent = false;
  });

  it('keeps the place of an uplink that a configuration on trial has not, until it is settled', async () => {
    const plant = { name: 'plant', backfillRate: 500, except: [] } as Partial<UplinkConfig> as UplinkConfig;
    await passing(gateway.reconfigure(config('2', { uplinks: [plant] })));
    await passing(gateway.settle());
    await clock.advance(5000);
    await passing(gateway.reconfigure(config('3')));
    expect(Object.keys((await store.status()).pending)).toEqual(['plant']);
    await passing(gateway.settle());
    expect(Object.keys((await store.status()).pending)).toEqual([]);
  });

  it('numbers every record of untouched channels without a gap', async () => {
    for (let round = 0; round < 5; round++) {
      const channels = [
        config('1').channels[0]!,
        channel('b', [tag('b-1', `level-${round}`), tag('b-1', 'lamp', true)]),
      ];
      await passing(gateway.reconfigure(config(`next-${round}`, { channels })));
      await clock.advance(1000);
    }
    await clock.advance(2000);
    const { points } = await store.history({ tag: 'a-1/oil', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 1000 });
    const first = points[0]!.wallMs;
    expect(points.map(({ wallMs }) => wallMs - first)).toEqual(points.map((_, index) => index * 1000));
    expect((await store.status()).ledger).toEqual([]);
  });

  it('ends the process when a line does not let go: it stands still, and nobody would know', async () => {
    let letGo = () => {};
    letsGo = new Promise((resolve) => {
      letGo = resolve;
    });
    const failed = expect(gateway.failed).rejects.toThrow('a channel does not let go of its line (waited 10 s)');
    const channels = [config('1').channels[0]!, channel('b', [tag('b-1', 'level')])];
    await expect(passing(gateway.reconfigure(config('2', { channels, alarms: [] })))).rejects.toThrow('let go');
    await clock.advance(100);
    letGo();
    await failed;
  });

  it('ends the process when an uplink does not end: else nothing could be rolled back any more', async () => {
    const [plant, spare] = ['plant', 'spare'].map(
      (name) => ({ name, backfillRate: 500, except: [] }) as Partial<UplinkConfig> as UplinkConfig,
    );
    await passing(gateway.reconfigure(config('2', { uplinks: [plant!] })));
    const failed = expect(gateway.failed).rejects.toThrow('an uplink does not end (waited 20 s)');
    let letGo = () => {};
    hangsUp = new Promise((resolve) => {
      letGo = resolve;
    });
    await clock.advance(120_000);
    await expect(passing(gateway.reconfigure(config('3', { uplinks: [spare!] })))).rejects.toThrow('does not end');
    await failed;
    letGo();
  });
});
