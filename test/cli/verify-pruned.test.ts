/** `verify` of what is stored begins behind a checkpoint, and says which one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { QualityChain } from '../../src/trace/chain.ts';
import { openSigningKey } from '../../src/trace/signing.ts';
import type { Verdict } from '../../src/trace/verify-chain.ts';
import { recordOf } from '../contract/store.ts';
import { millgate } from '../double/command-line.ts';
import { deliver, Plant } from '../store/chained-plant.ts';
import { storeOptions, temporaryFolder } from '../store/stores.ts';

it('a store that was full: what is left is whole, and its export joins the checkpoint before it', async () => {
  const clock = new SimulatedClock(recordOf(0).at.wallMs, 'promises');
  const folder = temporaryFolder();
  const path = join(folder, 'store');
  const store = await openLocalStore(storeOptions(path, { maxBytes: 600_000, clock, replayMs: 1000 }));
  await store.keepUplinks(['plant']);
  for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
  const plant = new Plant(store, new QualityChain(undefined, openSigningKey(path)), seededRandom(3), 0);
  for (let second = 0; second <= 90; second++)
    await deliver(store, 'plant', (await plant.commit({ signs: second % 15 === 0 })).to);
  await store.close();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    `store: {path: ${path}}\nchannels: {plant: {driver: mock}}\ndevices: {press-1: {channel: plant, tags: {on: {address: constant(value=true), type: bool}}}}\n`,
  );
  const exported = join(folder, 'quality.jsonl');
  const first = millgate(['verify', '--since', '40000d', '--config', file, '--export', exported, '--json'], { clock });
  expect([await first.exitCode, first.err()]).toEqual([EXIT.ok, '']);
  const verdict = JSON.parse(first.out()) as Extract<Verdict, { ok: true }>;
  expect(verdict.behind!.records).toBeGreaterThan(0);
  expect(verdict).toMatchObject({ from: verdict.behind!.records, to: 90 });
  const again = millgate(['verify', exported], { clock });
  expect(await again.exitCode).toBe(EXIT.ok);
  expect(again.out()).toContain(`begin behind the checkpoint of ${verdict.behind!.records} records`);
});
