import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { instantOf } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';

const FILE = `
channels:
  plant: {driver: mock, seed: 1}
devices:
  oven: {channel: plant, every: 1s, tags: {temp: {address: "constant(value=42)"}}}
`;

const clock = new SimulatedClock();

function storeIn(path: string) {
  return openLocalStore({ path, maxBytes: 50e6, clock, log: silentLogger });
}

/** One run of a gateway that stops in order: what it says when it starts. */
async function run(path: string): Promise<string> {
  const files = { read: () => Buffer.from(FILE), list: () => [], exists: () => true };
  const host = { drivers: DRIVERS, hostname: 'gate-1', timezone: 'UTC' };
  const loaded = loadConfig({ file: 'millgate.yaml', files, profiles: '/nowhere', ...host });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const gateway = await startGateway({
    ...{ config: loaded.config, simulate: false, version: '0.0.0', clock, log: silentLogger },
    ...{ random: seededRandom(1), environment: {}, openStore: () => storeIn(path) },
  });
  await clock.advance(3000);
  const { events } = await gateway.view.events({ fromMs: 0, afterSeq: undefined, limit: 100 });
  const closing = gateway.close();
  await clock.advance(10_000);
  await closing;
  return String(events.findLast(({ what }) => what === 'started')?.message);
}

it('a start says that the last run ended without stopping, and from when its last reading is', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-last-run-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  expect(await run(path)).toBe('millgate 0.0.0 started');
  expect(await run(path)).toBe('millgate 0.0.0 started');
  const store = await storeIn(path);
  const body = { kind: 'quality', what: 'offline', message: 'oven: no answer' } as const;
  await store.commit({ records: [], states: new Map(), events: [{ ...instantOf(clock), clockKnown: true, body }] });
  await store.close();
  expect(await run(path)).toMatch(
    /^millgate 0\.0\.0 started; the last run ended without stopping \(.*\); its last reading is of 20\d\d-.*Z$/,
  );
  expect(await run(path)).toBe('millgate 0.0.0 started');
});

it('what was written directly after the end of a run makes it no run that was killed', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-last-run-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  await run(path);
  const store = await storeIn(path);
  const body = { kind: 'audit', what: 'write', message: 'oven/temp set to 50 by anna', direct: true } as const;
  await store.commit({ records: [], states: new Map(), events: [{ ...instantOf(clock), clockKnown: true, body }] });
  await store.close();
  expect(await run(path)).toBe('millgate 0.0.0 started');
});
