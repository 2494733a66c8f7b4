// CPU and memory of the gateway beside a bare loop of the same libraries, in one run, as ratios.
// Usage: node run.mjs [DEVICES REGISTERS PERIOD_MS SECONDS]; needs mosquitto. Prints a table, judges nothing.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import { Bench, BINARY, freePort, sleep } from './parts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [devices = 10, registers = 100, periodMs = 1000, seconds = 20] = process.argv.slice(2).map(Number);
const WARM_UP_SECONDS = 8;
const bench = new Bench();

/** User and system time of a process in seconds, and its resident size in MB. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, rssMb: read('VmRSS'), peakMb: read('VmHWM') };
}

function writtenBytes(pid) {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
}

async function measure(name, child, count) {
  await sleep(WARM_UP_SECONDS * 1000);
  const before = { ...usage(child.pid), written: writtenBytes(child.pid), readings: count() };
  await sleep(seconds * 1000);
  const after = { ...usage(child.pid), written: writtenBytes(child.pid), readings: count() };
  const readings = after.readings - before.readings;
  child.kill('SIGKILL');
  return {
    subject: name,
    'readings/s': Math.round(readings / seconds),
    'CPU s per million': ((after.cpuSeconds - before.cpuSeconds) / readings) * 1e6,
    'RSS MB': after.rssMb,
    'peak MB': after.peakMb,
    'disk B per reading': (after.written - before.written) / readings,
  };
}

async function main() {
  const mqttPort = await freePort();
  const base = 20_000 + (process.pid % 20_000);
  await bench.broker(mqttPort);
  await bench.farm(base, devices);
  const sink = await mqtt.connectAsync({ host: '127.0.0.1', port: mqttPort });
  let received = 0;
  sink.on('message', (topic, payload) => {
    const message = JSON.parse(payload.toString());
    if (topic.startsWith('bare/')) received += message.v.length;
    else for (const record of message.records ?? []) received += Object.keys(record.v ?? {}).length;
  });
  await sink.subscribeAsync('#', { qos: 1 });

  const numbers = [base, devices, registers, periodMs, mqttPort].map(String);
  const bare = await measure(
    'bare loop',
    bench.start(process.execPath, [join(here, 'bare-loop.mjs'), ...numbers]),
    () => received,
  );
  const config = bench.configuration({ base, devices, registers, periodMs, mqttPort });
  const gateway = await measure(
    'millgate',
    bench.start(process.execPath, [BINARY, 'run', '--config', config]),
    () => received,
  );
  const rounded = [bare, gateway].map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [key, typeof value === 'number' ? Number(value.toFixed(1)) : value]),
    ),
  );
  console.log(
    `${devices} devices x ${registers} registers every ${periodMs} ms, ${seconds} s after ${WARM_UP_SECONDS} s of warm-up`,
  );
  console.table(rounded);
  console.log(
    `CPU ratio millgate / bare loop: ${(gateway['CPU s per million'] / bare['CPU s per million']).toFixed(2)}`,
  );
  await sink.endAsync();
}

main()
  .catch((error) => {
    console.error(`bench: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(() => bench.end());
