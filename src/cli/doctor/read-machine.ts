/** Reads the files and programs of a machine without ever throwing, so that tests can put another one in its place. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CliContext } from '../terminal/context.ts';

/** How long a program that is asked may take, ms. */
const PROGRAM_DEADLINE_MS = 4000;

/** Most of a program's answer that is kept, bytes. */
const MAX_ANSWER_BYTES = 8_000_000;

/** The files and programs of this machine, for looking only: nothing throws, what cannot be seen is undefined or empty. */
export interface Machine {
  /** The folder that stands for `/`. */
  readonly root: string;
  text(path: string): string | undefined;
  names(folder: string): readonly string[];
  stat(path: string): Stats | undefined;
  /** The path behind all links, as seen from the root. */
  real(path: string): string | undefined;
  /** The output of a program; undefined when it is missing, fails, or takes too long. */
  ask(program: string, args: readonly string[]): Promise<string | undefined>;
}

/** The machine whose files are below `root`; below any other root than `/`, so are its programs, in usr/bin. */
export function machineAt(root: string, context: CliContext): Machine {
  const at = (path: string): string => join(root, path);
  const trying = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch {
      return undefined;
    }
  };
  return {
    root,
    text: (path) => trying(() => readFileSync(at(path), 'utf8')),
    names: (folder) => trying(() => readdirSync(at(folder))) ?? [],
    stat: (path) => trying(() => statSync(at(path))),
    real: (path) => trying(() => `/${realpathSync(at(path)).slice(realpathSync(root).length).replace(/^\//, '')}`),
    ask: (program, args) =>
      new Promise((resolve) => {
        const options = {
          timeout: PROGRAM_DEADLINE_MS,
          maxBuffer: MAX_ANSWER_BYTES,
          signal: context.signal,
          env: { ...process.env, LC_ALL: 'C' },
        };
        const file = root === '/' ? program : at(`/usr/bin/${program}`);
        execFile(file, [...args], options, (error, stdout) => resolve(error ? undefined : stdout));
      }),
  };
}

/** `KEY=value` lines, as systemctl and timedatectl give them. */
export function propertiesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const end = line.indexOf('=');
      return end > 0 ? [[line.slice(0, end), line.slice(end + 1).trim()]] : [];
    }),
  );
}
