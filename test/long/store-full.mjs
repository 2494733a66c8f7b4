// Records as fast as a busy line gives them onto a disk that is far too small, which somebody else fills up besides. One
// uplink confirms now and then, one never. Each record holds its own number, so that what is read can be checked.
//   node test/long/store-full.mjs FOLDER [SECONDS]     after: npm run build; scripts/store-full-test makes the disk
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { Committer } from '../../dist/src/store/committer.js';
import { openStore } from '../../dist/src/store/thread/open.js';

const [folder, seconds = '20'] = process.argv.slice(2);
const path = join(folder, 'store');
const RECORDS_EACH = 20;
const POLL_MS = 10;
const faults = [];
const store = await openStore({ path, maxBytes: 2e9, clock: systemClock, log: silentLogger });
await store.keepUplinks(['plant', 'mes']);
for (const uplink of ['plant', 'mes']) for (const stream of ['readings', 'events']) await store.pending(uplink, stream);

let head = 1;
const committer = new Committer({
  ...{ store, clock: systemClock, log: silentLogger, random: Math.random, commitEveryMs: 100, heldRecords: 2000 },
  onCommitted: (receipt) => {
    head = receipt.readings.to;
  },
  onFailed: (error) => faults.push(`the store failed: ${error.stack}`),
});
let accepted = 0;
let longestGapMs = 0;
let fullest = 0;
let hog = 'none';
let checks = 0;
let troubles = 0;
const startedMs = performance.now();
const elapsedMs = () => performance.now() - startedMs;

for (let lastMs = startedMs; elapsedMs() < Number(seconds) * 1000; ) {
  const nowMs = performance.now();
  longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
  lastMs = nowMs;
  for (let index = 0; index < RECORDS_EACH; index++) committer.accept(record(++accepted));
  if (accepted % 2000 === 0) event();
  const share = elapsedMs() / (Number(seconds) * 1000);
  if (hog === 'none' && share > 0.3) hog = fill();
  if (hog === 'there' && share > 0.6) hog = leave();
  if (accepted % 1000 === 0) void check();
  if (committer.status().trouble) troubles++;
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
await committer.close();
await check();
const { accounts, losses, next, bytes } = await store.status();
const read = await readAll();
const [readings] = accounts;
// The one that never confirms lacks everything that went.
const total = (cause) =>
  losses
    .filter((sum) => sum.stream === 'readings' && sum.cause === cause && sum.uplink !== 'plant')
    .reduce((sum, { count }) => sum + count, 0);
if (readings.produced !== accepted) faults.push(`${accepted} were polled, ${readings.produced} are numbered`);
if (read + total('evicted') + total('memory-full') !== next.readings - 1)
  faults.push(
    `${read} read + ${total('evicted')} evicted + ${total('memory-full')} dropped is not ${next.readings - 1}`,
  );
if (troubles > 0 || total('memory-full') > 0)
  faults.push(`commits were refused at ${troubles} polls, though there was something to let go`);
await store.close();

console.log(`polled ${accepted} records in ${seconds} s, longest pause between polls ${longestGapMs.toFixed(0)} ms`);
console.log(`disk of 6 MB, fullest ${(fullest * 100).toFixed(0)} %; store ${(bytes / 1e6).toFixed(1)} MB at the end`);
for (const { stream, uplink, produced, delivered, waiting, evicted, quarantined, lost, skipped } of accounts)
  console.log(
    `${stream} ${uplink}: produced ${produced} = delivered ${delivered} + stored ${waiting} + evicted ${evicted}` +
      ` + quarantined ${quarantined} + lost ${lost} (memory full) + skipped ${skipped}`,
  );
console.log(
  `${checks} checks of the accounts; ${read} records read back; polls while commits were refused: ${troubles}`,
);
for (const fault of faults) console.log(fault);
process.exit(faults.length === 0 ? 0 : 1);

function record(number) {
  const noise = Array.from({ length: 24 }, () => Math.random().toString(36)).join('');
  const fields = [
    { name: 'number', quality: 'good', value: number },
    { name: 'noise', quality: 'good', value: noise },
  ];
  const at = { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() };
  return { device: 'press-1', at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
}

function event() {
  const at = { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() };
  committer.acceptEvents([{ ...at, clockKnown: true, body: { kind: 'audit', what: 'tick', message: 'tick' } }]);
}

/** Somebody else takes what is left of the disk. */
function fill() {
  const { bavail, bsize } = statfsSync(folder);
  try {
    writeFileSync(join(folder, 'hog'), Buffer.alloc(bavail * bsize));
  } catch {
    // Full is what it is to be.
  }
  return 'there';
}

function leave() {
  rmSync(join(folder, 'hog'));
  return 'gone';
}

async function check() {
  const { bavail, blocks } = statfsSync(folder);
  fullest = Math.max(fullest, 1 - bavail / blocks);
  if (checks % 3 === 0) {
    const open = { from: Math.max(1, head - 500), to: Number.POSITIVE_INFINITY };
    await store.settle('plant', 'readings', [open]);
  }
  const status = await store.status();
  checks++;
  for (const account of status.accounts) {
    const { produced, delivered, waiting, evicted, quarantined, lost, skipped, unexplained } = account;
    const sum = delivered + waiting + evicted + quarantined + lost + skipped;
    if (sum !== produced || unexplained.length > 0)
      faults.push(`after ${accepted}: ${account.stream} of ${account.uplink}: ${JSON.stringify(account)}`);
  }
}

async function readAll() {
  let count = 0;
  for (let at = 1; ; ) {
    const found = await store.peek(at, 5000);
    if (found.records.length === 0) return count;
    const wrong = found.records.findIndex(({ fields: [field] }, index) => field.value !== found.from + index);
    if (wrong !== -1) faults.push(`record ${found.from + wrong} holds ${found.records[wrong].fields.values[0]}`);
    count += found.records.length;
    at = found.next;
  }
}
