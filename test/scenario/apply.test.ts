import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChannelStatus } from '../../src/api/view.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { ConfigurationStatus } from '../../src/core/configuration.ts';
import { ask } from '../double/ask.ts';
import { millgate } from '../double/command-line.ts';
import { type Daemon, startDaemon } from '../double/daemon.ts';
import { fastClock } from '../double/fast-clock.ts';
import { type FaultServer, faultServer } from '../double/modbus-fault-server.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';
import { Bench, until } from '../double/processes.ts';

/** Applying on a real daemon with real sockets, its clock twenty times as fast: half a minute is a second and a half. */

const FAST = 20;
const clock = fastClock(FAST);

/** The command line waits as fast, but gives a loaded machine all its time to answer. */
const commandClock = { ...clock, after: systemClock.after };

let bench: Bench;
let servers: FaultServer[];
let daemon: Daemon;
let file: string;

beforeEach(async () => {
  bench = new Bench();
  const slaves = modbusSlaves({ units: [3] });
  slaves.registers.set('3/100', 70);
  servers = [
    await faultServer({ slaves, framing: 'mbap', units: [3] }),
    await faultServer({ slaves: modbusSlaves({ units: [4] }), framing: 'mbap', units: [4] }),
  ];
  file = bench.write('millgate.yaml', configuration());
  daemon = await startDaemon(file, clock);
  await flows('press-1/oil');
  await flows('press-2/oil');
});

afterEach(async () => {
  await daemon.stop();
  await Promise.all(servers.map((server) => server.close()));
  await bench.dispose();
});

/** The file with some words exchanged. */
function configuration(...exchanges: readonly [string, string][]): string {
  const text = `gateway: {id: scenario}
channels:
  plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${servers[0]!.port}, timeout: 5s}
  other: {driver: modbus-tcp, host: 127.0.0.1, port: ${servers[1]!.port}, timeout: 5s}
devices:
  press-1:
    channel: plc
    unit: 3
    every: 1s
    tags:
      oil: {address: "holding:100", type: int16, unit: "°C"}
  press-2:
    channel: other
    unit: 4
    every: 1s
    tags:
      oil: {address: "holding:100", type: uint16, unit: "°C"}
      runtime: {expr: "runtime(press-2/oil, 1s)"}
alarms:
  hot: {tag: press-1/oil, above: 60}
store: {path: ${join(bench.folder, 'store')}, commitEvery: 1s}
api: {listen: off}
`;
  return exchanges.reduce((done, [from, to]) => {
    expect(done).toContain(from);
    return done.replace(from, to);
  }, text);
}

interface SeenTag {
  readonly tag: string;
  readonly readings: number;
  readonly last?: { readonly value?: number; readonly quality: string };
}

async function tag(name: string): Promise<SeenTag | undefined> {
  const { body } = await ask(daemon, '/api/v1/tags');
  return (body as SeenTag[]).find((each) => each.tag === name);
}

/** What must not change of a channel that is not touched, and its scans. */
async function channel(name: string) {
  const { body } = await ask(daemon, '/api/v1/channels');
  const { state, sinceMs, reconnects, scans } = (body as ChannelStatus[]).find((each) => each.name === name)!;
  return { state, sinceMs, reconnects, scans };
}

async function flows(name: string): Promise<void> {
  await until(`${name} to flow`, async () => (await tag(name))?.last?.quality === 'good', 10_000, daemon.log);
}

const status = async () => (await ask(daemon, '/api/v1/configuration')).body as ConfigurationStatus;

async function events(): Promise<
  { seq: number; kind: string; what?: string; by?: string; message: string; change?: string }[]
> {
  const { body } = await ask(daemon, '/api/v1/events?from=0&limit=1000');
  return (body as { events: { seq: number; kind: string; message: string }[] }).events;
}

/** What the journal says of configurations. */
const audits = async () => (await events()).flatMap(({ kind, what }) => (kind === 'audit' ? [what] : []));

