import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ChannelStatus, DeviceStatus, GatewayStatus } from '../../../src/api/view.ts';
import { displayWidth } from '../../../src/cli/terminal/table.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { Fields } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { openStore } from '../../../src/store/thread/open.ts';
import { millgate, serve, temporaryFolder, until } from '../../double/command-line.ts';
import { fakeGateway, SIX, STATUS } from '../../double/fake-gateway.ts';
import { Terminal } from '../../double/terminal.ts';

const [LINE] = STATUS.channels as [ChannelStatus];
const [PRESS_1, PRESS_2] = LINE.devices as [DeviceStatus, DeviceStatus];

async function status(
  args: readonly string[] = [],
  terminal?: Terminal,
  env: Record<string, string> = {},
  answer: GatewayStatus = STATUS,
) {
  const { socketPath } = await serve(fakeGateway({ status: async () => answer }));
  const run = millgate(['status', ...args], {
    env: { MILLGATE_SOCKET: socketPath, ...env },
    ...(terminal && { terminal }),
  });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('status of a running gateway', () => {
  it('says of a file that is not what runs how to apply it, with and without a service', async () => {
    const { out } = await status([], undefined, {}, { ...STATUS, config: { ...STATUS.config, onDisk: 'different' } });
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      'systemctl reload millgate, or kill -HUP 4242 where no service runs it',
    );
  });

  it('says where the page is, and the fingerprint that a browser is to show', async () => {
    const fingerprint = Array.from({ length: 32 }, (_, index) => (index + 160).toString(16).toUpperCase()).join(':');
    const endsMs = Date.UTC(2029, 1, 27);
    const certificate = { isSelfSigned: true, fingerprint, endsMs, names: [], file: undefined };
    const api = { address: 'https://0.0.0.0:8420', certificate };
    const { out } = await status([], undefined, {}, { ...STATUS, api });
    expect(out).toContain('page     https://0.0.0.0:8420, self-signed, renewed before 2029-02-27\n');
    expect(out.replaceAll(/\s+/g, '')).toContain(`SHA-256${fingerprint}`);
    expect(out.split('\n').every((line) => displayWidth(line) <= 80)).toBe(true);
  });

  it('fits 80 columns', async () => {
    const { exitCode, out } = await status();
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(`gateway  press-shop-1  running 1h 15m
         1 device offline, 1 uplink not connected
alarms   1 standing, 1 not acknowledged
readings 812/s
clock    2025-11-24T06:00:00.000Z

channel    state      for  tags        line  errors  skipped   p95
line-a     connected   1h  modbus-rtu  34 %           <0.1 %
  press-2  offline     2m  4 bad        0 %   100 %           30ms
    no answer since 05:58. Check power and unit id 4.
  press-1  online          4 good      11 %     0 %           12ms

uplink  state    for  pending  delivered  refused  caught up in
plant   waiting   1m    5,401    182,806        5
    broker.plant.lan: connection refused. Check that the broker runs.

store    1.2 GB of 2 GB (60 %), records 1–188,200
         last commit 0s ago
         125 MB written a day, measured since the start
         holds an outage of about 8.3 days, measured over the 4d in it
lost     plant: 5 records and 0 events (5 quarantined)
         readings 10–14 quarantined by plant, 2025-11-24T05:59:00.000Z

program  millgate 0.1.0, pid 4242, 84 MB memory
config   /etc/millgate/millgate.yaml (9b1e00c0ffee)
`);
  });

  it.each([40, 80, 120])('is never wider than a terminal of %i columns, but for a word that is', async (columns) => {
    const { out } = await status([], new Terminal(columns));
    for (const line of out.split('\n'))
      if (line.trim().includes(' ')) expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
  });

  it('says by uplink what was lost, the one that lacks most first', async () => {
    const [first] = STATUS.store.accounts;
    const losses = (uplink: string, stream: 'readings' | 'events', more: object) => ({
      ...{ ...first!, uplink, stream, evicted: 0, quarantined: 0, lost: 0 },
      ...more,
    });
    const accounts = [
      losses('plant', 'readings', { quarantined: 5, lost: 2 }),
      losses('plant', 'events', {}),
      losses('mes', 'readings', { evicted: 1200, lost: 2 }),
      losses('mes', 'events', { evicted: 3 }),
      losses('lab', 'readings', {}),
    ];
    const { out } = await status([], undefined, {}, { ...STATUS, store: { ...STATUS.store, accounts } });
    expect(out).toContain(`lost     mes: 1,202 records and 3 events (1,203 evicted, 2 lost)
         plant: 7 records and 0 events (5 quarantined, 2 lost)
`);
    expect(out).not.toContain('lab:');
  });

  it('says what it does when nothing is in its way', async () => {
    const channels = [{ ...LINE, devices: [PRESS_1] }];
    const uplinks = STATUS.uplinks.map((uplink) => ({ ...uplink, state: 'connected' as const, reason: undefined }));
    const { out } = await status([], undefined, {}, { ...STATUS, channels, uplinks });
    expect(out.split('\n')[1]).toBe('         polls, stores and delivers');
  });

  it('names every device with trouble, and of those without only some unless --all asks for them', async () => {
    const devices = Array.from({ length: 30 }, (_, index) =>
      index % 10 === 9 ? { ...PRESS_2, name: `dead-${index}` } : { ...PRESS_1, name: `press-${index}` },
    );
    const many = { ...STATUS, channels: [{ ...LINE, devices }] };
    const { out } = await status([], undefined, {}, many);
    expect(out.match(/^ {2}\S+ +(?:offline|online)/gm)?.map((line) => line.trim().split(/ +/)[0])).toEqual([
      ...['dead-9', 'dead-19', 'dead-29'],
      ...['press-0', 'press-1', 'press-2', 'press-3', 'press-4', 'press-5', 'press-6', 'press-7'],
    ]);
    expect(out).toContain('  … 19 more, all well; --all shows them\n');
    expect((await status(['--all'], undefined, {}, many)).out).toContain('  press-28');
  });

  it('does not guess what a day costs from a few minutes', async () => {
    const young = { ...STATUS, startedMs: SIX - 60_000, store: { ...STATUS.store, oldestWallMs: SIX - 60_000 } };
    const { out } = await status([], undefined, {}, young);
    expect(out).not.toMatch(/a day|an outage/);
  });

  it('does not tell how long the store lasts from a span in which the clock was set', async () => {
    const set = { ...STATUS, store: { ...STATUS.store, oldestWallMs: SIX - 30 * 365 * 86_400_000 } };
    expect((await status([], undefined, {}, set)).out).not.toMatch(/an outage/);
  });

  it('stays on the screen with --watch, and says so when the gateway stops', async () => {
    const terminal = new Terminal(80, 40);
    const clock = new SimulatedClock(SIX);
    const { api, socketPath } = await serve(fakeGateway());
    const run = millgate(['status', '--watch'], { terminal, clock, env: { MILLGATE_SOCKET: socketPath } });
    await until(() => terminal.lines[0] === 'gateway  press-shop-1  running 1h 15m');
    await api.close();
    await until(() => {
      clock.advance(500);
      return terminal.lines[0] === 'gateway  stopped';
    });
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(terminal).toMatchObject({ isOnAlternatePage: false, isCursorShown: true });
  });

  it('has colours on a terminal, and none with NO_COLOR', async () => {
    expect((await status([], new Terminal())).out).toContain('\u001b[31moffline\u001b[39m');
    expect((await status([], new Terminal(), { NO_COLOR: '1' })).out).not.toContain('\u001b');
  });

  it('gives everything as JSON', async () => {
    const { out } = await status(['--json']);
    expect(JSON.parse(out)).toEqual({ state: 'running', ...JSON.parse(JSON.stringify(STATUS)) });
  });
});

