import { join } from 'node:path';
import { type Bench, until } from './processes.ts';

/** What the bus counted since it was asked the last time. */
export interface BusFacts {
  readonly ranMs: number;
  readonly answered: number;
  readonly unanswered: number;
  /** Questions that began before the line had been silent for t3.5. */
  readonly violations: number;
  /** Answers that came so late, for the host was busy, that the master had gone on. */
  readonly overtaken: number;
  readonly damaged: number;
  /** Share of the time that the answered transactions need on the wire: 1 is the physical limit. */
  readonly utilisation: number;
  /** Questions to each unit. */
  readonly asked: Readonly<Record<string, number>>;
}

/** A serial bus with slaves that takes the time a real one takes; see `rtu-bus.py`. */
export interface RtuBus {
  /** Name of its port; stays the same when the port itself is another. */
  readonly port: string;
  /** Units such as `2-32` fall silent, or answer again. */
  silence(units: string): void;
  answer(units: string): void;
  /** The USB adapter is pulled out, and comes back under another number. */
  unplug(): void;
  plug(): void;
  facts(): Promise<BusFacts>;
}

/** Starts a bus; rejects when Python is missing, with the words to install it. */
export async function startRtuBus(bench: Bench, baud: number, units: number, turnaroundMs = 0): Promise<RtuBus> {
  const port = join(bench.folder, 'usb-adapter');
  const script = join(import.meta.dirname, 'rtu-bus.py');
  const program = bench.start('/usr/bin/python3', ['-u', script, port, `${baud}`, `${units}`, `${turnaroundMs}`]);
  await until('the bus to be ready', () => program.output().includes('ready'), 10_000, program.output);
  const say = (command: string): void => {
    program.child.stdin?.write(`${command}\n`);
  };
  const answers = (): string[] =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
  return {
    port,
    silence: (range) => say(`silent ${range}`),
    answer: (range) => say(`answer ${range}`),
    unplug: () => say('unplug'),
    plug: () => say('plug'),
    async facts() {
      const before = answers().length;
      say('stats');
      await until('the bus to tell its counters', () => answers().length > before, 10_000, program.output);
      return JSON.parse(answers().at(-1)!) as BusFacts;
    },
  };
}
