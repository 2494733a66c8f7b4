// A day of one tag at 1 s, drawn by the minute and by the reading, with 200 tags stored: 200 tags at 1 s in 10 devices.
//   node test/long/store-draw.mjs [HOURS] [FOLDER]     after: npm run build
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { openLocalStore, openStore } from '../../dist/src/store/thread/open.js';

/** Filling is not what is measured. */
const COMMIT_SECONDS = 10;
const HOURS = Number(process.argv[2] ?? 24);
const folder = mkdtempSync(join(process.argv[3] ?? '.', 'store-draw-'));
const clock = new SimulatedClock();
const startMs = clock.wallMs();
const options = { path: folder, maxBytes: 4e9, clock, log: silentLogger };
const filling = await openLocalStore(options);
await filling.keepUplinks([]);
for (let second = 0; second < HOURS * 3600; second += COMMIT_SECONDS) {
  const records = Array.from({ length: 10 * COMMIT_SECONDS }, (_, index) => ({
    device: `press-${index % 10}`,
    at: { wallMs: clock.wallMs() + Math.floor(index / 10) * 1000, monoMs: clock.monoMs() },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(
      Array.from({ length: 20 }, (_, tag) => ({
        name: `temperature-${tag}`,
        quality: 'good',
        value: Math.round(Math.random() * 1000) / 10,
      })),
    ),
  }));
  await filling.commit({ records, events: [], states: new Map() });
  await clock.advance(COMMIT_SECONDS * 1000);
}
await filling.close();

const store = await openStore(options);
const range = { tag: 'press-3/temperature-7', fromMs: startMs, toMs: clock.wallMs() + 1 };
for (const everyMs of [60_000, 900_000]) {
  const startedMs = performance.now();
  const { points } = await store.rollups({ ...range, everyMs, limit: 10_000 });
  const count = points.reduce((sum, point) => sum + point.count, 0);
  console.log(
    `${points.length} points of ${everyMs / 60_000} min, ${count} readings: ${(performance.now() - startedMs).toFixed(0)} ms (target 300)`,
  );
}
const startedMs = performance.now();
let readings = 0;
for (let afterSeq = 0; afterSeq !== undefined; ) {
  const page = await store.history({ ...range, limit: 10_000, afterSeq });
  readings += page.points.length;
  afterSeq = page.next;
}
console.log(`${readings} raw readings: ${(performance.now() - startedMs).toFixed(0)} ms`);
await store.close();
rmSync(folder, { recursive: true });
