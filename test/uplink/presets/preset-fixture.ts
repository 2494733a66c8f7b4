import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { DRIVERS } from '../../../hal/registry.ts';
import { type Config, type MqttConfig, tagsOf } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { type RunningGateway, startGateway } from '../../../src/gateway/gateway.ts';
import type { Store } from '../../../src/store/store.ts';
import { openLocalStore } from '../../../src/store/thread/open.ts';
import { DEVICE_KEY } from '../../double/cloud-brokers.ts';
import type { PresetPeer } from '../../double/preset-peers.ts';
import { TOKEN } from '../../double/preset-products.ts';

const DEVICES = `
gateway: {id: press-shop-1, location: acme/leeds/press-shop}
channels: {sim: {driver: mock}}
devices:
  oven:
    channel: sim
    every: 1s
    tags:
      f0: {address: 1, unit: "°C"}
      parts: {address: 2, counter: true, deadband: 1, heartbeat: 60s}
`;

/** A file with one uplink; its text is in YAML flow style. */
export function fileWith(uplink: string, devices = DEVICES): Config {
  return fileOf(`${devices}\nuplinks:\n  cloud: ${uplink}\n`);
}

function fileOf(text: string): Config {
  const files = { read: () => Buffer.from(text), list: () => [], exists: () => true };
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate', timezone: 'UTC', files });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  return loaded.config;
}

/** Records of two devices, 1.5 a second; in the form of a whole file but for its uplinks. */
export const PLANT = `
gateway: {id: press-shop-1, location: acme/leeds/press-shop}
channels: {sim: {driver: mock, seed: 7}}
devices:
  oven:
    channel: sim
    every: 1s
    tags:
      temp: {address: "sine(min=1800,max=2200,period=60s,noise=3)", type: int16, scale: 0.1, unit: "°C", min: 0, max: 400}
      power: {address: "sine(min=2000,max=4000,period=47s,noise=100)", type: int16, scale: 0.01, unit: kW}
      parts: {address: "counter(start=10000,rate=25/m)", type: uint32, counter: true}
  press:
    channel: sim
    every: 2s
    tags:
      oil: {address: "sine(min=400,max=600,period=90s,noise=3)", type: int16, scale: 0.1, unit: "°C"}
      running: {address: "toggle(period=50s,duty=0.6)", type: bool}
store: {path: /nowhere, maxSize: 200MB, commitEvery: 2s}
api: {listen: off}
`;

/** A whole gateway on a simulated clock, whose uplinks lead to peers in memory. */
export async function startPlant(
  clock: SimulatedClock,
  plant: {
    readonly text: string;
    readonly peers: Readonly<Record<string, PresetPeer>>;
    readonly folder: string;
    readonly seed: number;
  },
): Promise<{ readonly gateway: RunningGateway; readonly store: Store }> {
  const path = mkdtempSync(join(plant.folder, 'store-'));
  const store = await openLocalStore({ path, maxBytes: 200e6, clock, log: silentLogger, bootId: 'one' });
  const gateway = await startGateway({
    ...{ config: fileOf(plant.text), simulate: false, version: '1.0.0', clock, log: silentLogger },
    random: seededRandom(plant.seed),
    environment: { DEVICE_KEY, TOKEN },
    openStore: async () => store,
    dial: (uplink) => plant.peers[uplink]!.dial,
  });
  await pass(clock, 3000);
  await turns(100);
  return { gateway, store };
}

/** Ends it; what was committed last is delivered before. */
export async function stopPlant(clock: SimulatedClock, gateway: RunningGateway): Promise<void> {
  await pass(clock, 10_000);
  const closing = gateway.close();
  await pass(clock, 20_000);
  await closing;
}

/** Device and time of each record that was committed. */
export async function producedIn(store: Store): Promise<string[]> {
  const keys: string[] = [];
  const { next } = await store.status();
  for (let from = 1; from < next.readings; ) {
    const { records, next: following } = await store.peek(from, 1000);
    keys.push(...records.map(({ device, at }) => `${device}@${at.wallMs}`));
    from = following;
  }
  return keys;
}

/** The uplink of such a file, to a broker on this machine, and its tags. */
export function presetOn(
  port: number,
  uplink: string,
): { config: MqttConfig; tagConfigs: () => ReturnType<typeof tagsOf> } {
  const file = fileWith(uplink);
  const [config] = file.uplinks;
  if (config?.type !== 'mqtt') throw new Error('not an MQTT uplink');
  return { config: { ...config, url: `mqtt://127.0.0.1:${port}`, tls: undefined }, tagConfigs: () => tagsOf(file) };
}

/** Lets simulated time pass, in steps between which files can be read, which takes real time. */
export async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    await clock.advance(Math.min(1000, left));
    await turns(4);
  }
}

/** Lets sockets do what they can, a number of times round. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
