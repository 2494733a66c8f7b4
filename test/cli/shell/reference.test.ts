import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { commandsOf, examplesOf, manualPage, markdownReference } from '../../../scripts/cli-reference.mjs';
import { commandTree } from '../../../src/cli/program.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { parseDuration } from '../../../src/core/quantity.ts';
import { contextOf, millgate } from '../../double/command-line.ts';

const DOCS = join(import.meta.dirname, '../../../docs');

function tree(): Command {
  return commandTree(contextOf().context, () => {});
}

/** `millgate watch` */
function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

const COMMANDS = commandsOf(tree());
const EXAMPLES = COMMANDS.flatMap((command) => examplesOf(command).map((line) => ({ name: nameOf(command), line })));

/** The words of the millgate command in a line of a shell: what is quoted stays together, and a pipe or bracket ends it. */
function wordsOf(line: string): string[] {
  const [command] = /millgate(?: +(?:'[^']*'|"[^"]*"|[^\s|>()'"]+))*/.exec(line) ?? [''];
  const words = command.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? [];
  return words.slice(1).map((word) => word.replaceAll(/^['"]|['"]$/g, ''));
}

/** Parses a command line by the tree without doing anything; gives the options of the command that was named. */
async function parse(words: readonly string[]): Promise<Record<string, unknown>> {
  const program = tree();
  let options: Record<string, unknown> = {};
  for (const command of commandsOf(program))
    command.action((...args: unknown[]) => {
      options = (args.at(-1) as Command).optsWithGlobals();
    });
  await program.parseAsync([...words], { from: 'user' });
  return options;
}

describe('every command', () => {
  it.each(COMMANDS.map((command) => ({ name: nameOf(command), command })))(
    '$name has an example of itself and says what it does',
    ({ name, command }) => {
      expect(examplesOf(command).some((line) => line.includes(name))).toBe(true);
      expect(command.description()).not.toBe('');
      for (const { flags, description } of command.options) expect(description, flags).not.toBe('');
      for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('');
    },
  );

  it.each(EXAMPLES)('$name: the example is right: $line', async ({ name, line }) => {
    const words = wordsOf(line);
    expect(words).not.toEqual([]);
    const options = await parse(words);
    const own = COMMANDS.filter((command) => nameOf(command) === name).flatMap((command) => command.options);
    const durations = own.filter(({ flags }) => flags.includes('<DURATION>'));
    for (const option of durations) {
      const given = options[option.attributeName()];
      if (typeof given === 'string') expect(parseDuration(given), `${option.long} ${given}`).toBeDefined();
    }
  });

  it('fits a terminal of 80 columns with its help', async () => {
    for (const command of COMMANDS) {
      const run = millgate([...nameOf(command).split(' ').slice(1), '--help']);
      expect(await run.exitCode).toBe(EXIT.ok);
      const described = run.out().split('\nExamples:')[0]!;
      for (const line of described.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });
});

describe('the reference in docs/', () => {
  it.each([
    ['cli.md', markdownReference],
    ['millgate.1', manualPage],
  ])('%s is the one of the command tree (node scripts/cli-reference.mjs writes it anew)', (file, write) => {
    expect(write(tree())).toBe(readFileSync(join(DOCS, file), 'utf8'));
  });

  it('has every command in both forms', () => {
    const [page, manual] = ['cli.md', 'millgate.1'].map((file) => readFileSync(join(DOCS, file), 'utf8'));
    for (const command of COMMANDS) {
      expect(page).toContain(`\n## ${nameOf(command)}\n`);
      expect(manual).toMatch(new RegExp(`^\\.SS ${nameOf(command)} `, 'm'));
    }
  });
});
