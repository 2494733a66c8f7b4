/** The command line's way in: reads the arguments, runs one command and ends with its exit code. */
import { hostname } from 'node:os';
import { basename, relative } from 'node:path';
import { type CliContext, colorsFor } from './cli/terminal/context.ts';
import { type TerminalOutput, terminalOutput } from './cli/terminal/terminal-output.ts';
import { systemClock } from './core/clock.ts';
import { codeOf, EXIT } from './core/errors.ts';

/** What a shell reports for a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** How long a command may take to end once it was told to, ms. */
const ENDING_DEADLINE_MS = 5000;

/** A gateway that is being started has not read its files yet: SIGHUP has nothing to tell it, and does not end it. */
const isGateway = process.argv.includes('run');

/**
 * Aborted by the first Ctrl-C or polite kill; a second one does not wait. SIGHUP goes to who takes it.
 */
function endOnSignals(end: AbortController, hangups: ReadonlySet<() => void>): void {
  const finish = () => {
    if (end.signal.aborted) process.exit(INTERRUPTED);
    end.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, finish);
  process.on('SIGHUP', () => {
    if (hangups.size === 0 && !isGateway) finish();
    for (const listener of hangups) listener();
  });
}

/** A reader that went away (`| head`) is no error: the command ends as with Ctrl-C and tidies up behind itself. */
function endQuietlyOnClosedPipe(end: AbortController): void {
  process.stdout.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') process.exit(EXIT.failed);
    if (end.signal.aborted) return;
    end.abort();
    systemClock.after(ENDING_DEADLINE_MS, () => process.exit(EXIT.ok));
  });
  process.stderr.on('error', () => {});
}

/** Whatever ends the process, a second Ctrl-C or a bug, the terminal is given back as it was, and before a bug is told. */
function restoreAtExit(output: TerminalOutput): void {
  process.on('exit', () => output.restore());
  process.on('uncaughtExceptionMonitor', () => output.restore());
}

/** Ctrl-Z gives the terminal back while the process stands still; `fg` takes it again and has everything drawn anew. */
function stepAsideOnStop(output: TerminalOutput): void {
  process.on('SIGTSTP', () => {
    output.restore();
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => {
    output.resume();
    process.stdout.emit('resize');
  });
}

function invocation(): string {
  const program = process.argv[1] ?? 'millgate';
  return basename(program) === 'millgate' ? 'millgate' : `node ${relative(process.cwd(), program)}`;
}

function processContext(signal: AbortSignal, hangups: Set<() => void>): CliContext {
  const { stdout, stderr, env } = process;
  const isTerminal = stdout.isTTY === true;
  const terminal = terminalOutput(stdout, env);
  if (isTerminal) {
    restoreAtExit(terminal);
    stepAsideOnStop(terminal);
  }
  return {
    stdout: isTerminal ? terminal : stdout,
    stderr: stderr.isTTY ? terminalOutput(stderr, env) : stderr,
    env,
    isTerminal,
    isErrorTerminal: stderr.isTTY === true,
    input: process.stdin.isTTY && isTerminal ? process.stdin : undefined,
    // Some terminals do not know their size, and say 0.
    columns: () => stdout.columns || 80,
    rows: () => stdout.rows || 24,
    onResize(listener) {
      stdout.on('resize', listener);
      return () => stdout.off('resize', listener);
    },
    colors: colorsFor(isTerminal, env),
    clock: systemClock,
    signal,
    onHangup(listener) {
      hangups.add(listener);
      return () => hangups.delete(listener);
    },
    cwd: process.cwd(),
    hostname: hostname(),
    invocation: invocation(),
  };
}

/** What was written to a pipe may still be on its way: leaving now would cut it off. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

/** Not awaited at the top of the file: the package brings the program as CommonJS, which cannot. */
async function main(): Promise<never> {
  const end = new AbortController();
  const hangups = new Set<() => void>();
  endOnSignals(end, hangups);
  endQuietlyOnClosedPipe(end);
  // Nothing is left to wait for, and the command has not ended: a bug, and no success.
  process.once('beforeExit', () => process.exit(EXIT.failed));
  // Only now: loading the commands takes most of the time until here, and a signal may come in it.
  const { runCommandLine } = await import('./cli/program.ts');
  const exitCode = await runCommandLine(process.argv.slice(2), processContext(end.signal, hangups));
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(exitCode);
}

void main();