describe('status of a gateway whose file was changed under it', () => {
  const text = (folder: string) => `channels: {sim: {driver: mock}}
devices: {oven: {chanel: sim, tags: {temp: {address: 201.25}}}}
store: {path: ${join(folder, 'store')}}
`;

  it('still finds it when the file is broken', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'millgate.yaml');
    mkdirSync(join(folder, 'store'));
    writeFileSync(file, text(folder));
    const running = { ...STATUS, config: { file, hash: '9b1e00c0ffee' } };
    await serve(fakeGateway({ status: async () => running }), { socketPath: join(folder, 'store/api.sock') });
    const run = millgate(['status', '--json'], { env: { MILLGATE_SOCKET: '', MILLGATE_CONFIG: file } });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({ state: 'running' });
  });

  it('does not say stopped when the file is gone, for nobody knows', async () => {
    const env = { MILLGATE_SOCKET: '', MILLGATE_CONFIG: '/nonexistent/millgate.yaml' };
    const run = millgate(['status', '--json'], { env });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({ state: 'unknown', config: { ok: false } });
    const watch = millgate(['watch'], { env });
    expect(await watch.exitCode).toBe(EXIT.configInvalid);
    expect(watch.err()).toContain('there is no file /nonexistent/millgate.yaml');
  });

  it('still finds it when the file is gone', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'millgate.yaml');
    const running = { ...STATUS, config: { file, hash: '9b1e00c0ffee' } };
    await serve(fakeGateway({ status: async () => running }), { socketPath: join(folder, 'api.sock') });
    const run = millgate(['status', '--json'], { env: { MILLGATE_SOCKET: '', MILLGATE_CONFIG: file } });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({ state: 'running', config: { file } });
  });
});

