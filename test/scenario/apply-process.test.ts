import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigurationStatus } from '../../src/core/configuration.ts';
import { ask, post } from '../double/ask.ts';
import { millgate } from '../double/command-line.ts';
import { type FaultServer, faultServer } from '../double/modbus-fault-server.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';
import { Bench, type Program, until } from '../double/processes.ts';

/** Configurations on trial in the installed binary: signals, kill -9, and no process at all. */

const PERIOD_MS = 500;

let bench: Bench;
let server: FaultServer;
let other: FaultServer;
/** When the slave on the other channel was asked, ms. */
let asked: number[];
let gateway: Program;
let file: string;

beforeEach(async () => {
  bench = new Bench();
  server = await faultServer({ slaves: modbusSlaves({ units: [3] }), framing: 'mbap', units: [3] });
  asked = [];
  const slaves = modbusSlaves({ units: [4] });
  const answer = (unit: number, pdu: Uint8Array) => {
    asked.push(performance.now());
    return slaves.answer(unit, pdu);
  };
  other = await faultServer({ slaves: { ...slaves, answer }, framing: 'mbap', units: [4] });
  file = bench.write('millgate.yaml', configuration(60_000));
  gateway = bench.gateway(file);
  await answers();
});

afterEach(async () => {
  await bench.dispose();
  await server.close();
  await other.close();
});

function configuration(limit: number): string {
  return `gateway: {id: scenario}
channels:
  plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${server.port}, timeout: 1s}
  other: {driver: modbus-tcp, host: 127.0.0.1, port: ${other.port}, timeout: 1s}
devices:
  press-1: {channel: plc, unit: 3, every: 50ms, tags: {oil: {address: "holding:100", type: uint16}}}
  press-2: {channel: other, unit: 4, every: ${PERIOD_MS}ms, tags: {oil: {address: "holding:100", type: uint16}}}
alarms:
  hot: {tag: press-1/oil, above: ${limit}}
store: {path: ${join(bench.folder, 'store')}}
api: {listen: off}
`;
}

const where = () => ({ socketPath: join(bench.folder, 'store', 'api.sock') });

async function answers(): Promise<void> {
  const isThere = async () => {
    const answer = await ask(where(), '/api/v1/tags').catch(() => undefined);
    return JSON.stringify(answer?.body ?? '').includes('"good"');
  };
  await until('readings', isThere, 20_000, gateway.output);
}

const status = async () => (await ask(where(), '/api/v1/configuration')).body as ConfigurationStatus;

async function audits(): Promise<string[]> {
  const { body } = await ask(where(), '/api/v1/events?from=0&limit=1000');
  const { events } = body as { events: { kind: string; what?: string }[] };
  return events.flatMap(({ kind, what }) => (kind === 'audit' && what ? [what] : []));
}

async function restart(signal: NodeJS.Signals): Promise<void> {
  await gateway.stop(signal);
  gateway = bench.gateway(file);
  await answers();
}

async function command(...args: string[]) {
  const run = millgate(args, { env: { MILLGATE_SOCKET: '', USER: 'ann' }, cwd: bench.folder });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('a configuration on trial', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('is rolled back by the start after a %s', async (signal) => {
    const good = readFileSync(file, 'utf8');
    const body = { text: configuration(61_000), by: 'ann', confirmMs: 600_000 };
    expect((await post(where(), '/api/v1/apply', JSON.stringify(body))).body).toMatchObject({
      ok: true,
      pending: true,
    });
    expect((await status()).pending).toMatchObject({ by: 'ann' });
    const tried = (await status()).hash;
    await until('the event', async () => (await audits()).includes('apply'), 10_000, gateway.output);
    await restart(signal);
    expect((await status()).hash).not.toBe(tried);
    expect((await status()).history[0]).toMatchObject({ hash: tried, outcome: 'rolled-back', by: 'ann' });
    expect(readFileSync(file, 'utf8')).toBe(good);
    expect(await audits()).toEqual(['apply', 'apply-rolled-back']);
  });

  it('that adds a tag to one channel costs another no scan', async () => {
    const more = configuration(60_000).replace('{oil:', '{level: {address: "holding:101", type: uint16}, oil:');
    bench.write('new.yaml', more);
    await until('some scans', () => asked.length > 3, 10_000, gateway.output);
    expect(await command('apply', 'new.yaml', '--config', file)).toMatchObject({ exitCode: 0 });
    const scans = asked.length;
    await until('more scans', () => asked.length > scans + 3, 10_000, gateway.output);
    const gaps = asked.slice(1).map((atMs, index) => Math.round(atMs - asked[index]!));
    expect(Math.max(...gaps), gaps.join(' ')).toBeLessThan(2 * PERIOD_MS);
    const { body } = await ask(where(), '/api/v1/channels');
    const channels = body as { name: string; skipped: number }[];
    expect(channels.find(({ name }) => name === 'other')).toMatchObject({ skipped: 0 });
  });

  it('is in the journal once it was kept, and stays through a kill', async () => {
    bench.write('new.yaml', configuration(61_000));
    expect(await command('apply', 'new.yaml', '--config', file)).toMatchObject({ exitCode: 0 });
    const { hash } = await status();
    await until('the event', async () => (await audits()).includes('apply-kept'), 10_000, gateway.output);
    await restart('SIGKILL');
    expect((await status()).hash).toBe(hash);
    expect(readFileSync(file, 'utf8')).toBe(configuration(61_000));
    expect(await audits()).toEqual(['apply', 'apply-kept']);
  });
});

describe('signals and files', () => {
  it('SIGHUP with a broken file ends nothing and changes nothing; with a good one it applies it', async () => {
    const { hash } = await status();
    bench.write('millgate.yaml', configuration(61_000).replace('above', 'abve'));
    gateway.child.kill('SIGHUP');
    await until('the refusal', async () => (await audits()).includes('reload-refused'), 10_000, gateway.output);
    expect([(await status()).hash, (await status()).onDisk]).toEqual([hash, 'different']);
    bench.write('millgate.yaml', configuration(61_000));
    gateway.child.kill('SIGHUP');
    await until('it to be kept', async () => (await audits()).includes('apply-kept'), 10_000, gateway.output);
    expect((await status()).onDisk).toBe('same');
    expect(gateway.child.exitCode).toBeNull();
  });

  it('with the gateway stopped a file is checked and installed, and takes effect with the next start', async () => {
    await gateway.stop();
    bench.write('new.yaml', configuration(61_000).replace('above', 'abve'));
    expect((await command('apply', 'new.yaml', '--config', file)).exitCode).toBe(78);
    bench.write('new.yaml', configuration(61_000));
    const { exitCode, out } = await command('apply', 'new.yaml', '--config', file);
    expect([exitCode, out]).toEqual([0, expect.stringContaining('~ alarm hot: above 60000 → 61000\nNo gateway runs.')]);
    expect(readFileSync(file, 'utf8')).toBe(configuration(61_000));
    expect(await command('diff', '--config', file)).toMatchObject({
      err: '',
      out: expect.stringContaining('is what was applied last'),
    });
    gateway = bench.gateway(file);
    await answers();
    expect(await audits()).toEqual(['configuration-changed']);
    expect(await command('rollback', '--config', file)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(file, 'utf8')).toBe(configuration(60_000));
  });
});
