// The long run of the Modbus torture; started by scripts/modbus-torture, which compiles what TORTURE names.
import { pathToFileURL } from 'node:url';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const transactions = Number(process.env.TRANSACTIONS ?? 1_000_000);
const { torture } = await import(pathToFileURL(process.env.TORTURE).href);

console.log(`seed ${seed}`);
let wrong = 0;
for (const [framing, share] of [
  ['rtu', 0.8],
  ['mbap', 0.2],
]) {
  const result = await torture({ seed, transactions: Math.ceil(transactions * share), framing });
  console.log(framing, JSON.stringify(result));
  wrong += result.misattributed;
}
console.log(`seed ${seed} misattributed ${wrong}`);
process.exitCode = wrong === 0 ? 0 : 1;
