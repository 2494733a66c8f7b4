import { DRIVERS } from '../../../hal/registry.ts';
import { type Config, type MqttConfig, tagsOf } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';

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
  const text = `${devices}\nuplinks:\n  cloud: ${uplink}\n`;
  const files = { read: () => Buffer.from(text), list: () => [], exists: () => true };
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate', timezone: 'UTC', files });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  return loaded.config;
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

/** Lets sockets do what they can, a number of times round. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
