// Flips random bytes in the files of a killed process, its logs included: the store starts, serves the rest, its ledger
// names what is gone, and no record ever holds a wrong value or another's number.
//   node test/long/crash-flips.mjs [ROUNDS] [FLIPS a round] [SEED]     after: npm run build
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { seededRandom } from '../../dist/src/core/random.js';
import { openLocalStore } from '../../dist/src/store/thread/open.js';

const ROUNDS = Number(process.argv[2] ?? 250);
const FLIPS = Number(process.argv[3] ?? 4);
const random = seededRandom(Number(process.argv[4] ?? 1));
const writer = resolve(import.meta.dirname, '../store/writer-process.mjs');
const faults = [];
let slowestMs = 0;
let produced = 0;
let kept = 0;

for (let round = 1; round <= ROUNDS; round++) {
  const folder = mkdtempSync(join(tmpdir(), 'flips-'));
  try {
    await writeAndKill(folder);
    for (let flip = 0; flip < FLIPS; flip++) flipOne(folder);
    const startedMs = performance.now();
    const store = await openLocalStore({ path: folder, maxBytes: 3_000_000, clock: systemClock, log: silentLogger });
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    await account(store, round);
    await store.close();
  } catch (error) {
    faults.push(`round ${round}: ${error.stack}`);
  }
  rmSync(folder, { recursive: true });
}
console.log(`${ROUNDS * FLIPS} flips: ${kept} of ${produced} records kept, slowest opening ${slowestMs.toFixed(0)} ms`);
for (const fault of faults) console.log(fault);
process.exit(faults.length === 0 ? 0 : 1);

async function writeAndKill(folder) {
  const child = spawn(process.execPath, [writer, folder, '3000000'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let lines = 0;
  const enough = 30 + random() * 300;
  await new Promise((done) => {
    child.stdout.on('data', (data) => {
      lines += String(data).split('\n').length - 1;
      if (lines > enough) done();
    });
    child.once('exit', done);
  });
  child.kill('SIGKILL');
  await once(child, 'close');
}

function flipOne(folder) {
  const files = readdirSync(folder).filter((file) => /^(readings|events|meta)/.test(file) && !file.endsWith('-shm'));
  const file = join(folder, files[Math.floor(random() * files.length)]);
  if (statSync(file).size === 0) return;
  const bytes = readFileSync(file);
  bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
  writeFileSync(file, bytes);
}

async function account(store, round) {
  const { next } = await store.status();
  const read = new Set();
  let count = 0;
  for (let at = 1; ; ) {
    const { from, records, next: then } = await store.peek(at, 5000);
    if (records.length === 0) break;
    for (const [
      index,
      {
        fields: [field],
      },
    ] of records.entries()) {
      if (field.value !== from + index) faults.push(`round ${round}: record ${from + index} is wrong`);
      read.add(from + index);
      count++;
    }
    at = then;
  }
  for (const { stream, from, to } of await store.ledger())
    if (stream === 'readings') for (let seq = from; seq < to; seq++) read.add(seq);
  for (let seq = 1; seq < next.readings; seq++)
    if (!read.has(seq)) faults.push(`round ${round}: record ${seq} is neither read nor in the ledger`);
  let events = 0;
  for (let at = 1; ; ) {
    const { from, events: found, next: then } = await store.peekEvents(at, 5000);
    if (found.length === 0) break;
    for (const [index, { body }] of found.entries())
      if (body.what !== String(from + index)) faults.push(`round ${round}: event ${from + index} is ${body.what}`);
    events += found.length;
    at = then;
  }
  const lostEvents = (await store.ledger()).reduce(
    (sum, { stream, count }) => sum + (stream === 'events' ? count : 0),
    0,
  );
  if (events + lostEvents !== next.events - 1)
    faults.push(`round ${round}: ${events} + ${lostEvents} events, not ${next.events - 1}`);
  const receipt = await store.commit({ records: [], events: [], states: new Map() });
  if (receipt.readings.from < next.readings) faults.push(`round ${round}: numbers went back`);
  produced += next.readings - 1;
  kept += count;
}
