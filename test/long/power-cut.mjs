// The two ends of a power cut, both run inside the machine that loses its power; started by scripts/power-cut-test.
//   node power-cut.mjs write FOLDER   commits without end, and says "ack N" once number N is on the disk
//   node power-cut.mjs check FOLDER   acknowledged numbers on stdin; opens the store as a restart would, prints "lost K"
import { readFileSync, writeSync } from 'node:fs';
import { systemClock } from '../../dist/src/core/clock.js';
import { Fields } from '../../dist/src/core/reading.js';
import { openStore } from '../../dist/src/store/thread/open.js';

const [role, path] = process.argv.slice(2);
const notices = [];
const log = { debug() {}, info() {}, warn: (text) => notices.push(text), error: (text) => notices.push(text) };
const open = () => openStore({ path, maxBytes: 50_000_000, cursorEveryMs: 200, clock: systemClock, log });

/** What every reading of record `number` holds. */
const numberIn = (number) => number * 7 + 3;

async function write() {
  const store = await open();
  const { next } = await store.status();
  await store.pending('plant', 'readings');
  await store.pending('plant', 'events');
  for (let number = next.readings, event = next.events; ; ) {
    const count = 1 + (number % 7);
    const records = Array.from({ length: count }, (_, index) => ({
      device: `press-${index % 3}`,
      at: { wallMs: systemClock.wallMs(), monoMs: systemClock.monoMs() },
      clockKnown: true,
      simulated: false,
      fields: Fields.of([{ name: 'number', quality: 'good', value: numberIn(number + index) }]),
    }));
    const body = { kind: 'audit', what: String(event), message: '' };
    const events = number % 4 === 0 ? [{ wallMs: 1, monoMs: 1, clockKnown: true, body }] : [];
    const states = new Map([['last', String(number + count - 1)]]);
    const receipt = await store.commit({ records, events, states });
    number = receipt.readings.to;
    event = receipt.events.to;
    writeSync(1, `ack ${number - 1}\n`);
  }
}

async function check() {
  const acknowledged = Math.max(0, ...readFileSync(0, 'utf8').split('\n').filter(Boolean).map(Number));
  const startedMs = performance.now();
  const store = await open();
  const openedMs = performance.now() - startedMs;
  const { next, ledger } = await store.status();
  const faults = [];
  let right = 0;
  let stored = 0;
  for (let at = 1; ; ) {
    const { from, records, next: then } = await store.peek(at, 5000);
    if (records.length === 0) break;
    for (const [index, record] of records.entries()) {
      stored++;
      if (record.fields.values[0] !== numberIn(from + index)) faults.push(`record ${from + index} is wrong`);
      else if (from + index <= acknowledged) right++;
    }
    at = then;
  }
  let events = 0;
  for (let at = 1; ; ) {
    const { from, events: found, next: then } = await store.peekEvents(at, 5000);
    if (found.length === 0) break;
    for (const [index, { body }] of found.entries())
      if (body.what !== String(from + index)) faults.push(`event ${from + index} is ${body.what}`);
    events += found.length;
    at = then;
  }
  if (events !== next.events - 1) faults.push(`${next.events - 1 - events} events are missing`);
  const last = (await store.states()).get('last');
  if (stored > 0 && last !== String(next.readings - 1)) faults.push(`the state says ${last}, not ${next.readings - 1}`);
  for (const { stream, from, to, cause } of ledger) faults.push(`ledger: ${stream} ${from} to ${to - 1} ${cause}`);
  const { readings } = await store.commit({ records: [], events: [], states: new Map() });
  if (readings.from !== next.readings) faults.push('numbers went back');
  await store.close();
  for (const fault of [...faults, ...notices].slice(0, 5)) console.log(fault);
  if (faults.some((fault) => !fault.startsWith('ledger'))) console.log('corrupt');
  console.log(`lost ${acknowledged - right}`);
  console.log(`stored ${stored} records ${events} events, opened in ${openedMs.toFixed(0)} ms`);
}

await (role === 'write' ? write() : check());
