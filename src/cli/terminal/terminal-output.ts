/** Writes to a terminal, in ASCII where its locale can show no more. */
import type { CliContext, Output } from './context.ts';
import { ENTER_PAGE, LEAVE_PAGE } from './screen.ts';
import { widthOf } from './table.ts';

/** A terminal that is written to and that can be given back as it was. */
export interface TerminalOutput extends Output {
  /** Undoes what was written to take the terminal over, if it is. For the end of the process, however it ends, and Ctrl-Z. */
  restore(): void;
  /** Takes the terminal over again, if `restore` gave it back. What was on it has to be drawn anew. */
  resume(): void;
}

/** Characters for terminals that know no others than ASCII, each as wide as what it stands for. */
const ASCII: Readonly<Record<string, string>> = {
  '▁': '_',
  '▂': '.',
  '▃': '-',
  '▄': '~',
  '▅': '=',
  '▆': '+',
  '▇': '*',
  '█': '#',
  '░': '.',
  '–': '-',
  '—': '-',
  '─': '-',
  '│': '|',
  '×': 'x',
  '·': '.',
  '…': '~',
  '’': "'",
  '→': '>',
  '✓': '+',
  '°': 'o',
  µ: 'u',
  μ: 'u',
  '²': '2',
  '³': '3',
  ä: 'a',
  ö: 'o',
  ü: 'u',
  é: 'e',
};

/** The stream of a terminal; what its locale cannot show is written in ASCII. */
export function terminalOutput(stream: Output, env: CliContext['env']): TerminalOutput {
  const encode = isUtf8(env) ? (text: string) => text : toAscii;
  let isTaken = false;
  let isRestored = false;
  return {
    write(text) {
      if (text.includes(ENTER_PAGE)) isTaken = true;
      if (text.includes(LEAVE_PAGE)) {
        const wasRestored = isRestored;
        isTaken = false;
        isRestored = false;
        if (wasRestored) return true;
      }
      // A picture that comes between Ctrl-Z and what follows it would be drawn over the shell's own lines.
      return isRestored ? true : stream.write(encode(text));
    },
    restore() {
      if (!isTaken || isRestored) return;
      stream.write(LEAVE_PAGE);
      isRestored = true;
    },
    resume() {
      if (!isRestored) return;
      stream.write(ENTER_PAGE);
      isRestored = false;
    },
  };
}

/** Whether the locale is one in UTF-8, by the order of POSIX: LC_ALL, LC_CTYPE, LANG; without any it is C. */
function isUtf8({ LC_ALL, LC_CTYPE, LANG }: CliContext['env']): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || 'C');
}

/** A text in ASCII that is as wide; what has no likeness is a question mark. */
export function toAscii(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is kept
  return text.replaceAll(/[^\u0000-\u007f]/gu, (character) => ASCII[character] ?? '?'.repeat(widthOf(character)));
}
