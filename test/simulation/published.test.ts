import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import type { IClientOptions, MqttClient } from 'mqtt';
import { afterAll, expect, it, vi } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { connack, PacketReader, puback, suback } from '../double/mqtt-wire.ts';

/**
 * What a fixed plant publishes, byte for byte, against a file that was written once. The file is written anew with
 * `MILLGATE_WRITE_GOLDEN=1`; a difference in it is a change of what every receiver gets, and needs a reason.
 */
const GOLDEN = new URL('published.golden.txt', import.meta.url);

/** Records of each device, and events of each kind, that stand in the file in plain text; the rest is a digest. */
const IN_FULL = 3;

const FILE = `
gateway: {id: golden, location: acme/leeds/press-shop, timezone: Europe/London}
channels:
  signals: {driver: mock, seed: 7, latency: 5ms}
  troubled: {driver: mock, seed: 8, timeout: 1s, faults: [{kind: offline, after: 90s, for: 20s}]}
devices:
  waves:
    channel: signals
    every: 1s
    tags:
      sine: {address: "sine(min=180,max=220,period=60s,noise=0.5,decimals=2)", unit: "°C", deadband: 0.5, heartbeat: 10s, min: 170, max: 215}
      triangle: {address: "triangle(min=0,max=100,period=40s)", type: float32}
      sawtooth: {address: "sawtooth(min=-5,max=5,period=20s)", type: float64, scale: 0.1, offset: 3}
      square: {address: "square(min=0,max=100,period=30s,duty=0.2)", type: int16}
      ramp: {address: "ramp(from=0,to=100,over=60s,end=repeat)", type: uint16}
  chance:
    channel: signals
    every: 2s
    tags:
      uniform: {address: "random(min=0,max=100,every=1s)", type: int32}
      normal: {address: "random(min=9.9,max=10.1,shape=normal,every=1s,decimals=3)"}
      walk: {address: "walk(min=0,max=100,period=5m,noise=0.2)", type: float32}
  pieces:
    channel: signals
    every: 500ms
    tags:
      parts: {address: "counter(start=65500,rate=240/m,wrap=65536)", type: uint32, counter: true}
      all: {address: "counter(start=9007199254740000,rate=1/s)", type: uint64}
      running: {address: "toggle(period=50s,duty=0.6)", type: bool}
      step: {address: "steps(values=[1,2,3],every=7s)"}
      job: {address: "text(values=['A 100','B \\"10\\" é'],every=15s)", type: string}
      story: {address: "script(0s=20, 30s=ramp(from=20,to=80,over=60s), 2m=80, repeat=3m)"}
      fixed: {address: "constant(value=42)"}
      none: {address: "constant(value=70000)", type: uint16}
  faulty:
    channel: troubled
    every: 1s
    faults: [{kind: timeout, every: 50s, for: 3s}]
    tags:
      nan: {address: "sine(min=0,max=10)", faults: [{kind: nan, every: 30s, for: 5s}]}
      garbled: {address: "42", faults: [{kind: garbled, every: 40s, for: 4s}]}
      spiked: {address: "sine(min=0,max=10,period=20s,decimals=1)", faults: [{kind: spike, every: 25s, for: 2s, by: 500}]}
      stuck: {address: "sawtooth(min=0,max=10,period=20s)", faults: [{kind: stuck, every: 45s, for: 10s}]}
  sums:
    channel: signals
    tags:
      total: {expr: "waves/sine + chance/uniform"}
      energy: {expr: "integral(chance/walk, 1h)"}
alarms:
  hot: {tag: waves/sine, above: 210, deadband: 3, onDelay: 2s, offDelay: 1s, priority: high, message: "Oil at {value} {unit}"}
  stopped: {tag: pieces/running, equals: off, priority: low, ack: false}
  gone: {tag: faulty/nan, stale: 5s, priority: critical}
spc:
  shaft: {tag: chance/normal, chart: xbar-r, subgroup: 3, limits: {center: 10, sigma: 0.002}, spec: {lsl: 9.95, target: 10, usl: 10.05}, rules: nelson}
store: {path: /nowhere, maxSize: 200MB, commitEvery: 1s, replay: 1h}
uplinks:
  plant: {type: mqtt, url: "mqtt://broker", version: "5"}
`;

const broker = vi.hoisted(() => ({
  isDown: false,
  connect: (_: (chunk: Uint8Array | null) => void) => (_: Uint8Array) => {},
}));

vi.mock('mqtt', async (original) => {
  const genuine = await original<typeof import('mqtt')>();
  const connect = (options: IClientOptions): MqttClient => new genuine.MqttClient(lineToBroker, options);
  return { ...genuine, default: { ...genuine.default, connect }, connect };
});

/** A line of bytes to the broker of this test. */
function lineToBroker(): Duplex {
  const line = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      toBroker(chunk);
      done();
    },
  });
  const toBroker = broker.connect((chunk) => {
    if (chunk === null) line.destroy();
    else line.push(chunk);
  });
  return line;
}

const folder = mkdtempSync(join(tmpdir(), 'millgate-golden-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('what a fixed plant publishes is the same bytes as ever', { timeout: 60_000 }, async () => {
  const lines = summaryOf(await publications());
  if (process.env.MILLGATE_WRITE_GOLDEN === '1') writeFileSync(GOLDEN, lines);
  expect(lines).toBe(readFileSync(GOLDEN, 'utf8'));
});

