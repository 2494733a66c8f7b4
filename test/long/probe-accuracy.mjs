// Many generated devices for probe --expect; started by scripts/probe-accuracy, which compiles what ACCURACY names.
import { pathToFileURL } from 'node:url';

const LEAST_SHARE = 0.95;
const cases = Number(process.env.CASES ?? 1000);
const given = process.argv.slice(2).map(Number);
const { probeAll, tableOf } = await import(pathToFileURL(process.env.ACCURACY).href);

const shareOf = (outcomes) => outcomes.filter(({ isRight }) => isRight).length / outcomes.length;
let isGood = true;
for (const first of given.length > 0 ? given : [1, 100_001, 200_001]) {
  const startedMs = performance.now();
  const outcomes = probeAll(first, cases);
  console.log(
    `\nseeds ${first} to ${first + cases - 1}, ${Math.round((performance.now() - startedMs) / cases)} ms each`,
  );
  console.log(tableOf(outcomes).join('\n'));
  if (process.env.SHOW)
    for (const { case: each } of outcomes.filter(({ isRight }) => !isRight))
      console.log(`wrong: seed ${each.seed}, shown ${each.shown.join(', ')}, true ${JSON.stringify(each.truths)}`);
  isGood &&= shareOf(outcomes) >= LEAST_SHARE;
}
const sparse = probeAll(300_001, cases, { sparse: true });
console.log('\nsparse maps: all registers but the wanted ones are 0');
console.log(tableOf(sparse).join('\n'));
isGood &&= shareOf(sparse) >= LEAST_SHARE;
// Left out above, for what a display shows of them fits dozens of registers: whole numbers from 1 to 9.
const tiny = probeAll(1, Math.min(cases, 300), { tiny: true });
console.log(
  `\nnot counted above: registers that hold 1 to 9 (0 is never asked for): ${(100 * shareOf(tiny)).toFixed(1)} %`,
);
console.log('the rest is as generated: nothing was taken out for being ambiguous');
process.exit(isGood ? 0 : 1);
