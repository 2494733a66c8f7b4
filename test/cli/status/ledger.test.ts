import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { openLocalStore } from '../../../src/store/thread/open.ts';
import { batchOf, recordOf } from '../../contract/store.ts';
import { millgate, serve, temporaryFolder } from '../../double/command-line.ts';
import { fakeGateway, STATUS } from '../../double/fake-gateway.ts';
import { Terminal } from '../../double/terminal.ts';

async function throughGateway(
  args: readonly string[],
  over: Parameters<typeof fakeGateway>[0] = {},
  out: { readonly terminal?: Terminal } = { terminal: new Terminal(100) },
) {
  const { socketPath } = await serve(fakeGateway(over));
  const run = millgate(['status', '--ledger', ...args], {
    env: { MILLGATE_SOCKET: socketPath, NO_COLOR: '1' },
    ...out,
  });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

/** A stopped gateway whose store delivered 6 of 10 records, lost 2 and was refused 1. */
async function stoppedGateway(): Promise<string> {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const path = join(folder, 'store');
  const channels =
    'channels: {sim: {driver: mock}}\ndevices: {oven: {channel: sim, tags: {temp: {address: "constant(value=1)"}}}}';
  writeFileSync(file, `${channels}\nstore: {path: ${path}}\nuplinks: {plant: {type: mqtt, url: "mqtt://localhost"}}\n`);
  const store = await openLocalStore({ path, maxBytes: 1e9, clock: new SimulatedClock(), log: silentLogger });
  await store.commit(
    batchOf(
      Array.from({ length: 8 }, (_, second) => recordOf(second)),
      { dropped: { count: 2, firstWallMs: 1, lastWallMs: 2 } },
    ),
  );
  await store.quarantine({ stream: 'readings', from: 9, to: 10, count: 1, uplink: 'plant', detail: 'too large' });
  await store.settle('plant', 'readings', [{ from: 10, to: Number.POSITIVE_INFINITY }]);
  await store.close();
  return file;
}

describe('status --ledger', () => {
  it('shows where everything went, and that it adds up', async () => {
    const { exitCode, out } = await throughGateway([]);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(`stream    uplink  produced  delivered  stored  evicted  quarantined  lost  skipped
readings  plant    188,200    182,795   5,400        0            5     0        0
events    plant         11         10       1        0            0     0        0
adds up: produced = delivered + stored + evicted + quarantined + lost + skipped

readings 10–14 quarantined by plant, 2025-11-24T05:59:00.000Z
`);
  });

  it('cuts nothing in a pipe, where there is no width to keep to', async () => {
    const uplink = 'a-broker-with-a-name-of-its-own-that-is-longer-than-others';
    const accounts = STATUS.store.accounts.map((account) => ({ ...account, uplink }));
    const status = async () => ({ ...STATUS, store: { ...STATUS.store, accounts } });
    expect((await throughGateway([], { status })).out).not.toContain(uplink);
    expect((await throughGateway([], { status }, {})).out).toContain(`readings  ${uplink}  `);
  });

  it('exits 1 when it does not add up, and names the numbers', async () => {
    const [first, ...others] = STATUS.store.accounts;
    const accounts = [{ ...first!, delivered: 182_793, unexplained: [{ from: 7, to: 9 }] }, ...others];
    const { exitCode, out } = await throughGateway([], {
      status: async () => ({ ...STATUS, store: { ...STATUS.store, accounts } }),
    });
    expect(exitCode).toBe(EXIT.failed);
    expect(out).toContain('does not add up: readings of plant 7–8 cannot be accounted for. Please report this');
  });

  it('reads the store itself when no gateway runs', async () => {
    const file = await stoppedGateway();
    const run = millgate(['status', '--ledger', '--json', '--config', file], { env: { MILLGATE_SOCKET: '' } });
    expect(await run.exitCode, run.err()).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({
      ...{ state: 'stopped', addsUp: true },
      accounts: [
        { stream: 'readings', uplink: 'plant', produced: 10, delivered: 6, waiting: 1, quarantined: 1, lost: 2 },
        { stream: 'events', produced: 0 },
      ],
      ledger: [
        { from: 1, to: 3, cause: 'memory-full' },
        { from: 9, to: 10, cause: 'quarantined' },
      ],
    });
  });

  it('says who holds the store when the gateway runs but does not answer', async () => {
    const file = await stoppedGateway();
    const path = join(file, '../store');
    const store = await openLocalStore({ path, maxBytes: 1e9, clock: new SimulatedClock(), log: silentLogger });
    const run = millgate(['status', '--ledger', '--config', file], { env: { MILLGATE_SOCKET: '' } });
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toContain(`in use by process ${process.pid}`);
    await store.close();
  });
});
