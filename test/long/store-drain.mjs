// Ten million records are committed, drained through a forwarder, let go by size, and exported, all at once, in one
// process whose event loop is watched: its delay is what polling would suffer.
//   node test/long/store-drain.mjs [RECORDS] [FOLDER]     after: npm run build
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { jsonReadings, toJson } from '../../dist/src/api/json.js';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { openStore } from '../../dist/src/store/open.js';
import { recordPage } from '../../dist/src/store/records.js';
import { createForwarder } from '../../dist/src/uplink/forwarder.js';
import { createJsonEncoder } from '../../dist/src/uplink/json.js';

const RECORDS = Number(process.argv[2] ?? 10_000_000);
const COMMIT = 200;
const MAX_BYTES = 60_000_000;
const folder = mkdtempSync(join(process.argv[3] ?? '.', 'store-drain-'));
const store = await openStore({ path: folder, maxBytes: MAX_BYTES, clock: systemClock, log: silentLogger });
await store.keepUplinks(['plant']);

const encoder = createJsonEncoder({ gateway: 'bench', config: 'bench' });
let sentBytes = 0;
const session = {
  window: 20,
  ended: new Promise(() => {}),
  async send(batch) {
    sentBytes += encoder.batch(batch).length;
    await new Promise((resolve) => setTimeout(resolve, 2));
    return { ok: true };
  },
  close: async () => {},
};
const uplink = { name: 'plant', limits: { records: 100, fields: 1000 }, connect: async () => session };
const forwarder = createForwarder({
  ...{ uplink, store, clock: systemClock, log: silentLogger, random: Math.random, backfillRate: 1_000_000 },
});

// A machine that is busy with other work delays any loop: what an idle one suffers is measured first, for comparison.
const bare = monitorEventLoopDelay({ resolution: 1 });
bare.enable();
await new Promise((resolve) => setTimeout(resolve, 5000));
bare.disable();

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let mostRssBytes = 0;
const watching = setInterval(() => {
  mostRssBytes = Math.max(mostRssBytes, process.memoryUsage.rss());
}, 100);
const startedMs = performance.now();
const stop = new AbortController();
const done = new AbortController();
const forwarding = forwarder.run(stop.signal);
let exported = 0;
const exporting = exportAgain();
let value = 0;
for (let committed = 0; committed < RECORDS; committed += COMMIT) {
  const records = Array.from({ length: COMMIT }, () => {
    const at = { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() };
    const fields = ['oil-temp', 'pressure', 'parts'].map((name) => ({ name, quality: 'good', value: ++value / 10 }));
    return { device: `press-${value % 7}`, at, clockKnown: true, simulated: false, fields };
  });
  const batch = { records, events: [], states: new Map() };
  forwarder.committed(await store.commit(batch), batch);
}
const committedMs = performance.now() - startedMs;
while (forwarder.status().pendingRecords > 0) await new Promise((resolve) => setTimeout(resolve, 20));
const drainedMs = performance.now() - startedMs;
done.abort();
await exporting;
stop.abort();
await forwarding;
const { next, oldest, accounts } = await store.status();
const [account] = accounts;
delay.disable();
clearInterval(watching);
await store.close();
rmSync(folder, { recursive: true });

const { deliveredRecords } = forwarder.status();
console.log(
  `${next.readings - 1} records of 3 readings committed in ${(committedMs / 1000).toFixed(0)} s, drained after ${(drainedMs / 1000).toFixed(0)} s`,
);
console.log(
  `delivered ${deliveredRecords} (${(sentBytes / 1e6).toFixed(0)} MB), ${oldest.readings - 1} let go by size, ${exported} exported`,
);
console.log(`account: ${JSON.stringify(account)}`);
console.log(`event loop of this machine, doing nothing: p50 ${ms(bare, 50)} p99 ${ms(bare, 99)}`);
console.log(`event loop p50 ${ms(delay, 50)} p99 ${ms(delay, 99)} p99.9 ${ms(delay, 99.9)} (target p99 < 20)`);
console.log(`RSS at most ${(mostRssBytes / 1e6).toFixed(0)} MB`);
process.exit(delay.percentile(99) < 20e6 && account.unexplained.length === 0 ? 0 : 1);

function ms(histogram, percentile) {
  return `${(histogram.percentile(percentile) / 1e6).toFixed(1)} ms`;
}

/** What `export` asks of the gateway, again and again. */
async function exportAgain() {
  while (!done.signal.aborted) {
    let after;
    do {
      const query = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 200, ...(after && { after }) };
      const page = await recordPage(store, query);
      exported += page.records.length;
      toJson(jsonReadings(page));
      after = page.next;
    } while (after && !done.signal.aborted);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
