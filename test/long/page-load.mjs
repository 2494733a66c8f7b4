// Many pages and many questions at once while a gateway polls; see scripts/page-load.
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const STREAMS = 50;
const QUESTIONS_PER_SECOND = 20;
const DEVICES = 10;
const TAGS = 20;
const TARGET_ON_TIME = 0.999;
const TARGET_LOOP_MS = 20;
const MINUTE_MS = 60_000;

const seconds = Number(process.argv[2] ?? 60);
const bench = new Bench();
const faults = [];
const say = (isGood, text) => {
  console.log(`${isGood ? 'ok  ' : 'BAD '} ${text}`);
  if (!isGood) faults.push(text);
};
try {
  await measure();
} finally {
  bench.end();
}
console.log(faults.length === 0 ? 'all good' : `${faults.length} not as they must be`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function measure() {
  const port = await freePort();
  const watched = join(bench.folder, 'loop.json');
  const preload = fileURLToPath(new URL('loop-watch.mjs', import.meta.url));
  bench.start(process.execPath, ['--import', preload, BINARY, 'run', '--config', configuration(port)], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...process.env, LOOP_WATCH: watched },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const ask = (path) =>
    new Promise((resolve) => {
      const begunMs = performance.now();
      const request = get({ host: '127.0.0.1', port, path, agent }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, text, ms: performance.now() - begunMs }));
      });
      request.on('error', (error) => resolve({ status: 'lost', text: error.message, ms: 0 }));
    });
  for (let tries = 0; (await ask('/readyz')).status !== 200; tries++) {
    if (tries > 150) throw new Error('the gateway does not get ready');
    await sleep(200);
  }
  await sleep(5000);
  const before = JSON.parse((await ask('/api/v1/status')).text);
  const heard = Array.from({ length: STREAMS }, () => ({ bytes: 0, ended: false }));
  for (const one of heard)
    get({ host: '127.0.0.1', port, path: '/api/v1/stream?page=1&pace=500' }, (response) => {
      response.on('data', ({ length }) => (one.bytes += length));
      response.on('close', () => (one.ended = true));
    }).on('error', () => (one.ended = true));
  const answers = [];
  const endMs = performance.now() + seconds * 1000;
  for (let number = 0, dueMs = performance.now(); dueMs < endMs; number++, dueMs += 1000 / QUESTIONS_PER_SECOND) {
    await sleep(Math.max(0, dueMs - performance.now()));
    void ask(question(number)).then((answer) => answers.push(answer));
  }
  const after = JSON.parse((await ask('/api/v1/status')).text);
  const { lateMs, ownMs, ownShare, waitedShare } = JSON.parse(readFileSync(watched, 'utf8'));
  const sum = (status, what) => status.channels.reduce((total, channel) => total + channel[what], 0);
  const scans = sum(after, 'scans') - sum(before, 'scans');
  const skipped = sum(after, 'skipped') - sum(before, 'skipped');
  const onTime = scans / (scans + skipped);
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(sorted.length * share)]?.toFixed(0);
  const refused = answers.filter(({ status }) => status !== 200);
  say(
    refused.length === 0,
    `${answers.length} questions, ${refused.length} not answered; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
  const dropped = heard.filter(({ ended, bytes }) => ended || bytes === 0).length;
  const perSecond = heard.reduce((total, { bytes }) => total + bytes, 0) / STREAMS / seconds;
  say(dropped === 0, `${STREAMS} streams, ${dropped} dropped, ${(perSecond / 1000).toFixed(1)} kB a second each`);
  say(
    onTime > TARGET_ON_TIME,
    `scans: ${scans + skipped}, ${(onTime * 100).toFixed(3)} % on time (more than ${TARGET_ON_TIME * 100} % asked)`,
  );
  console.log(
    `--   event loop late: p50 ${lateMs.p50.toFixed(1)} ms, p99 ${lateMs.p99.toFixed(1)} ms, with ${(waitedShare * 100).toFixed(0)} % of the time spent waiting for a processor that others had`,
  );
  say(
    ownMs.p99 < TARGET_LOOP_MS,
    `event loop by its own work: p99 ${ownMs.p99.toFixed(1)} ms, longest ${ownMs.max.toFixed(0)} ms, ${(ownShare * 100).toFixed(0)} % of a processor (${TARGET_LOOP_MS} ms allowed)`,
  );
}

/** Charts of fifteen minutes to a month, pages of history and of the journal, as pages ask for them. */
function question(number) {
  const tag = `press-${(number % DEVICES) + 1}/tag-${(number % TAGS) + 1}`;
  const now = Date.now();
  const span = [15, 60, 480, 1440, 10_080, 43_200][number % 6] * MINUTE_MS;
  if (number % 7 === 3) return `/api/v1/tags/${tag}/history?from=${now - 10 * MINUTE_MS}&to=${now}&limit=1000`;
  if (number % 7 === 5) return `/api/v1/events?from=${now - span}&limit=1000`;
  return `/api/v1/tags/${tag}/chart?from=${now - span}&to=${now}&columns=600`;
}

function configuration(port) {
  const tags = Array.from({ length: TAGS }, (_, index) => `tag-${index + 1}: {address: "walk(min=0,max=100)"}`);
  const devices = Array.from(
    { length: DEVICES },
    (_, index) => `  press-${index + 1}: {channel: sim, every: 500ms, tags: {${tags.join(', ')}}}`,
  );
  const file = join(bench.folder, 'millgate.yaml');
  const lines = [
    'channels: {sim: {driver: mock, seed: 7}}',
    'devices:',
    ...devices,
    'alarms: {hot: {tag: press-2/tag-1, above: 50}}',
    `store: {path: ${join(bench.folder, 'store')}}`,
    `api: {listen: "127.0.0.1:${port}"}`,
    '',
  ];
  writeFileSync(file, lines.join('\n'));
  return file;
}
