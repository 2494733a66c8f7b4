// I²C on the kernel's own bus: run as root on a Linux whose /dev/i2c-1 is the simulated bus lab_i2c (a TMP102 at 0x48, 256
// registers at 0x76), in a folder with dist/, package.json and node_modules/:  node test/hardware/i2c.mjs
// Prints a table; exits 1 when a row fails.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { channelsOf, pollChannel, row, rowsFailed } from './bench.mjs';

const root = new URL('../../', import.meta.url);
const { Bus } = await import(new URL('dist/hal/i2c/bus.js', root));
const { kernelWire } = await import(new URL('dist/hal/i2c/wire.js', root));
const { scanI2c } = await import(new URL('dist/hal/i2c/scan.js', root));
const { systemClock } = await import(new URL('dist/src/core/clock.js', root));

const never = new AbortController().signal;
const newBus = (timeoutMs = 500) => new Bus({ name: '/dev/i2c-1', timeoutMs, retries: 1 }, kernelWire(1), systemClock);

/** One connect in a process of a user without groups: what the driver says there. */
if (process.argv[2] === 'as-nobody') {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
  await newBus()
    .connect(never)
    .then(
      () => console.log('connected'),
      (error) => console.log(error.message),
    );
  process.exit(0);
}

const FILE = `
channels:
  sensors: {driver: i2c, bus: 1}
devices:
  oil: {channel: sensors, unit: 0x48, chip: tmp102, every: 200ms}
  file: {channel: sensors, unit: 0x76, chip: registers, every: 200ms, tags: {level: {address: "0x10", type: uint16}}}
`;
const set = (parameter, value) => writeFileSync(`/sys/module/lab_i2c/parameters/${parameter}`, String(value));
const calm = () => {
  for (const [parameter, value] of Object.entries({ nak_addr: -1, fail_count: 0, delay_ms: 0, temp_mc: 21500 }))
    set(parameter, value);
};

calm();
const line = pollChannel(channelsOf(FILE)[0]);
const isGood = (id) => line.last(id)?.quality === 'good';
/** Waits until both devices are good again, and says how long that took. */
const recovered = async () => {
  const startedMs = performance.now();
  const isBack = await line.until(() => isGood('oil/temperature') && isGood('file/level'), 10_000);
  return { isBack, text: `back after ${Math.round(performance.now() - startedMs)} ms` };
};

await row('tmp102 at 0x48 follows the temperature', async () => {
  const got = [];
  for (const milli of [43_750, -12_500, 21_500]) {
    set('temp_mc', milli);
    await line.until(() => line.last('oil/temperature')?.value === milli / 1000, 3000);
    got.push(line.last('oil/temperature')?.value);
  }
  return { isRight: String(got) === '43.75,-12.5,21.5', got: String(got) };
});

await row('scan finds both, writes pointers only', async () => {
  // An emulated machine on a busy host may take longer than 500 ms for one of 112 transfers, and the scan would say so.
  const bus = newBus(5000);
  await bus.connect(never);
  const found = await scanI2c(bus, never);
  await bus.close();
  const got = found.map(({ address, candidates }) => `0x${address.toString(16)} ${candidates.join('|')}`);
  return { isRight: found.map(({ address }) => address).join() === '72,118', got: got.join(', ') };
});

await row('no acknowledge: one device bad, neighbour good', async () => {
  line.forget();
  set('nak_addr', 0x48);
  await pause(4000);
  const oil = line.seen('oil/temperature');
  const neighbour = line.seen('file/level');
  set('nak_addr', -1);
  const { isBack, text } = await recovered();
  const isRight = oil.has('timeout') && oil.has('offline') && [...neighbour].join() === 'good' && isBack;
  return { isRight, got: `oil ${[...oil]}; file ${[...neighbour]}; ${text}` };
});

for (const [errno, name] of [
  [110, 'ETIMEDOUT'],
  [5, 'EIO'],
  [11, 'EAGAIN'],
]) {
  await row(`5 transfers fail with ${name}`, async () => {
    line.forget();
    set('fail_errno', errno);
    set('fail_count', 5);
    await line.until(() => line.seen('oil/temperature').size + line.seen('file/level').size > 2, 3000);
    const { isBack, text } = await recovered();
    const isRight = isBack && line.state() === 'connected';
    return { isRight, got: `oil ${[...line.seen('oil/temperature')]}; file ${[...line.seen('file/level')]}; ${text}` };
  });
}

await row('clock stretching of 200 ms is waited for', async () => {
  line.forget();
  set('delay_ms', 200);
  await pause(3000);
  const seen = [...line.seen('oil/temperature')].join();
  set('delay_ms', 0);
  await recovered();
  return { isRight: seen === 'good', got: `oil ${seen}` };
});

await row('transfers of 2 s: given up, the bus comes back', async () => {
  line.forget();
  set('delay_ms', 2000);
  await pause(6000);
  const seen = [...line.seen('oil/temperature')].join();
  set('delay_ms', 0);
  const { isBack, text } = await recovered();
  return { isRight: isBack && /timeout|not-connected/.test(seen), got: `oil ${seen}; ${text}` };
});

await row('a kernel driver has the address', async () => {
  line.forget();
  writeFileSync('/sys/bus/i2c/devices/i2c-1/new_device', 'lm75 0x48');
  await line.stop();
  const again = pollChannel(channelsOf(FILE)[0]);
  await pause(1500);
  const seen = [...again.seen('oil/temperature')].join();
  const neighbour = [...again.seen('file/level')].join();
  writeFileSync('/sys/bus/i2c/devices/i2c-1/delete_device', '0x48');
  const isBack = await again.until(() => again.last('oil/temperature')?.quality === 'good', 5000);
  await again.stop();
  return { isRight: seen === 'device-busy' && neighbour === 'good' && isBack, got: `oil ${seen}; file ${neighbour}` };
});

await row('without permission it says how', async () => {
  const got = execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'as-nobody'], {
    encoding: 'utf8',
  }).trim();
  return { isRight: got.includes('usermod -aG i2c'), got };
});

calm();
process.exit(rowsFailed() > 0 ? 1 : 0);
