import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Collector } from '../double/collector.ts';
import { openDoor } from '../double/door.ts';
import { Bench, BINARY, freePort, until } from '../double/processes.ts';

/**
 * The main job with the real parts of a factory: devices served by pymodbus, mosquitto, the installed binary. Seconds
 * here; `scripts/acceptance` runs the same scenarios for minutes.
 */
const LONG = process.env.MILLGATE_LONG === '1';
const SCANS = LONG ? 120 : 20;
const OUTAGE_MS = LONG ? 60_000 : 3000;
const KILLS = LONG ? 10 : 3;
const DEADLINE_MS = LONG ? 400_000 : 60_000;

let bench: Bench;
let collector: Collector;
let mqttPort: number;

beforeEach(async () => {
  bench = new Bench();
  mqttPort = await freePort();
});

afterEach(async () => {
  await collector?.stop();
  await bench.dispose();
});

let linesStarted = 0;

interface Line {
  readonly channels: string[];
  readonly devices: number;
  readonly channelOf: (device: number) => string;
  readonly unitOf: (device: number) => number;
  readonly everyMs: number;
  readonly registers: number;
  /** Where the gateway finds the broker, when not at its own port. */
  readonly mqttPort?: number;
}

function configFile(line: Line): string {
  const lines = ['gateway: {id: scenario}', 'channels:', ...line.channels, 'devices:'];
  for (let d = 0; d < line.devices; d++) {
    lines.push(
      `  d${d}:`,
      `    channel: ${line.channelOf(d)}`,
      `    unit: ${line.unitOf(d)}`,
      `    every: ${line.everyMs}ms`,
      '    tags:',
    );
    for (let r = 0; r < line.registers; r++) lines.push(`      r${r}: {address: "holding:${r}", type: uint16}`);
  }
  lines.push(`store: {path: ${join(bench.folder, 'store')}, maxSize: 1GB}`, 'api: {listen: off}');
  lines.push(`uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:${line.mqttPort ?? mqttPort}"}}`);
  return bench.write('millgate.yaml', `${lines.join('\n')}\n`);
}

async function tcpLine(devices: number, registers: number, everyMs: number, viaPort = mqttPort): Promise<string> {
  // Below the range the kernel gives to clients, and never the same again: connections of a closed port linger.
  const base = 10_000 + ((process.pid * 7 + linesStarted++) % 400) * 50;
  await bench.pymodbus('tcp', base, devices);
  return configFile({
    channels: Array.from(
      { length: devices },
      (_, d) => `  c${d}: {driver: modbus-tcp, host: 127.0.0.1, port: ${base + d}, timeout: 1s}`,
    ),
    devices,
    channelOf: (d) => `c${d}`,
    unitOf: () => 1,
    everyMs,
    registers,
    mqttPort: viaPort,
  });
}

/** How many numbers the store has given, by the gateway's own word. */
function committed(config: string): number {
  const text = execFileSync(process.execPath, [BINARY, 'status', '--json', '--config', config], { encoding: 'utf8' });
  return (JSON.parse(text) as { store: { next: { readings: number } } }).store.next.readings - 1;
}

/** Waits until everything the store has numbered so far has arrived. */
async function caughtUp(config: string, deadlineMs: number): Promise<number> {
  const target = committed(config);
  await until(
    `record ${target} and all before it`,
    () => collector.records.size >= target && collector.missing().length === 0,
    deadlineMs,
    () => `${collector.records.size} came, missing ${collector.missing().slice(0, 5)}`,
  );
  return target;
}

/** Scans that a device made and that did not arrive, between the first and the last that did. */
function lostScans(device: string): number {
  const scans = collector.scans(device);
  return scans.at(-1)! - scans[0]! + 1 - scans.length;
}

function report(title: string, facts: Record<string, unknown>): void {
  console.log(
    `${title}: ${Object.entries(facts)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}`,
  );
}

