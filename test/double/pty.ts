import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';

/** A serial port of this machine whose other end is a TCP server. */
export interface Pty {
  readonly path: string;
  /** Takes the port away, its name included. */
  unplug(): void;
  /** Makes it again under the same name. */
  plug(): Promise<void>;
  stop(): Promise<void>;
}

/** A pty whose other end is `port` on this machine, through socat. */
export async function ptyTo(port: number): Promise<Pty> {
  if (spawnSync('socat', ['-V']).error) throw new Error('this test needs socat: apt-get install socat');
  const folder = mkdtempSync(join(tmpdir(), 'millgate-pty-'));
  const path = join(folder, 'line');
  let socat: ChildProcess;
  const pty: Pty = {
    path,
    unplug: () => void socat.kill(),
    async plug() {
      socat = spawn('socat', [`PTY,link=${path},rawer`, `TCP:127.0.0.1:${port},nodelay`]);
      for (let waited = 0; !existsSync(path) && waited < 200; waited++) await systemClock.sleep(5);
    },
    async stop() {
      await ended(socat);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await pty.plug();
  return pty;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill();
  });
}
