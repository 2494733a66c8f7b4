// CPU and memory of the gateway beside a bare loop of the same libraries, in one run, as ratios.
// Usage: node run.mjs [DEVICES REGISTERS PERIOD_MS SECONDS]; needs mosquitto. Prints a table, judges nothing.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';

const here = dirname(fileURLToPath(import.meta.url));
const binary = join(here, '../../dist/src/cli/main.js');
const [devices = 10, registers = 100, periodMs = 1000, seconds = 20] = process.argv.slice(2).map(Number);
const WARM_UP_SECONDS = 8;
const folder = mkdtempSync(join(tmpdir(), 'millgate-bench-'));
const children = [];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  children.push(child);
  return child;
}

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

function gatewayConfig(base, mqttPort) {
  const lines = ['gateway: {id: bench}', 'channels:'];
  for (let d = 0; d < devices; d++)
    lines.push(`  c${d}: {driver: modbus-tcp, host: 127.0.0.1, port: ${base + d}, timeout: 1s}`);
  lines.push('devices:');
  for (let d = 0; d < devices; d++) {
    lines.push(`  d${d}:`, `    channel: c${d}`, '    unit: 1', `    every: ${periodMs}ms`, '    tags:');
    for (let r = 0; r < registers; r++) lines.push(`      r${r}: {address: "holding:${r}", type: uint16}`);
  }
  lines.push(`store: {path: ${folder}/store, maxSize: 500MB}`, 'api: {listen: off}');
  lines.push(`uplinks: {sink: {type: mqtt, url: "mqtt://127.0.0.1:${mqttPort}"}}`);
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function main() {
  const mqttPort = await freePort();
  const base = 20_000 + (process.pid % 20_000);
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    `listener ${mqttPort} 127.0.0.1\nallow_anonymous true\npersistence false\n`,
  );
  start('mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
  const farm = start(process.execPath, [join(here, 'farm.mjs'), String(base), String(devices)]);
  await new Promise((resolve) => farm.stdout.once('data', resolve));
  await sleep(500);
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
    start(process.execPath, [join(here, 'bare-loop.mjs'), ...numbers]),
    () => received,
  );
  const gateway = await measure(
    'millgate',
    start(process.execPath, [binary, 'run', '--config', gatewayConfig(base, mqttPort)]),
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
  .finally(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
