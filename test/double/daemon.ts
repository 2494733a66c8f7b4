import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import type { CliContext } from '../../src/cli/terminal/context.ts';
import { colorsFor } from '../../src/cli/terminal/context.ts';
import type { Clock } from '../../src/core/clock.ts';
import { runDaemon } from '../../src/daemon.ts';
import { ask } from './ask.ts';
import { until } from './processes.ts';

/** A daemon in this process, with everything a real one has but its signals. */
export interface Daemon {
  readonly socketPath: string;
  readonly exitCode: Promise<number>;
  readonly log: () => string;
  /** SIGHUP. */
  readonly hangUp: () => void;
  /** SIGTERM. */
  readonly stop: () => Promise<number>;
}

const running: Daemon[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.stop()));
});

/** Starts a daemon on a file; resolves when its API answers, or when it has ended. */
export async function startDaemon(file: string, clock: Clock, env: CliContext['env'] = {}): Promise<Daemon> {
  const folder = join(dirname(file), 'run');
  mkdirSync(folder, { recursive: true });
  const socketPath = join(folder, 'api.sock');
  const end = new AbortController();
  const hangups = new Set<() => void>();
  let log = '';
  const context: CliContext = {
    stdout: { write: (text) => (log += text) },
    stderr: { write: (text) => (log += text) },
    env: { MILLGATE_SOCKET: socketPath, ...env },
    isTerminal: false,
    columns: () => 80,
    rows: () => 24,
    onResize: () => () => {},
    onHangup(listener) {
      hangups.add(listener);
      return () => hangups.delete(listener);
    },
    colors: colorsFor(false, {}),
    clock,
    signal: end.signal,
    cwd: '/',
    hostname: 'bench',
    invocation: 'millgate',
  };
  let ended: number | undefined;
  const exitCode = runDaemon({ file, simulate: false }, context).then(
    (code) => {
      ended = code;
      return code;
    },
    (error: unknown) => {
      ended = -1;
      log += `the daemon threw: ${error instanceof Error ? error.stack : error}`;
      return ended;
    },
  );
  const daemon: Daemon = {
    socketPath,
    exitCode,
    log: () => log,
    hangUp: () => {
      for (const listener of hangups) listener();
    },
    stop: () => {
      end.abort();
      return exitCode;
    },
  };
  running.push(daemon);
  const answers = async () =>
    ended !== undefined || (await ask(daemon, '/healthz').catch(() => undefined)) !== undefined;
  await until('the daemon to answer', answers, 20_000, () => log);
  return daemon;
}
