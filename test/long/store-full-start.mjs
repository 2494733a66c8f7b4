// The real program on a disk with so many bytes free, on a store with data that was delivered, or not; prints one line.
//   node test/long/store-full-start.mjs FOLDER delivered|undelivered|none FREE     scripts/store-full-start-test mounts it
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { openLocalStore } from '../../dist/src/store/thread/open.js';

const [folder, data, free] = process.argv.slice(2);
const path = join(folder, 'store');
const scratch = mkdtempSync(join(tmpdir(), 'full-start-'));
const cli = resolve('dist/src/cli.js');
const faults = [];
const produced = data === 'none' ? 0 : await fillStore();
hog(Number(free));
const before = freeBytes();

const config = join(scratch, 'millgate.yaml');
const port = await freePort();
writeFileSync(
  config,
  `gateway: {id: full}
channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, every: 100ms, tags: {temp: {address: "sine(min=20,max=90,period=40s)"}}}}
store: {path: "${path}", maxSize: 1GB}
uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:${port}"}}
api: {listen: "off"}
`,
);
const child = spawn(process.execPath, [cli, 'run', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
let log = '';
for (const stream of [child.stdout, child.stderr])
  stream.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
const exited = new Promise((done) => child.once('exit', (code) => done(code)));
await Promise.race([sleep(8000), exited]);
// A disk on which nothing is ours gives no room: then readings are held until somebody else makes some.
if (data === 'none') rmSync(join(folder, 'hog'), { force: true });
await Promise.race([sleep(12_000), exited]);
const status = child.exitCode === null ? statusOf() : undefined;
if (!status) faults.push(`it does not run (exit ${child.exitCode}): ${log.trim().split('\n').at(-1)}`);
child.kill('SIGTERM');
await exited;
let account;
if (status) {
  const store = await openAgain();
  if (store) {
    await store.keepUplinks(['plant']);
    const { accounts, next } = await store.status();
    account = accounts.find(({ stream }) => stream === 'readings');
    for (const one of accounts) {
      const sum = one.delivered + one.waiting + one.evicted + one.quarantined + one.lost + one.skipped;
      if (sum !== one.produced || one.unexplained.length > 0) faults.push(`not exact: ${JSON.stringify(one)}`);
    }
    if (next.readings - 1 <= produced) faults.push('nothing was stored since the start');
    await store.close();
    if (data !== 'none') await startAgain();
  }
}
const { produced: all, delivered, waiting, evicted, lost, skipped } = account ?? {};
console.log(
  `${data.padEnd(11)} ${String(before).padStart(7)} B free: ${faults.length === 0 ? 'ok  ' : 'FAIL'} before ${produced}, ` +
    `produced ${all} = delivered ${delivered} + waiting ${waiting} + evicted ${evicted} + lost ${lost} + skipped ${skipped}`,
);
const said = log.split('\n').filter((line) => /disk is full|given up/.test(line));
console.log(`    ${(said[0] ?? 'nothing said').slice(0, 200)}`);
for (const fault of faults) console.log(`    ${fault.slice(0, 300)}`);
rmSync(scratch, { recursive: true });
process.exit(faults.length === 0 ? 0 : 1);

async function fillStore() {
  const store = await openLocalStore({ path, maxBytes: 1e9, clock: systemClock, log: silentLogger });
  await store.keepUplinks(['plant']);
  for (const stream of ['readings', 'events']) await store.pending('plant', stream);
  let count = 0;
  while ((await store.status()).bytes < 4e6) {
    const records = Array.from({ length: 50 }, () => record(++count));
    await store.commit({ records, events: [], states: new Map() });
  }
  if (data === 'delivered') await store.settle('plant', 'readings', [{ from: count + 1, to: Infinity }]);
  await store.close();
  return count;
}

function record(number) {
  const noise = Array.from({ length: 10 }, () => Math.random().toString(36)).join('');
  const fields = [
    { name: 'number', quality: 'good', value: number },
    { name: 'noise', quality: 'good', value: noise },
  ];
  const at = { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() };
  return { device: 'press-1', at, clockKnown: true, simulated: false, fields };
}

function freeBytes() {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Somebody else takes the disk, but for so many bytes. */
function hog(bytes) {
  const file = openSync(join(folder, 'hog'), 'w');
  for (let left = freeBytes() - bytes; left > 0; left = freeBytes() - bytes) {
    try {
      writeSync(file, Buffer.alloc(Math.min(left, 65_536), 1));
    } catch {
      break;
    }
  }
  closeSync(file);
}

function statusOf() {
  const { stdout, status: code } = spawnSync(process.execPath, [cli, 'status', '--json', '--config', config], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (code !== 0 && !stdout) return undefined;
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}

/** What it left is looked at by itself, after whoever filled the disk made room. */
async function openAgain() {
  rmSync(join(folder, 'hog'), { force: true });
  try {
    return await openLocalStore({ path, maxBytes: 1e9, clock: systemClock, log: silentLogger });
  } catch (error) {
    faults.push(`the store does not open: ${error.message}`);
    return undefined;
  }
}

/** The reserve went at the first start, and somebody takes what is left: readings are stored all the same. */
async function startAgain() {
  hog(0);
  const store = await openLocalStore({ path, maxBytes: 1e9, clock: systemClock, log: silentLogger });
  try {
    await store.keepUplinks(['plant']);
    for (let commit = 1; commit <= 5; commit++)
      await store.commit({ records: Array.from({ length: 50 }, () => record(commit)), events: [], states: new Map() });
  } catch (error) {
    faults.push(`at the second start: ${error.message}`);
  }
  await store.close();
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port: found } = server.address();
  await new Promise((done) => server.close(done));
  return found;
}
