// USB serial adapters that are pulled out and plugged in again: run in a folder with dist/, package.json and
// node_modules/, with a device on the adapter that speaks, as
//   node test/hardware/serial.mjs modbus-rtu PORT     a Modbus slave, unit 1, 9600 8N1, holding register 5
//   node test/hardware/serial.mjs serial-line PORT    a scale that sends "ST,GS,  12.34 kg" by itself, 9600 8N1
// PORT is the name under /dev/serial/by-id, and the adapter goes back into the same USB socket: one without a serial
// number is named after it. Says when to pull and when to plug ("PULL", "PLUG"), and prints a table; exits 1 when a row fails.
import { existsSync } from 'node:fs';
import { channelsOf, pollChannel, row, rowsFailed } from './bench.mjs';

const [, , driver, port] = process.argv;
const serial = `port: "${port}", baud: 9600, parity: none`;
const FILES = {
  'modbus-rtu': `
channels:
  line: {driver: modbus-rtu, ${serial}, timeout: 300ms}
devices:
  press: {channel: line, unit: 1, every: 200ms, tags: {value: {address: "holding:5", type: uint16}}}
`,
  'serial-line': `
channels:
  line: {driver: serial-line, ${serial}}
devices:
  press: {channel: line, tags: {value: {pattern: '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg', unit: kg}}}
`,
};
const VALUE = 'press/value';
/** From the name under /dev/serial/by-id being there; until then the time is that of the emulated machine. */
const BACK_WITHIN_MS = 5000;

const line = pollChannel(channelsOf(FILES[driver])[0]);
const isGood = () => line.last(VALUE)?.quality === 'good';

await row(`${driver}: reads`, async () => ({
  isRight: await line.until(isGood, 10_000),
  got: `${line.last(VALUE)?.value ?? line.reason()}`,
}));

for (const round of [1, 2]) {
  await row(`${driver}: pulled out, round ${round}`, async () => {
    console.log('PULL');
    const isLost = await line.until(() => line.state() === 'waiting' || line.state() === 'connecting', 60_000);
    await line.until(() => line.seen(VALUE).has('not-connected'), 2000);
    return { isRight: isLost && line.seen(VALUE).has('not-connected'), got: line.reason() ?? line.state() };
  });
  await row(`${driver}: plugged in, round ${round}`, async () => {
    // Long enough that the pauses between attempts have grown to their longest.
    await line.until(() => false, 5000);
    line.forget();
    const pluggedMs = performance.now();
    console.log('PLUG');
    await line.until(() => existsSync(port), 60_000);
    const thereMs = performance.now();
    const isBack = await line.until(isGood, 60_000);
    const tookMs = Math.round(performance.now() - thereMs);
    const got = `there after ${Math.round(thereMs - pluggedMs)} ms, good ${tookMs} ms later`;
    return { isRight: isBack && tookMs <= BACK_WITHIN_MS, got };
  });
}

await line.stop();
process.exit(rowsFailed() > 0 ? 1 : 0);
