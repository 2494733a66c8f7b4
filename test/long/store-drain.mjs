// A backlog of ten million records in a store that may not be so large: the real gateway drains it to a broker that keeps
// up, lets go of what does not fit, polls on, and serves an export of everything, all at once. Its event loop is watched:
// polling suffers what it suffers. Prints delays, memory, rates and the account; needs mosquitto.
// With LIVE=1 nothing is exported and nothing let go; instead a client of the broker follows the readings, and the age of
// the live ones is printed as they arrive beside the backlog. A day of the backlog's devices is 17,280,000 records.
//   node test/long/store-drain.mjs [RECORDS] [FOLDER]     after: npm run build; scripts/store-drain does both
import { execFile } from 'node:child_process';
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connectAsync } from 'mqtt';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { openLocalStore } from '../../dist/src/store/thread/open.js';
import { Bench, BINARY, freePort, serviceOptions, sleep } from '../bench/parts.mjs';

const DEVICES = 20;
const LIVE_TAGS = 50;
/** The backlog is of devices that give ten records a second, committed once a second: fourteen hours are ten million. */
const RECORDS_PER_COMMIT = 200;
/** More than a record takes; the segments that it gives are as in a store of about this size. */
const ROOM_PER_RECORD_BYTES = 20;
/** The store may hold this much of what it holds: the rest is let go, sent or not. */
const SHARE_KEPT = 0.9;
/** The least that the file may give a store; a backlog below it is not let go by size. */
const LEAST_STORE_BYTES = 16e6;
const LIVE = Boolean(process.env.LIVE);
/** A backlog that takes a minute or two, and one that shows what a full store does. */
const USUAL_RECORDS = LIVE ? 3_000_000 : 10_000_000;
const LINE_FEED = 10;
const TARGET_DELAY_MS = 20;
const TARGET_RSS_MB = 150;
const TARGET_DRAIN = 50;
const TARGET_LIVE_MS = 1000;

if (process.argv[2] === '--fill') await fill(process.argv[3], Number(process.argv[4]));
else await main(Number(process.argv[2] ?? USUAL_RECORDS), resolve(process.argv[3] ?? tmpdir()));

