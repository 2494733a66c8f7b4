import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { Api } from '../../src/api/server.ts';
import type { GatewayView } from '../../src/api/view.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { type CliContext, colorsFor } from '../../src/cli/terminal/context.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { Terminal } from './terminal.ts';

const undo: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A folder of its own for one test, removed afterwards. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millgate-test-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The API of a view on a socket of its own, closed after the test. */
export async function serve(
  view: GatewayView,
  over: Partial<ConstructorParameters<typeof Api>[0]> = {},
): Promise<{ api: Api; socketPath: string }> {
  const socketPath = over.socketPath ?? join(temporaryFolder(), 'api.sock');
  const api = new Api({
    view,
    listen: undefined,
    clock: systemClock,
    log: silentLogger,
    version: '0.1.0',
    ...over,
    socketPath,
  });
  undo.push(() => api.close());
  await api.start();
  return { api, socketPath };
}

/** One run of the command line in a world of its own. */
export interface Run {
  readonly exitCode: Promise<number>;
  readonly terminal: Terminal;
  readonly out: () => string;
  readonly err: () => string;
  /** Ctrl-C. */
  readonly interrupt: () => void;
}

/** How the world of a run differs from a pipe on a machine without a gateway. */
export interface World {
  readonly env?: Record<string, string>;
  /** A terminal of this size instead of a pipe. */
  readonly terminal?: Terminal;
  /** What is typed, where there is somebody to ask. */
  readonly input?: NodeJS.ReadableStream;
  readonly cwd?: string;
  readonly clock?: Clock;
}

/** What `millgate` takes from a world, with what it wrote on standard error and Ctrl-C. */
export function contextOf(world: World = {}) {
  const terminal = world.terminal ?? new Terminal();
  const isTerminal = world.terminal !== undefined;
  const env = { MILLGATE_SOCKET: '/nonexistent/api.sock', ...world.env };
  const end = new AbortController();
  let err = '';
  const context: CliContext = {
    stdout: terminal,
    stderr: { write: (text) => (err += text) },
    env,
    isTerminal,
    isErrorTerminal: isTerminal,
    input: world.input,
    columns: () => terminal.columns,
    rows: () => terminal.rows,
    onResize: terminal.onResize,
    colors: colorsFor(isTerminal, env),
    clock: world.clock ?? systemClock,
    signal: end.signal,
    cwd: world.cwd ?? '/',
    hostname: 'bench',
    invocation: 'millgate',
  };
  return { context, terminal, err: () => err, interrupt: () => end.abort() };
}

/** Starts `millgate` with these words. */
export function millgate(args: readonly string[], world: World = {}): Run {
  const { context, terminal, err, interrupt } = contextOf(world);
  return { exitCode: runCommandLine(args, context), terminal, out: () => terminal.written, err, interrupt };
}

/** Resolves when the condition holds; fails with its text when it does not within `withinMs`. */
export async function until(condition: () => boolean, withinMs = 15_000): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Leaves a socket at a path that nobody listens on, as a killed gateway does. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.made`, resolve));
  renameSync(`${path}.made`, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
