import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { type RunningGateway, startGateway } from '../../src/gateway/gateway.ts';
import { Bench, until } from '../double/processes.ts';
import { type RtuBus, startRtuBus } from '../double/rtu-bus.ts';

/**
 * A serial bus that takes the time of a real one, read by the whole gateway. Seconds here; `scripts/modbus-bus-test`
 * runs it in full size and prints what it measured.
 */
const LONG = process.env.MILLGATE_LONG === '1';

let bench: Bench;
let gateway: RunningGateway | undefined;

beforeEach(() => {
  bench = new Bench();
});

afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await bench.dispose();
});

interface Scan {
  readonly units: number;
  readonly registers: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

function configFile(bus: RtuBus, baud: number, { units, registers, everyMs, timeoutMs }: Scan): string {
  const lines = [
    'gateway: {id: bus}',
    `channels: {line: {driver: modbus-rtu, port: ${bus.port}, baud: ${baud}, parity: none, stopBits: 2, timeout: ${timeoutMs}ms}}`,
    'devices:',
  ];
  for (let unit = 1; unit <= units; unit++) {
    lines.push(`  u${unit}:`, `    channel: line`, `    unit: ${unit}`, `    every: ${everyMs}ms`, '    tags:');
    for (let r = 0; r < registers; r++) lines.push(`      r${r}: {address: "holding:${r}", type: uint16}`);
  }
  lines.push(`store: {path: ${join(bench.folder, 'store')}, maxSize: 64MB}`, 'api: {listen: off}');
  return bench.write('millgate.yaml', `${lines.join('\n')}\n`);
}

async function startHere(file: string): Promise<RunningGateway> {
  const loaded = loadConfig({ file, drivers: DRIVERS, hostname: 'here' });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  const { config } = loaded;
  gateway = await startGateway({
    ...{ config, simulate: false, version: '0', clock: systemClock, log: silentLogger },
    ...{ random: Math.random, environment: {} },
  });
  return gateway;
}

/** Good readings of register 0 of each device: when they were measured, by the monotonic clock, ms. */
function goodScans({ view }: RunningGateway): Map<string, number[]> {
  const times = new Map<string, number[]>();
  view.onReadings((readings) => {
    for (const { tag, quality, monoMs } of readings) {
      if (quality !== 'good' || !tag.endsWith('/r0')) continue;
      const device = tag.slice(0, -3);
      times.set(device, [...(times.get(device) ?? []), monoMs]);
    }
  });
  return times;
}

const offline = async ({ view }: RunningGateway): Promise<number> =>
  (await view.status()).channels[0]!.devices.filter(({ state }) => state === 'offline').length;

const busyMs = async ({ view }: RunningGateway, except: string): Promise<number> =>
  (await view.status()).channels[0]!.devices.filter(({ name }) => name !== except).reduce(
    (sumMs, device) => sumMs + (device.busyMs ?? 0),
    0,
  );

const pause = (ms: number): Promise<void> => systemClock.sleep(ms);

function table(title: string, facts: Record<string, string | number>): void {
  const width = Math.max(...Object.keys(facts).map((key) => key.length));
  const rows = Object.entries(facts).map(([key, value]) => `  ${key.padEnd(width)}  ${value}`);
  console.log([title, ...rows].join('\n'));
}

describe('32 slaves on one bus', () => {
  const baud = LONG ? 19_200 : 115_200;
  const timeoutMs = LONG ? 300 : 60;
  const steadyMs = LONG ? 60_000 : 6000;

  it('31 fall silent: the living one keeps its period, the dead cost little, all are back soon', {
    timeout: LONG ? 300_000 : 90_000,
  }, async () => {
    const bus = await startRtuBus(bench, baud, 32);
    const running = await startHere(configFile(bus, baud, { units: 32, registers: 4, everyMs: 1000, timeoutMs }));
    const scans = goodScans(running);
    // In full size long enough for the deadlines to have adapted, as they have in the field.
    const warmScans = LONG ? 20 : 2;
    const isWarm = () => [...scans.values()].filter((each) => each.length >= warmScans).length === 32;
    await until('all 32 to be read', isWarm, 60_000);
    const living = 'u17';
    bus.silence('1-16 18-32');
    const silentMs = systemClock.monoMs();
    await until('31 to be offline', async () => (await offline(running)) === 31, 120_000);
    const offlineMs = systemClock.monoMs();
    const busyBeforeMs = await busyMs(running, living);
    await pause(steadyMs);
    const deadShare = ((await busyMs(running, living)) - busyBeforeMs) / (systemClock.monoMs() - offlineMs);
    const steady = scans.get(living)!.filter((ms) => ms >= offlineMs);
    const worstGapMs = Math.max(...steady.slice(1).map((ms, index) => ms - steady[index]!));
    const dying = scans.get(living)!.filter((ms) => ms >= silentMs - 1000 && ms <= offlineMs);
    const worstDyingMs = Math.max(...dying.slice(1).map((ms, index) => ms - dying[index]!));
    const { violations } = await bus.facts();

    bus.answer('1-32');
    const returnMs = systemClock.monoMs();
    const isBack = (unit: number) => (scans.get(`u${unit}`) ?? []).some((ms) => ms > returnMs);
    const units = Array.from({ length: 32 }, (_, index) => index + 1);
    await until('all 32 to be back', () => units.every(isBack), 60_000);
    const backMs = systemClock.monoMs() - returnMs;
    table(`32 slaves at ${baud} baud, timeout ${timeoutMs} ms, period 1 s, 31 silent for ${steadyMs / 1000} s`, {
      'scans of the living one': `${steady.length} in ${(steadyMs / 1000).toFixed(0)} s`,
      'its longest gap': `${worstGapMs.toFixed(0)} ms (${worstDyingMs.toFixed(0)} ms while the others died)`,
      'bus time of the dead': `${(100 * deadShare).toFixed(1)} %`,
      'all offline after': `${((offlineMs - silentMs) / 1000).toFixed(1)} s`,
      'all back after': `${(backMs / 1000).toFixed(1)} s`,
      't3.5 violations': violations,
    });
    expect(steady.length).toBeGreaterThanOrEqual(Math.floor(steadyMs / 1000) - 1);
    expect(worstGapMs).toBeLessThan(1000 + timeoutMs + 250);
    expect(deadShare).toBeLessThanOrEqual(0.05);
    expect(backMs).toBeLessThan(10_000);
  });
});

describe('an adapter that is pulled out', () => {
  it('is read again within 10 s of coming back under another number', { timeout: 60_000 }, async () => {
    const bus = await startRtuBus(bench, 115_200, 2);
    const scan = { units: 2, registers: 4, everyMs: 100, timeoutMs: 100 };
    const running = await startHere(configFile(bus, 115_200, scan));
    const scans = goodScans(running);
    const count = () => scans.get('u2')?.length ?? 0;
    await until('readings', () => count() > 3, 10_000);
    bus.unplug();
    await until(
      'the loss to be noticed',
      async () => (await running.view.status()).channels[0]!.state !== 'connected',
      10_000,
    );
    const reason = (await running.view.status()).channels[0]!.reason;
    await pause(LONG ? 10_000 : 1000);
    const before = count();
    bus.plug();
    const pluggedMs = systemClock.monoMs();
    await until('readings again', () => count() > before, 20_000);
    const backMs = systemClock.monoMs() - pluggedMs;
    table('an adapter unplugged and plugged in again', { 'back after': `${(backMs / 1000).toFixed(1)} s` });
    expect(backMs).toBeLessThan(10_000);
    expect(reason ?? 'it is being opened again').toMatch(/gone|no such port|opened again/);
  });
});

describe('as fast as the line allows', () => {
  const cases: [number, number][] = LONG
    ? [
        [19_200, 0.97],
        [115_200, 0.9],
      ]
    : [
        [19_200, 0.5],
        [115_200, 0.4],
      ];

  it.each(cases)('8 slaves of 10 registers at %i baud', { timeout: 120_000 }, async (baud, least) => {
    const bus = await startRtuBus(bench, baud, 8);
    const file = configFile(bus, baud, { units: 8, registers: 10, everyMs: 0, timeoutMs: 1000 });
    const program = bench.gateway(file);
    await until('the first answers', async () => (await bus.facts()).answered > 0, 20_000, program.output);
    await pause(LONG ? 8000 : 2000);
    await bus.facts();
    await pause(LONG ? 30_000 : 4000);
    const facts = await bus.facts();
    table(`8 slaves × 10 registers at ${baud} baud, back to back`, {
      'of the theoretical limit': `${(100 * facts.utilisation).toFixed(1)} %`,
      'transactions a second': ((1000 * facts.answered) / facts.ranMs).toFixed(1),
      't3.5 violations': facts.violations,
      'answers overtaken (a busy host)': facts.overtaken,
      'damaged or unanswered': facts.damaged + facts.unanswered,
    });
    expect(facts.violations).toBe(0);
    expect(facts.damaged + facts.unanswered).toBe(0);
    expect(facts.utilisation).toBeGreaterThan(least);
    await program.stop();
    expect(program.child.exitCode, program.output()).toBe(0);
  });
});
