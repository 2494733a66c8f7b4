// The real gateway under load on a disk that is frozen for a while (fsfreeze of an ext4 in a file, which is what a snapshot of
// a virtual machine or a dying card does to it). Prints how fast status and /readyz answer, what they say, the memory, and
// whether every scan is stored after the thaw. Needs root.
//   node test/long/frozen-disk.mjs [SECONDS]     after: npm run build; scripts/frozen-disk-test does both
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const DEVICES = 20;
const TAGS = 10;
const EVERY_MS = 500;
const IMAGE_MB = 128;
const TARGET_ANSWER_MS = 1000;
const TARGET_RSS_MB = 200;
const frozenSeconds = Number(process.argv[2] ?? 120);

const bench = new Bench();
const mount = join(bench.folder, 'disk');
let isMounted = false;
try {
  process.exitCode = await measure();
} catch (error) {
  console.error(`frozen-disk-test: ${error.message}`);
  process.exitCode = 1;
} finally {
  thaw();
  bench.children.at(-1)?.kill('SIGKILL');
  await sleep(500);
  if (isMounted) execFileSync('umount', [mount]);
  bench.end();
}

async function measure() {
  const image = join(bench.folder, 'disk.img');
  mkdirSync(mount);
  execFileSync('truncate', ['-s', `${IMAGE_MB}M`, image]);
  execFileSync('mkfs.ext4', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, mount]);
  isMounted = true;
  const port = await freePort();
  const config = configuration(port);
  const gateway = bench.start(process.execPath, [BINARY, 'run', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  gateway.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const get = async (path) => {
    const startedMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = await response.json();
    return { status: response.status, body, ms: performance.now() - startedMs };
  };
  for (let tries = 0; (await get('/readyz').catch(() => undefined))?.status !== 200; tries++) {
    if (tries > 100) throw new Error(`the gateway does not get ready: ${log}`);
    await sleep(200);
  }
  await sleep(5000);
  const logBefore = log.length;
  execFileSync('fsfreeze', ['-f', mount]);
  const frozenMs = Date.now();
  const answers = [];
  let last;
  let mostRssMb = 0;
  let cli;
  while (Date.now() - frozenMs < frozenSeconds * 1000) {
    const [ready, status] = await Promise.all([get('/readyz'), get('/api/v1/status')]);
    answers.push(ready.ms, status.ms);
    last = { ready, status };
    mostRssMb = Math.max(mostRssMb, rssMb(gateway.pid));
    if (!cli && Date.now() - frozenMs > (frozenSeconds * 1000) / 2) cli = await commandLine(config);
    await sleep(500);
  }
  thaw();
  const { store } = last.status.body;
  console.log(`frozen for ${frozenSeconds} s, ${(DEVICES * 1000) / EVERY_MS} records/s of ${TAGS} readings`);
  console.log(
    `status and /readyz: ${answers.length} answers, slowest ${Math.max(...answers).toFixed(0)} ms (target ${TARGET_ANSWER_MS} ms)`,
  );
  console.log(`/readyz: ${last.ready.status} ${JSON.stringify(last.ready.body)}`);
  console.log(`held: ${JSON.stringify(store.held)}`);
  console.log(`millgate status: ${cli.ms.toFixed(0)} ms, the start of the process included:\n${cli.text}`);
  console.log(`log while frozen:\n${log.slice(logBefore).trim()}`);
  await sleep(5000);
  const after = await get('/readyz');
  const end = await get('/api/v1/status');
  gateway.kill('SIGTERM');
  await new Promise((resolve) => gateway.once('exit', resolve));
  const missing = missingScans(config);
  console.log(
    `after the thaw: /readyz ${after.status}, held ${end.body.store.held.records}, dropped ${end.body.store.held.droppedRecords}; exit ${gateway.exitCode}`,
  );
  console.log(
    `scans that are not stored: ${missing}; RSS at most ${mostRssMb.toFixed(0)} MB (target ${TARGET_RSS_MB})`,
  );
  const isGood =
    Math.max(...answers) < TARGET_ANSWER_MS &&
    last.ready.status === 503 &&
    store.held.standstill !== undefined &&
    mostRssMb < TARGET_RSS_MB &&
    after.status === 200 &&
    missing === 0;
  return isGood ? 0 : 1;
}

function thaw() {
  try {
    if (isMounted) execFileSync('fsfreeze', ['-u', mount], { stdio: 'ignore' });
  } catch {
    // It was not frozen any more.
  }
}

function configuration(port) {
  const tags = Array.from(
    { length: TAGS },
    (_, tag) => `      t${tag}: {address: "sine(min=0,max=100,period=60s,noise=0.5)"}`,
  );
  const devices = Array.from({ length: DEVICES }, (_, device) =>
    [`  d${device}:`, '    channel: sim', `    every: ${EVERY_MS}ms`, '    tags:', ...tags].join('\n'),
  );
  const lines = [
    ...['gateway: {id: frozen}', 'channels:', '  sim: {driver: mock, seed: 1}', 'devices:', ...devices],
    `store: {path: ${mount}/store, maxSize: 100MB}`,
    `api: {listen: "127.0.0.1:${port}"}`,
  ];
  const file = join(bench.folder, 'millgate.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function commandLine(config) {
  const startedMs = performance.now();
  const text = await promisify(execFile)(process.execPath, [BINARY, 'status', '--config', config]).then(
    ({ stdout }) => stdout,
    (error) => `${error.stdout}${error.stderr}`,
  );
  const wanted = text.split('\n').filter((line) => /stopped|running|store|commit|disk|held|memory/i.test(line));
  return { ms: performance.now() - startedMs, text: wanted.join('\n') };
}

/** Scans of each device that are not in the store, between its first and its last. */
function missingScans(config) {
  const options = { encoding: 'utf8', maxBuffer: 1e9 };
  const text = execFileSync(
    process.execPath,
    [BINARY, 'export', '--since', '1h', '--format', 'jsonl', '--config', config],
    options,
  );
  const times = new Map();
  for (const line of text.trim().split('\n')) {
    const { tag, t } = JSON.parse(line);
    if (tag.endsWith('/t0')) times.set(tag, [...(times.get(tag) ?? []), t]);
  }
  let missing = times.size === DEVICES ? 0 : 1e6;
  for (const own of times.values())
    for (let index = 1; index < own.length; index++)
      missing += Math.max(0, Math.round((own[index] - own[index - 1]) / EVERY_MS) - 1);
  return missing;
}

function rssMb(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024;
}