interface Published {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** Two minutes before an outage, one of it, one after it; everything that was published. */
async function publications(): Promise<readonly Published[]> {
  const published: Published[] = [];
  const clock = new SimulatedClock();
  let cut = (): void => {};
  broker.connect = (toClient) => {
    const reader = new PacketReader();
    cut = () => toClient(null);
    if (broker.isDown) queueMicrotask(cut);
    return (chunk) => {
      for (const packet of reader.push(chunk)) {
        if (packet.kind === 'connect') toClient(connack(5, 0));
        else if (packet.kind === 'subscribe') toClient(suback(5, packet.id, packet.filters));
        if (packet.kind !== 'publish') continue;
        published.push({ topic: packet.topic, payload: packet.payload.toString(), retain: packet.retain });
        clock.after(20, () => toClient(puback(5, packet.id)));
      }
    };
  };
  const loaded = loadConfig({
    file: 'golden.yaml',
    drivers: DRIVERS,
    hostname: 'golden',
    timezone: 'Europe/London',
    files: { read: () => Buffer.from(FILE), list: () => [], exists: () => true },
    profiles: '/nowhere',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems, undefined, 1));
  const options = {
    dial: () => async () => lineToBroker(),
    config: loaded.config,
    simulate: false,
    version: '0.0.0',
    clock,
    log: silentLogger,
    random: seededRandom(1),
    environment: {},
    openStore: () => openLocalStore({ path: folder, maxBytes: 200e6, clock, log: silentLogger, bootId: 'golden' }),
  };
  const gateway = await startGateway(options);
  // The library is loaded in real time.
  await import('mqtt');
  await clock.advance(120_000);
  broker.isDown = true;
  cut();
  await clock.advance(60_000);
  broker.isDown = false;
  await clock.advance(120_000);
  const closed = gateway.close();
  await clock.advance(10_000);
  await closed;
  return published;
}

/** One line a message that is given in full, and a digest of each kind of record. */
function summaryOf(published: readonly Published[]): string {
  const epoch = /"epoch":"([^"]*)"/.exec(published[0]!.payload)![1]!;
  const known = published.map((message) => ({ ...message, payload: message.payload.replaceAll(epoch, 'EPOCH') }));
  const lines: string[] = [];
  const of = (topic: string) => known.filter((message) => message.topic === `millgate/golden/${topic}`);

  // When the line is back, and how many records go into one message, is the uplink's business and not part of this.
  lines.push('# Status, each that differs');
  const statuses = of('status').map(
    ({ payload, retain }) => `${retain ? 'retained ' : ''}${payload.replace(/"since":\d+/, '"since":SINCE')}`,
  );
  lines.push(...new Set(statuses));

  lines.push('', '# What is around the records, in each lane');
  for (const { payload, retain } of of('readings')) {
    const around = payload.slice(0, payload.indexOf('[') + 1).replace(/"seq":\d+/, '"seq":SEQ');
    const line = `${retain ? 'retained ' : ''}${around}…${payload.slice(-2)}`;
    if (!lines.includes(line)) lines.push(line);
  }

  const records = new Map<number, string>();
  for (const { payload } of of('readings')) {
    const { seq, records: given } = JSON.parse(payload) as { seq: number; records: unknown[] };
    for (const [index, text] of recordTexts(payload, given.length).entries()) records.set(seq + index, text);
  }
  const events = new Map<number, string>();
  for (const { payload } of of('events')) events.set((JSON.parse(payload) as { seq: number }).seq, payload);

  const kindOf = (text: string): string => (JSON.parse(text) as { kind: string }).kind;
  const deviceOf = (text: string): string => (JSON.parse(text) as { device: string }).device;
  lines.push('', ...groups('Records of', inOrder(records), deviceOf));
  lines.push('', ...groups('Events:', inOrder(events), kindOf));
  return `${lines.join('\n')}\n`;
}

/** The text of each record in a batch, as it was sent. */
function recordTexts(payload: string, count: number): string[] {
  const body = payload.slice(payload.indexOf('"records":[') + '"records":['.length, -2);
  const texts = body.split(/,(?=\{"device":)/);
  expect(texts).toHaveLength(count);
  return texts;
}

function inOrder(numbered: ReadonlyMap<number, string>): string[] {
  return [...numbered].sort(([a], [b]) => a - b).map(([seq, text]) => `${seq} ${text}`);
}

function groups(title: string, texts: readonly string[], nameOf: (text: string) => string): string[] {
  const byName = new Map<string, string[]>();
  for (const text of texts) {
    const name = nameOf(text.slice(text.indexOf(' ') + 1));
    byName.set(name, [...(byName.get(name) ?? []), text]);
  }
  // Without the numbers: one record more of one device is no difference of the others.
  const digestOf = (own: readonly string[]) =>
    createHash('sha256')
      .update(own.map((text) => text.replace(/^\d+ /, '').replace(/"seq":\d+/, '')).join('\n'))
      .digest('hex');
  return [...byName].flatMap(([name, own]) => [
    `# ${title} ${name}: ${own.length}, sha256 ${digestOf(own)}`,
    ...own.slice(0, IN_FULL),
  ]);
}
