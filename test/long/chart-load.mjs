// A month of eight tags at one second, with outages and a spike, before the chart route; see scripts/chart-load.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Api } from '../../dist/src/api/server.js';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { openLocalStore, openStore } from '../../dist/src/store/thread/open.js';

const TAGS = 8;
const OUTAGES = 100;
const MAX_BYTES = 8e9;
const BATCH_SECONDS = 60;
const TARGET_MS = 300;
const COLUMNS = 600;
const SPIKE = 1e6;

const days = Number(process.argv[2] ?? 30);
const given = process.argv[3] && resolve(process.argv[3]);
const path = given ?? mkdtempSync(join(tmpdir(), 'chart-load-'));
const seconds = Math.round(days * 86_400);
const START_MS = Date.UTC(2026, 0, 1);
const END_MS = START_MS + seconds * 1000;
const spikeAt = Math.floor(seconds * 0.61);
const random = randomFrom(7);
// From twenty seconds to three hours, most of them short: what a column of an hour could hide.
const outages = Array.from({ length: OUTAGES }, () => {
  const from = Math.floor(random() * (seconds - 20_000));
  return { from, to: from + Math.round(20 * 540 ** random()) };
})
  .filter(({ from, to }) => spikeAt < from || spikeAt >= to)
  .sort((a, b) => a.from - b.from);
const faults = [];
const say = (isGood, text) => {
  console.log(`${isGood ? 'ok  ' : 'BAD '} ${text}`);
  if (!isGood) faults.push(text);
};

try {
  if (!existsSync(join(path, 'meta.db'))) await fill();
  await ask();
} finally {
  if (given === undefined) rmSync(path, { recursive: true, force: true });
}
console.log(faults.length === 0 ? 'all good' : `${faults.length} not as they must be`);
process.exitCode = faults.length === 0 ? 0 : 1;

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function recordAt(second) {
  const fields = Array.from({ length: TAGS }, (_, tag) => ({
    name: `tag-${tag}`,
    quality: 'good',
    value: second === spikeAt ? SPIKE : Math.round(1000 * Math.sin(second / (1000 + tag)) + (second % 7)) / 10,
  }));
  const at = { wallMs: START_MS + second * 1000, monoMs: second * 1000 };
  return { device: 'press-1', at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
}

async function fill() {
  mkdirSync(path, { recursive: true });
  const begun = performance.now();
  const clock = new SimulatedClock(START_MS, 'promises');
  const store = await openLocalStore({ path, maxBytes: MAX_BYTES, clock, log: silentLogger });
  let next = 0;
  for (let from = 0; from < seconds; from += BATCH_SECONDS) {
    const records = [];
    for (let second = from; second < Math.min(from + BATCH_SECONDS, seconds); second++) {
      while (outages[next] && outages[next].to <= second) next++;
      const isOut = outages.slice(next, next + 8).some((one) => second >= one.from && second < one.to);
      if (!isOut) records.push(recordAt(second));
    }
    if (records.length > 0) await store.commit({ records, events: [], states: new Map() });
    await clock.advance(BATCH_SECONDS * 1000);
  }
  await store.close();
  console.log(
    `filled: ${days} days, ${seconds} records of ${TAGS} readings in ${((performance.now() - begun) / 1000).toFixed(0)} s`,
  );
}

function viewOf(store) {
  const tags = Array.from({ length: TAGS }, (_, tag) => ({
    ...{ tag: `press-1/tag-${tag}`, unit: undefined, everyMs: 1000, reportMs: 1000 },
    ...{ description: undefined, last: undefined, readings: 0 },
  }));
  return {
    tags: () => tags,
    rollups: (query) => store.rollups(query),
    history: (query) => store.history(query),
    events: async () => ({ events: [], next: undefined }),
    ledger: async () => [],
    onReadings: () => () => {},
  };
}

async function ask() {
  const store = await openStore({ path, maxBytes: MAX_BYTES, clock: systemClock, log: silentLogger });
  await untilIdle();
  const socketPath = join(path, 'api.sock');
  const options = { listen: undefined, clock: systemClock, log: silentLogger, version: '0' };
  const api = new Api({ ...options, view: viewOf(store), socketPath });
  await api.start();
  const chart = (tag, from = START_MS, to = END_MS) =>
    new Promise((done, fail) => {
      const target = `/api/v1/tags/press-1/tag-${tag}/chart?from=${from}&to=${to}&columns=${COLUMNS}`;
      get({ socketPath, path: target }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => done(JSON.parse(text)));
      }).on('error', fail);
    });
  const first = await chart(0);
  const { columns } = first;
  say(
    Math.max(...columns.max) === SPIKE,
    `a spike of one sample among ${seconds} is in a column: ${Math.max(...columns.max)}`,
  );
  const joined = acrossOf(columns);
  say(
    joined.length === 0,
    `${outages.length} outages of 20 s to 3 h: ${joined.length} columns joined across one ${joined.slice(0, 3).join('; ')}`,
  );
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = process.cpuUsage();
  const alone = [];
  const together = [];
  for (let round = 0; round < 10; round++) {
    alone.push(await timed(() => chart(round % TAGS)));
    together.push(await timed(() => Promise.all(Array.from({ length: TAGS }, (_, tag) => chart(tag)))));
  }
  delay.disable();
  console.log(`--   one tag: ${line(alone)}`);
  const { user, system } = process.cpuUsage(before);
  const rounds = alone.length * (1 + 1 / TAGS);
  console.log(
    `--   processor time of both threads: ${((user + system) / 1000 / rounds).toFixed(0)} ms for ${TAGS} tags`,
  );
  say(at(together, 0.5) <= TARGET_MS, `${days} days of ${TAGS} tags at once: ${line(together)} (${TARGET_MS} allowed)`);
  console.log(
    `--   event loop meanwhile: p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, max ${(delay.max / 1e6).toFixed(1)} ms`,
  );
  await api.close();
  await store.close();
}

/** What is packed in the background is packed long before anybody asks in a gateway. */
async function untilIdle() {
  const busy = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  for (let before = busy(), quiet = 0; quiet < 3; ) {
    await new Promise((done) => setTimeout(done, 1000));
    quiet = busy() - before < 30 ? quiet + 1 : 0;
    before = busy();
  }
}

/** Columns that are joined to the one before although an outage lies between their middles, or inside either. */
function acrossOf({ t, joined }) {
  const width = (END_MS - START_MS) / COLUMNS;
  return outages.flatMap(({ from, to }) => {
    const [fromMs, toMs] = [START_MS + from * 1000, START_MS + to * 1000];
    const found = t.findIndex(
      (ms, n) => n > 0 && joined[n] && t[n - 1] < toMs && ms > fromMs && ms - t[n - 1] < 3 * width,
    );
    return found < 0 ? [] : [`${to - from} s at ${from}`];
  });
}

async function timed(work) {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function line(times) {
  return `p50 ${at(times, 0.5).toFixed(0)} ms, max ${Math.max(...times).toFixed(0)} ms`;
}

function at(times, share) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * share)];
}
