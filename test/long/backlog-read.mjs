// A day of commits, one a second, is read from end to end while more is committed. Prints what a slice takes on the store's
// thread, and what a commit takes with and without somebody who reads.
//   node test/long/backlog-read.mjs [COMMITS] [FOLDER]     after: npm run build; scripts/backlog-read does both
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { openLocalStore, openStore } from '../../dist/src/store/thread/open.js';

const DEVICES = 10;
const TAGS = 5;
const MAX_BYTES = 2e9;
const SLICE_RECORDS = 500;
const COMMITS_TIMED = 400;
const COMMIT_EVERY_MS = 20;
const TARGET_SLICE_MS = 3;
/** A commit may wait for the slice that is being read. */
const TARGET_COMMIT_MS = TARGET_SLICE_MS + 1;

const commits = Number(process.argv[2] ?? 86_400);
const path = mkdtempSync(join(resolve(process.argv[3] ?? tmpdir()), 'backlog-read-'));
try {
  await fill();
  const slices = { texts: await readAll('peekTexts'), records: await readAll('peek') };
  const alone = await commitTimes(false);
  const whileRead = await commitTimes(true);
  const isGood =
    Object.values(slices).every((ms) => at(ms, 0.99) < TARGET_SLICE_MS) &&
    at(whileRead, 0.5) - at(alone, 0.5) < TARGET_COMMIT_MS;
  process.exitCode = isGood ? 0 : 1;
} finally {
  rmSync(path, { recursive: true, force: true });
}

function batchAt(second) {
  const records = Array.from({ length: DEVICES }, (_, device) => ({
    device: `press-${device}`,
    at: { wallMs: Date.UTC(2026, 0, 1) + second * 1000 + device, monoMs: second * 1000 + device },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(
      Array.from({ length: TAGS }, (_, tag) => ({
        name: `tag-${tag}`,
        quality: 'good',
        value: Math.round(1000 * Math.sin(second / (100 + tag)) + Math.random() * 10) / 10,
      })),
    ),
  }));
  return { records, events: [], states: new Map() };
}

async function fill() {
  const clock = new SimulatedClock(Date.UTC(2026, 0, 1));
  const store = await openLocalStore({ path, maxBytes: MAX_BYTES, clock, log: silentLogger });
  await store.keepUplinks(['plant']);
  for (let second = 0; second < commits; second++) await store.commit(batchAt(second));
  await store.close();
  console.log(`${commits} commits of ${DEVICES} records of ${TAGS} readings`);
}

/** Everything, slice by slice, in this thread: what is measured is what the store's thread would be busy for. */
async function readAll(how) {
  const store = await openLocalStore({ path, maxBytes: MAX_BYTES, clock: systemClock, log: silentLogger });
  const { next } = await store.status();
  const times = [];
  let records = 0;
  for (let from = 1; from < next.readings; ) {
    const startedMs = performance.now();
    const slice = await store[how](from, SLICE_RECORDS);
    times.push(performance.now() - startedMs);
    records += (slice.texts ?? slice.records).length;
    if (slice.next <= from) throw new Error(`reading does not get beyond ${from}`);
    from = slice.next;
  }
  await store.close();
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000;
  console.log(
    `${how}: ${times.length} slices of up to ${SLICE_RECORDS} records, ${line(times)}; ${(records / seconds).toFixed(0)} records/s`,
  );
  return times;
}

/** What a commit takes in a store with a thread of its own, and whether somebody reads the backlog meanwhile. */
async function commitTimes(isRead) {
  const store = await openStore({ path, maxBytes: MAX_BYTES, clock: systemClock, log: silentLogger });
  let isOver = false;
  const reading = (async () => {
    for (let from = 1; isRead && !isOver; ) {
      const { next } = await store.peekTexts(from, SLICE_RECORDS);
      from = next > from ? next : 1;
    }
  })();
  const times = [];
  for (let second = 0; second < COMMITS_TIMED; second++) {
    const startedMs = performance.now();
    await store.commit(batchAt(commits + second));
    times.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, COMMIT_EVERY_MS));
  }
  isOver = true;
  await reading;
  await store.close();
  console.log(`commit ${isRead ? 'while the backlog is read' : 'alone'}: ${line(times)}`);
  return times;
}

function line(times) {
  return `p50 ${at(times, 0.5).toFixed(2)} ms, p99 ${at(times, 0.99).toFixed(2)} ms, max ${Math.max(...times).toFixed(2)} ms`;
}

function at(times, share) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * share)];
}