describe('from the wire to the broker', () => {
  it('10 devices of 100 registers: every value right, every scan there, periods kept', {
    timeout: DEADLINE_MS,
  }, async () => {
    const everyMs = LONG ? 1000 : 250;
    const config = await tcpLine(10, 100, everyMs);
    await bench.broker(mqttPort);
    collector = new Collector(mqttPort);
    await collector.start();
    const gateway = bench.gateway(config);
    await until(
      `${SCANS} scans of each device`,
      () => collector.scans('d9').length >= SCANS,
      DEADLINE_MS,
      gateway.output,
    );
    const lost = Array.from({ length: 10 }, (_, d) => lostScans(`d${d}`)).reduce((sum, count) => sum + count, 0);
    const times = [...collector.records.values()].filter(({ device }) => device === 'd0').map(({ t }) => t);
    const kept = ((times.length - 1) * everyMs) / (times.at(-1)! - times[0]!);
    report('tcp', {
      values: collector.values(),
      wrong: collector.wrong.length,
      'lost scans': lost,
      'period kept': kept.toFixed(4),
    });
    expect(collector.wrong).toEqual([]);
    expect(lost).toBe(0);
    expect(kept).toBeGreaterThan(LONG ? 0.999 : 0.99);
    expect(collector.missing()).toEqual([]);
    await gateway.stop();
    expect(gateway.child.exitCode, gateway.output()).toBe(0);
  });

  it('two slaves on a serial line with late replies: never a value of another register', {
    timeout: DEADLINE_MS,
  }, async () => {
    const { a, b } = await bench.ptyPair();
    await bench.pymodbus('rtu', b, 19_200, 2, 250, 7);
    await bench.broker(mqttPort);
    collector = new Collector(mqttPort);
    await collector.start();
    const config = configFile({
      channels: [
        `  line: {driver: modbus-rtu, port: ${a}, baud: 19200, parity: none, stopBits: 2, timeout: 100ms, retries: 1}`,
      ],
      devices: 2,
      channelOf: () => 'line',
      unitOf: (d) => d + 1,
      everyMs: 250,
      registers: 100,
    });
    const gateway = bench.gateway(config);
    const wanted = SCANS * 2;
    await until(
      'good scans of both slaves',
      () => Math.min(...['d0', 'd1'].map((d) => collector.scans(d).length)) >= wanted,
      DEADLINE_MS,
      gateway.output,
    );
    const bad = [...collector.records.values()].filter((record) => record.bad).length;
    report('rtu', { values: collector.values(), wrong: collector.wrong.length, 'bad records': bad });
    expect(collector.wrong).toEqual([]);
    expect(collector.missing()).toEqual([]);
  });

  it('the broker dies for a while under 1,000 readings a second: nothing is missing afterwards', {
    timeout: DEADLINE_MS,
  }, async () => {
    const door = await openDoor(mqttPort);
    const config = await tcpLine(10, 100, 1000, door.port);
    const broker = await bench.broker(mqttPort);
    collector = new Collector(mqttPort);
    await collector.start();
    const gateway = bench.gateway(config);
    await until('first records', () => collector.records.size >= 20, DEADLINE_MS, gateway.output);
    // The gateway is let in only after the collector listens again: what it sent before would reach nobody.
    door.isOpen = false;
    await broker.stop('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    await bench.broker(mqttPort);
    await until('the collector to listen', () => collector.isSubscribed, 20_000);
    door.isOpen = true;
    await until('live again', () => collector.backfilled > 0, 100_000, gateway.output);
    const target = await caughtUp(config, 100_000);
    const lost = Array.from({ length: 10 }, (_, d) => lostScans(`d${d}`)).reduce((sum, count) => sum + count, 0);
    report('outage', {
      records: target,
      backfilled: collector.backfilled,
      duplicates: collector.duplicates,
      'lost scans': lost,
    });
    expect(collector.missing()).toEqual([]);
    expect(collector.conflicting).toBe(0);
    expect(collector.wrong).toEqual([]);
    expect(lost).toBe(0);
    door.close();
  });

  it('kill -9 at random moments: no committed record is missing, no number means two records', {
    timeout: DEADLINE_MS,
  }, async () => {
    const config = await tcpLine(10, 100, 200);
    await bench.broker(mqttPort);
    collector = new Collector(mqttPort);
    await collector.start();
    let gateway = bench.gateway(config);
    for (let kill = 0; kill < KILLS; kill++) {
      const before = collector.records.size;
      await until('records to flow', () => collector.records.size > before + 20, DEADLINE_MS, gateway.output);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
      await gateway.stop('SIGKILL');
      gateway = bench.gateway(config);
    }
    const before = collector.records.size;
    await until('records to flow', () => collector.records.size > before + 20, DEADLINE_MS, gateway.output);
    const target = await caughtUp(config, DEADLINE_MS);
    report('kill -9', {
      kills: KILLS,
      records: target,
      duplicates: collector.duplicates,
      missing: collector.missing().length,
    });
    expect(collector.missing()).toEqual([]);
    expect(collector.conflicting).toBe(0);
    expect(collector.epochs.size).toBe(1);
    expect(collector.wrong).toEqual([]);
  });
});
