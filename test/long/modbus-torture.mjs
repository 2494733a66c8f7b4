// The long run of the Modbus torture; started by scripts/modbus-torture, which compiles what TORTURE names.
import { pathToFileURL } from 'node:url';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const transactions = Number(process.argv[2] ?? process.env.TRANSACTIONS ?? 1_000_000);
const { torture, A_PERCENT_EACH } = await import(pathToFileURL(process.env.TORTURE).href);

console.log(`seed ${seed}`);
let wrong = 0;
/** The column of the line that loses and garbles, and the most readings that one fault may cost there. */
const MOST_LOST_PER_FAULT = 1.2;
for (const [framing, share] of [
  ['rtu', 0.8],
  ['mbap', 0.2],
]) {
  const asked = { seed, transactions: Math.ceil((transactions * share) / 2), framing };
  const bad = await torture(asked);
  console.log(framing, 'one in four goes wrong', JSON.stringify(bad));
  const lossy = await torture({ ...asked, shares: A_PERCENT_EACH, retries: 0 });
  console.log(framing, '1 % of questions lost, 1 % of answers lost, 1 % garbled, no retries', JSON.stringify(lossy));
  console.log(framing, `readings lost per fault ${lossy.lostPerFault.toFixed(3)}, at most ${MOST_LOST_PER_FAULT}`);
  const apart = await torture({ ...asked, shares: A_PERCENT_EACH, retries: 0, maxGap: 0 });
  console.log(framing, `the same with maxGap 0: readings lost per fault ${apart.lostPerFault.toFixed(3)}`);
  wrong += bad.misattributed + lossy.misattributed + apart.misattributed;
  if (Math.max(lossy.lostPerFault, apart.lostPerFault) > MOST_LOST_PER_FAULT) process.exitCode = 1;
}
console.log(`seed ${seed} misattributed ${wrong}`);
if (wrong > 0) process.exitCode = 1;
