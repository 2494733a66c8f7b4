import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway, STATUS } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

async function status(args: readonly string[] = [], terminal?: Terminal, env: Record<string, string> = {}) {
  const { socketPath } = await serve(fakeGateway());
  const run = millgate(['status', ...args], {
    env: { MILLGATE_SOCKET: socketPath, ...env },
    ...(terminal && { terminal }),
  });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('status of a running gateway', () => {
  it('fits 80 columns', async () => {
    const { exitCode, out } = await status();
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(`gateway  press-shop-1  running 1h 15m
         millgate 0.1.0, pid 4242, 84 MB memory
config   /etc/millgate/millgate.yaml (9b1e00c0ffee)
clock    2025-11-24T06:00:00.000Z
readings 812/s
alarms   1 standing, 1 not acknowledged

channel    state      for  driver / tags  line  skipped / errors   p95
line-a     connected   1h  modbus-rtu     34 %                 3
  press-1  online          4 good         11 %                 0  12ms
  press-2  offline         4 bad           0 %                30  30ms
    no answer since 05:58. Check power and unit id 4.

store    1.2 GB of 2 GB (60 %), records 1–188,200
         last commit 0s ago
lost     5 records and events
         readings 10–14 quarantined by plant, 2025-11-24T05:59:00.000Z

uplink  state    for  pending  delivered  refused  caught up in
plant   waiting   1m    5,401    182,806        5
    broker.plant.lan: connection refused. Check that the broker runs.
`);
  });

  it.each([40, 80, 120])('is never wider than a terminal of %i columns, but for a word that is', async (columns) => {
    const { out } = await status([], new Terminal(columns));
    for (const line of out.split('\n'))
      if (line.trim().includes(' ')) expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
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
    expect(watch.err()).toContain('/nonexistent/millgate.yaml is not valid');
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
});
