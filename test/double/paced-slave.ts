import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, until } from './processes.ts';

/** A meter that answers only at its own settings; see `paced-slave.py`. */
export interface PacedSlave {
  readonly port: string;
  /** What a program must find in its environment for the meter to see its parity. */
  readonly env: NodeJS.ProcessEnv;
  /** Questions that came, in hexadecimal digits. */
  questions(): string[];
}

export interface PacedSlaveSettings {
  readonly baud: number;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  readonly unit: number;
  /** False for a program that runs in this process: it cannot be given another environment. */
  readonly seesParity?: boolean;
}

/** Starts the meter; rejects when Python or gcc is missing. */
export async function startPacedSlave(bench: Bench, settings: PacedSlaveSettings): Promise<PacedSlave> {
  const { baud, parity, stopBits, unit, seesParity = true } = settings;
  const port = join(bench.folder, 'meter');
  const notes = join(bench.folder, 'notes');
  mkdirSync(notes, { recursive: true });
  const library = seesParity ? compileNotes(bench) : '';
  const words = [baud, parity, stopBits, unit, seesParity ? notes : '-'].map(String);
  const program = bench.start('/usr/bin/python3', ['-u', join(import.meta.dirname, 'paced-slave.py'), port, ...words]);
  await until('the meter to be ready', () => program.output().includes('ready'), 10_000, program.output);
  return {
    port,
    env: { ...process.env, LD_PRELOAD: library, TTY_NOTES: notes },
    questions: () =>
      program
        .output()
        .split('\n')
        .flatMap((line) => (line.startsWith('question ') ? [line.slice('question '.length)] : [])),
  };
}

function compileNotes(bench: Bench): string {
  const library = join(bench.folder, 'tty-notes.so');
  const source = join(import.meta.dirname, 'tty-notes.c');
  const { error, status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  if (error) throw new Error('this test needs gcc: apt-get install gcc');
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  return library;
}
