// Bytes handed to the disk for each reading, everything included: 200 tags at 1 s in 10 devices, a commit a second,
// 20 rule states that change each second, one uplink that confirms everything. Read from /proc/self/io.
//   node test/long/store-bytes.mjs [COMMITS] [FOLDER] [READINGS]     after: npm run build; READINGS a commit: 200
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { SimulatedClock } from '../../dist/src/core/simulated-clock.js';
import { openLocalStore } from '../../dist/src/store/thread/open.js';

const COMMITS = Number(process.argv[2] ?? 600);
const READINGS = Number(process.argv[4] ?? 200);
const DEVICES = Math.min(10, READINGS);
const FIELDS = READINGS / DEVICES;
const folder = mkdtempSync(join(process.argv[3] ?? '.', 'store-bytes-'));
const writtenBytes = () => Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))[1]);

const clock = new SimulatedClock();
const store = await openLocalStore({ path: folder, maxBytes: 2e9, clock, log: silentLogger });
await store.pending('plant', 'readings');
let level = Array.from({ length: READINGS }, () => Math.random() * 100);
const before = writtenBytes();
let bytesHalfway = 0;
for (let commit = 0; commit < COMMITS; commit++) {
  if (commit === COMMITS / 2) bytesHalfway = (await store.status()).bytes;
  await clock.advance(1000);
  level = level.map((value) => value + (Math.random() - 0.5));
  const records = Array.from({ length: DEVICES }, (_, device) => ({
    device: `press-${device}`,
    at: { wallMs: clock.wallMs() + Math.round(Math.random() * 40), monoMs: clock.monoMs() + Math.random() * 40 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(
      Array.from({ length: FIELDS }, (_, tag) => ({
        name: `temperature-${tag}`,
        quality: 'good',
        // Half as scaled integers, a quarter as single floats, a quarter as counters: what machines give.
        value:
          tag % 4 < 2
            ? Math.round(level[device * FIELDS + tag] * 10) / 10
            : tag % 4 === 2
              ? Math.fround(level[device * FIELDS + tag])
              : commit * (tag + 1),
      })),
    ),
  }));
  const states = new Map(
    Array.from({ length: 20 }, (_, rule) => [`alarm/${rule}`, `{"state":"normal","since":${commit}}`]),
  );
  const { readings } = await store.commit({ records, events: [], states });
  await store.settle('plant', 'readings', [{ from: readings.to, to: Infinity }]);
}
const written = writtenBytes() - before;
const { bytes, bytesWritten } = await store.status();
await store.close();
rmSync(folder, { recursive: true });
const readingsCount = COMMITS * READINGS;
const storedEach = (bytes - bytesHalfway) / (readingsCount / 2);
console.log(`written to the disk  ${(written / readingsCount).toFixed(1)} B/reading (target 70)`);
console.log(`handed to SQLite     ${(bytesWritten / readingsCount).toFixed(1)} B/reading`);
console.log(
  `stored               ${storedEach.toFixed(1)} B/reading, 30 days ${((storedEach * READINGS * 86_400 * 30) / 1e9).toFixed(2)} GB (target 4)`,
);
