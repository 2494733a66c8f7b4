import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import type { Store } from '../../src/store/store.ts';
import { openStore } from '../../src/store/thread/open.ts';

const FILE = `
channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, every: 1s, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}}
`;

const FROZEN = new URL('../double/freezing-worker.mjs', import.meta.url);

/** Waits for what happens in another thread while no time passes on the clock of this one. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue() && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
}

it('a disk that stands still: status answers from memory, and says since when, what is held and for how long', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-standstill-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const loaded = loadConfig({
    file: 'standstill.yaml',
    drivers: DRIVERS,
    hostname: 'gate-1',
    timezone: 'UTC',
    files: { read: () => Buffer.from(FILE), list: () => [], exists: () => true },
    profiles: '/nowhere',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const clock = new SimulatedClock();
  let store: Store | undefined;
  const gateway = await startGateway({
    config: loaded.config,
    simulate: false,
    version: '0.0.0',
    clock,
    log: silentLogger,
    random: seededRandom(1),
    environment: {},
    async openStore() {
      store = await openStore({ path, maxBytes: 50e6, clock, log: silentLogger, workerUrl: FROZEN });
      return store;
    },
  });
  await clock.advance(3000);
  expect((await gateway.view.status()).store).toMatchObject({ trouble: undefined, held: { standstill: undefined } });
  store!.seek(-1).catch(() => {});
  const frozenMs = clock.wallMs();
  await clock.advance(125_000);

  let told: Awaited<ReturnType<typeof gateway.view.status>> | undefined;
  void gateway.view.status().then((status) => {
    told = status;
  });
  await clock.advance(300);
  await until(() => told !== undefined);
  const { trouble, held } = told!.store;
  expect(trouble).toMatch(/disk has not answered for 2m/);
  expect(held.records).toBeGreaterThan(110);
  expect(held.standstill!.sinceMs - frozenMs).toBeLessThan(3000);
  expect(held.standstill!.lastsMs).toBeGreaterThan(3_600_000);
  const query = { tag: 'oven/temp', fromMs: 0, toMs: clock.wallMs(), limit: 10 };
  await expect(gateway.view.history(query)).rejects.toMatchObject({ code: 69 });

  const closing = gateway.close().catch((error: unknown) => error);
  await clock.advance(20_000);
  expect(await closing).toMatchObject({ code: 69 });
});