describe('a gateway of another version', () => {
  it('is warned about, once and on standard error', async () => {
    const { socketPath } = await serve(fakeGateway(), { version: '0.0.9' });
    const run = millgate(['read', 'press-1/oil-temp'], { env: { MILLGATE_SOCKET: socketPath } });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.err()).toMatch(
      /^millgate: warning: the gateway is version 0\.0\.9, this command \d.*restart millgate\.\n$/,
    );
    expect(run.out()).toBe('press-1/oil-temp  45.2  °C  good\n');
  });
});

describe('the status of a gateway of another version', () => {
  /** A status without what a version did not have yet. */
  async function statusWithout(key: keyof GatewayStatus, args: readonly string[] = []) {
    const answer = async () => ({ ...STATUS, version: '0.0.9', [key]: undefined });
    const { socketPath } = await serve(fakeGateway({ status: answer }), { version: '0.0.9' });
    const run = millgate(['status', ...args], { env: { MILLGATE_SOCKET: socketPath } });
    return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
  }

  it('is shown as far as it is understood, with both versions', async () => {
    const { exitCode, out, err } = await statusWithout('pid');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toContain('millgate 0.0.9 (this command: ');
    expect(err).toContain('warning: the gateway is version 0.0.9');
  });

  it('is no bug when it is not understood: both versions and the remedy are named, and --json still answers', async () => {
    const { exitCode, err } = await statusWithout('channels');
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toMatch(/the gateway is version 0\.0\.9 and says its status in a way .* systemctl restart millgate/);
    expect(err).not.toContain('bug');
    const asJson = await statusWithout('channels', ['--json']);
    expect(asJson.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(asJson.out)).toMatchObject({ state: 'running', version: '0.0.9' });
  });
});

describe('status without a gateway', () => {
  it('says so, and what can be known', async () => {
    const run = millgate(['status', '--config', '/nonexistent/millgate.yaml']);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(/^gateway {2}stopped\n/);
    expect(run.out()).toContain('no gateway answers on /nonexistent/api.sock. Start it: systemctl start');
    expect(run.out()).toContain('1 problem; millgate check /nonexistent/millgate.yaml');
  });

  it('gives the same as JSON', async () => {
    const run = millgate(['status', '--json', '--config', '/nonexistent/millgate.yaml']);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({
      state: 'stopped',
      config: { file: '/nonexistent/millgate.yaml', ok: false, problems: [{ severity: 'error' }] },
    });
  });

  it('says what lies in the store and how much is still to be sent', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'store');
    const file = join(folder, 'millgate.yaml');
    writeFileSync(
      file,
      `channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: 201.25}}}}
store: {path: ${path}}
uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1"}}
`,
    );
    const store = await openStore({ path, maxBytes: 2e9, clock: systemClock, log: silentLogger });
    const at = { wallMs: SIX, monoMs: 0 };
    const fields = Fields.of([{ name: 'temp', quality: 'good', value: 201.25 }]);
    const record = { device: 'oven', at, clockKnown: true, simulated: true, fields };
    await store.commit({ records: [record, record, record], events: [], states: new Map() });
    await store.close();

    const run = millgate(['status', '--config', file], {
      env: { MILLGATE_SOCKET: '' },
      clock: new SimulatedClock(SIX + 7_200_000),
    });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(/store {4}.* of 2 GB \(0 %\), records 1–3\n {9}last reading 2h ago\n/);
    expect(run.out()).toContain('uplink   plant: 3 to be sent\n');
    const asJson = millgate(['status', '--json', '--config', file], { env: { MILLGATE_SOCKET: '' } });
    await asJson.exitCode;
    expect(JSON.parse(asJson.out()).store).toMatchObject({ oldestWallMs: SIX, newestWallMs: SIX });
  });
});
