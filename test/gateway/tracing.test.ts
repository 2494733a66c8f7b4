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

const clock = new SimulatedClock(Date.UTC(2026, 10, 30, 6));

const FILE = `
channels: {plant: {driver: mock, seed: 1}}
devices:
  scanner:
    channel: plant
    every: 1s
    tags:
      code: {address: 'text(values=["","S-1","","=S-2","","<script>"],every=10s)', type: string}
      rack: {address: 'text(values=["","400638","","400638",""],every=7s)', type: string}
  station:
    channel: plant
    every: 1s
    tags:
      torque: {address: "steps(values=[5,5,9,9,9,5],every=10s)", unit: Nm}
      force: {address: "steps(values=[5,5,9,9,9,5],every=10s)", unit: kN, max: 8}
      done: {address: "toggle(period=20s,duty=0.5,phase=0.25)", type: bool}
      order: {address: 'text(values=["","A100","A101"],every=28s,end=hold)', type: string}
      parts: {address: "counter(rate=60/m)", counter: true}
alarms: {tight: {tag: station/torque, above: 8}}
production: {press-1: {count: station/parts, job: station/order, idealCycle: 1s}}
parts:
  one: {serial: scanner/code, results: {torque: {tag: station/torque, min: 4, max: 6}}, done: station/done, job: station/order}
inventory:
  rack: {out: scanner/rack, items: [{code: "400638", name: blank, minimum: 10, start: 11}]}
`;

async function gatewayIn(path: string) {
  const text = `${FILE}store: {path: ${path}/store}\n`;
  writeFileSync(join(path, 'millgate.yaml'), text);
  const files = { read: () => Buffer.from(text), list: () => [], exists: () => true };
  const host = { drivers: DRIVERS, hostname: 'gate-1', timezone: 'UTC' };
  const loaded = loadConfig({ file: 'millgate.yaml', files, profiles: '/nowhere', ...host });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const store = join(path, 'store');
  return startGateway({
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
}

async function passing<T>(work: Promise<T>, ms = 2000): Promise<T> {
  const settled = work.catch(() => {});
  await clock.advance(ms);
  await settled;
  return work;
}

it('parts, corrections, lots and stocks go from readers to records, commands and files for a customer', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-tracing-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const gateway = await gatewayIn(path);
  await clock.advance(90_000);
  const parts = await passing(gateway.view.parts({ serial: undefined, fromMs: 0 }));
  expect(parts.map(({ part: { serial, result, job } }) => [serial, result, job])).toEqual([
    ['S-1', 'pass', null],
    ['=S-2', 'fail', 'A100'],
    ['<script>', 'pass', 'A100'],
    ['S-1', 'pass', 'A101'],
  ]);
  expect(gateway.view.inventory()).toMatchObject([
    { inventory: 'rack', items: [{ level: 5, reorder: true, in: 0, out: 6 }] },
  ]);
  const served = await passing(gateway.view.lots({ lot: undefined, fromMs: undefined }));
  // Without an alarm of its own: 20 s to 48 s of it in one lot, and the rest in the next.
  expect(served.map(({ lot, findings }) => [lot, findings.filter(({ kind }) => kind === 'reading').length])).toEqual([
    ['A100', 1],
    ['A101', 1],
  ]);
  expect(gateway.view.partCounts()).toEqual([{ station: 'one', pass: 3, fail: 1, incomplete: 0 }]);
  const record = parts[1]!.record!;
  const order = { record, member: 'serial', to: 'S-2', by: 'ann', comment: 'label was damaged' };
  await passing(gateway.view.correct(order));
  await passing(gateway.view.correct({ ...order, to: 'S-22', comment: 'typed wrong' }));
  await passing(gateway.view.setStock('rack', { code: '400638', level: 40, by: 'ann' }));
  await expect(passing(gateway.view.correct({ ...order, member: 'values' }))).rejects.toThrow('cannot be put right');
  await expect(passing(gateway.view.correct({ ...order, record: 9999 }))).rejects.toThrow('no record 9999');
  await expect(passing(gateway.view.setStock('rack', { code: 'x', level: 4, by: 'a' }))).rejects.toThrow('no article');
  await passing(gateway.close(), 10_000);

  const run = async (...args: string[]) => {
    const command = millgate([...args, '--config', join(path, 'millgate.yaml')], { clock });
    return [await command.exitCode, command.out(), command.err()] as const;
  };
  const [, text] = await run('parts', 'S-22', '--json');
  expect(JSON.parse(text)).toMatchObject([
    {
      record,
      part: { serial: '=S-2' },
      corrected: { serial: 'S-22', result: 'fail' },
      corrections: [
        { was: '=S-2', to: 'S-2', by: 'ann' },
        { was: 'S-2', to: 'S-22', comment: 'typed wrong' },
      ],
    },
  ]);
  expect((await run('parts', '--format', 'csv'))[1]).toContain(
    ',one,S-22,fail,A100,torque,station/torque,9,Nm,4,6,,fail,',
  );
  expect((await run('parts', 'S-22'))[1]).toContain('put right from S-2 to S-22 by ann');

  const lot = join(path, 'lot.csv');
  expect((await run('lots', 'A100', '--export', lot))[0]).toBe(EXIT.ok);
  const rows = readFileSync(lot, 'utf8').trim().split('\r\n');
  // A customer looks for all serial numbers of the lot, and for what was put right.
  expect(rows.filter((row) => row.includes(',part,')).map((row) => row.split(',').slice(13, 15))).toEqual([
    ['S-22', 'fail'],
    ['<script>', 'pass'],
  ]);
  expect(rows[1]).toMatch(/^A100,press-1,2026-11-30T06:00:2\d.*,run,.*1 pass, 1 fail, 0 incomplete/);
  expect(rows.every((row) => row.split(',').every((cell) => !/^[=@]/.test(cell)))).toBe(true);
  const [, all] = await run('lots', '--json');
  const runs = JSON.parse(all) as { lot: string; to: number | null; findings: { kind: string }[] }[];
  expect(runs.map(({ lot: name, to }) => [name, to === null])).toEqual([
    ['A100', false],
    ['A101', true],
  ]);
  const [code, said] = await run('verify', '--since', '1d');
  expect([code, said]).toEqual([EXIT.ok, expect.stringMatching(/^\d+ records \(0 to \d+\) are as they were written/)]);
});

it('a stock and a part at the station are the same after a restart', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-tracing-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const one = await gatewayIn(path);
  await clock.advance(12_000);
  const before = one.view.inventory();
  expect(before).toMatchObject([{ items: [{ level: 10 }] }]);
  await passing(one.close(), 10_000);
  const other = await gatewayIn(path);
  expect(other.view.inventory()).toEqual(before);
  await passing(other.close(), 10_000);
});