/** What the devices gave, three tags each, up to now. */
async function fill(path, records) {
  const clock = new SimulatedClock();
  const store = await openLocalStore({ path, maxBytes: records * ROOM_PER_RECORD_BYTES, clock, log: silentLogger });
  await store.keepUplinks(['plant']);
  const firstMs = Math.floor(Date.now() - (records / RECORDS_PER_COMMIT) * 1000);
  for (let done = 0; done < records; done += RECORDS_PER_COMMIT) {
    const batch = Array.from({ length: Math.min(RECORDS_PER_COMMIT, records - done) }, (_, index) => {
      const number = done + index;
      const at = { wallMs: firstMs + number * 5 + Math.floor(Math.random() * 4), monoMs: number * 5 + Math.random() };
      const oilTemp = Math.round(450 + 100 * Math.sin(number / 1e5) + Math.random() * 50) / 10;
      const fields = [
        { name: 'oil-temp', quality: 'good', value: oilTemp },
        { name: 'pressure', quality: 'good', value: Math.fround(120 + Math.random()) },
        { name: 'parts', quality: 'good', value: Math.floor(number / 3000) },
      ];
      return { device: `press-${number % DEVICES}`, at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
    });
    await store.commit({ records: batch, events: [], states: new Map() });
    await clock.advance(1000);
  }
  await store.close();
}

async function main(records, parent) {
  const bench = new Bench();
  const folder = mkdtempSync(join(parent, 'store-drain-'));
  try {
    process.exitCode = await measure(bench, folder, records);
  } catch (error) {
    console.error(`store-drain: ${error.message}`);
    process.exitCode = 1;
  } finally {
    bench.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(bench, folder, records) {
  const store = join(folder, 'store');
  const filled = await ended(
    bench.start(process.execPath, [fileURLToPath(import.meta.url), '--fill', store, String(records)]),
  );
  if (filled !== 0) throw new Error('the backlog could not be made; see above');
  const stored = readdirSync(store).reduce((sum, file) => sum + statSync(join(store, file)).size, 0);
  const mqttPort = await freePort();
  await bench.broker(mqttPort);
  const kept = LIVE ? stored * 3 : stored * SHARE_KEPT;
  const config = configuration(folder, mqttPort, Math.max(LEAST_STORE_BYTES, Math.floor(kept)));
  const watched = join(folder, 'loop.json');
  const preload = join(dirname(fileURLToPath(import.meta.url)), 'loop-watch.mjs');
  const log = createWriteStream(join(folder, 'gateway.log'));
  const startedMs = performance.now();
  const gateway = bench.start(process.execPath, ['--import', preload, BINARY, 'run', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LOOP_WATCH: watched, NODE_OPTIONS: serviceOptions() },
  });
  gateway.stderr.pipe(log);
  const seconds = () => (performance.now() - startedMs) / 1000;

  let status = await untilConnected(config, seconds);
  const live = LIVE ? await watchLive(mqttPort) : undefined;
  let exported = 0;
  const exporting = bench.start(
    process.execPath,
    live ? ['-e', ''] : [BINARY, 'export', '--since', '3650d', '--config', config],
  );
  exporting.stdout.on('data', (chunk) => {
    for (const byte of chunk) if (byte === LINE_FEED) exported++;
  });
  const before = { seconds: seconds(), delivered: status.uplinks[0].deliveredRecords };
  let mostRssMb = 0;
  while (status.uplinks[0].pendingRecords > RECORDS_PER_COMMIT) {
    for (let tries = 0; tries < 20; tries++) {
      mostRssMb = Math.max(mostRssMb, rssMb(gateway.pid));
      await sleep(100);
    }
    status = await statusOf(config);
  }
  const drain = {
    seconds: seconds() - before.seconds,
    delivered: status.uplinks[0].deliveredRecords - before.delivered,
  };
  const ages = live?.end();
  const isStillExporting = exporting.exitCode === null;
  exporting.kill('SIGKILL');
  const whole = seconds();
  mostRssMb = Math.max(mostRssMb, rssMb(gateway.pid));
  status = await statusOf(config);
  const loop = JSON.parse(readFileSync(watched, 'utf8'));
  gateway.kill('SIGTERM');
  await ended(gateway);
  return judge({
    records,
    stored,
    status,
    loop,
    mostRssMb,
    drain,
    exported,
    isStillExporting,
    whole,
    ages,
    letsGo: kept < stored && kept >= LEAST_STORE_BYTES,
  });
}

/** What a system that follows the readings sees of the live ones while the backlog passes beside them. */
async function watchLive(port) {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
  const ages = [];
  client.on('message', (_topic, payload) => {
    if (!payload.subarray(0, 300).includes('"lane":"live"')) return;
    const { records } = JSON.parse(payload.toString());
    ages.push(Date.now() - records[0].t);
  });
  await client.subscribeAsync('millgate/drain/readings', { qos: 0 });
  return {
    /** Sorted, ms. */
    end() {
      client.end(true);
      return ages.sort((a, b) => a - b);
    },
  };
}

function configuration(folder, mqttPort, maxBytes) {
  const tags = Array.from(
    { length: LIVE_TAGS },
    (_, tag) => `      t${tag}: {address: "sine(min=0,max=100,period=60s,noise=0.5)"}`,
  );
  const devices = Array.from({ length: DEVICES }, (_, device) =>
    [`  live-${device}:`, '    channel: sim', '    every: 1s', '    tags:', ...tags].join('\n'),
  );
  const lines = [
    ...['gateway: {id: drain}', 'channels:', '  sim: {driver: mock, seed: 1}', 'devices:', ...devices],
    `store: {path: ${folder}/store, maxSize: ${Math.floor(maxBytes / 1e6)}MB}`,
    'api: {listen: off}',
    `uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:${mqttPort}", backfillRate: 1000000/s}}`,
  ];
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function statusOf(config) {
  const { stdout } = await promisify(execFile)(process.execPath, [BINARY, 'status', '--json', '--config', config]);
  return JSON.parse(stdout);
}

async function untilConnected(config, seconds) {
  for (;;) {
    const status = await statusOf(config).catch(() => undefined);
    if (status?.uplinks?.[0]?.state === 'connected') return status;
    if (seconds() > 60) throw new Error('the gateway did not connect within a minute');
    await sleep(200);
  }
}

function rssMb(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024;
}

function ended(child) {
  return new Promise((resolve) => child.once('exit', resolve));
}

function judge({ records, stored, status, loop, mostRssMb, drain, exported, isStillExporting, whole, ages, letsGo }) {
  const account = status.store.accounts.find(({ stream }) => stream === 'readings');
  const { produced, delivered, waiting, evicted, quarantined, lost, skipped, unexplained } = account;
  const explained = delivered + waiting + evicted + quarantined + lost + skipped;
  const rate = drain.delivered / drain.seconds;
  const ms = (number) => `${number.toFixed(1)} ms`;
  const line = ({ p50, p99, p999, max }) => `p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`;
  console.log(
    `backlog: ${records} records of 3 readings, ${(stored / 1e6).toFixed(0)} MB; ${whole.toFixed(0)} s in all`,
  );
  console.log(`drained: ${drain.delivered} records in ${drain.seconds.toFixed(0)} s, ${rate.toFixed(0)} records/s`);
  if (ages) {
    const at = (share) => ages[Math.min(ages.length - 1, Math.floor(ages.length * share))];
    console.log(
      `live meanwhile: ${ages.length} messages; age of their oldest record on arrival p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (target p99 ≤ ${TARGET_LIVE_MS})`,
    );
    if (!(at(0.99) <= TARGET_LIVE_MS)) console.log('LIVE READINGS ARE LATE');
  }
  console.log(
    `exported meanwhile: ${exported} readings${isStillExporting ? ' to the end of the drain' : ', all there were'}; ${DEVICES * LIVE_TAGS} readings/s polled`,
  );
  console.log(
    `account: produced ${produced} = delivered ${delivered} + waiting ${waiting} + evicted ${evicted} + quarantined ${quarantined} + lost ${lost} + skipped ${skipped}${explained === produced && unexplained.length === 0 ? '' : `: WRONG, ${JSON.stringify(unexplained)}`}`,
  );
  console.log(`let go after it was delivered: up to record ${status.store.oldest.readings - 1}`);
  console.log(`event-loop delay: ${line(loop.lateMs)} (target p99 < ${TARGET_DELAY_MS})`);
  console.log(`own work between two ticks: ${line(loop.ownMs)}`);
  console.log(
    `main thread: ${(loop.ownShare * 100).toFixed(0)} % of a processor, waited for one ${(loop.waitedShare * 100).toFixed(0)} % of the time`,
  );
  console.log(`RSS at most ${mostRssMb.toFixed(0)} MB (target ${TARGET_RSS_MB})`);
  const isGood =
    loop.lateMs.p99 < TARGET_DELAY_MS &&
    mostRssMb <= TARGET_RSS_MB &&
    explained === produced &&
    unexplained.length === 0 &&
    (evicted > 0 || !letsGo) &&
    (!ages || ages[Math.floor(ages.length * 0.99)] <= TARGET_LIVE_MS) &&
    rate * 3 >= TARGET_DRAIN * DEVICES * LIVE_TAGS;
  return isGood ? 0 : 1;
}
