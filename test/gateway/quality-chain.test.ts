import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { millgate } from '../double/command-line.ts';

const clock = new SimulatedClock(Date.UTC(2026, 0, 5, 6));

function fileIn(path: string): string {
  return `
channels:
  plant: {driver: mock, seed: 1}
devices:
  press-1: {channel: plant, every: 1s, tags: {running: {address: "constant(value=true)", type: bool}}}
maintenance:
  oil: {runtime: press-1/running, every: 2000h}
store: {path: ${path}/store}
`;
}

/** One run that counts for some seconds, and in which the oil was changed. */
async function run(path: string, seconds: number) {
  const files = { read: () => Buffer.from(fileIn(path)), list: () => [], exists: () => true };
  const host = { drivers: DRIVERS, hostname: 'gate-1', timezone: 'UTC' };
  const loaded = loadConfig({ file: 'millgate.yaml', files, profiles: '/nowhere', ...host });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const store = join(path, 'store');
  const gateway = await startGateway({
    config: loaded.config,
    simulate: false,
    version: '0.0.0',
    clock,
    log: silentLogger,
    random: seededRandom(1),
    environment: {},
    keyFolder: store,
    openStore: () => openLocalStore({ path: store, maxBytes: 50e6, clock, log: silentLogger }),
  });
  await clock.advance(seconds * 1000);
  const [report] = gateway.view.maintenance();
  const done = gateway.view.maintenanceDone('oil', { by: 'ann' });
  await clock.advance(1000);
  await done;
  const events = await gateway.view.events({ fromMs: 0, afterSeq: undefined, limit: 100 });
  const closing = gateway.close();
  await clock.advance(10_000);
  await closing;
  return { report, events: events.events };
}

it('the chain goes on over restarts, is signed at the end, and can be exported and checked', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-chain-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const first = await run(path, 30);
  expect(first.report).toMatchObject({ id: 'oil', state: 'ok' });
  expect(first.report!.used).toBeGreaterThan(20_000);
  expect(first.events.filter(({ kind }) => kind === 'maintenance')).toMatchObject([{ change: 'done', by: 'ann' }]);
  const second = await run(path, 5);
  const links = second.events.flatMap(({ chain }) => (chain ? [(chain as { seq: number }).seq] : []));
  expect(links).toEqual([0, 1]);

  writeFileSync(join(path, 'millgate.yaml'), fileIn(path));
  const exported = join(path, 'quality.jsonl');
  const args = ['--since', '1d', '--config', join(path, 'millgate.yaml'), '--export', exported, '--json'];
  const stored = millgate(['verify', ...args], { clock });
  expect([await stored.exitCode, stored.err()]).toEqual([EXIT.ok, '']);
  expect(JSON.parse(stored.out())).toMatchObject({ ok: true, records: 2, from: 0, to: 1 });
  const file = millgate(['verify', exported, '--key', join(path, 'store', 'quality-key.pub')], { clock });
  expect([await file.exitCode, file.out().split(';')[0]]).toEqual([
    EXIT.ok,
    '2 records (0 to 1) are as they were written',
  ]);

  writeFileSync(exported, readFileSync(exported, 'utf8').replace('"by":"ann"', '"by":"eve"'));
  const changed = millgate(['verify', exported, '--json'], { clock });
  expect([await changed.exitCode, JSON.parse(changed.out())]).toMatchObject([EXIT.failed, { ok: false, record: 0 }]);
  for (const wrong of [[], [exported, '--since', '1d'], [exported, '--export', 'x'], [exported, '--key', exported]])
    expect(await millgate(['verify', ...wrong], { clock }).exitCode).toBe(EXIT.usage);
});
