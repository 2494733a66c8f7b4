/** Everything a command takes from the world, handed in by whoever calls it. */
import { resolve } from 'node:path';
import pc from 'picocolors';
import type { Clock } from '../../core/clock.ts';

/** Where text goes: a stream of the process, or a test's memory. */
export interface Output {
  write(text: string): unknown;
}

/** Colours, or none: off a terminal and with `NO_COLOR` every function gives its text back. */
export type Colors = ReturnType<typeof pc.createColors>;

/** Everything a command takes from the world; whoever calls a command passes all of it in. */
export interface CliContext {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Whether standard error is a terminal, so that a line can be redrawn on it. */
  readonly isErrorTerminal?: boolean;
  /** The terminal to ask questions on; undefined: there is none, and nothing is asked. */
  readonly input?: NodeJS.ReadableStream | undefined;
  /** Size of the terminal now, in characters; 80 × 24 where there is none. */
  readonly columns: () => number;
  readonly rows: () => number;
  /** Calls back when the terminal changes its size; the returned function ends it. */
  readonly onResize: (listener: () => void) => () => void;
  readonly colors: Colors;
  readonly clock: Clock;
  /** Aborted by Ctrl-C and by a polite kill. */
  readonly signal: AbortSignal;
  /** Takes SIGHUP, which else ends the program; the returned function gives it back. Absent where there are no signals. */
  readonly onHangup?: (listener: () => void) => () => void;
  readonly cwd: string;
  readonly hostname: string;
  /** The zone in which times are shown, from the configuration; absent until a command has looked, and then UTC. */
  readonly timezone?: string;
  /** How this program was called, for command lines to copy: `millgate`, or `node` with a path. */
  readonly invocation: string;
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Where the configuration is unless said otherwise. */
export const DEFAULT_CONFIG_FILE = '/etc/millgate/millgate.yaml';

/** Colours for an output, by the rules of no-color.org. */
export function colorsFor(isTerminal: boolean, env: CliContext['env']): Colors {
  return pc.createColors(isTerminal && !env.NO_COLOR && env.TERM !== 'dumb');
}

/**
 * The configuration file: `file` as the technician gave it, for messages; `absolute`; and whether it was named at all, by
 * `--config` or `MILLGATE_CONFIG`.
 */
export function configFile(
  options: CommonOptions,
  context: CliContext,
): { file: string; absolute: string; named: boolean } {
  const named = options.config ?? (context.env.MILLGATE_CONFIG || undefined);
  const file = named ?? DEFAULT_CONFIG_FILE;
  return { file, absolute: resolve(context.cwd, file), named: named !== undefined };
}

/** How wide a table may be, characters: as the terminal. In a file or a pipe nothing of it is cut. */
export function tableWidth({ isTerminal, columns }: Pick<CliContext, 'isTerminal' | 'columns'>): number {
  return isTerminal ? columns() : Number.POSITIVE_INFINITY;
}

/** Prints lines on standard output. */
export function print(context: CliContext, lines: readonly string[]): void {
  if (lines.length > 0) context.stdout.write(`${lines.join('\n')}\n`);
}

/** Prints one JSON document, indented for a person, on standard output. */
export function printJson(context: CliContext, document: unknown): void {
  context.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}

/** Prints lines on standard error. */
export function warn(context: CliContext, lines: readonly string[]): void {
  if (lines.length > 0) context.stderr.write(`${lines.join('\n')}\n`);
}
