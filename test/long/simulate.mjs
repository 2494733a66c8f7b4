// Many seeds of the simulation, as many at once as there are processors; started by scripts/simulate, which compiles
// what SIMULATION names. Prints the sum, and how to replay a seed that failed.
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HOURS = Number(process.env.HOURS ?? 6);
const SUMMED = [
  ...['produced', 'delivered', 'waiting', 'duplicates', 'evicted', 'quarantined', 'memoryFull', 'damaged', 'skipped'],
  ...['lost', 'events', 'boots', 'cuts', 'flips', 'refusals', 'sessions', 'refused'],
];

/** A process is replaced after so many seeds: each leaves a little behind. */
const SEEDS_A_PROCESS = 50;

/** A child: runs the seeds that it is sent, one by one. */
async function work() {
  // Timers of gateways whose power was cut would keep it for hours.
  process.once('disconnect', () => process.exit());
  const { simulate } = await import(pathToFileURL(process.env.SIMULATION).href);
  process.on('message', async (seed) => {
    const outcome = await simulate({ seed, place: process.env.PLACE, hours: HOURS }).catch((error) => ({
      seed,
      violations: [`the simulation ended early: ${error.stack}`],
      story: [],
    }));
    process.send({ ...outcome, rssMb: process.memoryUsage.rss() / 1e6 });
  });
}

async function main() {
  const first = Number(process.env.SEED ?? process.env.FIRST ?? 1);
  const count = process.env.SEED ? 1 : Number(process.env.SEEDS ?? 1000);
  const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millgate-simulation-'));
  const sums = Object.fromEntries(SUMMED.map((key) => [key, 0]));
  const failed = [];
  const startedMs = performance.now();
  let next = first;
  let worstRssMb = 0;
  let done = 0;

  const take = ({ seed, violations, story, rssMb, ...numbers }) => {
    for (const key of SUMMED) sums[key] += numbers[key] ?? 0;
    worstRssMb = Math.max(worstRssMb, rssMb);
    if (++done % 25 === 0)
      console.error(`${done} seeds after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    if (violations.length === 0) return;
    failed.push(seed);
    console.log(`seed ${seed} failed:\n  ${violations.join('\n  ')}`);
    if (count === 1) console.log(story.join('\n'));
    else console.log(`  replay it: SEED=${seed} HOURS=${HOURS} scripts/simulate`);
  };
  const oneChild = () =>
    new Promise((resolve) => {
      const child = fork(fileURLToPath(import.meta.url), ['work'], {
        env: { ...process.env, PLACE: place },
        execArgv: ['--max-semi-space-size=64'],
      });
      let current;
      let left = SEEDS_A_PROCESS;
      const ask = () => {
        current = left-- > 0 && next < first + count ? next++ : undefined;
        if (current === undefined) child.disconnect();
        else child.send(current);
      };
      child.on('message', (outcome) => {
        take(outcome);
        ask();
      });
      child.once('exit', () => {
        if (current !== undefined)
          take({ seed: current, violations: ['the process of the simulation ended'], story: [], rssMb: 0 });
        resolve();
      });
      ask();
    });
  const children = async () => {
    while (next < first + count) await oneChild();
  };
  const jobs = Math.min(count, Number(process.env.JOBS ?? availableParallelism()));
  await Promise.all(Array.from({ length: jobs }, children));
  rmSync(place, { recursive: true, force: true });

  const minutes = (performance.now() - startedMs) / 60_000;
  for (const key of SUMMED) console.log(`${key.padEnd(12)} ${sums[key]}`);
  console.log(
    `${done} seeds of ${HOURS} h in ${minutes.toFixed(1)} min: ${(done / minutes).toFixed(0)} seeds a minute`,
  );
  console.log(
    `largest process ${worstRssMb.toFixed(0)} MB; failed seeds: ${failed.length === 0 ? 'none' : failed.join(' ')}`,
  );
  process.exitCode = failed.length === 0 && done === count && sums.lost === 0 ? 0 : 1;
}

await (process.argv[2] === 'work' ? work() : main());
