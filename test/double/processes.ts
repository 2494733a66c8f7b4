import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The compiled binary, as it is installed. */
export const BINARY = join(import.meta.dirname, '../../dist/src/cli.js');

/** A free TCP port on the loopback. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** Resolves when `condition` holds, asked every 20 ms; rejects with `what` and `explain()` after `deadlineMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  explain: () => string = () => '',
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms in vain for: ${what}. ${explain()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether something listens on a loopback port. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A running program whose output is kept. */
export interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** How much output of a program is kept, characters. */
const KEPT_OUTPUT = 200_000;

/** Programs and folders of one test; `dispose` ends and removes them all. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'millgate-test-'));
  private readonly programs: Program[] = [];

  /** Starts a program; rejects when it cannot be started, naming what to install. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Program {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    let text = '';
    const keep = (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-KEPT_OUTPUT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => {
      text += `${command} could not be started: ${error.message}. scripts/test installs what the tests need.`;
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const program: Program = {
      child,
      output: () => text,
      stop: async (signal = 'SIGTERM') => {
        if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
          child.kill(signal);
          await ended;
        }
      },
    };
    this.programs.push(program);
    return program;
  }

  /** Writes a file into the folder and gives its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Starts mosquitto on a loopback port and waits until it listens. */
  async broker(port: number): Promise<Program> {
    const config = this.write(
      'mosquitto.conf',
      `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`,
    );
    const program = this.start('mosquitto', ['-c', config], {
      ...process.env,
      PATH: `${process.env.PATH}:/usr/sbin`,
    });
    await until('mosquitto to listen', () => listens(port), 10_000, program.output);
    return program;
  }

  /** Starts devices served by pymodbus and waits until they say so. */
  async pymodbus(...args: readonly (string | number)[]): Promise<Program> {
    const script = join(import.meta.dirname, 'pymodbus-farm.py');
    const program = this.start('/usr/bin/python3', ['-u', script, ...args.map(String)]);
    await until('pymodbus to be ready', () => program.output().includes('ready'), 20_000, program.output);
    if (args[0] === 'tcp')
      await until('its ports', () => listens(Number(args[1]) + Number(args[2]) - 1), 10_000, program.output);
    return program;
  }

  /** A pair of connected pseudo terminals; bytes written to one come out of the other. */
  async ptyPair(): Promise<{ a: string; b: string }> {
    const a = join(this.folder, 'tty-a');
    const b = join(this.folder, 'tty-b');
    const program = this.start('socat', ['-d', '-d', `pty,raw,echo=0,link=${a}`, `pty,raw,echo=0,link=${b}`]);
    await until(
      'socat to make the pair',
      () => program.output().includes('starting data transfer'),
      10_000,
      program.output,
    );
    return { a, b };
  }

  /** Starts the gateway on a configuration file. */
  gateway(configFile: string): Program {
    return this.start(process.execPath, [BINARY, 'run', '--config', configFile]);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop('SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