it('a backtest gives the records of parts and the levels of stocks', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millgate-tracing-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'millgate.yaml'), `${FILE}store: {path: ${path}/store}\n`);
  const at = (second: number) => new Date(Date.UTC(2026, 10, 30, 6, 0, second)).toISOString();
  const rows = [
    [0, 'scanner/code', 'S-0'],
    [0, 'scanner/rack', '-'],
    [0, 'station/done', 'false'],
    [1, 'scanner/code', 'S-1'],
    [2, 'station/torque', '7'],
    [3, 'station/done', 'true'],
    [4, 'scanner/rack', '400638'],
  ] as const;
  const csv = join(path, 'readings.csv');
  writeFileSync(csv, ['t,tag,value', ...rows.map(([second, ...cells]) => [at(second), ...cells].join())].join('\n'));
  const args = ['backtest', '--csv', csv, '--config', join(path, 'millgate.yaml')];
  const json = millgate([...args, '--json'], { clock });
  expect(await json.exitCode).toBe(EXIT.ok);
  const { events, inventory } = JSON.parse(json.out()) as { events: Record<string, unknown>[]; inventory: unknown };
  expect(events.find(({ what }) => what === 'part')).toMatchObject({ serial: 'S-1', result: 'fail' });
  expect(inventory).toMatchObject({ rack: { items: [{ code: '400638', level: 10 }] } });
  const text = millgate(args, { clock });
  expect(await text.exitCode).toBe(EXIT.ok);
  expect(text.out()).toContain('one: 0 parts pass, 1 fail, 0 are incomplete.\nrack: blank: 10');
});
