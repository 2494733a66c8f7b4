// Whether memory stays and scans are punctual for long, in real time: see scripts/soak.
//   node test/bench/soak.mjs [SECONDS [WORK]]
import { createInterface } from 'node:readline';
import { Bench, BINARY, serviceOptions, sleep } from './parts.mjs';
import { readingsIn, startSink } from './sink.mjs';
import { median, punctuality, slopeOf, usageOf } from './usage.mjs';
import { workOf } from './works.mjs';

const SAMPLE_S = 5;

/** What is printed of memory is the median of so many samples: ten minutes. */
const SAMPLES_A_LINE = 120;

/** What the memory of the process, and what each collection leaves of a heap, may grow by in a day, by their slopes, MB. */
const MOST_MB_A_DAY = 20;

/** A slope is drawn through no fewer collections than these. */
const LEAST_COLLECTIONS = 4;

/** What --trace-gc says of a full collection: whose heap, when in ms, and what it left in MB. */
const COLLECTED = /^\[\d+:(0x[0-9a-f]+)\]\s+(\d+) ms: Mark-Compact.*? -> ([\d.]+) \(/;

const [secondsText = '3600', name = 'W2'] = process.argv.slice(2);
const seconds = Number(secondsText);
const { devices, registers, periodMs } = workOf(name);
/** What belongs to a start: code is compiled, pools are filled, and the store holds ten minutes of roll-ups, s. */
const warmUpS = Math.min(900, Math.max(30, seconds / 4));

const bench = new Bench();
let readings = 0;
let began;
const mqttPort = await startSink((topic, payload) => {
  if (topic.endsWith('/readings')) readings += readingsIn(payload);
});
const base = 20_000 + (process.pid % 20_000);
try {
  const intervals = await bench.farm(base, devices);
  const config = bench.configuration({ base, devices, registers, periodMs, mqttPort });
  const env = { ...process.env, NODE_OPTIONS: serviceOptions() };
  const args = ['--trace-gc', BINARY, 'run', '--config', config];
  const gateway = bench.start(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], env });
  const { pid } = gateway;
  const collections = new Map();
  createInterface(gateway.stdout).on('line', (line) => {
    const [, heap, ms, mb] = COLLECTED.exec(line) ?? [];
    if (!heap || began === undefined) return;
    const { hours, left } = collections.get(heap) ?? { hours: [], left: [] };
    hours.push(Number(ms) / 3_600_000);
    left.push(Number(mb));
    collections.set(heap, { hours, left });
  });
  await sleep(warmUpS * 1000);
  await intervals();
  readings = 0;
  began = { ms: performance.now(), cpuMs: usageOf(pid).cpuMs };
  const hours = [];
  const megabytes = [];
  const between = [];
  while (performance.now() - began.ms < seconds * 1000) {
    await sleep(SAMPLE_S * 1000);
    hours.push((performance.now() - began.ms) / 3_600_000);
    megabytes.push(usageOf(pid).rssMb);
    if (megabytes.length % SAMPLES_A_LINE === 0) {
      const lately = megabytes.slice(-SAMPLES_A_LINE);
      console.log(
        `${Math.round(hours.at(-1) * 60)} min: ${median(lately).toFixed(1)} MB, at least ${Math.min(...lately).toFixed(1)}`,
      );
    }
    for (const ms of await intervals()) between.push(ms);
  }
  const tookMs = performance.now() - began.ms;
  const aDay = slopeOf(hours, megabytes) * 24;
  const { scans, late, jitterP99Ms } = punctuality(between, periodMs);
  const due = (devices * tookMs) / periodMs;
  const tell = (isOk, line) => {
    console.log(`${isOk ? 'ok  ' : 'FAIL'} ${line}`);
    if (!isOk) process.exitCode = 1;
  };
  const cpu = (((usageOf(pid).cpuMs - began.cpuMs) / readings) * 1000).toFixed(1);
  console.log(`${name} for ${(tookMs / 1000).toFixed(0)} s: ${readings} readings sent, ${cpu} s of CPU a million`);
  const [least, most] = [Math.min(...megabytes), Math.max(...megabytes)].map((mb) => mb.toFixed(1));
  tell(
    aDay <= MOST_MB_A_DAY,
    `memory: median ${median(megabytes).toFixed(1)} MB, ${least} to ${most} MB; slope ${(aDay / 24).toFixed(2)} MB an hour, ${aDay.toFixed(1)} MB a day, at most ${MOST_MB_A_DAY}`,
  );
  for (const { hours: at, left } of collections.values()) {
    const words = `a heap after ${left.length} collections: ${Math.min(...left)} to ${Math.max(...left)} MB`;
    if (left.length < LEAST_COLLECTIONS) console.log(`${words}, too few for a slope`);
    else {
      const leftADay = slopeOf(at, left) * 24;
      tell(leftADay <= MOST_MB_A_DAY, `${words}; slope ${leftADay.toFixed(1)} MB a day, at most ${MOST_MB_A_DAY}`);
    }
  }
  tell(
    late === 0 && scans >= due - devices,
    `scans: ${scans} of ${due.toFixed(0)}, ${late} late, p99 ${jitterP99Ms.toFixed(1)} ms off`,
  );
} catch (error) {
  console.error(`soak: ${error.message}`);
  process.exitCode = 1;
} finally {
  bench.end();
}
process.exit();
