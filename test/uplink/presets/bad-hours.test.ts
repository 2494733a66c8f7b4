/**
 * Hours of one fault each on a simulated clock, against the whole gateway: what `status` says in one line, that nothing is
 * lost, and that an uplink beside the dead one does not notice. Then orders and bundles that must not be carried out.
 * Minutes of it here; `scripts/uplink-faults` takes whole hours and prints the table.
 */
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle, publicKeyOf, sealBundle } from '../../../src/config/apply/bundle.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import type { UplinkStatus } from '../../../src/uplink/uplink.ts';
import { Hour, httpPeer, mqttPeer, type Weather } from '../../double/preset-peers.ts';
import { PLANT, pass, producedIn, startPlant, stopPlant } from './preset-fixture.ts';

const HOUR_MS = Number(process.env.MILLGATE_FAULT_MINUTES ?? 1) * 60_000;
const REPORT = process.env.MILLGATE_FAULT_REPORT;
const DAY_MS = 86_400_000;

const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millgate-bad-hours-'));
beforeAll(async () => {
  // The library is loaded in real time.
  await import('mqtt');
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

function print(line: string): void {
  if (REPORT !== undefined) appendFileSync(REPORT, `${line}\n`);
}

const QUICK = PLANT.replace('commitEvery: 2s', 'commitEvery: 200ms');
const MQTT = '{type: mqtt, url: "mqtt://broker.plant.lan", keepalive: 15m}';
const HUB = '{preset: azure-iot-hub, hub: acme.azure-devices.net, keepalive: 15m, key: {env: DEVICE_KEY}}';
const KAFKA = '{preset: kafka-rest, url: "http://kafka.example:8082", topic: plant}';
const HTTP = '{type: http, url: "http://mes.example/api/readings"}';

/** An uplink, its peer, the fault, and the words that tell it apart in `status`. */
interface Case {
  readonly what: string;
  readonly uplink: string;
  readonly peer: string;
  readonly weather: Weather;
  readonly says: RegExp;
  /** The clock of the other side is a day ahead until the hour is over. */
  readonly isSlow?: boolean;
}

const CASES: readonly Case[] = [
  { what: 'the broker is dead', uplink: MQTT, peer: 'mqtt', weather: 'down', says: /refuses connections/ },
  {
    what: 'another client has the same id',
    uplink: MQTT,
    peer: 'mqtt',
    weather: 'rival',
    says: /another client with the id .* took the session over/,
  },
  {
    what: 'PUBACKs with an error',
    uplink: MQTT,
    peer: 'mqtt',
    weather: 'denied',
    says: /readings wait:.*not authori[sz]ed/i,
  },
  {
    what: 'all is beyond the quota',
    uplink: MQTT,
    peer: 'mqtt',
    weather: 'full',
    says: /puts messages off: quota exceeded; next attempt in/,
  },
  {
    what: 'the broker confirms nothing',
    uplink: MQTT,
    peer: 'mqtt',
    weather: 'silent',
    says: /confirmed nothing|not answer/,
  },
  {
    what: 'a SAS token that is refused',
    uplink: HUB,
    peer: 'azure-iot-hub',
    weather: 'locked',
    says: /key|user|password/,
  },
  {
    what: 'a clock that is a day slow',
    uplink: HUB,
    peer: 'azure-iot-hub',
    weather: 'fair',
    says: /wrong clock/,
    isSlow: true,
  },
  { what: '429', uplink: HTTP, peer: 'http', weather: 'busy', says: /answers 429.*asks for a pause; next attempt in/ },
  { what: 'a token that is refused', uplink: HTTP, peer: 'http', weather: 'locked', says: /answers 401/ },
  {
    what: 'a 200 with errors inside',
    uplink: KAFKA,
    peer: 'kafka-rest',
    weather: 'partial',
    says: /did not take \d+ of \d+/,
  },
];

describe('an hour of', () => {
  it.each(CASES)('$what', { timeout: 600_000 }, async ({ what, uplink, peer: name, weather, says, isSlow }) => {
    const clock = new SimulatedClock();
    const hour = new Hour(clock, HOUR_MS, seededRandom(3), [[0.02, 1, weather]]);
    const isOver = () => clock.monoMs() >= HOUR_MS;
    const slowMs = () => (isSlow && !isOver() ? DAY_MS : 0);
    const peer = ['http', 'kafka-rest'].includes(name)
      ? httpPeer(name, clock, hour)
      : mqttPeer(name, clock, hour, slowMs);
    const good = mqttPeer('mqtt', clock, new Hour(clock, HOUR_MS, seededRandom(4), []));
    const text = `${QUICK}\nuplinks: {bad: ${uplink}, good: ${MQTT.replace('{', '{clientId: other, ')}}\n`;
    const { gateway, store } = await startPlant(clock, { text, peers: { bad: peer, good }, folder: place, seed: 2 });
    const standing = async (): Promise<UplinkStatus> => (await gateway.view.status()).uplinks[0]!;
    const lines = new Set<string>();
    for (let step = 0; step < 20; step++) {
      await pass(clock, HOUR_MS / 20);
      const { reason, note, state } = await standing();
      lines.add(reason ?? note ?? state);
    }
    const ages = [...good.counted.agesMs];
    const waited = await drained(clock, standing);
    const { quarantinedRecords } = await standing();
    const truth = await producedIn(store);
    await stopPlant(clock, gateway);
    const line = [...lines].find((text) => says.test(text));
    const lost = truth.filter((key) => !peer.rows.has(key)).length;
    print(
      `${what}, ${HOUR_MS / 60_000} min → ${line ?? [...lines].join(' | ')} → lost ${lost} of ${truth.length}, all there ${(waited / 1000).toFixed(0)} s later; the uplink beside it: ${agesText(ages)}`,
    );
    expect([...lines].join('\n')).toMatch(says);
    expect({ lost, refused: quarantinedRecords }).toEqual({ lost: 0, refused: 0 });
    // A record waits for its commit, and a message for its answer.
    expect(Math.max(...ages)).toBeLessThan(500);
  });
});

/** Waits until what waited has gone; ms. */
async function drained(clock: SimulatedClock, standing: () => Promise<UplinkStatus>): Promise<number> {
  const startMs = clock.monoMs();
  while (clock.monoMs() - startMs < 300_000 && (await standing()).pendingRecords > 5) await pass(clock, 1000);
  return clock.monoMs() - startMs;
}

function agesText(ages: readonly number[]): string {
  const sorted = [...ages].sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? -1);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms of ${ages.length} records`;
}

it('an uplink alone is as late as beside a dead one', { timeout: 600_000 }, async () => {
  const clock = new SimulatedClock();
  const good = mqttPeer('mqtt', clock, new Hour(clock, HOUR_MS, seededRandom(4), []));
  const text = `${QUICK}\nuplinks: {good: ${MQTT}}\n`;
  const { gateway } = await startPlant(clock, { text, peers: { good }, folder: place, seed: 2 });
  await pass(clock, HOUR_MS);
  await stopPlant(clock, gateway);
  print(`no fault, ${HOUR_MS / 60_000} min: the uplink alone: ${agesText(good.counted.agesMs)}`);
  expect(Math.max(...good.counted.agesMs)).toBeLessThan(500);
});

const ORDERS = `
gateway: {id: press-shop-1}
channels: {sim: {driver: mock}}
devices:
  oven: {channel: sim, every: 1s, tags: {setpoint: {address: "constant(value=200)", writable: {min: 150, max: 250, perMinute: 6}}, fixed: {address: "constant(value=7)"}}}
store: {path: /nowhere, maxSize: 200MB, commitEvery: 200ms}
uplinks: {plant: {type: mqtt, url: "mqtt://broker.plant.lan", keepalive: 15m}}
commands: {enabled: true}
api: {listen: off}
`;

it('orders that are malformed, oversized, repeated, late or beyond the file are answered and not carried out', async () => {
  const clock = new SimulatedClock();
  const peer = mqttPeer('mqtt', clock, new Hour(clock, HOUR_MS, seededRandom(4), []));
  const { gateway } = await startPlant(clock, { text: ORDERS, peers: { plant: peer }, folder: place, seed: 2 });
  await pass(clock, 3000);
  const values = () => gateway.view.tags().map(({ last }) => (last && 'value' in last ? last.value : undefined));
  const send = async (payload: string, retain = false): Promise<Record<string, unknown>> => {
    const before = peer.heard!.length;
    peer.say!('millgate/press-shop-1/command', payload, retain);
    await pass(clock, 3000);
    const replies = peer.heard!.slice(before).filter(({ topic }) => topic.endsWith('/reply'));
    expect(replies).toHaveLength(1);
    return JSON.parse(replies[0]!.payload);
  };
  const order = (change: Record<string, unknown>): string =>
    JSON.stringify({
      expires: clock.wallMs() + 60_000,
      ...{ write: { tag: 'oven/setpoint', value: 210 }, ...change },
    });
  const first = order({ id: 'a' });
  expect(await send(first)).toMatchObject({ ok: true, readBack: 210 });
  expect(values()).toEqual([210, 7]);
  expect(await send(order({ id: 'b', write: { tag: 'oven/setpoint', value: 200 } }))).toMatchObject({ ok: true });
  const bad: readonly (readonly [what: string, payload: string, isRetained?: boolean])[] = [
    ['malformed', '{"id":"c","expires":'],
    ['not UTF-8 as JSON', '\u0000\u0001\u0002'],
    ['an unknown member', order({ id: 'd', force: true })],
    ['two things at once', order({ id: 'e', ack: { alarm: 'x', occurrence: 1 } })],
    ['without an id', order({})],
    ['oversized', order({ id: 'f', by: 'x'.repeat(9000) })],
    ['replayed', first],
    ['late', order({ id: 'g', expires: clock.wallMs() - 5000 })],
    ['valid for a day', order({ id: 'h', expires: clock.wallMs() + DAY_MS })],
    ['kept by the broker', order({ id: 'i' }), true],
    ['out of range', order({ id: 'j', write: { tag: 'oven/setpoint', value: 251 } })],
    ['a tag that is not writable', order({ id: 'k', write: { tag: 'oven/fixed', value: 1 } })],
    ['a tag that there is not', order({ id: 'l', write: { tag: 'oven/none', value: 1 } })],
    ['a text for a number', order({ id: 'm', write: { tag: 'oven/setpoint', value: '210' } })],
  ];
  for (const [what, payload, isRetained] of bad) {
    const reply = await send(payload, isRetained);
    const isRefused = what === 'replayed' ? reply.repeated === true : reply.ok === false && reply.outcome === 'refused';
    print(`command ${what} → ${reply.repeated ? 'the first reply again, "repeated": true' : reply.error} → written 0`);
    expect([what, isRefused, values()]).toEqual([what, true, [200, 7]]);
  }
  await stopPlant(clock, gateway);
});

it('a bundle with one flipped byte is refused, whichever it is', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const key = publicKeyOf(pem);
  const sealed = sealBundle({ gateway: 'press-shop-1', number: 7, madeMs: 0, text: ORDERS }, pem);
  expect(openBundle(sealed, key).ok).toBe(true);
  const whys = new Map<string, number>();
  for (let at = 0; at < sealed.length; at++) {
    const bytes = Buffer.from(sealed);
    bytes[at]! ^= 1;
    const opened = openBundle(bytes.toString(), key);
    expect(opened.ok).toBe(false);
    if (!opened.ok) whys.set(opened.why, (whys.get(opened.why) ?? 0) + 1);
  }
  for (const [why, count] of whys)
    print(`a signed bundle with one flipped byte, ${count} of ${sealed.length} → ${why} → taken 0`);
});
