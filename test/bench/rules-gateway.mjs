// What the rules cost a gateway at 5,000 readings a second: one with 2,000 alarms and 200 charts and one without, in turns.
//   node test/bench/rules-gateway.mjs [TURNS [SECONDS]]      see scripts/bench-rules
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Bench, BINARY, sleep } from './parts.mjs';
import { startSink } from './sink.mjs';
import { median, usageOf } from './usage.mjs';
import { workOf } from './works.mjs';

const ALARMS = 2000;
const CHARTS = 200;
const MOST_SHARE = 0.1;
const WARM_UP_S = 15;
const turns = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 20);
const { devices, registers, periodMs } = workOf('W2');

const bench = new Bench();
const mqttPort = await startSink(() => {});
const base = 20_000 + (process.pid % 20_000);
await bench.farm(base, devices);

/** Registers go through 65,536 values in steps: a limit near the end is passed now and then, as on a plant. */
function rules() {
  const tagOf = (index) => `d${index % devices}/r${4 + Math.floor(index / devices)}`;
  const alarm = (index) =>
    `  a${index}: {tag: ${tagOf(index)}, above: 65000, deadband: 100, onDelay: 5s, message: "{value}"}`;
  const limits = 'limits: {center: 32768, sigma: 20000}, spec: {lsl: 0, usl: 70000}';
  const chart = (index) => `  c${index}: {tag: ${tagOf(index)}, chart: xbar-r, subgroup: 5, ${limits}}`;
  const list = (many, of) => Array.from({ length: many }, (_, index) => of(index));
  return ['alarms:', ...list(ALARMS, alarm), 'spc:', ...list(CHARTS, chart), ''].join('\n');
}

/** The share of a core that a gateway takes once it runs. */
async function shareOf(hasRules) {
  const config = bench.configuration({ base, devices, registers, periodMs, mqttPort });
  if (hasRules) appendFileSync(config, rules());
  const child = bench.start(process.execPath, [BINARY, 'run', '--config', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await sleep(WARM_UP_S * 1000);
  const [before, beganMs] = [usageOf(child.pid), performance.now()];
  await sleep(seconds * 1000);
  const share = (usageOf(child.pid).cpuMs - before.cpuMs) / (performance.now() - beganMs);
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await ended;
  rmSync(join(bench.folder, 'store'), { recursive: true, force: true });
  return share;
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
try {
  const costs = [];
  for (let turn = 1; turn <= turns; turn++) {
    const without = await shareOf(false);
    const having = await shareOf(true);
    costs.push(having - without);
    console.log(`turn ${turn}: ${percent(without)} of a core without, ${percent(having)} with`);
  }
  const cost = median(costs);
  const isOk = cost <= MOST_SHARE;
  console.log(
    `${isOk ? 'ok  ' : 'FAIL'} ${ALARMS} alarms and ${CHARTS} charts at 5,000 readings/s: ${percent(cost)} of a core more, at most ${percent(MOST_SHARE)}`,
  );
  if (!isOk) process.exitCode = 1;
} catch (error) {
  console.error(`bench-rules: ${error.message}`);
  process.exitCode = 1;
} finally {
  bench.end();
}
process.exit();
