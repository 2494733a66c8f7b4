// From nothing to values of an unknown meter, only with the command line: the meter stands on a pseudo terminal, hears
// nothing but 57600 baud, odd parity, unit 147, and holds floats with the low word first from register 4010 on.
// Every command is timed and printed with its output; with DOC=FILE the transcript replaces the one in that file.
//   node test/long/commissioning.mjs     needs python3, gcc and mosquitto; about five minutes
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const double = join(dirname(fileURLToPath(import.meta.url)), '../double');
const UNIT = 147;
const SETTING = ['57600', 'odd', '1'];
/** What the meter's display shows, for whoever looks at it. */
const DISPLAY = { voltage: '231.4', current: '12.6', frequency: '50.01' };
const RUN_MS = 8000;

const bench = new Bench();
const program = join(bench.folder, 'millgate');
const port = join(bench.folder, 'meter');
const notes = join(bench.folder, 'notes');
const env = { ...process.env, TTY_NOTES: notes, LD_PRELOAD: join(bench.folder, 'tty-notes.so'), NO_COLOR: '1' };
const transcript = [];
let spentMs = 0;

/** The folder of this run is shown as `~`. */
const shown = (text) => text.replaceAll(bench.folder, '~');

function note(lines) {
  transcript.push(lines);
  process.stdout.write(`${lines}\n`);
}

/** Runs `millgate` with these words, and notes what it said and how long it took. */
async function millgate(words) {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [program, ...words], {
    cwd: bench.folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  const [exitCode] = await once(child, 'exit');
  const tookMs = performance.now() - startedMs;
  spentMs += tookMs;
  const line = words.map((word) => (/[\s*]/.test(word) ? `'${word}'` : word)).join(' ');
  note(`$ millgate ${shown(line)}\n${shown(text).trimEnd()}\n# ${(tookMs / 1000).toFixed(1)} s, exit ${exitCode}\n`);
  if (exitCode !== 0) throw new Error(`millgate ${line}: exit ${exitCode}`);
  return text;
}

async function startMeter() {
  mkdirSync(notes);
  symlinkSync(BINARY, program);
  const built = spawnSync('gcc', ['-shared', '-fPIC', '-o', env.LD_PRELOAD, join(double, 'tty-notes.c'), '-ldl']);
  if (built.status !== 0) throw new Error('gcc is missing. Install it: apt-get install gcc libc6-dev');
  const words = ['-u', join(double, 'paced-slave.py'), port, ...SETTING, String(UNIT), notes];
  const child = bench.start('/usr/bin/python3', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.stdout.resume();
}

/** The gateway on the file, for some seconds; what arrives at the broker meanwhile. */
async function run(file, brokerPort) {
  const messages = [];
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${brokerPort}`);
  client.on('message', (topic, payload) => topic.endsWith('/readings') && messages.push(payload.toString()));
  await client.subscribeAsync('millgate/#', { qos: 1 });
  const startedMs = performance.now();
  const gateway = spawn(process.execPath, [program, 'run', '--config', file], {
    cwd: bench.folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  gateway.stderr.setEncoding('utf8').on('data', (chunk) => (log += chunk));
  while (messages.length === 0) {
    if (gateway.exitCode !== null || performance.now() - startedMs > 30_000) throw new Error(`no reading came. ${log}`);
    await sleep(20);
  }
  const firstMs = performance.now() - startedMs;
  note(
    `$ millgate run --config ${shown(file)} &\n# the first batch of readings at the broker after ${(firstMs / 1000).toFixed(1)} s:\n${messages[0]}\n`,
  );
  await sleep(RUN_MS);
  spentMs += firstMs + RUN_MS;
  await millgate(['status', '--config', file]);
  await millgate(['read', '*', '--config', file]);
  const ended = once(gateway, 'exit');
  gateway.kill('SIGINT');
  const [exitCode] = await ended;
  await client.endAsync(true);
  const records = messages.flatMap((message) => JSON.parse(message).records);
  const bad = records.filter((record) => record.bad !== undefined || record.uncertain !== undefined);
  note(
    `# Ctrl-C: the gateway ended with exit ${exitCode}. ${records.length} records reached the broker, ${bad.length} of them not good.`,
  );
  const last = records.at(-1).v;
  for (const [name, text] of Object.entries(DISPLAY))
    if (Math.abs(last[name] - Number(text)) > 0.1)
      throw new Error(`${name} is ${last[name]}, the display shows ${text}`);
}

try {
  await startMeter();
  const brokerPort = await freePort();
  await bench.broker(brokerPort);
  const line = ['--port', port, '--baud', '57600', '--parity', 'odd'];
  await millgate(['scan', port]);
  const expected = Object.values(DISPLAY).join(',');
  const probed = await millgate([
    'probe',
    port,
    String(UNIT),
    'holding:4000-4063',
    ...line.slice(2),
    '--expect',
    expected,
  ]);
  const addresses = [...probed.matchAll(/value-\d: \{address: "(holding:\d+)", type: (\w+), order: (\w+)\}/g)];
  const units = { voltage: 'V', current: 'A', frequency: 'Hz' };
  const tags = Object.entries(units).flatMap(([name, unit], index) => {
    const [, address, type, order] = addresses[index] ?? [];
    if (address === undefined) throw new Error(`probe did not find the ${name}`);
    return ['--tag', `${name}=${address},${type},${order},unit=${unit}`];
  });
  const where = ['--id', 'site-1', '--store', './store', '--broker', `mqtt://127.0.0.1:${brokerPort}`];
  await millgate([
    'init',
    ...line,
    '--unit',
    String(UNIT),
    '--device',
    'meter',
    ...tags,
    ...where,
    '--output',
    'millgate.yaml',
  ]);
  await millgate(['check', 'millgate.yaml']);
  await run(join(bench.folder, 'millgate.yaml'), brokerPort);
  note(
    `# ${Math.floor(spentMs / 60_000)} min ${Math.round((spentMs % 60_000) / 1000)} s in all, from an unknown meter to its values at the broker`,
  );
  const doc = process.env.DOC;
  if (doc) {
    const [before, rest] = readFileSync(doc, 'utf8').split('<!-- transcript -->\n');
    const [, after] = rest.split('<!-- end of transcript -->\n');
    const body = ['<!-- transcript -->', '```text', ...transcript, '```', '<!-- end of transcript -->', ''].join('\n');
    writeFileSync(doc, `${before}${body}${after}`);
  }
} finally {
  bench.end();
}
