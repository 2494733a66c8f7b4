/**
 * The whole gateway against each product for an hour of faults on a simulated clock, and then in calm: nothing is lost,
 * nothing is there twice, no limit is broken, and `uplink explain` says what was counted. Minutes of it here;
 * `scripts/preset-hour` takes the whole hour and prints a line for each product.
 */
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { DEVICE_KEY } from '../../double/cloud-brokers.ts';
import { millgate } from '../../double/command-line.ts';
import { Hour, httpPeer, mqttPeer, type PresetPeer } from '../../double/preset-peers.ts';
import { TOKEN } from '../../double/preset-products.ts';
import { type SelfSigned, selfSigned } from '../../double/self-signed.ts';
import { PLANT, pass, producedIn, startPlant, stopPlant } from './preset-fixture.ts';

const HOUR_MS = Number(process.env.MILLGATE_FAULT_MINUTES ?? 2) * 60_000;
/** How long messages are counted for the comparison. */
const COUNTED_MS = Math.max(60_000, HOUR_MS / 6);
const REPORT = process.env.MILLGATE_FAULT_REPORT;
const MONTH_MS = 30 * 86_400_000;
const SHARE = 0.05;

let signed: SelfSigned;
const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millgate-hour-'));
beforeAll(async () => {
  signed = await selfSigned();
  // The library is loaded in real time.
  await import('mqtt');
});
afterAll(async () => {
  rmSync(place, { recursive: true, force: true });
  await signed.remove();
});

const tls = () => `tls: {cert: ${signed.certPath}, key: ${signed.certPath.replace('cert.pem', 'key.pem')}}`;

const PRODUCTS: Record<string, () => string> = {
  'aws-iot': () => `{preset: aws-iot, endpoint: a.iot.eu-west-1.amazonaws.com, keepalive: 15m, ${tls()}}`,
  'azure-iot-hub': () => '{preset: azure-iot-hub, hub: acme.azure-devices.net, keepalive: 15m, key: {env: DEVICE_KEY}}',
  'azure-event-grid': () =>
    `{preset: azure-event-grid, endpoint: acme.ts.eventgrid.azure.net, keepalive: 15m, ${tls()}}`,
  thingsboard: () => '{preset: thingsboard, url: "mqtt://tb.example", keepalive: 15m, token: {env: TOKEN}}',
  'home-assistant': () => '{preset: home-assistant, url: "mqtt://ha.local", keepalive: 15m}',
  influxdb: () =>
    '{preset: influxdb, url: "http://influx.example:8086", org: acme, bucket: plant, token: {env: TOKEN}}',
  'kafka-rest': () => '{preset: kafka-rest, url: "http://kafka.example:8082", topic: plant}',
  http: () => '{type: http, url: "http://mes.example/api/readings"}',
};

const HTTP = ['influxdb', 'kafka-rest', 'http'];

it.each(Object.keys(PRODUCTS))('%s', { timeout: 600_000 }, async (name) => {
  const seed = Number(process.env.SEED ?? 5);
  const clock = new SimulatedClock(Date.now() + 60_000);
  const hour = new Hour(clock, HOUR_MS, seededRandom(seed));
  const peer = (HTTP.includes(name) ? httpPeer : mqttPeer)(name, clock, hour);
  const uplink = PRODUCTS[name]!();
  const text = `${PLANT}\nuplinks: {cloud: ${uplink}}\n`;
  const { gateway, store } = await startPlant(clock, { text, peers: { cloud: peer }, folder: place, seed });
  await pass(clock, HOUR_MS);
  const standing = async () => (await gateway.view.status()).uplinks[0]!;
  for (let waited = 0; waited < 600_000 && (await standing()).pendingRecords > 10; waited += 5000)
    await pass(clock, 5000);
  // What was learned of sizes from hang-ups holds for two minutes.
  await pass(clock, 150_000);
  const before = { ...peer.counted };
  await pass(clock, COUNTED_MS);
  const counted = sinceThen(peer, before);
  const { quarantinedRecords } = await standing();
  const truth = await producedIn(store);
  await stopPlant(clock, gateway);

  const said = await explained(uplink, clock);
  const lost = truth.filter((key) => !peer.rows.has(key)).length;
  const twice = truth.length - new Set(truth).size;
  report(name, { produced: truth.length, lost, twice, ...peer.counted }, counted, said);
  expect([...new Set(peer.broken)]).toEqual([]);
  expect({ lost, twice, refused: quarantinedRecords }).toEqual({ lost: 0, twice: 0, refused: 0 });
  expect(peer.counted.faults).toBeGreaterThan(0);
  for (const key of ['messages', 'bytes', 'units'] as const)
    expect(Math.abs(off(said[key], counted[key])), `${key}: ${said[key]} said, ${counted[key]} counted`).toBeLessThan(
      SHARE,
    );
});

interface Sums extends Pick<PresetPeer['counted'], 'again' | 'faults' | 'sessions'> {
  readonly produced: number;
  readonly lost: number;
  readonly twice: number;
}

interface Traffic {
  readonly messages: number;
  readonly bytes: number;
  readonly units: number;
}

function sinceThen({ counted }: PresetPeer, before: Traffic): Traffic {
  return {
    messages: counted.messages - before.messages,
    bytes: counted.bytes - before.bytes,
    units: counted.units - before.units,
  };
}

/** What `uplink explain` says for the time that was counted. */
async function explained(uplink: string, clock: SimulatedClock): Promise<Traffic> {
  writeFileSync(join(place, 'millgate.yaml'), `${PLANT}\nuplinks: {cloud: ${uplink}}\n`);
  const env = { MILLGATE_CONFIG: 'millgate.yaml', DEVICE_KEY, TOKEN };
  const run = millgate(['uplink', 'explain', 'cloud', '--json'], { cwd: place, env, clock });
  expect(await run.exitCode, run.err()).toBe(0);
  const { messagesPerMonth, bytesPerMonth, billed } = JSON.parse(run.out());
  const share = COUNTED_MS / MONTH_MS;
  return { messages: messagesPerMonth * share, bytes: bytesPerMonth * share, units: (billed?.perMonth ?? 0) * share };
}

function off(said: number, counted: number): number {
  return counted === 0 ? said : said / counted - 1;
}

function report(name: string, sums: Sums, counted: Traffic, said: Traffic): void {
  if (REPORT === undefined) return;
  const { produced, lost, twice, again, faults, sessions } = sums;
  const compared = (['messages', 'bytes', 'units'] as const).map((key) =>
    counted[key] === 0 && said[key] === 0
      ? `${key} not billed`
      : `${key} ${Math.round(said[key])} said, ${counted[key]} counted (${(off(said[key], counted[key]) * 100).toFixed(1)} %)`,
  );
  appendFileSync(
    REPORT,
    `${name.padEnd(16)} ${HOUR_MS / 60_000} min, ${faults} faults, ${sessions} sessions: produced ${produced}, lost ${lost}, twice by key ${twice} (sent again ${again}); explain: ${compared.join('; ')}\n`,
  );
}
