// The gateway beside programs that do the same work without a store, in one run: see scripts/bench. Judges nothing.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installNodeRed, nodeRedArguments } from './node-red.mjs';
import { Bench, BINARY, freePort, sleep } from './parts.mjs';
import { readingsIn, startSink } from './sink.mjs';
import { median, punctuality, usageOf } from './usage.mjs';
import { workOf } from './works.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { against: { type: 'string', default: 'node' }, repeat: { type: 'string', default: '3' } },
});
const [name = 'W1', secondsText = '20'] = positionals;
const { devices, registers, periodMs } = workOf(name);
const seconds = Number(secondsText);
const repeat = Math.max(1, Number(process.env.BENCH_REPEAT ?? options.repeat));
/** By then the engine has compiled what runs often, and tidied up behind the start. */
const WARM_UP_SECONDS = 25;
const START_DEADLINE_SECONDS = 90;

/** What is measured, by its name in the table and how many digits are shown. */
const FIGURES = {
  'readings/s': 0,
  'CPU s per million': 1,
  'first reading s': 2,
  'CPU s until then': 2,
  'RSS MB': 0,
  'peak MB': 0,
  'payload B per reading': 1,
  'disk B per reading': 1,
  'scans %': 2,
  'late %': 2,
  'jitter p99 ms': 1,
};

const bench = new Bench();
const came = { readings: 0, bytes: 0, firstMs: undefined };
const mqttPort = await startSink((topic, payload) => {
  if (/\/(status|events)$/.test(topic)) return;
  came.readings += readingsIn(payload);
  came.bytes += payload.length;
  came.firstMs ??= performance.now();
});
const base = 20_000 + (process.pid % 20_000);
const intervals = await bench.farm(base, devices);

const work = { base, devices, registers, periodMs, mqttPort };
const numbers = [base, devices, registers, periodMs, mqttPort].map(String);

/** For each subject, the arguments of Node that run it in a folder of its own. */
const SUBJECTS = {
  millgate: async () => [BINARY, 'run', '--config', bench.configuration(work)],
  node: async () => [join(here, 'bare-loop.mjs'), ...numbers],
  'node-red': async (folder) => nodeRedArguments(folder, installNodeRed(), { ...work, uiPort: await freePort() }),
};
const names = ['millgate', ...options.against.split(',').filter((name) => name !== '')];
const unknown = names.filter((name) => !Object.hasOwn(SUBJECTS, name));
if (unknown.length > 0)
  throw new Error(`${unknown.join(', ')}: not known. Known are ${Object.keys(SUBJECTS).join(', ')}.`);
if (names.includes('node-red')) installNodeRed();

async function measure(name, round) {
  const folder = join(bench.folder, `${name}-${round}`);
  const args = await SUBJECTS[name](folder);
  Object.assign(came, { readings: 0, bytes: 0, firstMs: undefined });
  const startedMs = performance.now();
  const child = bench.start(process.execPath, args);
  let firstCpuMs = Number.NaN;
  while (came.firstMs === undefined) {
    if (child.exitCode !== null || performance.now() - startedMs > START_DEADLINE_SECONDS * 1000)
      throw new Error(`${name} sent nothing`);
    await sleep(5);
    firstCpuMs = usageOf(child.pid).cpuMs;
  }
  const firstSeconds = (came.firstMs - startedMs) / 1000;
  await sleep(WARM_UP_SECONDS * 1000);
  await intervals();
  const before = { ...usageOf(child.pid), ...came };
  await sleep(seconds * 1000);
  const after = { ...usageOf(child.pid), ...came };
  const { scans, lateShare, jitterP99Ms } = punctuality(await intervals(), periodMs);
  child.kill('SIGKILL');
  await new Promise((ended) => child.once('exit', ended));
  rmSync(join(bench.folder, 'store'), { recursive: true, force: true });
  const readings = after.readings - before.readings;
  return {
    'readings/s': readings / seconds,
    'CPU s per million': ((after.cpuMs - before.cpuMs) / readings) * 1000,
    'first reading s': firstSeconds,
    'CPU s until then': firstCpuMs / 1000,
    'RSS MB': after.rssMb,
    'peak MB': after.peakMb,
    'payload B per reading': (after.bytes - before.bytes) / readings,
    'disk B per reading': (after.writtenBytes - before.writtenBytes) / readings,
    'scans %': (100 * scans * periodMs) / (devices * seconds * 1000),
    'late %': 100 * lateShare,
    'jitter p99 ms': jitterP99Ms,
  };
}

try {
  const rounds = Object.fromEntries(names.map((name) => [name, []]));
  // In turn, so that all see the same neighbours on the machine.
  for (let round = 0; round < repeat; round++) for (const name of names) rounds[name].push(await measure(name, round));
  const middle = (name, figure) => median(rounds[name].map((row) => row[figure]));
  const rows = names.map((name) => [
    name,
    Object.fromEntries(
      Object.entries(FIGURES).map(([figure, digits]) => [figure, Number(middle(name, figure).toFixed(digits))]),
    ),
  ]);
  const many = repeat === 1 ? 'one round' : `medians of ${repeat} rounds`;
  console.log(
    `${devices} devices x ${registers} registers every ${periodMs} ms; ${seconds} s after ${WARM_UP_SECONDS} s, ${many}`,
  );
  console.table(Object.fromEntries(rows));
  for (const peer of names.slice(1)) {
    const ratio = (figure) => (middle('millgate', figure) / middle(peer, figure)).toFixed(2);
    console.log(
      `millgate / ${peer}: CPU ${ratio('CPU s per million')}, RSS ${ratio('RSS MB')}, first reading ${ratio('first reading s')}`,
    );
  }
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
} finally {
  bench.end();
}
process.exit();
