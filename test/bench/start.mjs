// How dear a start is, until the first question and until the first reading is with the broker: see scripts/bench-start.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { Bench, BINARY, PACKAGED, sleep } from './parts.mjs';
import { startSink } from './sink.mjs';
import { median, usageOf } from './usage.mjs';

const ROUNDS = Number(process.env.RUNS ?? 5);

/** How long a start may take before the bench gives up, ms. */
const DEADLINE_MS = 60_000;

/** How long the first start goes on, so that it keeps what it checked for the next one, ms. */
const FIRST_MS = 10_000;

/** What is read: devices and registers of each. */
const WORKS = { 'one tag': [1, 1], '1,000 tags': [10, 100] };

/** How long after the start everything was there, and what processor time it had taken by then; ms. */
const FIGURES = ['question ms', 'question CPU ms', 'broker ms', 'broker CPU ms'];

const bench = new Bench();
process.on('exit', () => bench.end());

/** What waits for the first question to a device, and for the first reading at the broker. */
let onQuestion = () => {};
let onReading = () => {};
const mqttPort = await startSink((topic) => topic.endsWith('/readings') && onReading());
const base = 20_000 + (process.pid % 20_000);
await bench.farm(base, 10);
// The first device is behind this, so that its first question is seen here.
const front = createServer((socket) => {
  const behind = connect(base, '127.0.0.1').on('error', () => socket.destroy());
  socket.once('data', () => onQuestion()).on('error', () => behind.destroy());
  socket.pipe(behind).pipe(socket);
});
await new Promise((listening) => front.listen(base - 1, '127.0.0.1', listening));

/** The file that is run, and Node of the same package where it has one. */
function programAt(path) {
  if (statSync(path).isFile()) return [process.execPath, path];
  const own = join(path, 'bin/node');
  const link = join(path, 'millgate');
  return [existsSync(own) ? own : process.execPath, existsSync(link) ? link : join(path, 'dist/src/cli.js')];
}

/** What `now` gives when the function that `put` is given is called for the first time. */
function once(put, now) {
  return new Promise((done) => {
    put(() => {
      put(() => {});
      done(now());
    });
  });
}

/** Starts a program once, and ends it when its first reading is with the broker, or `lingerMs` later. */
async function start(command, args, cache, lingerMs = 0) {
  rmSync(join(bench.folder, 'store'), { recursive: true, force: true });
  const env = { ...process.env, CACHE_DIRECTORY: cache, MILLGATE_SOCKET: join(bench.folder, 'api.sock') };
  const startedMs = performance.now();
  const child = bench.start(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const ended = new Promise((done) => child.once('exit', done));
  const now = () => [performance.now() - startedMs, usageOf(child.pid).cpuMs];
  const asked = once((tell) => {
    onQuestion = tell;
  }, now);
  const came = once((tell) => {
    onReading = tell;
  }, now);
  const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), DEADLINE_MS);
  const rows = await Promise.race([Promise.all([asked, came]), ended]);
  clearTimeout(late);
  await sleep(lingerMs);
  if (!Array.isArray(rows)) throw new Error(`it ended before a reading was with the broker: ${said}`);
  process.kill(-child.pid, 'SIGKILL');
  await ended;
  return rows.flat();
}

const given = process.argv.slice(2).map((path) => resolve(path));
const programs = given.length > 0 ? given : [BINARY, PACKAGED];
try {
  for (const [work, [devices, registers]] of Object.entries(WORKS)) {
    const config = bench.configuration({ base, devices, registers, periodMs: 1000, mqttPort, firstPort: base - 1 });
    const started = programs.map((path) => ({
      path,
      program: programAt(path),
      rows: [],
      cache: mkdtempSync(join(bench.folder, 'cache-')),
    }));
    const run = ({ program: [node, file], cache }, lingerMs) =>
      start(node, [file, 'run', '--config', config], cache, lingerMs);
    // The first start of each checks the file, and keeps what it checked; it is told of by itself.
    for (const one of started) one.first = await run(one, FIRST_MS);
    // In turn, so that all see the same neighbours on the machine.
    for (let round = 0; round < ROUNDS; round++) for (const one of started) one.rows.push(await run(one));
    console.log(`\n${work}: medians of ${ROUNDS} starts, least in brackets; in the first start after an installation`);
    for (const { path, rows, first } of started) {
      const told = FIGURES.map((figure, at) => {
        const column = rows.map((row) => row[at]);
        return `${figure} ${median(column).toFixed(0)} (${Math.min(...column).toFixed(0)}; ${first[at].toFixed(0)})`;
      });
      console.log(`${path}: ${told.join(', ')}`);
    }
  }
} catch (error) {
  console.error(`bench-start: ${error.message}`);
  process.exitCode = 1;
}
process.exit();
