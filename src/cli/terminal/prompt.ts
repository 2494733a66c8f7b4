/** Asks a person questions on the terminal. */
import { createInterface, type Interface } from 'node:readline/promises';
import type { CliContext } from './context.ts';

/** Asks a person. Every question rejects with {@link Ended} after Ctrl-C and at the end of the input. */
export interface Prompt {
  /** A line of text. `check` says what is wrong with an answer, which is then asked again; no answer gives `fallback`. */
  text(
    question: string,
    options?: { fallback?: string; check?: (answer: string) => string | undefined | Promise<string | undefined> },
  ): Promise<string>;
  /** One of some choices, by its number; the first unless told otherwise. */
  choose<T>(question: string, choices: readonly { readonly label: string; readonly value: T }[]): Promise<T>;
  /** Yes or no. */
  confirm(question: string, fallback: boolean): Promise<boolean>;
  /** Gives the input back. Idempotent. */
  close(): void;
}

/** The person ended the questions. */
export class Ended extends Error {}

/**
 * Questions on standard error, answers from the terminal's own line editing: its mode is never changed, so that there is
 * nothing to restore however the program ends.
 */
export function createPrompt(input: NodeJS.ReadableStream, context: CliContext): Prompt {
  const { stderr, colors, signal } = context;
  const reader: Interface = createInterface({ input, terminal: false });
  const waiting: ((line: string | undefined) => void)[] = [];
  const unread: string[] = [];
  let isOver = false;
  const finish = (): void => {
    isOver = true;
    for (const settle of waiting.splice(0)) settle(undefined);
  };
  reader.on('line', (line) => {
    const settle = waiting.shift();
    if (settle) settle(line);
    else unread.push(line);
  });
  reader.on('close', finish);
  signal.addEventListener('abort', finish, { once: true });

  const line = async (shown: string): Promise<string> => {
    stderr.write(shown);
    const first = unread.shift();
    const answer =
      first ??
      (isOver || signal.aborted ? undefined : await new Promise<string | undefined>((settle) => waiting.push(settle)));
    if (answer !== undefined) return answer.trim();
    stderr.write('\n');
    throw new Ended();
  };

  const text: Prompt['text'] = async (question, { fallback, check } = {}) => {
    for (;;) {
      const hint = fallback === undefined || fallback === '' ? '' : colors.dim(` [${fallback}]`);
      const answer = (await line(`${question}${hint}: `)) || (fallback ?? '');
      const wrong = await check?.(answer);
      if (wrong === undefined) return answer;
      stderr.write(`${colors.yellow(wrong)}\n`);
    }
  };

  return {
    text,
    async choose(question, choices) {
      stderr.write(`${question}\n`);
      for (const [index, { label }] of choices.entries()) stderr.write(`  ${index + 1}  ${label}\n`);
      const most = choices.length;
      const check = (answer: string): string | undefined =>
        /^\d+$/.test(answer) && Number(answer) >= 1 && Number(answer) <= most
          ? undefined
          : `a number from 1 to ${most}`;
      return choices[Number(await text('Number', { fallback: '1', check })) - 1]!.value;
    },
    async confirm(question, fallback) {
      const check = (answer: string): string | undefined => (/^(y|yes|n|no)$/i.test(answer) ? undefined : 'yes or no');
      return /^y/i.test(await text(question, { fallback: fallback ? 'yes' : 'no', check }));
    },
    close() {
      signal.removeEventListener('abort', finish);
      reader.close();
    },
  };
}
