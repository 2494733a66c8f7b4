// How dear a start is: see scripts/bench-start.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const runs = Number(process.env.RUNS ?? 10);
const folder = mkdtempSync(join(tmpdir(), 'millgate-bench-start-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** A slave that only notes that it was asked. */
let onQuestion = () => {};
const slave = createServer((socket) => socket.on('error', () => {}).once('data', () => onQuestion()));
await new Promise((listening) => slave.listen(0, '127.0.0.1', listening));
const file = join(folder, 'millgate.yaml');
const tags = Array.from({ length: 20 }, (_, tag) => `t${tag}: {address: "sine(min=0,max=${tag + 1},period=60s)"}`);
writeFileSync(
  file,
  `channels: {line: {driver: modbus-tcp, host: 127.0.0.1, port: ${slave.address().port}}, sim: {driver: mock}}
devices:
  meter: {channel: line, unit: 1, tags: {a: {address: "holding:10", type: uint16}}}
  load: {channel: sim, tags: {${tags.join(', ')}}}
alarms: {always: {tag: load/t0, above: 0.5, message: "{value}"}}
store: {path: ${join(folder, 'store')}}
uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:9"}}
`,
);

/** What the threads of a process have used; ms. See proc_pid_schedstat(5). */
function usedMs(pid) {
  const used = (task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + used(task), 0) / 1e6;
}

async function start(command, args) {
  const env = { ...process.env, NODE_OPTIONS: '--max-old-space-size=128', MILLGATE_SOCKET: join(folder, 'api.sock') };
  const startMs = performance.now();
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const ended = new Promise((done) => child.once('exit', done));
  const asked = new Promise((done) => {
    onQuestion = () => done({ cpuMs: usedMs(child.pid), wallMs: performance.now() - startMs });
  });
  const row = await Promise.race([asked, ended]);
  if (typeof row !== 'object' || row === null) throw new Error(`it ended before it asked anything: ${said}`);
  process.kill(-child.pid, 'SIGKILL');
  await ended;
  return row;
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
console.log('program | CPU ms, median (least) | ms, median | files opened or looked for');
for (const program of process.argv.length > 2 ? process.argv.slice(2).map((path) => resolve(path)) : [process.cwd()]) {
  const own = join(program, 'bin/node');
  const node = existsSync(own) ? own : process.execPath;
  const link = join(program, 'millgate');
  const args = [existsSync(link) ? link : join(program, 'dist/src/cli.js'), 'run', '--config', file];
  await start(node, args);
  const rows = [];
  while (rows.length < runs) rows.push(await start(node, args));
  const trace = join(folder, 'trace');
  await start('strace', ['-f', '-e', 'trace=openat', '-o', trace, node, ...args]);
  const opened = readFileSync(trace, 'utf8').match(/openat\(/g).length;
  const cpu = rows.map(({ cpuMs }) => cpuMs);
  const wall = median(rows.map(({ wallMs }) => wallMs));
  console.log(
    `${program} | ${median(cpu).toFixed(0)} (${Math.min(...cpu).toFixed(0)}) | ${wall.toFixed(0)} | ${opened}`,
  );
}
process.exit(0);
