// What production and maintenance cost a gateway: the processor time of one with the sections and of one without, in turns.
//   node test/bench/production.mjs [TURNS [SECONDS]]      after: npm run build
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bench, BINARY, sleep } from './parts.mjs';
import { median, usageOf } from './usage.mjs';

const MACHINES = 50;
const MOST_SHARE = 0.05;
const WARM_UP_S = 8;
const turns = Number(process.argv[2] ?? 4);
const seconds = Number(process.argv[3] ?? 20);

const TAGS = {
  parts: '{address: "counter(rate=25/m)", counter: true}',
  rejects: '{address: "counter(rate=1/m)", counter: true}',
  running: '{address: "toggle(period=4m,duty=0.8)"}',
  code: '{address: "steps(values=[0,10,20],every=40s)"}',
  order: '{address: "steps(values=[1,2],every=90s)"}',
  kwh: '{address: "ramp(from=1000,to=2000,over=100h)", unit: kWh}',
  vibration: '{address: "random(min=1.2,max=1.8,every=1s)", unit: mm/s}',
  oil: '{address: "sine(min=40,max=60,period=5m)"}',
  pressure: '{address: "sine(min=180,max=220,period=60s)"}',
  power: '{address: "sine(min=4,max=9,period=3m)"}',
};

function fileOf(folder, hasSections) {
  const names = Array.from({ length: MACHINES }, (_, index) => `m${index + 1}`);
  const tags = Object.entries(TAGS).map(([name, tag]) => `      ${name}: ${tag}`);
  const lines = ['gateway: {id: bench}', 'channels: {sim: {driver: mock}}', 'devices:'];
  for (const name of names) lines.push(`  ${name}:`, '    channel: sim', '    every: 1s', '    tags:', ...tags);
  if (hasSections) {
    lines.push('production:');
    for (const m of names)
      lines.push(
        `  ${m}: {count: ${m}/parts, reject: ${m}/rejects, running: ${m}/running, reason: ${m}/code, job: ${m}/order, idealCycle: 2.4s, microStop: 20s,`,
        `    energy: {tag: ${m}/kwh, tariff: [{price: 0.31, from: "06:00", to: "22:00"}, {price: 0.22}]}, reasons: {10: jam, 20: {name: changeover, kind: setup}}}`,
      );
    lines.push('maintenance:');
    for (const m of names)
      lines.push(
        `  ${m}-oil: {runtime: ${m}/running, every: 2000h}`,
        `  ${m}-tool: {cycles: ${m}/parts, every: 100000}`,
        // In a plant a mean is an hour: here each ends after ten seconds, so that the judgement of trends is in the figure.
        `  ${m}-bearing: {tag: ${m}/vibration, limit: 7.1, zones: {group: 2, mount: rigid}, trend: 30m, per: 10s, while: ${m}/running}`,
      );
  }
  lines.push(`store: {path: ${folder}/store, maxSize: 500MB}`, 'api: {listen: off}');
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** The share of a core that a gateway takes once it runs. */
async function shareOf(hasSections) {
  const bench = new Bench();
  const folder = mkdtempSync(join(tmpdir(), 'millgate-bench-'));
  try {
    const options = { stdio: ['ignore', 'ignore', 'ignore'] };
    const { pid } = bench.start(process.execPath, [BINARY, 'run', '--config', fileOf(folder, hasSections)], options);
    await sleep(WARM_UP_S * 1000);
    const [before, beganMs] = [usageOf(pid), performance.now()];
    await sleep(seconds * 1000);
    return (usageOf(pid).cpuMs - before.cpuMs) / (performance.now() - beganMs);
  } finally {
    bench.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const costs = [];
for (let turn = 1; turn <= turns; turn++) {
  const without = await shareOf(false);
  const having = await shareOf(true);
  costs.push(having - without);
  console.log(
    `turn ${turn}: ${percent(without)} of a core without, ${percent(having)} with: ${percent(having - without)}`,
  );
}
const cost = median(costs);
console.log(
  `${MACHINES} machines, ${MACHINES * Object.keys(TAGS).length} tags at 1 s: production and maintenance cost ${percent(cost)} of a core`,
);
if (cost > MOST_SHARE) process.exitCode = 1;
