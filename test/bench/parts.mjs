// What benchmarks and long tests with real processes are made of.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** The compiled binary, as it is installed. */
export const BINARY = join(here, '../../dist/src/cli.js');

/** The same as a package carries it. */
export const PACKAGED = join(here, '../../dist/program/main.cjs');

/** @param {number} ms milliseconds */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A free TCP port on the loopback. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** What the service gives to Node.js: the memory is judged as it is in a plant. */
export function serviceOptions() {
  const defaults = readFileSync(new URL('../../systemd/millgate.default', import.meta.url), 'utf8');
  return /^NODE_OPTIONS="(.*)"$/m.exec(defaults)[1];
}

/** Processes and a folder of one run; `end` removes them all. */
export class Bench {
  folder = mkdtempSync(join(tmpdir(), 'millgate-bench-'));
  children = [];

  /** Starts a program; what it says on stderr is shown. */
  start(command, args, options = {}) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
    this.children.push(child);
    return child;
  }

  /** Starts mosquitto, and resolves when it listens. A queue without limits makes it a broker that keeps up. */
  async broker(port) {
    const file = join(this.folder, 'mosquitto.conf');
    const limits = 'max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n';
    writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n${limits}`);
    const child = this.start('mosquitto', ['-c', file], { stdio: 'ignore' });
    child.once('error', () => console.error('mosquitto is missing. Install it: apt-get install mosquitto'));
    for (let tries = 0; !(await listens(port)); tries++) {
      if (tries > 200) throw new Error(`mosquitto does not listen on port ${port}`);
      await sleep(20);
    }
    return child;
  }

  /**
   * Starts the farm of devices, one a port from `base` on. The function that it gives resolves with the times between scans,
   * ms, since it was called before.
   */
  async farm(base, devices) {
    const stdio = ['ignore', 'pipe', 'inherit', 'ipc'];
    const child = this.start(process.execPath, [join(here, 'farm.mjs'), String(base), String(devices)], { stdio });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return () =>
      new Promise((resolve) => {
        child.once('message', resolve);
        child.send('intervals');
      });
  }

  /**
   * Writes the configuration of a gateway that reads the farm, and gives its path. `firstPort` stands before the first device;
   * `uplinks` are in place of the one to `mqttPort`.
   */
  configuration({ base, devices, registers, periodMs, mqttPort, maxSize = '500MB', firstPort = base, uplinks }) {
    const lines = ['gateway: {id: bench}', 'channels:'];
    for (let d = 0; d < devices; d++) {
      const port = d === 0 ? firstPort : base + d;
      lines.push(`  c${d}: {driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 1s}`);
    }
    lines.push('devices:');
    for (let d = 0; d < devices; d++) {
      lines.push(`  d${d}:`, `    channel: c${d}`, '    unit: 1', `    every: ${periodMs}ms`, '    tags:');
      for (let r = 0; r < registers; r++) lines.push(`      r${r}: {address: "holding:${r}", type: uint16}`);
    }
    lines.push(`store: {path: ${this.folder}/store, maxSize: ${maxSize}}`, 'api: {listen: off}');
    const sinks = uplinks ?? { sink: { type: 'mqtt', url: `mqtt://127.0.0.1:${mqttPort}` } };
    lines.push(`uplinks: ${JSON.stringify(sinks)}`);
    const file = join(this.folder, 'millgate.yaml');
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }

  end() {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
