// Commits without end until it is killed, and prints each acknowledged range once it is durable:
//   node writer-process.mjs FOLDER MAX_BYTES
// Each record carries its own number, so that whoever reads it can tell whether it is the right one.
import { writeSync } from 'node:fs';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { Fields } from '../../dist/src/core/reading.js';
import { openStore } from '../../dist/src/store/thread/open.js';

const [path, maxBytes] = process.argv.slice(2);
const store = await openStore({
  path,
  maxBytes: Number(maxBytes),
  cursorEveryMs: 50,
  clock: systemClock,
  log: silentLogger,
});
const { next } = await store.status();
let number = next.readings;
let eventNumber = next.events;
writeSync(1, `open ${number} ${eventNumber}\n`);
await store.pending('plant', 'readings');
for (;;) {
  const count = 1 + (number % 17);
  const records = Array.from({ length: count }, (_, index) => ({
    device: `press-${index % 3}`,
    at: { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() },
    clockKnown: true,
    simulated: false,
    fields: Fields.of([{ name: 'number', quality: 'good', value: number + index }]),
  }));
  const event = {
    wallMs: 1,
    monoMs: 1,
    clockKnown: true,
    body: { kind: 'audit', what: String(eventNumber), message: '' },
  };
  const events = number % 5 === 0 ? [event] : [];
  const states = new Map([['last', String(number + count - 1)]]);
  const receipt = await store.commit({ records, events, states });
  if (receipt.readings.from !== number) throw new Error(`got ${receipt.readings.from}, expected ${number}`);
  number = receipt.readings.to;
  eventNumber = receipt.events.to;
  writeSync(1, `${number} ${eventNumber}\n`);
}
