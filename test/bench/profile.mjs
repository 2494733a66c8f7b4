// Where the processor time of a gateway goes, by function, for its two threads: see scripts/bench. Judges nothing.
//   node test/bench/profile.mjs [SECONDS [WORK …]]       WORK: W1, W2, W3, 50000, 200000, or DEVICESxREGISTERS@MS
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench, BINARY, sleep } from './parts.mjs';
import { startSink } from './sink.mjs';
import { workOf } from './works.mjs';

const WARM_UP_S = 8;
const TOP = 15;

const [secondsText = '20', ...named] = process.argv.slice(2);
const seconds = Number(secondsText);

/** The clock that profiles are stamped with, which all processes of a machine share. */
const monotonicUs = () => Number(process.hrtime.bigint() / 1000n);

/** One work of the gateway under the profiler; gives the folder of its profiles, and what it took in the measured part. */
async function run(bench, { devices, registers, periodMs }) {
  const mqttPort = await startSink(() => {});
  const base = 20_000 + Math.floor(Math.random() * 20_000);
  await bench.farm(base, devices);
  const profiles = join(bench.folder, 'profiles');
  const flags = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, '--cpu-prof-interval=500'];
  const config = bench.configuration({ base, devices, registers, periodMs, mqttPort });
  const child = bench.start(process.execPath, [...flags, BINARY, 'run', '--config', config], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  await sleep(WARM_UP_S * 1000);
  const fromUs = monotonicUs();
  await sleep(seconds * 1000);
  const window = { fromUs, untilUs: monotonicUs() };
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await ended;
  return { profiles, window };
}

/** Which source each line of a bundled file is of; the bundle says so above each part. */
const sourcesOf = (() => {
  const known = new Map();
  return (url) => {
    if (!known.has(url)) {
      const path = url.startsWith('file:') ? fileURLToPath(url) : url;
      let source = path.split('/').at(-1);
      const lines = path.endsWith('.cjs') && existsSync(path) ? readFileSync(path, 'latin1').split('\n') : [];
      known.set(
        url,
        lines.map((line) => {
          source = /^\/\/ (?:dist|\.\.\/node_modules)\/(.+)\.[cm]?js$/.exec(line)?.[1] ?? source;
          return source;
        }),
      );
    }
    return known.get(url);
  };
})();

function nameOf({ functionName, url, lineNumber }) {
  const source = sourcesOf(url)[lineNumber] ?? url.split('/').slice(-2).join('/');
  return { source: source || functionName, name: `${functionName || '(anonymous)'}  ${source}` };
}

/** Time by function and by source in the measured part of a profile, ms; what was idle is left out. */
function timesIn(profile, { fromUs, untilUs }) {
  const frames = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const byName = new Map();
  const bySource = new Map();
  let atUs = profile.startTime;
  profile.samples.forEach((id, index) => {
    atUs += profile.timeDeltas[index];
    const { name, source } = frames.get(id);
    if (atUs < fromUs || atUs > untilUs || name.startsWith('(idle)')) return;
    const ms = (profile.timeDeltas[index + 1] ?? 0) / 1000;
    byName.set(name, (byName.get(name) ?? 0) + ms);
    bySource.set(source, (bySource.get(source) ?? 0) + ms);
  });
  return { byName, bySource };
}

const largest = (times, most) => [...times].sort(([, a], [, b]) => b - a).slice(0, most);

function tell(thread, { byName, bySource }) {
  const busyMs = [...byName.values()].reduce((sum, ms) => sum + ms, 0);
  const share = (ms) => `${((100 * ms) / busyMs).toFixed(1)} %`;
  console.log(`${thread}: busy ${(busyMs / seconds / 10).toFixed(1)} % of a core under the profiler`);
  for (const [name, ms] of largest(byName, TOP)) console.log(`  ${share(ms).padStart(6)}  ${name}`);
  const items = largest(bySource, 3).map(([source, ms]) => `${source} ${share(ms)}`);
  console.log(`  largest three: ${items.join(', ')}`);
}

for (const name of named.length > 0 ? named : ['W1', 'W2', '200000']) {
  const bench = new Bench();
  try {
    const work = workOf(name);
    const { profiles, window } = await run(bench, work);
    const { devices, registers, periodMs } = work;
    console.log(`\n${name}: ${devices} x ${registers} every ${periodMs} ms, ${seconds} s after ${WARM_UP_S} s`);
    const files = readdirSync(profiles).map((file) => JSON.parse(readFileSync(join(profiles, file), 'utf8')));
    const isStore = ({ nodes }) => nodes.some(({ callFrame: { url } }) => url.endsWith('worker.cjs'));
    for (const profile of files.sort((a, b) => isStore(a) - isStore(b)))
      tell(isStore(profile) ? 'thread of the store' : 'main thread', timesIn(profile, window));
  } catch (error) {
    console.error(`bench --profile ${name}: ${error.message}`);
    process.exitCode = 1;
  } finally {
    bench.end();
    rmSync(bench.folder, { recursive: true, force: true });
  }
}
process.exit();
