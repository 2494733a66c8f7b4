import { expect, it, onTestFinished } from 'vitest';
import { PLACE } from './simulate.ts';
import { readAll } from './stored.ts';
import { World } from './world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const OUTAGE_MS = 30 * 24 * HOUR_MS;

it('thirty days without a broker: everything arrives, live records without delay', { timeout: 120_000 }, async () => {
  const world = new World({
    ...{ seed: 1, place: PLACE, uplinks: 1, maxBytes: 50_000_000, heldRecords: 10_000 },
    ...{ commitEveryMs: MINUTE_MS, everyMs: 30 * MINUTE_MS, backfillRate: 1 },
  });
  onTestFinished(() => world.dispose());
  const [broker] = world.brokers;
  const { witness } = world;
  const seen = witness.of('plant').readings;
  await world.start();
  await world.pass(HOUR_MS);
  broker!.trouble.isDown = true;
  broker!.cutLine();
  const before = witness.head('readings');
  await world.pass(OUTAGE_MS);
  const backlog = witness.head('readings') - before;
  expect(witness.head('readings') - seen.size).toBeGreaterThanOrEqual(backlog);

  broker!.trouble.isDown = false;
  const startedMs = world.nowMs();
  const last = witness.head('readings') - 1;
  const isDrained = () => Array.from({ length: last }, (_, index) => index + 1).every((seq) => seen.has(seq));
  while (!isDrained() && world.nowMs() - startedMs < 24 * HOUR_MS) await world.pass(10 * MINUTE_MS);
  const drainMs = world.nowMs() - startedMs;

  expect(isDrained()).toBe(true);
  // The uplink is asked for at most one record a second here; the rate of the plant is that of the outage.
  expect(OUTAGE_MS / drainMs).toBeGreaterThan(50);
  expect(witness.worstLiveMs).toBeLessThan(1000);
  await readAll(world.store, witness);
  expect(await world.store.ledger()).toEqual([]);
  expect(witness.violations).toEqual([]);
  await world.stop();
});
