// A day of the gateway on a simulated clock, with its real store: see scripts/soak.
//   node test/bench/soak-day.mjs [HOURS [WORK]]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DRIVERS } from '../../dist/hal/registry.js';
import { loadConfig } from '../../dist/src/config/load.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { startGateway } from '../../dist/src/gateway/gateway.js';
import { openLocalStore } from '../../dist/src/store/thread/open.js';
import { median, slopeOf } from './usage.mjs';
import { workOf } from './works.mjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** How often memory is looked at, minutes of the simulated clock. */
const SAMPLE_MIN = 2;

/** What the heap may grow by in a day, by the slope of what was measured, MB. */
const MOST_MB_A_DAY = 5;

const [hoursText = '24', name = '5x20@1000'] = process.argv.slice(2);
const hours = Number(hoursText);
/** What belongs to a start, until the store is full and makes room; minutes. */
const warmUpMin = Math.min(60, hours * 20);
const { devices, registers, periodMs } = workOf(name);
const folder = mkdtempSync(join(tmpdir(), 'millgate-soak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function configuration() {
  const tags = Array.from({ length: registers }, (_, at) => `t${at}: {address: "ramp(from=0,to=${at + 9},over=1h)"}`);
  const lines = ['channels: {sim: {driver: mock, seed: 1}}', 'devices:'];
  for (let device = 0; device < devices; device++)
    lines.push(`  d${device}: {channel: sim, every: ${periodMs}ms, tags: {${tags.join(', ')}}}`);
  lines.push(
    `store: {path: ${folder}/store, maxSize: 64MB}`,
    'uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:9"}}',
  );
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const result = loadConfig({ file, drivers: DRIVERS, hostname: 'soak', timezone: 'UTC' });
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.config;
}

/** Takes everything at once, and notes how far apart the records of each device are. */
const came = { records: 0, late: 0 };
const lastMs = new Map();
const uplink = {
  name: 'plant',
  limits: { records: 1000, fields: 10_000 },
  connect: async () => ({
    window: 16,
    ended: new Promise(() => {}),
    close: async () => {},
    async send({ kind, records = [] }) {
      if (kind !== 'readings') return { ok: true };
      for (const { device, at } of records) {
        came.records++;
        const before = lastMs.get(device);
        if (before !== undefined && at.monoMs - before > 1.5 * periodMs) came.late++;
        lastMs.set(device, at.monoMs);
      }
      return { ok: true };
    },
  }),
};

const clock = new SimulatedClock(undefined, 'promises');
const config = configuration();
const { path, maxBytes, replayMs } = config.store;
const started = startGateway({
  config,
  simulate: false,
  version: 'soak',
  clock,
  log: silentLogger,
  random: Math.random,
  environment: {},
  openStore: () => openLocalStore({ path, maxBytes, replayMs, clock, log: silentLogger }),
  createUplink: () => uplink,
});
let gateway;
started.then((one) => {
  gateway = one;
});
while (!gateway) await clock.advance(1);
const beganMs = performance.now();
await clock.advance(warmUpMin * 60_000);
Object.assign(came, { records: 0, late: 0 });
const times = [];
const megabytes = [];
for (let minutes = 0; minutes < hours * 60; minutes += SAMPLE_MIN) {
  await clock.advance(SAMPLE_MIN * 60_000);
  collect();
  times.push(minutes / 60);
  megabytes.push(process.memoryUsage().heapUsed / 1e6);
  if (minutes % 60 === 0) console.error(`hour ${minutes / 60}: ${megabytes.at(-1).toFixed(1)} MB`);
}
const aDay = slopeOf(times, megabytes) * 24;
const due = devices * hours * (3_600_000 / periodMs);
const tell = (isOk, line) => {
  console.log(`${isOk ? 'ok  ' : 'FAIL'} ${line}`);
  if (!isOk) process.exitCode = 1;
};
console.log(`${name}, ${hours} h of the simulated clock in ${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
tell(
  aDay <= MOST_MB_A_DAY,
  `heap after collection: median ${median(megabytes).toFixed(1)} MB; slope ${(aDay / 24).toFixed(3)} MB an hour, ${aDay.toFixed(1)} MB a day, at most ${MOST_MB_A_DAY}`,
);
tell(came.late === 0 && came.records >= due - 2 * devices, `records: ${came.records} of ${due}, ${came.late} late`);
process.exit();
