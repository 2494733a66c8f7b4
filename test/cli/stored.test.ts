/** What is stored can be read while no gateway runs; a gateway that hangs is not taken for a stopped one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { lockFolder } from '../../src/store/format/lock.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, recordOf } from '../contract/store.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

/** The folder of a stopped gateway that took a value in each of 120 seconds and an event of an operator at the end. */
async function stopped() {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const path = join(folder, 'store');
  const tag = '{address: "constant(value=1)", unit: °C}';
  writeFileSync(
    file,
    `gateway: {timezone: UTC}\nchannels: {sim: {driver: mock}}\ndevices: {press-1: {channel: sim, tags: {oil-temp: ${tag}}}}\nstore: {path: ${path}}\n`,
  );
  const at = recordOf(119).at;
  const clock = new SimulatedClock(at.wallMs);
  const store = await openLocalStore({ path, maxBytes: 1e9, clock, log: silentLogger });
  const body = { kind: 'audit', what: 'write', message: 'ann wrote 75' } as const;
  const records = Array.from({ length: 120 }, (_, second) => recordOf(second));
  await store.commit(batchOf(records, { events: [{ ...at, clockKnown: true, body }] }));
  await store.close();
  const run = async (...args: string[]) => {
    const started = millgate([...args, '--config', file], { env: { MILLGATE_SOCKET: '' }, clock });
    return { exitCode: await started.exitCode, out: started.out(), err: started.err() };
  };
  return { path, clock, run };
}

describe('without a gateway', () => {
  it('history reads the store, its points and their roll-ups', async () => {
    const { run } = await stopped();
    const points = await run('history', 'press-1/oil-temp', '--since', '30s');
    expect([points.exitCode, points.err]).toEqual([EXIT.ok, '']);
    expect(points.out.trim().split('\n').length).toBeGreaterThanOrEqual(30);
    expect(points.out).toContain('°C');
    const json = await run('history', 'press-1/oil-temp', '--since', '30s', '--json');
    expect(JSON.parse(json.out.split('\n')[0]!)).toMatchObject({ tag: 'press-1/oil-temp' });
    expect((await run('history', 'press-1/oil-temp', '--since', '1h', '--every', '1m')).exitCode).toBe(EXIT.ok);
  });

  it('events reads the journal out of the store', async () => {
    const { run } = await stopped();
    const text = await run('events', '--since', '1h');
    expect([text.exitCode, text.err]).toEqual([EXIT.ok, '']);
    expect(text.out).toContain('ann wrote 75');
    const json = await run('events', '--since', '1h', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ seq: 1, kind: 'audit', what: 'write' });
  });
});

describe('a gateway that holds its store and does not answer', () => {
  it.each([['status'], ['history', 'press-1/oil-temp'], ['events'], ['export']])(
    'is not called stopped by %s %s: the process is named',
    async (...args) => {
      const { path, clock, run } = await stopped();
      const lock = lockFolder(path, { pid: 4711, sinceWallMs: clock.wallMs() });
      const { exitCode, out, err } = await run(...args);
      lock.release();
      expect([exitCode, err]).toEqual([EXIT.unavailable, expect.stringContaining('process 4711')]);
      expect(out).not.toContain('stopped');
    },
  );
});