async function command(...args: string[]) {
  const run = millgate(args, {
    env: { MILLGATE_SOCKET: daemon.socketPath, USER: 'ann' },
    clock: commandClock,
    cwd: bench.folder,
  });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

/** Writes a candidate and applies it. */
function apply(text: string, ...options: string[]) {
  bench.write('new.yaml', text);
  return command('apply', 'new.yaml', ...options);
}

describe('apply on a running gateway', () => {
  it('keeps a file with one more tag; the other channel is not touched, alarms and totals go on, no number is missing', async () => {
    await until('the alarm', async () => (await events()).some(({ kind }) => kind === 'alarm'), 5000, daemon.log);
    const before = await tag('press-2/runtime');
    const other = await channel('other');
    const text = configuration([
      '      oil: {address: "holding:100", type: int16',
      '      level: {address: "holding:101", type: int16}\n      oil: {address: "holding:100", type: int16',
    ]);
    const { exitCode, out, err } = await apply(text);
    expect([exitCode, err]).toEqual([0, expect.stringContaining('plc/press-1: data flows')]);
    expect(out).toContain('~ channel plc: devices or tags on it; restarts\n+ tag press-1/level added\n');
    expect(out).toContain('Kept: ');
    expect(readFileSync(file, 'utf8')).toBe(text);
    await flows('press-1/level');
    const after = await tag('press-2/runtime');
    expect(after!.last!.value!).toBeGreaterThan(before!.last!.value!);
    expect(after!.readings).toBeGreaterThan(before!.readings);
    expect(await channel('other')).toEqual({ ...other, scans: expect.any(Number) });
    expect((await events()).filter(({ kind }) => kind === 'alarm')).toHaveLength(1);
    expect(await audits()).toEqual(['apply', 'apply-kept']);
    const seqs = (await events()).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });

  it('rolls a file back by itself that stops the data: a wrong unit', async () => {
    const good = readFileSync(file, 'utf8');
    const { exitCode, err } = await apply(configuration(['unit: 3', 'unit: 9']));
    expect(exitCode).toBe(1);
    expect(err).toContain('Rolled back: no good reading came from press-1 (waited 30s), which read good before');
    expect(readFileSync(file, 'utf8')).toBe(good);
    await flows('press-1/oil');
    expect(await audits()).toEqual(['apply', 'apply-rolled-back']);
    expect((await status()).history[0]).toMatchObject({
      outcome: 'rolled-back',
      by: 'ann',
      changes: [expect.any(String), 'device press-1: unit 3 → 9'],
    });
  });

  it('rolls a file back by itself that stops the data: a wrong port', async () => {
    const { exitCode } = await apply(configuration([`port: ${servers[0]!.port}`, 'port: 1']));
    expect(exitCode).toBe(1);
    await flows('press-1/oil');
  });

  it('asks for a confirmation, and keeps nothing without it', async () => {
    const good = readFileSync(file, 'utf8');
    const { exitCode, err } = await apply(configuration(['above: 60', 'above: 65']), '--confirm', '20s');
    expect(exitCode).toBe(1);
    expect(err).toContain('millgate confirm keeps it');
    expect(err).toContain('Rolled back: nobody confirmed it within 20s');
    expect(readFileSync(file, 'utf8')).toBe(good);
  });

  it('keeps with a confirmation from elsewhere, and says in the status that it waits', async () => {
    const applying = apply(configuration(['above: 60', 'above: 65']), '--confirm', '10m', '--json');
    await until('the trial', async () => (await status()).pending?.awaits === 'confirmation', 5000, daemon.log);
    expect((await command('status')).out).toMatch(
      /On trial; data flows\. Type `millgate confirm` before \d\d:\d\d:\d\dZ/,
    );
    expect(await command('confirm')).toMatchObject({
      exitCode: 0,
      out: expect.stringContaining('Kept: configuration'),
    });
    const { exitCode, out } = await applying;
    expect([exitCode, JSON.parse(out)]).toMatchObject([
      0,
      { ok: true, outcome: 'kept', changes: [{ part: 'alarm', name: 'hot', details: ['above 60 → 65'] }] },
    ]);
  });

  it('left alone by Ctrl-C stays on trial, with words on what will happen; rollback takes it back', async () => {
    bench.write('new.yaml', configuration(['above: 60', 'above: 65']));
    const env = { MILLGATE_SOCKET: daemon.socketPath, USER: 'ann' };
    const run = millgate(['apply', 'new.yaml', '--confirm', '10m'], { env, clock: commandClock, cwd: bench.folder });
    await until('the trial', async () => (await status()).pending !== undefined, 5000, daemon.log);
    await until('its words', () => run.err() !== '', 5000, daemon.log);
    run.interrupt();
    expect([await run.exitCode, run.err()]).toEqual([
      0,
      expect.stringMatching(/stays on trial\. It is rolled back unless millgate confirm is given/),
    ]);
    expect((await command('rollback')).exitCode).toBe(0);
    expect((await status()).pending).toBeUndefined();
    expect((await command('rollback')).err).toContain('no earlier configuration to return to');
    expect((await command('apply', '--history')).out).toMatch(
      /apply +ann +rolled-back .*\n {2}it was taken back by ann/,
    );
  });

  it('refuses a file that is not valid with its problems, under the name that was given', async () => {
    const { exitCode, err } = await apply(configuration(['above: 60', 'abve: 60']));
    expect(exitCode).toBe(78);
    expect(err).toContain('new.yaml:20:27 alarms.hot.abve: unknown key; did you mean "above"?');
  });

  it('refuses a file that needs a restart, and says how', async () => {
    const { exitCode, err } = await apply(configuration(['commitEvery: 1s', 'maxSize: 1GB']));
    expect([exitCode, err]).toEqual([
      1,
      expect.stringContaining('store: maxSize 2 GB → 1 GB; is fixed while the gateway runs: systemctl stop millgate'),
    ]);
  });

  it('says what a file would change, and of the one on the disk', async () => {
    expect((await command('diff')).out).toMatch(/millgate.yaml is what runs/);
    bench.write('new.yaml', configuration(['above: 60', 'above: 65']));
    expect((await command('diff', 'new.yaml')).out).toBe('~ alarm hot: above 60 → 65\n');
    bench.write('millgate.yaml', configuration(['above: 60', 'above: 70']));
    expect((await command('diff', '--config', file)).out).toBe('~ alarm hot: above 60 → 70\n');
    expect((await command('status')).out).toContain('the file on the disk is not what runs');
  });

  it('moves an uplink and the API without a word to the channels', async () => {
    const text = configuration([
      'api: {listen: off}',
      'api: {listen: "127.0.0.1:0"}\nuplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:1"}}',
    ]);
    expect((await apply(text)).out).toContain('+ uplink plant added');
    expect((await command('status')).out).toMatch(/plant +(waiting|connecting)/);
    expect((await apply(configuration())).out).toContain('- uplink plant removed');
    expect(await audits()).toEqual(['apply', 'apply-kept', 'apply', 'uplink-forgotten', 'apply-kept']);
  });
});

describe('SIGHUP on a running gateway', () => {
  it('applies the file on the disk, with the same care', async () => {
    bench.write('millgate.yaml', configuration(['above: 60', 'above: 65']));
    daemon.hangUp();
    await until('it to be kept', async () => (await audits()).includes('apply-kept'), 5000, daemon.log);
    expect((await status()).history[0]).toMatchObject({ how: 'reload', by: 'systemctl reload', outcome: 'kept' });
  });

  it('refuses a broken file as a whole; the log has its problems, and polling goes on', async () => {
    const before = (await tag('press-1/oil'))!.readings;
    bench.write('millgate.yaml', configuration(['above: 60', 'abve: 65']));
    daemon.hangUp();
    await until('the refusal', async () => (await audits()).includes('reload-refused'), 5000, daemon.log);
    expect(daemon.log()).toContain('alarms.hot.abve: unknown key; did you mean "above"?');
    await until('more readings', async () => (await tag('press-1/oil'))!.readings > before + 1, 5000, daemon.log);
  });

  it('puts the old file back when the new one stops the data', async () => {
    const bad = configuration(['unit: 3', 'unit: 9']);
    bench.write('millgate.yaml', bad);
    daemon.hangUp();
    await until('the rollback', async () => (await audits()).includes('apply-rolled-back'), 10_000, daemon.log);
    expect(readFileSync(file, 'utf8')).toBe(configuration());
    expect(readFileSync(`${file}.rejected`, 'utf8')).toBe(bad);
    await flows('press-1/oil');
  });
});
