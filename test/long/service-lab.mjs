// The lab seen from outside: the virtual machine, the slave on its serial port, and the broker that hears everything.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mqtt from 'mqtt';
import { Bench, freePort, sleep } from '../bench/parts.mjs';

const run = promisify(execFile);
const LAB = process.env.LAB_DIR ?? '../shared/lab';

/** ssh's own failure, as against the command's. */
const OUT_OF_REACH = 255;

/** Runs vm.sh; its output, trimmed. On a busy host the machine is out of reach at times: then it is asked again. */
export async function vm(...args) {
  for (let tries = 1; ; tries++)
    try {
      const env = { ...process.env, LAB_BOOT_S: args[0] === 'wait' ? '500' : '90' };
      const { stdout } = await run(join(LAB, 'vm.sh'), args, { env, maxBuffer: 64e6, timeout: 600_000 });
      return stdout.trim();
    } catch (error) {
      if (args[0] !== 'ssh' || error.code !== OUT_OF_REACH || tries >= 10) throw error;
      await sleep(1000);
    }
}

/**
 * Starts the machine, and resolves when it answers. On a busy host it gives up waiting for its second disk; then that is
 * mounted from the console.
 */
export async function startMachine(...options) {
  try {
    return await vm('start', ...options);
  } catch {
    await vm('console', 'systemctl restart data.mount; mount -a').catch(() => {});
    return `${await vm('wait')} (helped with the disk)`;
  }
}

/** A command in the machine; what it prints, whether or not it fails. */
export const guest = (command) => vm('ssh', `${command} 2>&1 || true`);

/** Waits for a condition, asked every `everyMs`; the time it took, ms. */
export async function until(what, condition, deadlineMs, everyMs = 100) {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > deadlineMs) throw new Error(`waited ${deadlineMs / 1000} s in vain for ${what}`);
    await sleep(everyMs);
  }
  return performance.now() - startMs;
}

/** The Modbus slave; notes when it was asked. It is the witness that polling goes on. */
export function startSlave(bench) {
  const times = [];
  const asked = { lastMs: 0, count: 0, firstAfter: (ms) => times.find((time) => time > ms) };
  const child = bench.start('python3', ['-u', join(LAB, 'rtu-slave.py'), '--max-s', '14400', '--units', '1,2']);
  child.stdout.on('data', (text) => {
    const requests = text
      .toString()
      .split('\n')
      .filter((line) => / ms [0-9a-f]+ /.test(line)).length;
    if (requests === 0) return;
    asked.count += requests;
    asked.lastMs = performance.now();
    times.push(asked.lastMs);
  });
  return asked;
}

/** After a fault: waits until the slave is asked no more and then again; from the last question to the next, ms. */
export async function outage(asked, deadlineMs = 90_000, silentMs = 1500) {
  await until('polling to stop', () => performance.now() - asked.lastMs > silentMs, deadlineMs, 20);
  const lastMs = asked.lastMs;
  await until('polling to go on', () => asked.lastMs > lastMs, deadlineMs, 20);
  return asked.lastMs - lastMs;
}

/** The broker's subscriber: every number of every stream, and whether one came with two contents. */
export class Witness {
  streams = new Map();
  conflicts = 0;
  duplicates = 0;
  badStamps = [];

  async start(port) {
    this.client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clean: true });
    this.client.on('message', (topic, payload) => this.take(topic, payload.toString()));
    await this.client.subscribeAsync('millgate/#', { qos: 1 });
  }

  take(topic, text) {
    const message = topic.endsWith('/status') ? {} : JSON.parse(text);
    if (topic.endsWith('/readings'))
      for (const [index, record] of message.records.entries())
        this.note(message.epoch, 'readings', message.seq + index, JSON.stringify(record), record);
    if (topic.endsWith('/events')) this.note(message.epoch, 'events', message.seq, text, message);
  }

  note(epoch, stream, seq, text, content) {
    const key = `${epoch} ${stream}`;
    const seen = this.streams.get(key) ?? new Map();
    this.streams.set(key, seen);
    const before = seen.get(seq);
    if (before === undefined) seen.set(seq, { text, content, arrivedMs: Date.now() });
    else if (before.text === text) this.duplicates++;
    // The rest of the time stamp may have become known in between; nothing else may differ.
    else if (
      JSON.stringify({ ...JSON.parse(before.text), t: 0, clock: 0 }) === JSON.stringify({ ...content, t: 0, clock: 0 })
    )
      this.duplicates++;
    else this.conflicts++;
  }

  epochs() {
    return new Set([...this.streams.keys()].map((key) => key.split(' ')[0]));
  }

  of(epoch, stream) {
    return this.streams.get(`${epoch} ${stream}`) ?? new Map();
  }
}

/** `millgate status --json` in the machine; undefined while it does not answer. */
export async function status() {
  try {
    return JSON.parse(await vm('ssh', 'millgate status --json 2>/dev/null'));
  } catch {
    return undefined;
  }
}

/**
 * Holds what arrived against what the gateway says that it gave: everything below a number taken now has to arrive,
 * except what the ledger explains.
 */
export async function account(witness) {
  let now;
  const answers = async () => {
    now = await status();
    return now !== undefined;
  };
  await until('the status', answers, 60_000, 1000);
  const { epoch, next, ledger, accounts } = now.store;
  const missingIn = (stream) => {
    const seen = witness.of(epoch, stream);
    const isExplained = (seq) => ledger.some((entry) => entry.stream === stream && seq >= entry.from && seq < entry.to);
    let missing = 0;
    for (let seq = 1; seq < next[stream]; seq++) if (!seen.has(seq) && !isExplained(seq)) missing++;
    return missing;
  };
  const missing = () => missingIn('readings') + missingIn('events');
  await until('everything to arrive', () => missing() === 0, 240_000, 500).catch(() => {});
  const unexplained = accounts.flatMap((entry) => entry.unexplained).length;
  const lost = ledger.reduce((sum, entry) => sum + entry.count, 0);
  return {
    ok: missing() === 0 && unexplained === 0 && lost === 0 && witness.conflicts === 0 && witness.epochs().size === 1,
    text: `${next.readings - 1} records and ${next.events - 1} events given, ${missing()} missing upstream, ${unexplained} unexplained, ${lost} in the ledger, ${witness.conflicts} conflicting, ${witness.duplicates} sent twice`,
  };
}

export { Bench, freePort, sleep };
