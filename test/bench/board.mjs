// What one board takes for 1,000 tags a second: see scripts/bench-board.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { arch, cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { Bench, BINARY, sleep } from './parts.mjs';
import { readingsIn, startSink } from './sink.mjs';
import { usageOf } from './usage.mjs';

const DEVICES = 10;
const REGISTERS = 100;
const WARM_UP_SECONDS = 15;
const SECONDS = 60;

const given = process.argv[2] && resolve(process.argv[2]);
const own = given && join(given, 'bin/node');
const node = own && existsSync(own) ? own : process.execPath;
const program = given ? join(given, 'millgate') : BINARY;

const bench = new Bench();
let readings = 0;
let onReading = () => {};
const mqttPort = await startSink((topic, payload) => {
  if (!topic.endsWith('/readings')) return;
  readings += readingsIn(payload);
  onReading();
});
const base = 20_000 + (process.pid % 20_000);
await bench.farm(base, DEVICES);
const config = bench.configuration({ base, devices: DEVICES, registers: REGISTERS, periodMs: 1000, mqttPort });
const env = { ...process.env, XDG_CACHE_HOME: join(bench.folder, 'cache'), CACHE_DIRECTORY: '' };

/** Starts the gateway; resolves with its process and what it took when its first readings are with the broker. */
async function start() {
  rmSync(join(bench.folder, 'store'), { recursive: true, force: true });
  const startedMs = performance.now();
  const child = bench.start(node, [program, 'run', '--config', config], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const ended = new Promise((_, reject) => child.once('exit', () => reject(new Error(`the gateway ended: ${said}`))));
  await Promise.race([
    ended,
    new Promise((came) => {
      onReading = came;
    }),
  ]);
  ended.catch(() => {});
  return { child, seconds: (performance.now() - startedMs) / 1000, cpuSeconds: usageOf(child.pid).cpuMs / 1000 };
}

async function end(child) {
  child.kill('SIGTERM');
  await new Promise((ended) => child.once('exit', ended));
}

function board() {
  try {
    return readFileSync('/proc/device-tree/model', 'utf8').replaceAll('\0', '');
  } catch {
    return cpus()[0]?.model ?? arch();
  }
}

try {
  const version = readFileSync(join(given ?? '.', 'package.json'), 'utf8');
  const memoryMb = Math.round(totalmem() / 1e6);
  console.log(
    `${board()}, ${cpus().length} cores, ${memoryMb} MB; Node.js of this script ${process.versions.node}; millgate ${JSON.parse(version).version}`,
  );
  const cold = await start();
  // So long that what was compiled is kept.
  await sleep(8000);
  await end(cold.child);
  const warm = await start();
  console.log(
    `first reading at the broker    ${cold.seconds.toFixed(2)} s, ${cold.cpuSeconds.toFixed(2)} s of processor (file checked anew)`,
  );
  console.log(
    `  at the next start            ${warm.seconds.toFixed(2)} s, ${warm.cpuSeconds.toFixed(2)} s of processor`,
  );
  await sleep(WARM_UP_SECONDS * 1000);
  const before = { ...usageOf(warm.child.pid), readings };
  await sleep(SECONDS * 1000);
  const after = { ...usageOf(warm.child.pid), readings };
  const count = after.readings - before.readings;
  const cpuMs = after.cpuMs - before.cpuMs;
  const megabytesADay = ((after.writtenBytes - before.writtenBytes) * 86_400) / SECONDS / 1e6;
  console.log(`readings a second              ${(count / SECONDS).toFixed(0)} of ${DEVICES * REGISTERS}`);
  console.log(
    `one core busy                  ${(cpuMs / SECONDS / 10).toFixed(1)} %, ${((cpuMs / count) * 1000).toFixed(1)} s for a million readings`,
  );
  console.log(`memory                         ${after.rssMb.toFixed(0)} MB, at most ${after.peakMb.toFixed(0)} MB`);
  console.log(`written to the disk            ${megabytesADay.toFixed(0)} MB a day`);
  await end(warm.child);
} catch (error) {
  console.error(`bench-board: ${error.message}`);
  process.exitCode = 1;
} finally {
  bench.end();
}
process.exit();
