// Where the processor time of a gateway goes, by function, for its two threads: see scripts/bench. Judges nothing.
//   node test/bench/profile.mjs [SECONDS [WORK …]]       WORK: W1, W2, W3, 50000, 200000, or DEVICESxREGISTERS@MS
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench, BINARY, sleep } from './parts.mjs';
import { startSink } from './sink.mjs';
import { usageOf } from './usage.mjs';
import { workOf } from './works.mjs';

const WARM_UP_S = 8;
const TOP = 15;

const [secondsText = '20', ...named] = process.argv.slice(2);
const seconds = Number(secondsText);

/** One work of the gateway under the profiler; gives the folder of its profiles, and its processor time for a million readings. */
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
  const before = usageOf(child.pid).cpuMs;
  await sleep(seconds * 1000);
  const cpuMs = usageOf(child.pid).cpuMs - before;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await ended;
  return { profiles, cpuMs, readings: ((devices * registers * 1000) / periodMs) * seconds };
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
function timesIn(profile) {
  const frames = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const fromUs = Math.max(profile.startTime, profile.endTime - seconds * 1e6);
  const byName = new Map();
  const bySource = new Map();
  let atUs = profile.startTime;
  profile.samples.forEach((id, index) => {
    atUs += profile.timeDeltas[index];
    const { name, source } = frames.get(id);
    if (atUs < fromUs || name.startsWith('(idle)')) return;
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
    const { profiles, cpuMs, readings } = await run(bench, work);
    const perMillion = ((cpuMs / readings) * 1000).toFixed(1);
    const { devices, registers, periodMs } = work;
    console.log(
      `\n${name}: ${devices} x ${registers} every ${periodMs} ms, ${seconds} s after ${WARM_UP_S} s, ${perMillion} s of CPU a million readings with the profiler`,
    );
    const files = readdirSync(profiles).map((file) => JSON.parse(readFileSync(join(profiles, file), 'utf8')));
    // The thread of the store is the one that waits for work more than it polls.
    const isStore = ({ nodes }) => nodes.some(({ callFrame: { url } }) => url.endsWith('worker.cjs'));
    for (const profile of files.sort((a, b) => isStore(a) - isStore(b)))
      tell(isStore(profile) ? 'thread of the store' : 'main thread', timesIn(profile));
  } catch (error) {
    console.error(`bench --profile ${name}: ${error.message}`);
    process.exitCode = 1;
  } finally {
    bench.end();
    rmSync(bench.folder, { recursive: true, force: true });
  }
}
process.exit();
