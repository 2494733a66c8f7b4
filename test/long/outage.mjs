// The broker is dead for a while at 1,000 readings a second; then everything arrives, live readings without delay.
//   node test/long/outage.mjs [SECONDS] [DEVICES] [REGISTERS] [PERIOD_MS]     default 60 10 100 1000; needs mosquitto
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import mqtt from 'mqtt';
import { expected } from '../bench/farm.mjs';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const [seconds = 60, devices = 10, registers = 100, periodMs = 1000] = process.argv.slice(2).map(Number);
const COMMIT_EVERY_MS = 1000;
const CALM_MS = 10_000;
/** Between attempts the gateway waits up to a minute. */
const RECONNECT_MS = 90_000;
const LATE_TARGET_MS = 1000;
const DRAIN_TARGET = 50;

const bench = new Bench();
const seen = new Set();
const arrivals = [];
let wrong = 0;
let duplicates = 0;
let epoch;

/** Notes what arrived, and holds every value against the formula of the farm. */
function take(topic, payload) {
  const atMs = Date.now();
  if (!topic.endsWith('/readings')) return;
  const batch = JSON.parse(payload.toString());
  epoch ??= batch.epoch;
  if (batch.epoch !== epoch) wrong++;
  for (const [index, { device, t, v }] of batch.records.entries()) {
    const seq = batch.seq + index;
    if (seen.has(seq)) duplicates++;
    seen.add(seq);
    const values = Object.entries(v);
    for (const [name, value] of values)
      if (value !== expected(Number(device.slice(1)), Number(name.slice(1)), v.r0)) wrong++;
    arrivals.push({ seq, atMs, delayMs: atMs - t, lane: batch.lane, readings: values.length });
  }
}

/** How many numbers the store has given, by the gateway's own word. */
async function committed(config) {
  const args = [BINARY, 'status', '--json', '--config', config];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout).store.next.readings - 1;
}

async function until(what, condition, deadlineMs) {
  const endMs = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited ${deadlineMs / 1000} s in vain for ${what}`);
    await sleep(50);
  }
}

function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function main() {
  const mqttPort = await freePort();
  const base = 20_000 + (process.pid % 20_000);
  await bench.farm(base, devices);
  const broker = await bench.broker(mqttPort);
  const sink = mqtt.connect({ host: '127.0.0.1', port: mqttPort, reconnectPeriod: 100, clean: true });
  sink.on('error', () => {});
  sink.on('message', take);
  await new Promise((resolve) => sink.once('connect', resolve));
  await sink.subscribeAsync('#', { qos: 1 });
  const config = bench.configuration({ base, devices, registers, periodMs, mqttPort });
  const gateway = bench.start(process.execPath, [BINARY, 'run', '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });

  await until('the first records', () => seen.size > 0, 30_000);
  await sleep(CALM_MS);
  const calm = arrivals.filter(({ lane }) => lane === 'live').map(({ delayMs }) => delayMs);
  broker.kill('SIGKILL');
  const before = arrivals.length;
  await sleep(seconds * 1000);
  await bench.broker(mqttPort);
  await until('the first record after the outage', () => arrivals.length > before, RECONNECT_MS);
  const rate = (devices * registers * 1000) / periodMs;
  const head = await committed(config);
  const complete = () => {
    for (let seq = 1; seq <= head; seq++) if (!seen.has(seq)) return false;
    return true;
  };
  await until('all of it', complete, Math.max(60_000, seconds * 1000));
  await sleep(3000);
  gateway.kill('SIGTERM');
  await sink.endAsync(true);
  judge(arrivals.slice(before), calm, rate, head);
}

function judge(after, calm, rate, head) {
  const backfill = after.filter(({ lane }) => lane === 'backfill');
  const firstMs = Math.min(...backfill.map(({ atMs }) => atMs));
  const lastMs = backfill.reduce((latest, { atMs }) => Math.max(latest, atMs), 0);
  const readings = backfill.reduce((sum, record) => sum + record.readings, 0);
  // The first message is the start of the watch, not work done in it.
  const drained = readings - backfill.filter(({ atMs }) => atMs === firstMs).reduce((sum, r) => sum + r.readings, 0);
  const drainSeconds = Math.max(0.001, (lastMs - firstMs) / 1000);
  const live = after.filter(({ lane, atMs }) => lane === 'live' && atMs <= lastMs + COMMIT_EVERY_MS);
  const worstMs = live.reduce((worst, { delayMs }) => Math.max(worst, delayMs), 0);
  const lateMs = Math.max(0, worstMs - COMMIT_EVERY_MS);
  const multiple = drained / drainSeconds / rate;
  const missing = Array.from({ length: head }, (_, index) => index + 1).filter((seq) => !seen.has(seq)).length;
  console.log(`outage ${seconds} s at ${rate} readings/s, ${devices} devices x ${registers} registers`);
  console.log(
    `delivered ${head - missing} of ${head} records, missing ${missing}, duplicates ${duplicates}, wrong ${wrong}`,
  );
  console.log(
    `backfilled ${readings} readings in ${drainSeconds.toFixed(2)} s: ${multiple.toFixed(0)} x the live rate`,
  );
  console.log(`live delay before: median ${percentile(calm, 0.5)} ms, worst ${Math.max(...calm)} ms`);
  console.log(
    `live delay in the drain: ${live.length} records, worst ${worstMs} ms, beyond the commit interval ${lateMs} ms`,
  );
  const isGood = missing === 0 && wrong === 0 && lateMs <= LATE_TARGET_MS && multiple >= DRAIN_TARGET;
  process.exitCode = isGood ? 0 : 1;
}

main()
  .catch((error) => {
    console.error(`outage: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(() => bench.end());
