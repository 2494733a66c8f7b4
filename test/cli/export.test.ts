import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayView } from '../../src/api/view.ts';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { batchOf, recordOf } from '../contract/store.ts';
import { millgate, serve, temporaryFolder, until } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

async function throughGateway(args: readonly string[]) {
  const view = fakeGateway();
  const { socketPath } = await serve(view);
  const run = millgate(['export', ...args], { env: { MILLGATE_SOCKET: socketPath }, clock: new SimulatedClock(SIX) });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err(), asked: view.asked.records };
}

/** The configuration of a stopped gateway that took a value of each of 500 seconds, the last at the clock's time. */
async function stoppedGateway(): Promise<{ file: string; clock: SimulatedClock }> {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const path = join(folder, 'store');
  const tag = '{address: "constant(value=1)"}';
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}\ndevices: {press-1: {channel: sim, tags: {oil-temp: ${tag}, hot: {expr: "press-1/oil-temp > 1"}}}}\nstore: {path: ${path}}\n`,
  );
  const clock = new SimulatedClock(recordOf(499).at.wallMs);
  const store = await openLocalStore({ path, maxBytes: 1e9, clock, log: silentLogger });
  const seconds = Array.from({ length: 500 }, (_, second) => second);
  for (let from = 0; from < 500; from += 50)
    await store.commit(batchOf(seconds.slice(from, from + 50).map((second) => recordOf(second))));
  await store.close();
  return { file, clock };
}

describe('export', () => {
  it('gives the columns that backtest reads, page after page', async () => {
    const { exitCode, out, asked } = await throughGateway(['--since', '2h']);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(
      [
        't,tag,value,quality',
        '2025-11-24T06:00:00.000Z,press-1/oil-temp,45.2,good',
        '2025-11-24T06:00:00.000Z,press-1/label,"a ""b"", c",out-of-range',
        '2025-11-24T06:00:00.000Z,oven/temp,,timeout',
        '',
      ].join('\n'),
    );
    expect(asked).toEqual([undefined, { seq: 8, until: 9 }]);
  });

  it('is no success when a signal ends it, also while it waits for a page', async () => {
    let pages = 0;
    const records: GatewayView['records'] = async () => {
      if (pages++ > 0) await new Promise(() => {});
      return { records: [{ seq: 1, record: recordOf(1) }], next: { seq: 1, until: 9 } };
    };
    const { socketPath } = await serve(fakeGateway({ records }));
    const run = millgate(['export'], { env: { MILLGATE_SOCKET: socketPath } });
    await until(() => pages === 2);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.failed);
  });

  it('gives JSON lines with everything that is known of a reading', async () => {
    const { out } = await throughGateway(['oven/*', '--format', 'jsonl']);
    expect(out).toBe(`{"tag":"oven/temp","t":${SIX},"quality":"bad","why":"timeout","seq":8}\n`);
  });

  it('knows computed tags, too, when no gateway runs', async () => {
    const { file, clock } = await stoppedGateway();
    const run = millgate(['export', 'press-1/hot', '--since', '1h', '--config', file], { clock });
    expect(await run.exitCode).toBe(EXIT.ok);
  });

  it('reads the store itself when no gateway runs, from the time on that is asked for', async () => {
    const { file, clock } = await stoppedGateway();
    const run = millgate(['export', '--since', '300s', '--format', 'jsonl', '--config', file], {
      ...{ env: { MILLGATE_SOCKET: '' }, clock },
    });
    expect(await run.exitCode, run.err()).toBe(EXIT.ok);
    const lines = run
      .out()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, index) => 201 + index));
    expect(lines[0]).toEqual({
      tag: 'press-1/oil-temp',
      t: recordOf(200).at.wallMs,
      quality: 'good',
      value: 200.5,
      seq: 201,
    });
  });

  it('refuses a tag that is not there, and a format that it does not know', async () => {
    expect((await throughGateway(['press-1/oil-tmep'])).err).toContain('Did you mean press-1/oil-temp?');
    expect((await throughGateway(['--format', 'xml'])).exitCode).toBe(EXIT.usage);
  });
});
